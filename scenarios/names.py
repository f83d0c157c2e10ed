"""The names of a scenario, and what a dotted name in a condition refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from scenarios.expression import ExpressionError
from scenarios.metrics import FLOW_METRICS, LINK_METRICS, Metric
from scenarios.problems import did_you_mean
from scenarios.quantities import Dimension
from stack.counters import COUNTERS


class Declared(NamedTuple):
    """The names that a file declares, whether the rest of the declaration is right or not."""

    flows: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    more_nodes: bool = False
    """Whether there are others that a generator or a file gives."""


class Reference(NamedTuple):
    """A metric of something."""

    section: str
    """flow, link, host or time."""
    name: str
    """Of the flow, link or host."""
    direction: str
    """Of a link: forward, backward or both."""
    metric: str
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Names:
    """What a scenario has given a name to, whether it was right otherwise or not."""

    flows: tuple[str, ...]
    links: tuple[str, ...]
    hosts: tuple[str, ...]
    """Machines; switches are not among them."""

    def refer(self, path: str) -> Reference:
        """What ``path`` means: ``flow.NAME.METRIC``, ``link.NAME[.forward|.backward].METRIC``,
        ``host.NAME.COUNTER`` or ``time``. The first word can be left out where the name says enough, and
        the name of the only flow too.

        Raises:
            ExpressionError: with what was probably meant.
        """
        if path == "time":
            return Reference("time", "", "both", "", Dimension.DURATION)
        first, _, rest = path.partition(".")
        sections: dict[str, tuple[str, ...]] = {"flow": self.flows, "link": self.links, "host": self.hosts}
        if first in sections:
            name, _, metric = rest.partition(".")
            if first == "flow" and not metric and len(self.flows) == 1:
                name, metric = self.flows[0], name
            if name not in sections[first]:
                raise ExpressionError(f"unknown {first} `{name}`{did_you_mean(name, sections[first])}")
            return self._reference(first, name, metric, path)
        owners = [section for section, names in sections.items() if first in names]
        if len(owners) > 1:
            either = " or ".join(f"`{section}.{path}`" for section in owners)
            raise ExpressionError(f"`{first}` is the name of several things; write {either}")
        if not owners:
            known = [name for names in sections.values() for name in names]
            raise ExpressionError(f"unknown name `{first}`{did_you_mean(first, known)}")
        return self._reference(owners[0], first, rest, path)

    def _reference(self, section: str, name: str, metric: str, path: str) -> Reference:
        if not metric:
            raise ExpressionError(f"`{path}` names no metric; write `{path}.` and one")
        if section == "host":
            if metric not in COUNTERS:
                raise ExpressionError(f"unknown counter `{metric}`{did_you_mean(metric, sorted(COUNTERS))}")
            return Reference("host", name, "both", metric, Dimension.COUNT)
        if section == "flow":
            return Reference("flow", name, "both", metric, _find(FLOW_METRICS, metric).dimension)
        direction, _, of_direction = metric.partition(".")
        if direction == "forward" or direction == "backward":
            return Reference(
                "link", name, direction, of_direction, _find(LINK_METRICS, of_direction).dimension
            )
        return Reference("link", name, "both", metric, _find(LINK_METRICS, metric).dimension)


def _find(metrics: Mapping[str, Metric[Any]], name: str) -> Metric[Any]:
    if name not in metrics:
        raise ExpressionError(f"unknown metric `{name}`{did_you_mean(name, metrics)}")
    return metrics[name]
