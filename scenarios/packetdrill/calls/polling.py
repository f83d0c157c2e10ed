"""poll and epoll."""

from __future__ import annotations

import errno
import select
from typing import Final

from scenarios.packetdrill.calls.process import Arguments, Process, SocketFile, Steps, WrongOutputError
from scenarios.packetdrill.symbols import ANY, CONSTANTS, Value
from stack.clock import MILLISECOND
from stack.errors import os_error
from stack.sockets.poll import POLLNVAL, Epoll
from stack.sockets.poll import poll as poll_sockets

_ADD: Final = CONSTANTS["EPOLL_CTL_ADD"]
_DELETE: Final = CONSTANTS["EPOLL_CTL_DEL"]
_NAMES: Final = (
    "POLLIN", "POLLPRI", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL", "POLLRDNORM", "POLLWRNORM", "POLLRDHUP",
)  # fmt: skip


# --- poll -------------------------------------------------------------------------------------------------------------


def poll(process: Process, arguments: Arguments) -> Steps:
    """poll([{fd, events, revents}], number, timeout)."""
    entries = [_pollfd(arguments, entry) for entry in arguments[0]]
    timeout = arguments.number(2)
    deadline = process.clock.now() + timeout * MILLISECOND

    def look() -> list[int]:
        return [_poll_one(process, number, events) for number, events, _ in entries]

    found = look()
    while not any(found) and (timeout < 0 or process.clock.now() < deadline):
        yield None if timeout < 0 else deadline - process.clock.now()
        found = look()
    for (number, _, wanted), got in zip(entries, found, strict=True):
        if wanted is not ANY and wanted != got:
            raise WrongOutputError(f"revents of {number}", _names(wanted), _names(got))
    return sum(1 for events in found if events)


def _pollfd(arguments: Arguments, entry: Value) -> tuple[int, int, Value]:
    if not isinstance(entry, dict) or not isinstance(entry.get("fd"), int):
        raise arguments.unsupported(f"a pollfd of {entry!r}")
    return entry["fd"], entry.get("events", 0), entry.get("revents", ANY)


def _poll_one(process: Process, number: int, events: int) -> int:
    try:
        file = process[number]
    except OSError:
        return POLLNVAL
    if isinstance(file, Epoll):
        return select.POLLIN & events if file.readable else 0
    if not isinstance(file, SocketFile):
        return 0
    return poll_sockets([(file.socket, events)])[0]


def _names(events: int) -> str:
    return "|".join(name for name in _NAMES if events & getattr(select, name)) or "0"


# --- epoll ------------------------------------------------------------------------------------------------------------


def epoll_create(process: Process, arguments: Arguments) -> Steps:
    """epoll_create(size), epoll_create1(flags)."""
    yield from ()
    arguments.number(0)
    epoll = Epoll()
    epoll.watch(process.changed)
    return process.add(epoll)


def epoll_ctl(process: Process, arguments: Arguments) -> Steps:
    """epoll_ctl(fd, operation, fd, {events, fd})."""
    yield from ()
    epoll = _epoll(process, arguments)
    operation, number = arguments.number(1), arguments.number(2)
    file: SocketFile = process.socket(arguments, 2)
    if operation == _DELETE:
        epoll.remove(file.socket)
        return 0
    event = arguments[3]
    if not isinstance(event, dict) or not isinstance(event.get("events"), int):
        raise arguments.unsupported(f"an epoll_event of {event!r}")
    change = epoll.add if operation == _ADD else epoll.modify
    change(file.socket, event["events"], event.get("fd", number))
    return 0


def epoll_wait(process: Process, arguments: Arguments) -> Steps:
    """epoll_wait(fd, events, number, timeout); the events are one structure or a list of them."""
    epoll = _epoll(process, arguments)
    wanted, most, timeout = arguments[1], arguments.number(2), arguments.number(3)
    deadline = process.clock.now() + timeout * MILLISECOND
    found = epoll.wait(most)
    while not found and (timeout < 0 or process.clock.now() < deadline):
        yield None if timeout < 0 else deadline - process.clock.now()
        found = epoll.wait(most)
    expected = wanted if isinstance(wanted, list) else [wanted]
    for event, (number, got) in zip(expected, found, strict=False):
        if isinstance(event, dict):
            _compare(event, number, got)
    return len(found)


def _compare(event: dict[str, Value], number: int, got: int) -> None:
    if event.get("fd", ANY) is not ANY and event["fd"] != number:
        raise WrongOutputError("fd", event["fd"], number)
    events = event.get("events", ANY)
    if events is not ANY and events != got:
        raise WrongOutputError("events", _names(events), _names(got))


def _epoll(process: Process, arguments: Arguments) -> Epoll:
    file = process[arguments.number(0)]
    if not isinstance(file, Epoll):
        raise os_error(errno.EINVAL)
    return file
