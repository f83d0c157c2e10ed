"""A scripted peer: one real Host, and a test that plays the other end, segment by segment, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stack.clock import MILLISECOND
from stack.config import HostConfig, TcpConfig
from stack.host import Host
from stack.link import Frame, Link, Medium, Offload
from stack.tcp.connection import Connection
from stack.tcp.listener import Listener
from stack.wire.address import parse_address
from stack.wire.checksum import complete, fold, internet_checksum, ones_sum, pseudo_header_sum
from stack.wire.icmpv4 import DESTINATION_UNREACHABLE
from stack.wire.ipv4 import Ipv4Header
from stack.wire.protocols import ICMP, TCP
from stack.wire.segmentation import segments
from stack.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, TcpHeader, TcpOptions
from tests.support import FakeClock

HOST = parse_address("10.0.0.2")
PEER = parse_address("10.0.0.1")
PORT, PEER_PORT = 80, 40000
PEER_ISN = 0xFFFFFF00  # so that every test of some length crosses the wrap of the sequence numbers
MSS = 1460
LETTERS = {"S": SYN, "F": FIN, "R": RST, "P": PSH, ".": ACK, "E": ECE, "W": CWR, "A": AE}


class TestLink(Link):
    """Bare IP; what the host sends piles up in ``sent``, packet by packet as on a wire."""

    __test__ = False

    def __init__(self, mtu: int = 1500, segmentation: int = 0) -> None:
        self.medium = Medium.IP
        self.mtu = mtu
        self.offload = Offload(checksum=segmentation > 0, segmentation=segmentation)
        self.sent: list[bytes] = []
        self.frames: list[Frame] = []
        """The same before segmentation: a super-segment is one of them."""
        self.deliver: Callable[[Frame], None] = lambda frame: None

    def transmit(self, frame: Frame) -> None:
        self.frames.append(frame)
        pieces = segments(frame, 0) if frame.segment_size else (frame,)
        self.sent.extend(bytes(complete(piece)) for piece in pieces)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self.deliver = receive

    def close(self) -> None:
        self.deliver = lambda frame: None


class Sent:
    """A segment that the host sent, in numbers relative to the two initial ones."""

    def __init__(self, script: Script, packet: bytes) -> None:
        ip = Ipv4Header.parse(packet)
        body = packet[ip.header_length : ip.total_length]
        assert ip.protocol == TCP
        assert fold(pseudo_header_sum(ip.source, ip.destination, TCP, len(body)) + ones_sum(body)) == 0xFFFF
        self.codepoint = ip.traffic_class & 3
        header = TcpHeader.parse(body)
        self.raw_sequence = header.sequence
        self.flags = "".join(letter for letter, bit in LETTERS.items() if header.flags & bit)
        self.sequence = (header.sequence - script.iss) & 0xFFFFFFFF if script.iss is not None else 0
        self.ack = (header.acknowledgment - PEER_ISN) & 0xFFFFFFFF if header.flags & ACK else 0
        self.window = header.window
        self.options = TcpOptions.parse(header.options)
        self.raw_options = header.options
        self.payload = body[header.header_length :]
        self.sack = [((a - PEER_ISN) & 0xFFFFFFFF, (b - PEER_ISN) & 0xFFFFFFFF) for a, b in self.options.sack]

    @property
    def length(self) -> int:
        return len(self.payload)

    def __repr__(self) -> str:
        sack = f" sack {self.sack}" if self.sack else ""
        span = f"{self.sequence}:{self.sequence + self.length}({self.length})"
        return f"{self.flags} {span} ack {self.ack} win {self.window}{sack}"


class Script:
    """The conversation. ``<`` is :meth:`send`, ``>`` is :meth:`expect`, ``+time`` is :meth:`after`."""

    def __init__(self, mtu: int = 1500, *, segmentation: int = 0, **knobs: Any) -> None:
        knobs = {"timestamps": False, "quick_acks": 0, **knobs}
        self.config = TcpConfig(**knobs)
        self.clock = FakeClock(start=10**9)
        self.host = Host("host", self.clock, random.Random("script"), replace(HostConfig(), tcp=self.config))
        self.link = TestLink(mtu, segmentation)
        self.host.add_interface("tun0", self.link, addresses=["10.0.0.2/24"])
        self.link.sent.clear()
        self.iss: int | None = None
        self.port, self.peer_port = PORT, PEER_PORT
        self.connection: Connection | None = None
        self.listener: Listener | None = None

    # -- the peer ---------------------------------------------------------------------------------------

    def send(
        self,
        flags: str,
        sequence: int = 1,
        ack: int = 1,
        payload: bytes = b"",
        window: int = 65535,
        codepoint: int = 0,
        **options: Any,
    ) -> None:
        """A segment from the peer; its effects are complete when this returns."""
        bits = sum(LETTERS[letter] for letter in flags)
        raw = TcpOptions(**options).build()
        header = TcpHeader(
            self.peer_port,
            self.port,
            (PEER_ISN + sequence) & 0xFFFFFFFF,
            ((self.iss or 0) + ack) & 0xFFFFFFFF if bits & ACK else 0,
            bits,
            window,
            options=raw,
        )
        length = header.header_length + len(payload)
        total = pseudo_header_sum(PEER, HOST, TCP, length) + ones_sum(header.build()) + ones_sum(payload)
        header.checksum = ~fold(total) & 0xFFFF
        self._inject(TCP, header.build() + payload, codepoint)

    def send_icmp_unreachable(self, code: int, quoted: bytes, mtu: int = 0) -> None:
        body = bytes((DESTINATION_UNREACHABLE, code)) + bytes(4) + mtu.to_bytes(2) + quoted[:28]
        self._inject(ICMP, body[:2] + internet_checksum(body).to_bytes(2) + body[4:])

    def _inject(self, protocol: int, body: bytes, codepoint: int = 0) -> None:
        ip = Ipv4Header(PEER, HOST, protocol, total_length=20 + len(body), traffic_class=codepoint)
        self.link.deliver(Frame(ip.build() + body))

    # -- what the host does -----------------------------------------------------------------------------

    def sent(self) -> list[Sent]:
        """Everything that left since the last look."""
        packets, self.link.sent = self.link.sent, []
        return [Sent(self, packet) for packet in packets]

    def expect(self, *wanted: tuple[str, int, int, int]) -> list[Sent]:
        """Exactly these segments left: flags, sequence, payload length, ack."""
        found = self.sent()
        assert [(s.flags, s.sequence, s.length, s.ack) for s in found] == list(wanted), found
        return found

    def expect_nothing(self) -> None:
        assert self.sent() == []

    def after(self, nanoseconds: int) -> None:
        self.clock.advance(nanoseconds)

    # -- openings ---------------------------------------------------------------------------------------

    def listen(self, backlog: int = 10, **syn: Any) -> None:
        self.listener = self.host.tcp.listen(HOST, PORT, backlog, self.config)

    def learn_iss(self) -> Sent:
        (syn,) = self.sent()
        self.iss = syn.raw_sequence
        return syn

    def accept(
        self, window: int = 65535, mss: int = 1460, sack: bool = True, rtt: int = 20 * MILLISECOND, **syn: Any
    ) -> Connection:
        """A passive open, up to ESTABLISHED; it takes ``rtt`` ns."""
        self.listen()
        self.send("S", 0, 0, window=window, mss=mss, sack_permitted=sack, **syn)
        self.learn_iss()
        self.after(rtt)
        self.send(".", 1, 1, window=window)
        assert self.listener is not None
        self.connection = self.listener.accept()
        assert self.connection is not None
        self.expect_nothing()
        return self.connection

    def connect(self) -> Connection:
        """An active open; the SYN has left."""
        self.port, self.peer_port = PEER_PORT, PORT
        self.connection = self.host.tcp.connect(None, self.port, PEER, self.peer_port, self.config)
        return self.connection

    def connected(self, window: int = 65535, mss: int = 1460, sack: bool = True, **syn: Any) -> Connection:
        """An active open, up to ESTABLISHED."""
        connection = self.connect()
        self.learn_iss()
        self.send("S.", 0, 1, window=window, mss=mss, sack_permitted=sack, **syn)
        self.expect((".", 1, 0, 1))
        return connection


def fly(script: Script, segments: int = 10, **accept: Any) -> Connection:
    """A connection, and so many segments that were sent a round trip of 20 ms ago."""
    connection = script.accept(**accept)
    script.after(10 * MILLISECOND)
    connection.send(bytes(segments * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    return connection


def ack(script: Script, acknowledgment: int, *blocks: tuple[int, int]) -> None:
    """An ACK from the peer, with SACK blocks in our relative numbers."""
    iss = script.iss or 0
    wide = tuple(((iss + a) & 0xFFFFFFFF, (iss + b) & 0xFFFFFFFF) for a, b in blocks)
    script.send(".", 1, acknowledgment, **({"sack": wide} if wide else {}))
