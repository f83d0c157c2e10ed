from __future__ import annotations

import pytest

from stack.wire.arp import REPLY, REQUEST, ArpPacket
from stack.wire.errors import Malformed
from stack.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_SERVICE_VLAN,
    MAX_TAGS,
    EthernetHeader,
    VlanTag,
    build_header,
)

ADDRESSES = bytes.fromhex("ffffffffffff 020000000001")


def test_a_plain_frame() -> None:
    raw = ADDRESSES + b"\x86\xdd"
    header = EthernetHeader.parse(raw + b"payload")
    assert header == EthernetHeader(b"\xff" * 6, b"\x02\0\0\0\0\x01", ETHERTYPE_IPV6)
    assert header.build() == build_header(header.destination, header.source, ETHERTYPE_IPV6) == raw


def test_a_service_tag_around_a_customer_tag() -> None:
    raw = ADDRESSES + bytes.fromhex("88a8 b064 8100 6ffe 0800")
    header = EthernetHeader.parse(raw)
    assert header.ethertype == ETHERTYPE_IPV4
    assert header.tags == (VlanTag(0x064, 5, True, ETHERTYPE_SERVICE_VLAN), VlanTag(0xFFE, 3, False))
    assert header.header_length == 22


@pytest.mark.parametrize("following", [b"", b"\x00", b"\x00\x01", b"\x00\x01\x08"])
def test_a_tag_that_is_cut(following: bytes) -> None:
    with pytest.raises(Malformed, match=r"ethernet.truncated"):
        EthernetHeader.parse(ADDRESSES + b"\x81\x00" + following)


def test_the_bound_on_tags() -> None:
    tag = b"\x81\x00\x00\x01"
    assert len(EthernetHeader.parse(ADDRESSES + MAX_TAGS * tag + b"\x08\x00").tags) == MAX_TAGS
    with pytest.raises(Malformed, match=r"ethernet.too_many_tags"):
        EthernetHeader.parse(ADDRESSES + 1000 * tag)


def test_an_arp_request() -> None:
    raw = bytes.fromhex("0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002")
    packet = ArpPacket.parse(raw + bytes(18))  # Ethernet pads to its least size
    assert packet == ArpPacket(REQUEST, b"\x02\0\0\0\0\x01", b"\x0a\0\0\x01", bytes(6), b"\x0a\0\0\x02")
    assert packet.build() == raw
    packet.operation = REPLY
    assert packet.build()[6:8] == b"\x00\x02"


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (1, 6, "arp.bad_hardware"),
        (2, 0x86, "arp.bad_protocol"),
        (4, 8, "arp.bad_length"),
        (5, 16, "arp.bad_length"),
    ],
)
def test_arp_for_something_else(at: int, value: int, reason: str) -> None:
    raw = bytearray(ArpPacket(REQUEST, bytes(6), bytes(4), bytes(6), bytes(4)).build())
    raw[at] = value
    with pytest.raises(Malformed, match=reason):
        ArpPacket.parse(raw)


def test_ethertypes_are_those_of_the_registry() -> None:
    assert (ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6) == (0x0800, 0x0806, 0x86DD)
