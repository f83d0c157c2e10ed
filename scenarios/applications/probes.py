"""Probes: numbered datagrams that come back. What ``ping`` and ``echo`` over UDP have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from scenarios.applications.content import Stream
from scenarios.applications.flow import Flow
from scenarios.applications.measures import Datagrams
from scenarios.applications.transfer import receive_datagram, sleep_until
from stack.clock import SECOND, Clock
from stack.sockets.asynchronous import AsyncSocket

HEADER = 8
"""Bytes of header before a probe's content."""
MAX_PROBES = 10_000_000


class Format(ABC):
    """How a probe bears its number."""

    @abstractmethod
    def header(self, number: int) -> bytes:
        """The :data:`HEADER` bytes in front of the content of probe ``number``."""

    @abstractmethod
    def number(self, reply: bytes, sent: int) -> int | None:
        """Which of the first ``sent`` probes this is a reply to, if any. ``reply`` has a header at least."""


class Prober:
    """Sends probes at an interval, whether or not they are answered, and collects the replies.

    A reply's content is checked byte for byte; the flow's latencies are round-trip times.
    """

    def __init__(
        self,
        clock: Clock,
        socket: AsyncSocket,
        flow: Flow,
        form: Format,
        *,
        count: int,
        size: int,
        payload: int,
    ) -> None:
        """``size`` bytes of content in each of ``count`` probes, which count for ``payload`` bytes in ``flow``."""
        self._clock = clock
        self._socket = socket
        self._flow = flow
        self._format = form
        self._count = count
        self._size = size
        self._payload = payload
        self._stream = Stream(flow.name)
        self._sent_at: dict[int, int] = {}
        self._datagrams = flow.datagrams = Datagrams(count)
        flow.expected = count * payload

    async def run(self, interval: int, timeout: int) -> None:
        """Send a probe each ``interval`` ns, and after the last wait ``timeout`` ns for replies still missing."""
        collecting = asyncio.ensure_future(self._collect())
        try:
            await self._send(interval)
            await asyncio.wait([collecting], timeout=timeout / SECOND)
        finally:
            collecting.cancel()

    async def _send(self, interval: int) -> None:
        start = self._clock.now()
        for number in range(self._count):
            await sleep_until(self._clock, start + number * interval)
            content = self._stream.chunk(number * self._size, self._size)
            self._datagrams.sent += 1
            self._sent_at[number] = self._clock.now()
            with self._flow.enduring():
                await self._socket.send(self._format.header(number) + content)
                self._flow.sent += self._payload

    async def _collect(self) -> None:
        """Return when every probe has been answered."""
        flow, datagrams = self._flow, self._datagrams
        while datagrams.received < self._count:
            data, _ = await receive_datagram(self._socket, flow)
            now = self._clock.now()
            number = self._format.number(data, datagrams.sent) if len(data) >= HEADER else None
            if number is None:
                continue
            content = memoryview(data)[HEADER:]
            if len(content) != self._size or not self._stream.matches(number * self._size, content):
                flow.intact = False
            elif datagrams.arrives(number, transit := now - self._sent_at.pop(number, now)):
                flow.bytes += self._payload
                flow.transfers += 1
                flow.latencies.add(transit)
        flow.complete = True
