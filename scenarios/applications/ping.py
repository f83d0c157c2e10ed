"""``ping``: ICMP echo requests through a ping socket, as Linux has them."""

from __future__ import annotations

import asyncio
import socket
from struct import Struct
from typing import ClassVar, Literal

from pydantic import Field

from links.units import Duration, Size
from scenarios.applications.flow import Flow
from scenarios.applications.probes import MAX_PROBES, Format, Prober
from scenarios.applications.traffic import Traffic
from scenarios.applications.transfer import family_of
from stack.clock import SECOND
from stack.host import Host

HEADER = Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number (RFC 792, RFC 4443 4.1); checksum and identifier are for the
stack to fill in."""
LARGEST = 65507
"""The content of the largest echo request in the largest IPv4 packet."""


class EchoMessage(Format):
    """ICMP echo messages of one family."""

    def __init__(self, request: int, reply: int) -> None:
        self._request = request
        self._reply = reply

    def header(self, number: int) -> bytes:
        """An echo request with the low 16 bits of ``number``."""
        return HEADER.pack(self._request, 0, 0, 0, number & 0xFFFF)

    def number(self, reply: bytes, sent: int) -> int | None:
        """The latest request with the reply's sequence number."""
        kind, _, _, _, sequence = HEADER.unpack_from(reply)
        number = sent - 1 - ((sent - 1 - sequence) & 0xFFFF)
        return number if kind == self._reply and number >= 0 else None


class Ping(Traffic):
    """Echo requests at an interval, whose replies are counted, checked and timed.

    It is complete if every one was answered.
    """

    kind: Literal["ping"] = "ping"
    default_port: ClassVar[int] = 0
    count: int = Field(default=10, ge=1, le=MAX_PROBES)
    """Requests."""
    interval: Duration = Field(default=SECOND, gt=0)
    """From one request to the next."""
    size: Size = Field(default=56, le=LARGEST)
    """Bytes that a request carries."""
    timeout: Duration = 2 * SECOND
    """How long after the last request replies are waited for."""

    @property
    def datagrams(self) -> bool:
        """Each request is one."""
        return True

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Send the requests and collect the replies."""
        family = family_of(address)
        if family == socket.AF_INET:
            protocol, messages = socket.IPPROTO_ICMP, EchoMessage(8, 0)
        else:
            protocol, messages = socket.IPPROTO_ICMPV6, EchoMessage(128, 129)
        with flow.running(host.clock), host.socket(family, socket.SOCK_DGRAM, protocol) as pinger:
            await pinger.connect((address, 0))
            prober = Prober(
                host.clock, pinger, flow, messages, count=self.count, size=self.size, payload=self.size
            )
            await prober.run(self.interval, self.timeout)

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Do nothing until cancelled: it is the stack that answers."""
        await asyncio.get_running_loop().create_future()
