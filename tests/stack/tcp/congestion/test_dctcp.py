"""DCTCP (RFC 8257)."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion.dctcp import Dctcp
from stack.tcp.rate import RateSample
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000
ONE = 1 << 20


def window(control: Dctcp, delivered: int, share: float) -> None:
    """One observation window of a hundred segments, ``share`` of which are marked."""
    for index in range(100):
        sample = RateSample()
        sample.newly_delivered = MSS
        sample.delivered = delivered + (index + 1) * MSS
        sample.prior_delivered = delivered if index == 99 else delivered - 1
        sample.marked = MSS if index < share * 100 else 0
        control.sample(sample)


@pytest.mark.shows("RFC 8257 3.3")
def test_alpha_moves_by_a_sixteenth_towards_the_share_of_marks() -> None:
    """RFC 8257 3.3: alpha = alpha (1 - g) + g M, from 1."""
    control, alpha, delivered = Dctcp(MSS, 10), 1.0, 0
    control._rounds.begin(0)
    for share in (0.0, 0.0, 0.5, 1.0, 0.25, 0.25, 0.0):
        window(control, delivered, share)
        delivered += 100 * MSS
        alpha = alpha * 15 / 16 + share / 16
        assert control.alpha / ONE == pytest.approx(alpha, abs=1e-4)


@pytest.mark.shows("RFC 8257 3.3")
@pytest.mark.parametrize(("alpha", "left"), [(1.0, 50), (0.5, 75), (0.1, 95), (0.0, 100)])
def test_the_window_falls_by_half_of_alpha(alpha: float, left: int) -> None:
    """RFC 8257 3.3, step 9."""
    control = Dctcp(MSS, 100)
    control.alpha = int(alpha * ONE)
    control.ecn_event(0)
    assert control.cwnd == pytest.approx(left * MSS, abs=MSS)
    assert control.cwnd == control.ssthresh


@pytest.mark.shows("RFC 8257 3.5")
def test_a_loss_halves_the_window_whatever_alpha_is() -> None:
    """RFC 8257 3.5."""
    control = Dctcp(MSS, 100)
    control.alpha = 0
    control.congestion_event(0)
    assert control.cwnd == 50 * MSS


def test_a_shallow_threshold_keeps_the_queue_short_and_the_link_busy() -> None:
    """RFC 8257 1: high throughput with little queueing; here 20 segments of a buffer of 250."""
    clock = FakeClock()
    path = Path(clock, rate=125_000_000, rtt=MILLISECOND, buffer=250_000, mark=20_000)
    flows = [Flow(path, Dctcp(MSS, 10), start=start * 10 * MILLISECOND) for start in range(2)]
    clock.advance(SECOND // 10)
    drops, queues = path.drops, []
    before = [flow.delivered for flow in flows]
    for _ in range(100):
        clock.advance(MILLISECOND)
        queues.append(path.queue)
    rates = [flow.delivered - start for flow, start in zip(flows, before, strict=True)]
    assert path.drops == drops
    assert sum(rates) * 10 > 0.97 * path.rate
    assert max(queues) < 60_000
    assert sum(rates) ** 2 / (2 * sum(rate * rate for rate in rates)) > 0.95


@pytest.mark.shows("RFC 8257 3.4")
def test_without_marks_it_grows_as_reno() -> None:
    control = Dctcp(MSS, 20)
    control.ssthresh = control.cwnd
    for _ in range(10):
        control.acknowledged(control.cwnd, 0, 0)
    assert control.cwnd == 30 * MSS
