"""The interface between a sender and its congestion control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

UNLIMITED = 1 << 62
"""The initial ssthresh: arbitrarily high (RFC 5681 3.1)."""


class CongestionControl(ABC):
    """Decides ``cwnd``; knows nothing of segments, timers or sockets.

    The sender reports what happens; a subclass says how the window grows (:meth:`avoid_congestion`) and how far it
    falls (:meth:`reduced_window`). Sizes are octets, times ns.
    """

    __slots__ = ("cwnd", "mss", "ssthresh")

    name: ClassVar[str]

    def __init__(self, mss: int, initial_window: int) -> None:
        self.mss = mss
        self.cwnd = initial_window * mss
        self.ssthresh = UNLIMITED

    @property
    def in_slow_start(self) -> bool:
        """RFC 5681 3.1."""
        return self.cwnd < self.ssthresh

    def acknowledged(self, octets: int, now: int, rtt: int) -> None:
        """``octets`` were newly acknowledged while the window was in use, outside of recovery.

        ``rtt`` is the smoothed round-trip time, 0 if it is not known.
        """
        if self.in_slow_start:
            octets = self._slow_start(octets)
        if octets:
            self.avoid_congestion(octets, now, rtt)

    def _slow_start(self, octets: int) -> int:
        """Grow by what was acknowledged (as RFC 3465 with L unbounded, and Linux); returns what is beyond ssthresh."""
        grown = min(octets, self.ssthresh - self.cwnd)
        self.cwnd += grown
        return octets - grown

    def application_limited(self) -> None:  # noqa: B027  (most algorithms have nothing to do)
        """Something was acknowledged, but the window was not what held the sender back."""

    @abstractmethod
    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        """Grow ``cwnd`` in congestion avoidance."""

    @abstractmethod
    def reduced_window(self, now: int) -> int:
        """The new ssthresh at a congestion event.

        Derived from cwnd as in Linux, not from FlightSize (RFC 5681 3.1 equation 4): the window grows only while it is
        in use, so the two differ only where the application holds back.
        """

    def congestion_event(self, now: int) -> None:
        """Loss was detected: the window of the round trip to come is ssthresh (RFC 5681 3.2, RFC 6675 5)."""
        self.ssthresh = max(self.reduced_window(now), 2 * self.mss)
        self.cwnd = self.ssthresh

    def timeout(self, now: int, *, first: bool) -> None:
        """The retransmission timer went off (RFC 5681 3.1); ``first``: not for the same segment as before."""
        if first:
            self.ssthresh = max(self.reduced_window(now), 2 * self.mss)
        self.cwnd = self.mss

    def restart(self, window: int) -> None:
        """The connection was idle for longer than an RTO (RFC 5681 4.1); ``window`` is the restart window."""
        self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4) if self.ssthresh != UNLIMITED else UNLIMITED
        self.cwnd = min(self.cwnd, window)

    def change_mss(self, mss: int) -> None:
        """The path MTU has changed; the window keeps its number of segments."""
        self.cwnd = max(self.cwnd * mss // self.mss, mss)
        if self.ssthresh != UNLIMITED:
            self.ssthresh = max(self.ssthresh * mss // self.mss, 2 * mss)
        self.mss = mss
