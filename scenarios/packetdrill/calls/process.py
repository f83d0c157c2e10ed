"""The process that makes the calls: its descriptors, and what it has sent and received."""

from __future__ import annotations

import errno
import socket as bsd
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from scenarios.packetdrill.calls.streams import DataFile, PipeEnd
from scenarios.packetdrill.flow import Flow
from scenarios.packetdrill.settings import Family, Settings
from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.symbols import ANY, InternetAddress, Value
from scenarios.packetdrill.syntax import Expression, Name
from stack.clock import Clock
from stack.errors import os_error
from stack.host import Host
from stack.sockets.address import Address
from stack.sockets.datagram import DatagramSocket
from stack.sockets.poll import Epoll
from stack.sockets.socket import Socket
from stack.sockets.stream import StreamSocket
from stack.tcp.connection import Connection
from stack.wire.address import format_address, parse_address, unmap_v4

Steps: TypeAlias = Generator[int | None, None, int]
"""A call under way: each ``yield`` waits until a descriptor changes or, in ns, that much time has passed; what it
returns is what the call returns. It raises OSError, WrongOutputError and UnsupportedError."""


class WrongOutputError(Exception):
    """A call has given something else than the script says: ``what``, expected and found."""

    def __init__(self, what: str, expected: object, found: object) -> None:
        super().__init__(f"{what}: expected {expected}, got {found}")
        self.what = what
        self.expected = expected
        self.found = found


@dataclass(slots=True)
class SocketFile:
    """A descriptor that is a socket."""

    socket: Socket
    nonblocking: bool = False
    received: int = 0
    """Octets of the stream that were read."""


File: TypeAlias = SocketFile | Epoll | PipeEnd | DataFile


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call was given."""

    line: int
    function: str
    expressions: tuple[Expression, ...]
    values: tuple[Value, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Value:
        if index >= len(self.values):
            raise UnsupportedError(self.line, f"{self.function} with {len(self.values)} arguments")
        return self.values[index]

    def number(self, index: int) -> int:
        """An argument that is an int."""
        value = self[index]
        if not isinstance(value, int):
            self.refuse(index)
        return int(value)

    def text(self, index: int) -> str:
        """An argument as the script wrote it, if it is a name or a number."""
        expression = self.expressions[index]
        return expression.word if isinstance(expression, Name) else str(self.values[index])

    def refuse(self, index: int) -> None:
        """Raise UnsupportedError because of an argument."""
        raise UnsupportedError(self.line, f"{self.function} with {self[index]!r} as argument {index + 1}")

    def unsupported(self, construct: str) -> UnsupportedError:
        """The exception that says so."""
        return UnsupportedError(self.line, f"{self.function}: {construct}")


class Process:
    """Descriptors are those of the script: one that a call returns gets the number that the script expects."""

    def __init__(self, host: Host, clock: Clock, settings: Settings, changed: Callable[[], None]) -> None:
        self.host = host
        self.clock = clock
        self.settings = settings
        self.expected: Value = ANY
        """What the call that is made is to return."""
        self.flow: Flow | None = None
        """The connection under test."""
        self.streams: dict[tuple[int, int], bytearray] = {}
        """What was written, by local and remote port."""
        self.datagrams: deque[bytes] = deque()
        """What was sent in datagrams that have not been looked at."""
        self.closed: set[tuple[int, int]] = set()
        """Connections that were closed here, by local and remote port."""
        self.pattern_holds = True
        """What is read should be the pattern; not so with urgent data in between."""
        self.changed = changed
        """Called when a descriptor may have become ready."""
        self._files: dict[int, File] = {}
        self.listen_port: int | None = None

    # --- descriptors

    def add(self, file: File) -> int:
        """Number a descriptor: as expected, else the lowest that is free."""
        number = self.expected
        if not isinstance(number, int) or number < 0 or number in self._files:
            number = next(number for number in count(3) if number not in self._files)
        self._files[number] = file
        return number

    def put(self, number: int, file: File) -> None:
        """A descriptor with a number of the script's choice."""
        self._files[number] = file

    def add_socket(self, socket: Socket, flags: int) -> int:
        """A descriptor for a socket, with SOCK_NONBLOCK in ``flags`` or not."""
        socket.watch(self.changed)
        return self.add(SocketFile(socket, bool(flags & bsd.SOCK_NONBLOCK)))

    def __getitem__(self, number: int) -> File:
        """Raises OSError: EBADF."""
        if number not in self._files:
            raise os_error(errno.EBADF)
        return self._files[number]

    def socket(self, arguments: Arguments, index: int = 0) -> SocketFile:
        """The socket that an argument stands for. Raises OSError: EBADF, ENOTSOCK."""
        file = self[arguments.number(index)]
        if not isinstance(file, SocketFile):
            raise os_error(errno.ENOTSOCK)
        return file

    def remove(self, number: int) -> File:
        """Take a descriptor out. Raises OSError: EBADF."""
        file = self[number]
        del self._files[number]
        return file

    # --- addresses and connections

    def address(self, value: Value, file: SocketFile, default: bytes, port: int) -> Address:
        """An address argument for a socket: ``...`` stands for ``default`` and ``port``."""
        if value is ANY:
            packed = format_address(default)
        elif isinstance(value, dict) and (port_and_text := _sockaddr(value)) is not None:
            packed, port = port_and_text
        else:
            raise os_error(errno.EAFNOSUPPORT)
        if file.socket.family == bsd.AF_INET6 and "." in packed and ":" not in packed:
            packed = f"::ffff:{packed}" if packed != "0.0.0.0" else "::"
        return packed, port

    @property
    def domain(self) -> int:
        """What ``...`` stands for in socket()."""
        return bsd.AF_INET if self.settings.family is Family.IPV4 else bsd.AF_INET6

    def begin(self, file: SocketFile, remote: Address) -> Flow:
        """A connection to ``remote`` was begun: it is the one under test from now on."""
        packed = parse_address(str(remote[0]))
        local_port = int(file.socket.getsockname()[1])
        self.flow = Flow(self.settings.local, local_port, unmap_v4(packed) or packed, int(remote[1]))
        return self.flow

    def settle(self, file: SocketFile) -> None:
        """A connection that was begun without a packet has its port once there is one (TCP_FASTOPEN_CONNECT)."""
        if self.flow is not None and not self.flow.local_port:
            self.flow.local_port = int(file.socket.getsockname()[1])

    def stream(self) -> bytearray:
        """What was written to the connection under test."""
        assert self.flow is not None
        return self.streams.setdefault((self.flow.local_port, self.flow.remote_port), bytearray())

    def connections(self) -> Iterator[Connection]:
        """All TCP connections of the host."""
        return iter(self.host.tcp.connections)

    def connection(self, flow: Flow) -> Connection | None:
        """The stack's connection of a flow; one that is over, as long as a descriptor holds it."""
        sockets = (file.socket for file in self._files.values() if isinstance(file, SocketFile))
        held = (made.connection for made in sockets if isinstance(made, StreamSocket))
        for connection in (*self.connections(), *held):
            if (
                connection is not None
                and connection.local_port == flow.local_port
                and connection.remote_port == flow.remote_port
            ):
                return connection
        return None

    @staticmethod
    def ports(file: SocketFile) -> tuple[int, int] | None:
        """Local and remote port of a socket that is connected."""
        if not isinstance(file.socket, (StreamSocket, DatagramSocket)):
            return None
        try:
            return int(file.socket.getsockname()[1]), int(file.socket.getpeername()[1])
        except OSError:
            return None


def _sockaddr(value: Mapping[str, Value]) -> tuple[str, int] | None:
    """The text and port of a sockaddr structure."""
    address = next((part for part in value.values() if isinstance(part, InternetAddress)), None)
    port = value.get("sin_port", value.get("sin6_port"))
    if address is None or not isinstance(port, int):
        return None
    return address.text, port


Function: TypeAlias = Callable[[Process, Arguments], Steps]


def wait(file: SocketFile, attempt: Callable[[], int], *, blocking: bool = True) -> Steps:
    """Repeat ``attempt`` until it does not raise EAGAIN, unless the descriptor does not block."""
    while True:
        try:
            return attempt()
        except BlockingIOError:
            if file.nonblocking or not blocking:
                raise
        yield None
