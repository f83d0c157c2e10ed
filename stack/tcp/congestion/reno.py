"""Reno (RFC 5681)."""

from __future__ import annotations

from typing import ClassVar

from stack.tcp.congestion.base import CongestionControl, Settings


class Reno(CongestionControl):
    """One segment more per round trip, half the window at a loss; octets are counted (RFC 3465), not ACKs."""

    __slots__ = ("_acknowledged",)

    name: ClassVar[str] = "reno"

    def __init__(self, mss: int, initial_window: int, settings: Settings | None = None) -> None:
        super().__init__(mss, initial_window, settings)
        self._acknowledged = 0

    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        """One MSS per window of acknowledged octets (RFC 5681 3.1)."""
        self._acknowledged += octets
        if self._acknowledged >= self.cwnd:
            self._acknowledged -= self.cwnd
            self.cwnd += self.mss

    def reduced_window(self, now: int) -> int:
        """Half the window (RFC 5681 3.1, equation 4)."""
        self._acknowledged = 0
        return self.cwnd // 2

    def marked_window(self, now: int) -> int:
        """Four fifths (RFC 8511 3: beta_ecn = 0.8)."""
        self._acknowledged = 0
        return self.cwnd * 4 // 5
