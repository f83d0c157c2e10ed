"""Whatever arrives, nothing is raised, memory stays bounded, and traffic goes on."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, IpConfig, NeighbourConfig
from stack.link import Checksum, Frame, Medium
from stack.wire.address import BROADCAST_MAC, multicast_mac, solicited_node
from stack.wire.arp import REQUEST, ArpPacket
from stack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader
from stack.wire.ipv6_extensions import FragmentHeader, OptionsHeader, RoutingHeader, pad_options
from stack.wire.ndp import NeighbourAdvertisement, NeighbourSolicitation, Redirect
from stack.wire.ndp_options import LinkLayerAddress
from stack.wire.protocols import FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, TCP, UDP
from tests.stack.internet.lab import (
    FAMILIES,
    HOST_MAC,
    STATION_MAC,
    TEST,
    V4,
    V6,
    Bench,
    icmp_message,
    ip_packet,
)

CONFIG = HostConfig(
    ip=IpConfig(forwarding=True, fragment_memory=64 * 1024, fragment_datagrams=16, paths=32),
    neighbour=NeighbourConfig(entries=16, queue=4),
)


def real_frames() -> list[bytes]:
    """One good frame of each kind that the internet layer looks into."""
    bodies: list[tuple[int, bytes]] = [
        (ETHERTYPE_ARP, ArpPacket(REQUEST, STATION_MAC, V4.station, bytes(6), V4.host).build())
    ]
    for family in FAMILIES:
        quote = ip_packet(family, bytes(8), protocol=TEST, source=family.host, destination=family.station)
        messages = [
            (8, b"data"),
            (0, b"data"),
            (128, b"data"),
            (3, quote),
            (1, quote),
            (2, quote),
            (5, quote),
            (11, quote),
        ]
        number = ICMP if family is V4 else ICMPV6
        transports = [
            (TEST, b"12345678"),
            (UDP, bytes((0, 7, 0, 7, 0, 8, 0, 0))),
            (TCP, bytes(12) + b"\x50" + bytes(7)),
        ]
        transports += [
            (number, icmp_message(family, kind, 0, 1500, body, family.station, family.host))
            for kind, body in messages
        ]
        for protocol, payload in transports:
            body = ip_packet(
                family, payload, protocol=protocol, source=family.station, destination=family.host
            )
            bodies.append((family.ethertype, body))
    bodies.append((ETHERTYPE_IPV4, ip_packet(V4, bytes(16), protocol=TEST, source=V4.station, destination=V4.host,
                                             identification=1, more_fragments=True)))  # fmt: skip
    bodies.append((ETHERTYPE_IPV4, ip_packet(V4, bytes(16), protocol=TEST, source=V4.station, destination=V4.host,
                                             options=b"\x07\x0b\x04" + bytes(9))))  # fmt: skip
    option = LinkLayerAddress(1, STATION_MAC)
    target = LinkLayerAddress(2, STATION_MAC)
    for message in (
        NeighbourSolicitation(V6.host, (option,)),
        NeighbourAdvertisement(V6.station, solicited=True, options=(target,)),
        Redirect(V6.station, V6.remote, (target,)),
    ):
        raw = message.build()
        rest = int.from_bytes(raw[4:8])
        whole = icmp_message(V6, raw[0], 0, rest, raw[8:], V6.station, V6.host)
        body = ip_packet(V6, whole, protocol=ICMPV6, source=V6.station, destination=V6.host, hop_limit=255)
        bodies.append((ETHERTYPE_IPV6, body))
    chain = (
        OptionsHeader(43, pad_options(b"\x05\x02\0\0")).build()
        + RoutingHeader(FRAGMENT, 0, 0, bytes(4)).build()
        + FragmentHeader(TEST, 0, True, 1).build()
        + bytes(16)
    )
    body = ip_packet(V6, chain, protocol=HOP_BY_HOP, source=V6.station, destination=V6.host)
    bodies.append((ETHERTYPE_IPV6, body))
    return [EthernetHeader(HOST_MAC, STATION_MAC, ethertype).build() + body for ethertype, body in bodies]


FRAMES = real_frames()


def assert_alive(lab: Bench) -> None:
    """Bounds are kept, and an ordinary packet still gets through."""
    assert lab.host.reassembler.memory <= 64 * 1024
    assert len(lab.host.reassembler) <= 16
    assert len(lab.host.paths) <= 32
    assert len(lab.interface.neighbours) <= 16
    lab.listener.packets.clear()
    for family in FAMILIES:
        lab.inject_ip(family, b"alive", source=bytes((*family.station[:-1], 200)))
    assert lab.listener.data == [b"alive", b"alive"]


def deliver(lab: Bench, raw: bytes, random: Random) -> None:
    """A frame as a link may hand it up: in one part or two, with any checksum state."""
    at = random.choice((len(raw), len(raw), random.randrange(len(raw) + 1)))
    checksum = random.choice((Checksum.COMPLETE, Checksum.COMPLETE, Checksum.VERIFIED))
    lab.end.deliver(Frame(raw[:at], raw[at:], checksum))


@pytest.mark.parametrize("seed", range(4))
def test_mutated_frames(seed: int) -> None:
    random = Random(seed)
    lab = Bench(CONFIG)
    for number in range(12000):
        raw = bytearray(random.choice(FRAMES))
        for _ in range(random.choice((0, 1, 1, 2, 4, 16))):
            raw[random.randrange(12, len(raw))] = random.choice(
                (0, 1, 0x7F, 0x80, 0xFF, random.getrandbits(8))
            )
        if random.random() < 0.5 and raw[12:14] == b"\x08\x00":
            repair_ipv4(raw)
        if random.random() < 0.2:
            del raw[random.randrange(len(raw)) :]
        elif random.random() < 0.2:
            raw += random.randbytes(random.randrange(50))
        deliver(lab, bytes(raw), random)
        if number % 100 == 0:
            lab.clock.advance(random.choice((MILLISECOND, SECOND, 40 * SECOND)))
    assert_alive(lab)
    lab.host.close()
    assert lab.clock.pending == 0


def repair_ipv4(raw: bytearray) -> None:
    """Make the header checksum right again, so that what is behind it is looked at."""
    end = 14 + 4 * (raw[14] & 0xF)
    raw[24:26] = b"\0\0"
    raw[24:26] = (-int.from_bytes(raw[14:end]) % 0xFFFF).to_bytes(2)


@pytest.mark.parametrize("medium", list(Medium))
def test_random_bytes(medium: Medium) -> None:
    random = Random(1)
    lab = Bench(CONFIG, medium=medium)
    ethertypes = [b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", b"\0\0"]
    firsts = [b"\x45\0\0", b"\x60\0\0\0", b""]
    for _ in range(6000):
        raw = random.choice(firsts) + random.randbytes(random.randrange(120))
        if medium is Medium.ETHERNET:
            mac = random.choice((HOST_MAC, BROADCAST_MAC, multicast_mac(solicited_node(V6.host))))
            raw = mac + STATION_MAC + random.choice(ethertypes) + raw
        deliver(lab, raw, random)
    lab.clock.advance(60 * SECOND)
    lab.host.close()
    assert lab.clock.pending == 0


@given(st.sampled_from(FRAMES), st.integers(0, 200), st.integers(0, 200))
def test_truncated_frames_in_one_part_or_two(raw: bytes, length: int, at: int) -> None:
    lab = Bench(CONFIG)
    raw = raw[:length]
    lab.end.deliver(Frame(raw[:at], raw[at:]))
    assert_alive(lab)


def test_a_scan_through_a_router_does_not_hurt_who_is_there() -> None:
    """A stranger makes the router look for everybody (RFC 6583)."""
    lab = Bench(CONFIG)
    for number in range(2000):
        lab.inject_ip(V6, source=V6.station, destination=V6.host[:8] + number.to_bytes(8), hop_limit=9)
        lab.clock.advance(MILLISECOND)
    assert len(lab.interface.neighbours) == 16
    lab.sent()
    lab.host.path(V6.station).send(TEST, b"data")
    assert lab.one().ethernet.destination == STATION_MAC


def test_a_flood_of_questions_does_not_hurt_who_is_there() -> None:
    lab = Bench(CONFIG)
    for number in range(2000):
        sender = b"\x0a\0" + (1000 + number).to_bytes(2)
        packet = ArpPacket(REQUEST, b"\x02\0\0\0" + number.to_bytes(2), sender, bytes(6), V4.host)
        lab.inject(ETHERTYPE_ARP, packet.build(), to=BROADCAST_MAC)
    assert len(lab.interface.neighbours) == 16
    lab.sent()
    lab.host.path(V4.station).send(TEST, b"data")
    assert lab.one().ethernet.destination == STATION_MAC
