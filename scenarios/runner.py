"""Runs a scenario: the same scenario, overrides and seed always come to the same result."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from links.capture import capture_to
from scenarios.expectations import judge
from scenarios.files import writing
from scenarios.functions import importable
from scenarios.loading import LoadedScenario, load_scenario
from scenarios.metrics import FLOW_METRICS, LINK_METRICS
from scenarios.problems import Problem, ScenarioError
from scenarios.quantities import Value
from scenarios.result import FlowOutcome, Result
from scenarios.timeline import Timeline
from scenarios.world import World
from stack.tcp.congestion import find

Tell: TypeAlias = Callable[[int, int], None]
"""Is told how much virtual time has passed, and how much there is at most (ns)."""


def run_scenario(
    scenario: LoadedScenario | str | Path,
    seed: int | None = None,
    overrides: Mapping[str, str] | None = None,
    *,
    pcap: Path | None = None,
    progress: Tell | None = None,
) -> Result:
    """Run a scenario to its end in virtual time.

    ``seed`` goes before the scenario's own. ``overrides`` replaces values in the file, by dotted path, with text as
    it would stand there. ``pcap`` is a file for a capture of all links; neither it nor ``progress`` changes the
    result.

    Raises:
        ScenarioError: the scenario is wrong, or the capture cannot be written.
    """
    if not isinstance(scenario, LoadedScenario):
        scenario = load_scenario(scenario, overrides)
    elif overrides:
        scenario = load_scenario(scenario.file, {**scenario.overrides, **overrides})
    seed = scenario.model.seed if seed is None else seed
    with importable(scenario.directory):
        world = World(scenario, seed)
        with world.simulation as simulation, ExitStack() as stack:
            if pcap is not None:
                stack.enter_context(writing(str(pcap)))
                capture = stack.enter_context(capture_to(pcap, simulation.clock))
                for wire in simulation.wires.values():
                    capture.attach(wire)
            Timeline(world)
            world.start_traffic()
            end = scenario.model.duration
            report = None if progress is None else lambda now: progress(now, end)
            with _congestion_of_ones_own(world):
                simulation.run(until=end, progress=report)
            return judge(world, measure(world, seed))


@contextmanager
def _congestion_of_ones_own(world: World) -> Iterator[None]:
    """What a ``module:Class`` raises in here is a mistake of its own: it becomes a ScenarioError with its line."""
    try:
        yield
    except Exception as error:
        chosen = {host.config.tcp.congestion for host in world.simulation.hosts.values()}
        own = {inspect.getfile(find(name)): name for name in chosen if ":" in name}
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if (name := own.get(frame.filename)) is not None:
                text = f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
                raise ScenarioError([Problem(world.scenario.file, f"`{name}` raised {text}")]) from error
        raise


def verify(scenario: LoadedScenario) -> None:
    """Build the scenario's world, and take it down again. Raises ScenarioError with what only shows there."""
    with importable(scenario.directory):
        World(scenario, scenario.model.seed).simulation.close()


def measure(world: World, seed: int) -> Result:
    """What the run has come to until now; nothing is judged yet."""
    scenario, simulation = world.scenario, world.simulation
    return Result(
        scenario=scenario.name,
        file=scenario.file,
        seed=seed,
        overrides=scenario.overrides,
        digest=simulation.digest.hexdigest(),
        elapsed=simulation.clock.now(),
        flows={name: _flow_outcome(world, name) for name in world.flows},
        links={
            name: {direction: _link_outcome(world, name, direction) for direction in ("forward", "backward")}
            for name in simulation.wires
        },
        hosts={name: dict(sorted(host.counters.items())) for name, host in simulation.hosts.items()},
    )


def _flow_outcome(world: World, name: str) -> FlowOutcome:
    flow, traffic = world.flows[name], world.scenario.model.traffic[name]
    return FlowOutcome(
        kind=flow.kind,
        client=traffic.source,
        server=traffic.target,
        started=flow.started,
        finished=flow.finished,
        expected=flow.expected,
        metrics={metric: entry.read(flow) for metric, entry in FLOW_METRICS.items()},
        errors=dict(flow.errors),
    )


def _link_outcome(world: World, name: str, direction: str) -> dict[str, Value | None]:
    state = world.link(name, direction)
    return {metric: entry.read(state) for metric, entry in LINK_METRICS.items()}
