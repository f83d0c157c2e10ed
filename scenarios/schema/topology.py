"""``topology``: machines, switches and the links between them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from links.impairments.model import ShortModel
from links.units import Size
from scenarios.schema.base import GivenAddress, Model, Name, OneOrMore, mistake
from scenarios.schema.generators import Generator
from scenarios.schema.impairments import PartialImpairments
from scenarios.schema.routes import Route
from scenarios.schema.settings import StackSettings

Family: TypeAlias = Literal["ipv4", "ipv6"]


class _Machine(Model):
    """A machine with a stack."""

    addresses: Annotated[tuple[GivenAddress, ...], OneOrMore] = ()
    """Of a machine with one link; where there are more, the addresses are given at the links."""
    routes: tuple[Route, ...] = ()
    """In place of the computed routes to the same destinations."""
    stack: StackSettings = StackSettings()
    """Settings of this machine, over those of all."""


class HostNode(_Machine):
    """An end system: it forwards nothing."""

    kind: Literal["host"]


class RouterNode(_Machine):
    """A machine that forwards; it can be the end of traffic as well."""

    kind: Literal["router"]


class SwitchNode(Model):
    """A learning switch: what is connected through switches alone is one network."""

    kind: Literal["switch"]


Node: TypeAlias = Annotated[HostNode | RouterNode | SwitchNode, Field(discriminator="kind")]


class Link(Model):
    """A wire between two nodes. Forward is from the first to the second."""

    between: tuple[Name, Name]
    """The two nodes."""
    both: PartialImpairments = Field(default_factory=dict)
    """Impairments of both directions, each on its own."""
    forward: PartialImpairments = Field(default_factory=dict)
    """Laid over ``both`` in the direction from the first node to the second."""
    backward: PartialImpairments = Field(default_factory=dict)
    """Laid over ``both`` in the direction from the second node to the first."""
    addresses: dict[Name, Annotated[tuple[GivenAddress, ...], OneOrMore]] = Field(default_factory=dict)
    """Of the interfaces at the two ends, by node; those that are missing are computed."""
    mtu: Annotated[Size, Field(ge=68, le=65535)] = 1500
    """What the machines at both ends know to be the largest IP packet, in bytes. For a link that drops what it
    announced to carry, use ``mtu`` among its impairments."""
    cost: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """For the computed routes, which take the cheapest way."""

    @field_validator("between")
    @classmethod
    def _not_to_itself(cls, ends: tuple[str, str]) -> tuple[str, str]:
        if ends[0] == ends[1]:
            raise mistake(f"`{ends[0]}` is linked to itself")
        return ends


class GraphFile(ShortModel):
    """A topology in GraphML or GML, such as those of the Internet Topology Zoo or of Shadow.

    A node is called by its label, if all labels differ, or by its id. What an edge says of latency, jitter,
    packet loss and bandwidth is taken; where it says nothing of latency and the nodes have coordinates, it
    is the time that light takes in fibre.
    """

    short = "path"

    path: str
    """The file, relative to the scenario."""
    link: PartialImpairments = Field(default_factory=dict)
    """Impairments of both directions of every link in it; what the file says of one goes before."""


class Topology(Model):
    """The network. ``nodes`` and ``links`` add to a generated or read one, and change what they name again.

    Of a generated or read topology, a node with one link is a host, the others are routers.
    """

    generator: Generator | None = None
    file: GraphFile | None = None
    nodes: dict[Name, Node] = Field(default_factory=dict)
    links: dict[Name, Link] = Field(default_factory=dict)
    families: Annotated[tuple[Family, ...], OneOrMore, Field(min_length=1)] = ("ipv4", "ipv6")
    """In which addresses are computed."""
    routing: Literal["shortest_path", "none"] = "shortest_path"
    """How routes are computed."""
    checksum_offload: bool = True
    """Whether wires vouch for checksums; a corrupted frame's is checked in any case."""
