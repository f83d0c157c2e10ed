"""What losses and marks tell BBR about how much the path takes (draft-ietf-ccwg-bbr 5.5.10)."""

from __future__ import annotations

from stack.tcp.congestion.rounds import Rounds
from stack.tcp.rate import RateSample

UNLIMITED = 1 << 62
_LOSS_THRESHOLD = 2
_CHANCE = 3
_BETA = 70
_HEADROOM = 15
"""Per cent: of segments that a path may lose without being overloaded, with a queue and without; of the bounds that is
left after a loss; of the known limit that is left to others."""
_QUEUED = 150
"""Per cent of the smallest RTT: above that a queue stands. Probing by itself makes it 125 in a round trip."""
_ECN_THRESHOLD = 50
"""Per cent of the flight that may be marked."""
_ONE = 1 << 16
_ECN_GAIN_SHIFT = 4
"""The share of marks is averaged with a gain of 1/16."""
_ECN_DIVISOR = 3
"""A round trip with marks costs a third of that share."""


def lost_too_much(lost: int, flight: int, mss: int, *, queued: bool) -> bool:
    """Whether to lose ``lost`` of ``flight`` octets is a sign of overload.

    The draft asks whether more than 2 per cent are lost (BBR.LossThresh), and so it is if a queue stands on the path.
    Without one the loss may be chance: in a flight of some dozens 2 per cent are one segment, and a path that loses a
    few at random would pass for an overloaded one. There the number has to be four standard deviations above what
    3 per cent make.
    """
    if queued:
        return 100 * lost > _LOSS_THRESHOLD * flight
    excess = 100 * lost - _CHANCE * flight
    return excess > 0 and excess * excess > 16 * 100 * _CHANCE * flight * mss


class Bounds:
    """Upper bounds of bandwidth and flight: a long-term one from probing, short-term ones from the last round trips."""

    __slots__ = (
        "_acknowledged",
        "_delivered_in_round",
        "_loss_round",
        "_lost_in_round",
        "_marked",
        "_marks_in_round",
        "_mss",
        "bandwidth_latest",
        "bandwidth_lo",
        "ecn_alpha",
        "inflight_hi",
        "inflight_latest",
        "inflight_lo",
        "queued",
        "round_ended",
    )

    def __init__(self, mss: int) -> None:
        self._mss = mss
        self.inflight_hi = UNLIMITED
        """Octets in flight that probing found to be safe."""
        self.bandwidth_lo = UNLIMITED
        self.inflight_lo = UNLIMITED
        """What was delivered in spite of losses since the last probe."""
        self.bandwidth_latest = 0
        self.inflight_latest = 0
        """The most that was delivered in this round trip."""
        self.ecn_alpha = _ONE
        """Averaged share of marked octets, in units of 2^-16."""
        self.queued = False
        """The last RTT says that a queue stands on the path."""
        self.round_ended = False
        """A round trip, as they are counted for losses, ends with this sample."""
        self._delivered_in_round = 0
        self._lost_in_round = 0
        self._marks_in_round = False
        self._acknowledged = 0
        self._marked = 0
        self._loss_round = Rounds()

    @property
    def with_headroom(self) -> int:
        """The long-term bound, less what is left to flows that come."""
        if self.inflight_hi == UNLIMITED:
            return UNLIMITED
        return self.inflight_hi - self.inflight_hi * _HEADROOM // 100

    def note_marks(self) -> None:
        """The peer reports congestion experienced."""
        self._marks_in_round = True

    def observe(self, sample: RateSample, min_rtt: int) -> None:
        """The latest delivery signals; the first thing that is done with a sample."""
        if sample.rtt:
            self.queued = 100 * sample.rtt > _QUEUED * min_rtt > 0
        if sample.newly_lost and not self._lost_in_round:
            # The first loss begins a round trip: all that the overload costs is then in one.
            self._loss_round.begin(sample.delivered)
            self._delivered_in_round = 0
        self._lost_in_round += sample.newly_lost
        self._delivered_in_round += sample.newly_delivered
        self._acknowledged += sample.newly_delivered
        if sample.marked:
            self._marked += sample.marked
            self._marks_in_round = True
        if sample.rate > self.bandwidth_latest:
            self.bandwidth_latest = sample.rate
        if sample.interval_delivered > self.inflight_latest:
            self.inflight_latest = sample.interval_delivered
        self.round_ended = self._loss_round.ended(sample)

    def adapt(self, bandwidth: int, cwnd: int, *, probing: bool) -> None:
        """At the end of a round trip: lower the short-term bounds, unless it was spent on probing."""
        lost = self._lost_in_round
        overload = lost_too_much(lost, lost + self._delivered_in_round, self._mss, queued=self.queued)
        if not probing and (overload or self._marks_in_round):
            self.inflight_lo = min(self.inflight_lo, cwnd)
            if self._marks_in_round:
                self.inflight_lo -= self.inflight_lo * self.ecn_alpha // (_ECN_DIVISOR * _ONE)
            if overload:
                self.bandwidth_lo = min(self.bandwidth_lo, bandwidth)
                self.bandwidth_lo = max(self.bandwidth_latest, self.bandwidth_lo * _BETA // 100)
                self.inflight_lo = max(self.inflight_latest, self.inflight_lo * _BETA // 100)
        self._delivered_in_round = self._lost_in_round = 0
        self._marks_in_round = False

    def advance(self, sample: RateSample) -> None:
        """The last thing that is done with a sample that ends a round trip: the next begins with it."""
        self.bandwidth_latest = sample.rate
        self.inflight_latest = sample.interval_delivered

    def marked_share(self) -> int:
        """At the end of a round trip: average the share of marks, and return this round trip's in per cent."""
        if not self._acknowledged:
            return 0
        share = self._marked * _ONE // self._acknowledged
        self.ecn_alpha += (share - self.ecn_alpha) >> _ECN_GAIN_SHIFT
        self._acknowledged = self._marked = 0
        return share * 100 // _ONE

    def forget_recent(self) -> None:
        """The short-term bounds end with the next probe (BBRResetShortTermModel)."""
        self.bandwidth_lo = self.inflight_lo = UNLIMITED

    def forget_signals(self) -> None:
        """BBRResetCongestionSignals."""
        self.forget_losses()
        self._marks_in_round = False
        self.bandwidth_latest = self.inflight_latest = 0

    def forget_losses(self) -> None:
        """What was lost in this round trip does not count."""
        self._lost_in_round = self._delivered_in_round = 0

    def change_mss(self, mss: int) -> None:
        """Segments have another size from now on."""
        self._mss = mss

    def exceeded_by(self, sample: RateSample) -> bool:
        """Whether what was in flight was too much (IsInflightTooHigh)."""
        if lost_too_much(sample.interval_lost, sample.flight, self._mss, queued=self.queued):
            return True
        return sample.interval_marked * 100 > sample.interval_delivered * _ECN_THRESHOLD

    def lower(self, flight: int, target: int) -> None:
        """``flight`` octets were too much; ``target`` is what the model wants in flight."""
        self.inflight_hi = max(flight, target * _BETA // 100)
