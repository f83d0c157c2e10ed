"""A line on which nothing happens to frames but queue, rate and delay: the time of all that is known beforehand."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from links.impairments.limit import Capacity
from links.impairments.pace import BYTE_TIME, ConstantPace
from links.impairments.queue import FrameQueue
from links.impairments.statistics import ChannelStatistics, DropReason
from stack.clock import Clock, Timer
from stack.link import Frame

UNLIMITED = sys.maxsize

Sending: TypeAlias = tuple[Frame, int, int]
"""A frame that is being sent, when its first byte left and when its last one does."""


class Line:
    """A drop-tail queue, a constant rate and a constant delay.

    When a frame comes, it is reckoned when it will leave and when it will arrive, so the clock has nothing to
    do but to hand it out. A frame that would leave at the instant at which another one comes has left.
    """

    __slots__ = (
        "_arrive", "_clock", "_delay", "_drop", "_flight", "_limit", "_max_bytes", "_max_packets", "_pace", "_queue",
        "_statistics", "_timer",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        statistics: ChannelStatistics,
        queue: FrameQueue,
        arrive: Callable[[Frame], None],
        drop: Callable[[Frame, DropReason], None],
    ) -> None:
        """Frames are counted in ``queue`` while they wait, and kept here."""
        self._clock = clock
        self._statistics = statistics
        self._queue = queue
        self._arrive = arrive
        self._drop = drop
        self._flight: deque[tuple[int, Frame]] = deque()
        """All frames, with the times of their arrival."""
        self._timer: Timer | None = None
        self._pace = ConstantPace(1)
        self._delay = 0
        self._limit = self._max_packets = self._max_bytes = UNLIMITED

    def __len__(self) -> int:
        return len(self._flight)

    def configure(self, pace: ConstantPace | None, delay: int, capacity: Capacity, limit: int) -> None:
        """While it is empty: the rate of :meth:`send`, the delay (ns), the length of the queue, and how many frames
        there may be altogether."""
        self._pace = pace or self._pace
        self._delay = delay
        self._max_packets = UNLIMITED if capacity.packets is None else capacity.packets
        self._max_bytes = UNLIMITED if capacity.size is None else capacity.size
        self._limit = limit

    def send(self, frame: Frame) -> None:
        """Put a frame in, to leave at the rate."""
        flight = self._flight
        if len(flight) >= self._limit:
            self._drop(frame, DropReason.LIMIT)
            return
        now = self._clock.now()
        size = len(frame.head) + len(frame.payload)
        statistics = self._statistics
        start = statistics.busy_until
        if start <= now:
            start = now
        elif not self._queue.promise(size, now, start, self._max_packets, self._max_bytes):
            self._drop(frame, DropReason.QUEUE)
            return
        pace = self._pace
        duration, pace.carry = divmod(size * BYTE_TIME + pace.carry, pace.rate)
        statistics.reckoned += duration
        statistics.busy_until = finish = start + duration
        arrival = finish + self._delay
        flight.append((arrival, frame))
        if self._timer is None:
            self._timer = self._clock.call_at(arrival, self._wake)

    def launch(self, frame: Frame) -> None:
        """Put a frame in, to leave at once."""
        flight = self._flight
        if len(flight) >= self._limit:
            self._drop(frame, DropReason.LIMIT)
            return
        arrival = self._clock.now() + self._delay
        flight.append((arrival, frame))
        if self._timer is None:
            self._timer = self._clock.call_at(arrival, self._wake)

    def take_out(self) -> tuple[list[tuple[int, Frame]], Sending | None]:
        """Give up all frames: those that have left, with the times of their arrival, and the one that is being sent.

        Those that wait go into the queue, and the pace is as if they had never been reckoned.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, flight = self._clock.now(), self._flight
        left = []
        while flight and flight[0][0] - self._delay <= now:
            left.append(flight.popleft())
        if not flight:
            return left, None
        arrival, frame = flight.popleft()
        waiting = [entry[1] for entry in flight]
        flight.clear()
        self._queue.keep(waiting)
        for other in reversed(waiting):
            self._pace.undo(len(other))
        finish = arrival - self._delay
        start = finish - self._pace.undo(len(frame))
        self._pace.duration(len(frame), start)
        self._statistics.reckoned -= self._statistics.busy_until - start
        self._statistics.busy_until = now
        return left, (frame, start, finish)

    def _wake(self) -> None:
        """Hand out what is due; whoever gets it may put more in, which waits for its turn, or take all out."""
        flight, fired, now = self._flight, self._timer, self._clock.now()
        try:
            for _ in range(len(flight)):
                self._arrive(flight.popleft()[1])
                # While this runs the timer that fired stays in its place, so that none other is armed.
                if self._timer is not fired or not flight or flight[0][0] > now:
                    break
        finally:
            # Whatever comes of one frame, the others arrive.
            if self._timer is fired:
                self._timer = self._clock.call_at(flight[0][0], self._wake) if flight else None
