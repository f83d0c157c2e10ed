"""``request_response``: question and answer on a connection that stays open, and how long the answers take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import ClassVar, Literal

from pydantic import Field

from links.units import Duration, Size
from scenarios.applications.content import Streams
from scenarios.applications.flow import Flow
from scenarios.applications.servers import serve_connections
from scenarios.applications.traffic import Traffic
from scenarios.applications.transfer import (
    connected,
    receive_answer,
    receive_content,
    send_content,
    sleep_until,
)
from stack.host import Host
from stack.sockets.asynchronous import AsyncSocket


class RequestResponse(Traffic):
    """Requests, one after the other on each connection; a latency is from sending one to having all of its response.

    Each direction of a connection is one stream of content, checked byte for byte.
    """

    kind: Literal["request_response"] = "request_response"
    default_port: ClassVar[int] = 5002
    request: Size = Field(default=100, ge=1)
    """Size of a request."""
    response: Size = Field(default=1000, ge=1)
    """Size of a response."""
    count: int = Field(default=100, ge=1)
    """Requests, all connections together."""
    think: Duration = 0
    """From a response to the next request on that connection."""
    flows: int = Field(default=1, ge=1, le=1000)
    """Parallel connections; each takes the next request when it is free."""

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Open the connections and ask."""
        requests, responses = self._streams(flow)
        work = iter(range(self.count))
        flow.expected = self.count * (self.request + self.response)

        async def connect(number: int) -> None:
            with flow.enduring():
                async with connected(host, address, port) as connection:
                    with flow.sending(connection):
                        await self._ask(host, connection, flow, requests, responses, number, work)

        with flow.running(host.clock):
            await asyncio.gather(*(connect(number) for number in range(self.flows)))
            flow.complete = flow.transfers == self.count

    async def _ask(
        self, host: Host, connection: AsyncSocket, flow: Flow, requests: Streams, responses: Streams,
        number: int, work: Iterator[int],
    ) -> None:  # fmt: skip
        checker = responses.checker()
        position = 0
        for _ in work:
            if position and self.think:
                await sleep_until(host.clock, host.clock.now() + self.think)
            asked = host.clock.now()
            await send_content(connection, flow, requests[number], position, self.request)
            position += self.request
            await receive_answer(connection, flow, checker, self.response)
            flow.transfers += 1
            flow.latencies.add(host.clock.now() - asked)

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Answer each request when it is complete."""
        requests, responses = self._streams(flow)
        numbers = count()

        async def handle(connection: AsyncSocket) -> None:
            number = next(numbers) % self.flows
            checker = requests.checker()
            position = 0
            with flow.enduring(), flow.sending(connection):
                while await receive_content(connection, flow, checker, self.request):
                    await send_content(connection, flow, responses[number], position, self.response)
                    position += self.response

        with flow.enduring():
            await serve_connections(host, port, handle)

    def _streams(self, flow: Flow) -> tuple[Streams, Streams]:
        return Streams(f"{flow.name}/requests", self.flows), Streams(f"{flow.name}/responses", self.flows)
