"""The interface between a sender and its congestion control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from stack.clock import SECOND
from stack.compiled import mypyc_attr
from stack.tcp.congestion.hystart import HyStart
from stack.tcp.rate import RateSample

UNLIMITED = 1 << 62
"""The initial ssthresh: arbitrarily high (RFC 5681 3.1)."""

_SLOW_START_PACING = (2, 1)
_AVOIDANCE_PACING = (6, 5)
"""Pacing above cwnd / SRTT, so that pacing does not hold the growth back (Linux tcp_pacing_ss_ratio and _ca_ratio)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a host configures for whatever algorithm is chosen."""

    hystart: bool = True
    """Leave slow start when the RTT rises (RFC 9406)."""
    abe: bool = True
    """Fall less far for a mark than for a loss (RFC 8511)."""
    random: Random = field(default_factory=lambda: Random(0))
    """Chance, for algorithms that probe at irregular times."""


@mypyc_attr(allow_interpreted_subclasses=True)
class CongestionControl(ABC):
    """Decides ``cwnd``; knows nothing of segments, timers or sockets.

    An algorithm of the usual kind says how the window grows (:meth:`avoid_congestion`) and how far it falls
    (:meth:`reduced_window`); everything else is here. Sizes are octets, times ns, rates octets per second; integers,
    so that a run is the same on every machine.

    The sender calls, and nobody else does:

    for every ACK in ESTABLISHED or later that delivers or loses something, in this order,
        1. :meth:`congestion_event`, :meth:`ecn_event`, :meth:`undo` or :meth:`recovered`, if the ACK causes it;
        2. :meth:`acknowledged`, if SND.UNA advanced and the window is not being reduced; or, if the window was not in
           use, :meth:`application_limited`;
        3. :meth:`sample`. What may be sent is decided after that.
    before new data is sent when nothing is outstanding
        :meth:`resume`, after :meth:`restart` if the silence was longer than an RTO.
    when a timer goes off
        :meth:`timeout` for the retransmission timer, :meth:`congestion_event` if the reordering timer or a tail loss
        probe found a loss.

    In fast recovery and in the round trip after a mark the sender sets ``cwnd`` itself, from ``ssthresh`` by
    proportional rate reduction (RFC 6937), and leaves it at ``ssthresh``; unless :attr:`controls_recovery`.
    """

    __slots__ = ("_before", "_hystart", "_slow_start_credit", "cwnd", "mss", "settings", "ssthresh")

    name: ClassVar[str]
    """What TCP_CONGESTION calls it."""
    controls_recovery: ClassVar[bool] = False
    """``cwnd`` holds in every phase, recovery included: the sender never writes it."""
    needs_pacing: ClassVar[bool] = False
    """The sender paces even if it was not configured to."""
    needs_accurate_ecn: ClassVar[bool] = False
    """ECT goes on every data segment, and a peer without AccECN shall echo marks one by one (RFC 8257)."""

    def __init__(self, mss: int, initial_window: int, settings: Settings | None = None) -> None:
        """Start with a window of ``initial_window`` segments of ``mss`` octets."""
        self.settings = settings = settings or Settings()
        self.mss = mss
        self.cwnd = initial_window * mss
        """The congestion window."""
        self.ssthresh = UNLIMITED
        self._hystart = HyStart() if settings.hystart else None
        self._slow_start_credit = 0
        self._before: tuple[int, int] | None = None

    @property
    def in_slow_start(self) -> bool:
        """RFC 5681 3.1."""
        return self.cwnd < self.ssthresh

    def pacing_rate(self, srtt: int) -> int:
        """How fast segments may leave (payload octets per second), 0 as fast as they like.

        The sender asks before it sends a segment, if it paces. ``srtt`` is 0 before the first measurement.
        """
        if not srtt:
            return 0
        early = self.cwnd < self.ssthresh // 2
        numerator, denominator = _SLOW_START_PACING if early else _AVOIDANCE_PACING
        return numerator * self.cwnd * SECOND // (denominator * srtt)

    # -- growth ------------------------------------------------------------------------------------

    def acknowledged(self, octets: int, now: int, rtt: int) -> None:
        """``octets`` were newly delivered while the window was in use and is not being reduced.

        ``rtt`` is the smoothed round-trip time, 0 if it is not known.
        """
        if self.in_slow_start:
            octets = self._slow_start(octets)
        if octets:
            self.avoid_congestion(octets, now, rtt)

    def application_limited(self) -> None:  # noqa: B027  (most algorithms have nothing to do)
        """Something was acknowledged, but the window was not what held the sender back."""

    def sample(self, sample: RateSample) -> None:
        """An ACK has delivered or lost something; called in every phase, and last of all."""
        if self._hystart is None:
            return
        if not self.in_slow_start:
            self._hystart = None
        elif self._hystart.sample(sample):
            self.ssthresh = self.cwnd
            self._hystart = None

    @abstractmethod
    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        """Grow ``cwnd`` in congestion avoidance; the arguments are those of :meth:`acknowledged`."""

    def _slow_start(self, octets: int) -> int:
        """Grow by what was acknowledged (as RFC 3465 with L unbounded, and Linux); returns what is beyond ssthresh."""
        divisor = 1 if self._hystart is None else self._hystart.divisor
        growth, self._slow_start_credit = divmod(octets + self._slow_start_credit, divisor)
        grown = min(growth, self.ssthresh - self.cwnd)
        self.cwnd += grown
        return growth - grown

    # -- reduction ---------------------------------------------------------------------------------

    @abstractmethod
    def reduced_window(self, now: int) -> int:
        """The new ssthresh at a loss.

        Derived from cwnd as in Linux, not from FlightSize (RFC 5681 3.1 equation 4): the window grows only while it is
        in use, so the two differ only where the application holds back.
        """

    def marked_window(self, now: int) -> int:
        """The new ssthresh at a mark, if marks are to be told from losses (RFC 8511)."""
        return self.reduced_window(now)

    def congestion_event(self, now: int) -> None:
        """A loss was detected, and none was in this round trip: fast recovery begins (RFC 5681 3.2, RFC 6675 5)."""
        self.remember()
        self._reduce(self.reduced_window(now))

    def ecn_event(self, now: int) -> None:
        """The peer reports marks, and the window was not reduced in this round trip (RFC 3168 6.1.2).

        How much was marked is in the samples. In slow start a mark counts as a loss (RFC 8511 4).
        """
        self.remember()
        gently = self.settings.abe and not self.in_slow_start
        self._reduce(self.marked_window(now) if gently else self.reduced_window(now))

    def timeout(self, now: int, *, first: bool) -> None:
        """The retransmission timer went off (RFC 5681 3.1); ``first``: ssthresh has not been reduced for this loss."""
        if first:
            self.remember()
            self._reduce(self.reduced_window(now))
        self.cwnd = self.mss

    def recovered(self, now: int) -> None:  # noqa: B027
        """Everything that was outstanding at the loss, the mark or the timeout has been acknowledged."""

    def remember(self) -> None:
        """The window is about to be reduced: keep what :meth:`undo` restores."""
        self._before = self.cwnd, self.ssthresh

    def undo(self) -> None:
        """The last reduction was for nothing (RFC 4015, RFC 5682, RFC 3708, RFC 9438 4.9).

        Called instead of :meth:`recovered`. What has grown beyond the window of then stays.
        """
        if self._before is not None:
            cwnd, ssthresh = self._before
            self.cwnd = max(self.cwnd, cwnd)
            self.ssthresh = max(self.ssthresh, ssthresh)
            self._before = None

    def _reduce(self, window: int) -> None:
        """In whole segments: a part of one could not be sent, but would have to be filled again to grow."""
        self.cwnd = self.ssthresh = max(window // self.mss, 2) * self.mss

    # -- pauses and changes ------------------------------------------------------------------------

    def resume(self, now: int) -> None:  # noqa: B027
        """Data goes out after a time with nothing outstanding."""

    def restart(self, window: int) -> None:
        """The connection was idle for longer than an RTO; ``window`` is what is left of cwnd (RFC 2861 3.1)."""
        self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4) if self.ssthresh != UNLIMITED else UNLIMITED
        self.cwnd = min(self.cwnd, window)

    def change_mss(self, mss: int) -> None:
        """The path MTU has changed; the window keeps its number of segments."""
        self.cwnd = max(self.cwnd * mss // self.mss, mss)
        if self.ssthresh != UNLIMITED:
            self.ssthresh = max(self.ssthresh * mss // self.mss, 2 * mss)
        self._before = None
        self.mss = mss
