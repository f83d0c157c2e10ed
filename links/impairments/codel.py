"""CoDel: drop at the head of a queue when frames have waited too long for too long (RFC 8289)."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

from links.impairments.queue import FrameQueue
from links.impairments.spec import Queue
from stack.clock import Clock
from stack.link import Frame


class CoDel:
    """The estimator, setpoint and control law of RFC 8289 section 5, under the names of its pseudo-code."""

    __slots__ = (
        "_clock", "_count", "_drop_next", "_dropping", "_ecn", "_first_above_time", "_interval", "_lastcount",
        "_maxpacket", "_ok_to_drop", "_queue", "_target",
    )  # fmt: skip

    def __init__(self, spec: Queue, queue: FrameQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._target = spec.target
        self._interval = spec.interval
        self._ecn = spec.ecn
        self._maxpacket = 0
        self._first_above_time = 0
        self._ok_to_drop = False
        self._dropping = False
        self._drop_next = 0
        self._count = 0
        self._lastcount = 0

    def dequeue(self, drop: Callable[[Frame], None], mark: Callable[[Frame], Frame | None]) -> Frame | None:
        """The next frame to send, or None if none is left; what is dropped before it is shown to ``drop``.

        With ECN, a frame that ``mark`` can mark leaves marked instead of being dropped, as in Linux.
        """
        now = self._clock.now()
        frame = self._dodequeue(now)
        if self._dropping:
            if not self._ok_to_drop:
                self._dropping = False
            while self._dropping and frame is not None and now >= self._drop_next:
                self._count += 1
                if self._ecn and (marked := mark(frame)) is not None:
                    self._drop_next = self._control_law(self._drop_next)
                    return marked
                drop(frame)
                frame = self._dodequeue(now)
                if self._ok_to_drop:
                    self._drop_next = self._control_law(self._drop_next)
                else:
                    self._dropping = False
        elif self._ok_to_drop and frame is not None:
            frame = self._start_dropping(now, frame, drop, mark)
        return frame

    def _start_dropping(
        self,
        now: int,
        frame: Frame,
        drop: Callable[[Frame], None],
        mark: Callable[[Frame], Frame | None],
    ) -> Frame | None:
        marked = mark(frame) if self._ecn else None
        if marked is None:
            drop(frame)
            marked = self._dodequeue(now)
        self._dropping = True
        # Soon after the last time, the rate of dropping that controlled the queue then is where to begin.
        delta = self._count - self._lastcount
        recently = now - self._drop_next < 16 * self._interval
        self._count = delta if delta > 1 and recently else 1
        self._drop_next = self._control_law(now)
        self._lastcount = self._count
        return marked

    def _control_law(self, time: int) -> int:
        """``interval / sqrt(count)`` later, in whole nanoseconds."""
        return time + isqrt(self._interval * self._interval // self._count)

    def _dodequeue(self, now: int) -> Frame | None:
        self._ok_to_drop = False
        if not self._queue:
            self._first_above_time = 0
            return None
        frame, sojourn_time = self._queue.pop()
        self._maxpacket = max(self._maxpacket, len(frame))
        if sojourn_time < self._target or self._queue.size <= self._maxpacket:
            self._first_above_time = 0
        elif self._first_above_time == 0:
            self._first_above_time = now + self._interval
        else:
            self._ok_to_drop = now >= self._first_above_time
        return frame
