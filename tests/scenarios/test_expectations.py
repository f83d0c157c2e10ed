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
      loss: "0%"
      rtt_min: 20ms..25ms
    endless: {delivered: all, completed_within: 4s, intact: true}
    stream: {loss: "0%", reordered: 0, latency_p99: 10ms..500ms}
  links:
    wire:
      drops_lost: 1
      backward: {drops: 0}
  hosts:
    b: {ipv4.received: ">= 20", tcp.bad_checksum: 0, ip.never: "> 0"}"""
    )
    verdicts = {f"{verdict.subject}: {verdict.what}": verdict for verdict in result.verdicts}
    assert {name: verdict.held for name, verdict in verdicts.items()} == {
        "flow upload: delivered": True,
        "flow upload: completed within": True,
        "flow upload: goodput": False,
        "flow upload: loss": False,
        "flow upload: rtt_min": True,
        "flow endless: delivered": False,
        "flow endless: completed within": False,
        "flow endless: intact": True,
        "flow stream: loss": True,
        "flow stream: reordered": True,
        "flow stream: latency_p99": True,
        "link wire: drops_lost": False,
        "link wire backward: drops": True,
        "host b: ipv4.received": True,
        "host b: tcp.bad_checksum": True,
        "host b: ip.never": False,
    }
    assert not result.passed
    assert verdicts["flow upload: loss"].actual == "nothing measured"
    assert verdicts["flow endless: completed within"].actual == "not complete after 4s"
    assert verdicts["flow endless: delivered"].expected == "all, 1GB"
    assert verdicts["flow endless: delivered"].actual.endswith("MB, not complete")
    assert verdicts["host b: ip.never"].actual == "0"
    assert str(verdicts["link wire: drops_lost"]) == "link wire: drops_lost: expected 1, actual 0"
    assert verdicts["link wire: drops_lost"].where == "s.yaml:21:7"


def test_a_run_without_expectations_passes(run: Run) -> None:
    result = run("{}")
    assert result.passed
    assert result.verdicts == []


def test_delivered_can_be_compared(run: Run) -> None:
    result = run("{flows: {upload: {delivered: 500kB}, endless: {delivered: 1MB..10MB}}}")
    assert [verdict.held for verdict in result.verdicts] == [True, True]
