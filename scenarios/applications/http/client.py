"""An HTTP/1.1 client (RFC 9110, RFC 9112)."""

from __future__ import annotations

import errno
import re
import socket
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import urlsplit

from scenarios.applications.http.bodies import Sink
from scenarios.applications.http.errors import HttpError
from scenarios.applications.http.messages import Response
from scenarios.applications.http.stream import MessageStream
from scenarios.applications.transfer import family_of
from stack.host import Host
from stack.sockets.asynchronous import AsyncSocket
from stack.wire.address import parse_address

_TARGET = re.compile(r"[\x21-\x7e]*")


async def fetch(host: Host, url: str, output: BinaryIO) -> Response:
    """GET ``url``, whose host is an address, and write the content to ``output``; returns the response's head.

    The status may be any, and the content that of an error or a redirection.
    Raises ValueError for a URL that cannot be fetched; OSError for what the network does, or if the server does not
    speak HTTP (EPROTO); EOFError if it closes too early.
    """
    parts = urlsplit(url)
    address = parts.hostname or ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme != "http" or not _TARGET.fullmatch(target):
        raise ValueError(f"{url!r} is not an http URL")
    parse_address(address)
    with Client(host, address, 80 if parts.port is None else parts.port, keep_alive=False) as client:
        return await client.get(target, output.write)


class Client:
    """Requests to one server, one after the other, on one connection as long as that lasts, and then on a new one."""

    def __init__(self, host: Host, address: str, port: int, *, keep_alive: bool = True) -> None:
        self._host = host
        self._address = address
        self._port = port
        self._keep_alive = keep_alive
        self._connection: AsyncSocket | None = None
        self._stream: MessageStream | None = None
        name = f"[{address}]" if ":" in address else address
        self._fields = f"Host: {name}:{port}\r\nUser-Agent: usernetstack\r\n"
        if not keep_alive:
            self._fields += "Connection: close\r\n"

    async def get(self, target: str, sink: Sink) -> Response:
        """GET ``target``, and give the content to ``sink`` in pieces; returns the response's head.

        Raises OSError, with EPROTO if the server does not speak HTTP; EOFError if it closes too early. The next
        request then has a new connection.
        """
        stream = self._stream or await self._connect()
        self._stream = None  # until it has proved to be in order
        await stream.send(f"GET {target} HTTP/1.1\r\n{self._fields}\r\n".encode("ascii"))
        try:
            response = await _final_response(stream)
            await stream.body(response.body("GET"), sink)
        except HttpError as refusal:
            raise OSError(errno.EPROTO, str(refusal)) from refusal
        if self._keep_alive and response.keeps_alive:
            self._stream = stream
        return response

    async def _connect(self) -> MessageStream:
        self.close()
        self._connection = self._host.socket(family_of(self._address), socket.SOCK_STREAM)
        await self._connection.connect((self._address, self._port))
        return MessageStream(self._connection)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _final_response(stream: MessageStream) -> Response:
    """The head of the response proper, after any number of interim ones (RFC 9110 15.2)."""
    while True:
        head = await stream.head()
        if head is None:
            raise EOFError("the server closed instead of answering")
        response = Response.parse(head)
        if response.status >= 200:
            return response
