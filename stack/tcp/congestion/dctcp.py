"""DCTCP (RFC 8257): a window that falls by how much was marked."""

from __future__ import annotations

from typing import ClassVar

from stack.tcp.congestion.base import Settings
from stack.tcp.congestion.reno import Reno
from stack.tcp.congestion.rounds import Rounds
from stack.tcp.rate import RateSample

_ONE = 1 << 20
"""The unit of alpha."""
_GAIN_SHIFT = 4
"""g = 1/16 (RFC 8257 4.2)."""


class Dctcp(Reno):
    """Reno, but for marks; for data centres, where switches mark early and often."""

    __slots__ = ("_acknowledged_in_window", "_marked_in_window", "_rounds", "alpha")

    name: ClassVar[str] = "dctcp"
    needs_accurate_ecn: ClassVar[bool] = True

    def __init__(self, mss: int, initial_window: int, settings: Settings | None = None) -> None:
        super().__init__(mss, initial_window, settings)
        self.alpha = _ONE
        """DCTCP.Alpha, the fraction of octets that are marked, in units of 2^-20; 1 until it is known."""
        self._rounds = Rounds()
        self._acknowledged_in_window = 0
        self._marked_in_window = 0

    def sample(self, sample: RateSample) -> None:
        """Count marks; at the end of an observation window alpha moves by g towards their share (RFC 8257 3.3)."""
        super().sample(sample)
        self._acknowledged_in_window += sample.newly_delivered
        self._marked_in_window += sample.marked
        if self._acknowledged_in_window and self._rounds.ended(sample):
            share = self._marked_in_window * _ONE // self._acknowledged_in_window
            self.alpha += (share - self.alpha) >> _GAIN_SHIFT
            self._acknowledged_in_window = self._marked_in_window = 0

    def ecn_event(self, now: int) -> None:
        """The window falls by half of alpha (RFC 8257 3.3, step 9)."""
        self.remember()
        self._reduce(self.cwnd - (self.cwnd * self.alpha // _ONE) // 2)
