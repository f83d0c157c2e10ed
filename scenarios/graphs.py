"""Graphs that are generated or read from files, as nodes and links with names."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.schema.base import is_name
from scenarios.schema.generators import MAX_NODES
from scenarios.schema.generators import Generator as GeneratedTopology
from scenarios.schema.topology import GraphFile

if TYPE_CHECKING:
    import networkx

MAX_FILE = 64 << 20
"""Bytes of a graph file."""
MAX_LINKS = 50_000
_NANOSECONDS_PER_KM = 5_000
"""Light in fibre: two thirds of its speed in vacuum."""
_EARTH_RADIUS_KM = 6371


class GraphError(ValueError):
    """No topology can be had from these parameters or this file."""


@dataclass(slots=True)
class GraphLink:
    """One edge: two names, and what each direction is said to be."""

    ends: tuple[str, str]
    forward: dict[str, Any]
    backward: dict[str, Any]


@dataclass(slots=True)
class Graph:
    """Names of nodes, and links by name."""

    nodes: list[str] = field(default_factory=list)
    links: dict[str, GraphLink] = field(default_factory=dict)

    def add(self, link: GraphLink) -> None:
        """Add a link under the name of its ends, with a number if there is one between them already."""
        base = name = "-".join(link.ends)
        number = 1
        while name in self.links:
            number += 1
            name = f"{base}-{number}"
        self.links[name] = link


def generate(generator: GeneratedTopology) -> Graph:
    """The topology of a generator. Raises GraphError."""
    import networkx

    try:
        source = generator.graph()
    except networkx.NetworkXException as error:
        raise GraphError(f"networkx: {error}") from None
    return _convert(source, {node: _generated_name(node) for node in source})


def read(file: GraphFile, directory: Path) -> Graph:
    """The topology in a GraphML or GML file. Raises GraphError."""
    path = directory / file.path
    source = _parse(path)
    return _convert(source, _names_by_label(source))


def _parse(path: Path) -> networkx.Graph[Any]:
    import networkx

    kind = path.suffix.lower()
    if kind not in (".graphml", ".gml"):
        raise GraphError(f"{path} is neither .graphml nor .gml")
    try:
        size = path.stat().st_size
        if size <= MAX_FILE:
            return networkx.read_gml(path, label="id") if kind == ".gml" else networkx.read_graphml(path)
    except OSError as error:
        raise GraphError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:  # networkx's parsers let whatever their text provokes escape
        raise GraphError(f"{path} is no graph that networkx can read: {error}") from None
    raise GraphError(f"{path} is larger than {MAX_FILE >> 20} MiB")


def _convert(source: networkx.Graph[Any], names: Mapping[Hashable, str]) -> Graph:
    if source.number_of_nodes() > MAX_NODES or source.number_of_edges() > MAX_LINKS:
        raise GraphError(f"a topology has at most {MAX_NODES} nodes and {MAX_LINKS} links")
    graph = Graph(nodes=[names[node] for node in source])
    pending: dict[tuple[str, str], GraphLink] = {}
    for one, other, attributes in source.edges(data=True):
        if one == other:
            continue  # Shadow's way to say what a node's traffic with itself meets
        ends = names[one], names[other]
        impairments = dict(_impairments(attributes, source.nodes[one], source.nodes[other]))
        opposite = pending.pop((ends[1], ends[0]), None) if source.is_directed() else None
        if opposite is not None:
            opposite.backward = impairments
            continue
        link = GraphLink(ends, impairments, impairments)
        if source.is_directed():
            pending[ends] = link
        graph.add(link)
    return graph


def _generated_name(node: Any) -> str:
    return "n" + ("_".join(map(str, node)) if isinstance(node, tuple) else str(node))


def _names_by_label(source: networkx.Graph[Any]) -> dict[Hashable, str]:
    """Labels made into names, if that leaves them distinct; else the ids."""
    for attribute in ("label", None):
        names = {
            node: _as_name(str(data.get(attribute, "") if attribute else node))
            for node, data in source.nodes(data=True)
        }
        if all(names.values()) and len(set(names.values())) == len(names):
            return names
    raise GraphError("its nodes have no distinct names")


def _as_name(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:60]
    if name and not is_name(name):
        name = f"n{name}"
    return name


def _impairments(
    edge: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """What the attributes of an edge say, in the words of a scenario."""
    said = {key.lower(): value for key, value in edge.items() if value not in (None, "")}
    latency = said.get("latency", said.get("delay"))
    delay = _milliseconds(latency) if latency is not None else _light(one, other)
    if delay is not None:
        jitter = _milliseconds(said.get("jitter", 0))
        yield "delay", delay if jitter in ("0ms", "0 ms", "0.0ms") else {"time": delay, "jitter": jitter}
    if loss := said.get("packet_loss", said.get("packetloss")):
        yield "loss", str(loss)
    if speed := said.get("linkspeedraw"):
        yield "rate", f"{round(float(speed))}bit/s"
    elif rate := said.get("bandwidth"):
        yield "rate", str(rate) if isinstance(rate, str) else f"{round(float(rate))}bit/s"


def _milliseconds(value: object) -> str:
    """A time as Shadow writes it: text with a unit, or a number of milliseconds."""
    return value if isinstance(value, str) else f"{value}ms"


def _light(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """How long light takes between two nodes of the Topology Zoo, in whole microseconds."""
    places = []
    for node in (one, other):
        said = {key.lower(): value for key, value in node.items()}
        if "latitude" not in said or "longitude" not in said:
            return None
        places.append((math.radians(float(said["latitude"])), math.radians(float(said["longitude"]))))
    (latitude, longitude), (other_latitude, other_longitude) = places
    haversine = (
        math.sin((other_latitude - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(other_latitude) * math.sin((other_longitude - longitude) / 2) ** 2
    )
    kilometres = 2 * _EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(haversine)))
    return f"{round(kilometres * _NANOSECONDS_PER_KM / 1000)}us"
