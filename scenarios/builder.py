"""From a checked scenario to a network that stands there, ready to run."""

from __future__ import annotations

from dataclasses import dataclass

from links.simulated.addressing import IPV4_POOL, IPV6_POOL, assign_addresses, assign_routes
from links.simulated.machine import Machine
from links.simulated.simulation import Simulation, TopologyError
from scenarios.addressing import BYTES
from scenarios.loading import LoadedScenario
from scenarios.problems import Problem, ScenarioError
from scenarios.schema.routes import Route
from scenarios.schema.traffic import AnyFlow
from scenarios.yaml_reader import Place
from stack.config import HostConfig
from stack.wire.address import Prefix, format_address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server of a flow is to be found."""

    address: str
    port: int


def build(scenario: LoadedScenario, seed: int) -> Simulation:
    """The simulated network of ``scenario``, with all addresses and the computed routes.

    Raises:
        ScenarioError: what only shows when all addresses are known.
    """
    topology = scenario.model.topology
    simulation = Simulation(seed, checksum_offload=topology.checksum_offload)
    try:
        _add_nodes(simulation, scenario)
        _add_links(simulation, scenario)
        families = topology.families
        assign_addresses(
            simulation, IPV4_POOL if "ipv4" in families else None, IPV6_POOL if "ipv6" in families else None
        )
        if topology.routing == "shortest_path":
            assign_routes(simulation)
    except TopologyError as error:
        raise ScenarioError([Problem(scenario.where(("topology",)), str(error))]) from None
    return simulation


def add_routes(scenario: LoadedScenario, simulation: Simulation) -> None:
    """Give the machines the routes that the scenario writes down.

    Raises:
        ScenarioError: with all that lead nowhere.
    """
    problems = []
    for node in scenario.network.nodes.values():
        for index, route in enumerate(node.routes):
            machine = simulation.machines[node.name]
            try:
                for each in resolve_route(
                    scenario, simulation, machine, route, (*node.place, "routes", index)
                ):
                    machine.add_route(each.prefix, via=each.via)
            except ScenarioError as error:
                problems += error.problems
    if problems:
        raise ScenarioError(problems)


def _add_nodes(simulation: Simulation, scenario: LoadedScenario) -> None:
    config = scenario.model.stack.apply(HostConfig())
    for node in scenario.network.nodes.values():
        if node.is_switch:
            simulation.switch(node.name)
        elif node.is_router:
            simulation.router(node.name, node.stack.apply(config))
        else:
            simulation.host(node.name, node.stack.apply(config))


def _add_links(simulation: Simulation, scenario: LoadedScenario) -> None:
    for link in scenario.network.links.values():
        first, second = link.ends
        simulation.connect(
            first,
            second,
            name=link.name,
            forward=link.forward,
            backward=link.backward,
            addresses=(link.addresses.get(first, ()), link.addresses.get(second, ())),
            mtu=link.mtu,
            weight=link.cost,
        )


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """A route in addresses."""

    prefix: Prefix
    via: bytes


def resolve_route(
    scenario: LoadedScenario, simulation: Simulation, machine: Machine, route: Route, place: Place
) -> list[ResolvedRoute]:
    """A written route in addresses: several if ``to`` is a node, one for each of its addresses.

    Raises:
        ScenarioError: it leads nowhere.
    """
    if isinstance(route.to, Prefix):
        prefixes = [route.to]
    else:
        prefixes = [Prefix(each, 8 * len(each)) for each in addresses_of(simulation.machines[route.to])]
        if isinstance(route.via, bytes):
            prefixes = [each for each in prefixes if len(each.address) == len(route.via)]
    gateways = [route.via] if isinstance(route.via, bytes) else addresses_of(simulation.machines[route.via])
    networks = [each.prefix for card in machine.cards.values() for each in card.addresses]
    near = [each for each in gateways if any(network.contains(each) for network in networks)]
    if not near:
        via = format_address(route.via) if isinstance(route.via, bytes) else f"`{route.via}`"
        text = f"{via} is on no network of `{machine.name}`"
        raise ScenarioError([Problem(scenario.where((*place, "via")), text)])
    resolved = [
        ResolvedRoute(prefix, next(each for each in near if len(each) == len(prefix.address)))
        for prefix in prefixes
        if any(len(each) == len(prefix.address) for each in near)
    ]
    if not resolved:
        text = "its destination and its gateway are of different address families"
        raise ScenarioError([Problem(scenario.where((*place, "via")), text)])
    return resolved


def addresses_of(machine: Machine) -> list[bytes]:
    """The configured addresses of a machine, interface by interface."""
    return [each.address for card in machine.cards.values() for each in card.addresses]


def endpoints(scenario: LoadedScenario, simulation: Simulation) -> dict[str, Endpoint]:
    """Address and port of the server of each flow: given ones, else the usual or next free ones.

    Raises:
        ScenarioError: with all servers that have no address of the family that is asked for.
    """
    traffic = scenario.model.traffic
    taken = {(flow.target, flow.port) for flow in traffic.values() if flow.port is not None}
    found = {}
    problems = []
    for name, flow in traffic.items():
        port = flow.port
        if port is None:
            port = flow.default_port
            while (flow.target, port) in taken:
                port += 1
            taken.add((flow.target, port))
        address = _address(scenario, simulation, flow)
        if address is None:
            text = f"`{flow.target}` has no {flow.family or 'IP'} address"
            problems.append(Problem(scenario.where(("traffic", name, "to")), text))
        else:
            found[name] = Endpoint(address, port)
    if problems:
        raise ScenarioError(problems)
    return found


def _address(scenario: LoadedScenario, simulation: Simulation, flow: AnyFlow) -> str | None:
    """An address of the server: at the link at which the client comes upon it, if it has one of the family there."""
    nodes = scenario.network.nodes
    link = scenario.network.way(nodes[flow.source], nodes[flow.target])
    addresses = [
        (link is not None and card.wire.name != link.name, len(each.address), each.address)
        for card in simulation.machines[flow.target].cards.values()
        for each in card.addresses
        if flow.family is None or len(each.address) == BYTES[flow.family]
    ]
    return format_address(min(addresses, key=lambda entry: entry[:2])[2]) if addresses else None
