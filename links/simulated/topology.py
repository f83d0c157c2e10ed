"""Networks from graphs: networkx generators, GraphML and GML files (Topology Zoo's, Shadow's), graphs of one's own.

networkx takes most of a second to import, so that is left until there is a graph.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args
from xml.etree.ElementTree import ParseError

from pydantic import ValidationError

from links.impairments.spec import PERFECT, Impairments
from links.simulated.simulation import DEFAULTS, Simulation, TopologyError
from stack.config import HostConfig

if TYPE_CHECKING:
    import networkx

    Graph: TypeAlias = networkx.Graph[Any]

Kind: TypeAlias = Literal["host", "router", "switch"]

SYNONYMS = {"latency": "delay", "bandwidth": "rate", "capacity": "rate", "packet_loss": "loss"}
"""What others call our impairments: Shadow, and those who draw graphs."""
NEVER_PARAMETERS = {"create_using", "backend"}
EARTH_RADIUS = 6_371_000
"""Metres."""
LIGHT_IN_FIBRE = 200_000_000
"""Metres per second."""


@dataclass(frozen=True, slots=True)
class TopologyLink:
    """A wire to be."""

    a: str
    b: str
    forward: Impairments
    backward: Impairments | None
    """None: as forward."""
    weight: float


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes by name, and the links between them."""

    nodes: dict[str, Kind]
    links: list[TopologyLink]

    def build(self, simulation: Simulation, config: HostConfig = DEFAULTS) -> None:
        """Add all of it to a simulation. Raises :class:`TopologyError` as that does."""
        for name, kind in self.nodes.items():
            if kind == "switch":
                simulation.switch(name)
            elif kind == "router":
                simulation.router(name, config)
            else:
                simulation.host(name, config)
        for link in self.links:
            simulation.connect(
                link.a, link.b, forward=link.forward, backward=link.backward, weight=link.weight
            )


def generate(name: str, parameters: Mapping[str, Any], random: Random) -> Graph:
    """What a graph generator of networkx makes: ``star``, ``barbell``, ``grid_2d``, ``watts_strogatz`` ...

    A generator with a ``seed`` takes its chance from ``random`` if none is given. Raises :class:`TopologyError`.
    """
    import networkx

    function = getattr(networkx, f"{name}_graph", None) or getattr(networkx, name, None)
    if not callable(function) or not function.__module__.startswith("networkx.generators."):
        raise TopologyError(
            f"networkx has no graph generator {name!r}; among others it has star, barbell and grid_2d"
        )
    known = {
        item.name
        for item in inspect.signature(function).parameters.values()
        if item.kind is not inspect.Parameter.VAR_KEYWORD and item.name not in NEVER_PARAMETERS
    }
    if unknown := sorted(parameters.keys() - known):
        raise TopologyError(f"{name} takes {', '.join(sorted(known))}, but not {', '.join(unknown)}")
    chance = {"seed": random} if "seed" in known else {}
    try:
        graph: Graph = function(**{**chance, **parameters})
    except (TypeError, ValueError, networkx.NetworkXException) as error:
        raise TopologyError(f"{name}: {error}") from None
    return graph


def load(path: Path) -> Graph:
    """A graph from a file: GraphML (``.graphml``, ``.xml``) or GML (``.gml``).

    Raises :class:`TopologyError` if it is none, OSError if it cannot be read.
    """
    import networkx

    try:
        if path.suffix.lower() in (".graphml", ".xml"):
            graph: Graph = networkx.read_graphml(path)
        elif path.suffix.lower() == ".gml":
            graph = networkx.read_gml(path, label="id")
        else:
            raise TopologyError(f"{path} is neither GraphML (.graphml) nor GML (.gml) by its name")
    except (networkx.NetworkXException, ParseError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise TopologyError(f"{path}: {error}") from None
    return graph


def from_graph(graph: Graph, *, defaults: Impairments = PERFECT) -> Topology:
    """The network that a graph stands for.

    A node is what its attribute ``kind`` says (host, router, switch), or else a host if it has one neighbour and
    a router if it has several. It is named by its ``label``, if all nodes have different ones.

    An edge is a wire. Its attributes that have the name of an impairment, or one of :data:`SYNONYMS`, or
    ``jitter``, are its impairments, over ``defaults``; ``weight`` is its cost. In a directed graph an edge is one
    direction of a wire, if there is another back. Topology Zoo's ``LinkSpeedRaw`` (bit/s) is a rate, and
    an edge without a delay between nodes with ``Longitude`` and ``Latitude`` has that of light in a fibre.
    Edges from a node to itself, which Shadow wants, are left out.

    Raises :class:`TopologyError`.
    """
    names = _names(graph)
    nodes = {name: _kind(graph, node, name) for node, name in names.items()}
    links = []
    for a, b, there, back in _pairs(graph):
        where = f"edge {names[a]}-{names[b]}"
        light = _light_delay(graph.nodes[a], graph.nodes[b])
        forward = _impairments(where, there, light, defaults)
        backward = None if back is None else _impairments(where, back, light, defaults)
        links.append(TopologyLink(names[a], names[b], forward, backward, _weight(where, there)))
    return Topology(nodes, links)


def _names(graph: Graph) -> dict[Hashable, str]:
    labels = {node: data["label"] for node, data in graph.nodes(data=True) if data.get("label")}
    distinct = {label for label in labels.values() if isinstance(label, str)}
    return labels if len(distinct) == len(graph) else {node: _name(node) for node in graph}


def _name(node: Hashable) -> str:
    """``n3`` for 3, ``n2-0`` for (2, 0), as generators number their nodes."""
    if isinstance(node, str):
        return node
    parts = node if isinstance(node, tuple) else (node,)
    return "n" + "-".join(str(part) for part in parts)


def _kind(graph: Graph, node: Hashable, name: str) -> Kind:
    import networkx

    neighbours = set(networkx.all_neighbors(graph, node)) - {node}
    kind: Kind = "router" if len(neighbours) > 1 else "host"
    kind = graph.nodes[node].get("kind", kind)
    if kind not in get_args(Kind):
        raise TopologyError(f"node {name} is a {kind!r}, which is none of {', '.join(get_args(Kind))}")
    return kind


_Attributes: TypeAlias = Mapping[str, Any]


def _pairs(graph: Graph) -> list[tuple[Hashable, Hashable, _Attributes, _Attributes | None]]:
    """Each wire as its nodes, the attributes forward, and those backward if the graph has them."""
    pairs: list[tuple[Hashable, Hashable, _Attributes, _Attributes | None]] = []
    single: dict[tuple[Hashable, Hashable], list[int]] = {}
    for a, b, data in graph.edges(data=True):
        if a == b:
            continue
        if graph.is_directed() and single.get((b, a)):
            index = single[b, a].pop(0)
            pairs[index] = (*pairs[index][:3], data)
        else:
            single.setdefault((a, b), []).append(len(pairs))
            pairs.append((a, b, data, None))
    return pairs


def _impairments(
    where: str, attributes: _Attributes, light: int | None, defaults: Impairments
) -> Impairments:
    """What an edge's attributes say; ``light`` is the delay (ns) if they say nothing."""
    given: dict[str, Any] = {}
    if light is not None and defaults.delay is None:
        given["delay"] = f"{light}ns"
    if "LinkSpeedRaw" in attributes:
        given["rate"] = f"{float(attributes['LinkSpeedRaw']):.0f}bit/s"
    for key, value in attributes.items():
        name = SYNONYMS.get(key, key)
        if name in Impairments.model_fields:
            given[name] = value
    if "jitter" in attributes:
        given["delay"] = {"time": given.get("delay", 0), "jitter": attributes["jitter"]}
    try:
        return defaults.changed(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise TopologyError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _weight(where: str, attributes: _Attributes) -> float:
    weight = attributes.get("weight", 1)
    if not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
        raise TopologyError(f"{where}: weight: {weight!r} is not a number from 0")
    return weight


def _light_delay(one: _Attributes, other: _Attributes) -> int | None:
    """Of light in a fibre along the great circle, in whole microseconds as ns; None if it is not known where."""
    try:
        places = [
            (math.radians(float(node["Latitude"])), math.radians(float(node["Longitude"])))
            for node in (one, other)
        ]
    except (KeyError, TypeError, ValueError):
        return None
    (north, east), (north_2, east_2) = places
    haversine = (
        math.sin((north_2 - north) / 2) ** 2
        + math.cos(north) * math.cos(north_2) * math.sin((east_2 - east) / 2) ** 2
    )
    distance = 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, haversine)))
    return round(distance / LIGHT_IN_FIBRE * 1e6) * 1000
