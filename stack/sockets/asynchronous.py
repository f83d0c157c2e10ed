"""Sockets for coroutines: what would have to wait is awaited."""

from __future__ import annotations

import asyncio
import errno
import socket as bsd
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address
from stack.sockets.options import Value
from stack.sockets.poll import POLLERR, POLLIN, POLLOUT
from stack.sockets.socket import FIONREAD, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, Control, Socket
from stack.sockets.stream import StreamSocket

if TYPE_CHECKING:
    from stack.host import Host
    from stack.tcp.info import TcpInfo

T = TypeVar("T")

_AT_ONCE: Final = MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE


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
        cause = self.socket.cause
        if self._readers and cause & (POLLIN | POLLERR):
            _wake(self._readers)
        if self._writers and cause & (POLLOUT | POLLERR):
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
        """Up to ``limit`` bytes, or ``b""`` at the end of the stream; or one datagram.

        Of a stream at least one byte, or SO_RCVLOWAT, or with MSG_WAITALL all; fewer at its end, before urgent
        data, and if there is an error, which is then raised by the next call. Cancelled while it waits for more
        than the first, it has lost what it had. With MSG_DONTWAIT or MSG_OOB it does not wait: BlockingIOError.
        """
        socket = self.socket
        if flags & _AT_ONCE:
            return socket.recv(limit, flags)
        while not socket.readable:
            await _wait(self._readers)
        if flags & MSG_PEEK and isinstance(socket, StreamSocket):
            return await _retry(partial(_peek, socket, limit, flags), self._readers)
        data = socket.recv(limit, flags)
        if not isinstance(socket, StreamSocket):
            return data
        target = socket.receive_target(limit, flags)
        while data and len(data) < target:
            more = await _retry(partial(_continue, socket, limit - len(data)), self._readers)
            if not more:
                break
            data += more
        return data

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
        if flags & _AT_ONCE:
            return self.socket.recvfrom(limit, flags)
        return await _retry(lambda: self.socket.recvfrom(limit, flags), self._readers)

    async def recvmsg(
        self, limit: int, ancillary_limit: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Control], int, Address | None]:
        """As :meth:`Socket.recvmsg <stack.sockets.socket.Socket.recvmsg>`; the error queue is not waited for."""
        if flags & _AT_ONCE:
            return self.socket.recvmsg(limit, ancillary_limit, flags)
        return await _retry(lambda: self.socket.recvmsg(limit, ancillary_limit, flags), self._readers)

    async def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancillary: Iterable[Control] = (),
        flags: int = 0,
        address: Address | None = None,
    ) -> int:
        """Send what is in ``buffers`` as one; returns how many bytes were taken."""
        data, control = list(buffers), list(ancillary)
        return await self._sending(lambda: self.socket.sendmsg(data, control, flags, address), flags)

    async def send(self, data: Buffer, flags: int = 0) -> int:
        """Queue at least one byte of ``data``, or send it as a datagram; returns how many bytes went."""
        return await self._sending(lambda: self.socket.send(data, flags), flags)

    async def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Queue all of ``data``. When cancelled, or when it fails, nobody knows how much of it was queued."""
        rest = memoryview(data)
        while rest:
            rest = rest[await self.send(rest, flags) :]

    async def sendto(self, data: Buffer, address: Address, flags: int = 0) -> int:
        """Send one datagram to ``address``; returns its length."""
        return await self._sending(lambda: self.socket.sendto(data, address, flags), flags)

    async def _sending(self, call: Callable[[], int], flags: int) -> int:
        return call() if flags & MSG_DONTWAIT else await _retry(call, self._writers)

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


def _peek(socket: StreamSocket, limit: int, flags: int) -> bytes:
    """What can be read, once there is enough of it, or there will not be more."""
    data = socket.recv(limit, flags)
    if 0 < len(data) < socket.receive_target(limit, flags) and not socket.interrupted:
        raise os_error(errno.EAGAIN)
    return data


def _continue(socket: StreamSocket, limit: int) -> bytes:
    """More for somebody who has some; nothing if there will not be any."""
    if not socket.ioctl(FIONREAD) and socket.interrupted:
        return b""
    return socket.recv(limit)


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
            pass  # so that nobody waits with an exception in hand
        await _wait(waiters)


async def _wait(waiters: list[asyncio.Future[None]]) -> None:
    """Until somebody wakes those who wait."""
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
