"""Hosts that are like other systems."""

from __future__ import annotations

import pytest

from scenarios.builder import build
from scenarios.loading import load_scenario
from scenarios.profiles import PROFILES, apply_profile
from scenarios.runner import run_scenario
from stack.clock import MILLISECOND
from stack.config import HostConfig


def test_a_profile_is_many_knobs_and_those_beside_it_go_before(write) -> None:
    scenario = load_scenario(
        write(
            """\
            topology:
              nodes:
                a: {kind: host, stack: {profile: freebsd, tcp: {delayed_ack: 10ms}}}
                b: {kind: host}
              links: {w: {between: [a, b]}}
            stack: {profile: rfc, tcp: {sack: false}}
            """
        )
    )
    with build(scenario, 1) as simulation:
        a, b = simulation.hosts["a"].config.tcp, simulation.hosts["b"].config.tcp
    assert (a.option_order, a.delayed_ack, a.sack) == ("freebsd", 10 * MILLISECOND, False)
    assert (b.option_order, b.rto_floor, b.sack) == ("linux", "sum", False)


def test_an_unknown_profile_is_a_mistake_with_a_place(mistakes) -> None:
    (mistake,) = mistakes(
        """\
        topology:
          nodes: {a: {kind: host, stack: {profile: openbsd}}}
        """
    )
    assert mistake.startswith("2:44: ")
    assert "freebsd" in mistake


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_agrees_with_itself(name: str) -> None:
    assert apply_profile(name, HostConfig()) != HostConfig()


def test_two_systems_understand_each_other(write) -> None:
    scenario = load_scenario(
        write(
            """\
            topology:
              nodes:
                a: {kind: host, stack: {profile: freebsd}}
                b: {kind: host, stack: {profile: linux}}
              links: {w: {between: [a, b], both: {rate: 10Mbit/s, delay: 5ms, loss: 2%}}}
            traffic:
              up: {kind: bulk, from: a, to: b, bytes: 300kB}
              down: {kind: bulk, from: b, to: a, bytes: 300kB}
            expect:
              flows: {up: {delivered: all, intact: true}, down: {delivered: all, intact: true}}
            """
        )
    )
    result = run_scenario(scenario, 1)
    assert result.passed
