"""A run is a pure function of scenario, overrides and seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from links.pcapng import read_pcapng
from scenarios.loading import load_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import run_scenario
from tests.pythons import other_pythons, search_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "scenarios" / "examples" / "lossy_reordered.yaml"
SMALL = {"traffic.upload.bytes": "300kB"}
Write = Callable[..., Path]


def test_the_same_seed_gives_the_same_result() -> None:
    assert run_scenario(EXAMPLE, 5, SMALL) == run_scenario(EXAMPLE, 5, SMALL)


def test_another_seed_gives_another_digest() -> None:
    digests = {run_scenario(EXAMPLE, seed, SMALL).digest for seed in range(5)}
    assert len(digests) == 5


def test_the_seed_of_the_scenario_is_the_default() -> None:
    assert run_scenario(EXAMPLE, overrides=SMALL) == run_scenario(EXAMPLE, 1, SMALL)


def test_neither_a_capture_nor_progress_nor_what_ran_before_changes_the_digest(tmp_path: Path) -> None:
    alone = run_scenario(EXAMPLE, 3, SMALL)
    heard: list[int] = []
    run_scenario(EXAMPLE, 4, SMALL)
    watched = run_scenario(
        EXAMPLE, 3, SMALL, pcap=tmp_path / "c.pcapng", progress=lambda now, end: heard.append(now)
    )
    assert watched == alone
    assert heard == sorted(heard)
    assert heard[-1] == alone.elapsed
    with (tmp_path / "c.pcapng").open("rb") as file:
        assert len(list(read_pcapng(file))) > 300


def _digest_elsewhere(python: str, hash_seed: str) -> str:
    command = [python, "-P", "-m", "scenarios", "run", str(EXAMPLE), "--seed", "3", "--json", "-", "--quiet"]
    settings = [word for path, text in SMALL.items() for word in ("--set", f"{path}={text}")]
    done = subprocess.run(
        command + settings,
        env={**os.environ, "PYTHONPATH": search_path(python), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    (run,) = json.loads(done.stdout)["runs"]
    return str(run["digest"])


def test_the_digest_does_not_depend_on_hashes() -> None:
    here = run_scenario(EXAMPLE, 3, SMALL).digest
    assert {_digest_elsewhere(sys.executable, seed) for seed in ("0", "1", "4711")} == {here}


def test_the_digest_does_not_depend_on_the_version_of_python() -> None:
    pythons = other_pythons()
    here = run_scenario(EXAMPLE, 3, SMALL).digest
    assert {python: _digest_elsewhere(python, "random") for python in pythons} == dict.fromkeys(pythons, here)


def test_a_digest_can_be_expected_of_the_scenarios_own_seed(write: Write) -> None:
    text = """\
        topology:
          nodes: {a: {kind: host}, b: {kind: host}}
          links: {wire: {between: [a, b], both: {delay: 1ms}}}
        traffic: {ping: {kind: ping, from: a, to: b, count: 2, interval: 10ms, timeout: 10ms}}
        expect: {DIGEST}
        """
    digest = run_scenario(write(text.replace("DIGEST", ""))).digest
    right = write(text.replace("DIGEST", f"digest: {digest}"))
    assert [verdict.held for verdict in run_scenario(right).verdicts] == [True]
    assert run_scenario(right, 2).verdicts == [], "another seed has another digest"
    wrong = run_scenario(write(text.replace("DIGEST", f"digest: '{'0' * 64}'")))
    assert [str(verdict) for verdict in wrong.verdicts] == [
        f"run: digest: expected {'0' * 64}, actual {digest}"
    ]


def test_a_result_is_plain_data_and_says_how_to_repeat_it() -> None:
    result = run_scenario(load_scenario(EXAMPLE), 9, SMALL)
    data = json.loads(json.dumps(result.to_dict()))
    assert data["passed"] is result.passed
    assert data["flows"]["upload"]["metrics"]["bytes"] == 300_000
    assert data["links"]["wire"]["forward"]["frames"] > 200
    assert data["hosts"]["client"]["ipv4.sent"] > 200
    assert data["replay"] == f"usernetstack run {EXAMPLE} --seed 9 --set traffic.upload.bytes=300kB"


def test_a_run_ends_with_its_traffic(write: Write) -> None:
    result = run_scenario(EXAMPLE, 1, SMALL)
    finished = result.flows["upload"].finished
    assert finished is not None
    assert finished <= result.elapsed < finished + 1_000_000_000


def test_a_run_without_traffic_lasts_as_long_as_it_says(write: Write) -> None:
    file = write("duration: 5s\ntopology: {nodes: {a: {kind: host}}}\n")
    assert run_scenario(file).elapsed == 5_000_000_000


def test_a_run_does_not_last_longer_than_it_says() -> None:
    result = run_scenario(EXAMPLE, 1, {"duration": "500ms"})
    assert result.elapsed == 500_000_000
    assert not result.passed
    assert not result.flows["upload"].metrics["complete"]


def test_a_capture_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be written: No such file or directory"):
        run_scenario(EXAMPLE, 1, SMALL, pcap=tmp_path / "nowhere" / "c.pcapng")


def test_ports_are_given_out_one_by_one(write: Write) -> None:
    """Two flows of a kind to one server do not get into each other's way."""
    result = run_scenario(
        write(
            """\
            topology:
              nodes: {a: {kind: host}, b: {kind: host}}
              links: {wire: {between: [a, b], both: {delay: 1ms}}}
            traffic:
              one: {kind: bulk, from: a, to: b, bytes: 10kB}
              two: {kind: bulk, from: a, to: b, bytes: 20kB}
              three: {kind: bulk, from: a, to: b, bytes: 30kB, port: 5002}
            expect:
              flows:
                one: {delivered: 10kB, intact: true}
                two: {delivered: 20kB, intact: true}
                three: {delivered: 30kB, intact: true}
            """
        )
    )
    assert result.passed


def test_traffic_of_a_machine_with_itself(write: Write) -> None:
    result = run_scenario(
        write(
            """\
            topology: {nodes: {a: {kind: host}, b: {kind: host}}, links: {wire: {between: [a, b]}}}
            traffic: {self: {kind: bulk, from: a, to: a, bytes: 100kB}}
            expect: {flows: {self: {delivered: all, intact: true}}, links: {wire: {bytes: "<= 1kB"}}}
            """
        )
    )
    assert result.passed


def test_a_server_without_an_address_of_the_family(write: Write) -> None:
    file = write(
        """\
        topology: {families: ipv4, nodes: {a: {kind: host}, b: {kind: host}}, links: {wire: {between: [a, b]}}}
        traffic: {f: {kind: ping, from: a, to: b, family: ipv6}}
        """
    )
    with pytest.raises(ScenarioError, match=r"^s.yaml:2:40: `b` has no ipv6 address$"):
        run_scenario(file)


def test_mistakes_in_coroutines_and_functions_of_ones_own(write: Write) -> None:
    write(
        """\
        async def client(host, address, port, flow):
            raise KeyError("what?")

        async def fine(host, address, port, flow):
            flow.complete = True

        def complains(result):
            return "it is not good enough"

        def asserts(result):
            assert result.passed is None, "neither"

        def breaks(result):
            return result.nothing

        def leaves(result):
            raise SystemExit("goodbye")

        async def exits(host, address, port, flow):
            raise SystemExit(0)
        """,
        "own.py",
    )
    text = """\
        topology: {nodes: {a: {kind: host}, b: {kind: host}}, links: {wire: {between: [a, b]}}}
        traffic: {f: {kind: python, from: a, to: b, python: "own:CLIENT"}}
        expect: {python: FUNCTION}
        """

    def scenario(client: str, function: str) -> Path:
        return write(text.replace("CLIENT", client).replace("FUNCTION", function))

    with pytest.raises(
        ScenarioError, match=r"^s.yaml:2:11: `f` raised KeyError: 'what\?' \(own.py, line 2\)$"
    ):
        run_scenario(scenario("client", "own:complains"))
    with pytest.raises(ScenarioError, match=r"^s.yaml:2:11: `f` raised SystemExit: 0 \(own.py, line 20\)$"):
        run_scenario(scenario("exits", "own:complains"))
    result = run_scenario(scenario("fine", "[own:complains, own:asserts, own:leaves]"))
    assert [(verdict.held, verdict.actual) for verdict in result.verdicts] == [
        (False, "it is not good enough"),
        (False, "neither"),
        (False, "it raised SystemExit: goodbye"),
    ]
    with pytest.raises(ScenarioError, match=r"^s.yaml:3:18: `own:breaks` raised AttributeError"):
        run_scenario(scenario("fine", "own:breaks"))


def test_modules_beside_a_scenario_are_not_confused_with_anothers(tmp_path: Path) -> None:
    for name, complete in (("one", True), ("two", False)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "own.py").write_text(
            f"async def client(host, address, port, flow):\n    flow.complete = {complete}\n"
        )
        (folder / "s.yaml").write_text(
            "topology: {nodes: {a: {kind: host}, b: {kind: host}}, links: {wire: {between: [a, b]}}}\n"
            'traffic: {f: {kind: python, from: a, to: b, python: "own:client"}}\n'
        )
        result = run_scenario(folder / "s.yaml")
        assert result.flows["f"].metrics["complete"] is complete
    assert "own" not in sys.modules


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("own:Broken", r"^s.yaml: `own:Broken` raised ZeroDivisionError: .* \(own.py, line 7\)$"),
        ("own:Nameless", r"^s.yaml:1:8: congestion: 'own:Nameless' has no name"),
        ("bad:Control", r"^s.yaml:1:8: congestion: cannot load 'bad:Control': invalid syntax"),
    ],
)
def test_mistakes_in_a_congestion_control_of_ones_own(write: Write, name: str, complaint: str) -> None:
    write("def control(:", "bad.py")
    write(
        """\
        from stack.tcp.congestion import CongestionControl

        class Nameless(CongestionControl):
            def reduced_window(self, now):
                return self.cwnd // 2
            def avoid_congestion(self, octets, now, rtt):
                self.cwnd += octets // 0

        class Broken(Nameless):
            name = "broken"
        """,
        "own.py",
    )
    scenario = write(
        f"""\
        stack: {{tcp: {{congestion: "{name}"}}}}
        topology:
          nodes: {{a: {{kind: host}}, b: {{kind: host}}}}
          links: {{wire: {{between: [a, b], forward: {{drop: {{match: tcp, nth: 20}}}}}}}}
        traffic: {{f: {{kind: bulk, from: a, to: b, bytes: 300kB}}}}
        """
    )
    with pytest.raises(ScenarioError, match=complaint):
        run_scenario(scenario)
