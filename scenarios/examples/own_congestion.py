"""The congestion control of ``own_congestion.yaml``: MulTCP (Crowcroft and Oechslin, 1998)."""

from __future__ import annotations

from typing import ClassVar

from stack.tcp.congestion import CongestionControl

FLOWS = 4


class MulTcp(CongestionControl):
    """One flow that takes what four of Reno would: four segments more per round trip, an eighth less at a loss.

    Slow start and recovery are those of the base class. All is integers, so that a run is the same everywhere.
    """

    name: ClassVar[str] = "multcp"

    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        """Four segments for each window that is acknowledged."""
        self.cwnd += max(FLOWS * self.mss * octets // self.cwnd, 1)

    def reduced_window(self, now: int) -> int:
        """One of the four halves its part."""
        return self.cwnd - self.cwnd // (2 * FLOWS)
