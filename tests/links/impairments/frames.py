"""Frames for the tests of impairments, and a channel with a clock beside it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from links.impairments.channel import Channel, ChannelObserver
from links.impairments.spec import Impairments
from stack.link import Checksum, Frame, Medium
from stack.wire.address import parse_address
from stack.wire.checksum import internet_checksum, pseudo_header_sum
from stack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader, VlanTag
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.protocols import ICMP, TCP, UDP
from stack.wire.tcp import ACK, CHECKSUM_AT, TcpHeader
from stack.wire.udp import UdpHeader
from tests.support import FakeClock

MAC_A = bytes.fromhex("020000000001")
MAC_B = bytes.fromhex("020000000002")

ECT0 = 0b10
CE = 0b11


def ethernet(packet: bytes, ethertype: int = ETHERTYPE_IPV4, tags: tuple[VlanTag, ...] = ()) -> bytes:
    return EthernetHeader(MAC_B, MAC_A, ethertype, tags).build() + packet


def ip(
    protocol: int,
    payload: bytes,
    *,
    source: str = "10.0.0.1",
    destination: str = "10.0.0.2",
    traffic_class: int = 0,
    fragment_offset: int = 0,
    more_fragments: bool = False,
) -> bytes:
    """An IPv4 or IPv6 packet, by the addresses."""
    sender, receiver = parse_address(source), parse_address(destination)
    if len(sender) == 16:
        return (
            Ipv6Header(sender, receiver, protocol, len(payload), traffic_class=traffic_class).build()
            + payload
        )
    header = Ipv4Header(
        sender,
        receiver,
        protocol,
        20 + len(payload),
        traffic_class=traffic_class,
        fragment_offset=fragment_offset,
        more_fragments=more_fragments,
    )
    return header.build() + payload


def wrap(packet: bytes, **options: Any) -> Frame:
    """An Ethernet frame around an IP packet."""
    return Frame(ethernet(packet, ETHERTYPE_IPV6 if packet[0] >> 4 == 6 else ETHERTYPE_IPV4, **options))


def tcp(
    data: bytes = b"",
    flags: int = ACK,
    *,
    sequence: int = 0,
    ports: tuple[int, int] = (40000, 80),
    tags: tuple[VlanTag, ...] = (),
    **network: Any,
) -> Frame:
    """A TCP segment in an Ethernet frame, with the right checksum."""
    segment = TcpHeader(*ports, sequence, 0, flags, 65535).build() + data
    source = parse_address(network.get("source", "10.0.0.1"))
    destination = parse_address(network.get("destination", "10.0.0.2"))
    pseudo = pseudo_header_sum(source, destination, TCP, len(segment)).to_bytes(2)
    checksum = internet_checksum(pseudo, segment).to_bytes(2)
    segment = segment[:CHECKSUM_AT] + checksum + segment[CHECKSUM_AT + 2 :]
    return wrap(ip(TCP, segment, **network), tags=tags)


def partial_tcp(data: bytes) -> Frame:
    """The same as ``tcp(data)``, as a stack with checksum offload sends it."""
    whole = bytes(tcp(data))
    head, payload = bytearray(whole[:54]), whole[54:]
    at = 34 + CHECKSUM_AT
    addresses = parse_address("10.0.0.1"), parse_address("10.0.0.2")
    head[at : at + 2] = pseudo_header_sum(*addresses, TCP, 20 + len(data)).to_bytes(2)
    return Frame(bytes(head), payload, Checksum.PARTIAL, 34, at)


def udp(data: bytes = b"", *, ports: tuple[int, int] = (5000, 53), **network: Any) -> Frame:
    return wrap(ip(UDP, UdpHeader(*ports, 8 + len(data)).build() + data, **network))


def icmp(**network: Any) -> Frame:
    return wrap(ip(ICMP, b"\x08\x00\xf7\xff\x00\x00\x00\x00", **network))


def arp() -> Frame:
    return Frame(ethernet(bytes(28), ETHERTYPE_ARP))


def plain(size: int) -> Frame:
    """A frame of ``size`` bytes that is no packet; each has an identity of its own."""
    return Frame(bytes(size))


class Record(ChannelObserver):
    """Writes down what it sees."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Frame, str]] = []

    def sent(self, frame: Frame) -> None:
        self.events.append(("sent", frame, ""))

    def dropped(self, frame: Frame, reason: str) -> None:
        self.events.append(("dropped", frame, str(reason)))

    def delivered(self, frame: Frame) -> None:
        self.events.append(("delivered", frame, ""))

    def note(self, frame: Frame, text: str) -> None:
        self.events.append(("note", frame, text))


class Bench:
    """A channel on a clock that only moves when told to, and what came out of it."""

    def __init__(self, *, seed: int = 1, medium: Medium = Medium.ETHERNET, **spec: Any) -> None:
        self.clock = FakeClock()
        self.arrivals: list[tuple[int, Frame]] = []
        self.react: Callable[[], None] | None = None
        """Called at each arrival."""
        self.random = Random(seed)
        self.channel = Channel(
            self.clock,
            self.random,
            Impairments.model_validate(spec),
            self._arrive,
            medium=medium,
            name="bench",
        )

    def _arrive(self, frame: Frame) -> None:
        self.arrivals.append((self.clock.now(), frame))
        if self.react is not None:
            self.react()

    @property
    def times(self) -> list[int]:
        return [time for time, _ in self.arrivals]

    @property
    def frames(self) -> list[Frame]:
        return [frame for _, frame in self.arrivals]

    @property
    def drops(self) -> dict[str, int]:
        return self.channel.statistics.drops

    def configure(self, **spec: Any) -> None:
        self.channel.configure(Impairments.model_validate(spec))

    def send(self, *frames: Frame) -> None:
        for frame in frames:
            self.channel.send(frame)

    def send_spaced(self, frames: list[Frame], interval: int) -> None:
        """One after the other, then run until nothing is pending."""
        for index, frame in enumerate(frames):
            self.clock.call_at(index * interval, self.channel.send, frame)
        self.clock.run()
