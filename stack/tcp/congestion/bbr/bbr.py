"""BBR's state machine, pace and window (draft-ietf-ccwg-bbr 5)."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion.base import CongestionControl, Settings
from stack.tcp.congestion.bbr.bounds import UNLIMITED, Bounds, lost_too_much
from stack.tcp.congestion.bbr.filters import Aggregation, MaxBandwidth, MinRtt
from stack.tcp.congestion.bbr.phase import Phase
from stack.tcp.congestion.rounds import Rounds
from stack.tcp.pacing import burst
from stack.tcp.rate import RateSample

_MIN_PIPE = 4
"""Segments that keep acknowledgments coming."""
_PACING_MARGIN = 99
"""Per cent of the estimate, so that no queue builds that is never drained."""
_FULL_GROWTH = 125
_FULL_ROUNDS = 3
"""The pipe is full when the bandwidth has not grown by a quarter in three round trips."""
_STARTUP_LOSSES = 6
_STARTUP_MARKED_ROUNDS = 2
"""Or when a round trip of Startup had that many losses, or that many in a row were mostly marked."""
_MOSTLY_MARKED = 50
_DRAIN_ROUNDS = 3
"""What has not been drained by then is the queue of others."""
_PROBE_RTT_DURATION = 200 * MILLISECOND
_PROBE_WAIT = 2 * SECOND
_PROBE_WAIT_SPREAD = SECOND
_RENO_ROUNDS = 63
"""A probe begins at the latest after as many round trips as Reno needs to grow by a flight of this many segments."""
_NOMINAL_RTT = MILLISECOND
"""For the first pace, if the handshake measured nothing."""


class Acks(Enum):
    """What the acknowledgments tell that arrive now: about which phase of probing (BBR.ack_phase)."""

    INIT = "init"
    REFILLING = "refilling"
    PROBE_STARTING = "probe starting"
    PROBE_FEEDBACK = "probe feedback"
    PROBE_STOPPING = "probe stopping"


class Bbr(CongestionControl):
    """Paces at the bandwidth of the path, with a bandwidth-delay product or two in flight.

    Departures from the draft: what counts as too much loss allows for chance as long as no queue stands, for the
    short-term bounds as well (see :func:`lost_too_much`); Drain gives up after three round trips, if it is the queue of
    others that does not empty; marks count whatever the RTT is, where Linux wants a path of at most 5 ms.
    """

    __slots__ = (
        "_acks",
        "_aggregation",
        "_conserving",
        "_cycle_began",
        "_drain_until",
        "_full_bandwidth",
        "_full_now",
        "_full_rounds",
        "_initial_window",
        "_limit",
        "_losses_in_round",
        "_marked_rounds",
        "_model",
        "_pace",
        "_prior_cwnd",
        "_probe_rtt_done_at",
        "_probe_rtt_round_over",
        "_probe_wait",
        "_probing_samples",
        "_quiet_until",
        "_recovering",
        "_restarting",
        "_rounds",
        "_rounds_since_probe",
        "_undo_bounds",
        "_up_acknowledged",
        "_up_count",
        "_up_rounds",
        "bandwidth",
        "bounds",
        "full_bandwidth_reached",
        "min_rtt",
        "phase",
    )

    name: ClassVar[str] = "bbr"
    controls_recovery: ClassVar[bool] = True
    needs_pacing: ClassVar[bool] = True

    def __init__(self, mss: int, initial_window: int, settings: Settings | None = None) -> None:
        super().__init__(mss, initial_window, settings)
        self.phase = Phase.STARTUP
        self.bandwidth = MaxBandwidth()
        self.min_rtt = MinRtt()
        self.bounds = Bounds(mss)
        self._aggregation = Aggregation()
        self._rounds = Rounds()
        self._initial_window = self.cwnd
        self._pace = 0
        self._limit = 0
        """What the model wants in flight at most, acknowledgments in clumps apart."""
        self._model: tuple[int, int, Phase] | None = None
        """Bandwidth, RTT and phase from which pace and limit were found."""
        self._restarting = False
        """The first acknowledgments after an idle time have not come."""
        # Has the pipe been filled?
        self.full_bandwidth_reached = False
        self._full_now = False
        self._full_bandwidth = 0
        self._full_rounds = 0
        self._losses_in_round = 0
        self._marked_rounds = 0
        self._drain_until = 0
        # Probing for bandwidth.
        self._acks = Acks.INIT
        self._probing_samples = False
        """Losses may have come from probing."""
        self._cycle_began = 0
        self._probe_wait = 0
        self._rounds_since_probe = 0
        self._up_rounds = 0
        self._up_count = 0
        self._up_acknowledged = 0
        # Probing for the RTT.
        self._probe_rtt_done_at = 0
        self._probe_rtt_round_over = False
        self._quiet_until = 0
        """Rates are those of a pipe that was emptied on purpose until this was delivered."""
        # Recovery.
        self._recovering = False
        self._conserving = False
        """The first round trip of recovery: send no more than is delivered."""
        self._prior_cwnd = 0
        self._undo_bounds: tuple[int, int, int] | None = None

    # -- what the sender tells ---------------------------------------------------------------------

    def pacing_rate(self, srtt: int) -> int:
        """The pace; before the first sample as if the initial window were to go in a round trip."""
        return self._pace or self._first_pace(srtt or _NOMINAL_RTT)

    def acknowledged(self, octets: int, now: int, rtt: int) -> None:
        """Everything is in the samples."""

    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        """There is no congestion avoidance but the model."""

    def reduced_window(self, now: int) -> int:
        """A loss changes the model and not the window by itself."""
        return self.cwnd

    def sample(self, sample: RateSample) -> None:
        """Update model, state, pace and window (BBRUpdateOnACK)."""
        round_ended = self._rounds.ended(sample)
        if round_ended:
            self._rounds_since_probe += 1
            self._conserving = False
        if sample.newly_lost:
            self._note_losses(sample)
        self._update_model(sample, round_ended)
        if not self._full_now:
            self._check_full_bandwidth(sample, round_ended)
        if not self.phase.is_cycle:
            self._check_startup(sample)
            self._check_drain(sample)
        if self.full_bandwidth_reached:
            self._adapt_long_term(sample, round_ended)
            if self.phase.is_cycle:
                self._update_cycle(sample, round_ended)
        self._update_min_rtt(sample, round_ended)
        if self.bounds.round_ended:
            self.bounds.advance(sample)
        self._set_pace()
        self._set_cwnd(sample)

    def congestion_event(self, now: int) -> None:
        """Recovery begins: for a round trip, what is delivered is what may be sent."""
        self.remember()
        self._conserving = True

    def ecn_event(self, now: int) -> None:
        """Marks count by the round trip; the samples say how many."""
        self.bounds.note_marks()

    def timeout(self, now: int, *, first: bool) -> None:
        """Begin with one segment again; the model stays, but the pipe has to be seen to be full again."""
        if not self._recovering:
            self.remember()
        self._forget_full_bandwidth(0)
        self._conserving = True
        self.cwnd = self.mss

    def recovered(self, now: int) -> None:
        """Go on with the window from before."""
        self._recovering = self._conserving = False
        self.cwnd = max(self.cwnd, self._prior_cwnd)

    def remember(self) -> None:
        """Keep window and bounds."""
        if self._recovering or self.phase is Phase.PROBE_RTT:
            self._prior_cwnd = max(self._prior_cwnd, self.cwnd)
        else:
            self._prior_cwnd = self.cwnd
        self._recovering = True
        bounds = self.bounds
        self._undo_bounds = bounds.bandwidth_lo, bounds.inflight_lo, bounds.inflight_hi

    def undo(self) -> None:
        """Nothing was lost, so what losses taught is forgotten."""
        self.recovered(0)
        self._forget_full_bandwidth(0)
        bounds = self.bounds
        bounds.forget_losses()
        if self._undo_bounds is not None:
            bandwidth_lo, inflight_lo, inflight_hi = self._undo_bounds
            bounds.bandwidth_lo = max(bounds.bandwidth_lo, bandwidth_lo)
            bounds.inflight_lo = max(bounds.inflight_lo, inflight_lo)
            bounds.inflight_hi = max(bounds.inflight_hi, inflight_hi)
            self._undo_bounds = None

    def resume(self, now: int) -> None:
        """After an idle time there is no queue to drain and none to build: go on at the bandwidth itself."""
        self._restarting = True
        self._aggregation.restart(now)
        if self.phase.is_cycle:
            self._pace = self._at_gain(100)
            self._model = None
        elif self.phase is Phase.PROBE_RTT:
            self._end_probe_rtt_if_due(now, self._quiet_until)

    def restart(self, window: int) -> None:
        """The model outlives silence, and pacing spreads what the window allows."""

    def change_mss(self, mss: int) -> None:
        """The model is in octets; only what is counted in segments changes."""
        super().change_mss(mss)
        self.bounds.change_mss(mss)
        self._model = None

    # -- the model ---------------------------------------------------------------------------------

    @property
    def _bandwidth(self) -> int:
        bandwidth, bound = self.bandwidth.value, self.bounds.bandwidth_lo
        return bandwidth if bandwidth < bound else bound

    def _note_losses(self, sample: RateSample) -> None:
        """BBRHandleLostPacket."""
        self._losses_in_round += 1
        queued = self.bounds.queued
        for segment in sample.lost_segments:
            if self._probing_samples and lost_too_much(segment.lost, segment.flight, self.mss, queued=queued):
                self._inflight_too_high(
                    segment.flight - segment.octets, sample, app_limited=segment.app_limited
                )

    def _update_model(self, sample: RateSample, round_ended: bool) -> None:
        bounds = self.bounds
        bounds.observe(sample, self.min_rtt.value)
        if sample.rate >= self.bandwidth.value or not self._is_limited(sample):
            self.bandwidth.update(sample.rate)
        if round_ended:
            marked = bounds.marked_share()
            self._marked_rounds = self._marked_rounds + 1 if marked >= _MOSTLY_MARKED else 0
            self._aggregation.round_ended(forget=not self.full_bandwidth_reached)
        if bounds.round_ended:
            bounds.adapt(self.bandwidth.value, self.cwnd, probing=self.phase.probes_bandwidth)
        if sample.newly_delivered:
            self._aggregation.update(sample.newly_delivered, self._bandwidth, self.cwnd, sample.now)

    def _is_limited(self, sample: RateSample) -> bool:
        return sample.app_limited or sample.prior_delivered < self._quiet_until

    def _bdp(self, gain: int) -> int:
        """The bandwidth-delay product, ``gain`` per cent of it."""
        if not self.min_rtt.value:
            return self._initial_window
        return self._bandwidth * self.min_rtt.value * gain // (100 * SECOND)

    def _inflight(self, gain: int) -> int:
        """What to have in flight for ``gain`` per cent of the bandwidth: bursts and their acknowledgments included."""
        inflight = max(self._bdp(gain), 3 * burst(self._pace), _MIN_PIPE * self.mss)
        return inflight + 2 * self.mss if self.phase is Phase.UP else inflight

    # -- Startup and Drain -------------------------------------------------------------------------

    def _forget_full_bandwidth(self, bandwidth: int) -> None:
        self._full_bandwidth = bandwidth
        self._full_rounds = 0
        self._full_now = False

    def _check_full_bandwidth(self, sample: RateSample, round_ended: bool) -> None:
        """BBRCheckFullBWReached."""
        if self._is_limited(sample):
            return
        if sample.rate * 100 >= self._full_bandwidth * _FULL_GROWTH:
            self._forget_full_bandwidth(sample.rate)
        elif round_ended:
            self._full_rounds += 1
            self._full_now = self._full_rounds >= _FULL_ROUNDS
            self.full_bandwidth_reached = self.full_bandwidth_reached or self._full_now

    def _check_startup(self, sample: RateSample) -> None:
        """BBRCheckStartupDone, and its early end when the queue overflows or is marked."""
        if self.phase is not Phase.STARTUP:
            return
        if not self.full_bandwidth_reached:
            bounds = self.bounds
            overflows = (
                bounds.round_ended
                and self._recovering
                and self._losses_in_round >= _STARTUP_LOSSES
                and bounds.exceeded_by(sample)
            )
            if overflows or self._marked_rounds >= _STARTUP_MARKED_ROUNDS:
                self.full_bandwidth_reached = True
                bounds.inflight_hi = max(self._inflight(100), bounds.inflight_latest)
        if self.bounds.round_ended:
            self._losses_in_round = 0
        if self.full_bandwidth_reached:
            self.phase = Phase.DRAIN
            self._drain_until = self._rounds.count + _DRAIN_ROUNDS

    def _check_drain(self, sample: RateSample) -> None:
        """BBRCheckDrainDone."""
        if self.phase is Phase.DRAIN and (
            sample.in_flight <= self._inflight(100) or self._rounds.count > self._drain_until
        ):
            self._go_down(sample.now, sample.delivered)

    # -- ProbeBW -----------------------------------------------------------------------------------

    def _go_down(self, now: int, delivered: int) -> None:
        self.bounds.forget_signals()
        self._up_count = 0
        chance = self.settings.random
        self._rounds_since_probe = chance.randrange(2)
        self._probe_wait = _PROBE_WAIT + chance.randrange(_PROBE_WAIT_SPREAD)
        self._cycle_began = now
        self._acks = Acks.PROBE_STOPPING
        self._rounds.begin(delivered)
        self.phase = Phase.DOWN

    def _refill(self, delivered: int) -> None:
        self.bounds.forget_recent()
        self._up_rounds = self._up_acknowledged = 0
        self._acks = Acks.REFILLING
        self._rounds.begin(delivered)
        self.phase = Phase.REFILL

    def _go_up(self, sample: RateSample) -> None:
        self._acks = Acks.PROBE_STARTING
        self._rounds.begin(sample.delivered)
        self._forget_full_bandwidth(sample.rate)
        self.phase = Phase.UP
        self._raise_slope()

    def _update_cycle(self, sample: RateSample, round_ended: bool) -> None:
        """BBRUpdateProbeBWCyclePhase."""
        phase = self.phase
        if phase.probes_bandwidth:
            self._update_probe(sample, round_ended)
        elif sample.now - self._cycle_began > self._probe_wait or (
            round_ended and self._reno_would_have_grown()
        ):
            self._refill(sample.delivered)
        elif phase is Phase.DOWN:
            room = min(self.bounds.with_headroom, self._inflight(100))
            if sample.in_flight <= room:
                self.phase = Phase.CRUISE

    def _update_probe(self, sample: RateSample, round_ended: bool) -> None:
        """When the pipe has been filled for a round trip, more than it takes; until nothing more comes of it."""
        if self.phase is Phase.REFILL:
            if round_ended:
                self._probing_samples = True
                self._go_up(sample)
        elif sample.window_limited and self.cwnd >= self.bounds.inflight_hi:
            # The bound holds the bandwidth back, so that it does not grow says nothing.
            self._forget_full_bandwidth(sample.rate)
        elif self._full_now:
            self._go_down(sample.now, sample.delivered)

    def _reno_would_have_grown(self) -> bool:
        """By a whole flight since the last probe (BBRIsRenoCoexistenceProbeTime)."""
        return self._rounds_since_probe >= min(self._target() // self.mss, _RENO_ROUNDS)

    def _target(self) -> int:
        return min(self._bdp(100), self.cwnd)

    def _adapt_long_term(self, sample: RateSample, round_ended: bool) -> None:
        """BBRAdaptLongTermModel."""
        if round_ended:
            if self._acks is Acks.PROBE_STARTING:
                self._acks = Acks.PROBE_FEEDBACK
            elif self._acks is Acks.PROBE_STOPPING:
                self._acks = Acks.INIT
                self._probing_samples = False
                if self.phase.is_cycle and not self._is_limited(sample):
                    self.bandwidth.advance()
        bounds = self.bounds
        if (sample.interval_lost or sample.interval_marked) and bounds.exceeded_by(sample):
            if self._probing_samples:
                self._inflight_too_high(sample.flight, sample, app_limited=self._is_limited(sample))
        elif bounds.inflight_hi != UNLIMITED:
            bounds.inflight_hi = max(bounds.inflight_hi, sample.flight)
            if self.phase is Phase.UP:
                self._raise_long_term(sample, round_ended)

    def _inflight_too_high(self, flight: int, sample: RateSample, *, app_limited: bool) -> None:
        """The probe went too far: ``flight`` octets is what fits."""
        self._probing_samples = False
        if not app_limited:
            self.bounds.lower(flight, self._target())
        if self.phase is Phase.UP:
            self._go_down(sample.now, sample.delivered)

    def _raise_slope(self) -> None:
        """Each round trip of the probe raises the bound twice as fast as the one before."""
        growth = self.mss << self._up_rounds
        self._up_rounds = min(self._up_rounds + 1, 30)
        self._up_count = max(self.cwnd // growth, 1)

    def _raise_long_term(self, sample: RateSample, round_ended: bool) -> None:
        """BBRProbeInflightHiUpward: an octet for each ``_up_count`` octets that are delivered."""
        if not sample.window_limited or self.cwnd < self.bounds.inflight_hi:
            return
        raised, self._up_acknowledged = divmod(self._up_acknowledged + sample.newly_delivered, self._up_count)
        self.bounds.inflight_hi += raised
        if round_ended:
            self._raise_slope()

    # -- ProbeRTT ----------------------------------------------------------------------------------

    def _update_min_rtt(self, sample: RateSample, round_ended: bool) -> None:
        """BBRUpdateMinRTT, BBRCheckProbeRTT."""
        self.min_rtt.update(sample.rtt, sample.now)
        if self.phase is Phase.PROBE_RTT:
            self._probe_rtt(sample, round_ended)
        elif self.min_rtt.expired and not self._restarting:
            self._prior_cwnd = max(self._prior_cwnd, self.cwnd) if self._recovering else self.cwnd
            self._probe_rtt_done_at = 0
            self._acks = Acks.PROBE_STOPPING
            self._rounds.begin(sample.delivered)
            self.phase = Phase.PROBE_RTT
        if sample.newly_delivered:
            self._restarting = False

    def _probe_rtt(self, sample: RateSample, round_ended: bool) -> None:
        self._quiet_until = sample.delivered + sample.in_flight
        if self._probe_rtt_done_at:
            if round_ended:
                self._probe_rtt_round_over = True
            if self._probe_rtt_round_over:
                self._end_probe_rtt_if_due(sample.now, sample.delivered)
        elif sample.in_flight <= self._probe_rtt_cwnd():
            self._probe_rtt_done_at = sample.now + _PROBE_RTT_DURATION
            self._probe_rtt_round_over = False
            self._rounds.begin(sample.delivered)

    def _end_probe_rtt_if_due(self, now: int, delivered: int) -> None:
        if not 0 < self._probe_rtt_done_at < now:
            return
        self.min_rtt.probed(now)
        self.cwnd = max(self.cwnd, self._prior_cwnd)
        self.bounds.forget_recent()
        if self.full_bandwidth_reached:
            self._go_down(now, delivered)
            self.phase = Phase.CRUISE
        else:
            self.phase = Phase.STARTUP

    def _probe_rtt_cwnd(self) -> int:
        return max(self._bdp(Phase.PROBE_RTT.cwnd_gain), _MIN_PIPE * self.mss)

    # -- pace and window ---------------------------------------------------------------------------

    def _first_pace(self, rtt: int) -> int:
        return self._initial_window * SECOND * Phase.STARTUP.pacing_gain // (100 * rtt)

    def _at_gain(self, gain: int) -> int:
        return self._bandwidth * gain * _PACING_MARGIN // 10_000

    def _set_pace(self) -> None:
        """In Startup the pace never falls: an application that holds back must not slow it down.

        Pace and limit of the window follow from the model; they are found anew when it changes.
        """
        model = self._bandwidth, self.min_rtt.value, self.phase
        if model == self._model:
            return
        if not self._pace:
            if not self.min_rtt.value:
                return
            self._pace = self._first_pace(self.min_rtt.value)
        pace = self._at_gain(self.phase.pacing_gain)
        if pace and (self.full_bandwidth_reached or pace > self._pace):
            self._pace = pace
        self._limit = self._inflight(self.phase.cwnd_gain)
        self._model = model

    def _set_cwnd(self, sample: RateSample) -> None:
        """BBRSetCwnd."""
        delivered = sample.newly_delivered
        least = _MIN_PIPE * self.mss
        cwnd = self.cwnd
        if self._recovering and sample.newly_lost:
            cwnd = max(cwnd - sample.newly_lost, self.mss)
        if self._conserving:
            cwnd = max(cwnd, sample.in_flight + delivered)
        elif delivered:
            limit = (self._limit or self._initial_window) + self._aggregation.value
            if self.full_bandwidth_reached:
                cwnd = min(cwnd + delivered, limit)
            elif cwnd < limit or sample.delivered < self._initial_window:
                cwnd += delivered
            cwnd = max(cwnd, least)
        if self.phase is Phase.PROBE_RTT:
            cwnd = min(cwnd, self._probe_rtt_cwnd())
        bound = self._limit_by_bounds()
        self.cwnd = cwnd if cwnd <= bound else min(cwnd, max(bound, least))

    def _limit_by_bounds(self) -> int:
        bounds, phase = self.bounds, self.phase
        if phase.leaves_headroom:
            limit = bounds.with_headroom
        elif phase.is_cycle:
            limit = bounds.inflight_hi
        else:
            limit = UNLIMITED
        return limit if limit < bounds.inflight_lo else bounds.inflight_lo
