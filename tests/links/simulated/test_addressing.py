"""Addresses and routes that nobody had to write down."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from links.simulated.addressing import assign_addresses, assign_routes, segments
from links.simulated.simulation import Simulation, TopologyError
from stack.host import Host
from stack.wire.address import Prefix, format_address, is_link_local
from stack.wire.protocols import ICMP, ICMPV6


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with Simulation() as simulation:
        yield simulation


def build(simulation: Simulation, hosts: str, routers: str, switches: str, *wires: str) -> None:
    """Nodes have names of one letter; ``ab3`` is a wire from a to b with weight 3."""
    for name in hosts:
        simulation.host(name)
    for name in routers:
        simulation.router(name)
    for name in switches:
        simulation.switch(name)
    for wire in wires:
        simulation.connect(wire[0], wire[1], weight=int(wire[2:] or 1))


def addresses(simulation: Simulation, node: str) -> list[str]:
    return [
        f"{name} {address}"
        for name, interface in simulation.hosts[node].interfaces.items()
        for address in interface.addresses
        if name != "lo" and not is_link_local(address.address)
    ]


def routes(simulation: Simulation, node: str, size: int = 4) -> dict[str, str]:
    return {
        str(route.prefix): format_address(route.via)
        for route in simulation.hosts[node].routes
        if route.via is not None and len(route.via) == size
    }


def reach(simulation: Simulation, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of the pairs can ping each other, over either family."""
    reached = []

    async def ping(host: Host, source: str, target: str) -> None:
        for each in addresses(simulation, target):
            address = each.split()[1].split("/")[0]
            six = ":" in address
            family, protocol = (socket.AF_INET6, ICMPV6) if six else (socket.AF_INET, ICMP)
            with host.socket(family, socket.SOCK_DGRAM, protocol) as pinger:
                await pinger.sendto(bytes((128 if six else 8, 0, 0, 0, 0, 0, 0, 1)), (address, 0))
                async with asyncio.timeout(5):
                    await pinger.recvfrom(100)
        reached.append((source, target))

    for source, target in pairs:
        simulation.spawn(source, ping(simulation.hosts[source], source, target))
    simulation.run()
    return sorted(reached)


def test_a_segment_is_what_switches_connect(simulation: Simulation) -> None:
    build(simulation, "abcd", "r", "xyz", "ax", "xy", "by", "rx", "rz", "cz", "dr")
    found = [
        [f"{each.machine.name}.{each.card.name}" for each in segment] for segment in segments(simulation)
    ]
    assert found == [["a.eth0", "b.eth0", "r.eth0"], ["r.eth1", "c.eth0"], ["d.eth0", "r.eth2"]]


def test_each_segment_gets_a_subnet_of_each_family(simulation: Simulation) -> None:
    build(simulation, "abc", "r", "x", "ax", "bx", "xr", "rc")
    assign_addresses(simulation)
    assert addresses(simulation, "a") == ["eth0 10.0.0.1/24", "eth0 fd00::1/64"]
    assert addresses(simulation, "b") == ["eth0 10.0.0.2/24", "eth0 fd00::2/64"]
    assert addresses(simulation, "r") == [
        "eth0 10.0.0.3/24",
        "eth0 fd00::3/64",
        "eth1 10.0.1.1/24",
        "eth1 fd00:0:0:1::1/64",
    ]
    assert addresses(simulation, "c") == ["eth0 10.0.1.2/24", "eth0 fd00:0:0:1::2/64"]


def test_given_addresses_stay_and_the_others_go_by_them(simulation: Simulation) -> None:
    build(simulation, "abcd", "", "x")
    simulation.connect("a", "x", addresses=(["192.0.2.1/28"], []))
    simulation.connect("b", "x", addresses=(["192.0.2.3/28", "10.0.0.9/23"], []))
    simulation.connect("c", "x")
    simulation.connect("d", "x")
    simulation.connect("c", "d")
    assign_addresses(simulation, ipv6=None)
    assert addresses(simulation, "b") == ["eth0 192.0.2.3/28", "eth0 10.0.0.9/23"]
    assert addresses(simulation, "c") == ["eth0 192.0.2.2/28", "eth1 10.0.2.1/24"]
    assert addresses(simulation, "d") == ["eth0 192.0.2.4/28", "eth1 10.0.2.2/24"]


def test_a_large_segment_gets_a_large_subnet(simulation: Simulation) -> None:
    build(simulation, "ab", "", "x", "ab")
    for number in range(300):
        simulation.connect(simulation.host(f"h{number}"), "x")
    assign_addresses(simulation)
    assert addresses(simulation, "h0") == ["eth0 10.0.2.1/23", "eth0 fd00:0:0:1::1/64"]
    assert addresses(simulation, "h299") == ["eth0 10.0.3.44/23", "eth0 fd00:0:0:1::12c/64"]


def test_no_ipv6_where_it_does_not_fit(simulation: Simulation) -> None:
    build(simulation, "ab", "", "")
    simulation.connect("a", "b", mtu=1279)
    assign_addresses(simulation)
    assert addresses(simulation, "a") == ["eth0 10.0.0.1/24"]


def test_pools_end(simulation: Simulation) -> None:
    build(simulation, "abc", "", "", "ab", "bc")
    with pytest.raises(TopologyError, match=r"10\.0\.0\.0/24 has no room for another subnet"):
        assign_addresses(simulation, ipv4=Prefix.parse("10.0.0.0/24"))


def test_prefixes_end(simulation: Simulation) -> None:
    build(simulation, "abc", "", "x", "ax", "bx")
    simulation.connect("c", "x", addresses=(["10.0.0.2/30"], []))
    with pytest.raises(TopologyError, match=r"10\.0\.0\.0/30 has no address left"):
        assign_addresses(simulation)


def test_hosts_with_one_router_get_a_default_route(simulation: Simulation) -> None:
    build(simulation, "ab", "rs", "", "ar", "rs", "sb")
    assign_addresses(simulation)
    assign_routes(simulation)
    assert routes(simulation, "a") == {"0.0.0.0/0": "10.0.0.2"}
    assert routes(simulation, "a", 16) == {"::/0": "fd00::2"}
    assert routes(simulation, "r") == {"10.0.2.0/24": "10.0.1.2"}
    assert routes(simulation, "s", 16) == {"fd00::/64": "fd00:0:0:1::1"}
    assert reach(simulation, [("a", "b"), ("b", "a"), ("a", "s")]) == [("a", "b"), ("a", "s"), ("b", "a")]


def test_without_routers_there_are_no_routes(simulation: Simulation) -> None:
    build(simulation, "abc", "", "", "ab", "bc")
    assign_addresses(simulation)
    assign_routes(simulation)
    assert routes(simulation, "a") == {}


def test_hosts_do_not_forward(simulation: Simulation) -> None:
    """The way over h is shorter, but h is no router."""
    build(simulation, "abh", "rst", "", "ar", "rh", "hs", "rt", "ts", "sb")
    assign_addresses(simulation)
    assign_routes(simulation)
    assert reach(simulation, [("a", "b"), ("a", "h"), ("h", "b")]) == [("a", "b"), ("a", "h"), ("h", "b")]
    assert simulation.wires["t-s"].forward.statistics.delivered_bytes > 0
    assert routes(simulation, "r")["10.0.5.0/24"] == addresses(simulation, "t")[0].split()[1].split("/")[0]


@pytest.mark.parametrize(("weight", "first_hop"), [("1", "10.0.1.2"), ("9", "10.0.2.2")])
def test_the_path_that_costs_least_is_taken(simulation: Simulation, weight: str, first_hop: str) -> None:
    """From r to u over s, or over t, which is one hop more."""
    build(simulation, "ab", "rstuv", "", "ar", "rs", "rt", "su" + weight, "tv", "vu", "ub")
    assign_addresses(simulation)
    assign_routes(simulation)
    to_b = addresses(simulation, "b")[0].split()[1].rsplit(".", 1)[0] + ".0/24"
    assert routes(simulation, "r")[to_b] == first_hop
    assert reach(simulation, [("a", "b")]) == [("a", "b")]


def test_of_equal_paths_the_one_that_was_built_first_is_taken(simulation: Simulation) -> None:
    build(simulation, "ab", "rstu", "", "ar", "rt", "rs", "su", "tu", "ub")
    assign_addresses(simulation)
    assign_routes(simulation)
    assert routes(simulation, "r")["10.0.5.0/24"] == "10.0.1.2"
    assert routes(simulation, "u")["10.0.0.0/24"] == "10.0.3.1"


def test_a_configured_route_goes_before_a_computed_one(simulation: Simulation) -> None:
    """The way back leads over t."""
    build(simulation, "ab", "rst", "", "ar", "rs", "rt", "ts", "sb")
    assign_addresses(simulation)
    simulation.machines["s"].add_route(
        Prefix.parse("10.0.0.0/24"), via=simulation.machines["t"].cards["eth1"].addresses[0].address
    )
    assign_routes(simulation)
    wires = simulation.wires
    assert reach(simulation, [("a", "b")]) == [("a", "b")]
    assert wires["r-s"].forward.statistics.sent > wires["r-s"].backward.statistics.sent
    assert wires["t-s"].backward.statistics.sent > wires["t-s"].forward.statistics.sent


def test_what_is_not_connected_is_not_reached(simulation: Simulation) -> None:
    build(simulation, "abcd", "rs", "", "ar", "rb", "cs", "sd")
    assign_addresses(simulation)
    assign_routes(simulation)
    assert routes(simulation, "r") == {}
    assert list(routes(simulation, "a")) == ["0.0.0.0/0"]
