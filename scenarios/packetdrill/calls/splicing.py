"""Pipes and files, as far as data go from and to sockets through them."""

from __future__ import annotations

import errno
from functools import partial

from scenarios.packetdrill.calls.data import remember
from scenarios.packetdrill.calls.process import Arguments, Process, SocketFile, Steps, wait
from scenarios.packetdrill.calls.streams import DataFile, PipeEnd
from scenarios.packetdrill.packets import pattern
from scenarios.packetdrill.symbols import ANY, CONSTANTS
from stack.errors import os_error


def pipe(process: Process, arguments: Arguments) -> Steps:
    """pipe([for reading, for writing])."""
    yield from ()
    numbers = arguments[0]
    if (
        not isinstance(numbers, list)
        or len(numbers) != 2
        or not all(isinstance(item, int) for item in numbers)
    ):
        arguments.refuse(0)
    buffer = bytearray()
    for number in numbers:
        process.put(number, PipeEnd(buffer))
    return 0


def open_file(process: Process, arguments: Arguments) -> Steps:
    """open(path, flags): a file that is as long as anybody reads, whatever its name."""
    yield from ()
    arguments.number(1)
    return process.add(DataFile())


def splice(process: Process, arguments: Arguments) -> Steps:
    """splice(from, offset, to, offset, length, flags), between a socket and a pipe."""
    source, target = process[arguments.number(0)], process[arguments.number(2)]
    size, flags = arguments.number(4), arguments.number(5)
    blocking = not flags & CONSTANTS["SPLICE_F_NONBLOCK"]
    if isinstance(source, SocketFile) and isinstance(target, PipeEnd):
        room = min(size, target.room)
        if not room:
            raise os_error(errno.EAGAIN)
        received = bytearray()
        reader = source

        def attempt() -> int:
            received.extend(reader.socket.recv(room))
            return len(received)

        taken = yield from wait(source, attempt, blocking=blocking)
        target.buffer.extend(received)
        source.received += taken
        return taken
    if isinstance(source, PipeEnd) and isinstance(target, SocketFile):
        data = bytes(source.buffer[:size])
        if not data:
            raise os_error(errno.EAGAIN)
        sent = yield from wait(target, partial(target.socket.send, data), blocking=blocking)
        del source.buffer[:sent]
        remember(process, target, data[:sent])
        return sent
    raise os_error(errno.EINVAL)


def sendfile(process: Process, arguments: Arguments) -> Steps:
    """sendfile(to, from, [offset], length)."""
    target, source = process.socket(arguments), process[arguments.number(1)]
    if not isinstance(source, DataFile):
        raise os_error(errno.EINVAL)
    offset, size = arguments[2], arguments.number(3)
    start = offset[0] if isinstance(offset, list) and offset else source.position
    if offset is not ANY and not isinstance(start, int):
        arguments.refuse(2)
    sent = 0
    while sent < size:
        data = pattern(start + sent, size - sent)
        try:
            taken = yield from wait(target, partial(target.socket.send, data))
        except OSError:
            if not sent:
                raise
            break
        remember(process, target, data[:taken])
        sent += taken
    if not isinstance(offset, list):
        source.position += sent
    return sent
