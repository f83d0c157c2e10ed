"""A peer that is played by the test, segment by segment, for a TCP socket of a real host."""

from __future__ import annotations

import errno
import socket as bsd
from typing import Any, NamedTuple

from stack.sockets import StreamSocket
from stack.wire.checksum import fold, ones_sum, pseudo_header_sum
from stack.wire.ipv4 import Ipv4Header
from stack.wire.protocols import TCP
from stack.wire.tcp import ACK, PSH, URG, TcpHeader
from tests.stack.sockets.network import refused
from tests.stack.sockets.streams import tcp
from tests.stack.tcp.scripted import HOST, PEER, PEER_ISN, PEER_PORT, PORT, Script

MSS = 1460


class Seen(NamedTuple):
    """A segment that the host sent: sequence number relative to its initial one."""

    sequence: int
    length: int
    flags: int
    urgent: int


class Peer(Script):
    """The peer, and the socket that it talks with."""

    def __init__(self, **knobs: Any) -> None:
        super().__init__(**knobs)
        self.socket: StreamSocket = tcp(self.host)

    def open(self, *, window: int = 65535, **syn: Any) -> StreamSocket:
        """The socket connects; nothing has been sent since."""
        self.begin()
        self.send("S.", 0, 1, window=window, mss=MSS, sack_permitted=True, **syn)
        self.link.sent.clear()
        return self.socket

    def begin(self) -> None:
        """The socket's SYN has left."""
        self.port, self.peer_port = PEER_PORT, PORT
        self.socket.bind(("10.0.0.2", PEER_PORT))
        with refused(errno.EINPROGRESS):
            self.socket.connect(("10.0.0.1", PORT))
        self.learn_iss()

    def listening(self) -> StreamSocket:
        """The socket listens."""
        self.socket.bind(("10.0.0.2", PORT))
        self.socket.listen(10)
        return self.socket

    def syn(self) -> None:
        """The peer's SYN, and the SYN/ACK in answer."""
        self.send("S", 0, 0, mss=MSS, sack_permitted=True)
        self.learn_iss()

    def send_urgent(self, sequence: int, payload: bytes, pointer: int) -> None:
        """A segment with URG; ``pointer`` is as on the wire."""
        assert self.iss is not None
        header = TcpHeader(
            self.peer_port,
            self.port,
            (PEER_ISN + sequence) & 0xFFFFFFFF,
            (self.iss + 1) & 0xFFFFFFFF,
            ACK | PSH | URG,
            65535,
            urgent=pointer,
        )
        total = pseudo_header_sum(PEER, HOST, TCP, 20 + len(payload)) + ones_sum(header.build())
        header.checksum = ~fold(total + ones_sum(payload)) & 0xFFFF
        self._inject(TCP, header.build() + payload)

    def segments(self) -> list[Seen]:
        """What left since the last look."""
        packets, self.link.sent = self.link.sent, []
        return [self._see(packet) for packet in packets]

    def data(self) -> list[tuple[int, int]]:
        """The data segments among them: sequence number and length."""
        return [(seen.sequence, seen.length) for seen in self.segments() if seen.length]

    def _see(self, packet: bytes) -> Seen:
        ip = Ipv4Header.parse(packet)
        body = packet[ip.header_length : ip.total_length]
        header = TcpHeader.parse(body)
        sequence = (header.sequence - (self.iss or 0)) & 0xFFFFFFFF
        return Seen(sequence, len(body) - header.header_length, header.flags, header.urgent)

    @property
    def quoted(self) -> bytes:
        """The last packet that the host sent, as a router would quote it."""
        return self.link.sent[-1]


def option(socket: StreamSocket, number: int, value: int) -> None:
    """setsockopt(IPPROTO_TCP)."""
    socket.setsockopt(bsd.IPPROTO_TCP, number, value)
