"""Real time: the machine's monotonic clock, and an asyncio loop that calls back."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Any

from stack.clock import SECOND, Clock, Timer

COMPACT_ABOVE = 64
"""Cancelled timers are swept out when there are more than this many, and more than there are live ones."""


class _Timer(Timer):
    __slots__ = ("args", "callback", "clock")

    def __init__(self, clock: AsyncioClock, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.clock = clock
        self.callback: Callable[..., Any] | None = callback
        self.args = args

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self.args = ()
            self.clock._cancelled_one()


class AsyncioClock(Clock):
    """``time.monotonic_ns()``, with callbacks run by an asyncio loop.

    A callback never runs early. It runs late by what the loop is busy with, and by up to one millisecond
    more, because epoll takes no finer timeout; what fell due meanwhile runs in one go, each in its turn.
    Deadlines are kept as integers in a heap of the clock's own, since the loop's timers are floats and may
    run equal ones in any order; the loop has one timer, for the earliest.

    An exception from a callback goes to the loop's exception handler, and the other callbacks still run.
    """

    __slots__ = ("_cancelled", "_handle", "_heap", "_loop", "_order", "_wakes_at")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Call back on ``loop``; without it, on the one that is running (RuntimeError if none is)."""
        self._loop = asyncio.get_running_loop() if loop is None else loop
        self._heap: list[tuple[int, int, _Timer]] = []
        self._order = 0
        self._cancelled = 0
        self._handle: asyncio.TimerHandle | None = None
        self._wakes_at = 0

    def now(self) -> int:
        """Nanoseconds of the machine's monotonic clock."""
        return time.monotonic_ns()

    def call_at(self, when: int, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call ``callback(*args)`` at ``when``; as soon as the loop gets to it if that is past."""
        return self._push(max(when, time.monotonic_ns()), callback, args)

    def call_later(self, delay: int, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call ``callback(*args)`` after ``delay``."""
        return self._push(time.monotonic_ns() + max(delay, 0), callback, args)

    def _push(self, when: int, callback: Callable[..., Any], args: tuple[Any, ...]) -> Timer:
        timer = _Timer(self, callback, args)
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, timer))
        if self._handle is None or when < self._wakes_at:
            self._arm()
        return timer

    def _arm(self) -> None:
        """Have the loop wake us for the earliest timer that there is."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        if heap:
            self._wakes_at = heap[0][0]
            delay = self._wakes_at - time.monotonic_ns()
            self._handle = self._loop.call_later(delay / SECOND, self._wake)

    def _wake(self) -> None:
        # The handle stays set while the batch runs, and _wakes_at in the past: a callback that asks for
        # another does not arm the loop, which is done once, at the end. Whatever a callback asks for lies
        # after `due`, so a chain of immediate callbacks gives way to the loop between any two of them.
        heap = self._heap
        due = time.monotonic_ns()
        try:
            while heap and heap[0][0] <= due:
                timer = heapq.heappop(heap)[2]
                callback, args = timer.callback, timer.args
                if callback is None:
                    self._cancelled -= 1
                else:
                    timer.callback = None
                    callback(*args)
        finally:
            self._handle = None
            self._arm()

    def _cancelled_one(self) -> None:
        self._cancelled += 1
        if self._cancelled > COMPACT_ABOVE and self._cancelled * 2 > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0
