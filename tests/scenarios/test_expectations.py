"""Expectations: what held, what did not, and how both are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.result import Result
from scenarios.runner import run_scenario

Write = Callable[..., Path]
Run = Callable[..., Result]


@pytest.fixture
def run(write: Write) -> Run:
    """Run three flows over a wire of 10 Mbit/s and 10 ms, and judge them."""

    def expect(expectations: str) -> Result:
        return run_scenario(
            write(
                f"""\
duration: 5s
topology:
  nodes: {{a: {{kind: host}}, b: {{kind: host}}}}
  links: {{wire: {{between: [a, b], both: {{rate: 10Mbit/s, delay: 10ms}}}}}}
traffic:
  upload: {{kind: bulk, from: a, to: b, bytes: 500kB}}
  endless: {{kind: bulk, from: a, to: b, bytes: 1GB, start: 1s}}
  stream: {{kind: udp_stream, from: a, to: b, rate: 100kbit/s, size: 500B, duration: 1s}}
expect: {expectations}
"""
            )
        )

    return expect


def test_what_holds_and_what_does_not(run: Run) -> None:
    result = run(
        """
  flows:
    upload:
      delivered: all
      completed_within: 1s
      goodput: ">= 20Mbit/s"
      rtt_min: 20ms..25ms
    endless: {delivered: all, completed_within: 4s, intact: true, completion_time: "> 1s"}
    stream: {loss: "0%", reordered: 0, latency_p99: 10ms..500ms}
  links:
    wire:
      drops_lost: 1
      backward: {drops: 0}
  hosts:
    b: {ipv4.received: ">= 20", tcp.bad_checksum: 0, ip.bad_version: "> 0"}"""
    )
    verdicts = {f"{verdict.subject}: {verdict.what}": verdict for verdict in result.verdicts}
    assert {name: verdict.held for name, verdict in verdicts.items()} == {
        "flow upload: delivered": True,
        "flow upload: completed within": True,
        "flow upload: goodput": False,
        "flow upload: rtt_min": True,
        "flow endless: delivered": False,
        "flow endless: completed within": False,
        "flow endless: intact": True,
        "flow endless: completion_time": False,
        "flow stream: loss": True,
        "flow stream: reordered": True,
        "flow stream: latency_p99": True,
        "link wire: drops_lost": False,
        "link wire backward: drops": True,
        "host b: ipv4.received": True,
        "host b: tcp.bad_checksum": True,
        "host b: ip.bad_version": False,
    }
    assert not result.passed
    assert verdicts["flow endless: completion_time"].actual == "nothing measured"
    assert verdicts["flow endless: completed within"].actual == "not complete after 4s"
    assert verdicts["flow endless: delivered"].expected == "all, 1GB"
    assert verdicts["flow endless: delivered"].actual.endswith("MB, not complete")
    assert verdicts["host b: ip.bad_version"].actual == "0"
    assert str(verdicts["link wire: drops_lost"]) == "link wire: drops_lost: expected 1, actual 0"
    assert verdicts["link wire: drops_lost"].where == "s.yaml:20:7"


def test_a_run_without_expectations_passes(run: Run) -> None:
    result = run("{}")
    assert result.passed
    assert result.verdicts == []


def test_delivered_can_be_compared(run: Run) -> None:
    result = run("{flows: {upload: {delivered: 500kB}, endless: {delivered: 1MB..10MB}}}")
    assert [verdict.held for verdict in result.verdicts] == [True, True]


def test_a_flow_that_failed_says_why(write: Write) -> None:
    result = run_scenario(
        write(
            """\
topology:
  nodes: {a: {kind: host}, b: {kind: host}}
  links: {wire: {between: [a, b], both: {delay: 10ms}}}
traffic: {upload: {kind: bulk, from: a, to: b, bytes: 1kB, flows: 2}}
events: [{at: 0s, kind: down, link: wire}]
expect: {flows: {upload: {delivered: all, completed_within: 1s}}}
"""
        )
    )
    delivered, completed = (verdict.actual for verdict in result.verdicts)
    assert delivered == "0B, not complete, EHOSTUNREACH (2)"
    assert completed.startswith("not complete after ")
    assert completed.endswith(", EHOSTUNREACH (2)")


def test_goodput_of_no_time_at_all_is_not_measured(write: Write) -> None:
    result = run_scenario(
        write(
            """\
topology: {nodes: {a: {kind: host}, b: {kind: host}}, links: {wire: {between: [a, b]}}}
traffic: {self: {kind: bulk, from: a, to: a, bytes: 1kB}}
"""
        )
    )
    flow = result.flows["self"]
    assert (flow.started, flow.finished, flow.metrics["goodput"]) == (0, 0, None)
