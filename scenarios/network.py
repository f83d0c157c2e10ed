"""The network of a scenario, whole: generated, read and written nodes and links together, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from links.impairments.spec import PERFECT, Impairments
from scenarios.graphs import Graph, GraphError, generate, read
from scenarios.names import Declared
from scenarios.problems import did_you_mean
from scenarios.schema.routes import Route
from scenarios.schema.settings import StackSettings
from scenarios.schema.topology import Link, Node, SwitchNode, Topology
from scenarios.validation import Mistake, mistakes
from scenarios.yaml_reader import Place
from stack.wire.address import InterfaceAddress

Report: TypeAlias = Callable[[Mistake], None]
"""Takes one mistake."""


@dataclass(slots=True)
class NetworkLink:
    """A wire between two nodes."""

    name: str
    ends: tuple[str, str]
    forward: Impairments
    backward: Impairments
    cost: int
    place: Place
    mtu: int = 1500
    addresses: dict[str, tuple[InterfaceAddress, ...]] = field(default_factory=dict)
    """The given ones, by node."""
    given: dict[str, Place] = field(default_factory=dict)
    """Where these stand."""


@dataclass(slots=True)
class NetworkNode:
    """A machine or a switch."""

    name: str
    kind: str
    place: Place
    stack: StackSettings = field(default_factory=StackSettings)
    routes: tuple[Route, ...] = ()
    links: list[NetworkLink] = field(default_factory=list)

    @property
    def is_switch(self) -> bool:
        """Whether it has no stack."""
        return self.kind == "switch"

    @property
    def is_router(self) -> bool:
        """Whether it forwards."""
        return self.kind == "router"


@dataclass(slots=True)
class Lan:
    """Machines that reach each other without a router: one wire, or several joined by switches."""

    links: list[NetworkLink]
    members: list[tuple[NetworkNode, NetworkLink]]


@dataclass
class Network:
    """Nodes and links, in the order of the file; they are all there before anything is asked."""

    nodes: dict[str, NetworkNode] = field(default_factory=dict)
    links: dict[str, NetworkLink] = field(default_factory=dict)

    @cached_property
    def lans(self) -> list[Lan]:
        """The networks in the sense of IP, in the order of their first links."""
        result = []
        seen: set[str] = set()
        for link in self.links.values():
            if link.name in seen:
                continue
            links = [link]
            seen.add(link.name)
            for member in links:  # grows while it is walked
                for end in member.ends:
                    node = self.nodes[end]
                    if node.is_switch:
                        fresh = [other for other in node.links if other.name not in seen]
                        seen.update(other.name for other in fresh)
                        links += fresh
            members = [
                (self.nodes[end], member)
                for member in links
                for end in member.ends
                if not self.nodes[end].is_switch
            ]
            result.append(Lan(links, members))
        return result

    @cached_property
    def _beside(self) -> dict[str, list[Lan]]:
        """The networks that each machine is on."""
        beside: dict[str, list[Lan]] = {name: [] for name in self.nodes}
        for lan in self.lans:
            for node, _ in lan.members:
                beside[node.name].append(lan)
        return beside

    def neighbours(self, node: NetworkNode) -> set[str]:
        """The machines that share a network with ``node``."""
        return {
            other.name for lan in self._beside[node.name] for other, _ in lan.members if other is not node
        }

    def way(self, start: NetworkNode, target: NetworkNode) -> NetworkLink | None:
        """The link of ``target`` at which the way from ``start`` ends that leads over the fewest routers; None
        if there is no way through routers and switches alone.
        """
        met = {start.name}
        frontier = [start]
        for node in frontier:  # grows while it is walked
            for lan in self._beside[node.name]:
                for other, link in lan.members:
                    if other is target:
                        return link
                    if other.name not in met:
                        met.add(other.name)
                        if other.is_router:
                            frontier.append(other)
        return None


def assemble(topology: Topology, directory: Path, declared: Declared, report: Report) -> Network:
    """Put the parts of a topology together. What is wrong with them goes to ``report``, and is left out.

    ``declared`` has the names of the nodes that are in ``topology``, or would be there if they were right.
    """
    return _Assembly(topology, directory, declared, report).network


def lay_over(
    base: Impairments, change: Mapping[str, Any], place: Place, directory: Path, report: Report
) -> Impairments:
    """``base`` with ``change``, which stands at ``place``; ``base`` itself if that makes no sense."""
    try:
        return base.changed(change, str(directory))
    except ValidationError as error:
        for mistake in mistakes(error, Impairments, change):
            report(mistake._replace(place=place + mistake.place))
    except ValueError as error:
        report(Mistake(place, str(error)))
    return base


class _Assembly:
    def __init__(self, topology: Topology, directory: Path, declared: Declared, report: Report) -> None:
        self.network = Network()
        self._declared = declared
        self._directory = directory
        self._report = report
        if (generator := topology.generator) is not None:
            self._add_graph(lambda: generate(generator), generator.link, ("topology", "generator"))
        if (file := topology.file) is not None:
            self._add_graph(lambda: read(file, directory), file.link, ("topology", "file"))
        for name, spec in topology.nodes.items():
            self.network.nodes[name] = _node(name, spec)
        for name, link in topology.links.items():
            self._add_written(name, link)
        for node in self.network.nodes.values():
            if not node.kind:
                node.kind = "host" if len(node.links) <= 1 else "router"
        for name, spec in topology.nodes.items():
            if not isinstance(spec, SwitchNode) and spec.addresses:
                self._give_to_node(self.network.nodes[name], spec.addresses)
        for name, link in topology.links.items():
            if name in self.network.links:
                self._give_to_ends(self.network.links[name], link.addresses)

    def _add_graph(self, make: Callable[[], Graph], defaults: Mapping[str, Any], place: Place) -> None:
        try:
            graph = make()
        except GraphError as error:
            self._report(Mistake(place, str(error)))
            return
        usual = lay_over(PERFECT, defaults, (*place, "link"), self._directory, self._report)
        for name in graph.nodes:
            self.network.nodes[name] = NetworkNode(name, "", place)
        for name, link in graph.links.items():
            forward = lay_over(usual, link.forward, place, self._directory, self._report)
            backward = (
                forward
                if link.backward == link.forward
                else lay_over(usual, link.backward, place, self._directory, self._report)
            )
            self._add(NetworkLink(name, link.ends, forward, backward, 1, place))

    def _add_written(self, name: str, link: Link) -> None:
        place: Place = ("topology", "links", name)
        both = lay_over(PERFECT, link.both, (*place, "both"), self._directory, self._report)
        forward = lay_over(both, link.forward, (*place, "forward"), self._directory, self._report)
        backward = lay_over(both, link.backward, (*place, "backward"), self._directory, self._report)
        nodes = self.network.nodes
        for index, end in enumerate(link.between):
            if end not in nodes and end not in self._declared.nodes and self._knows_all:
                text = f"unknown node `{end}`{did_you_mean(end, [*nodes, *self._declared.nodes])}"
                self._report(Mistake((*place, "between", index), text))
        if all(end in nodes for end in link.between):
            self._add(NetworkLink(name, link.between, forward, backward, link.cost, place, link.mtu))

    @property
    def _knows_all(self) -> bool:
        """Whether a node that is not there is a mistake: not if the generator or the file failed."""
        return len(self.network.nodes) > len(self._declared.nodes) or not self._declared.more_nodes

    def _add(self, link: NetworkLink) -> None:
        if old := self.network.links.get(link.name):
            for end in old.ends:
                self.network.nodes[end].links.remove(old)
        self.network.links[link.name] = link
        for end in link.ends:
            self.network.nodes[end].links.append(link)

    def _give_to_node(self, node: NetworkNode, addresses: Iterable[InterfaceAddress]) -> None:
        if len(node.links) == 1:
            self._give(node.links[0], node.name, addresses, (*node.place, "addresses"))
        else:
            text = f"`{node.name}` has {len(node.links)} links; give its addresses at these"
            self._report(Mistake((*node.place, "addresses"), text))

    def _give_to_ends(self, link: NetworkLink, given: Mapping[str, Iterable[InterfaceAddress]]) -> None:
        for end, addresses in given.items():
            place = (*link.place, "addresses", end)
            if end not in link.ends:
                text = f"`{end}` is no end of this link{did_you_mean(end, link.ends)}"
                self._report(Mistake(place, text, of_key=True))
            elif self.network.nodes[end].is_switch:
                self._report(Mistake(place, f"`{end}` is a switch, which has no address", of_key=True))
            else:
                self._give(link, end, addresses, place)

    @staticmethod
    def _give(link: NetworkLink, end: str, addresses: Iterable[InterfaceAddress], place: Place) -> None:
        link.addresses[end] = tuple(addresses)
        link.given[end] = place


def _node(name: str, spec: Node) -> NetworkNode:
    place = ("topology", "nodes", name)
    if isinstance(spec, SwitchNode):
        return NetworkNode(name, spec.kind, place)
    return NetworkNode(name, spec.kind, place, spec.stack, spec.routes)
