"""Interfaces: frames in and out, addresses, groups, up and down."""

import errno

import pytest

from stack.link import Frame, Medium
from stack.wire.address import ALL_ROUTERS_V6, format_address, parse_address, parse_mac
from stack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_SERVICE_VLAN, EthernetHeader, VlanTag
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from tests.stack.internet.lab import FAMILIES, HOST_MAC, STATION_MAC, TEST, V4, V6, Bench, End, refused

PACKET = Ipv4Header(V4.station, V4.host, TEST, 28).build() + b"12345678"


@pytest.mark.parametrize("length", range(14))
def test_truncated_frames(length: int) -> None:
    lab = Bench()
    lab.end.deliver(Frame(bytes(length)))
    assert lab.dropped() == ["ethernet.truncated"]


@pytest.mark.parametrize("ethertype", [0x0000, 0x0026, 0x05DC, 0x88CC, 0x9000])
def test_other_protocols(ethertype: int) -> None:
    lab = Bench()
    lab.inject(ethertype, bytes(50))
    assert lab.dropped() == ["ethernet.unknown_ethertype"]


def tagged(*tags: VlanTag) -> Frame:
    return Frame(EthernetHeader(HOST_MAC, STATION_MAC, ETHERTYPE_IPV4, tags).build() + PACKET)


def test_a_tag_that_is_there_for_its_priority_is_no_vlan() -> None:
    """802.1Q 6.8."""
    lab = Bench()
    lab.end.deliver(tagged(VlanTag(0, priority=5)))
    assert lab.listener.data == [b"12345678"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (tagged(VlanTag(1)), "ethernet.vlan"),
        (tagged(VlanTag(0), VlanTag(0)), "ethernet.unknown_ethertype"),
        (tagged(VlanTag(0, protocol=ETHERTYPE_SERVICE_VLAN)), "ethernet.unknown_ethertype"),
        (Frame(bytes(tagged(VlanTag(0)))[:17]), "ethernet.truncated"),
    ],
)
def test_vlans_are_not_ours(frame: Frame, reason: str) -> None:
    lab = Bench()
    lab.end.deliver(frame)
    assert lab.dropped() == [reason]


def test_bare_ip_links_carry_both_families() -> None:
    lab = Bench(medium=Medium.IP)
    lab.end.deliver(Frame(PACKET))
    lab.end.deliver(Frame(Ipv6Header(V6.station, V6.host, TEST, 4).build(), b"data"))
    assert lab.listener.data == [b"12345678", b"data"]
    for head in (b"", b"\x00", b"\x50" + bytes(40)):
        lab.end.deliver(Frame(head))
    assert lab.dropped() == ["ip.bad_version"] * 3


def test_nothing_passes_while_it_is_down() -> None:
    lab = Bench()
    path = lab.host.path(V4.station)
    lab.interface.up = False
    lab.interface.up = False
    lab.inject_ip(V4)
    path.send(TEST, b"data")
    lab.interface.transmit(Frame(b""))
    assert lab.dropped() == ["interface.down"] * 3
    assert lab.end.sent == []
    assert len(lab.interface.neighbours) == 0


@pytest.mark.shows("RFC 1122 3.2.2.9-5")
@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("10.0.0.1/24", errno.EEXIST),
        ("10.0.0.1/16", errno.EEXIST),
        ("224.0.0.1/24", errno.EADDRNOTAVAIL),
        ("255.255.255.255/32", errno.EADDRNOTAVAIL),
        ("0.0.0.0/8", errno.EADDRNOTAVAIL),
        ("::/64", errno.EADDRNOTAVAIL),
        ("ff02::1/64", errno.EADDRNOTAVAIL),
    ],
)
def test_impossible_addresses(address: str, number: int) -> None:
    lab = Bench()
    before = list(lab.interface.addresses)
    with refused(number):
        lab.host.add_address(lab.interface, address)
    assert lab.interface.addresses == before


def test_ipv6_needs_1280_bytes() -> None:
    lab = Bench(mtu=1279)
    assert all(len(address.address) == 4 for address in lab.interface.addresses)
    with refused(errno.EINVAL):
        lab.host.add_address(lab.interface, "fd00::1/64")


def test_an_address_can_be_taken_away() -> None:
    lab = Bench()
    for family, text in ((V4, "10.0.0.1/24"), (V6, "fd00::1/64")):
        lab.host.remove_address(lab.interface, text)
        lab.inject_ip(family)
        assert not lab.host.is_local(family.host)
        with refused(errno.EADDRNOTAVAIL):
            lab.host.remove_address(lab.interface, text)
    assert lab.dropped() == ["ipv4.not_for_us", "ipv6.not_for_us"]


def test_an_address_on_two_interfaces_stays_until_both_have_lost_it() -> None:
    lab = Bench()
    eth1 = lab.host.add_interface("eth1", End(lab.clock), addresses=["10.0.0.1/24"])
    lab.host.remove_address(lab.interface, "10.0.0.1/24")
    assert lab.host.is_local(V4.host)
    lab.host.remove_address(eth1, "10.0.0.1/24")
    assert not lab.host.is_local(V4.host)


def test_the_link_local_address_follows_from_the_mac() -> None:
    """RFC 4291 appendix A, RFC 2464 5: its own example."""
    lab = Bench()
    interface = lab.host.add_interface("eth1", End(lab.clock), mac=parse_mac("34:56:78:9a:bc:de"))
    assert [format_address(address.address) for address in interface.addresses] == [
        "fe80::3656:78ff:fe9a:bcde"
    ]


def test_leaving_a_group_that_was_never_joined() -> None:
    lab = Bench()
    for group in (parse_address("239.1.2.3"), ALL_ROUTERS_V6):
        with refused(errno.EADDRNOTAVAIL):
            lab.interface.leave(group)


def test_both_families_at_once() -> None:
    lab = Bench()
    for family in FAMILIES:
        lab.inject_ip(family)
    assert [packet.source for packet in lab.listener.packets] == [V4.station, V6.station]
    assert repr(lab.interface) == "<Interface host eth0>"
