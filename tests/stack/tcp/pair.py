"""Two real hosts on a bad line, in virtual time, without the simulator: what the core promises it promises alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from stack.clock import MILLISECOND
from stack.config import HostConfig, TcpConfig
from stack.host import Host
from stack.link import Frame, Link, Medium, Offload
from stack.tcp.connection import Connection
from stack.wire.address import parse_address
from stack.wire.checksum import complete, internet_checksum
from stack.wire.segmentation import segments
from tests.support import FakeClock

CLIENT, SERVER = parse_address("10.0.0.1"), parse_address("10.0.0.2")


@dataclass
class Line:
    """What one direction does to each packet."""

    delay: int = 10 * MILLISECOND
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    mtu: int = 65535
    """What is larger vanishes: a black hole."""
    mark: float = 0.0
    """Of the packets that are ECN-capable, so many get CE."""
    segmentation: int = 0
    """IP packets of super-segments up to so many bytes are taken, and cut into what is lost or not."""


class BadLink(Link):
    """One end of a line."""

    def __init__(self, clock: FakeClock, line: Line, chance: random.Random, mtu: int) -> None:
        self.medium = Medium.IP
        self.mtu = mtu
        self.offload = Offload(checksum=line.segmentation > 0, segmentation=line.segmentation)
        self.far: BadLink | None = None
        self.frames = 0
        self.watch: Callable[[bytes], None] = lambda packet: None
        self._clock, self._line, self._chance = clock, line, chance
        self._receive: Callable[[Frame], None] = lambda frame: None

    def transmit(self, frame: Frame) -> None:
        self.frames += 1
        for piece in segments(frame, 0) if frame.segment_size else (frame,):
            self._transmit_packet(bytes(complete(piece)))

    def _transmit_packet(self, packet: bytes) -> None:
        self.watch(packet)
        line, chance = self._line, self._chance
        if chance.random() < line.loss or len(packet) > line.mtu:
            return
        if line.mark and packet[1] & 3 and chance.random() < line.mark:
            header = packet[:1] + bytes((packet[1] | 3,)) + packet[2:10] + bytes(2) + packet[12:20]
            packet = header[:10] + internet_checksum(header).to_bytes(2) + header[12:] + packet[20:]
        for _ in range(2 if chance.random() < line.duplicate else 1):
            late = (
                chance.randrange(3 * MILLISECOND, 30 * MILLISECOND) if chance.random() < line.reorder else 0
            )
            assert self.far is not None
            self._clock.call_later(line.delay + late, self.far._receive_packet, packet)

    def _receive_packet(self, packet: bytes) -> None:
        self._receive(Frame(packet))

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self._receive = receive

    def close(self) -> None:
        self._receive = lambda frame: None


class Pair:
    """A client and a server with one connection between them."""

    def __init__(
        self,
        seed: object = 0,
        there: Line | None = None,
        back: Line | None = None,
        mtu: int = 1500,
        **knobs: Any,
    ) -> None:
        self.clock = FakeClock(start=10**9)
        chance = random.Random(f"{seed}/line")
        self.config = TcpConfig(**knobs)
        config = replace(HostConfig(), tcp=self.config)
        self.links = [BadLink(self.clock, line or Line(), chance, mtu) for line in (there, back)]
        self.links[0].far, self.links[1].far = self.links[1], self.links[0]
        self.hosts = [
            Host(name, self.clock, random.Random(f"{seed}/{name}"), config) for name in ("client", "server")
        ]
        for host, link, address in zip(self.hosts, self.links, ("10.0.0.1/24", "10.0.0.2/24"), strict=True):
            host.add_interface("tun0", link, addresses=[address])
        self.listener = self.hosts[1].tcp.listen(SERVER, 80, 10, self.config)
        self.client = self.hosts[0].tcp.connect(None, 40000, SERVER, 80, self.config)
        self.server: Connection | None = None
        self.listener.notify = self._accept

    def _accept(self) -> None:
        if self.server is None:
            self.server = self.listener.accept()

    def close(self) -> None:
        for host in self.hosts:
            host.close()


class Stream:
    """An application at one end: writes what it is given as there is space, reads what comes, closes when done."""

    def __init__(
        self, connection: Connection, data: bytes, *, chunk: int = 1 << 16, read: int = 1 << 20
    ) -> None:
        self.connection, self.data, self.chunk, self.read = connection, data, chunk, read
        self.sent = 0
        self._pieces: list[bytes] = []
        self.at_end = False
        connection.notify = self.step

    @property
    def received(self) -> bytes:
        """All that has come."""
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def step(self) -> None:
        connection = self.connection
        while connection.available:
            self._pieces.append(connection.receive(self.read))
        if connection.at_end and not self.at_end:
            self.at_end = True
        while self.sent < len(self.data):
            taken = connection.send(self.data[self.sent : self.sent + self.chunk])
            self.sent += taken
            if not taken:
                return
        connection.shutdown()
        if self.at_end:
            connection.notify = lambda: None
