"""Vegas (Brakmo and Peterson 1995)."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion.vegas import Vegas
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000


def path_of(clock: FakeClock) -> Path:
    return Path(clock, rate=2_000_000, rtt=40 * MILLISECOND, buffer=160_000)


def test_a_flow_keeps_two_to_four_segments_in_the_queue() -> None:
    """The equilibrium between alpha and beta; no loss is needed to find it."""
    clock = FakeClock()
    path = path_of(clock)
    flow = Flow(path, Vegas(MSS, 10))
    clock.advance(15 * SECOND)
    delivered, queues = flow.delivered, []
    for _ in range(200):
        clock.advance(10 * MILLISECOND)
        queues.append(path.queue / MSS)
    assert path.drops == 0
    assert 2 <= sum(queues) / len(queues) <= 5
    assert (flow.delivered - delivered) / 2 > 0.99 * path.rate


def test_the_window_of_the_equilibrium() -> None:
    """W = bandwidth-delay product + what is queued."""
    clock = FakeClock()
    path = path_of(clock)
    flow = Flow(path, Vegas(MSS, 10))
    clock.advance(15 * SECOND)
    assert flow.control.cwnd == pytest.approx(path.bdp + 3 * MSS, abs=2 * MSS)


def test_slow_start_ends_before_the_buffer_does() -> None:
    clock = FakeClock()
    path = path_of(clock)
    flow = Flow(path, Vegas(MSS, 10))
    clock.advance(SECOND)
    assert not flow.control.in_slow_start
    assert path.drops == 0


def test_a_window_that_is_not_used_does_not_grow() -> None:
    """Five segments each 100 ms: no queue, and no reason for a larger window either."""
    clock = FakeClock()
    flow = Flow(path_of(clock), Vegas(MSS, 10))
    flow.control.ssthresh = flow.control.cwnd
    flow.available = 0
    for _ in range(50):
        flow.available = 5
        flow.send()
        clock.advance(100 * MILLISECOND)
    assert flow.delivered == 250 * MSS
    assert flow.control.cwnd == 10 * MSS


def test_two_flows_share_a_bottleneck_without_loss() -> None:
    clock = FakeClock()
    path = path_of(clock)
    flows = [Flow(path, Vegas(MSS, 10), start=start * SECOND) for start in (0, 1)]
    clock.advance(20 * SECOND)
    before = [flow.delivered for flow in flows]
    clock.advance(20 * SECOND)
    rates = [flow.delivered - start for flow, start in zip(flows, before, strict=True)]
    assert path.drops == 0
    assert sum(rates) ** 2 / (2 * sum(rate * rate for rate in rates)) > 0.9
