"""What IPv4 takes in and what it does not: RFC 791, RFC 1122 3.2.1."""

import pytest

from stack.wire.address import (
    ALL_NODES_V4,
    BROADCAST_MAC,
    BROADCAST_V4,
    UNSPECIFIED_V4,
    multicast_mac,
    parse_address,
)
from stack.wire.ethernet import ETHERTYPE_IPV4
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv4_options import RouteOption, RouterAlertOption, build_options
from tests.stack.internet.lab import HOST_MAC, STATION_MAC, TEST, V4, Bench

GOOD = Ipv4Header(V4.station, V4.host, TEST, 28).build() + b"12345678"


def arrived(lab: Bench, packet: bytes) -> list[str]:
    """The reasons for which the host drops what it is sent."""
    lab.inject(ETHERTYPE_IPV4, packet)
    return lab.dropped()


def altered(**changes: int) -> bytes:
    """The good packet with other bytes at some places, and with the checksum right."""
    raw = bytearray(GOOD)
    for place, value in changes.items():
        raw[int(place[2:])] = value
    raw[10:12] = b"\0\0"
    raw[10:12] = (-int.from_bytes(raw[: 4 * (raw[0] & 0xF) or 20]) % 0xFFFF).to_bytes(2)
    return bytes(raw)


@pytest.mark.shows("RFC 1122 3.1-1", "RFC 1122 3.4-2")
def test_a_good_packet() -> None:
    lab = Bench()
    assert arrived(lab, GOOD) == []
    (packet,) = lab.listener.packets
    assert packet.interface is lab.interface
    assert (packet.source, packet.destination, packet.protocol) == (V4.station, V4.host, TEST)
    assert (packet.hop_limit, packet.traffic_class, packet.length) == (64, 0, 8)
    assert (packet.verified, packet.broadcast, packet.reassembled) == (False, False, False)
    assert packet.head[packet.start] == 0x45
    assert lab.host.counters["ipv4.received"] == 1


def test_padding_is_not_data() -> None:
    lab = Bench()
    assert arrived(lab, GOOD + bytes(18)) == []
    (packet,) = lab.listener.packets
    assert (packet.length, packet.contiguous()) == (8, b"12345678")


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_truncated_packets(length: int) -> None:
    assert arrived(Bench(), GOOD[:length]) == ["ipv4.truncated"]


@pytest.mark.shows("RFC 1122 3.2.1.2")
@pytest.mark.parametrize("bit", range(160))
def test_any_flipped_bit_of_the_header_is_noticed(bit: int) -> None:
    lab = Bench()
    raw = (int.from_bytes(GOOD) ^ 1 << 8 * len(GOOD) - 1 - bit).to_bytes(len(GOOD))
    (reason,) = arrived(lab, raw)
    assert reason in ("ipv4.bad_checksum", "ipv4.bad_version", "ipv4.bad_length", "ipv4.truncated")
    assert lab.listener.packets == []


@pytest.mark.shows("RFC 1122 3.2.1.1", "RFC 1122 3.2.1.3-3")
@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (altered(at0=0x55), "ipv4.bad_version"),
        (altered(at0=0x44), "ipv4.bad_length"),
        (altered(at3=19), "ipv4.bad_length"),
        (altered(at3=29), "ipv4.truncated"),
        (altered(at0=0x48), "ipv4.bad_length"),
        (altered(at0=0x4F, at3=200), "ipv4.truncated"),
        (altered(at16=8), "ipv4.not_for_us"),
    ],
)
def test_malformed_packets(packet: bytes, reason: str) -> None:
    lab = Bench()
    assert arrived(lab, packet) == [reason]
    assert lab.sent() == []


@pytest.mark.shows("RFC 1122 3.2.1.3-4", "RFC 1122 4.1.3.6-1", "RFC 9293 MUST-63")
@pytest.mark.parametrize(
    "source",
    [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "10.0.0.255",
        "10.0.0.1",
    ],
)
def test_martian_sources(source: str) -> None:
    """RFC 1122 3.2.1.3, RFC 1812 5.3.7."""
    lab = Bench()
    lab.inject_ip(V4, source=parse_address(source))
    assert lab.dropped() == ["ipv4.martian_source"]
    assert lab.sent() == []


def test_who_has_no_address_may_ask_everybody() -> None:
    lab = Bench()
    lab.inject_ip(V4, source=UNSPECIFIED_V4, destination=BROADCAST_V4, to=BROADCAST_MAC)
    assert len(lab.listener.packets) == 1


def test_the_loopback_network_is_not_reached_from_outside() -> None:
    lab = Bench()
    lab.inject_ip(V4, destination=parse_address("127.0.0.1"))
    assert lab.dropped() == ["ipv4.not_for_us"]


@pytest.mark.shows("RFC 1122 3.3.7-3")
@pytest.mark.parametrize(
    ("destination", "mac"),
    [
        (BROADCAST_V4, BROADCAST_MAC),
        (parse_address("10.0.0.255"), BROADCAST_MAC),
        (ALL_NODES_V4, multicast_mac(ALL_NODES_V4)),
    ],
)
def test_what_is_for_all_is_marked(destination: bytes, mac: bytes) -> None:
    lab = Bench()
    lab.inject_ip(V4, destination=destination, to=mac)
    assert [packet.broadcast for packet in lab.listener.packets] == [True]


@pytest.mark.shows("RFC 1122 3.3.7-1")
def test_groups_are_taken_while_joined() -> None:
    lab = Bench()
    group = parse_address("239.1.2.3")
    lab.inject_ip(V4, destination=group, to=multicast_mac(group))
    assert lab.dropped() == ["ethernet.not_for_us"]
    lab.interface.join(group)
    lab.interface.join(group)
    lab.interface.leave(group)
    lab.inject_ip(V4, destination=group, to=multicast_mac(group))
    assert len(lab.listener.packets) == 1
    # another group that has the same MAC
    other = parse_address("239.129.2.3")
    lab.inject_ip(V4, destination=other, to=multicast_mac(other))
    assert lab.dropped() == ["ipv4.not_for_us"]
    lab.interface.leave(group)
    lab.inject_ip(V4, destination=group, to=multicast_mac(group))
    assert lab.dropped() == ["ethernet.not_for_us"]


@pytest.mark.shows("RFC 1122 3.3.6-6")
def test_unicast_in_a_link_broadcast_is_ignored() -> None:
    """RFC 1122 3.3.6."""
    lab = Bench()
    lab.inject_ip(V4, to=BROADCAST_MAC)
    assert lab.dropped() == ["ipv4.unicast_in_broadcast"]


def test_the_broadcast_address_of_another_prefix_is_not_ours() -> None:
    lab = Bench()
    lab.inject_ip(V4, destination=parse_address("10.0.7.255"), to=BROADCAST_MAC)
    assert lab.dropped() == ["ipv4.not_for_us"]
    lab.host.add_address(lab.interface, "10.0.7.1/24")
    lab.inject_ip(V4, destination=parse_address("10.0.7.255"), to=BROADCAST_MAC)
    lab.host.remove_address(lab.interface, "10.0.7.1/24")
    lab.inject_ip(V4, destination=parse_address("10.0.7.255"), to=BROADCAST_MAC)
    assert len(lab.listener.packets) == 1


@pytest.mark.shows("RFC 9293 MUST-50")
@pytest.mark.parametrize(
    "options",
    [b"\x01" * 4, build_options([RouterAlertOption()]), build_options([RouteOption(7, 4, bytes(8))])],
)
def test_options_that_ask_for_nothing(options: bytes) -> None:
    lab = Bench()
    lab.inject_ip(V4, b"12345678", options=options)
    assert lab.listener.data == [b"12345678"]


@pytest.mark.parametrize("kind", [131, 137])
def test_source_routes_are_refused(kind: int) -> None:
    lab = Bench()
    lab.inject_ip(V4, options=build_options([RouteOption(kind, 8, bytes(4))]))
    assert lab.dropped() == ["ipv4.source_route"]


@pytest.mark.shows("RFC 1122 3.2.2.5-1")
@pytest.mark.parametrize(("options", "pointer"), [(b"\x07\x00\x00\x00", 21), (b"\x01\x07\x09\x04", 22)])
def test_malformed_options_are_reported(options: bytes, pointer: int) -> None:
    """RFC 1122 3.2.2.5; the pointer is RFC 792's."""
    lab = Bench()
    packet = lab.inject_ip(V4, options=options)
    assert lab.dropped() == ["ipv4.bad_option"]
    seen = lab.one()
    assert (seen.icmp.type, seen.icmp.code, seen.icmp.rest >> 24) == (12, 0, pointer)
    assert seen.quote == packet


def test_frames_for_others_are_left_alone() -> None:
    lab = Bench()
    for mac in (STATION_MAC, HOST_MAC[:-1] + b"\x77", multicast_mac(parse_address("239.9.9.9"))):
        lab.inject_ip(V4, to=mac)
    assert lab.dropped() == ["ethernet.not_for_us"] * 3
