"""Which address packets come from: RFC 6724 5."""

import pytest

from stack.internet.source import common_prefix_length, scope
from stack.wire.address import format_address, parse_address
from tests.stack.internet.lab import Bench, End


def chosen(addresses: list[str], destination: str, *, routes: tuple[tuple[str, str], ...] = ()) -> str:
    lab = Bench()
    end = End(lab.clock)
    interface = lab.host.add_interface("eth1", end, mac=bytes.fromhex("020000000001"), addresses=addresses)
    for prefix, via in routes:
        lab.host.add_route(prefix, via=via, interface="eth1")
    return format_address(lab.host.path(parse_address(destination), interface=interface).source)


@pytest.mark.parametrize(
    ("addresses", "destination", "expected"),
    [
        # rule 2: a scope that reaches, and no larger than needed
        (["2001:db8::1/64"], "fe80::9", "fe80::ff:fe00:1"),
        (["2001:db8::1/64"], "2001:db8::9", "2001:db8::1"),
        (["2001:db8::1/64"], "ff02::1", "fe80::ff:fe00:1"),
        (["169.254.1.1/16", "192.0.2.1/24"], "192.0.2.9", "192.0.2.1"),
        (["192.0.2.1/24", "169.254.1.1/16"], "169.254.9.9", "169.254.1.1"),
        (["192.0.2.1/24"], "224.0.0.1", "192.0.2.1"),
        # the prefix of the next hop
        (["192.0.2.1/24", "198.51.100.1/24"], "198.51.100.9", "198.51.100.1"),
        # rule 8: the longest match
        (["2001:db8:1::1/64", "2001:db8:2::1/64"], "2001:db8:2::9", "2001:db8:2::1"),
        # of equals, the first
        (["192.0.2.1/24", "192.0.2.2/24"], "192.0.2.9", "192.0.2.1"),
    ],
)
def test_choice(addresses: list[str], destination: str, expected: str) -> None:
    assert chosen(addresses, destination) == expected


def test_the_prefix_of_the_router_counts_and_then_the_longest_match() -> None:
    addresses = ["203.0.113.1/24", "192.0.2.1/24"]
    assert chosen(addresses, "198.51.100.1", routes=(("198.51.100.0/24", "192.0.2.9"),)) == "192.0.2.1"
    addresses = ["2001:db8:1::1/64", "2001:db8:2::1/64"]
    routes = (("2001:db8::/32", "fe80::9"),)
    assert chosen(addresses, "2001:db8:3::1", routes=routes) == "2001:db8:2::1"
    assert chosen(addresses, "2001:db8:1:1::1", routes=routes) == "2001:db8:1::1"


def test_an_interface_without_address_borrows_one() -> None:
    """But not one that means nothing on another link."""
    lab = Bench()
    interface = lab.host.add_interface("eth1", End(lab.clock, mtu=1000))
    lab.host.add_route("192.0.2.0/24", interface="eth1")
    assert lab.host.path(parse_address("192.0.2.1"), interface=interface).source == parse_address("10.0.0.1")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ff01::1", 1),
        ("ff02::1", 2),
        ("ff05::2", 5),
        ("ff0e::1", 14),
        ("fe80::1", 2),
        ("::1", 2),
        ("fd00::1", 14),
        ("2001:db8::1", 14),
        ("127.0.0.1", 2),
        ("169.254.0.1", 2),
        ("10.0.0.1", 14),
        ("224.0.0.1", 2),
        ("239.0.0.1", 14),
    ],
)
def test_scopes(address: str, expected: int) -> None:
    """RFC 6724 3.1, 3.2."""
    assert scope(parse_address(address)) == expected


def test_common_prefix() -> None:
    assert common_prefix_length(b"\x0a\0\0\1", b"\x0a\0\0\1") == 32
    assert common_prefix_length(b"\x0a\0\0\1", b"\x0a\0\0\0") == 31
    assert common_prefix_length(b"\x0a\0\0\1", b"\x8a\0\0\1") == 0
