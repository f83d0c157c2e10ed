"""What the tests of the internet layer share: cables, listeners, and a station that the test plays itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from stack.clock import MILLISECOND
from stack.config import HOUR, HostConfig
from stack.host import Host
from stack.internet.icmp import EchoUser
from stack.internet.packet import Packet
from stack.internet.protocol import ErrorReport, Protocol
from stack.link import Frame, Link, Medium, Offload
from stack.trace import Observer
from stack.wire.address import parse_address, parse_mac
from stack.wire.arp import ArpPacket
from stack.wire.checksum import complete, internet_checksum, pseudo_header_sum
from stack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader
from stack.wire.icmpv4 import Icmpv4Header
from stack.wire.icmpv6 import Icmpv6Header
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.ndp import NdpMessage, parse_message
from stack.wire.protocols import ICMP, ICMPV6
from tests.support import FakeClock

TEST = 253
"""A protocol number for experiments (RFC 3692)."""
HOST_MAC = parse_mac("02:00:00:00:00:0a")
STATION_MAC = parse_mac("02:00:00:00:00:0b")


@dataclass(frozen=True)
class Family:
    """Addresses of one family: the host's, the station's, and one that nobody has."""

    version: int
    host: bytes
    station: bytes
    nobody: bytes
    remote: bytes
    """Beyond the station, if that is a router."""
    ethertype: int


V4 = Family(4, *map(parse_address, ("10.0.0.1", "10.0.0.2", "10.0.0.9", "192.0.2.1")), ETHERTYPE_IPV4)
V6 = Family(6, *map(parse_address, ("fd00::1", "fd00::2", "fd00::9", "2001:db8::1")), ETHERTYPE_IPV6)
FAMILIES = (V4, V6)


@contextmanager
def refused(number: int) -> Iterator[None]:
    """The body raises OSError with this errno."""
    with pytest.raises(OSError, match=re.escape(f"[Errno {number}]")):
        yield


class End(Link):
    """One end of a cable; keeps what was sent into it."""

    def __init__(
        self, clock: FakeClock, *, medium: Medium = Medium.ETHERNET, mtu: int = 1500, offload: bool = False
    ) -> None:
        self.medium = medium
        self.mtu = mtu
        self.offload = Offload(checksum=offload)
        self.sent: list[Frame] = []
        self.lose: Callable[[Frame], bool] = lambda frame: False
        self.peer: End | None = None
        self.closed = False
        self._clock = clock
        self._receive: Callable[[Frame], None] = lambda frame: None

    def transmit(self, frame: Frame) -> None:
        self.sent.append(frame)
        if self.peer is not None and not self.lose(frame):
            self._clock.call_later(MILLISECOND, self.peer.deliver, frame)

    def deliver(self, frame: Frame) -> None:
        self._receive(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self._receive = receive

    def close(self) -> None:
        self.closed = True


def cable(clock: FakeClock, **options: Any) -> tuple[End, End]:
    one, other = End(clock, **options), End(clock, **options)
    one.peer, other.peer = other, one
    return one, other


class Listener(Protocol, EchoUser):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.reports: list[ErrorReport] = []
        self.replies: list[tuple[int, bytes]] = []

    def packet_arrives(self, packet: Packet) -> None:
        self.packets.append(packet)

    def error_arrives(self, report: ErrorReport) -> None:
        self.reports.append(report)

    def reply_arrives(self, packet: Packet, sequence: int, data: bytes) -> None:
        self.packets.append(packet)
        self.replies.append((sequence, data))

    @property
    def data(self) -> list[bytes]:
        return [packet.contiguous() for packet in self.packets]


class DropLog(Observer):
    """The reasons of everything that was dropped, in order."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def dropped(self, reason: str, frame: Frame | None) -> None:
        self.reasons.append(reason)


@dataclass
class Seen:
    """One frame that the host sent, taken apart."""

    frame: Frame
    ethernet: EthernetHeader
    arp: ArpPacket | None = None
    ip: Ipv4Header | Ipv6Header | None = None
    payload: bytes = b""

    @property
    def protocol(self) -> int:
        assert self.ip is not None
        return self.ip.protocol if isinstance(self.ip, Ipv4Header) else self.ip.next_header

    @property
    def icmp(self) -> Icmpv4Header | Icmpv6Header:
        """The ICMP header, whose checksum is right."""
        assert self.ip is not None
        if isinstance(self.ip, Ipv4Header):
            assert self.ip.protocol == ICMP
            assert internet_checksum(self.payload) == 0
            return Icmpv4Header.parse(self.payload)
        assert self.ip.next_header == ICMPV6
        pseudo = pseudo_header_sum(self.ip.source, self.ip.destination, ICMPV6, len(self.payload))
        assert internet_checksum(pseudo.to_bytes(2), self.payload) == 0
        return Icmpv6Header.parse(self.payload)

    @property
    def ndp(self) -> NdpMessage:
        """The neighbour discovery message, whose checksum and hop limit are right."""
        assert self.icmp.type in range(133, 138)
        assert isinstance(self.ip, Ipv6Header)
        assert self.ip.hop_limit == 255
        return parse_message(self.payload)

    @property
    def quote(self) -> bytes:
        """What an ICMP error quotes."""
        return self.payload[8:]


def take_apart(frame: Frame) -> Seen:
    raw = bytes(complete(frame))
    ethernet = EthernetHeader.parse(raw)
    seen = Seen(frame, ethernet)
    body = raw[ethernet.header_length :]
    if ethernet.ethertype == ETHERTYPE_ARP:
        seen.arp = ArpPacket.parse(body)
    elif ethernet.ethertype == ETHERTYPE_IPV4:
        ip = Ipv4Header.parse(body)
        assert ip.total_length == len(body)
        seen.ip, seen.payload = ip, body[ip.header_length :]
    else:
        ip6 = Ipv6Header.parse(body)
        assert ip6.payload_length == len(body) - 40
        seen.ip, seen.payload = ip6, body[40:]
    return seen


class Bench:
    """A host on an Ethernet cable, at whose other end the test is: 10.0.0.1 and fd00::1 against .2 and ::2."""

    def __init__(
        self,
        config: HostConfig | None = None,
        *,
        mtu: int = 1500,
        offload: bool = False,
        medium: Medium = Medium.ETHERNET,
        known: bool = True,
    ) -> None:
        self.clock = FakeClock()
        self.log = DropLog()
        self.end = End(self.clock, mtu=mtu, offload=offload, medium=medium)
        config = config or HostConfig()
        if known:
            config = replace(config, neighbour=replace(config.neighbour, reachable_time=HOUR))
        self.host = Host("host", self.clock, Random(1), config, self.log)
        self.listener = Listener()
        self.host.protocols[TEST] = self.listener
        mac = HOST_MAC if medium is Medium.ETHERNET else None
        self.interface = self.host.add_interface("eth0", self.end, mac=mac, addresses=["10.0.0.1/24"])
        if mtu >= 1280:
            self.host.add_address(self.interface, "fd00::1/64")
        if known and medium is Medium.ETHERNET:
            self.know(V4.station, V6.station)
        self.end.sent.clear()

    def know(self, *addresses: bytes) -> None:
        """Let neighbours at the station's MAC be reachable for half an hour or more."""
        for address in addresses:
            neighbour = self.interface.neighbours.entry(address)
            neighbour.heard(STATION_MAC)
            neighbour.confirm(self.clock.now())

    def sent(self) -> list[Seen]:
        """What the host has sent since the last call."""
        frames, self.end.sent = self.end.sent, []
        return [take_apart(frame) for frame in frames]

    def one(self) -> Seen:
        """The only frame that the host has sent since the last call."""
        (seen,) = self.sent()
        return seen

    def dropped(self) -> list[str]:
        """The reasons of what was dropped since the last call."""
        reasons, self.log.reasons = self.log.reasons, []
        return reasons

    def frame(self, ethertype: int, body: bytes, *, to: bytes = HOST_MAC) -> Frame:
        return Frame(EthernetHeader(to, STATION_MAC, ethertype).build() + body)

    def inject(self, ethertype: int, body: bytes, *, to: bytes = HOST_MAC) -> None:
        """Send a frame to the host."""
        self.end.deliver(self.frame(ethertype, body, to=to))

    def inject_ip(
        self,
        family: Family,
        payload: bytes = b"12345678",
        *,
        to: bytes = HOST_MAC,
        protocol: int = TEST,
        source: bytes | None = None,
        destination: bytes | None = None,
        **fields: Any,
    ) -> bytes:
        """Send an IP packet from the station to the host; returns it."""
        packet = ip_packet(
            family,
            payload,
            protocol=protocol,
            source=family.station if source is None else source,
            destination=family.host if destination is None else destination,
            **fields,
        )
        self.inject(family.ethertype, packet, to=to)
        return packet

    def inject_icmp(
        self, family: Family, type: int, code: int = 0, rest: int = 0, body: bytes = b"", **fields: Any
    ) -> bytes:
        """Send an ICMP message with a good checksum to the host; returns the IP packet."""
        source = fields.get("source", family.station)
        destination = fields.get("destination", family.host)
        message = icmp_message(family, type, code, rest, body, source, destination)
        protocol = ICMP if family is V4 else ICMPV6
        return self.inject_ip(family, message, protocol=protocol, **fields)


def ip_packet(
    family: Family, payload: bytes, *, protocol: int, source: bytes, destination: bytes, **fields: Any
) -> bytes:
    """An IP packet; ``fields`` are those of the family's header."""
    if family is V4:
        fields.setdefault("total_length", 20 + len(fields.get("options", b"")) + len(payload))
        return Ipv4Header(source, destination, protocol, **fields).build() + payload
    fields.setdefault("payload_length", len(payload))
    return Ipv6Header(source, destination, protocol, **fields).build() + payload


def icmp_message(
    family: Family, type: int, code: int, rest: int, body: bytes, source: bytes, destination: bytes
) -> bytes:
    header = (Icmpv4Header if family is V4 else Icmpv6Header)(type, code, rest=rest)
    message = header.build() + body
    pseudo = b"" if family is V4 else pseudo_header_sum(source, destination, ICMPV6, len(message)).to_bytes(2)
    header.checksum = internet_checksum(pseudo, message)
    return header.build() + body


class Net:
    """Hosts on cables: ``net.host("a")``, ``net.join("a", "b")``."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hosts: dict[str, Host] = {}
        self.listeners: dict[str, Listener] = {}
        self.logs: dict[str, DropLog] = {}

    def host(self, name: str, config: HostConfig | None = None) -> Host:
        log = self.logs[name] = DropLog()
        host = self.hosts[name] = Host(name, self.clock, Random(name), config, log)
        self.listeners[name] = host.protocols[TEST] = Listener()
        return host

    def join(
        self, one: str, one_addresses: list[str], other: str, other_addresses: list[str], **options: Any
    ) -> tuple[End, End]:
        """Connect two hosts; each end's interface is named after the host at the other."""
        ends = cable(self.clock, **options)
        self.hosts[one].add_interface(other, ends[0], addresses=one_addresses)
        self.hosts[other].add_interface(one, ends[1], addresses=other_addresses)
        self.clock.advance(10 * MILLISECOND)
        return ends

    def settle(self, duration: int = 100 * MILLISECOND) -> None:
        self.clock.advance(duration)
