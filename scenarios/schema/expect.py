"""``expect``: what a run has to come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, create_model

from links.impairments.model import Written
from links.units import Duration
from scenarios.metrics import FLOW_METRICS, LINK_METRICS, Metric
from scenarios.problems import did_you_mean
from scenarios.quantities import Comparison, Dimension, parse_comparison
from scenarios.schema.base import Model, Name, OneOrMore, comparable
from stack.counters import COUNTERS

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class _Comparisons(Model):
    """Comparisons with metrics, each in a field named as its metric."""

    def comparisons(self) -> dict[str, Comparison]:
        """Those that are given."""
        return {
            name: value
            for name in type(self).model_fields
            if isinstance(value := getattr(self, name), Comparison)
        }


def _parse_delivered(value: object) -> Comparison | Literal["all"]:
    if value == "all":
        return "all"
    return value if isinstance(value, Comparison) else parse_comparison(str(value), Dimension.SIZE)


class _FlowExpectations(_Comparisons):
    """Of one flow of the traffic, after the run."""

    delivered: Annotated[
        Comparison | Literal["all"] | None,
        Written(_parse_delivered, {"type": ["string", "integer"], "examples": ["all", "10MB", ">= 1MB"]}),
    ] = None
    """``all``: every byte and every transfer that the traffic asks for; or a comparison with the bytes delivered."""
    completed_within: Annotated[Duration, Field(gt=0)] | None = None
    """All was done, and took no longer than this."""


class _DirectionExpectations(_Comparisons):
    """Of one direction of a link, after the run."""


def _with_metrics(base: type[_Comparisons], metrics: Mapping[str, Metric[Any]], **more: Any) -> Any:
    """``base`` with a field for each metric."""
    fields: dict[str, Any] = {
        name: (comparable(metric.dimension), Field(default=None, description=metric.doc))
        for name, metric in metrics.items()
        if name not in base.model_fields
    }
    return create_model(
        base.__name__.removeprefix("_"),
        __base__=base,
        __module__=__name__,
        __doc__=base.__doc__,
        **fields,
        **more,
    )


if TYPE_CHECKING:
    FlowExpectations: TypeAlias = _FlowExpectations
    DirectionExpectations: TypeAlias = _DirectionExpectations
    CounterExpectation: TypeAlias = Comparison
else:
    FlowExpectations = _with_metrics(_FlowExpectations, FLOW_METRICS)
    DirectionExpectations = _with_metrics(_DirectionExpectations, LINK_METRICS)
    CounterExpectation = comparable(Dimension.COUNT)


class LinkExpectations(DirectionExpectations):
    """Of a link, after the run: of both directions together, and of each."""

    forward: DirectionExpectations = DirectionExpectations()
    backward: DirectionExpectations = DirectionExpectations()


def _parse_counter(value: object) -> str:
    if value not in COUNTERS:
        raise ValueError(f"unknown counter `{value}`{did_you_mean(str(value), sorted(COUNTERS))}")
    return str(value)


Counter: TypeAlias = Annotated[str, Written(_parse_counter, {"type": "string", "enum": sorted(COUNTERS)})]
"""What a host counts."""


def _parse_digest(value: object) -> str:
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a digest: 64 hexadecimal digits")
    return value


def _parse_function(value: object) -> str:
    if not isinstance(value, str) or _FUNCTION.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not of the form module:function")
    return value


class Expect(Model):
    """What a run has to come to; every expectation that fails is reported."""

    flows: dict[Name, FlowExpectations] = Field(default_factory=dict)
    """By the name of the traffic."""
    links: dict[Name, LinkExpectations] = Field(default_factory=dict)
    hosts: dict[Name, dict[Counter, CounterExpectation]] = Field(default_factory=dict)
    """The counters of hosts and routers, such as ``tcp.bad_checksum``; one that never counted is 0."""
    digest: Annotated[str, Written(_parse_digest, {"type": "string", "pattern": "^[0-9a-f]{64}$"})] | None = (
        None
    )
    """Of the run with the scenario's own seed; runs with another seed or with overrides are not compared."""
    python: Annotated[
        tuple[
            Annotated[str, Written(_parse_function, {"type": "string", "pattern": _FUNCTION.pattern})], ...
        ],
        OneOrMore,
    ] = ()
    """``module:function``, called with the result of the run; it returns None or true if all is well, or text that
    says what is not."""
