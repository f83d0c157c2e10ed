"""What tests of the core share: a clock that only moves when told to."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from stack.clock import Clock, Timer


class _Pending(Timer):
    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock(Clock):
    """Virtual time for tests of the core, which may not know SimPy."""

    def __init__(self, start: int = 0) -> None:
        self._now = start
        self._order = 0
        self._heap: list[tuple[int, int, _Pending]] = []

    def now(self) -> int:
        return self._now

    def call_at(self, when: int, callback: Callable[..., Any], *args: Any) -> Timer:
        timer = _Pending(callback, args)
        self._order += 1
        heapq.heappush(self._heap, (max(when, self._now), self._order, timer))
        return timer

    def call_later(self, delay: int, callback: Callable[..., Any], *args: Any) -> Timer:
        return self.call_at(self._now + delay, callback, *args)

    @property
    def pending(self) -> int:
        """Callbacks that will still run."""
        return sum(not timer.cancelled for _, _, timer in self._heap)

    def advance(self, duration: int) -> None:
        """Let ``duration`` ns pass, running what falls due."""
        self.run(until=self._now + duration)

    def run(self, until: int | None = None) -> None:
        """Run what is due up to ``until``; without it, until nothing is pending."""
        while self._heap and (until is None or self._heap[0][0] <= until):
            when, _, timer = heapq.heappop(self._heap)
            if not timer.cancelled:
                self._now = when
                timer.callback(*timer.args)
        if until is not None:
            self._now = max(self._now, until)
