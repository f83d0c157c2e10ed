"""Time: what the stack is told about it, and how it asks to be called back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from stack.compiled import mypyc_attr

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


@mypyc_attr(allow_interpreted_subclasses=True)
class Timer(ABC):
    """One pending callback, as :meth:`Clock.call_at` returns it."""

    __slots__ = ()

    @abstractmethod
    def cancel(self) -> None:
        """Forget the callback. Cancelling twice, or after it ran, does nothing."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Clock(ABC):
    """The only source of time. All times and delays are ``int`` nanoseconds.

    Two callbacks for the same instant run in the order in which they were asked for.
    """

    __slots__ = ()

    @abstractmethod
    def now(self) -> int:
        """Nanoseconds since an arbitrary start; never goes backwards."""

    @abstractmethod
    def call_at(self, when: int, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call ``callback(*args)`` at ``when``; at once, but not before returning, if that is past."""

    @abstractmethod
    def call_later(self, delay: int, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call ``callback(*args)`` after ``delay``."""


class Alarm:
    """A deadline that is cheap to move: the timer of a protocol.

    A retransmission timer is pushed back by every ACK. :meth:`set` only stores the later deadline;
    the one callback that is pending at the clock finds out when it wakes, and arms itself again.
    """

    __slots__ = ("_callback", "_clock", "_pending", "_wakes_at", "deadline")

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self._pending: Timer | None = None
        self._wakes_at = 0
        self.deadline: int | None = None
        """When it will go off (ns), or None while it is stopped."""

    def set(self, deadline: int) -> None:
        """Go off at ``deadline`` (ns) instead of whenever it would have before."""
        self.deadline = deadline
        if self._pending is None:
            self._arm(deadline)
        elif deadline < self._wakes_at:
            self._pending.cancel()
            self._arm(deadline)

    def set_later(self, delay: int) -> None:
        """Go off ``delay`` ns from now."""
        self.set(self._clock.now() + delay)

    def stop(self) -> None:
        """Do not go off; the pending wake-up stays at the clock, and does nothing if it comes."""
        self.deadline = None

    def cancel(self) -> None:
        """Stop, and leave nothing behind at the clock."""
        self.deadline = None
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _arm(self, when: int) -> None:
        self._wakes_at = when
        self._pending = self._clock.call_at(when, self._wake)

    def _wake(self) -> None:
        self._pending = None
        deadline = self.deadline
        if deadline is None:
            return
        if deadline > self._clock.now():
            self._arm(deadline)
            return
        self.deadline = None
        self._callback()
