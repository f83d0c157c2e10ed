"""What IPv6 takes in and what it does not: RFC 8200, RFC 4291, RFC 5095."""

import pytest

from stack.wire.address import (
    ALL_NODES_V6,
    ALL_ROUTERS_V6,
    BROADCAST_MAC,
    multicast_mac,
    parse_address,
    solicited_node,
)
from stack.wire.ethernet import ETHERTYPE_IPV6
from stack.wire.ipv6 import Ipv6Header
from stack.wire.ipv6_extensions import Ipv6Option, OptionsHeader, RoutingHeader, build_options, pad_options
from stack.wire.protocols import DESTINATION_OPTIONS, HOP_BY_HOP, NO_NEXT_HEADER, ROUTING
from tests.stack.internet.lab import TEST, V6, Bench

GOOD = Ipv6Header(V6.station, V6.host, TEST, 8, traffic_class=0xB9).build() + b"12345678"


def options(next_header: int, *listed: Ipv6Option) -> bytes:
    return OptionsHeader(next_header, pad_options(build_options(listed))).build()


def problem(lab: Bench) -> tuple[int, int]:
    """Code and pointer of the Parameter Problem that was sent."""
    icmp = lab.one().icmp
    assert icmp.type == 4
    return icmp.code, icmp.rest


def test_a_good_packet() -> None:
    lab = Bench()
    lab.inject(ETHERTYPE_IPV6, GOOD)
    (packet,) = lab.listener.packets
    assert packet.interface is lab.interface
    assert (packet.source, packet.destination, packet.protocol) == (V6.station, V6.host, TEST)
    assert (packet.hop_limit, packet.traffic_class, packet.length) == (64, 0xB9, 8)
    assert (packet.verified, packet.broadcast, packet.reassembled) == (False, False, False)
    assert lab.host.counters["ipv6.received"] == 1


def test_padding_is_not_data() -> None:
    lab = Bench()
    lab.inject(ETHERTYPE_IPV6, GOOD + bytes(18))
    assert lab.listener.data == [b"12345678"]


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_truncated_packets(length: int) -> None:
    lab = Bench()
    lab.inject(ETHERTYPE_IPV6, GOOD[:length])
    assert lab.dropped() == ["ipv6.truncated"]


def test_another_version() -> None:
    lab = Bench()
    lab.inject(ETHERTYPE_IPV6, b"\x70" + GOOD[1:])
    assert lab.dropped() == ["ipv6.bad_version"]


@pytest.mark.parametrize("source", ["ff02::1", "::1", "::ffff:10.0.0.2", "fd00::1", "::"])
def test_martian_sources(source: str) -> None:
    lab = Bench()
    lab.inject_ip(V6, source=parse_address(source))
    assert lab.dropped() == ["ipv6.martian_source"]
    assert lab.sent() == []


def test_destinations_that_are_not_ours() -> None:
    lab = Bench()
    for text in ("fd00::77", "::1", "::ffff:10.0.0.1", "::"):
        lab.inject_ip(V6, destination=parse_address(text))
    assert lab.dropped() == ["ipv6.not_for_us"] * 4


@pytest.mark.parametrize("group", [ALL_NODES_V6, solicited_node(V6.host)])
def test_groups_that_every_host_is_in(group: bytes) -> None:
    """RFC 4291 2.8."""
    lab = Bench()
    lab.inject_ip(V6, destination=group, to=multicast_mac(group))
    assert [packet.broadcast for packet in lab.listener.packets] == [True]


def test_hosts_are_not_in_the_group_of_all_routers() -> None:
    lab = Bench()
    lab.inject_ip(V6, destination=ALL_ROUTERS_V6, to=multicast_mac(ALL_ROUTERS_V6))
    assert lab.dropped() == ["ethernet.not_for_us"]


def test_the_solicited_node_group_goes_with_the_last_address_that_has_it() -> None:
    lab = Bench()
    group = solicited_node(parse_address("fd00::77"))
    for address in ("fd00::77/64", "fd01::77/64"):
        lab.host.add_address(lab.interface, address)
    lab.host.remove_address(lab.interface, "fd00::77/64")
    lab.inject_ip(V6, destination=group, to=multicast_mac(group))
    assert len(lab.listener.packets) == 1
    lab.host.remove_address(lab.interface, "fd01::77/64")
    lab.inject_ip(V6, destination=group, to=multicast_mac(group))
    assert lab.dropped() == ["ethernet.not_for_us"]


def test_unicast_in_a_link_broadcast_is_marked() -> None:
    lab = Bench()
    lab.inject_ip(V6, to=BROADCAST_MAC)
    assert [packet.broadcast for packet in lab.listener.packets] == [True]


# --- extension headers


def test_headers_that_ask_for_nothing_are_stepped_over() -> None:
    lab = Bench()
    chain = (
        options(DESTINATION_OPTIONS, Ipv6Option(5, b"\0\0"))
        + options(ROUTING, Ipv6Option(0x1E, b"skip"))
        + RoutingHeader(DESTINATION_OPTIONS, 0, 0, bytes(20)).build()
        + options(TEST)
    )
    lab.inject_ip(V6, chain + b"data", protocol=HOP_BY_HOP)
    (packet,) = lab.listener.packets
    assert (packet.contiguous(), packet.length, packet.protocol) == (b"data", 4, TEST)
    assert lab.dropped() == []


@pytest.mark.parametrize("header", [HOP_BY_HOP, DESTINATION_OPTIONS])
@pytest.mark.parametrize(("kind", "reported"), [(0x5E, False), (0x9E, True), (0xDE, True)])
def test_unknown_options(header: int, kind: int, reported: bool) -> None:
    """RFC 8200 4.2."""
    lab = Bench()
    lab.inject_ip(V6, options(TEST, Ipv6Option(1, b"\0"), Ipv6Option(kind, b"?")) + b"data", protocol=header)
    assert lab.dropped() == ["ipv6.unknown_option"]
    assert lab.listener.packets == []
    if reported:
        assert problem(lab) == (2, 40 + 2 + 3)
    else:
        assert lab.sent() == []


@pytest.mark.parametrize(("kind", "reported"), [(0x5E, False), (0x9E, True), (0xDE, False)])
def test_unknown_options_in_a_multicast(kind: int, reported: bool) -> None:
    lab = Bench()
    lab.inject_ip(
        V6,
        options(TEST, Ipv6Option(kind, b"????")) + b"data",
        protocol=DESTINATION_OPTIONS,
        destination=ALL_NODES_V6,
        to=multicast_mac(ALL_NODES_V6),
    )
    assert lab.dropped() == ["ipv6.unknown_option"]
    if reported:
        assert problem(lab) == (2, 42)
    else:
        assert lab.sent() == []


def test_an_option_that_reaches_too_far() -> None:
    lab = Bench()
    lab.inject_ip(V6, OptionsHeader(TEST, b"\x1e\x09\0\0\0\0").build() + b"data", protocol=HOP_BY_HOP)
    assert lab.dropped() == ["ipv6.bad_option"]
    assert problem(lab) == (0, 43)


@pytest.mark.parametrize("kind", [0, 2, 4])
def test_routing_headers_with_segments_left_are_refused(kind: int) -> None:
    """RFC 5095 3, RFC 8200 4.4."""
    lab = Bench()
    lab.inject_ip(V6, RoutingHeader(TEST, kind, 1, bytes(20)).build() + b"data", protocol=ROUTING)
    assert lab.dropped() == ["ipv6.routing_header"]
    assert problem(lab) == (0, 42)


def test_hop_by_hop_options_stand_first_or_not_at_all() -> None:
    lab = Bench()
    lab.inject_ip(V6, options(HOP_BY_HOP) + options(TEST) + b"data", protocol=DESTINATION_OPTIONS)
    assert lab.dropped() == ["ipv6.unknown_next_header"]
    assert problem(lab) == (1, 40)


def test_an_unknown_header_behind_a_known_one() -> None:
    lab = Bench()
    lab.inject_ip(V6, options(200) + b"data", protocol=DESTINATION_OPTIONS)
    assert problem(lab) == (1, 40)


def test_nothing_follows() -> None:
    """RFC 8200 4.7."""
    lab = Bench()
    lab.inject_ip(V6, b"ignored", protocol=NO_NEXT_HEADER)
    assert lab.dropped() == ["ipv6.no_next_header"]
    assert lab.sent() == []


@pytest.mark.parametrize("length", range(1, 16))
def test_a_chain_that_ends_too_early(length: int) -> None:
    lab = Bench()
    lab.inject_ip(V6, (options(ROUTING) + bytes(8))[:length], protocol=HOP_BY_HOP)
    assert lab.dropped() == ["ipv6.truncated"]


def test_too_many_extension_headers() -> None:
    """RFC 8504 5.3."""
    lab = Bench()
    chain = options(DESTINATION_OPTIONS) * 8 + options(TEST)
    lab.inject_ip(V6, chain + b"data", protocol=DESTINATION_OPTIONS)
    assert lab.dropped() == ["ipv6.too_many_extensions"]
