"""Routes: RFC 1812 5.2.4.3, RFC 4861 5.2."""

import errno
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.config import HostConfig, IpConfig
from stack.internet.route import Route
from stack.wire.address import Prefix, format_address, parse_address
from tests.stack.internet.lab import V4, Bench, End, refused


def bench(paths: int = 4096) -> Bench:
    lab = Bench(HostConfig(ip=IpConfig(paths=paths)))
    lab.host.add_interface("eth1", End(lab.clock), addresses=["10.0.1.1/24", "fd01::1/64"])
    return lab


def via(lab: Bench, destination: str) -> str | None:
    """The router, the interface or nothing that packets to a destination go to."""
    route = lab.host.routes.lookup(parse_address(destination))
    if route is None:
        return None
    return route.interface.name if route.via is None else format_address(route.via)


@pytest.mark.shows("RFC 1122 3.3.1.2-3", "RFC 1122 3.3.1.2-5", "RFC 1122 3.3.1.6", "RFC 1122 3.3.1.1-1")
def test_the_longest_prefix_wins_and_then_the_metric() -> None:
    lab = bench()
    add = lab.host.add_route
    add("0.0.0.0/0", via="10.0.0.2")
    add("192.0.0.0/8", via="10.0.0.3")
    add("192.0.2.0/24", via="10.0.0.5", metric=10)
    add("192.0.2.0/24", via="10.0.0.4", metric=2)
    add("192.0.2.0/24", via="10.0.0.6", metric=2)
    add("192.0.2.7/32", interface="eth1")
    assert via(lab, "8.8.8.8") == "10.0.0.2"
    assert via(lab, "192.9.9.9") == "10.0.0.3"
    assert via(lab, "192.0.2.1") == "10.0.0.4"
    assert via(lab, "192.0.2.7") == "eth1"
    assert via(lab, "10.0.1.7") == "eth1"
    assert via(lab, "2001:db8::1") is None


def test_routes_through_an_interface_that_is_down_are_passed_over() -> None:
    lab = bench()
    lab.host.add_route("192.0.2.0/24", via="10.0.0.2")
    lab.host.add_route("192.0.2.0/24", via="10.0.1.2", metric=1)
    assert via(lab, "192.0.2.1") == "10.0.0.2"
    lab.interface.up = False
    assert via(lab, "192.0.2.1") == "10.0.1.2"
    assert via(lab, "10.0.0.2") is None
    lab.interface.up = True
    assert via(lab, "192.0.2.1") == "10.0.0.2"


def test_removing_routes() -> None:
    lab = bench()
    host = lab.host
    host.add_route("192.0.2.0/24", via="10.0.0.2", metric=1)
    host.add_route("192.0.2.0/24", via="10.0.1.2", metric=2)
    host.add_route("192.0.2.0/24", via="10.0.0.3", metric=3)
    host.remove_route("192.0.2.0/24")
    assert via(lab, "192.0.2.1") == "10.0.1.2"
    host.remove_route("192.0.2.0/24", interface="eth1")
    assert via(lab, "192.0.2.1") == "10.0.0.3"
    with refused(errno.ESRCH):
        host.remove_route("192.0.2.0/24", via="10.0.0.2")
    host.remove_route(Prefix.parse("192.0.2.0/24"), via="10.0.0.3")
    assert via(lab, "192.0.2.1") is None


@pytest.mark.shows("RFC 1122 3.2.1.3-1", "RFC 1122 3.2.2.9-1", "RFC 1122 3.2.2.9-2")
def test_connected_routes_come_and_go_with_their_addresses_only() -> None:
    lab = bench()
    with refused(errno.ESRCH):
        lab.host.remove_route("10.0.0.0/24")
    lab.host.add_address(lab.interface, "10.0.0.7/24")
    lab.host.remove_address(lab.interface, "10.0.0.1/24")
    assert via(lab, "10.0.0.9") == "eth0"
    lab.host.remove_address(lab.interface, "10.0.0.7/24")
    assert via(lab, "10.0.0.9") is None


@pytest.mark.parametrize(
    ("prefix", "arguments", "number"),
    [
        ("192.0.2.0/24", {}, errno.EINVAL),
        ("192.0.2.0/24", {"via": "fd00::2"}, errno.EINVAL),
        ("192.0.2.0/24", {"via": "10.0.0.1"}, errno.EINVAL),
        ("192.0.2.0/24", {"interface": "eth7"}, errno.ENODEV),
        ("192.0.2.0/24", {"via": "10.9.9.9"}, errno.ENETUNREACH),
        ("192.0.2.0/24", {"via": "10.0.0.2", "interface": "eth1"}, errno.ENETUNREACH),
        ("198.51.100.0/24", {"via": "10.0.0.2"}, errno.EEXIST),
    ],
)
def test_impossible_routes(prefix: str, arguments: dict[str, str], number: int) -> None:
    lab = bench()
    lab.host.add_route("198.51.100.0/24", via="10.0.0.2")
    before = list(lab.host.routes)
    with refused(number):
        lab.host.add_route(prefix, **arguments)
    assert list(lab.host.routes) == before


@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2.0", "192.0.2.0/33", "elsewhere"])
def test_texts_that_are_no_prefix(text: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|host bits|address"):
        bench().host.add_route(text, via="10.0.0.2")


def test_a_router_is_on_the_link_with_the_longest_prefix_that_has_it() -> None:
    lab = bench()
    lab.host.add_address(lab.host.interfaces["eth1"], "10.0.0.129/25")
    assert lab.host.add_route("192.0.2.0/24", via="10.0.0.130").interface.name == "eth1"
    assert lab.host.add_route("198.51.100.0/24", via="10.0.0.2").interface.name == "eth0"


def test_link_local_routers_are_found_on_the_interface_that_is_named() -> None:
    lab = bench()
    route = lab.host.add_route("2001:db8::/32", via="fe80::1", interface="eth1")
    assert route.interface.name == "eth1"


def test_what_is_remembered_is_bounded_and_does_not_outlive_a_change() -> None:
    lab = bench(paths=8)
    for number in range(50):
        assert via(lab, f"192.0.2.{number}") is None
    lab.host.add_route("192.0.2.0/24", via="10.0.0.2")
    assert [via(lab, f"192.0.2.{number}") for number in range(50)] == ["10.0.0.2"] * 50


@given(st.data())
def test_like_looking_at_every_route(data: st.DataObject) -> None:
    lab = bench()
    routes = lab.host.routes
    for number in range(data.draw(st.integers(0, 12))):
        length = data.draw(st.integers(0, 32))
        address = data.draw(st.integers(0, 2**32 - 1)) >> 32 - length << 32 - length
        metric = data.draw(st.integers(0, 2))
        routes.add(
            Route(Prefix(address.to_bytes(4), length), lab.interface, bytes((10, 0, 0, number)), metric)
        )
    destination = data.draw(
        st.one_of(st.binary(min_size=4, max_size=4), st.sampled_from([r.prefix.address for r in routes] or [V4.host]))
        .filter(lambda address: len(address) == 4)
    )  # fmt: skip
    fitting = [
        (-route.prefix.length, route.metric, order, route)
        for order, route in enumerate(routes)
        if len(route.prefix.address) == 4
        and ip_address(destination) in ip_network((route.prefix.address, route.prefix.length))
    ]
    assert routes.lookup(destination) is (min(fitting)[3] if fitting else None)
    assert [entry[3] for entry in sorted(fitting)] == list(routes.candidates(destination))
