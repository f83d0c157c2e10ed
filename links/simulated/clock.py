"""Virtual time on SimPy, in whole nanoseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, ClassVar, Final, Protocol, cast

from simpy import Environment, Event
from simpy.events import NORMAL, EventPriority

from stack.clock import Clock, Timer

LAST = EventPriority(NORMAL + 1)
"""After everything else that is due at the same instant."""
COMPACT_ABOVE = 1024
"""Cancelled timers are swept out when there are more than this many, and more than there are live ones."""


class SimulatedTimer(Timer):
    """One pending callback, and to SimPy, in whose queue it is, an event that has succeeded.

    SimPy cannot take an event back, so a cancelled timer stays in its queue, as a tombstone that holds
    nothing and does nothing when its time comes.
    """

    __slots__ = ("_args", "_callback", "_clock", "callbacks")

    _ok: ClassVar[bool] = True

    def __init__(self, clock: VirtualClock, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callbacks: list[Callable[[Any], None]] | None = _FIRE
        self._clock = clock
        self._callback: Callable[..., Any] | None = callback
        self._args = args

    def fire(self) -> None:
        """Make the call, unless it was cancelled or its clock holds it back."""
        clock = self._clock
        if clock.hold is not None:
            clock.hold(self)
            return
        callback = self._callback
        if callback is None:
            clock.agenda.tombstones -= 1
            return
        self._callback = None
        clock.agenda.pending -= 1
        if self._args:
            callback(*self._args)
        else:
            callback()

    def cancel(self) -> None:
        """Forget the callback. Cancelling twice, or after it ran, does nothing."""
        if self._callback is not None:
            self._callback = None
            self._args = ()
            self._clock.agenda.bury()

    @property
    def cancelled(self) -> bool:
        """Whether it is a tombstone."""
        return self._callback is None


_FIRE: Final[list[Callable[[Any], None]]] = [SimulatedTimer.fire]


class _Environment(Protocol):
    """What of SimPy's environment is used here; its time is whole."""

    _now: int
    _queue: list[tuple[int, EventPriority, int, Event | SimulatedTimer]]
    _eid: Iterator[int]


class Agenda:
    """SimPy's queue, as all clocks of one simulation see it, and what they have in it."""

    __slots__ = ("environment", "inside", "pending", "tombstones")

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.inside = cast("_Environment", environment)
        self.pending = 0
        """Callbacks that will still run."""
        self.tombstones = 0
        """Timers that were cancelled before their time has come."""

    def bury(self) -> None:
        """A timer was cancelled: it will not run, and too many of its kind are swept out."""
        self.pending -= 1
        self.tombstones += 1
        if self.tombstones > COMPACT_ABOVE and self.tombstones > self.pending:
            queue = self.inside._queue
            queue[:] = [
                entry for entry in queue if not (isinstance(entry[3], SimulatedTimer) and entry[3].cancelled)
            ]
            heapify(queue)
            self.tombstones = 0


class VirtualClock(Clock):
    """A clock that shows the time of SimPy's environment.

    Timers go straight into the environment's queue, as ``Environment.schedule`` would put them there: what is due
    at one instant, processes of SimPy's included, runs in the order in which it was asked for.
    """

    __slots__ = ("_inside", "_order", "_queue", "agenda", "hold")

    def __init__(self, agenda: Agenda) -> None:
        self.agenda = agenda
        self.hold: Callable[[SimulatedTimer], None] | None = None
        """What to do with timers whose time has come, instead of firing them."""
        self._inside = agenda.inside
        self._queue = agenda.inside._queue
        self._order = agenda.inside._eid

    def now(self) -> int:
        """Nanoseconds since the start of the simulation."""
        return self._inside._now

    def call_at(self, when: int, callback: Callable[..., Any], *args: Any) -> SimulatedTimer:
        """Call ``callback(*args)`` at ``when``; if that is past, at this instant, after what is due now."""
        now = self._inside._now
        timer = SimulatedTimer(self, callback, args)
        heappush(self._queue, (when if when > now else now, NORMAL, next(self._order), timer))
        self.agenda.pending += 1
        return timer

    def call_later(self, delay: int, callback: Callable[..., Any], *args: Any) -> SimulatedTimer:
        """Call ``callback(*args)`` after ``delay`` ns."""
        now = self._inside._now
        timer = SimulatedTimer(self, callback, args)
        heappush(self._queue, (now + delay if delay > 0 else now, NORMAL, next(self._order), timer))
        self.agenda.pending += 1
        return timer


class SimulatedClock(VirtualClock):
    """The clock of a simulation: it starts at 0 and moves only while :meth:`run` runs.

    SimPy keeps integers exact and runs what is due at one instant in the order in which it was scheduled.
    Processes may share the ``environment``, as long as their delays are integers too.
    """

    __slots__ = ("_halted", "_running", "_stopped", "environment")

    def __init__(self, environment: Environment | None = None) -> None:
        self.environment = environment or Environment()
        super().__init__(Agenda(self.environment))
        self._running = False
        self._halted = False
        self._stopped = False

    @property
    def pending(self) -> int:
        """Callbacks that will still run."""
        return self.agenda.pending

    def run(self, until: int | None = None) -> bool:
        """Run what is due up to and at ``until`` (ns) and stay there; None: until nothing is pending.

        Returns True when it got there, False after :meth:`stop`. What a callback raises comes out of here, and
        the rest stays pending: the clock can run on. Raises RuntimeError when called from a callback.
        """
        if self._running:
            raise RuntimeError("the clock is running already")
        self._running = True
        self._halted = self._stopped = False
        end = None if until is None else self._end_at(until)
        try:
            self._run()
        finally:
            self._running = False
            if end is not None:
                end.cancel()
        return not self._stopped

    def _run(self) -> None:
        """``Environment.step`` again and again, without its detours for what is a timer of ours."""
        agenda, inside, queue, step = self.agenda, self._inside, self._queue, self.environment.step
        while (
            agenda.pending and not self._halted and queue
        ):  # else what is pending waits for a paused machine
            timer = queue[0][3]
            if isinstance(timer, SimulatedTimer):
                inside._now = heappop(queue)[0]
                timer.fire()
            else:
                step()

    def stop(self) -> None:
        """Let :meth:`run` return after the callback that runs now."""
        self._stopped = self._halted = True

    def _end_at(self, until: int) -> SimulatedTimer:
        timer = SimulatedTimer(self, self._halt, ())
        heappush(self._queue, (max(until, self._inside._now), LAST, next(self._order), timer))
        self.agenda.pending += 1
        return timer

    def _halt(self) -> None:
        self._halted = True
