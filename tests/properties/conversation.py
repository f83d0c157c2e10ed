"""Two applications that behave as they are told, well or badly, and judges of what came of it.

Each side is data: ``{data: SIZE, chunk: BYTES, pause: MS, ending: shut | close | reset, read: BYTES, rest: MS}``. It
writes ``data`` bytes in chunks with pauses between them, reads at most ``read`` bytes at a time and rests after each,
and ends as ``ending`` has it: half a close, and the rest is read; a close, whatever there is to read; a reset.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from random import Random
from typing import Any, TypeAlias

from scenarios.applications.flow import Flow
from scenarios.applications.transfer import family_of, together
from scenarios.result import Result
from stack.host import Host
from stack.sockets.asynchronous import AsyncSocket

Side: TypeAlias = dict[str, Any]

LAST_WORD = 400
"""Seconds that the client waits for the server's end; far longer than keep-alive takes."""
_RESET = struct.pack("ii", 1, 0)


def content(name: str, size: int) -> bytes:
    """What that side says."""
    return Random(name).randbytes(size)


async def call(host: Host, address: str, port: int, flow: Flow, client: Side, server: Side) -> None:
    """The client; it returns when the server has ended too."""
    flow.expected = client["data"] + server["data"]
    with flow.running(host.clock), host.socket(family_of(address), socket.SOCK_STREAM) as connection:
        await connection.connect((address, port))
        await _talk(connection, flow, "client", client, server)
    async with asyncio.timeout(LAST_WORD):
        with suppress(TimeoutError):
            while not flow.transfers:
                await asyncio.sleep(0.25)
    flow.complete = flow.bytes == flow.expected


async def answer(host: Host, port: int, flow: Flow, client: Side, server: Side) -> None:
    """The server of one connection."""
    with host.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", port))
        listener.listen()
        connection, _ = await listener.accept()
    try:
        with flow.enduring(), connection:
            await _talk(connection, flow, "server", server, client)
    finally:
        flow.transfers += 1
    await asyncio.get_running_loop().create_future()


def was_true(result: Result) -> str | None:
    """An expectation: what arrived is a prefix of what was sent."""
    return None if result.flows["talk"].metrics["intact"] else "what arrived is not what was sent"


def was_whole(result: Result) -> str | None:
    """An expectation where both sides end in good order: all has arrived, unless somebody was told of an error."""
    flow = result.flows["talk"]
    if flow.errors or flow.metrics["complete"]:
        return None
    return f"{flow.metrics['bytes']} of {flow.expected} bytes, and nobody was told why"


async def _talk(connection: AsyncSocket, flow: Flow, name: str, mine: Side, theirs: Side) -> None:
    try:
        await together(
            _write(connection, flow, content(name, mine["data"]), mine),
            _read(
                connection, flow, content("server" if name == "client" else "client", theirs["data"]), mine
            ),
        )
    except _EnoughError:
        if mine["ending"] == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class _EnoughError(Exception):
    """This side does not want to hear the rest."""


async def _write(connection: AsyncSocket, flow: Flow, data: bytes, how: Side) -> None:
    for start in range(0, len(data), how["chunk"]):
        piece = data[start : start + how["chunk"]]
        await connection.sendall(piece)
        flow.sent += len(piece)
        if how["pause"]:
            await asyncio.sleep(how["pause"] / 1000)
    if how["ending"] != "shut":
        raise _EnoughError
    connection.shutdown(socket.SHUT_WR)


async def _read(connection: AsyncSocket, flow: Flow, expected: bytes, how: Side) -> None:
    position = 0
    while data := await connection.recv(how["read"]):
        if data != expected[position : position + len(data)]:
            flow.intact = False
        position += len(data)
        flow.bytes += len(data)
        if how["rest"]:
            await asyncio.sleep(how["rest"] / 1000)
