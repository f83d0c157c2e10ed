"""asyncio in virtual time: tasks, ``sleep``, timeouts and task groups on any :class:`~stack.clock.Clock`."""

from __future__ import annotations

import asyncio
import math
import sys
from asyncio import AbstractEventLoop, Handle, Task, TimerHandle
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.tasks import _enter_task, _leave_task
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from stack.clock import SECOND, Clock, Timer

if TYPE_CHECKING:
    # What a loop does not have, AbstractEventLoop refuses with NotImplementedError; type checkers take
    # that for a duty to have it all.
    from asyncio import BaseEventLoop as _Loop
else:
    _Loop = AbstractEventLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CLOSING_ROUNDS = 1000
"""How often :meth:`SimulatedLoop.close` lets cancelled tasks go on before it abandons the rest."""


def _raise(exception: BaseException) -> None:
    raise exception


class _Deadline(TimerHandle):
    """A :class:`TimerHandle` that knows what to take off the clock when it is cancelled."""

    __slots__ = ("timer",)

    timer: Timer | None


class SimulatedLoop(_Loop):
    """The event loop of one machine.

    It does not run; it is run, by its clock: all callbacks that are ready are one callback of the clock. Only
    during that it is the running loop of the thread, so the loops of many machines take turns, also inside
    another loop that really runs. What only a real loop can do (files, processes, threads) raises
    NotImplementedError.

    Seconds become nanoseconds by rounding: a delay is exact, and so is a time in the first three weeks.

    An exception that nobody handles goes to ``on_error``, which by default raises it, out of the clock's run.
    """

    def __init__(self, clock: Clock, on_error: Callable[[BaseException], None] = _raise) -> None:
        self.clock = clock
        self._on_error = on_error
        self._handler: Callable[[AbstractEventLoop, dict[str, Any]], object] | None = None
        self._ready: deque[Handle] = deque()
        self._wake_up: Timer | None = None
        self._tasks: dict[Task[Any], None] = {}
        self._created = 0
        self._hooks = (None, self._finalize)
        self._closed = False

    # --- time and callbacks

    def time(self) -> float:
        """Seconds of virtual time."""
        return self.clock.now() / SECOND

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Handle:
        """Call at this instant, after what is ready already."""
        handle = Handle(callback, args, self, context)
        self._make_ready(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Handle:
        """The same: a simulation lives in one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        """Call after ``delay`` seconds."""
        handle = _Deadline(self.time() + delay, callback, args, self, context)
        self._set(handle, delay)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        """Call when :meth:`time` is ``when``."""
        handle = _Deadline(when, callback, args, self, context)
        self._set(handle, when - self.time())
        return handle

    def _set(self, handle: _Deadline, delay: float) -> None:
        if self._closed or delay == math.inf:
            handle.timer = None
        else:
            handle.timer = self.clock.call_later(round(delay * SECOND), self._make_ready, handle)

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        if isinstance(handle, _Deadline) and handle.timer is not None:
            handle.timer.cancel()

    def _make_ready(self, handle: Handle) -> None:
        if self._closed:
            return
        self._ready.append(handle)
        if self._wake_up is None:
            self._wake_up = self.clock.call_later(0, self._run_ready)

    def _run_ready(self) -> None:
        """Run what is ready now; what becomes ready meanwhile comes after all else of this instant."""
        self._wake_up = None
        ready = self._ready
        outer = _get_running_loop()
        outer_task = None if outer is None else asyncio.current_task(outer)
        outer_hooks = sys.get_asyncgen_hooks()
        try:
            # All of it in here: Ctrl-C may come between any two lines.
            if outer is not None and outer_task is not None:
                _leave_task(outer, outer_task)
            _set_running_loop(self)
            sys.set_asyncgen_hooks(*self._hooks)
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
        finally:
            sys.set_asyncgen_hooks(*outer_hooks)
            _set_running_loop(outer)
            if outer is not None and outer_task is not None:
                _enter_task(outer, outer_task)
            if ready and self._wake_up is None and not self._closed:
                self._wake_up = self.clock.call_later(0, self._run_ready)

    # --- futures and tasks

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> Task[T]:
        """Run a coroutine on this loop; ``options`` are what :class:`asyncio.Task` takes in later Pythons."""
        self._created += 1
        name = f"task-{self._created}" if name is None else str(name)
        task: Task[T] = Task(coro, loop=self, name=name, context=context, **options)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    @property
    def tasks(self) -> tuple[Task[Any], ...]:
        """The tasks that are not done, in the order in which they were created."""
        return tuple(self._tasks)

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        """An asynchronous generator is forgotten before its end: let it run its ``finally``."""
        if not self._closed:
            self.create_task(generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do: a generator is closed when it is forgotten."""

    # --- errors

    def get_exception_handler(self) -> Callable[[AbstractEventLoop, dict[str, Any]], object] | None:
        """The handler of exceptions that nobody handles, if one was set."""
        return self._handler

    def set_exception_handler(
        self, handler: Callable[[AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        """Hand exceptions that nobody handles to ``handler(loop, context)`` instead of to ``on_error``."""
        self._handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Report to ``on_error``."""
        self._on_error(context.get("exception") or RuntimeError(context["message"]))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an exception that nobody handles; those of a closed loop nobody hears of."""
        if self._closed:
            return
        if self._handler is None:
            self.default_exception_handler(context)
        else:
            self._handler(self, context)

    # --- life

    def get_debug(self) -> bool:
        """Asyncio's debug mode would measure with the wall clock: False."""
        return False

    def is_running(self) -> bool:
        """Whether one of this loop's callbacks is being run."""
        return _get_running_loop() is self

    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """Cancel all tasks, let them take notice without any time passing, and run nothing from then on.

        What they raise or ask for after that is ignored: the machine is off.
        """
        if self._closed:
            return
        if self.is_running():
            raise RuntimeError("a loop cannot be closed by its own callback")
        self.set_exception_handler(lambda loop, context: None)
        for task in self.tasks:
            task.cancel()
        for _ in range(CLOSING_ROUNDS):
            if self._wake_up is None:
                break
            self._wake_up.cancel()
            self._run_ready()
        self._closed = True
        self._ready.clear()
        if self._wake_up is not None:
            self._wake_up.cancel()
