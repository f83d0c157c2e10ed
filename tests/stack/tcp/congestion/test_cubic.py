"""CUBIC's curve, regions and memory (RFC 9438)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion.cubic import Cubic, cube_root
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000


def grow(control: Cubic, start: int, until: int, rtt: int) -> dict[int, float]:
    """The window in segments at the end of each round trip."""
    now, windows = start, {}
    while now < until:
        now += rtt
        acked = 0
        while acked < control.cwnd:
            control.acknowledged(MSS, now, rtt)
            acked += MSS
        windows[now] = control.cwnd / MSS
    return windows


def curve(seconds: float, w_max: float, beta: float = 0.7) -> float:
    """W_cubic(t) = C (t - K)^3 + W_max, with K = cbrt(W_max (1 - beta) / C) (RFC 9438 4.2)."""
    k = (w_max * (1 - beta) / 0.4) ** (1 / 3)
    return 0.4 * (seconds - k) ** 3 + w_max


@pytest.mark.shows("RFC 9438 4.2", "RFC 9293 MAY-18")
def test_the_window_follows_the_curve() -> None:
    control = Cubic(MSS, 1000)
    control.congestion_event(0)
    assert control.cwnd == 700 * MSS
    windows = grow(control, 0, 20 * SECOND, 100 * MILLISECOND)
    for seconds in (2, 5, 8, 9, 10, 12, 15, 18):
        assert windows[seconds * SECOND] == pytest.approx(curve(seconds, 1000), rel=0.03)


@pytest.mark.shows("RFC 9438 4.2")
def test_the_curve_does_not_depend_on_the_rtt() -> None:
    """RFC 9438 3.3: in real time, so that flows with different RTTs grow alike."""
    after = []
    for rtt in (50, 100, 200):
        control = Cubic(MSS, 2000)
        control.congestion_event(0)
        after.append(grow(control, 0, 12 * SECOND, rtt * MILLISECOND)[12 * SECOND])
    assert max(after) / min(after) < 1.03


@pytest.mark.shows("RFC 9438 4.2")
def test_the_target_is_at_most_half_a_window_ahead() -> None:
    """RFC 9438 4.2: cwnd grows by half in a round trip, however steep the curve has become."""
    control = Cubic(MSS, 10)
    control.congestion_event(0)
    control.acknowledged(MSS, 0, SECOND)
    before = control.cwnd
    control.acknowledged(before, 100 * SECOND, SECOND)
    assert control.cwnd == before * 3 // 2


@pytest.mark.shows("RFC 9438 4.3")
def test_on_a_short_path_it_grows_as_reno_with_the_same_average_would() -> None:
    """RFC 9438 4.3: 3 (1 - beta) / (1 + beta) = 0.53 segments per round trip after a reduction to 0.7."""
    control = Cubic(MSS, 10)
    control.congestion_event(0)
    windows = grow(control, 0, 20 * MILLISECOND, MILLISECOND)
    assert windows[20 * MILLISECOND] == pytest.approx(7 + 20 * 9 / 17, abs=1)


@pytest.mark.shows("RFC 9438 4.7", "RFC 9438 4.6")
def test_fast_convergence_gives_way_to_newcomers() -> None:
    """RFC 9438 4.7: a flow that did not get back to W_max aims lower, at 0.85 of what it had."""
    control = Cubic(MSS, 1000)
    control.congestion_event(0)
    control.congestion_event(0)
    assert control.cwnd == 490 * MSS
    plateau = 700 * 0.85
    k = ((plateau - 490) / 0.4) ** (1 / 3)
    windows = grow(control, 0, 8 * SECOND, 100 * MILLISECOND)
    for seconds in (3, 6, 8):
        assert windows[seconds * SECOND] == pytest.approx(0.4 * (seconds - k) ** 3 + plateau, rel=0.03)


@pytest.mark.shows("RFC 9438 4.8")
def test_after_a_timeout_the_curve_begins_at_its_plateau() -> None:
    """RFC 9438 4.8: K = 0 and W_max = cwnd when congestion avoidance begins."""
    control = Cubic(MSS, 400)
    control.timeout(0, first=True)
    while control.in_slow_start:
        control.acknowledged(MSS, 0, 0)
    assert control.cwnd == 280 * MSS
    windows = grow(control, 0, 6 * SECOND, 100 * MILLISECOND)
    for seconds in (2, 4, 6):
        assert windows[seconds * SECOND] == pytest.approx(280 + 0.4 * seconds**3, rel=0.05)


@pytest.mark.shows("RFC 9438 5.8")
def test_time_in_which_the_application_held_back_does_not_count() -> None:
    """RFC 9438 4.2, 5.8: thirty quiet seconds are not thirty seconds of growth."""
    control = Cubic(MSS, 100)
    control.congestion_event(0)
    now, rtt = 0, 50 * MILLISECOND
    for _ in range(5):
        now += rtt
        control.acknowledged(control.cwnd, now, rtt)
    before = control.cwnd
    for _ in range(300):
        now += 100 * MILLISECOND
        control.application_limited()
    now += rtt
    control.acknowledged(control.cwnd, now, rtt)
    assert control.cwnd < before * 1.1


@pytest.mark.shows("RFC 9438 4.9")
def test_after_undo_the_curve_goes_on_where_it_was() -> None:
    """RFC 9438 4.9: the window, and W_max, K, W_est and the epoch with it."""
    rtt = 100 * MILLISECOND
    disturbed, calm = Cubic(MSS, 1000), Cubic(MSS, 1000)
    for control in (disturbed, calm):
        control.congestion_event(0)
        grow(control, 0, 3 * SECOND, rtt)
    disturbed.congestion_event(3 * SECOND)
    assert disturbed.cwnd < calm.cwnd
    disturbed.undo()
    expected = grow(calm, 3 * SECOND, 12 * SECOND, rtt)
    assert grow(disturbed, 3 * SECOND, 12 * SECOND, rtt) == pytest.approx(expected, rel=0.001)


@pytest.mark.shows("RFC 9438 5.8")
def test_an_idle_time_begins_another_epoch() -> None:
    """RFC 9438 4.2: the time in which nothing was sent is not on the curve."""
    control = Cubic(MSS, 100)
    control.congestion_event(0)
    grow(control, 0, SECOND, 50 * MILLISECOND)
    control.restart(200 * MSS)
    control.ssthresh = before = control.cwnd
    control.acknowledged(MSS, 60 * SECOND, 50 * MILLISECOND)
    assert control.cwnd < before + MSS


@pytest.mark.shows("RFC 9438 4.3", "RFC 9438 4.6")
def test_random_loss_gives_the_response_function() -> None:
    """RFC 9438 5.1, in the region where CUBIC equals Reno: MSS / RTT * sqrt(3 / 2p)."""
    loss, rtt = 0.01, 20 * MILLISECOND
    expected = MSS * SECOND / rtt * (1.5 / loss) ** 0.5
    rates = []
    for seed in range(3):
        clock = FakeClock()
        path = Path(clock, rate=10_000_000, rtt=rtt, buffer=200_000, loss=loss, seed=seed)
        flow = Flow(path, Cubic(MSS, 10))
        clock.advance(2 * SECOND)
        rates.append(flow.goodput(30 * SECOND))
    assert 0.75 < sum(rates) / len(rates) / expected < 1.1


def test_two_flows_share_a_bottleneck() -> None:
    clock = FakeClock()
    path = Path(clock, rate=2_000_000, rtt=20 * MILLISECOND, buffer=40_000)
    flows = [Flow(path, Cubic(MSS, 10), start=start * SECOND) for start in (0, 1)]
    clock.advance(10 * SECOND)
    before = [flow.delivered for flow in flows]
    clock.advance(30 * SECOND)
    rates = [flow.delivered - start for flow, start in zip(flows, before, strict=True)]
    assert sum(rates) ** 2 / (2 * sum(rate * rate for rate in rates)) > 0.95
    assert sum(rates) / 30 > 0.97 * path.rate


@given(st.integers(0, 10**60))
def test_the_cube_root_is_exact(value: int) -> None:
    root = cube_root(value)
    assert root**3 <= value < (root + 1) ** 3
