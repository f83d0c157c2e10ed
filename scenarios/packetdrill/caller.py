"""Makes the calls of a script: at once, or blocking while later events go on."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from links.simulated.clock import SimulatedClock
from scenarios.packetdrill.calls import CALLS
from scenarios.packetdrill.calls.process import Arguments, Process, Steps, WrongOutputError
from scenarios.packetdrill.matching import SHARE
from scenarios.packetdrill.result import MismatchError
from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.symbols import ANY, Symbols
from scenarios.packetdrill.syntax import Call, Event
from stack.clock import SECOND, Timer


@dataclass(slots=True)
class _Blocked:
    """A call that has not returned."""

    event: Event
    call: Call
    steps: Steps
    end: int
    tolerance: int
    timer: Timer | None = None


class Caller:
    """One call can block at a time; whenever a descriptor changes it is tried again."""

    def __init__(self, process: Process, symbols: Symbols, clock: SimulatedClock) -> None:
        self._process = process
        self._symbols = symbols
        self._clock = clock
        self._blocked: _Blocked | None = None
        self._waking = False
        self._awaited = False

    def call(self, event: Event, call: Call, when: int, end: int | None) -> None:
        """Make a call, which with an ``end`` may block until then. Raises MismatchError, UnsupportedError."""
        function = CALLS.get(call.function)
        if function is None:
            raise UnsupportedError(event.line, f"system call {call.function}")
        if end is not None:
            self._await()
        values = tuple(self._symbols.evaluate(argument, event.line) for argument in call.arguments)
        arguments = Arguments(event.line, call.function, call.arguments, values)
        steps = function(self._process, arguments)
        tolerance = self._process.settings.tolerance
        if end is not None:
            tolerance = max(tolerance, (end - when) // SHARE)
        self._step(
            _Blocked(event, call, steps, self._clock.now() if end is None else end, tolerance),
            end is not None,
        )

    def finish(self) -> None:
        """Nothing else happens: the call that blocks, if there is one, has its time to return."""
        self._await()

    def _await(self) -> None:
        blocked = self._blocked
        if blocked is not None:
            self._awaited = True
            self._clock.run(until=max(blocked.end + blocked.tolerance, self._clock.now()))
            self._awaited = False
        if self._blocked is not None:
            late = f"it is {self._clock.now() / SECOND:.6f}"
            raise MismatchError(
                self._blocked.event.line, f"{self._blocked.call.function}() still blocks, and {late}"
            )

    def wake(self) -> None:
        """A descriptor has changed."""
        if self._blocked is not None and not self._waking:
            self._waking = True
            self._clock.call_later(0, self._resume)

    def _resume(self) -> None:
        self._waking = False
        blocked, self._blocked = self._blocked, None
        if blocked is not None:
            if blocked.timer is not None:
                blocked.timer.cancel()
            self._step(blocked, True)
            if self._awaited and self._blocked is None:
                self._clock.stop()

    def _step(self, blocked: _Blocked, may_block: bool) -> None:
        """Go on with a call until it blocks or returns."""
        call, line = blocked.call, blocked.event.line
        self._process.expected = self._symbols.evaluate(call.result, line)
        try:
            pause = next(blocked.steps)
        except StopIteration as done:
            self._returned(blocked, int(done.value), 0)
        except OSError as error:
            self._returned(blocked, -1, error.errno or 0)
        except WrongOutputError as wrong:
            raise MismatchError(line, f"{call.function}(): {wrong}", expected=blocked.event.text) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise UnsupportedError(line, f"{call.function}: {error}") from None
        else:
            if not may_block:
                raise MismatchError(line, f"{call.function}() blocks", expected=blocked.event.text)
            if self._blocked is not None:
                raise UnsupportedError(line, "two calls that block")
            self._blocked = blocked
            if pause is not None:
                blocked.timer = self._clock.call_later(pause, self._resume)

    def _returned(self, blocked: _Blocked, value: int, number: int) -> None:
        """Compare what a call returned, and when."""
        call, line = blocked.call, blocked.event.line
        now = self._clock.now()
        if abs(now - blocked.end) > blocked.tolerance:
            raise MismatchError(
                line,
                f"{call.function}() returned at {now / SECOND:.6f}, not at {blocked.end / SECOND:.6f}",
                expected=blocked.event.text,
            )
        wanted = self._symbols.evaluate(call.result, line)
        name = errno.errorcode.get(number, str(number)) if number else ""
        matches = wanted is ANY or wanted == value
        if matches and value == -1 and call.errno:
            matches = getattr(errno, call.errno, None) == number
        if not matches:
            raise MismatchError(
                line,
                f"{call.function}() returned {' '.join(filter(None, (str(value), name)))}, "
                f"not {' '.join(filter(None, (str(wanted), call.errno)))}",
                expected=blocked.event.text,
            )
