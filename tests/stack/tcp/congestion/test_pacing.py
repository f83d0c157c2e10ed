"""Pacing: segments leave at the rate, in bursts of a millisecond."""

from __future__ import annotations

from itertools import pairwise

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.pacing import Pacer, burst
from tests.support import FakeClock

MSS = 1000


class Source:
    """Always has something to send."""

    def __init__(self, clock: FakeClock, rate: int) -> None:
        self.clock = clock
        self.rate = rate
        self.pacer = Pacer(clock, self.output)
        self.departures: list[int] = []

    def output(self) -> None:
        now = self.clock.now()
        while len(self.departures) < 100_000 and self.pacer.may_send(now):
            self.departures.append(now)
            self.pacer.sent(MSS, self.rate, now)


@pytest.mark.parametrize("rate", [10_000, 1_000_000, 50_000_000])
def test_the_rate_is_kept_exactly(rate: int) -> None:
    clock = FakeClock()
    source = Source(clock, rate)
    source.output()
    clock.advance(SECOND)
    assert len(source.departures) * MSS == pytest.approx(rate, abs=2 * burst(rate) + MSS)


def test_no_burst_is_longer_than_a_millisecond_at_the_rate() -> None:
    clock = FakeClock()
    source = Source(clock, 5_000_000)
    source.output()
    clock.advance(SECOND)
    most = max(source.departures.count(moment) for moment in set(source.departures[20:]))
    assert most * MSS <= burst(5_000_000) + MSS


def test_a_slow_source_sends_segment_by_segment() -> None:
    clock = FakeClock()
    source = Source(clock, 10_000)
    source.output()
    clock.advance(SECOND)
    gaps = [later - before for before, later in pairwise(source.departures)]
    assert set(gaps) == {100 * MILLISECOND}


def test_silence_earns_one_burst_and_no_more() -> None:
    clock = FakeClock()
    rate = 5_000_000
    pacer = Pacer(clock, lambda: None)
    pacer.sent(MSS, rate, clock.now())
    clock.advance(10 * SECOND)
    sent = 0
    while pacer.may_send(clock.now()):
        pacer.sent(MSS, rate, clock.now())
        sent += MSS
    assert sent <= 2 * burst(rate) + MSS


def test_rate_zero_does_not_pace() -> None:
    clock = FakeClock()
    source = Source(clock, 0)
    source.output()
    assert source.departures == [0] * 100_000
    assert not source.pacer.waiting


def test_a_late_timer_is_made_up_for() -> None:
    """On a wall clock a timer comes half a millisecond late; the rate does not suffer."""
    clock = FakeClock()
    rate, sent = 5_000_000, 0
    pacer = Pacer(clock, lambda: None)
    for _ in range(1000):
        clock.advance(MILLISECOND + MILLISECOND // 2)
        while pacer.may_send(clock.now()):
            pacer.sent(MSS, rate, clock.now())
            sent += MSS
    assert sent == pytest.approx(rate * 1.5, rel=0.01)


def test_cancelling_leaves_nothing_at_the_clock() -> None:
    clock = FakeClock()
    source = Source(clock, 10_000)
    source.output()
    assert source.pacer.waiting
    source.pacer.cancel()
    assert clock.pending == 0
