"""What a start costs, counted in modules: seconds depend on the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"networkx", "numpy", "scapy", "pyroute2", "hypothesis", "pytest"}
SCENARIO = """
topology:
  nodes: {client: {kind: host}, server: {kind: host}}
  links: {wire: {between: [client, server], both: {rate: 10Mbit/s, delay: 5ms}}}
traffic:
  upload: {kind: bulk, from: client, to: server, bytes: 100kB}
duration: 1s
"""


def modules_after(program: str, *arguments: str) -> set[str]:
    """What is loaded when ``program`` has run in a Python of its own."""
    program = (
        "import sys, io\n"
        "known = set(sys.modules)\n"
        "out, sys.stdout = sys.stdout, io.StringIO()\n"
        f"try:\n    {program}\nexcept SystemExit as end:\n    assert not end.code, sys.stdout.getvalue()\n"
        "print(*set(sys.modules) - known, file=out)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(found.stdout.split())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_core_loads_the_standard_library_and_little_of_it() -> None:
    modules = modules_after("import stack.host, stack.sockets")
    assert not packages(modules) & {"simpy", "pydantic", "yaml", "typer", "rich", "http", *HEAVY}
    assert len(modules) < 300


def test_help_loads_no_stack() -> None:
    modules = modules_after("from scenarios.cli import main; main()", "--help")
    assert not packages(modules) & {"stack", "links", "simpy", "pydantic", "yaml", "asyncio", *HEAVY}
    assert len(modules) < 200


def test_a_scenario_loads_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO)
    modules = modules_after("from scenarios.cli import main; main()", "run", str(path))
    assert not packages(modules) & HEAVY
    assert len(modules) < 700


@pytest.mark.parametrize("module", ["scenarios.runs", "links.impairments.spec"])
def test_no_source_is_read_to_describe_what_nobody_asked_about(module: str) -> None:
    modules_after(
        f"import {module}, links.impairments.model as model; assert model._docstrings.cache_info().misses == 0"
    )
