"""``bulk``: as much as the network gives, over one or several parallel connections."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from itertools import count
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from links.units import Duration, Size
from scenarios.applications.content import CHUNK, Stream, Streams
from scenarios.applications.flow import Flow
from scenarios.applications.servers import serve_connections
from scenarios.applications.traffic import Traffic
from scenarios.applications.transfer import connected, receive_all_content, send_content
from stack.clock import Clock
from stack.host import Host
from stack.sockets.asynchronous import AsyncSocket

LEAST_AHEAD = 64 * 1024
"""Bytes that are handed over ahead of time however small the congestion window is."""
SHORTEST_PAUSE = 100
"""Microseconds before a sender that is far enough ahead looks again."""
LONGEST_PAUSE = 10_000


class Bulk(Traffic):
    """One stream of content per connection, checked byte for byte where it arrives.

    The sender of a stream is done when the receiver has closed its end, which it does when it has read everything:
    at that moment all is delivered, and known to be.
    """

    kind: Literal["bulk"] = "bulk"
    default_port: ClassVar[int] = 5001
    bytes: Size | None = None
    """Content, all connections together."""
    duration: Duration | None = Field(default=None, gt=0)
    """Instead of ``bytes``: how long each sender sends. What is on its way then still arrives."""
    flows: int = Field(default=1, ge=1, le=1000)
    """Parallel connections."""
    direction: Literal["upload", "download"] = "upload"
    """Where the content goes: to the server, or to the client."""

    @model_validator(mode="after")
    def _bounded_in_one_way(self) -> Bulk:
        if (self.bytes is None) == (self.duration is None):
            raise ValueError("give either bytes or duration")
        return self

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Open the connections, all at once, and send or receive."""
        streams = Streams(flow.name, self.flows)
        flow.expected = self.bytes
        with flow.running(host.clock):
            await asyncio.gather(
                *(self._connect(host, address, port, flow, streams, number) for number in range(self.flows))
            )
            arrived = self.bytes is None or flow.bytes == self.bytes
            flow.complete = arrived and flow.transfers == self.flows

    async def _connect(
        self, host: Host, address: str, port: int, flow: Flow, streams: Streams, number: int
    ) -> None:
        with flow.enduring():
            async with connected(host, address, port) as connection:
                if self.direction == "upload":
                    await self._send(host, connection, flow, streams, number)
                else:
                    await receive_all_content(connection, flow, streams.checker())
                flow.transfers += 1
                flow.latencies.add(flow.elapsed)

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Receive or send on each connection."""
        streams = Streams(flow.name, self.flows)
        numbers = count()

        async def handle(connection: AsyncSocket) -> None:
            with flow.enduring():
                if self.direction == "upload":
                    await receive_all_content(connection, flow, streams.checker())
                else:
                    await self._send(host, connection, flow, streams, next(numbers) % self.flows)

        with flow.enduring():
            await serve_connections(host, port, handle)

    async def _send(
        self, host: Host, connection: AsyncSocket, flow: Flow, streams: Streams, number: int
    ) -> None:
        stream = streams[number]
        with flow.sending(connection):
            if self.bytes is not None:
                share = self.bytes * (number + 1) // self.flows - self.bytes * number // self.flows
                await send_content(connection, flow, stream, 0, share)
            elif self.duration is not None:
                await self._feed(connection, flow, stream, host.clock, host.clock.now() + self.duration)
            connection.shutdown(socket.SHUT_WR)
            while await connection.recv(CHUNK):
                pass

    async def _feed(
        self, connection: AsyncSocket, flow: Flow, stream: Stream, clock: Clock, end: int
    ) -> None:
        """Send until ``end`` (ns), at most a congestion window ahead of what has left.

        That is how far Linux lets the send buffer grow, so that the sender never waits for the application, and is
        done soon after ``end``: a full buffer of megabytes would take a slow network minutes.
        """
        position = 0
        while clock.now() < end:
            info = connection.info()
            ahead = max(LEAST_AHEAD, info.tcpi_snd_cwnd * info.tcpi_snd_mss) - info.tcpi_notsent_bytes
            if ahead >= LEAST_AHEAD // 8:
                length = min(ahead, CHUNK)
                await send_content(connection, flow, stream, position, length)
                position += length
            elif await self._hears_end(connection, info.tcpi_rtt // 8):
                raise EOFError("closed by the receiver")

    async def _hears_end(self, connection: AsyncSocket, pause: int) -> bool:
        """Wait ``pause`` us, within limits; whether the peer closes meanwhile. An error is not waited out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE) / 1_000_000):
                return not await connection.recv(CHUNK)
        return False
