"""Calls that begin and end connections."""

from __future__ import annotations

import socket as bsd
from typing import Final

from scenarios.packetdrill.calls.bsd import refuse_connecting, shut_down_unconnected
from scenarios.packetdrill.calls.process import Arguments, Process, SocketFile, Steps, wait
from scenarios.packetdrill.symbols import ANY
from stack.clock import SECOND
from stack.sockets.poll import Epoll
from stack.sockets.stream import StreamSocket

_UNSPECIFIED: Final = {"sa_family": bsd.AF_UNSPEC}

# A call that never waits is a generator all the same: `yield from ()` makes it one.


def socket(process: Process, arguments: Arguments) -> Steps:
    """socket(domain, type, protocol)."""
    yield from ()
    domain = process.domain if arguments[0] is ANY else arguments.number(0)
    kind = arguments.number(1)
    made = process.host.sockets.socket(domain, kind, arguments.number(2))
    return process.add_socket(made, kind)


def bind(process: Process, arguments: Arguments) -> Steps:
    """bind(fd, address, length)."""
    yield from ()
    file = process.socket(arguments)
    address = process.address(arguments[1], file, process.settings.local, process.settings.listen_port)
    file.socket.bind(address)
    return 0


def listen(process: Process, arguments: Arguments) -> Steps:
    """listen(fd, backlog)."""
    yield from ()
    file = process.socket(arguments)
    if not file.socket.listening:
        process.flow = None  # Of the connections that come in, the first is the next one under test.
    file.socket.listen(arguments.number(1))
    process.listen_port = int(file.socket.getsockname()[1])
    return 0


def accept(process: Process, arguments: Arguments) -> Steps:
    """accept(fd, address, length), accept4(fd, address, length, flags)."""
    file = process.socket(arguments)
    if arguments[1] is not ANY and arguments[1] != 0:
        arguments.refuse(1)
    flags = arguments.number(3) if len(arguments) > 3 else 0

    def attempt() -> int:
        accepted, _ = file.socket.accept()
        return process.add_socket(accepted, flags)

    return (yield from wait(file, attempt))


def connect(process: Process, arguments: Arguments) -> Steps:
    """connect(fd, address, length): makes this the connection under test, or with AF_UNSPEC ends it."""
    file = process.socket(arguments)
    made = file.socket
    if isinstance(made, StreamSocket) and arguments[1] == _UNSPECIFIED:
        made.disconnect()
        return 0
    address = process.address(arguments[1], file, process.settings.remote, process.settings.connect_port)
    if process.settings.bsd:
        refuse_connecting(file)
    fresh = not (isinstance(made, StreamSocket) and made.connection is not None)
    try:
        made.connect(address)
    except BlockingIOError:
        if fresh:
            process.begin(file, address)
        if file.nonblocking:
            raise
    else:
        if fresh:
            process.begin(file, address)
        return 0
    while not made.writable:
        yield None
    made.connect(address)
    return 0


def shutdown(process: Process, arguments: Arguments) -> Steps:
    """shutdown(fd, how)."""
    yield from ()
    file, how = process.socket(arguments), arguments.number(1)
    if not (process.settings.bsd and shut_down_unconnected(file, how)):
        file.socket.shutdown(how)
    return 0


def close(process: Process, arguments: Arguments) -> Steps:
    """close(fd); with SO_LINGER it waits until everything is acknowledged, or the time is over."""
    file = process.remove(arguments.number(0))
    if isinstance(file, Epoll):
        file.close()
    if not isinstance(file, SocketFile):
        return 0
    made = file.socket
    ports = process.ports(file)
    if ports is not None:
        process.closed.add(ports)
    if made.listening:
        process.listen_port = None
    linger = made.settings.linger
    made.close()
    if linger.on and linger.seconds and not file.nonblocking:
        deadline = process.clock.now() + linger.seconds * SECOND
        while made.lingering and process.clock.now() < deadline:
            yield deadline - process.clock.now()
    return 0


def is_stream(file: SocketFile) -> bool:
    """Whether it is a TCP socket."""
    return file.socket.type == bsd.SOCK_STREAM
