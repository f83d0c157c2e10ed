"""What every congestion control has in common: the registry, reductions and their undoing, pauses, pacing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import ClassVar

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import ConfigError
from stack.tcp.congestion import ALGORITHMS, CongestionControl, Settings, find
from stack.tcp.congestion.base import UNLIMITED
from stack.tcp.congestion.cubic import Cubic
from stack.tcp.congestion.reno import Reno
from stack.tcp.congestion.vegas import Vegas

MSS = 1000
WINDOW_BASED: list[type[Reno] | type[Cubic] | type[Vegas]] = [Reno, Cubic, Vegas]


class Halver(CongestionControl):
    """All that a researcher has to write."""

    name: ClassVar[str] = "halver"

    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        self.cwnd += octets // 2

    def reduced_window(self, now: int) -> int:
        return self.cwnd // 2


class Incomplete(CongestionControl):
    name: ClassVar[str] = "incomplete"

    def reduced_window(self, now: int) -> int:
        return self.cwnd


@pytest.fixture
def own_module() -> Iterator[str]:
    module = ModuleType("somebodys_own_congestion")
    module.__dict__.update(Halver=Halver, Incomplete=Incomplete, number=5)
    sys.modules[module.__name__] = module
    yield module.__name__
    del sys.modules[module.__name__]


# -- registry --------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MAY-18")
def test_the_algorithms_that_come_with_the_stack() -> None:
    assert list(ALGORITHMS) == ["bbr", "cubic", "dctcp", "reno", "vegas"]
    assert all(find(name).name == name for name in ALGORITHMS)


def test_anybodys_own_is_found_by_module_and_class(own_module: str) -> None:
    assert find(f"{own_module}:Halver") is Halver


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("tahoe", "must be one of bbr, cubic, dctcp, reno, vegas or module:Class, not 'tahoe'"),
        ("no_such_module:Thing", "cannot load 'no_such_module:Thing': No module named 'no_such_module'"),
        ("somebodys_own_congestion:Nothing", "has no attribute 'Nothing'"),
        ("somebodys_own_congestion:number", "is not a subclass of CongestionControl"),
        ("somebodys_own_congestion:Incomplete", "does not define avoid_congestion"),
        (":Thing", "must be one of"),
    ],
)
def test_what_cannot_be_loaded_is_told_clearly(own_module: str, name: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        find(name)


# -- slow start and reduction ----------------------------------------------------------------------------


@pytest.mark.shows("RFC 6928 2")
@pytest.mark.parametrize("algorithm", [*ALGORITHMS.values(), Halver])
def test_the_initial_window_is_in_segments(algorithm: type[CongestionControl]) -> None:
    control = algorithm(MSS, 10)
    assert (control.cwnd, control.ssthresh, control.in_slow_start) == (10 * MSS, UNLIMITED, True)


@pytest.mark.shows("RFC 9293 MUST-19", "RFC 5681 3.1-1", "RFC 9438 4.10")
@pytest.mark.parametrize("algorithm", [Reno, Cubic, Halver])
def test_slow_start_doubles_the_window_each_round_trip(algorithm: type[CongestionControl]) -> None:
    control = algorithm(MSS, 10)
    for expected in (20, 40, 80):
        for _ in range(control.cwnd // MSS):
            control.acknowledged(MSS, 0, 0)
        assert control.cwnd == expected * MSS


@pytest.mark.shows("RFC 5681 3.1-1", "RFC 9438 4.10")
@pytest.mark.parametrize("algorithm", [Reno, Cubic, Halver])
def test_slow_start_ends_at_ssthresh(algorithm: type[CongestionControl]) -> None:
    """RFC 5681 3.1: what is acknowledged beyond ssthresh grows the window as congestion avoidance does."""
    control = algorithm(MSS, 10)
    control.ssthresh = 12 * MSS
    control.acknowledged(3 * MSS, 0, 0)
    assert 12 * MSS <= control.cwnd < 13 * MSS


@pytest.mark.shows("RFC 8511 3")
@pytest.mark.parametrize(
    ("algorithm", "loss", "mark"), [(Reno, 50, 80), (Cubic, 70, 85), (Vegas, 50, 80), (Halver, 50, 50)]
)
def test_a_mark_costs_less_than_a_loss(algorithm: type[CongestionControl], loss: int, mark: int) -> None:
    """RFC 8511 3.1: beta_ecn is 0.8 for Reno, 0.85 for CUBIC."""

    def window(settings: Settings, event: str) -> int:
        control = algorithm(MSS, 100, settings)
        control.ssthresh = control.cwnd
        getattr(control, event)(0)
        assert control.cwnd == control.ssthresh
        return control.cwnd // MSS

    assert window(Settings(), "congestion_event") == loss
    assert window(Settings(), "ecn_event") == mark
    assert window(Settings(abe=False), "ecn_event") == loss


@pytest.mark.shows("RFC 8511 3")
def test_in_slow_start_a_mark_counts_as_a_loss() -> None:
    """RFC 8511 4: the smaller reduction is for congestion avoidance."""
    control = Reno(MSS, 100)
    control.ecn_event(0)
    assert control.cwnd == 50 * MSS


@pytest.mark.parametrize("algorithm", WINDOW_BASED)
def test_no_reduction_goes_below_two_segments(algorithm: type[CongestionControl]) -> None:
    control = algorithm(MSS, 2)
    control.congestion_event(0)
    assert control.ssthresh == 2 * MSS


@pytest.mark.parametrize("algorithm", WINDOW_BASED)
def test_windows_are_reduced_to_whole_segments(algorithm: type[CongestionControl]) -> None:
    control = algorithm(MSS, 9)
    control.congestion_event(0)
    assert control.cwnd % MSS == 0


@pytest.mark.shows("RFC 5681 3.1-3")
def test_a_timeout_leaves_one_segment() -> None:
    """RFC 5681 3.1; only the first of several timeouts halves ssthresh."""
    control = Reno(MSS, 40)
    control.timeout(0, first=True)
    assert (control.cwnd, control.ssthresh) == (MSS, 20 * MSS)
    control.timeout(0, first=False)
    assert (control.cwnd, control.ssthresh) == (MSS, 20 * MSS)


# -- undo ------------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 4015 3.4", "RFC 5682 4", "RFC 9438 4.9")
@pytest.mark.parametrize("algorithm", WINDOW_BASED)
@pytest.mark.parametrize("event", ["congestion_event", "ecn_event", "timeout"])
def test_a_needless_reduction_is_undone(algorithm: type[CongestionControl], event: str) -> None:
    """RFC 4015 3.2, RFC 5682 4, RFC 9438 4.9."""
    control = algorithm(MSS, 50)
    control.ssthresh = 30 * MSS
    if event == "timeout":
        control.timeout(0, first=True)
        control.timeout(SECOND, first=False)
    else:
        getattr(control, event)(0)
    assert control.cwnd < 50 * MSS
    control.undo()
    assert control.cwnd == 50 * MSS
    assert control.ssthresh >= 30 * MSS


def test_undo_restores_slow_start() -> None:
    control = Reno(MSS, 20)
    control.congestion_event(0)
    control.undo()
    assert control.in_slow_start
    assert control.ssthresh == UNLIMITED


def test_undo_takes_nothing_away_and_works_once() -> None:
    control = Reno(MSS, 20)
    control.congestion_event(0)
    control.cwnd = 25 * MSS
    control.undo()
    assert control.cwnd == 25 * MSS
    control.cwnd = 4 * MSS
    control.undo()
    assert control.cwnd == 4 * MSS


# -- pauses and changes ----------------------------------------------------------------------------------


@pytest.mark.shows("RFC 5681 4.1")
@pytest.mark.parametrize("algorithm", [Reno, Cubic, Vegas])
def test_after_an_idle_rto_the_restart_window_applies(algorithm: type[CongestionControl]) -> None:
    """RFC 5681 4.1; ssthresh remembers three quarters of the window that was in use."""
    control = algorithm(MSS, 10)
    control.cwnd, control.ssthresh = 100 * MSS, 50 * MSS
    control.restart(10 * MSS)
    assert (control.cwnd, control.ssthresh) == (10 * MSS, 75 * MSS)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS.values()])
def test_another_mss_keeps_the_number_of_segments(algorithm: type[CongestionControl]) -> None:
    control = algorithm(MSS, 20)
    control.ssthresh = 15 * MSS
    control.change_mss(500)
    assert (control.mss, control.cwnd, control.ssthresh) == (500, 20 * 500, 15 * 500)


# -- pacing ----------------------------------------------------------------------------------------------


def test_windows_are_paced_as_linux_does() -> None:
    """Twice the window per round trip in slow start, 1.2 times it after."""
    control = Reno(MSS, 10)
    assert control.pacing_rate(0) == 0
    assert control.pacing_rate(100 * MILLISECOND) == 2 * 10 * MSS * 10
    control.ssthresh = control.cwnd
    assert control.pacing_rate(100 * MILLISECOND) == 10 * MSS * 10 * 6 // 5
