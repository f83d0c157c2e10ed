"""Virtual time on SimPy, in whole nanoseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

from simpy import Environment, Event
from simpy.core import EmptySchedule
from simpy.events import NORMAL, EventPriority

from stack.clock import Clock, Timer

LAST = EventPriority(NORMAL + 1)
"""After everything else that is due at the same instant."""


class SimulatedTimer(Event, Timer):
    """One pending callback, and the event that SimPy schedules for it.

    SimPy cannot take an event back, so a cancelled timer stays in its queue, as a tombstone that holds
    nothing and does nothing when its time comes.
    """

    __slots__ = ("_args", "_callback", "_clock", "callbacks")

    _ok = True
    _value = None

    def __init__(
        self,
        clock: SimulatedClock,
        callbacks: list[Callable[[Any], None]],
        callback: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self.callbacks = callbacks
        self._clock = clock
        self._callback: Callable[..., Any] | None = callback
        self._args = args

    def fire(self) -> None:
        """Make the call, unless it was cancelled."""
        callback = self._callback
        if callback is not None:
            self._callback = None
            self._clock.pending -= 1
            callback(*self._args)

    def cancel(self) -> None:
        """Forget the callback. Cancelling twice, or after it ran, does nothing."""
        if self._callback is not None:
            self._callback = None
            self._args = ()
            self._clock.pending -= 1


class _WholeTime(Protocol):
    """An environment whose time is whole."""

    @property
    def now(self) -> int: ...


class SimulatedClock(Clock):
    """The clock of a simulation: SimPy's, which starts at 0 and moves only while :meth:`run` runs.

    SimPy keeps integers exact and runs what is due at one instant in the order in which it was scheduled.
    Processes may share the ``environment``, as long as their delays are integers too.
    """

    __slots__ = ("_halted", "_running", "_schedule", "_stopped", "_time", "environment", "pending")

    _FIRE: ClassVar[list[Callable[[Any], None]]] = [SimulatedTimer.fire]

    def __init__(self, environment: Environment | None = None) -> None:
        self.environment = environment or Environment()
        self.pending = 0
        """Callbacks that will still run."""
        self._schedule = self.environment.schedule
        self._time = cast("_WholeTime", self.environment)
        self._running = False
        self._halted = False
        self._stopped = False

    def now(self) -> int:
        """Nanoseconds since the start of the simulation."""
        return self._time.now

    def call_at(self, when: int, callback: Callable[..., Any], *args: Any) -> SimulatedTimer:
        """Call ``callback(*args)`` at ``when``; if that is past, at this instant, after what is due now."""
        return self.add(SimulatedTimer(self, self._FIRE, callback, args), when)

    def call_later(self, delay: int, callback: Callable[..., Any], *args: Any) -> SimulatedTimer:
        """Call ``callback(*args)`` after ``delay`` ns."""
        timer = SimulatedTimer(self, self._FIRE, callback, args)
        self.pending += 1
        self._schedule(timer, NORMAL, delay if delay > 0 else 0)
        return timer

    def add(self, timer: SimulatedTimer, when: int, priority: EventPriority = NORMAL) -> SimulatedTimer:
        """Let ``timer`` fire at ``when``, or at this instant if that is past."""
        delay = when - self._time.now
        self.pending += 1
        self._schedule(timer, priority, delay if delay > 0 else 0)
        return timer

    def run(self, until: int | None = None) -> bool:
        """Run what is due up to and at ``until`` (ns) and stay there; None: until nothing is pending.

        Returns True when it got there, False after :meth:`stop`. What a callback raises comes out of here, and
        the rest stays pending: the clock can run on. Raises RuntimeError when called from a callback.
        """
        if self._running:
            raise RuntimeError("the clock is running already")
        self._running = True
        self._halted = self._stopped = False
        end = (
            None if until is None else self.add(SimulatedTimer(self, self._FIRE, self._halt, ()), until, LAST)
        )
        step = self.environment.step
        try:
            while self.pending and not self._halted:
                step()
        except EmptySchedule:
            pass  # what is pending waits for a paused machine
        finally:
            self._running = False
            if end is not None:
                end.cancel()
        return not self._stopped

    def stop(self) -> None:
        """Let :meth:`run` return after the callback that runs now."""
        self._stopped = self._halted = True

    def _halt(self) -> None:
        self._halted = True
