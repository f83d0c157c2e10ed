"""Expectations against what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from links.units import format_duration, format_size
from scenarios.applications.flow import Flow
from scenarios.functions import find_judge
from scenarios.metrics import FLOW_METRICS, LINK_METRICS, Metric
from scenarios.problems import Problem, ScenarioError
from scenarios.quantities import Comparison
from scenarios.result import Result, Verdict, write_errors
from scenarios.schema.expect import FlowExpectations
from scenarios.signals import Terminated
from scenarios.world import World
from scenarios.yaml_reader import Place

T = TypeVar("T")


def judge(world: World, result: Result) -> Result:
    """``result`` with a verdict on each expectation. Raises ScenarioError if one in Python raises something else
    than an AssertionError.
    """
    court = _Court(world)
    expect = world.scenario.model.expect
    for name, of_flow in expect.flows.items():
        court.flow(name, of_flow)
    for name, of_link in expect.links.items():
        court.link(name, "both", of_link.comparisons())
        court.link(name, "forward", of_link.forward.comparisons())
        court.link(name, "backward", of_link.backward.comparisons())
    for name, of_host in expect.hosts.items():
        court.host(name, of_host)
    if expect.digest is not None and not result.overrides and result.seed == world.scenario.model.seed:
        held = result.digest == expect.digest
        court.add(("expect", "digest"), "run", "digest", expect.digest, result.digest, held)
    for index, function in enumerate(expect.python):
        court.ask(("expect", "python", index), function, replace(result, verdicts=court.verdicts))
    return replace(result, verdicts=court.verdicts)


class _Court:
    """Collects verdicts."""

    def __init__(self, world: World) -> None:
        self.verdicts: list[Verdict] = []
        self._world = world

    def add(self, place: Place, subject: str, what: str, expected: str, actual: str, held: bool) -> None:
        where = self._world.scenario.where(place, of_key=True)
        self.verdicts.append(Verdict(subject, what, expected, actual, held, where))

    def flow(self, name: str, expected: FlowExpectations) -> None:
        place: Place = ("expect", "flows", name)
        subject = f"flow {name}"
        flow = self._world.flows[name]
        if expected.delivered == "all":
            held = flow.complete and flow.bytes == (flow.bytes if flow.expected is None else flow.expected)
            total = "all" if flow.expected is None else f"all, {format_size(flow.expected)}"
            actual = format_size(flow.bytes) + ("" if flow.complete else f", {_not_complete(flow)}")
            self.add((*place, "delivered"), subject, "delivered", total, actual, held)
        elif expected.delivered is not None:
            held = expected.delivered.holds(flow.bytes)
            actual = format_size(flow.bytes)
            self.add((*place, "delivered"), subject, "delivered", str(expected.delivered), actual, held)
        if expected.completed_within is not None:
            self._completed(place, subject, flow, expected.completed_within)
        self._compare(place, subject, expected.comparisons(), FLOW_METRICS, flow)

    def _completed(self, place: Place, subject: str, flow: Flow, limit: int) -> None:
        held = flow.complete and flow.finished is not None and flow.elapsed <= limit
        taken = format_duration(flow.elapsed, 4)
        actual = taken if flow.complete else _not_complete(flow, f" after {taken}")
        place = (*place, "completed_within")
        self.add(place, subject, "completed within", format_duration(limit), actual, held)

    def link(self, name: str, direction: str, expected: Mapping[str, Comparison]) -> None:
        place: Place = ("expect", "links", name)
        subject = f"link {name}"
        if direction != "both":
            place, subject = (*place, direction), f"{subject} {direction}"
        self._compare(place, subject, expected, LINK_METRICS, self._world.link(name, direction))

    def host(self, name: str, expected: Mapping[str, Comparison]) -> None:
        counters = self._world.simulation.hosts[name].counters
        for counter, comparison in expected.items():
            value = counters.get(counter, 0)
            place: Place = ("expect", "hosts", name, counter)
            self.add(place, f"host {name}", counter, str(comparison), str(value), comparison.holds(value))

    def ask(self, place: Place, function: str, result: Result) -> None:
        """A function of somebody's own."""
        try:
            answer = find_judge(function)(result)
        except AssertionError as error:
            answer = str(error) or "an assertion failed"
        except Terminated:
            raise
        except SystemExit as error:
            answer = f"it raised SystemExit: {error}"
        except Exception as error:
            text = f"`{function}` raised {type(error).__name__}: {error}"
            raise ScenarioError([Problem(self._world.scenario.where(place), text)]) from error
        held = answer is None or answer is True
        self.add(place, "run", function, "true", "true" if held else str(answer), held)

    def _compare(
        self,
        place: Place,
        subject: str,
        expected: Mapping[str, Comparison],
        metrics: Mapping[str, Metric[T]],
        measured: T,
    ) -> None:
        for name, comparison in expected.items():
            if name in metrics:
                value = metrics[name].read(measured)
                actual = metrics[name].dimension.format(value)
                self.add((*place, name), subject, name, str(comparison), actual, comparison.holds(value))


def _not_complete(flow: Flow, when: str = "") -> str:
    """That not all was done, and what the applications know of the reason."""
    return ", ".join(filter(None, (f"not complete{when}", write_errors(flow.errors))))
