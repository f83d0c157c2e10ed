"""What holds for any conversation of two hosts over any line, and how a failure is replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from scenarios.world import World
from tests.properties.scenes import Scene, scenes
from tests.properties.trial import TrialError, play

ROOT = Path(__file__).parents[2]
EXAMPLES = settings.default.max_examples if "HYPOTHESIS_PROFILE" in os.environ else 30
"""HYPOTHESIS_PROFILE=search plays thousands, and others every time."""


@settings(max_examples=EXAMPLES)
@given(scenes())
def test_bytes_arrive_in_order_and_every_connection_ends(scene: Scene) -> None:
    """And no timer is left, SACK blocks are what they should be, and the scoreboard is that of a brute-force model."""
    play(scene)


PLAIN: Scene = {
    "name": "talk",
    "seed": 7,
    "duration": "1h",
    "topology": {
        "nodes": {"client": {"kind": "host"}, "server": {"kind": "host"}},
        "links": {"wire": {"between": ["client", "server"], "both": {"delay": "20ms", "loss": "5%"}}},
        "families": ["ipv4"],
    },
    "traffic": {
        "talk": {
            "kind": "python",
            "from": "client",
            "to": "server",
            "python": "tests.properties.conversation:call",
            "python_server": "tests.properties.conversation:answer",
            "arguments": {
                side: {"data": 50_000, "chunk": 1000, "pause": 0, "ending": "shut", "read": 4096, "rest": 0}
                for side in ("client", "server")
            },
        }
    },
    "expect": {"python": ["tests.properties.conversation:was_whole"]},
}


def test_a_failure_comes_with_a_scenario_that_replays_it(tmp_path: Path) -> None:
    """A rule that cannot hold is planted; what it prints, run as a user would, is the same run to the last bit."""

    def nothing_is_ever_lost(world: World) -> None:
        for host in world.simulation.hosts.values():
            for connection in host.tcp.connections:
                assert not connection.sender.segments_retransmitted, "something was sent again"

    with pytest.raises(TrialError, match="something was sent again") as failure:
        play(PLAIN, nothing_is_ever_lost)
    file, verdict = tmp_path / "talk.yaml", tmp_path / "verdict.json"
    file.write_text(failure.value.scenario)
    assert failure.value.scenario in str(failure.value)
    command = [sys.executable, "-m", "scenarios", "run", str(file), "--quiet", "--json", str(verdict)]
    subprocess.run(command, cwd=ROOT, check=True)
    (run,) = json.loads(verdict.read_text())["runs"]
    assert run["digest"] == play(PLAIN)
    (expected,) = [each for each in run["verdicts"] if each["what"] == "digest"]
    assert expected["held"]


def test_what_goes_wrong_in_the_stack_itself_is_printed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("stack.tcp.recovery.Recovery.next_retransmission", broken)
    with pytest.raises(TrialError, match=r"RuntimeError: planted(.|\n)*name: talk"):
        play(PLAIN)
