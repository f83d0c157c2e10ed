"""A scenario at work: its network, its traffic, and what both have measured so far."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from links.simulated.simulation import Simulation
from scenarios.applications.flow import Flow
from scenarios.builder import Endpoint, add_routes, build, endpoints
from scenarios.expression import Quantity
from scenarios.loading import LoadedScenario
from scenarios.metrics import FLOW_METRICS, LINK_METRICS, LinkState
from scenarios.names import Reference
from scenarios.problems import Problem, ScenarioError
from scenarios.quantities import Value
from scenarios.schema.traffic import AnyFlow
from scenarios.signals import Terminated
from stack.clock import MILLISECOND
from stack.host import Host
from stack.tcp.state import State

SETTLE_INTERVAL = 10 * MILLISECOND
"""How often it is looked whether all connections are closed, once the traffic has ended."""
INTERRUPTED = "interrupted"
"""Counted among the errors of a flow whose client's machine went off."""


class World:
    """What is there while a scenario runs."""

    def __init__(self, scenario: LoadedScenario, seed: int) -> None:
        """Build everything; nothing moves yet. Raises ScenarioError."""
        self.scenario = scenario
        self.simulation: Simulation = build(scenario, seed)
        self.flows = {name: Flow(name, flow.kind) for name, flow in scenario.model.traffic.items()}
        self.traffic_ended: int | None = None
        """When the last client returned (ns)."""
        self._endpoints = self._complete()
        self._working = len(self.flows)
        self._servers: dict[str, asyncio.Task[None]] = {}

    def _complete(self) -> dict[str, Endpoint]:
        """Add the written routes, and find the ends of the traffic; raises ScenarioError with all that is wrong."""
        problems: list[Problem] = []
        found: dict[str, Endpoint] = {}
        try:
            add_routes(self.scenario, self.simulation)
        except ScenarioError as error:
            problems += error.problems
        try:
            found = endpoints(self.scenario, self.simulation)
        except ScenarioError as error:
            problems += error.problems
        if problems:
            self.simulation.close()
            raise ScenarioError(problems)
        return found

    # --- traffic

    def start_traffic(self) -> None:
        """Start the servers now and whenever their machines boot, and each client when its time comes.

        When all clients have returned, the servers are stopped; when all connections are closed too, or in
        TIME-WAIT, so is the simulation.
        """
        for name, flow in self.scenario.model.traffic.items():
            self._start_server(name, flow)
            self.simulation.machines[flow.target].on_boot.append(self._server_starter(name, flow))
        for name, flow in self.scenario.model.traffic.items():
            self.simulation.clock.call_at(flow.start, self._start_client, name, flow)

    def _server_starter(self, name: str, flow: AnyFlow) -> Any:
        def start(host: Host) -> None:
            if self.traffic_ended is None:
                self._start_server(name, flow)

        return start

    def _start_server(self, name: str, flow: AnyFlow) -> None:
        host = self.simulation.hosts[flow.target]
        server = flow.server(host, self._endpoints[name].port, self.flows[name])
        self._servers[name] = self.simulation.spawn(host, self._own_mistakes(name, server))

    def _start_client(self, name: str, flow: AnyFlow) -> None:
        if not self.simulation.machines[flow.source].on:
            self._client_ended(name, interrupted=True)
            return
        host, endpoint = self.simulation.hosts[flow.source], self._endpoints[name]
        client = flow.client(host, endpoint.address, endpoint.port, self.flows[name])
        task = self.simulation.spawn(host, self._own_mistakes(name, client))
        task.add_done_callback(lambda task: self._client_ended(name, interrupted=task.cancelled()))

    def _client_ended(self, name: str, *, interrupted: bool) -> None:
        if interrupted:
            errors = self.flows[name].errors
            errors[INTERRUPTED] = errors.get(INTERRUPTED, 0) + 1
        self._working -= 1
        if not self._working:
            self.simulation.clock.call_later(0, self._end_traffic)

    async def _own_mistakes(self, name: str, application: Coroutine[Any, Any, None]) -> None:
        """Run an application; an exception of somebody's own coroutine is a mistake in the scenario."""
        try:
            await application
        except Terminated:
            raise
        except (Exception, SystemExit) as error:
            if self.flows[name].kind != "python":
                raise
            frame = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
            where = self.scenario.where(("traffic", name), of_key=True)
            raise ScenarioError([Problem(where, f"`{name}` raised {text}")]) from error

    def _end_traffic(self) -> None:
        self.traffic_ended = self.simulation.clock.now()
        for server in self._servers.values():
            server.cancel()
        self._settle()

    def _settle(self) -> None:
        connections = (
            connection
            for machine in self.simulation.machines.values()
            if machine.on
            for connection in machine.host.tcp.connections
        )
        if all(connection.state in (State.TIME_WAIT, State.CLOSED) for connection in connections):
            self.simulation.stop()
        else:
            self.simulation.clock.call_later(SETTLE_INTERVAL, self._settle)

    # --- metrics

    def quantity(self, path: str) -> Quantity:
        """The metric that a dotted name in a condition means. Raises ExpressionError."""
        reference = self.scenario.names.refer(path)
        return Quantity(reference.dimension, lambda: self.read(reference))

    def read(self, reference: Reference) -> Value | None:
        """A metric as it is now."""
        section, name, direction, metric, _ = reference
        if section == "flow":
            return FLOW_METRICS[metric].read(self.flows[name])
        if section == "link":
            return LINK_METRICS[metric].read(self.link(name, direction))
        if section == "host":
            return self.simulation.hosts[name].counters.get(metric, 0)
        return self.simulation.clock.now()

    def link(self, name: str, direction: str = "both") -> LinkState:
        """A link or one of its directions, over the time in which there was traffic."""
        wire = self.simulation.wires[name]
        channels = {"forward": wire.channels[:1], "backward": wire.channels[1:]}.get(direction, wire.channels)
        elapsed = self.simulation.clock.now() if self.traffic_ended is None else self.traffic_ended
        return LinkState(channels, elapsed)
