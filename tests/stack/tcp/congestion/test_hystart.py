"""HyStart++ (RFC 9406)."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion import CongestionControl, Settings
from stack.tcp.congestion.base import UNLIMITED
from stack.tcp.congestion.cubic import Cubic
from stack.tcp.congestion.hystart import HyStart
from stack.tcp.congestion.reno import Reno
from stack.tcp.rate import RateSample
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000


class Rounds:
    """Feeds HyStart++ one round trip after another, of twenty segments each."""

    def __init__(self) -> None:
        self.hystart = HyStart()
        self.delivered = 0

    def round_trip(self, rtt_ms: float, samples: int = 20) -> bool:
        began, over = self.delivered, False
        for index in range(20):
            self.delivered += MSS
            sample = RateSample()
            sample.delivered = self.delivered
            sample.newly_delivered = MSS
            sample.prior_delivered = began if index == 0 else began - 1
            sample.rtt = int(rtt_ms * MILLISECOND) if index < samples else 0
            over = self.hystart.sample(sample) or over
        return over


@pytest.mark.shows("RFC 9406 4.2-1")
@pytest.mark.parametrize(
    ("base", "rise", "enters"),
    [
        (0.2, 3.9, False),  # MIN_RTT_THRESH: 4 ms, so that bursts on a path without delay mean nothing
        (20, 3.9, False),
        (20, 4.1, True),
        (80, 9.9, False),  # an eighth of the last round's minimum
        (80, 10.1, True),
        (300, 15.9, False),  # MAX_RTT_THRESH: 16 ms
        (300, 16.1, True),
    ],
)
def test_a_clear_rise_of_the_rtt_begins_conservative_slow_start(
    base: float, rise: float, enters: bool
) -> None:
    """RFC 9406 4.2 and the constants of 4.3."""
    rounds = Rounds()
    rounds.round_trip(base)
    rounds.round_trip(base + rise)
    assert rounds.hystart.divisor == (4 if enters else 1)


@pytest.mark.shows("RFC 9406 4.2-1")
def test_fewer_than_eight_samples_decide_nothing() -> None:
    """N_RTT_SAMPLE."""
    rounds = Rounds()
    rounds.round_trip(20)
    rounds.round_trip(40, samples=7)
    assert rounds.hystart.divisor == 1


@pytest.mark.shows("RFC 9406 4.2-2")
def test_after_five_round_trips_slow_start_is_over() -> None:
    """CSS_ROUNDS."""
    rounds = Rounds()
    rounds.round_trip(20)
    rounds.round_trip(30)
    assert [rounds.round_trip(30) for _ in range(5)] == [False, False, False, False, True]


@pytest.mark.shows("RFC 9406 4.2-2")
def test_slow_start_goes_on_if_the_rtt_falls_again() -> None:
    """RFC 9406 4.2: the rise was jitter."""
    rounds = Rounds()
    rounds.round_trip(20)
    rounds.round_trip(30)
    assert rounds.hystart.divisor == 4
    rounds.round_trip(25)
    assert rounds.hystart.divisor == 1


@pytest.mark.parametrize("algorithm", [Cubic, Reno])
def test_slow_start_into_a_deep_buffer_loses_nothing(algorithm: type[CongestionControl]) -> None:
    def first_seconds(hystart: bool) -> tuple[int, CongestionControl, float]:
        clock = FakeClock()
        path = Path(clock, rate=6_000_000, rtt=40 * MILLISECOND, buffer=1_920_000)
        flow = Flow(path, algorithm(MSS, 10, Settings(hystart=hystart)))
        clock.advance(SECOND)
        return path.drops, flow.control, flow.goodput(SECOND) / path.rate

    drops, control, utilisation = first_seconds(hystart=True)
    assert drops == 0
    assert control.ssthresh < UNLIMITED, "it left slow start"
    assert utilisation > 0.99
    assert first_seconds(hystart=False)[0] > 100


def test_only_the_first_slow_start_is_watched() -> None:
    """RFC 9406 4.3: later ones know where to stop."""
    clock = FakeClock()
    path = Path(clock, rate=6_000_000, rtt=40 * MILLISECOND, buffer=480_000)
    flow = Flow(path, Reno(MSS, 10))
    clock.advance(SECOND)
    flow.control.timeout(clock.now(), first=True)
    before = flow.control.cwnd
    flow.control.acknowledged(MSS, clock.now(), flow.srtt)
    assert flow.control.cwnd == before + MSS
