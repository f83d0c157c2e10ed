"""A scene is played, and watched from packet to packet; what is wrong with it comes with a scenario that replays it.

``python -m tests.properties.trial FILE`` watches a scenario that was printed so, with the same eyes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from links.impairments.channel import ChannelObserver
from links.impairments.dissect import packet_offset
from scenarios.expectations import judge
from scenarios.functions import importable
from scenarios.loading import LoadedScenario, load_scenario
from scenarios.runner import measure
from scenarios.timeline import Timeline
from scenarios.world import World
from stack.clock import SECOND
from stack.link import Frame, Medium
from stack.tcp.state import State
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.protocols import TCP
from stack.wire.tcp import TcpHeader
from tests.stack.tcp.invariants import check_against_peer, check_sack_blocks, check_scoreboard

_HEADER = """\
# Save this in the root of the repository as talk.yaml. Replay it:  usernetstack run talk.yaml --pcap out
# Watch it as the test does:  python -m tests.properties.trial talk.yaml
"""
_AFTERWARDS = 90 * SECOND
"""After TIME-WAIT, and after each timer of TCP."""


class TrialError(AssertionError):
    """Something was wrong; the text is a scenario that replays it, and begins with what it was."""

    def __init__(self, problem: str, scenario: str) -> None:
        super().__init__(f"{problem}\n{_HEADER}{scenario}")
        self.scenario = scenario


def play(scene: dict[str, Any], check: Callable[[World], None] | None = None) -> str:
    """Play a scene to its end; returns the digest. ``check`` is asked as well, at every packet that arrives.

    Raises TrialError.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "talk.yaml")
        file.write_text(yaml.safe_dump(scene, sort_keys=False))
        try:
            problem, digest = watch(load_scenario(file), check)
        except Exception as error:
            raise TrialError(f"{type(error).__name__}: {error}", file.read_text()) from error
    if problem is not None:
        expect = {**scene["expect"], "digest": digest}
        raise TrialError(problem, yaml.safe_dump({**scene, "expect": expect}, sort_keys=False))
    return digest


def watch(scenario: LoadedScenario, check: Callable[[World], None] | None = None) -> tuple[str | None, str]:
    """Run it; returns what was wrong first, and the digest."""
    with importable(scenario.directory):
        world = World(scenario, scenario.model.seed)
        watcher = _Watcher(world, check)
        with world.simulation as simulation:
            for wire in simulation.wires.values():
                wire.observe(watcher, watcher)
            Timeline(world)
            world.start_traffic()
            simulation.run(until=scenario.model.duration)
            result = judge(world, measure(world, scenario.model.seed))
            problems = [watcher.problem, _who_goes_on(world)]
            problems += [str(verdict) for verdict in result.verdicts if not verdict.held]
            simulation.run(until=simulation.clock.now() + _AFTERWARDS)
            left = [each for host in simulation.hosts.values() for each in host.tcp.connections]
            if left:
                problems.append(f"still there after everything: {left}")
        if simulation.clock.pending:
            problems.append(f"{simulation.clock.pending} timers are left")
    return next((problem for problem in problems if problem), None), result.digest


def _who_goes_on(world: World) -> str | None:
    if world.traffic_ended is None:
        return "the applications did not come to an end"
    going = [
        f"{name}: {connection.state.name}"
        for name, host in world.simulation.hosts.items()
        for connection in host.tcp.connections
        if connection.state not in (State.TIME_WAIT, State.CLOSED)
    ]
    return f"connections that did not end: {', '.join(going)}" if going else None


class _Watcher(ChannelObserver):
    """Looks at each segment as it leaves, and at both hosts, at rest, before a packet arrives."""

    def __init__(self, world: World, check: Callable[[World], None] | None) -> None:
        self.problem: str | None = None
        """What was wrong first."""
        self._world = world
        self._check = check

    def sent(self, frame: Frame) -> None:
        self._look(lambda: _check_segment(frame))

    def delivered(self, frame: Frame) -> None:
        self._look(self._check_hosts)

    def _look(self, check: Callable[[], None]) -> None:
        if self.problem is None:
            try:
                check()
            except AssertionError as error:
                self.problem = f"{error} (at {self._world.simulation.clock.now()} ns)"

    def _check_hosts(self) -> None:
        hosts = list(self._world.simulation.hosts.values())
        connections = {connection.key: connection for host in hosts for connection in host.tcp.connections}
        for (local, port, remote, remote_port), connection in connections.items():
            check_scoreboard(connection)
            peer = connections.get((remote, remote_port, local, port))
            if peer is not None:
                check_against_peer(connection, peer)
        if self._check is not None:
            self._check(self._world)


def _check_segment(frame: Frame) -> None:
    data = bytes(frame.head)
    offset = packet_offset(data, Medium.ETHERNET)
    if data[offset] >> 4 == 4:
        ip = Ipv4Header.parse(data, offset)
        protocol, transport = ip.protocol, offset + ip.header_length
    elif data[offset] >> 4 == 6:
        protocol, transport = Ipv6Header.parse(data, offset).next_header, offset + 40
    else:
        return
    if protocol == TCP:
        check_sack_blocks(TcpHeader.parse(data, transport))


if __name__ == "__main__":
    wrong, digest = watch(load_scenario(sys.argv[1]))
    sys.exit(wrong or f"nothing wrong, digest {digest}")
