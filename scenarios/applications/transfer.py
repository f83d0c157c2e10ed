"""The steps that the kinds of traffic have in common."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from scenarios.applications.content import CHUNK, Checker, Stream
from scenarios.applications.flow import Flow
from stack.clock import Clock
from stack.host import Host
from stack.link import Buffer
from stack.sockets.address import Address
from stack.sockets.asynchronous import AsyncSocket

DATAGRAM = 65535
"""No UDP datagram is larger."""
ERROR_PAUSE = 0.01
"""Seconds after an error on a datagram socket; one that persists must not stop the clock."""


def family_of(address: str) -> socket.AddressFamily:
    """The address family of an address in text."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@asynccontextmanager
async def connected(host: Host, address: str, port: int) -> AsyncIterator[AsyncSocket]:
    """A TCP connection, closed in the end."""
    with host.socket(family_of(address), socket.SOCK_STREAM) as connection:
        await connection.connect((address, port))
        yield connection


async def together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until they are done. If one fails or this is cancelled, cancel the others, and raise that."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancel(tasks)


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks, and return when they have ended; what they raise is forgotten."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def sleep_until(clock: Clock, when: int) -> None:
    """Sleep until ``when`` (ns), exactly if the clock is; asyncio's own sleep counts in floating seconds."""
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_at(when, _wake, woken)
    try:
        await woken
    finally:
        timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def receive_datagram(receiver: AsyncSocket, flow: Flow) -> tuple[bytes, Address]:
    """The next datagram and its source. Errors that the network reports meanwhile are counted, and waited out."""
    while True:
        try:
            data, source = await receiver.recvfrom(DATAGRAM)
            assert source is not None, "a datagram comes from somewhere"
            return data, source
        except OSError as error:
            if receiver.socket.closed:
                raise
            flow.record(error)
            await asyncio.sleep(ERROR_PAUSE)


async def send_content(
    connection: AsyncSocket, flow: Flow, stream: Stream, position: int, length: int
) -> None:
    """Send the ``length`` bytes of ``stream`` from ``position``."""
    end = position + length
    while position < end:
        taken = await connection.send(stream.chunk(position, end - position))
        position += taken
        flow.sent += taken


async def receive_content(connection: AsyncSocket, flow: Flow, checker: Checker, length: int) -> bool:
    """Receive and check a message of ``length`` bytes; False if the peer has closed instead of sending one.

    Raises EOFError if the peer closes in the middle of it.
    """
    missing = length
    while missing:
        data = await connection.recv(min(missing, CHUNK))
        if not data:
            if missing == length:
                return False
            raise EOFError(f"closed by the peer {missing} bytes before the end of a message")
        missing -= len(data)
        take(flow, checker, data)
    return True


async def receive_answer(connection: AsyncSocket, flow: Flow, checker: Checker, length: int) -> None:
    """Receive and check a message of ``length`` bytes; raises EOFError if the peer closes instead."""
    if not await receive_content(connection, flow, checker, length):
        raise EOFError("closed by the peer instead of an answer")


async def receive_all_content(connection: AsyncSocket, flow: Flow, checker: Checker) -> None:
    """Receive and check all that comes before the peer closes."""
    while data := await connection.recv(CHUNK):
        take(flow, checker, data)


def take(flow: Flow, checker: Checker, data: Buffer) -> None:
    """Count and check content that has arrived."""
    flow.bytes += len(data)
    if not checker.feed(data):
        flow.intact = False
