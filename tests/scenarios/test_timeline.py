"""Events: at a time or on a condition, and what they do to the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.problems import ScenarioError
from scenarios.result import Result
from scenarios.runner import run_scenario

Write = Callable[..., Path]
Run = Callable[..., Result]

PING = "{kind: ping, from: a, to: b, count: 20, interval: 100ms, timeout: 500ms}"


@pytest.fixture
def run(write: Write) -> Run:
    """Run events on a wire between a and b, with a ping every 100 ms from 0 to 1.9 s."""

    def run_events(
        events: str, *, traffic: str = f"ping: {PING}", nodes: str = "", links: str = ""
    ) -> Result:
        return run_scenario(
            write(
                f"""\
duration: 20s
topology:
  families: ipv4
  nodes: {{a: {{kind: host}}, b: {{kind: host}}{nodes}}}
  links: {{wire: {{between: [a, b], both: {{delay: 5ms}}}}{links}}}
traffic: {{{traffic}}}
events: [{events}]
"""
            )
        )

    return run_events


def lost(result: Result, flow: str = "ping") -> int:
    share = result.flows[flow].metrics["loss"]
    assert share is not None
    return round(share * 20)


def test_nothing_is_lost_without_events(run: Run) -> None:
    assert lost(run("")) == 0


def test_a_link_goes_down_and_up(run: Run) -> None:
    result = run("{at: 250ms, kind: down, link: wire}, {at: 1050ms, kind: up, link: wire}")
    assert lost(result) == 8
    assert result.links["wire"]["forward"]["drops_down"] == 8


def test_one_direction_goes_down(run: Run) -> None:
    result = run(
        "{at: 250ms, kind: down, link: wire, direction: backward}, {at: 1050ms, kind: up, link: wire}"
    )
    assert lost(result) == 8
    assert result.links["wire"]["forward"]["drops_down"] == 0
    assert result.links["wire"]["backward"]["drops_down"] == 8


def test_a_link_flaps(run: Run) -> None:
    """Down from 170 to 320 ms, from 670 to 820 ms and from 1170 to 1320 ms."""
    result = run("{at: 170ms, kind: flap, link: wire, period: 500ms, duty: 70%, count: 3}")
    assert lost(result) == 6, "the requests at 200, 300, 700, 800, 1200 and 1300 ms"
    assert result.links["wire"]["forward"]["up"] is True


def test_impairments_change(run: Run) -> None:
    result = run(
        "{at: 250ms, kind: impair, link: wire, change: {delay: 50ms, loss: {every: 2}}},"
        "{at: 1050ms, kind: impair, link: wire, direction: backward, change: {loss: null}}"
    )
    latencies = [result.flows["ping"].metrics[name] for name in ("latency_min", "latency_max")]
    assert latencies == [10_000_000, 100_000_000]
    assert lost(result) > 8


def test_a_partition_cuts_what_lies_between_its_groups(run: Run) -> None:
    traffic = f"ping: {PING}, inside: {PING.replace('to: b', 'to: c')}"
    nodes = ", c: {kind: host}, s: {kind: switch}"
    links = ", a-s: {between: [a, s]}, c-s: {between: [c, s]}"
    result = run(
        "{at: 250ms, kind: partition, groups: [[a, c], [b]]}, {at: 1050ms, kind: heal}",
        traffic=traffic,
        nodes=nodes,
        links=links,
    )
    assert (lost(result), lost(result, "inside")) == (8, 0), "the switch goes with the first group"
    alone = run("{at: 250ms, kind: partition, groups: [[a]]}", traffic=traffic, nodes=nodes, links=links)
    assert (lost(alone), lost(alone, "inside")) == (17, 17), "one group is cut off from all others"


def test_healing_brings_back_what_was_up(run: Run) -> None:
    result = run(
        "{at: 250ms, kind: partition, groups: [[a], [b]]}, {at: 500ms, kind: down, link: wire},"
        "{at: 800ms, kind: heal}, {at: 1050ms, kind: up, link: wire}"
    )
    assert lost(result) == 8, "the link stays down after the partition, for another reason"


def test_a_machine_pauses(run: Run) -> None:
    assert lost(run("{at: 250ms, kind: pause, host: b, for: 800ms}")) == 8
    assert lost(run("{at: 250ms, kind: pause, host: b}, {at: 1050ms, kind: resume, host: b}")) == 8


def test_a_machine_reboots_and_serves_again(run: Run) -> None:
    traffic = (
        "first: {kind: request_response, from: a, to: b, count: 50, think: 50ms}, "
        "second: {kind: bulk, from: a, to: b, bytes: 10kB, start: 3s}"
    )
    result = run("{at: 1s, kind: reboot, host: b, down_for: 500ms}", traffic=traffic)
    assert result.flows["first"].metrics["complete"] is False
    assert result.flows["first"].errors == {"ECONNRESET": 1}
    assert result.flows["second"].metrics["complete"] is True


def test_the_client_of_a_machine_that_reboots_is_gone(run: Run) -> None:
    traffic = (
        "first: {kind: request_response, from: a, to: b, count: 50, think: 50ms}, "
        "late: {kind: ping, from: a, to: b, start: 1200ms}"
    )
    result = run("{at: 1s, kind: reboot, host: a, down_for: 500ms}", traffic=traffic)
    assert result.flows["first"].errors == {"interrupted": 1}
    assert result.flows["late"].errors == {"interrupted": 1}, "a machine that is off starts nothing"


def test_a_change_that_makes_no_sense_by_then(run: Run) -> None:
    """Each condition's change makes sense with what the link is like at first, but not both of them."""
    events = (
        "{when: time > 200ms, kind: impair, link: wire, change: {delay: null}},"
        "{when: time > 400ms, kind: impair, link: wire, change: {reorder: 5%}}"
    )
    with pytest.raises(ScenarioError) as caught:
        run(events)
    assert str(caught.value).startswith("s.yaml:7:")
    assert "reorder" in str(caught.value)


def test_addresses_come_and_go(run: Run) -> None:
    result = run(
        "{at: 250ms, kind: remove_address, host: b, address: 10.0.0.2/24},"
        "{at: 1050ms, kind: add_address, host: b, link: wire, address: 10.0.0.2/24}"
    )
    assert lost(result) == 8


def test_routes_come_and_go(run: Run) -> None:
    """By the router to b's second address; without the route there is no way to it."""
    nodes = ", r: {kind: router}, z: {kind: host}"
    links = ", b-r: {between: [a, r]}, r-z: {between: [r, z]}"
    traffic = f"ping: {PING.replace('to: b', 'to: z')}"
    events = (
        "{at: 250ms, kind: remove_route, host: a, to: 0.0.0.0/0, via: r},"
        "{at: 1050ms, kind: add_route, host: a, to: z, via: r}"
    )
    assert lost(run("", traffic=traffic, nodes=nodes, links=links)) == 0
    assert lost(run(events, traffic=traffic, nodes=nodes, links=links)) == 8


def test_conditions_are_met_once(run: Run) -> None:
    result = run(
        "{when: ping.transfers >= 3 and time < 1s, kind: down, link: wire},"
        "{when: link.wire.drops_down >= 4, kind: up, link: wire}"
    )
    assert lost(result) == 4
    assert result.links["wire"]["forward"]["up"] is True


def test_a_condition_on_the_counter_of_a_host(run: Run) -> None:
    result = run("{when: host.b.icmpv4.received >= 5, kind: down, link: wire}")
    assert lost(result) == 15 + 1, "the fifth answer was on its way when the link went down"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            "{at: 1s, kind: remove_address, host: b, address: 10.9.9.9/24}",
            "s.yaml:7:10: 10.9.9.9/24 is no address of `b` there",
        ),
        ("{at: 1s, kind: add_address, host: b, address: 10.0.0.2/24}", "s.yaml:7:10: File exists"),
        ("{at: 1s, kind: remove_route, host: a, to: 10.9.0.0/16, via: b}", "s.yaml:7:10: No such process"),
        (
            "{at: 1s, kind: add_route, host: a, to: 10.9.0.0/16, via: 10.9.0.1}",
            "s.yaml:7:67: 10.9.0.1 is on no network of `a`",
        ),
        (
            "{at: 1s, kind: add_route, host: a, to: 'fd01::/64', via: b}",
            "s.yaml:7:67: its destination and its gateway are of different address families",
        ),
    ],
)
def test_what_cannot_be_done_when_its_time_comes(run: Run, event: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        run(event)
    assert str(caught.value) == message
