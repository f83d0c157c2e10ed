"""The destination cache and the packets that leave by it: RFC 4861 5, RFC 1191 6.3, RFC 6864, RFC 1122 3.3."""

import errno

import pytest

from stack.clock import SECOND
from stack.config import HostConfig, IpConfig
from stack.link import Checksum, Frame, Medium
from stack.wire.address import (
    ALL_NODES_V4,
    ALL_NODES_V6,
    BROADCAST_MAC,
    BROADCAST_V4,
    UNSPECIFIED_V4,
    UNSPECIFIED_V6,
    multicast_mac,
    parse_address,
)
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from tests.stack.internet.lab import FAMILIES, STATION_MAC, TEST, V4, V6, Bench, End, Family, refused

both = pytest.mark.parametrize("family", FAMILIES, ids=["v4", "v6"])
MINUTE = 60 * SECOND


def routed(config: HostConfig | None = None) -> Bench:
    lab = Bench(config)
    lab.host.add_route("0.0.0.0/0", via=V4.station)
    lab.host.add_route("::/0", via=V6.station)
    return lab


# --- packets


@both
def test_a_packet_as_it_leaves(family: Family) -> None:
    lab = Bench()
    path = lab.host.path(family.station)
    path.send(TEST, b"head", b"payload", traffic_class=0xB9)
    seen = lab.one()
    assert (seen.ethernet.destination, seen.ethernet.ethertype) == (STATION_MAC, family.ethertype)
    assert seen.payload == b"headpayload"
    if isinstance(seen.ip, Ipv4Header):
        # An atomic datagram needs no identification (RFC 6864 4.1).
        assert (seen.ip.dont_fragment, seen.ip.identification, seen.ip.total_length) == (True, 0, 31)
    assert seen.ip is not None
    assert (seen.ip.source, seen.ip.destination) == (family.host, family.station)
    assert (seen.ip.hop_limit, seen.ip.traffic_class, seen.protocol) == (64, 0xB9, TEST)


@both
def test_the_payload_travels_by_reference(family: Family) -> None:
    lab = Bench()
    payload = b"payload"
    lab.host.path(family.station).send(TEST, b"head", payload)
    (frame,) = lab.end.sent
    assert frame.payload is payload
    assert bytes(frame.head).endswith(b"head")


@pytest.mark.shows("RFC 1122 3.2.1.7-1", "RFC 1122 3.2.1.7-4")
@both
def test_hop_limits(family: Family) -> None:
    lab = Bench(HostConfig(ip=IpConfig(hop_limit=99)))
    path = lab.host.path(family.station)
    path.send(TEST, b"data")
    path.send(TEST, b"data", hop_limit=3)
    lab.host.path(ALL_NODES_V4 if family is V4 else ALL_NODES_V6).send(TEST, b"data")
    assert [seen.ip.hop_limit for seen in lab.sent() if seen.ip is not None] == [99, 3, 1]


@both
@pytest.mark.parametrize("offload", [False, True])
def test_the_transport_checksum_is_done_here_or_by_the_link(family: Family, offload: bool) -> None:
    lab = Bench(offload=offload)
    header = b"\x01\x02\x00\x05"  # 5: what the transport has summed up already
    lab.host.path(family.station).send(TEST, header, b"data", checksum_at=2)
    (frame,) = lab.end.sent
    if offload:
        assert frame.checksum is Checksum.PARTIAL
        assert bytes(frame.head[frame.transport :]) == header
        assert frame.checksum_at == frame.transport + 2
    else:
        assert frame.checksum is Checksum.COMPLETE
    total = 0x0102 + 5 + int.from_bytes(b"da") + int.from_bytes(b"ta")
    assert int.from_bytes(lab.one().payload[2:4]) == 0xFFFF - total


@both
def test_offload_survives_the_wait_for_a_neighbour(family: Family) -> None:
    lab = Bench(offload=True, known=False)
    lab.host.path(family.station).send(TEST, b"\0\0\0\0", b"data", checksum_at=2)
    lab.end.sent.clear()
    lab.know(family.station)
    (frame,) = lab.end.sent
    assert bytes(frame.head[frame.transport :]) == b"\0\0\0\0"
    assert frame.checksum_at == frame.transport + 2


@pytest.mark.shows("RFC 1122 3.3.3-3")
@both
def test_too_large_a_packet_is_refused(family: Family) -> None:
    lab = Bench()
    path = lab.host.path(family.station)
    header = 20 if family is V4 else 40
    path.send(TEST, bytes(1500 - header))
    with refused(errno.EMSGSIZE):
        path.send(TEST, bytes(1501 - header))
    with refused(errno.EMSGSIZE):
        path.send(TEST, bytes(65536), dont_fragment=False)
    assert len(lab.sent()) == 1


def test_ipv4_without_dont_fragment_leaves_it_to_the_routers() -> None:
    lab = Bench()
    for _ in range(2):
        lab.host.path(V4.station).send(TEST, b"data", dont_fragment=False)
    headers = [seen.ip for seen in lab.sent()]
    assert [header.dont_fragment for header in headers if isinstance(header, Ipv4Header)] == [False, False]
    assert len({header.identification for header in headers if isinstance(header, Ipv4Header)}) == 2


@both
def test_another_source_than_the_path_has(family: Family) -> None:
    lab = Bench()
    lab.host.add_address(lab.interface, "10.0.0.77/24" if family is V4 else "fd00::77/64")
    other = parse_address("10.0.0.77" if family is V4 else "fd00::77")
    lab.sent()
    path = lab.host.path(family.station)
    path.send(TEST, b"data", source=other)
    seen = lab.one()
    assert seen.ip is not None
    assert seen.ip.source == other
    with refused(errno.EADDRNOTAVAIL):
        path.send(TEST, b"data", source=family.nobody)


@pytest.mark.shows("RFC 1122 3.3.6-3", "RFC 1122 3.3.6-5", "RFC 1122 3.3.6-7")
def test_broadcast_and_multicast_need_no_resolution() -> None:
    lab = Bench(known=False)
    directed = parse_address("10.0.0.255")
    for destination, mac, broadcast in (
        (BROADCAST_V4, BROADCAST_MAC, True),
        (directed, BROADCAST_MAC, True),
        (ALL_NODES_V4, multicast_mac(ALL_NODES_V4), False),
        (ALL_NODES_V6, multicast_mac(ALL_NODES_V6), False),
    ):
        path = lab.host.path(destination)
        assert path.broadcast is broadcast
        path.confirm(lab.clock.now())
        path.send(TEST, b"data")
        assert lab.one().ethernet.destination == mac


@both
def test_a_bare_ip_link_has_no_link_header_and_asks_nobody(family: Family) -> None:
    lab = Bench(medium=Medium.IP)
    lab.host.path(family.nobody).send(TEST, b"data")
    (frame,) = lab.end.sent
    header = (Ipv4Header if family is V4 else Ipv6Header).parse(frame.head)
    assert header.destination == family.nobody


# --- the cache


@pytest.mark.shows("RFC 1122 3.3.1.2-1", "RFC 1122 3.3.1.3-1")
@both
def test_all_who_go_the_same_way_share_the_path(family: Family) -> None:
    lab = Bench()
    path = lab.host.path(family.station)
    assert path is lab.host.path(family.station)
    assert path is lab.host.path(family.station, source=family.host)
    assert path is lab.host.path(family.station, interface=lab.interface)


@both
def test_a_path_ends_with_what_it_was_concluded_from(family: Family) -> None:
    lab = Bench()
    changes = [
        lambda: lab.host.add_route("192.0.2.0/24", via=V4.station),
        lambda: lab.host.remove_route("192.0.2.0/24"),
        lambda: lab.host.add_address(lab.interface, "10.7.7.7/24"),
        lambda: lab.host.remove_address(lab.interface, "10.7.7.7/24"),
        lambda: setattr(lab.interface, "up", False),
    ]
    for change in changes:
        path = lab.host.path(family.station)
        assert path.valid
        change()
        assert not path.valid
    with refused(errno.ENETUNREACH):
        lab.host.path(family.station)


def test_the_cache_is_bounded() -> None:
    lab = routed(HostConfig(ip=IpConfig(paths=8)))
    first = lab.host.path(V4.remote)
    for number in range(100):
        lab.host.path(bytes((198, 51, 100, number)))
    assert len(lab.host.paths) == 8
    assert not first.valid
    assert lab.host.path(V4.remote).valid


@both
def test_there_is_no_path(family: Family) -> None:
    lab = Bench()
    unspecified = UNSPECIFIED_V4 if family is V4 else UNSPECIFIED_V6
    for destination in (family.remote, unspecified):
        with refused(errno.ENETUNREACH):
            lab.host.path(destination)
    with refused(errno.EADDRNOTAVAIL):
        lab.host.path(family.station, source=family.nobody)
    with refused(errno.EINVAL):
        lab.host.path(family.station, source=(V6 if family is V4 else V4).host)
    with refused(errno.ENETUNREACH):
        lab.host.path(family.station, interface=lab.host.loopback)
    lab.interface.up = False
    with refused(errno.ENETDOWN):
        lab.host.path(ALL_NODES_V4 if family is V4 else ALL_NODES_V6, interface=lab.interface)


def test_no_address_to_send_from() -> None:
    lab = Bench()
    lab.host.remove_address(lab.interface, "10.0.0.1/24")
    lab.host.add_route("192.0.2.0/24", interface="eth0")
    with refused(errno.EADDRNOTAVAIL):
        lab.host.path(V4.remote)


@both
def test_own_addresses_are_reached_by_loopback(family: Family) -> None:
    lab = Bench()
    path = lab.host.path(family.host)
    assert (path.interface, path.source) == (lab.host.loopback, family.host)
    lab.host.path(family.host, source=family.host).send(TEST, b"head", b"payload")
    assert lab.listener.data == []  # not before the sender has finished
    lab.clock.advance(0)
    assert lab.listener.data == [b"headpayload"]
    assert lab.sent() == []


@both
def test_the_loopback_network(family: Family) -> None:
    lab = Bench()
    destination = parse_address("127.1.2.3" if family is V4 else "::1")
    lab.host.path(destination).send(TEST, b"head", b"x" * 60000, checksum_at=2)
    lab.clock.advance(0)
    (packet,) = lab.listener.packets
    assert (packet.source, packet.destination) == (destination, destination)
    assert packet.verified  # it never left memory
    assert packet.payload == b"x" * 60000


# --- several interfaces


def two_links() -> tuple[Bench, End]:
    lab = Bench()
    other = End(lab.clock)
    lab.host.add_interface("eth1", other, addresses=["10.0.1.1/24", "fd01::1/64"])
    other.sent.clear()
    return lab, other


@pytest.mark.shows("RFC 1122 3.1-3")
def test_the_route_decides_about_the_interface_and_its_address() -> None:
    lab, _ = two_links()
    path = lab.host.path(parse_address("10.0.1.9"))
    assert (path.interface.name, path.source) == ("eth1", parse_address("10.0.1.1"))


def test_of_equal_routes_the_one_that_has_the_source() -> None:
    lab, _ = two_links()
    lab.host.add_route("192.0.2.0/24", via="10.0.0.2")
    lab.host.add_route("192.0.2.0/24", via="10.0.1.2")
    lab.host.add_route("192.0.2.0/24", via="10.0.1.3", metric=5)
    assert lab.host.path(V4.remote).interface.name == "eth0"
    assert lab.host.path(V4.remote, source=parse_address("10.0.1.1")).next_hop == parse_address("10.0.1.2")
    eth1 = lab.host.interfaces["eth1"]
    assert lab.host.path(V4.remote, interface=eth1).next_hop == parse_address("10.0.1.2")


def test_link_local_destinations_leave_by_the_interface_that_is_named() -> None:
    lab, _ = two_links()
    neighbour = parse_address("fe80::1234")
    for name in ("eth0", "eth1"):
        interface = lab.host.interfaces[name]
        path = lab.host.path(neighbour, interface=interface)
        assert path.interface is interface
        assert path.source == interface.addresses[0].address


def test_groups_leave_by_their_route_or_else_by_the_first_interface() -> None:
    lab, _ = two_links()
    group = parse_address("239.1.2.3")
    assert lab.host.path(group).interface.name == "eth0"
    lab.host.add_route("239.0.0.0/8", interface="eth1")
    assert lab.host.path(group).interface.name == "eth1"
    assert lab.host.path(parse_address("10.0.1.255")).interface.name == "eth1"


def test_groups_without_any_interface() -> None:
    lab = Bench()
    lab.interface.up = False
    with refused(errno.ENETUNREACH):
        lab.host.path(ALL_NODES_V6)


# --- path MTU


@pytest.mark.shows("RFC 1191 6.3", "RFC 8201 5.3")
@both
def test_a_learnt_mtu_is_forgotten_after_its_time(family: Family) -> None:
    lab = routed()
    path = lab.host.path(family.remote)
    other = bytes((*family.remote[:-1], 99))
    path.learn_mtu(1300)
    lab.clock.advance(4 * MINUTE)
    lab.host.path(other).learn_mtu(1400)
    assert (path.mtu, lab.host.path(other).mtu) == (1300, 1400)
    lab.clock.advance(6 * MINUTE)
    assert (path.mtu, lab.host.path(other).mtu) == (1500, 1400)
    lab.clock.advance(4 * MINUTE)
    assert lab.host.path(other).mtu == 1500


@both
def test_how_long_a_learnt_mtu_is_believed_is_a_knob(family: Family) -> None:
    lab = routed(HostConfig(ip=IpConfig(path_mtu_expiry=2 * MINUTE)))
    path = lab.host.path(family.remote)
    path.learn_mtu(1300)
    lab.clock.advance(2 * MINUTE - 1)
    assert path.mtu == 1300
    lab.clock.advance(1)
    assert path.mtu == 1500


@both
def test_a_smaller_mtu_renews_the_time(family: Family) -> None:
    lab = routed()
    path = lab.host.path(family.remote)
    path.learn_mtu(1400)
    lab.clock.advance(9 * MINUTE)
    path.learn_mtu(1300)
    lab.clock.advance(9 * MINUTE)
    assert path.mtu == 1300
    lab.clock.advance(MINUTE)
    assert path.mtu == 1500


@pytest.mark.shows("RFC 8201 5.2")
@both
def test_a_learnt_mtu_holds_for_every_source(family: Family) -> None:
    lab = routed()
    lab.host.add_address(lab.interface, "10.0.0.77/24" if family is V4 else "fd00::77/64")
    other = parse_address("10.0.0.77" if family is V4 else "fd00::77")
    before = lab.host.path(family.remote, source=other)
    lab.host.path(family.remote, source=family.host).learn_mtu(1300)
    assert before.mtu == 1300
    assert lab.host.path(family.remote, interface=lab.interface).mtu == 1300


@pytest.mark.shows("RFC 1122 3.3.3-2")
def test_larger_than_the_path_mtu_is_cut_to_it() -> None:
    lab = routed()
    for family in FAMILIES:
        path = lab.host.path(family.remote)
        path.learn_mtu(1300)
        with refused(errno.EMSGSIZE):
            path.send(TEST, bytes(1281))
        path.send(TEST, bytes(1281), dont_fragment=False)
    sizes = [len(frame) - 14 for frame in lab.end.sent]
    assert len(sizes) == 4
    assert max(sizes) <= 1300


def test_no_timer_survives_the_host() -> None:
    lab = routed()
    lab.host.path(V4.remote).learn_mtu(1300)
    lab.host.close()
    assert lab.clock.pending == 0


def test_an_mtu_for_a_destination_that_is_not_in_the_cache_is_not_kept() -> None:
    lab = routed()
    path = lab.host.path(V4.remote)
    lab.host.routes_changed()
    path.learn_mtu(1300)
    assert lab.host.path(V4.remote).mtu == 1500


def test_frames_in_two_parts_and_in_one_are_the_same_to_a_packet() -> None:
    lab = Bench()
    whole = bytes(lab.frame(V4.ethertype, Ipv4Header(V4.station, V4.host, TEST, 28).build() + b"12345678"))
    for at in (len(whole), len(whole) - 3, len(whole) - 8):
        lab.end.deliver(Frame(whole[:at], whole[at:]))
        lab.end.deliver(Frame(memoryview(whole)[:at], memoryview(whole)[at:]))
    assert lab.listener.data == [b"12345678"] * 6
    assert {packet.length for packet in lab.listener.packets} == {8}
