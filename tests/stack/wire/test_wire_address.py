from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire.address import (
    BROADCAST_V4,
    LOOPBACK_V6,
    UNSPECIFIED_V4,
    UNSPECIFIED_V6,
    InterfaceAddress,
    Prefix,
    format_address,
    format_mac,
    is_link_local,
    is_loopback,
    is_multicast,
    is_unspecified,
    map_v4,
    multicast_mac,
    parse_address,
    parse_mac,
    solicited_node,
    unmap_v4,
)
from tests.stack.wire.strategies import macs, v4, v6

addresses = v4 | v6


@given(addresses)
def test_text_and_back(address: bytes) -> None:
    assert parse_address(format_address(address)) == address


@given(macs)
def test_mac_text_and_back(mac: bytes) -> None:
    assert parse_mac(format_mac(mac)) == mac
    assert parse_mac(format_mac(mac).upper().replace(":", "-")) == mac


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        # RFC 5952 section 4: lower case, the longest run of zeros, the first of equals, no single zero.
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        # RFC 5952 section 5.
        ("::ffff:c000:0201", "::ffff:192.0.2.1"),
        ("::", "::"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert format_address(parse_address(text)) == canonical


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.256", "010.0.0.1", "fe80::1%eth0", "::1::", "10.0.0.1/8"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "02:00:00:00:00", "02:00:00:00:00:0g", "020000000001", "02:00:00-00:00:01", "02:00:00:00:00:01\n",
     "٠٠:00:00:00:00:00"],
)  # fmt: skip
def test_what_is_no_mac(text: str) -> None:
    with pytest.raises(ValueError, match="MAC"):
        parse_mac(text)


@given(addresses)
def test_kinds_of_address_as_the_standard_library_sees_them(address: bytes) -> None:
    _same_kinds(address)


@pytest.mark.parametrize(
    "text",
    ["224.0.0.1", "239.255.255.255", "223.255.255.255", "240.0.0.0", "ff02::1", "feff::1", "127.0.0.1",
     "126.255.255.255", "128.0.0.0", "::1", "::2", "169.254.1.1", "169.253.1.1", "fe80::1", "febf::1", "fec0::1",
     "fe7f::1", "0.0.0.0", "::", "0.0.0.1"],
)  # fmt: skip
def test_kinds_at_their_bounds(text: str) -> None:
    _same_kinds(parse_address(text))


def _same_kinds(address: bytes) -> None:
    # An IPv4-mapped address is its own kind here; the library looks through it from Python 3.13 on.
    if unmap_v4(address) is not None:
        return
    known = ipaddress.ip_address(address)
    assert is_multicast(address) == known.is_multicast
    assert is_loopback(address) == known.is_loopback
    assert is_link_local(address) == known.is_link_local
    assert is_unspecified(address) == known.is_unspecified


def test_solicited_node_address_of_rfc_4291() -> None:
    solicited = solicited_node(parse_address("4037::01:800:200e:8c6c"))
    assert format_address(solicited) == "ff02::1:ff0e:8c6c"


@pytest.mark.parametrize(
    ("group", "mac"),
    [
        ("224.0.0.1", "01:00:5e:00:00:01"),
        ("239.129.2.3", "01:00:5e:01:02:03"),
        ("ff02::1", "33:33:00:00:00:01"),
        ("ff02::1:ff0e:8c6c", "33:33:ff:0e:8c:6c"),
    ],
)
def test_groups_on_ethernet(group: str, mac: str) -> None:
    assert format_mac(multicast_mac(parse_address(group))) == mac


@given(v4)
def test_mapped_addresses(address: bytes) -> None:
    assert unmap_v4(map_v4(address)) == address


def test_what_is_not_mapped() -> None:
    assert unmap_v4(LOOPBACK_V6) is None
    assert unmap_v4(UNSPECIFIED_V4) is None


@given(addresses, st.data())
def test_a_prefix_contains_what_the_standard_library_says(address: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 8 * len(address)))
    other = data.draw(st.sampled_from((address, bytes(len(address)))) | v4 | v6)
    interface = InterfaceAddress(address, length)
    known = ipaddress.ip_interface((address, length)).network
    assert interface.prefix == Prefix(known.network_address.packed, length)
    assert interface.prefix.contains(address)
    assert interface.prefix.contains(other) == (ipaddress.ip_address(other) in known)
    assert Prefix.parse(str(interface.prefix)) == interface.prefix
    assert InterfaceAddress.parse(str(interface)) == interface


@pytest.mark.parametrize(
    ("text", "broadcast"),
    [("10.0.0.2/24", "10.0.0.255"), ("10.0.0.2/0", "255.255.255.255"), ("10.0.0.5/30", "10.0.0.7")],
)
def test_directed_broadcast(text: str, broadcast: str) -> None:
    address = InterfaceAddress.parse(text).broadcast
    assert address is not None
    assert format_address(address) == broadcast


@pytest.mark.parametrize("text", ["10.0.0.2/31", "10.0.0.2/32", "fd00::2/64"])
def test_no_directed_broadcast(text: str) -> None:
    assert InterfaceAddress.parse(text).broadcast is None


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1/8", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "fd00::/129", "/8"],
)
def test_what_is_no_prefix(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Prefix.parse(text)


def test_only_addresses_have_prefixes() -> None:
    with pytest.raises(ValueError, match="4 or 16 bytes"):
        Prefix(bytes(6), 0)
    with pytest.raises(ValueError, match="prefix length 33"):
        InterfaceAddress(BROADCAST_V4, 33)


def test_the_default_route_contains_its_family_only() -> None:
    assert Prefix(UNSPECIFIED_V4, 0).contains(BROADCAST_V4)
    assert not Prefix(UNSPECIFIED_V4, 0).contains(UNSPECIFIED_V6)
