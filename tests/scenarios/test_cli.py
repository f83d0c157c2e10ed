"""The command line: what it prints, what it leaves, and its exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from links.pcapng import read_pcapng
from scenarios.cli import app
from scenarios.schema.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
Write = Callable[..., Path]

GOOD = """\
name: small
topology:
  nodes: {a: {kind: host}, b: {kind: host}}
  links: {wire: {between: [a, b], both: {rate: 10Mbit/s, delay: 5ms}}}
traffic:
  upload: {kind: bulk, from: a, to: b, bytes: 100kB}
expect:
  flows: {upload: {delivered: all, goodput: ">= 1Mbit/s"}}
"""
FAILING = GOOD.replace(">= 1Mbit/s", ">= 1Gbit/s").replace("name: small", "name: failing")
BAD = GOOD.replace("to: b", "to: c").replace("delay: 5ms", "delay: -5ms")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def test_expectations_that_hold(write: Write) -> None:
    result = run("run", write(GOOD))
    assert result.exit_code == 0
    assert result.stderr == ""
    row = next(line for line in lines(result.stdout) if line.startswith("upload"))
    assert row.split()[:5] == ["upload", "bulk", "a", "b", "100kB"]
    assert row.endswith("2 of 2")
    assert "✓  flow upload: goodput" in result.stdout


def test_expectations_that_do_not_hold(write: Write) -> None:
    result = run("run", write(FAILING))
    assert result.exit_code == 1
    failed, replay = lines(result.stdout)[-2:]
    assert re.fullmatch(
        r"failed s\.yaml:8:36: flow upload: goodput: expected >= 1Gbit/s, actual [\d.]+Mbit/s", failed
    )
    assert replay == "replay: usernetstack run s.yaml --seed 1"


def test_the_command_that_replays_does(write: Write) -> None:
    result = run("run", write(FAILING), "--seed", "7", "--set", "traffic.upload.bytes=50 kB", "--json", "-")
    replay = lines(result.stderr)[-1]
    assert replay == "replay: usernetstack run s.yaml --seed 7 --set 'traffic.upload.bytes=50 kB'"
    again = run("run", "s.yaml", "--seed", "7", "--set", "traffic.upload.bytes=50 kB", "--json", "-")
    assert again.stdout == result.stdout


def test_bad_input(write: Write) -> None:
    for command in ("run", "check"):
        result = run(command, write(BAD))
        assert result.exit_code == 2
        assert result.stdout == ""
        assert lines(result.stderr) == [
            "s.yaml:4:65: a duration cannot be negative, but '-5ms' is",
            "s.yaml:6:37: unknown node `c`; known: `a`, `b`",
        ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml: cannot be read: No such file or directory"),
        (["s.yaml", "--seeds", "5..2"], "--seeds: '5..2' is not a range; write 1..20"),
        (["s.yaml", "--seeds", "some"], "--seeds: 'some' is not a range; write 1..20"),
        (["s.yaml", "--seeds", "1..999999999"], "--seeds: '1..999999999' are more than 100000"),
        (["s.yaml", "--seeds", "1..2", "--seed", "3"], "--seeds: contradicts --seed"),
        (["s.yaml", "--set", "seed"], "--set: 'seed' is not of the form PATH=VALUE"),
        (["s.yaml", "--set", "sed=3"], "--set sed=3: unknown key `sed`; did you mean `seed`?"),
        (["s.yaml", "--json", "nowhere/x.json"], "--json: there is no directory for nowhere/x.json"),
        (["s.yaml", "--pcap", "s.yaml"], "--pcap: cannot make the directory s.yaml: File exists"),
        (["s.yaml", "--json", "."], "--json: . is a directory"),
    ],
)
def test_one_line_for_what_cannot_be(write: Write, arguments: list[str], message: str) -> None:
    write(GOOD)
    before = sorted(Path().iterdir())
    result = run("run", *arguments, "--quiet")
    assert (result.exit_code, result.stderr) == (2, message + "\n")
    assert sorted(Path().iterdir()) == before, "nothing is left behind"


def test_usage_errors() -> None:
    assert run("run").exit_code == 2
    assert run("run", "s.yaml", "--sede", "1").exit_code == 2
    assert run("run", "s.yaml", "--seed", "-1").exit_code == 2
    assert run("fly").exit_code == 2


def test_one_bad_file_stops_all(write: Write) -> None:
    write(GOOD)
    result = run("run", "s.yaml", write(BAD, "bad.yaml"), "--pcap", "out")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not Path("out").exists()


def test_several_seeds(write: Write) -> None:
    result = run("run", write(GOOD), "--seeds", "3..5", "--json", "r.json", "--pcap", "out")
    assert result.exit_code == 0
    assert lines(result.stdout)[-1] == "3 of 3 runs passed"
    document = json.loads(Path("r.json").read_text())
    assert document["passed"] is True
    assert [entry["seed"] for entry in document["runs"]] == [3, 4, 5]
    assert len({entry["digest"] for entry in document["runs"]}) == 3
    assert sorted(os.listdir("out")) == ["small-3.pcapng", "small-4.pcapng", "small-5.pcapng"]


def test_captures_of_scenarios_of_one_name_do_not_overwrite_each_other(write: Write) -> None:
    result = run("run", write(GOOD), write(GOOD, "t.yaml"), "--pcap", "out", "--quiet")
    assert result.exit_code == 0
    assert sorted(os.listdir("out")) == ["small-1-2.pcapng", "small-1.pcapng"]


def test_outputs_of_the_scenario_itself(write: Write) -> None:
    file = write(GOOD + "outputs: {pcap: out/small.pcapng, json: out/small.json}\n")
    assert run("run", file, "--quiet").exit_code == 0
    assert sorted(os.listdir("out")) == ["small.json", "small.pcapng"]
    assert json.loads(Path("out/small.json").read_text())["passed"] is True
    with Path("out/small.pcapng").open("rb") as capture:
        assert len(list(read_pcapng(capture))) > 100
    assert run("run", file, "--seeds", "1..2", "--quiet").exit_code == 0
    assert {"small-1.json", "small-2.json", "small-1.pcapng", "small-2.pcapng"} < set(os.listdir("out"))


def test_quiet_prints_what_failed_and_nothing_else(write: Write) -> None:
    assert run("run", write(GOOD), "--quiet").stdout == ""
    assert len(lines(run("run", write(FAILING), "--quiet").stdout)) == 2


def test_json_to_standard_output_is_alone_there(write: Write) -> None:
    result = run("run", write(FAILING), "--json", "-")
    document = json.loads(result.stdout)
    assert document["passed"] is False
    assert document["runs"][0]["verdicts"][1]["held"] is False
    assert "failed s.yaml" in result.stderr


def test_check_says_that_there_are_no_mistakes(write: Write) -> None:
    result = run("check", write(GOOD))
    assert (result.exit_code, result.stdout) == (0, "s.yaml: no mistakes\n")


def test_check_finds_what_only_shows_with_all_addresses(write: Write) -> None:
    text = GOOD.replace("a: {kind: host}", "a: {kind: host, routes: [{to: 10.9.0.0/16, via: 10.8.0.1}]}")
    result = run("check", write(text))
    assert (result.exit_code, result.stderr) == (2, "s.yaml:3:59: 10.8.0.1 is on no network of `a`\n")


def test_the_schema_describes_what_is_read(write: Write) -> None:
    result = run("schema")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["title"] == "UserNetStack scenario"
    assert set(document["properties"]) == {
        field.alias or name for name, field in Scenario.model_fields.items()
    }
    assert document["properties"]["traffic"]["patternProperties"]
    assert document["$defs"]["TcpSettings"]["properties"]["delayed_ack"]["default"] == "40ms"


def test_live_refuses_what_cannot_be() -> None:
    result = CliRunner().invoke(app, ["live", "--tap", "tap0", "--mtu", "5"])
    assert result.exit_code == 2


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["live", "--help"], ["--version"]])
def test_help_needs_nothing_heavy(command: list[str]) -> None:
    """``--help`` and ``--version`` answer at once: nothing of the stack or of networkx is imported."""
    code = (
        "import sys\n"
        f"sys.argv = ['usernetstack', *{command!r}]\n"
        "from scenarios.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "heavy = {'networkx', 'simpy', 'yaml', 'stack', 'links', 'rich.table'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usernetstack" in done.stdout


def test_python_m_scenarios_is_the_same(write: Write) -> None:
    file = write(FAILING).resolve()
    done = subprocess.run(
        [sys.executable, "-m", "scenarios", "run", str(file), "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"failed {file}:8:36: flow upload: goodput")
    assert done.stderr == ""
