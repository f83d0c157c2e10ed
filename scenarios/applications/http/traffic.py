"""``http``: many small transfers."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from http import HTTPStatus
from typing import ClassVar, Literal

from pydantic import Field

from links.units import Duration, Size
from scenarios.applications.content import Checker, Stream
from scenarios.applications.flow import Flow
from scenarios.applications.http.client import Client
from scenarios.applications.http.server import converse
from scenarios.applications.http.site import Resource, Site
from scenarios.applications.servers import serve_connections
from scenarios.applications.traffic import Traffic
from scenarios.applications.transfer import sleep_until, take
from stack.errors import os_error
from stack.host import Host
from stack.link import Buffer
from stack.sockets.asynchronous import AsyncSocket


class Http(Traffic):
    """GET requests over HTTP/1.1, whose responses are checked byte for byte and timed.

    A latency is from asking to having all of the response, and includes opening the connection if there was none.
    """

    kind: Literal["http"] = "http"
    default_port: ClassVar[int] = 80
    requests: int = Field(default=100, ge=1)
    """All connections together."""
    size: Size = 10_000
    """Content of a response."""
    flows: int = Field(default=1, ge=1, le=1000)
    """Parallel connections; each takes the next request when it is free."""
    keep_alive: bool = True
    """Use a connection for many requests; otherwise for one."""
    think: Duration = 0
    """From a response to the next request on that connection."""

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Make the requests."""
        flow.expected = self.requests * self.size
        work = iter(range(self.requests))
        with flow.running(host.clock):
            await asyncio.gather(*(self._worker(host, address, port, flow, work) for _ in range(self.flows)))
            flow.complete = flow.transfers == self.requests

    async def _worker(self, host: Host, address: str, port: int, flow: Flow, work: Iterator[int]) -> None:
        with Client(host, address, port, keep_alive=self.keep_alive) as client:
            first = True
            for number in work:
                if not first and self.think:
                    await sleep_until(host.clock, host.clock.now() + self.think)
                first = False
                with flow.enduring():
                    await self._request(host, client, flow, number)

    async def _request(self, host: Host, client: Client, flow: Flow, number: int) -> None:
        asked = host.clock.now()
        path = f"/{number}"
        checker = Checker([Stream(flow.name + path)])
        response = await client.get(path, lambda data: take(flow, checker, data))
        if response.status != HTTPStatus.OK or checker.position != self.size:
            raise os_error(errno.EPROTO)
        flow.transfers += 1
        flow.latencies.add(host.clock.now() - asked)

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Serve content at ``/0``, ``/1`` ..."""
        site = ContentSite(flow, self.size)

        async def handle(connection: AsyncSocket) -> None:
            with flow.enduring(), flow.sending(connection):
                await converse(connection, site)

        with flow.enduring():
            await serve_connections(host, port, handle)


class Content(Resource):
    """The beginning of a stream of content."""

    media_type = "application/octet-stream"

    def __init__(self, flow: Flow, stream: Stream, length: int) -> None:
        self._flow = flow
        self._stream = stream
        self.length = length

    def read(self, position: int, limit: int) -> Buffer:
        """See :meth:`Resource.read`."""
        chunk = self._stream.chunk(position, min(limit, self.length - position))
        self._flow.sent += len(chunk)
        return chunk

    def close(self) -> None:
        """There is nothing to give back."""


class ContentSite(Site):
    """A resource of the same size, but other content, at each path."""

    def __init__(self, flow: Flow, size: int) -> None:
        self._flow = flow
        self._size = size

    def open(self, path: str) -> Resource:
        """There is something at every path."""
        return Content(self._flow, Stream(self._flow.name + path), self._size)
