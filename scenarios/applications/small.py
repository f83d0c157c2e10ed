"""The small servers of 1983: echo (RFC 862), discard (RFC 863) and chargen (RFC 864), each over TCP and UDP."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.applications.content import CHUNK
from scenarios.applications.servers import serve_connections, serve_datagrams
from scenarios.applications.transfer import together
from stack.host import Host
from stack.sockets.address import Address
from stack.sockets.asynchronous import AsyncSocket

PRINTABLE = bytes(range(0x20, 0x7F))
LINE = 72
"""Characters in a line of chargen; more would not fit a teletype."""
LONGEST_DATAGRAM = 512
"""Most characters in a datagram of chargen (RFC 864)."""
ANSWERING_PORTS = frozenset({7, 13, 17, 19, 37})
"""Ports whose servers answer whatever comes. A forged source among them would set two servers upon each other for
ever, so datagrams from there are ignored, as inetd ignores them."""


async def serve_echo(host: Host, port: int) -> None:
    """Send back what comes, over TCP and UDP, until cancelled. Raises OSError if the port is taken."""
    await together(serve_connections(host, port, echo), serve_datagrams(host, port, _echo_datagram))


async def serve_discard(host: Host, port: int) -> None:
    """Throw away what comes, over TCP and UDP, until cancelled. Raises OSError if the port is taken."""
    await together(serve_connections(host, port, discard), serve_datagrams(host, port, _discard_datagram))


async def serve_chargen(host: Host, port: int) -> None:
    """Send lines of characters, over TCP without end and over UDP a few for each datagram, until cancelled.

    Raises OSError if the port is taken.
    """

    def chargen_datagram(data: bytes, source: Address) -> bytes | None:
        if source[1] in ANSWERING_PORTS:
            return None
        return _PATTERN[: host.random.randint(0, LONGEST_DATAGRAM)]

    await together(serve_connections(host, port, chargen), serve_datagrams(host, port, chargen_datagram))


async def echo(connection: AsyncSocket) -> None:
    """Send back what comes until the peer closes."""
    while data := await connection.recv(CHUNK):
        await connection.sendall(data)


async def discard(connection: AsyncSocket) -> None:
    """Read until the peer closes."""
    while await connection.recv(CHUNK):
        pass


async def chargen(connection: AsyncSocket) -> None:
    """Send lines, and throw away what comes, until the connection is gone; half a close is not the end of it."""
    await together(discard(connection), _send_lines(connection))


async def _send_lines(connection: AsyncSocket) -> None:
    while True:
        await connection.sendall(_PATTERN)


def _lines() -> Iterator[bytes]:
    """The lines of RFC 864, one period: each begins one character later in the ring than the one before it."""
    ring = PRINTABLE * 2
    for start in range(len(PRINTABLE)):
        yield ring[start : start + LINE] + b"\r\n"


_PATTERN = b"".join(_lines()) * (CHUNK // (len(PRINTABLE) * (LINE + 2)))


def _echo_datagram(data: bytes, source: Address) -> bytes | None:
    return None if source[1] in ANSWERING_PORTS else data


def _discard_datagram(data: bytes, source: Address) -> bytes | None:
    return None
