"""Frames on their way, each until its time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from stack.clock import Clock, Timer
from stack.link import Frame


class Pipe:
    """Hands out frames when their time has come, those of one instant in the order in which they were put in.

    However many there are, one callback is pending at the clock, for the earliest.
    """

    __slots__ = ("_clock", "_heap", "_order", "_out", "_timer", "_wakes_at")

    def __init__(self, clock: Clock, out: Callable[[Frame], None]) -> None:
        self._clock = clock
        self._out = out
        self._heap: list[tuple[int, int, Frame]] = []
        self._order = 0
        self._timer: Timer | None = None
        self._wakes_at = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def latest(self) -> int:
        """When the last frame is handed out; 0 if there is none."""
        return max((when for when, _, _ in self._heap), default=0)

    def put(self, frame: Frame, when: int) -> None:
        """Hand it out at ``when``, never before this returns."""
        self._order += 1
        heappush(self._heap, (when, self._order, frame))
        if self._timer is None:
            self._arm(when)
        elif when < self._wakes_at:
            self._timer.cancel()
            self._arm(when)

    def clear(self) -> list[Frame]:
        """Take all frames out, the earliest first, and leave nothing at the clock."""
        frames = [frame for _, _, frame in sorted(self._heap)]
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return frames

    def _arm(self, when: int) -> None:
        self._wakes_at = when
        self._timer = self._clock.call_at(when, self._wake)

    def _wake(self) -> None:
        """Hand out what is due; whoever gets it may put more in, which waits for its turn, or clear the pipe."""
        heap = self._heap
        fired = self._timer
        now = self._clock.now()
        last = self._order
        # While this runs the timer that fired stays in its place, so that put() arms no other.
        try:
            while heap and heap[0][0] <= now and heap[0][1] <= last:
                self._out(heappop(heap)[2])
        finally:
            # Whatever comes of one frame, the others are handed out.
            if self._timer is fired:
                self._timer = None
                if heap:
                    self._arm(heap[0][0])
