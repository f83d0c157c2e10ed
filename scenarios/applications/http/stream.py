"""A connection as a sequence of HTTP messages."""

from __future__ import annotations

import asyncio

from scenarios.applications.content import CHUNK
from scenarios.applications.http.bodies import Body, Sink
from scenarios.applications.http.messages import HeadReader
from stack.link import Buffer
from stack.sockets.asynchronous import AsyncSocket
from stack.sockets.socket import MSG_MORE


class MessageStream:
    """Reads heads and bodies from a connection, and sends bytes to it.

    With ``patience`` (seconds), every single wait for the peer that is longer raises TimeoutError.
    """

    def __init__(self, connection: AsyncSocket, patience: float | None = None) -> None:
        self._connection = connection
        self._patience = patience
        self._pending = b""

    async def head(self) -> bytes | None:
        """The next head; None if the peer closes instead of sending one.

        Raises :class:`HttpError` if it is too long, EOFError if the peer closes in the middle of it.
        """
        reader = HeadReader()
        while True:
            data = self._pending or await self._receive()
            self._pending = b""
            if not data:
                if reader.empty:
                    return None
                raise EOFError("the connection was closed in the middle of a head")
            found = reader.feed(data)
            if found is not None:
                head, self._pending = found
                return head

    async def body(self, body: Body, sink: Sink) -> None:
        """Read a body to its end. Raises :class:`HttpError`, EOFError."""
        while not body.complete:
            data = self._pending or await self._receive()
            self._pending = body.feed(data, sink) if data else b""
            if not data:
                body.end()

    async def send(self, data: Buffer, *, more: bool = False) -> None:
        """Send all of ``data``; ``more`` follows at once."""
        view = memoryview(data)
        while view:
            async with asyncio.timeout(self._patience):
                taken = await self._connection.send(view, MSG_MORE if more else 0)
            view = view[taken:]

    async def _receive(self) -> bytes:
        async with asyncio.timeout(self._patience):
            return await self._connection.recv(CHUNK)
