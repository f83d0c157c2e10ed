"""Sockets for coroutines: what would have to wait is awaited."""

from __future__ import annotations

import asyncio
import errno
import socket as bsd
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address
from stack.sockets.options import Value
from stack.sockets.socket import Socket
from stack.sockets.stream import StreamSocket

if TYPE_CHECKING:
    from stack.host import Host
    from stack.tcp.info import TcpInfo

T = TypeVar("T")


class AsyncSocket:
    """A :class:`~stack.sockets.socket.Socket` whose calls wait, on whichever asyncio loop is running.

    Several tasks may wait on one socket, in both directions. Unless it says otherwise, a call that is
    cancelled has had no effect: nothing was received, accepted or sent. When the socket is closed, all who
    wait get OSError: EBADF. Errors are those of the socket below, without the BlockingIOErrors.
    """

    __slots__ = ("_readers", "_writers", "socket")

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        """The socket below, for calls that do not wait."""
        self._readers: list[asyncio.Future[None]] = []
        self._writers: list[asyncio.Future[None]] = []
        socket.watch(self._changed)

    def __repr__(self) -> str:
        return f"<AsyncSocket {self.socket.host.name} {self.socket.fileno()}>"

    def _changed(self) -> None:
        if self._readers and self.socket.readable:
            _wake(self._readers)
        if self._writers and self.socket.writable:
            _wake(self._writers)

    # --- opening

    def bind(self, address: Address) -> None:
        """Take a local address and port."""
        self.socket.bind(address)

    def listen(self, backlog: int = 128) -> None:
        """Wait for connections."""
        self.socket.listen(backlog)

    async def accept(self) -> tuple[AsyncSocket, Address]:
        """The next connection and its peer's address."""
        accepted, address = await _retry(self.socket.accept, self._readers)
        return AsyncSocket(accepted), address

    async def connect(self, address: Address) -> None:
        """Connect; a datagram socket only remembers its peer.

        When cancelled, the attempt goes on, as with asyncio's ``sock_connect``: close the socket to end it.
        """
        await _retry(lambda: self.socket.connect(address), self._writers)

    # --- data

    async def recv(self, limit: int, flags: int = 0) -> bytes:
        """At least one and up to ``limit`` bytes, or ``b""`` at the end of the stream; or one datagram."""
        return await _retry(lambda: self.socket.recv(limit, flags), self._readers)

    async def recv_exactly(self, count: int) -> bytes:
        """``count`` bytes of a stream; when cancelled, what was read so far is lost.

        Raises asyncio.IncompleteReadError, which has what there was, if the stream ends before.
        """
        received = bytearray()
        while len(received) < count:
            data = await self.recv(count - len(received))
            if not data:
                raise asyncio.IncompleteReadError(bytes(received), count)
            received += data
        return bytes(received)

    async def recvfrom(self, limit: int, flags: int = 0) -> tuple[bytes, Address | None]:
        """The next datagram and where it came from; what is beyond ``limit`` bytes is lost."""
        return await _retry(lambda: self.socket.recvfrom(limit, flags), self._readers)

    async def send(self, data: Buffer, flags: int = 0) -> int:
        """Queue at least one byte of ``data``, or send it as a datagram; returns how many bytes went."""
        return await _retry(lambda: self.socket.send(data, flags), self._writers)

    async def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Queue all of ``data``. When cancelled, or when it fails, nobody knows how much of it was queued."""
        rest = memoryview(data)
        while rest:
            rest = rest[await self.send(rest, flags) :]

    async def sendto(self, data: Buffer, address: Address, flags: int = 0) -> int:
        """Send one datagram to ``address``; returns its length."""
        return await _retry(lambda: self.socket.sendto(data, address, flags), self._writers)

    # --- closing

    def shutdown(self, how: int) -> None:
        """Close one half, or both."""
        self.socket.shutdown(how)

    def close(self) -> None:
        """Close at once; what is queued is still sent, unless SO_LINGER of zero seconds resets."""
        self.socket.close()

    async def aclose(self) -> None:
        """Close, and with SO_LINGER wait until the peer has acknowledged everything, or the seconds are over.

        Then, and when cancelled, the connection goes on in the background, as on Linux.
        """
        self.socket.close()
        linger = self.socket.settings.linger
        if linger.on:
            with suppress(TimeoutError):
                async with asyncio.timeout(linger.seconds):
                    await _retry(self._check_lingering, self._writers)

    def _check_lingering(self) -> None:
        if self.socket.lingering:
            raise os_error(errno.EAGAIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    # --- what it is

    def fileno(self) -> int:
        """The descriptor; -1 when closed."""
        return self.socket.fileno()

    def getsockname(self) -> Address:
        """The local address."""
        return self.socket.getsockname()

    def getpeername(self) -> Address:
        """The peer's address."""
        return self.socket.getpeername()

    def setsockopt(self, level: int, option: int, value: Value) -> None:
        """Set an option, to an int or bytes."""
        self.socket.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int, length: int = 0) -> Value:
        """Read an option as an int, or with a ``length`` as bytes."""
        return self.socket.getsockopt(level, option, length)

    def info(self) -> TcpInfo:
        """TCP_INFO of a connection. Raises OSError: ENOTCONN, EOPNOTSUPP if it is not TCP."""
        if not isinstance(self.socket, StreamSocket):
            raise os_error(errno.EOPNOTSUPP)
        return self.socket.info()


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    """Let all try again: whoever is cancelled before its turn has not taken the wake-up away from another."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


async def _retry(call: Callable[[], T], waiters: list[asyncio.Future[None]]) -> T:
    """Make a call again after each wake-up until it does not raise BlockingIOError."""
    while True:
        try:
            return call()
        except BlockingIOError:
            waiter = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)


def _family(address: str) -> int:
    return bsd.AF_INET6 if ":" in address else bsd.AF_INET


async def open_connection(
    host: Host, address: str, port: int, *, local_address: str = "", local_port: int = 0
) -> AsyncSocket:
    """A TCP connection from ``host`` to ``address``, optionally from a given local end.

    Raises OSError as ``connect``. Nothing is left behind when it fails or is cancelled.
    """
    connection = AsyncSocket(host.sockets.socket(_family(address), bsd.SOCK_STREAM))
    try:
        if local_address or local_port:
            connection.bind((local_address, local_port))
        await connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def listen(host: Host, port: int, address: str = "::", *, backlog: int = 128) -> AsyncSocket:
    """A TCP listener on ``host``: at ``::`` for IPv6 and IPv4, ``0.0.0.0`` for IPv4, or one address.

    SO_REUSEADDR is set, as servers do. Raises OSError as ``bind`` and ``listen``.
    """
    listener = AsyncSocket(host.sockets.socket(_family(address), bsd.SOCK_STREAM))
    try:
        listener.setsockopt(bsd.SOL_SOCKET, bsd.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
