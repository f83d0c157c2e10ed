"""Scripts against a host: what passes, what fails and how that reads, and what is unsupported."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from links.pcapng import read_pcapng
from scenarios.cli import app
from scenarios.packetdrill import Family, Outcome, Result, run_script
from scenarios.packetdrill.profiles import profile_for
from scenarios.problems import ScenarioError

SCRIPTS = Path(__file__).resolve().parents[2] / "packetdrill"
LISTEN = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
"""
ACCEPTED = (
    LISTEN
    + """+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
"""
)


@pytest.fixture
def play(tmp_path: Path):
    def play(text: str, **arguments: Any) -> Result:
        script = tmp_path / "test.pkt"
        script.write_text(text)
        return run_script(script, **arguments)

    return play


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_reads_like_a_compiler_error(play) -> None:
    result = play(ACCEPTED + "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 2 win 5\n")
    assert result.outcome is Outcome.FAILED
    lines = str(result).splitlines()
    assert lines[0].endswith("test.pkt:9: error: not the packet that should leave: ack, win (ipv4)")
    assert lines[1] == "  expected  0.100000 > P. 1:101(100) ack 2 win 5"
    assert lines[2].startswith("  got       0.100000 > P. 1:101(100) ack 1 win ")
    assert lines[3] == "    ack  expected 2, got 1"
    assert lines[-1].strip().startswith("0.100000 > P. 1:101(100) ack 1")
    assert "    0.100000 < . 1:1(0) ack 1 win 257" in "\n".join(lines)


@pytest.mark.parametrize(
    ("expected", "field"),
    [
        ("+0 > . 1:101(100) ack 1", "flags"),
        ("+0 > P. 2:102(100) ack 1", "seq"),
        ("+0 > P. 1:51(50) ack 1", "length"),
        ("+0 > P. 1:101(100) ack 1 <nop,nop>", "options"),
        ("+0 > (ttl 63) P. 1:101(100) ack 1", "TTL"),
        ("+0 > [ect0] P. 1:101(100) ack 1", "ECN"),
        ("+0 > (tos 0x20) P. 1:101(100) ack 1", "TOS"),
        ("+.1 > P. 1:101(100) ack 1", "time"),
        ("+0 > udp (100)", "protocol"),
    ],
)
def test_each_field_is_compared(play, expected: str, field: str) -> None:
    result = play(f"{ACCEPTED}+0 write(4, ..., 100) = 100\n{expected}\n", family=Family.IPV4)
    assert result.outcome is Outcome.FAILED
    if field != "protocol":  # a packet of another protocol is one of another connection
        assert [item.field for item in result.differences] == [field]


def test_data_are_compared_too(play) -> None:
    result = play(
        ACCEPTED + '+.1 < P. 1:6(5) ack 1 win 257\n+0 > . 1:1(0) ack 6\n+0 read(4, "hello", 5) = 5\n'
    )
    assert "read(): data" in result.message


def test_a_packet_that_does_not_come(play) -> None:
    result = play(ACCEPTED + "+.5 > . 1:1(0) ack 1\n")
    assert (result.line, result.message) == (8, "no packet left until 0.662500")


@pytest.mark.parametrize(
    ("time", "outcome"),
    [
        ("0.096", Outcome.PASSED),
        ("0.104", Outcome.PASSED),
        ("0.0959", Outcome.FAILED),
        ("0.1041", Outcome.FAILED),
    ],
)
def test_four_milliseconds_are_tolerated(play, time: str, outcome: Outcome) -> None:
    assert play(f"{ACCEPTED}+0 write(4, ..., 1) = 1\n{time} > P. 1:2(1) ack 1\n").outcome is outcome


def test_tolerance_is_an_option(play) -> None:
    script = f"{ACCEPTED}+0 write(4, ..., 1) = 1\n+.009 > P. 1:2(1) ack 1\n"
    assert play(script).outcome is Outcome.FAILED
    assert play("--tolerance_usecs=10000\n" + script).outcome is Outcome.PASSED


def test_segments_add_up_unless_they_must_not(play) -> None:
    script = ACCEPTED + "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1\n"
    assert play(script).outcome is Outcome.PASSED
    assert play("--strict_segments\n" + script).outcome is Outcome.FAILED
    result = play(ACCEPTED + "+0 write(4, ..., 2000) = 2000\n+0 > P. 1:3001(3000) ack 1\n")
    assert "after 2000 octets" in result.message or result.differences


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("+0 read(4, ..., 10) = 10", "read() blocks"),
        ("+0 write(4, ..., 10) = 9", "write() returned 10, not 9"),
        ("+0 bind(4, ..., ...) = 0", "bind() returned -1 EINVAL, not 0"),
        ("+0 listen(9, 1) = -1 EINVAL", "listen() returned -1 EBADF, not -1 EINVAL"),
        ("+0...0.1 read(4, ..., 10) = 10", "read() still blocks"),
        (
            "+0 getsockopt(4, SOL_TCP, TCP_NODELAY, [1], [4]) = 0",
            "getsockopt(): TCP_NODELAY: expected 1, got 0",
        ),
        (
            "+0 poll([{fd=4, events=POLLOUT, revents=POLLIN}], 1, 0) = 1",
            "poll(): revents of 4: expected POLLIN, got POLLOUT",
        ),
        ("+0 %{ assert tcpi_snd_cwnd == 11 }%", "assert tcpi_snd_cwnd == 11: tcpi_snd_cwnd = 10"),
        (
            "+0 `sockstat -4 -P tcp | grep -c LISTEN | grep 2`",
            "wrong state: `sockstat -4 -P tcp | grep -c LISTEN | grep 2` finds nothing in: ? ? ? ? tcp4 *:8080 *:*",
        ),
        ("0.05 close(4) = 0", "is for 0.050000, and it is 0.100000 already"),
    ],
)
def test_calls_and_assertions_that_fail(play, line: str, message: str) -> None:
    result = play(f"{ACCEPTED}{line}\n")
    assert result.outcome is Outcome.FAILED, str(result)
    assert result.message.startswith(message)
    assert result.line == 8


def test_a_blocking_call_must_return_in_time(play) -> None:
    result = play(
        ACCEPTED + "+0...0.5 read(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 1 win 257\n+1 close(4) = 0\n"
    )
    assert result.message == "read() returned at 0.200000, not at 0.600000"


def test_what_the_stack_raises_is_a_failure(play, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr("stack.sockets.stream.StreamSocket._connection_changed", broken)
    result = play(ACCEPTED)
    assert result.outcome is Outcome.FAILED
    assert result.message.startswith("KeyError: 'oh' at ")
    assert result.line == 7


# --- unsupported ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "construct"),
    [
        ("+0 sctp_sendv(4) = 0", "system call sctp_sendv"),
        ("+0 setsockopt(4, SOL_TCP, TCP_REPAIR, [1], 4) = 0", "setsockopt: SOL_TCP TCP_REPAIR"),
        ("+0 setsockopt(4, SOL_TCP, TCP_UNHEARD, [1], 4) = 0", "symbol TCP_UNHEARD, which is not defined"),
        ("+0 `vmstat -n`", "shell: vmstat -n"),
        ("+0 `sysctl -q net.ipv4.tcp_unheard=1`", "sysctl net.ipv4.tcp_unheard"),
        ("+0 `sysctl -q net.ipv4.tcp_shrink_window=1`", "sysctl net.ipv4.tcp_shrink_window=1"),
        ("+0 %{ import os }%", "code: `import os`"),
        ("+0 %{ assert tcpi_nothing }%", "TCP_INFO has no tcpi_nothing"),
        ("+0 < icmp unreachable unheard_of [1:1(0)]", "icmp unreachable unheard_of"),
    ],
)
def test_what_is_missing_is_named_and_does_not_pass(play, line: str, construct: str) -> None:
    result = play(f"{ACCEPTED}{line}\n")
    assert (result.outcome, result.line, result.message) == (Outcome.UNSUPPORTED, 8, construct)


def test_an_unknown_option(play) -> None:
    assert play("--unheard_of=1\n" + LISTEN).message == "option --unheard_of"


# --- families, profiles, symbols --------------------------------------------------------------------------------------


def test_a_script_may_insist_on_its_family(play) -> None:
    assert play("--ip_version=ipv6\n" + LISTEN, family=Family.IPV4).family == "ipv6"
    with pytest.raises(ScenarioError, match="--ip_version=ipx"):
        play("--ip_version=ipx\n" + LISTEN)


def test_symbols_from_outside_win(play) -> None:
    script = "--define BACKLOG=zero\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 listen(3, BACKLOG) = 0\n"
    assert play(script).outcome is Outcome.UNSUPPORTED
    assert play(script, symbols={"BACKLOG": "1"}).outcome is Outcome.PASSED


def test_profiles_decide_conditional_parts(play) -> None:
    script = "#ifdef FreeBSD\n0 `sysctl net.inet.tcp.sack.enable=1`\n#else\n0 nothing() = 0\n#endif\n"
    assert play(script, profile="freebsd").outcome is Outcome.PASSED
    assert play(script, profile="linux").outcome is Outcome.UNSUPPORTED


def test_a_folder_may_name_the_profile() -> None:
    assert profile_for(Path("x/freebsd/tests/a.pkt")).name == "freebsd"
    assert profile_for(Path("x/rfc.pkt")).name == "linux"


def test_lax_leaves_the_order_of_options_open(play) -> None:
    script = LISTEN + (
        "+0 < S 0:0(0) win 1000 <mss 1000,sackOK,nop,nop,nop,wscale 7>\n"
        "+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8,sackOK,eol,eol>\n"
    )
    assert play(script).outcome is Outcome.FAILED
    assert play(script, lax=True).outcome is Outcome.PASSED


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_sums_up(tmp_path: Path) -> None:
    (tmp_path / "good.pkt").write_text(ACCEPTED)
    (tmp_path / "bad.pkt").write_text(ACCEPTED + "+0 > R 1:1(0)\n")
    (tmp_path / "odd.pkt").write_text("0 nothing() = 0\n")
    arguments = [
        "packetdrill",
        str(tmp_path),
        "--json",
        str(tmp_path / "out.json"),
        "--pcap",
        str(tmp_path / "pcap"),
    ]
    run = CliRunner().invoke(app, [*arguments, "--ipv4", "--ipv6"])
    assert run.exit_code == 1, run.output
    assert run.output.splitlines()[-1] == "2 passed, 2 failed, 2 unsupported"
    results = json.loads((tmp_path / "out.json").read_text())
    assert [(Path(item["script"]).stem, item["outcome"]) for item in results] == [
        ("bad", "failed"),
        ("bad", "failed"),
        ("good", "passed"),
        ("good", "passed"),
        ("odd", "unsupported"),
        ("odd", "unsupported"),
    ]
    with (tmp_path / "pcap" / "good-ipv6.pcapng").open("rb") as file:
        assert len(list(read_pcapng(file))) == 3
    with (tmp_path / "pcap" / "bad-ipv4.pcapng").open("rb") as file:
        assert len(list(read_pcapng(file))) == 3  # of a failure, the capture is what one wants


def test_exit_status(tmp_path: Path) -> None:
    good, broken = tmp_path / "good.pkt", tmp_path / "broken.pkt"
    good.write_text(ACCEPTED)
    broken.write_text("0 < nothing\n")
    assert CliRunner().invoke(app, ["packetdrill", str(good)]).exit_code == 0
    assert CliRunner().invoke(app, ["packetdrill", str(broken), str(good)]).exit_code == 2
    assert CliRunner().invoke(app, ["packetdrill", str(tmp_path / "none.pkt")]).exit_code == 2
    assert CliRunner().invoke(app, ["packetdrill", str(good), "--profile", "bsd"]).exit_code == 2


pytest_plugins = ["pytester"]


def test_pytest_collects_scripts(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("good.pkt").write_text(ACCEPTED)
    pytester.path.joinpath("bad.pkt").write_text(ACCEPTED + "+0 > R 1:1(0)\n")
    pytester.path.joinpath("odd.pkt").write_text("--ip_version=ipv4\n0 nothing() = 0\n")
    result = pytester.runpytest_inprocess("-p", "scenarios.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=3, skipped=1)
    result.stdout.fnmatch_lines(["*bad.pkt:8: error: no packet left*"])


def test_pytest_finds_the_plugin_by_itself() -> None:
    project = tomllib.loads((SCRIPTS.parents[1] / "pyproject.toml").read_text())
    ((name, target),) = project["project"]["entry-points"]["pytest11"].items()
    assert name == target, "or naming it in pytest_plugins, too, would load it twice"
    assert hasattr(importlib.import_module(target), "pytest_collect_file")


def test_the_plugin_leaves_the_stack_alone_until_there_is_a_script() -> None:
    code = (
        "import sys, scenarios.pytest_plugin; print([m for m in sys.modules if m.split('.')[0] == 'stack'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# --- dialects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "outcome"), [("linux", Outcome.PASSED), ("freebsd", Outcome.FAILED)])
def test_psh_of_what_segmentation_offload_would_have_sent_as_one(
    play, profile: str, outcome: Outcome
) -> None:
    script = LISTEN + (
        "+0 < S 0:0(0) win 32792 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+.1 < . 1:1(0) ack 1 win 20000\n"
        "+0 accept(3, ..., ...) = 4\n+0 write(4, ..., 20000) = 20000\n+0 > P. 1:10001(10000) ack 1\n"
    )
    assert play(script, profile=profile).outcome is outcome
    alone = script.replace("> P. 1:10001(10000)", "> P. 1:1001(1000)")
    assert play(alone, profile=profile).outcome is Outcome.FAILED


@pytest.mark.parametrize(("profile", "mss"), [("linux", 1460), ("freebsd", 1440)])
def test_the_mss_over_ipv6(play, profile: str, mss: int) -> None:
    script = f"{LISTEN}+0 < S 0:0(0) win 32792 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss {mss}>\n"
    assert play(script, profile=profile, family=Family.IPV6).outcome is Outcome.PASSED


def test_a_pointer_to_nowhere(play) -> None:
    script = ACCEPTED + (
        "+0 write(4, NULL, 100) = -1 EFAULT (Bad address)\n"
        "+0 send(4, (void *)-1, 100, 0) = -1 EFAULT\n"
        "+0 write(4, NULL, 0) = 0\n"
        "+0 < P. 1:101(100) ack 1 win 257\n* > . 1:1(0) ack 101\n"
        "+0 read(4, NULL, 100) = -1 EFAULT\n+0 read(4, ..., 100) = 100\n"
    )
    result = play(script)
    assert result.outcome is Outcome.PASSED, str(result)


def test_a_setting_reaches_the_sockets_that_were_not_told_otherwise(play) -> None:
    script = LISTEN.replace("+0 bind", "+0 setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n+0 bind") + (
        "+0 `sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0`\n"
        "+0 < S 0:0(0) win 32792 <mss 1000,sackOK,TS val 1 ecr 0>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"
    )
    result = play(script)
    assert result.outcome is Outcome.PASSED, str(result)


def test_an_interface_gets_another_address(play) -> None:
    script = ACCEPTED + (
        "+0 `ifconfig tun0 192.168.0.10/16`\n+0 write(4, ..., 100) = 100\n+.1 `ifconfig tun0 192.168.0.1/16`\n"
        "+.2~+.5 > P. 1:101(100) ack 1\n"
    )
    result = play(script)
    assert result.outcome is Outcome.PASSED, str(result)


# --- what cannot be written -------------------------------------------------------------------------------------------


def test_what_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    script, other = tmp_path / "a.pkt", tmp_path / "other" / "a.pkt"
    other.parent.mkdir()
    for path in (script, other):
        path.write_text(ACCEPTED)
    taken = tmp_path / "file"
    taken.write_text("")
    for arguments in (
        ["--json", str(taken / "x.json")],
        ["--pcap", str(taken)],
        [str(other), "--pcap", str(tmp_path / "pcap")],
    ):
        run = CliRunner().invoke(app, ["packetdrill", str(script), *arguments])
        assert run.exit_code == 2, run.output
        assert not run.output.startswith("Traceback")


def test_captures_lie_as_their_scripts_do(tmp_path: Path) -> None:
    for name in ("a/x.pkt", "b/x.pkt"):
        path = tmp_path / "scripts" / name
        path.parent.mkdir(parents=True)
        path.write_text(ACCEPTED)
    arguments = ["packetdrill", str(tmp_path / "scripts"), "--pcap", str(tmp_path / "pcap")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    found = {path.relative_to(tmp_path / "pcap").as_posix() for path in (tmp_path / "pcap").rglob("*.pcapng")}
    assert found == {"a/x-ipv4.pcapng", "b/x-ipv4.pcapng"}
