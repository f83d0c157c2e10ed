"""Addresses and routes for those who do not want to think of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from links.simulated.machine import Machine, NetworkCard
from links.simulated.simulation import Simulation, TopologyError
from stack.wire.address import InterfaceAddress, Prefix, is_link_local

if TYPE_CHECKING:
    import networkx

IPV4_POOL = Prefix.parse("10.0.0.0/8")
IPV6_POOL = Prefix.parse("fd00::/48")
SUBNET_LENGTHS = {4: 24, 16: 64}
"""By the size of an address; an IPv4 subnet with more interfaces is larger."""
IPV6_MINIMUM_MTU = 1280

COMPUTED_METRIC = 1024
"""Of a computed route, so that configured ones go before it."""
_Vertex: TypeAlias = str | Prefix
"""A machine or a subnet."""
EVERYWHERE = {4: Prefix.parse("0.0.0.0/0"), 16: Prefix.parse("::/0")}


@dataclass(frozen=True, slots=True)
class Attachment:
    """An interface of a machine, as part of a segment."""

    machine: Machine
    card: NetworkCard

    def addresses(self, size: int) -> list[InterfaceAddress]:
        """Its addresses of one family, without link-local ones."""
        return [
            item
            for item in self.card.addresses
            if len(item.address) == size and not is_link_local(item.address)
        ]


def segments(simulation: Simulation) -> list[list[Attachment]]:
    """The interfaces that reach each other without a router, in the order in which they were connected."""
    found: dict[str, list[Attachment]] = {}
    cards = {
        card.end: Attachment(machine, card)
        for machine in simulation.machines.values()
        for card in machine.cards.values()
    }
    for wire in simulation.wires.values():
        switches = [end.node for end in wire.ends if end.node in simulation.switches]
        key = f"switch {simulation.segment_of(switches[0])}" if switches else f"wire {wire.name}"
        found.setdefault(key, []).extend(cards[end] for end in wire.ends if end in cards)
    return list(found.values())


def assign_addresses(
    simulation: Simulation, ipv4: Prefix | None = IPV4_POOL, ipv6: Prefix | None = IPV6_POOL
) -> None:
    """Give each interface that has none an address of each family: in the prefix of its segment, or in the
    next free subnet of the pool.

    Raises :class:`TopologyError` when a pool or a prefix is used up. A segment whose MTU is too small for IPv6
    gets none (RFC 8200 5).
    """
    for pool in (ipv4, ipv6):
        if pool is not None:
            _assign(simulation, pool)


def _assign(simulation: Simulation, pool: Prefix) -> None:
    size = len(pool.address)
    members = segments(simulation)
    given = [item.prefix for segment in members for each in segment for item in each.addresses(size)]
    subnets = _Subnets(pool, given)
    for segment in members:
        missing = [each for each in segment if not each.addresses(size)]
        if not missing or (size == 16 and any(each.card.wire.mtu < IPV6_MINIMUM_MTU for each in segment)):
            continue
        present = [item for each in segment for item in each.addresses(size)]
        prefix = present[0].prefix if present else subnets.take(len(segment))
        free = _free_addresses(prefix, {item.address for item in present}, len(missing))
        for each, address in zip(missing, free, strict=True):
            each.machine.add_address(each.card.name, InterfaceAddress(address, prefix.length))


def _free_addresses(prefix: Prefix, used: set[bytes], wanted: int) -> list[bytes]:
    size = len(prefix.address)
    network = int.from_bytes(prefix.address, "big")
    last = 1 << 8 * size - prefix.length
    if size == 4:
        last -= 1  # the broadcast address
    free: list[bytes] = []
    number = 1
    while len(free) < wanted:
        if number >= last:
            raise TopologyError(f"{prefix} has no address left")
        address = (network + number).to_bytes(size, "big")
        if address not in used:
            free.append(address)
        number += 1
    return free


class _Subnets:
    """The subnets of a pool, one after the other, without those that overlap with given ones."""

    def __init__(self, pool: Prefix, given: list[Prefix]) -> None:
        self._pool = pool
        self._given = given
        self._bits = 8 * len(pool.address)
        self._next = int.from_bytes(pool.address, "big")
        self._end = self._next + (1 << self._bits - pool.length)

    def take(self, interfaces: int) -> Prefix:
        """The next one that has room for so many interfaces."""
        size = len(self._pool.address)
        length = min(SUBNET_LENGTHS[size], self._bits - (interfaces + 1).bit_length())
        step = 1 << self._bits - length
        while True:
            start = -(-self._next // step) * step
            self._next = start + step
            if self._next > self._end:
                raise TopologyError(f"{self._pool} has no room for another subnet")
            subnet = Prefix(start.to_bytes(size, "big"), length)
            if not any(_overlap(subnet, other) for other in self._given):
                return subnet


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.contains(other.address) or other.contains(one.address)


def assign_routes(simulation: Simulation) -> None:
    """Give each machine routes to every subnet that it can reach, over the paths that cost least.

    A wire costs its ``weight`` to whoever sends into it. A machine that does not forward and whose routes would
    all lead to the same router gets a default route instead. Of equally short paths the one that was built
    first is taken.
    """
    routers = [machine for machine in simulation.machines.values() if machine.config.ip.forwarding]
    if not routers:
        return
    for size in EVERYWHERE:
        _route(simulation, size)


def _route(simulation: Simulation, size: int) -> None:
    import networkx  # takes most of a second, and most simulations have no router

    # Towards a destination: edges lead from a subnet to the routers that can send into it, and from a router
    # to the subnets it can be reached through.
    graph: networkx.DiGraph[_Vertex] = networkx.DiGraph()
    gateways: dict[tuple[_Vertex, _Vertex], bytes] = {}
    own: dict[str, dict[Prefix, float]] = {name: {} for name in simulation.machines}
    """The subnets of each machine, and what its wire into each costs."""
    for segment in segments(simulation):
        for each in segment:
            name = each.machine.name
            for item in each.addresses(size):
                graph.add_node(item.prefix)
                own[name].setdefault(item.prefix, each.card.wire.weight)
                if each.machine.config.ip.forwarding:
                    graph.add_edge(item.prefix, name, weight=each.card.wire.weight)
                    graph.add_edge(name, item.prefix, weight=0)
                    gateways.setdefault((name, item.prefix), item.address)
    subnets = [node for node in graph if isinstance(node, Prefix)]
    order: dict[_Vertex, int] = {subnet: index for index, subnet in enumerate(subnets)}
    hops: dict[str, dict[Prefix, bytes]] = {}
    wanderers = []
    for name, machine in simulation.machines.items():
        ways_out = {gateways[router, subnet] for subnet in own[name] for router in graph[subnet]}
        if machine.config.ip.forwarding or len(ways_out) > 1:
            wanderers.append(name)
        elif ways_out:
            hops[name] = {EVERYWHERE[size]: ways_out.pop()}
    for source, destinations in _sources(graph, subnets).items():
        before, distance = networkx.dijkstra_predecessor_and_distance(graph, source)
        for name in wanderers:
            routers = {
                subnet: [router for router in before[subnet] if router != name]
                for subnet in own[name]
                if subnet in distance
            }
            near = [subnet for subnet in routers if routers[subnet]]
            if name == source or not near:
                continue
            subnet = min(near, key=lambda near: (distance[near] + own[name][near], order[near]))
            for destination in destinations:
                if destination not in own[name]:
                    hops.setdefault(name, {})[destination] = gateways[routers[subnet][0], subnet]
    for name, ways in hops.items():
        machine = simulation.machines[name]
        if not machine.config.ip.forwarding and len(set(ways.values())) == 1:
            ways = {EVERYWHERE[size]: next(iter(ways.values()))}
        for prefix, via in ways.items():
            machine.add_route(prefix, via=via, metric=COMPUTED_METRIC)


def _sources(graph: networkx.DiGraph[_Vertex], subnets: list[Prefix]) -> dict[_Vertex, list[Prefix]]:
    """From where to look for the paths to each subnet: what has a single router is where that router is."""
    sources: dict[_Vertex, list[Prefix]] = {}
    for subnet in subnets:
        routers = list(graph[subnet])
        sources.setdefault(routers[0] if len(routers) == 1 else subnet, []).append(subnet)
    return sources
