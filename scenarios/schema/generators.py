"""Topologies that networkx generates: ``generator: {kind: barbell, m1: 4, m2: 2}``.

The names of kinds and parameters are networkx's own. A node that networkx calls 3 is called ``n3``, one
that it calls (1, 2) ``n1_2``; the link between two of them is ``n3-n4``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from links.units import Probability
from scenarios.schema.base import Model
from scenarios.schema.impairments import PartialImpairments

if TYPE_CHECKING:
    import networkx

MAX_NODES = 10_000

_Nodes: TypeAlias = Annotated[int, Field(ge=2, le=MAX_NODES)]
_Members: TypeAlias = Annotated[int, Field(ge=2, le=100)]
"""Of a complete graph, whose links grow with the square."""


class _Generator(Model):
    """What every generated topology has: a function of networkx, whose parameters are its fields."""

    function: ClassVar[str]
    link: PartialImpairments = Field(default_factory=dict)
    """Impairments of both directions of every generated link."""

    def graph(self) -> networkx.Graph[Any]:
        """The graph, the same for the same parameters. Raises networkx.NetworkXError if they do not agree."""
        import networkx

        parameters = {
            name: getattr(self, name) for name in type(self).model_fields if name not in ("kind", "link")
        }
        graph: networkx.Graph[Any] = getattr(networkx, self.function)(**parameters)
        return graph


class _Random(_Generator):
    seed: int = 1
    """Of the shape alone: another seed of the run leaves it as it is."""


class Path(_Generator):
    """A row of ``n`` nodes."""

    function = "path_graph"
    kind: Literal["path"]
    n: _Nodes


class Cycle(_Generator):
    """A ring of ``n`` nodes."""

    function = "cycle_graph"
    kind: Literal["cycle"]
    n: Annotated[int, Field(ge=3, le=MAX_NODES)]


class Star(_Generator):
    """``n0`` in the middle and ``n`` nodes around it."""

    function = "star_graph"
    kind: Literal["star"]
    n: Annotated[int, Field(ge=1, le=MAX_NODES)]


class Wheel(_Generator):
    """``n0`` in the middle of a ring; ``n`` nodes in all."""

    function = "wheel_graph"
    kind: Literal["wheel"]
    n: Annotated[int, Field(ge=4, le=MAX_NODES)]


class Complete(_Generator):
    """``n`` nodes, each linked with each."""

    function = "complete_graph"
    kind: Literal["complete"]
    n: _Members


class Grid2d(_Generator):
    """``m`` rows of ``n`` nodes."""

    function = "grid_2d_graph"
    kind: Literal["grid_2d"]
    m: Annotated[int, Field(ge=1, le=100)]
    n: Annotated[int, Field(ge=2, le=100)]


class Ladder(_Generator):
    """Two rows of ``n`` nodes, with rungs."""

    function = "ladder_graph"
    kind: Literal["ladder"]
    n: Annotated[int, Field(ge=1, le=MAX_NODES // 2)]


class Barbell(_Generator):
    """Two complete graphs of ``m1`` nodes, joined by a row of ``m2``."""

    function = "barbell_graph"
    kind: Literal["barbell"]
    m1: _Members
    m2: Annotated[int, Field(ge=0, le=1000)]


class Lollipop(_Generator):
    """A complete graph of ``m`` nodes with a row of ``n`` attached."""

    function = "lollipop_graph"
    kind: Literal["lollipop"]
    m: _Members
    n: Annotated[int, Field(ge=1, le=1000)]


class BalancedTree(_Generator):
    """A tree of height ``h`` in which every node but the leaves has ``r`` children."""

    function = "balanced_tree"
    kind: Literal["balanced_tree"]
    r: Annotated[int, Field(ge=1, le=20)]
    h: Annotated[int, Field(ge=1, le=3)]


class BarabasiAlbert(_Random):
    """``n`` nodes that attach, one by one, to ``m`` earlier ones, preferably to those with many links."""

    function = "barabasi_albert_graph"
    kind: Literal["barabasi_albert"]
    n: _Nodes
    m: Annotated[int, Field(ge=1, le=100)]


class WattsStrogatz(_Random):
    """A small world: a ring of ``n`` nodes with ``k`` neighbours each, each link moved by chance ``p``."""

    function = "connected_watts_strogatz_graph"
    kind: Literal["watts_strogatz"]
    n: Annotated[int, Field(ge=3, le=MAX_NODES)]
    k: Annotated[int, Field(ge=2, le=100)]
    p: Probability


Generator: TypeAlias = Annotated[
    Path | Cycle | Star | Wheel | Complete | Grid2d | Ladder | Barbell | Lollipop | BalancedTree
    | BarabasiAlbert | WattsStrogatz,
    Field(discriminator="kind"),
]  # fmt: skip
