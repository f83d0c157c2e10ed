"""The command line: what it prints, what it leaves, and its exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from links.pcapng import read_pcapng
from scenarios.cli import app, main
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
        (["s.yaml", "--pcap", "s.yaml"], "--pcap: s.yaml is not a directory"),
        (["s.yaml", "--json", "."], "--json: . is a directory"),
        (["s.yaml", "--json", ""], "--json: the name of a file is missing"),
        (["s.yaml", "--set", "outputs.pcap=."], "--set outputs.pcap=.: . is a directory"),
        (
            ["s.yaml", "--set", 'outputs.json="a\\0b"'],
            "--set outputs.json=\"a\\0b\": 'a\\x00b' is not the name of a file",
        ),
        (["s.yaml", "--set", "outputs.json=."], "--set outputs.json=.: . is a directory"),
        (
            ["s.yaml", "--set", "outputs.pcap=s.yaml/x"],
            "--set outputs.pcap=s.yaml/x: {here}/s.yaml is not a directory",
        ),
    ],
)
def test_one_line_for_what_cannot_be(write: Write, arguments: list[str], message: str) -> None:
    write(GOOD)
    before = sorted(Path().iterdir())
    result = run("run", *arguments, "--quiet")
    assert (result.exit_code, result.stderr) == (2, message.replace("{here}", str(Path.cwd())) + "\n")
    assert sorted(Path().iterdir()) == before, "nothing is left behind"


def test_every_output_that_cannot_be_is_told_before_anything_runs(write: Write) -> None:
    Path("small-1.pcapng").mkdir()
    write(GOOD + "outputs: {pcap: '', json: ''}\n")
    result = run("run", "s.yaml", write(GOOD + "outputs: {pcap: ., json: .}\n", "t.yaml"), "--json", "r.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert lines(result.stderr) == [
        "s.yaml:9:17: the name of a file is missing",
        "s.yaml:9:27: the name of a file is missing",
        "t.yaml:9:17: . is a directory",
        "t.yaml:9:26: . is a directory",
    ]
    result = run("run", write(GOOD), "--pcap", ".")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "small-1.pcapng: small-1.pcapng is a directory\n"


def full(path: Path) -> None:
    """Let a file that this process is about to write be on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f".{path.name}.{os.getpid()}.part").symlink_to("/dev/full")


@pytest.mark.parametrize("name", ["out.pcapng", "out.json"])
def test_a_full_disk(write: Write, name: str) -> None:
    file = write(GOOD + "outputs: {pcap: out.pcapng, json: out.json}\n")
    full(Path(name))
    result = run("run", file, "--quiet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{name}: cannot be written: No space left on device\n"
    assert not list(Path().glob(".*.part"))
    assert not Path(name).exists()


def test_directories_made_for_nothing_are_taken_away(write: Write) -> None:
    Path("own.py").write_text("async def client(host, address, port, flow):\n    raise KeyError(port)\n")
    text = GOOD.replace("kind: bulk", "kind: python, python: 'own:client'").replace(", bytes: 100kB", "")
    result = run("run", write(text), "--set", "outputs.json=new/result.json", "--pcap", "a/b/c")
    assert result.exit_code == 2
    assert "`upload` raised KeyError: 9999" in result.stderr
    assert sorted(os.listdir()) == ["own.py", "s.yaml"]


def outside(*arguments: str | Path, stdout: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, with its standard output in a file if one is named."""
    command = [sys.executable, "-m", "scenarios", *map(str, arguments)]
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    if stdout is None:
        return subprocess.run(command, env=where, capture_output=True, text=True, check=False, timeout=60)
    with Path(stdout).open("w") as file:
        return subprocess.run(
            command, env=where, stdout=file, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )


def test_a_congestion_control_lies_beside_its_scenario(tmp_path: Path) -> None:
    """It is found from wherever the command is called, by `check` and by `run`."""
    example = ROOT / "scenarios" / "examples" / "own_congestion.yaml"
    (tmp_path / "somebodys_own.py").write_text(example.with_suffix(".py").read_text())
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        example.read_text().replace("own_congestion:", "somebodys_own:").replace("8s", "200ms")
    )
    assert run("check", scenario).exit_code == 0
    result = run("run", scenario, "--set", "expect={}", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [["run", "s.yaml"], ["run", "s.yaml", "--json", "-", "--quiet"], ["check", "s.yaml"], ["schema"]],
)
def test_a_full_standard_output(write: Write, arguments: list[str]) -> None:
    write(GOOD)
    done = outside(*arguments, stdout="/dev/full")
    assert (done.returncode, done.stderr) == (
        2,
        "standard output: cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_nothing_behind(write: Write, number: signal.Signals) -> None:
    file = write(GOOD.replace("100kB", "100GB") + "duration: 1000s\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "scenarios", "run", str(file), "--pcap", "out", "--quiet"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 30
    while not list(Path().glob("out/.*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(Path().glob("out/.*.part"))
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    assert sorted(os.listdir()) == ["s.yaml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument 'FILE...'."),
        (["run", "s.yaml", "--sede", "1"], "No such option: --sede"),
        (["run", "s.yaml", "--seed", "-1"], "Invalid value for '--seed'"),
        (["run", "s.yaml", "--seed", "one"], "Invalid value for '--seed'"),
        (["fly"], "No such command 'fly'."),
    ],
)
def test_usage_errors_take_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["usernetstack", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"usernetstack: error: {message}")
    assert told.err.count("\n") == 1


def test_no_command_gives_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Usage: usernetstack" in result.stderr


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


def test_check_finds_all_that_only_shows_with_all_addresses(write: Write) -> None:
    text = """\
        topology:
          families: ipv6
          nodes:
            a: {kind: host, routes: [{to: fd09::/16, via: "fd08::1"}, {to: fd0a::/16, via: "fd08::2"}]}
            b: {kind: host, routes: [{to: fd09::/16, via: "fd08::3"}]}
          links: {wire: {between: [a, b], mtu: 600}}
        traffic: {f: {kind: ping, from: a, to: b}, g: {kind: ping, from: b, to: a}}
        """
    for command in ("run", "check"):
        result = run(command, write(text))
        assert (result.exit_code, result.stdout) == (2, "")
        assert lines(result.stderr) == [
            "s.yaml:4:51: fd08::1 is on no network of `a`",
            "s.yaml:4:84: fd08::2 is on no network of `a`",
            "s.yaml:5:51: fd08::3 is on no network of `b`",
            "s.yaml:7:40: `b` has no IP address",
            "s.yaml:7:73: `a` has no IP address",
        ]


def test_nothing_runs_if_one_has_no_address(write: Write) -> None:
    bad = GOOD.replace("topology:", "topology:\n  families: ipv6").replace("[a, b],", "[a, b], mtu: 600,")
    result = run("run", write(GOOD), write(bad, "t.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "t.yaml:7:37: `b` has no IP address\n"


def test_errors_have_a_column_where_there_are_any(write: Write) -> None:
    assert "errors" not in run("run", write(GOOD)).stdout
    result = run("run", write(GOOD + "events: [{at: 0s, kind: down, link: wire}]\n"))
    row = next(line for line in lines(result.stdout) if line.startswith("upload"))
    assert re.search(r"\sEHOSTUNREACH\s", row)


def test_the_schema_describes_what_is_read(write: Write) -> None:
    result = run("schema")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["title"] == "UserNetStack scenario"
    assert set(document["properties"]) == {
        field.alias or name for name, field in Scenario.model_fields.items()
    }
    assert document["properties"]["traffic"]["patternProperties"]
    counters = document["$defs"]["Expect"]["properties"]["hosts"]["patternProperties"].popitem()[1]
    assert "tcp.bad_checksum" in counters["propertyNames"]["enum"]
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
