"""Reno's slope (RFC 5681 3.1) and its response to random loss."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion.reno import Reno
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000


@pytest.mark.shows("RFC 9293 MUST-19", "RFC 5681 3.1-2", "RFC 2525 2.6")
@pytest.mark.parametrize("segments_per_ack", [1, 2, 10])
def test_one_segment_per_round_trip_whatever_the_acks_are_like(segments_per_ack: int) -> None:
    """RFC 5681 3.1 with RFC 3465: stretch ACKs do not slow it down."""
    control = Reno(MSS, 20)
    control.ssthresh = control.cwnd
    for _ in range(10):
        left = control.cwnd
        while left:
            acked = min(left, segments_per_ack * MSS)
            control.acknowledged(acked, 0, 0)
            left -= acked
    assert control.cwnd // MSS == 30


def test_dividing_acks_gains_nothing() -> None:
    """RFC 3465 2.3: a receiver that acknowledges octet by octet does not inflate the window."""
    control = Reno(MSS, 10)
    for _ in range(MSS):
        control.acknowledged(1, 0, 0)
    assert control.cwnd == 11 * MSS


def test_a_reduction_forgets_what_was_counted_towards_the_next_segment() -> None:
    control = Reno(MSS, 20)
    control.ssthresh = control.cwnd
    control.acknowledged(19 * MSS, 0, 0)
    control.congestion_event(0)
    control.acknowledged(9 * MSS, 0, 0)
    assert control.cwnd == 10 * MSS


@pytest.mark.shows("RFC 5681 3.1-2", "RFC 2525 2.6")
def test_random_loss_gives_the_throughput_of_mathis() -> None:
    """MSS / RTT * sqrt(3 / 2p) (Mathis et al., CCR 27(3), 1997)."""
    loss, rtt = 0.005, 50 * MILLISECOND
    expected = MSS * SECOND / rtt * (1.5 / loss) ** 0.5
    rates = []
    for seed in range(3):
        clock = FakeClock()
        path = Path(clock, rate=20_000_000, rtt=rtt, buffer=1_000_000, loss=loss, seed=seed)
        flow = Flow(path, Reno(MSS, 10))
        clock.advance(5 * SECOND)
        rates.append(flow.goodput(60 * SECOND))
    assert 0.9 < sum(rates) / len(rates) / expected < 1.25
