"""What every server here has in common: both address families, many peers at once, and an end by cancellation."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from scenarios.applications.transfer import DATAGRAM, cancel
from stack.host import Host
from stack.sockets.address import Address
from stack.sockets.asynchronous import AsyncSocket

CONNECTIONS = 1024
"""Connections that one server serves at a time; further ones wait in the backlog."""


@contextmanager
def dual_stack(host: Host, kind: socket.SocketKind, port: int) -> Iterator[AsyncSocket]:
    """A socket on ``port`` of all addresses, IPv4 ones included (RFC 3493 3.7); raises OSError if it is taken."""
    with host.socket(socket.AF_INET6, kind) as server:
        if kind == socket.SOCK_STREAM:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", port))
        yield server


async def serve_connections(
    host: Host, port: int, handle: Callable[[AsyncSocket], Awaitable[None]], *, limit: int = CONNECTIONS
) -> None:
    """Accept TCP connections until cancelled, and hand each to a task of its own; in the end close them all.

    What the network does to a connection (``OSError`` or ``EOFError`` out of ``handle``) ends that one only.
    Raises OSError if it cannot listen.
    """
    free = asyncio.Semaphore(limit)
    connections: dict[asyncio.Task[None], AsyncSocket] = {}

    async def serve(connection: AsyncSocket) -> None:
        with suppress(OSError, EOFError):  # the peer's loss, or the network's
            await handle(connection)

    def ended(task: asyncio.Task[None]) -> None:
        connections.pop(task).close()
        free.release()

    with dual_stack(host, socket.SOCK_STREAM, port) as listener:
        listener.listen()
        try:
            while True:
                await free.acquire()
                connection, _ = await listener.accept()
                task = asyncio.create_task(serve(connection))
                connections[task] = connection
                task.add_done_callback(ended)
        finally:
            listener.close()
            await cancel(list(connections))


async def serve_datagrams(host: Host, port: int, answer: Callable[[bytes, Address], bytes | None]) -> None:
    """Answer UDP datagrams until cancelled: with what ``answer(data, source)`` returns, unless that is None.

    Raises OSError if the port is taken.
    """
    with dual_stack(host, socket.SOCK_DGRAM, port) as server:
        while True:
            data, source = await server.recvfrom(DATAGRAM)
            reply = None if source is None else answer(data, source)
            if source is not None and reply is not None:
                with suppress(OSError):  # there may be no way back to this peer
                    await server.sendto(reply, source)
