"""Delivery-rate estimation: how fast the path carried what was acknowledged (draft-ietf-ccwg-bbr 4.1)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from stack.clock import SECOND


class Snapshot:
    """Where delivery stood when a segment was sent; shared by all that are sent between two acknowledgments."""

    __slots__ = ("app_limited", "delivered", "delivered_at", "first_sent_at", "lost", "marked")

    def __init__(self, rate: DeliveryRate) -> None:
        self.delivered = rate.delivered
        self.delivered_at = rate.delivered_at
        self.first_sent_at = rate.first_sent_at
        self.lost = rate.lost
        self.marked = rate.marked
        self.app_limited = rate.app_limited_until > 0


class Transmission(Protocol):
    """What the estimator needs of a sent segment. It writes ``snapshot`` and ``flight`` at every transmission."""

    start: int
    end: int
    sent_at: int
    """When it was sent last (ns)."""
    snapshot: Snapshot | None
    """None before it is sent, and once it is delivered."""
    flight: int
    """Octets in the network when it was sent last, itself included."""


class LostSegment(NamedTuple):
    """One segment that was found lost."""

    octets: int
    flight: int
    """Octets that were in the network when it was sent, itself included."""
    lost: int
    """Octets that were found lost since it was sent, itself included."""
    app_limited: bool


class RateSample:
    """What one acknowledgment tells congestion control. Sizes are octets, times ns, rates octets per second.

    Valid during the call that hands it over: the next acknowledgment fills the same object.
    """

    __slots__ = (
        "app_limited",
        "delivered",
        "flight",
        "in_flight",
        "interval",
        "interval_delivered",
        "interval_lost",
        "interval_marked",
        "lost_segments",
        "marked",
        "newly_delivered",
        "newly_lost",
        "now",
        "prior_delivered",
        "prior_in_flight",
        "rate",
        "rtt",
        "window_limited",
    )

    def __init__(self) -> None:
        self.now = 0
        self.delivered = 0
        """Delivered since the connection began."""
        self.newly_delivered = 0
        """Delivered by this acknowledgment, cumulatively or selectively."""
        self.newly_lost = 0
        """Found lost since the sample before."""
        self.marked = 0
        """Newly delivered with Congestion Experienced (AccECN), or acknowledged with ECE."""
        self.rtt = 0
        """Round-trip time that this acknowledgment measured; 0 if none."""
        self.in_flight = 0
        """In the network now, after the acknowledgment and before anything is sent in answer."""
        self.prior_in_flight = 0
        """In the network before the acknowledgment."""
        self.window_limited = False
        """cwnd is what holds the sender back."""
        self.lost_segments: list[LostSegment] = []
        """One by one, in the order in which they were found."""
        # Of the newest segment that was delivered now: what happened from its transmission to its delivery.
        self.prior_delivered = -1
        """``delivered`` when it was sent; -1 if nothing was delivered (the rest of these is 0 then)."""
        self.flight = 0
        """In the network when it was sent, itself included."""
        self.interval = 0
        """How long ``interval_delivered`` took: the longer of the sending and of the acknowledging phase."""
        self.interval_delivered = 0
        self.interval_lost = 0
        self.interval_marked = 0
        self.rate = 0
        """``interval_delivered`` per ``interval``; 0 if the interval is too short to be believed."""
        self.app_limited = False
        """There was too little to send, so ``rate`` is a lower bound of what the path carries."""


class DeliveryRate:
    """The estimator of one connection.

    The sender calls :meth:`segment_sent` for every transmission, first or not; for every acknowledgment
    :meth:`segment_delivered` and :meth:`segment_lost` for each segment concerned, then :meth:`finish` once.
    """

    __slots__ = (
        "_lost_segments",
        "_newest",
        "_newest_end",
        "_newest_flight",
        "_newest_sent_at",
        "_newly_lost",
        "_sample",
        "_snapshot",
        "app_limited_until",
        "delivered",
        "delivered_at",
        "first_sent_at",
        "lost",
        "marked",
        "rate",
        "rate_app_limited",
        "segments",
        "segments_marked",
    )

    def __init__(self, sample: RateSample) -> None:
        """``sample`` is filled anew for each acknowledgment; all connections of a host can share one."""
        self.segments = 0
        """Segments delivered since the connection began."""
        self.segments_marked = 0
        """Those of which the peer reported a mark."""
        self.rate = 0
        """The newest estimate, octets per second; one that the application limited counts only if it is no lower."""
        self.rate_app_limited = False
        self.delivered = 0
        """Octets delivered since the connection began."""
        self.delivered_at = 0
        """When ``delivered`` last changed."""
        self.first_sent_at = 0
        """When the segment was sent that was delivered last: the begin of the sending phase that goes on now."""
        self.lost = 0
        """Octets found lost since the connection began, each time that they were."""
        self.marked = 0
        """Octets delivered with Congestion Experienced."""
        self.app_limited_until = 0
        """Samples are limited by the application until ``delivered`` exceeds this; 0 if they are not."""
        self._snapshot: Snapshot | None = None
        self._newest: Snapshot | None = None
        self._newest_sent_at = self._newest_end = self._newest_flight = 0
        self._newly_lost = 0
        self._lost_segments: list[LostSegment] = []
        self._sample = sample

    def segment_sent(self, segment: Transmission, in_flight: int, now: int, *, alone: bool) -> None:
        """``segment`` goes out while ``in_flight`` octets, itself not counted, are in the network.

        ``alone``: nothing else is outstanding, delivered or lost, so a new interval begins.
        """
        if alone:
            self.first_sent_at = self.delivered_at = now
            self._snapshot = None
        snapshot = self._snapshot
        if snapshot is None:
            snapshot = self._snapshot = Snapshot(self)
        segment.snapshot = snapshot
        segment.flight = in_flight + segment.end - segment.start

    def segment_delivered(self, segment: Transmission) -> None:
        """The whole of ``segment`` is acknowledged now, cumulatively or selectively, and was not before."""
        snapshot = segment.snapshot
        if snapshot is None:
            return
        segment.snapshot = None
        if self._newest is None or (segment.sent_at, segment.end) > (self._newest_sent_at, self._newest_end):
            self._newest = snapshot
            self._newest_sent_at = segment.sent_at
            self._newest_end = segment.end
            self._newest_flight = segment.flight

    def segment_lost(self, segment: Transmission) -> None:
        """``segment`` is marked lost now, by an acknowledgment or a timer; the next sample tells of it."""
        octets = segment.end - segment.start
        self.lost += octets
        self._snapshot = None
        self._newly_lost += octets
        snapshot = segment.snapshot
        if snapshot is not None:
            self._lost_segments.append(
                LostSegment(octets, segment.flight, self.lost - snapshot.lost, snapshot.app_limited)
            )

    def mark_app_limited(self, in_flight: int) -> None:
        """There is nothing to send, lost or new, and cwnd, pacing and the peer's window would let it go.

        ``in_flight`` octets are in the network.
        """
        self.app_limited_until = max(self.delivered + in_flight, 1)
        self._snapshot = None

    def finish(
        self,
        now: int,
        *,
        delivered: int,
        marked: int,
        rtt: int,
        min_rtt: int,
        in_flight: int,
        prior_in_flight: int,
        window_limited: bool,
    ) -> RateSample:
        """The sample of the acknowledgment that arrived ``now`` and newly delivered ``delivered`` octets.

        ``min_rtt`` is the smallest round-trip time that was ever measured: an interval that is shorter is no estimate
        (draft-ietf-ccwg-bbr 4.1.2.3). The other arguments are the fields of the sample.
        """
        sample = self._sample
        if delivered:
            self.delivered += delivered
            self.marked += marked
            self.delivered_at = now
            self._snapshot = None
            if 0 < self.app_limited_until < self.delivered:
                self.app_limited_until = 0
        sample.now = now
        sample.delivered = self.delivered
        sample.newly_delivered = delivered
        sample.newly_lost = self._newly_lost
        self._newly_lost = 0
        if self._lost_segments or sample.lost_segments:
            sample.lost_segments = self._lost_segments
            self._lost_segments = []
        sample.marked = marked
        sample.rtt = rtt
        sample.in_flight = in_flight
        sample.prior_in_flight = prior_in_flight
        sample.window_limited = window_limited
        newest = self._newest
        if newest is None:
            sample.prior_delivered = -1
            sample.flight = sample.interval = sample.rate = 0
            sample.interval_delivered = sample.interval_lost = sample.interval_marked = 0
            sample.app_limited = False
            return sample
        self._newest = None
        self.first_sent_at = self._newest_sent_at
        sample.prior_delivered = newest.delivered
        sample.flight = self._newest_flight
        sample.interval_delivered = self.delivered - newest.delivered
        sample.interval_lost = self.lost - newest.lost
        sample.interval_marked = self.marked - newest.marked
        sample.app_limited = newest.app_limited
        # Acknowledgments may come bunched, and so may transmissions: the slower of the two is what the path did.
        sample.interval = interval = max(
            self._newest_sent_at - newest.first_sent_at, now - newest.delivered_at
        )
        sample.rate = sample.interval_delivered * SECOND // interval if interval >= max(min_rtt, 1) else 0
        if sample.rate and (not sample.app_limited or sample.rate >= self.rate):
            self.rate, self.rate_app_limited = sample.rate, sample.app_limited
        return sample
