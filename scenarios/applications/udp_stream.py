"""``udp_stream``: datagrams at a steady rate, and what becomes of them."""

from __future__ import annotations

import asyncio
import errno
import socket
from struct import Struct
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from links.units import Duration, Rate, Size
from scenarios.applications.content import Stream
from scenarios.applications.flow import Flow
from scenarios.applications.measures import Datagrams
from scenarios.applications.servers import dual_stack
from scenarios.applications.traffic import Traffic
from scenarios.applications.transfer import family_of, receive_datagram, sleep_until
from stack.clock import SECOND
from stack.errors import os_error
from stack.host import Host
from stack.sockets.asynchronous import AsyncSocket

HEADER = Struct("!IIQ")
"""Type, number, and the time of sending (ns)."""
DATA = 0x554E5331
"""Type of a datagram of the stream."""
END = 0x554E5332
"""The stream is over; the number is how many datagrams there were."""
ENDED = 0x554E5333
"""The answer to END."""

END_INTERVAL = 0.25
"""Seconds between two END."""
END_ATTEMPTS = 40
"""How many END go unanswered before the receiver is given up."""
STRAGGLERS = SECOND
"""How long after the first END the receiver waits for datagrams that are missing."""
BURST = 64
"""Datagrams that a sender who is behind its rate sends before it lets others run."""
MAX_DATAGRAMS = 100_000_000
MAX_TRANSIT = 2**62
"""No two clocks are as far apart (ns): such a time of sending is damage."""
LARGEST = 65507
"""The payload of the largest UDP datagram in the largest IPv4 packet."""


class UdpStream(Traffic):
    """Numbered datagrams with the time of sending, at a constant bit rate, from the client to the server.

    The receiver counts loss, duplicates and reordering, and measures jitter and transit times; these are the flow's
    latencies, and mean something where both hosts have the same clock, as in the simulation. The end of the stream is
    announced and answered, so that also the loss of the last datagrams is seen; then it is complete, whatever was lost.
    """

    kind: Literal["udp_stream"] = "udp_stream"
    default_port: ClassVar[int] = 5004
    rate: Rate = Field(default=1_000_000, gt=0)
    """Payload per second."""
    size: Size = Field(default=1200, ge=HEADER.size, le=LARGEST)
    """Payload of a datagram."""
    duration: Duration = Field(default=10 * SECOND, gt=0)
    """From the first datagram to the end of the last one's turn."""

    @property
    def datagrams(self) -> bool:
        """They are what it streams."""
        return True

    @property
    def count(self) -> int:
        """Datagrams in the stream, one at least."""
        return max(1, self.rate * self.duration // (8 * self.size * SECOND))

    @model_validator(mode="after")
    def _bounded(self) -> UdpStream:
        if self.count > MAX_DATAGRAMS:
            raise ValueError(f"these are {self.count} datagrams; {MAX_DATAGRAMS} at most")
        return self

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Send the stream, and wait until the receiver knows that it is over."""
        datagrams = self._begin(flow)
        flow.expected = self.count * self.size
        with flow.running(host.clock), host.socket(family_of(address), socket.SOCK_DGRAM) as sender:
            await sender.connect((address, port))
            await self._send(host, sender, flow, datagrams)
            await self._announce_end(sender, flow, datagrams.sent)
            flow.complete = True

    async def _send(self, host: Host, sender: AsyncSocket, flow: Flow, datagrams: Datagrams) -> None:
        clock, rate, size = host.clock, self.rate, self.size
        stream = Stream(flow.name)
        content = size - HEADER.size
        start = clock.now()
        for number in range(self.count):
            due = start + number * size * 8 * SECOND // rate
            if due > clock.now():
                await sleep_until(clock, due)
            elif number % BURST == 0:
                await asyncio.sleep(0)
            datagram = HEADER.pack(DATA, number, clock.now()) + stream.chunk(number * content, content)
            datagrams.sent += 1
            with flow.enduring():
                await sender.send(datagram)
                flow.sent += size
        await sleep_until(clock, start + self.duration)

    async def _announce_end(self, sender: AsyncSocket, flow: Flow, sent: int) -> None:
        """Repeat END until it is answered; raises OSError (ETIMEDOUT) if it never is."""
        answered = asyncio.ensure_future(self._answered(sender, flow))
        try:
            for _ in range(END_ATTEMPTS):
                with flow.enduring():
                    await sender.send(HEADER.pack(END, sent, 0))
                await asyncio.wait([answered], timeout=END_INTERVAL)
                if answered.done():
                    return
        finally:
            answered.cancel()
        raise os_error(errno.ETIMEDOUT)

    async def _answered(self, sender: AsyncSocket, flow: Flow) -> None:
        while True:
            data, _ = await receive_datagram(sender, flow)
            if len(data) == HEADER.size and HEADER.unpack(data)[0] == ENDED:
                return

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Receive the stream."""
        datagrams = self._begin(flow)
        stream = Stream(flow.name)
        ended: int | None = None
        with flow.enduring(), dual_stack(host, socket.SOCK_DGRAM, port) as receiver:
            while True:
                data, source = await receive_datagram(receiver, flow)
                if len(data) < HEADER.size:
                    continue
                now = host.clock.now()
                kind, number, sent_at = HEADER.unpack_from(data)
                if kind == DATA and number < datagrams.capacity:
                    self._arrives(flow, stream, datagrams, data, number, now - sent_at)
                elif kind == END and number <= datagrams.capacity:
                    datagrams.sent = number
                    ended = now if ended is None else ended
                    if datagrams.lost <= 0 or now - ended >= STRAGGLERS:
                        with flow.enduring():
                            await receiver.sendto(HEADER.pack(ENDED, number, 0), source)

    def _arrives(
        self, flow: Flow, stream: Stream, datagrams: Datagrams, data: bytes, number: int, transit: int
    ) -> None:
        content = self.size - HEADER.size
        right = len(data) == self.size and stream.matches(number * content, memoryview(data)[HEADER.size :])
        if not right or abs(transit) > MAX_TRANSIT:
            flow.intact = False
        elif datagrams.arrives(number, transit):
            flow.bytes += len(data)
            flow.transfers += 1
            flow.latencies.add(transit)

    def _begin(self, flow: Flow) -> Datagrams:
        if flow.datagrams is None:
            flow.datagrams = Datagrams(self.count)
        return flow.datagrams
