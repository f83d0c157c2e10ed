"""BBR's state machine on a small model of a path (draft-ietf-ccwg-bbr)."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion import Settings
from stack.tcp.congestion.bbr import Bbr, Phase
from stack.tcp.congestion.bbr.bounds import UNLIMITED, lost_too_much
from stack.tcp.congestion.bbr.filters import Aggregation, MaxBandwidth, MinRtt
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000
RTT = 20 * MILLISECOND


class Run:
    """One flow or several over 2 MB/s and 20 ms, with a queue of ``buffer`` bandwidth-delay products."""

    def __init__(
        self,
        *,
        buffer: float = 1,
        loss: float = 0,
        mark: int | None = None,
        starts: tuple[int, ...] = (0,),
        seed: int = 1,
    ) -> None:
        self.clock = FakeClock()
        self.path = Path(
            self.clock, rate=2_000_000, rtt=RTT, buffer=int(40_000 * buffer), loss=loss, mark=mark, seed=seed
        )
        self.controls = [Bbr(MSS, 10, Settings(random=Random(seed + index))) for index in range(len(starts))]
        self.flows = [
            Flow(self.path, control, start=start)
            for control, start in zip(self.controls, starts, strict=True)
        ]
        self.control, self.flow = self.controls[0], self.flows[0]
        self.phases: list[Phase] = [self.control.phase]

    def advance(self, duration: int) -> None:
        """Note every state that lasts for a millisecond."""
        end = self.clock.now() + duration
        while self.clock.now() < end:
            self.clock.advance(MILLISECOND)
            if self.control.phase is not self.phases[-1]:
                self.phases.append(self.control.phase)

    def until(self, phase: Phase, limit: int = 15 * SECOND) -> None:
        end = self.clock.now() + limit
        while self.control.phase is not phase:
            assert self.clock.now() < end, f"no {phase}"
            self.advance(MILLISECOND)


# -- states ----------------------------------------------------------------------------------------------


def test_startup_doubles_until_the_bandwidth_is_found() -> None:
    run = Run(buffer=3)
    run.until(Phase.DRAIN)
    assert run.clock.now() < 15 * RTT
    assert run.control.bandwidth.value == pytest.approx(run.path.rate, rel=0.02)
    assert run.path.drops == 0


def test_drain_empties_the_queue_that_startup_left() -> None:
    run = Run(buffer=3)
    run.until(Phase.DRAIN)
    assert run.path.queue > run.path.bdp // 2
    run.until(Phase.CRUISE)
    assert run.path.queue <= 4 * MSS
    assert run.flow.in_flight <= run.path.bdp + 4 * MSS


def test_the_states_follow_each_other() -> None:
    """Startup, Drain, then the cycle of ProbeBW, interrupted by ProbeRTT."""
    run = Run()
    run.advance(8 * SECOND)
    assert run.phases[:2] == [Phase.STARTUP, Phase.DRAIN]
    followers = {
        Phase.DRAIN: {Phase.DOWN, Phase.CRUISE},
        Phase.DOWN: {Phase.CRUISE, Phase.REFILL, Phase.PROBE_RTT},
        Phase.CRUISE: {Phase.REFILL, Phase.PROBE_RTT},
        Phase.REFILL: {Phase.UP, Phase.PROBE_RTT},
        Phase.UP: {Phase.DOWN, Phase.PROBE_RTT},
        Phase.PROBE_RTT: {Phase.DOWN, Phase.CRUISE},
    }
    for before, after in pairwise(run.phases[1:]):
        assert after in followers[before]
    assert set(followers) <= set(run.phases)


def test_a_probe_for_bandwidth_comes_as_often_as_reno_needs_to_grow_by_a_window() -> None:
    """Draft 5.3.3.5.1: after as many round trips as there are segments in flight, or two to three seconds."""
    run = Run()
    run.until(Phase.CRUISE)
    probes = []
    while len(probes) < 4:
        run.until(Phase.REFILL)
        probes.append(run.clock.now())
        run.until(Phase.DOWN)
    gaps = [later - before for before, later in pairwise(probes)]
    assert all(30 * RTT < gap < 60 * RTT for gap in gaps)


def test_more_bandwidth_is_found() -> None:
    run = Run()
    run.advance(SECOND)
    run.path.rate *= 2
    run.path.buffer *= 2
    run.advance(8 * SECOND)
    assert run.control.bandwidth.value == pytest.approx(run.path.rate, rel=0.05)


def test_less_bandwidth_is_noticed() -> None:
    run = Run()
    run.advance(SECOND)
    run.path.rate //= 2
    run.advance(8 * SECOND)
    assert run.control.bandwidth.value == pytest.approx(run.path.rate, rel=0.1)
    assert run.flow.goodput(2 * SECOND) > 0.9 * run.path.rate


def test_probe_rtt_halves_the_flight_for_200_ms_every_five_seconds() -> None:
    run = Run()
    run.until(Phase.PROBE_RTT)
    began = run.clock.now()
    assert 5 * SECOND < began < 6 * SECOND
    run.advance(100 * MILLISECOND)
    assert run.flow.in_flight == pytest.approx(run.path.bdp / 2, abs=2 * MSS)
    run.until(Phase.CRUISE)
    assert 200 * MILLISECOND < run.clock.now() - began < 200 * MILLISECOND + 3 * RTT
    run.until(Phase.PROBE_RTT)
    assert run.clock.now() - began > 5 * SECOND


def test_a_longer_path_is_learnt_from_probing() -> None:
    run = Run(buffer=3)
    run.advance(SECOND)
    run.path.rtt *= 2
    run.advance(16 * SECOND)
    assert run.control.min_rtt.value == pytest.approx(2 * RTT, rel=0.1)
    assert run.flow.goodput(2 * SECOND) > 0.9 * run.path.rate


def test_an_application_that_holds_back_does_not_hide_the_bandwidth() -> None:
    """Draft 4.1.3: its samples raise the estimate, and never lower it."""
    run = Run()
    run.advance(SECOND)
    found = run.control.bandwidth.value
    for _ in range(100):
        run.flow.available = 4
        run.flow.send()
        run.advance(40 * MILLISECOND)
    assert run.control.bandwidth.value > 0.95 * found


def test_after_an_idle_time_it_goes_on_at_the_bandwidth() -> None:
    """Draft 5.4.1: neither from the initial window nor with a burst."""
    run = Run()
    run.until(Phase.CRUISE)
    run.flow.available = 0
    run.advance(SECOND)
    run.flow.available = None
    run.flow.send()
    assert run.control.pacing_rate(0) == pytest.approx(run.path.rate, rel=0.03)
    drops = run.path.drops
    assert run.flow.goodput(SECOND // 2) > 0.9 * run.path.rate
    assert run.path.drops == drops


# -- loss and marks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "share"), [(0, 0.95), (0.001, 0.95), (0.01, 0.93), (0.03, 0.90)])
def test_random_loss_costs_little_more_than_what_is_lost(loss: float, share: float) -> None:
    """A window-based sender would be at a few per cent of the line."""
    rates = []
    for seed in range(3):
        run = Run(loss=loss, seed=seed)
        run.clock.advance(SECOND // 2)
        rates.append(run.flow.goodput(6 * SECOND))
    assert sorted(rates)[1] > share * run.path.rate


@pytest.mark.parametrize("buffer", [0.1, 0.5, 1])
def test_a_shallow_buffer_is_used_and_not_flooded(buffer: float) -> None:
    """Startup overshoots; from then on inflight_hi keeps the loss in bounds."""
    run = Run(buffer=buffer)
    run.clock.advance(2 * SECOND)
    drops, delivered = run.path.drops, run.flow.delivered
    run.clock.advance(10 * SECOND)
    delivered = run.flow.delivered - delivered
    assert delivered > 0.85 * 10 * run.path.rate
    assert (run.path.drops - drops) * MSS < 0.02 * delivered


def test_without_a_queue_the_threshold_allows_for_chance() -> None:
    """Three per cent and four standard deviations: a few segments of a small flight, hardly more of a large one."""
    assert not lost_too_much(4 * MSS, 40 * MSS, MSS, queued=False)
    assert lost_too_much(7 * MSS, 40 * MSS, MSS, queued=False)
    assert not lost_too_much(300 * MSS, 10_000 * MSS, MSS, queued=False)
    assert lost_too_much(400 * MSS, 10_000 * MSS, MSS, queued=False)


def test_with_a_queue_two_per_cent_are_too_much() -> None:
    """Draft 2.7: BBR.LossThresh."""
    assert not lost_too_much(MSS, 50 * MSS, MSS, queued=True)
    assert lost_too_much(MSS, 49 * MSS, MSS, queued=True)


def test_startup_ends_when_the_buffer_overflows() -> None:
    """Draft 5.3.1.3: long before three round trips without growth have passed."""
    run = Run(buffer=0.2)
    run.until(Phase.DRAIN)
    assert run.control.bounds.inflight_hi < UNLIMITED
    assert run.clock.now() < 15 * RTT


def test_heavy_loss_lowers_the_short_term_bounds() -> None:
    """Draft 5.5.10: to what was delivered, and by no more than beta; the next probe lifts them."""
    run = Run()
    run.until(Phase.CRUISE)
    run.path.loss = 0.3
    run.advance(4 * RTT)
    run.path.loss = 0
    assert run.control.bounds.bandwidth_lo < 0.9 * run.path.rate
    run.until(Phase.REFILL)
    assert run.control.bounds.bandwidth_lo == UNLIMITED
    run.advance(SECOND)
    assert run.flow.goodput(SECOND) > 0.9 * run.path.rate


def test_marks_keep_the_queue_short() -> None:
    marked, unmarked = Run(buffer=4, mark=8_000), Run(buffer=4)
    queues = []
    for run in (marked, unmarked):
        run.advance(SECOND)
        queue = 0
        for _ in range(300):
            run.clock.advance(10 * MILLISECOND)
            queue = max(queue, run.path.queue)
        queues.append(queue)
        assert run.flow.goodput(SECOND) > 0.85 * run.path.rate
    assert marked.flow.marks > 0
    assert queues[0] < queues[1]


def test_in_recovery_no_more_is_sent_than_is_delivered() -> None:
    run = Run()
    run.until(Phase.CRUISE)
    control = run.control
    control.congestion_event(run.clock.now())
    before = run.flow.in_flight
    run.advance(RTT // 2)
    assert run.flow.in_flight <= before + 2 * MSS


def test_after_a_timeout_the_model_is_still_there() -> None:
    run = Run()
    run.until(Phase.CRUISE)
    control, window = run.control, run.control.cwnd
    control.timeout(run.clock.now(), first=True)
    assert control.cwnd == MSS
    assert control.bandwidth.value == pytest.approx(run.path.rate, rel=0.02)
    control.recovered(run.clock.now())
    assert control.cwnd == window


def test_undo_lifts_the_bounds_that_the_loss_had_lowered() -> None:
    run = Run()
    run.until(Phase.CRUISE)
    control, window = run.control, run.control.cwnd
    control.congestion_event(run.clock.now())
    control.bounds.inflight_hi = control.bounds.inflight_lo = control.bounds.bandwidth_lo = 5 * MSS
    control.cwnd = 4 * MSS
    control.undo()
    bounds = control.bounds
    assert (bounds.inflight_hi, bounds.inflight_lo, bounds.bandwidth_lo) == (UNLIMITED,) * 3
    assert control.cwnd == window


def test_two_flows_share_a_bottleneck() -> None:
    run = Run(starts=(0, SECOND), seed=4)
    run.clock.advance(15 * SECOND)
    before = [flow.delivered for flow in run.flows]
    run.clock.advance(30 * SECOND)
    rates = [flow.delivered - start for flow, start in zip(run.flows, before, strict=True)]
    assert sum(rates) ** 2 / (2 * sum(rate * rate for rate in rates)) > 0.95
    assert sum(rates) / 30 > 0.93 * run.path.rate


def test_the_same_chance_gives_the_same_run() -> None:
    delivered = []
    for _ in range(2):
        run = Run(loss=0.01, seed=7)
        run.clock.advance(3 * SECOND)
        delivered.append((run.flow.delivered, run.control.cwnd, run.path.drops))
    assert delivered[0] == delivered[1]


# -- filters ---------------------------------------------------------------------------------------------


def test_the_bandwidth_filter_spans_two_cycles() -> None:
    bandwidth = MaxBandwidth()
    bandwidth.update(100)
    bandwidth.update(50)
    bandwidth.advance()
    bandwidth.update(60)
    assert bandwidth.value == 100
    bandwidth.advance()
    assert bandwidth.value == 60
    bandwidth.advance()
    assert bandwidth.value == 60, "a cycle without samples does not count"


def test_the_rtt_filter_forgets_after_ten_seconds() -> None:
    minimum = MinRtt()
    minimum.update(20, 0)
    minimum.update(30, 4 * SECOND)
    assert (minimum.value, minimum.expired) == (20, False)
    minimum.update(30, 6 * SECOND)
    assert (minimum.value, minimum.expired) == (20, True)
    minimum.update(31, 11 * SECOND)
    assert minimum.value == 30


def test_clumps_of_acknowledgments_are_measured() -> None:
    """Draft 5.5.9: 10 kB at once every 10 ms at 1 MB/s leaves an excess of a clump."""
    aggregation = Aggregation()
    for step in range(1, 20):
        aggregation.update(10_000, 1_000_000, 1 << 30, step * 10 * MILLISECOND)
    assert 9_000 <= aggregation.value <= 11_000
    for _ in range(10):
        aggregation.round_ended(forget=False)
    assert aggregation.value == 0
