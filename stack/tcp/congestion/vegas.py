"""Vegas: the window by the queue that it builds (Brakmo and Peterson, "TCP Vegas", IEEE JSAC 13(8), 1995)."""

from __future__ import annotations

from typing import ClassVar

from stack.tcp.congestion.base import Settings
from stack.tcp.congestion.reno import Reno
from stack.tcp.congestion.rounds import Rounds
from stack.tcp.rate import RateSample

_ALPHA = 2
_BETA = 4
_GAMMA = 1
"""Segments that the connection keeps in the queue: at least, at most, and when slow start ends (as in Linux)."""
_ENOUGH = 3
"""Fewer measurements in a round trip may all have met a delayed ACK."""
_INFINITE = 1 << 62


class Vegas(Reno):
    """Keeps between two and four segments in the queue of the bottleneck; Reno when it loses some.

    Once per round trip: of a window W at a smallest round-trip time R, with B the smallest ever, W (R - B) / R is in
    the queue.
    """

    __slots__ = ("_current", "_rounds", "_samples", "_used", "base_rtt")

    name: ClassVar[str] = "vegas"

    def __init__(self, mss: int, initial_window: int, settings: Settings | None = None) -> None:
        super().__init__(mss, initial_window, settings)
        self._hystart = None
        self.base_rtt = _INFINITE
        """BaseRTT: the smallest round-trip time of the connection (ns)."""
        self._rounds = Rounds()
        self._current = _INFINITE
        self._samples = 0
        self._used = False

    def acknowledged(self, octets: int, now: int, rtt: int) -> None:
        """Slow start doubles every other round trip, so that one in between shows the queue that it made."""
        self._used = True
        if self.in_slow_start and self._rounds.count % 2:
            self._slow_start(octets)

    def reduced_window(self, now: int) -> int:
        """As Reno; and the round trip that goes on decides nothing."""
        self._used = False
        return super().reduced_window(now)

    def sample(self, sample: RateSample) -> None:
        """Measure; in congestion avoidance, decide at the end of each round trip."""
        if self._rounds.ended(sample):
            if self._used and not self.in_slow_start:
                self._decide()
            self._current = _INFINITE
            self._samples = 0
            self._used = False
        if sample.rtt:
            self.base_rtt = min(self.base_rtt, sample.rtt)
            self._current = min(self._current, sample.rtt)
            self._samples += 1
            if self._used and self.in_slow_start and self._samples >= _ENOUGH:
                self._leave_slow_start()

    @property
    def _queued(self) -> int:
        return self.cwnd * (self._current - self.base_rtt) // self._current

    def _leave_slow_start(self) -> None:
        """As soon as the first segments of a round trip meet a queue."""
        if self._queued > _GAMMA * self.mss:
            self.cwnd = self.ssthresh = max(self.cwnd - self._queued + self.mss, 2 * self.mss)

    def _decide(self) -> None:
        mss = self.mss
        if self._samples < _ENOUGH or self._queued < _ALPHA * mss:
            self.cwnd += mss
        elif self._queued > _BETA * mss:
            self.cwnd = self.ssthresh = max(self.cwnd - mss, 2 * mss)
