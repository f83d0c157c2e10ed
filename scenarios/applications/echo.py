"""``echo``: round trips to an echo server (RFC 862), over TCP or UDP."""

from __future__ import annotations

import socket
from struct import Struct
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from links.units import Duration, Size
from scenarios.applications.content import Checker, Stream
from scenarios.applications.flow import Flow
from scenarios.applications.probes import HEADER, MAX_PROBES, Format, Prober
from scenarios.applications.small import serve_echo
from scenarios.applications.traffic import Traffic
from scenarios.applications.transfer import (
    connected,
    family_of,
    receive_answer,
    send_content,
    sleep_until,
    together,
)
from stack.clock import SECOND
from stack.host import Host

LARGEST = 65507
"""The payload of the largest UDP datagram in the largest IPv4 packet."""


class NumberedDatagram(Format):
    """A datagram that begins with its number."""

    _HEADER = Struct("!Q")

    def header(self, number: int) -> bytes:
        """The number."""
        return self._HEADER.pack(number)

    def number(self, reply: bytes, sent: int) -> int | None:
        """The number in the reply."""
        number: int = self._HEADER.unpack_from(reply)[0]
        return number if number < sent else None


class Echo(Traffic):
    """What is sent comes back, is checked byte for byte, and timed.

    Over TCP the next message waits for the one before it to be back; over UDP, where one may be lost, it does not.
    It is complete if every message has come back.
    """

    kind: Literal["echo"] = "echo"
    default_port: ClassVar[int] = 7
    protocol: Literal["tcp", "udp"] = "tcp"
    """The transport."""
    size: Size = Field(default=64, ge=1)
    """Size of a message."""
    count: int = Field(default=10, ge=1, le=MAX_PROBES)
    """Messages."""
    interval: Duration = 0
    """Least time from one message to the next."""
    timeout: Duration = 2 * SECOND
    """UDP: how long after the last message answers are waited for."""

    @property
    def datagrams(self) -> bool:
        """Over UDP."""
        return self.protocol == "udp"

    @model_validator(mode="after")
    def _fits(self) -> Echo:
        if self.protocol == "udp" and not HEADER <= self.size <= LARGEST:
            raise ValueError(f"size must be {HEADER} to {LARGEST} bytes over UDP")
        return self

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Send the messages and compare what comes back."""
        with flow.running(host.clock):
            if self.protocol == "udp":
                await self._over_udp(host, address, port, flow)
            else:
                await self._over_tcp(host, address, port, flow)

    async def _over_udp(self, host: Host, address: str, port: int, flow: Flow) -> None:
        with host.socket(family_of(address), socket.SOCK_DGRAM) as sender:
            await sender.connect((address, port))
            prober = Prober(
                host.clock, sender, flow, NumberedDatagram(),
                count=self.count, size=self.size - HEADER, payload=self.size,
            )  # fmt: skip
            await prober.run(self.interval, self.timeout)

    async def _over_tcp(self, host: Host, address: str, port: int, flow: Flow) -> None:
        stream = Stream(flow.name)
        checker = Checker([stream])
        flow.expected = self.count * self.size
        async with connected(host, address, port) as connection:
            with flow.sending(connection):
                for number in range(self.count):
                    sent_at = host.clock.now()
                    await together(  # a long echo comes back while the message still goes out
                        send_content(connection, flow, stream, number * self.size, self.size),
                        receive_answer(connection, flow, checker, self.size),
                    )
                    flow.transfers += 1
                    flow.latencies.add(host.clock.now() - sent_at)
                    if number + 1 < self.count:
                        await sleep_until(host.clock, sent_at + self.interval)
        flow.complete = True

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Any echo server will do; this one knows nothing of the flow."""
        with flow.enduring():
            await serve_echo(host, port)
