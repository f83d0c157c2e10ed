"""Assertions about states: pipelines over what lists sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.packetdrill import Outcome, Result, run_script

ACCEPTED = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < 4000 > 8080 S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
+0 > 8080 > 4000 S. 0:0(0) ack 1 <...>
+0 < 4000 > 8080 . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
"""


def outcome(tmp_path: Path, command: str) -> Result:
    script = tmp_path / "test.pkt"
    script.write_text(f"{ACCEPTED}+0 `{command}`\n")
    return run_script(script)


@pytest.mark.parametrize(
    "command",
    [
        "sockstat -46s | grep ESTABLISHED",
        "sockstat -P tcp | grep -c ESTABLISHED | grep 1",
        "sockstat -P tcp -p 4000 | grep -c tcp4 | grep -w 1",
        "sockstat -P tcp -p 8080 | wc -l | grep 2",
        "sockstat | grep -v LISTEN | grep -qi established",
        "sockstat | grep -c -E 'LISTEN|ESTABLISHED' | grep 2",
        "/usr/bin/netstat -an -p tcp | /usr/bin/grep '192.0.2.1:4000 ESTABLISHED'",
        'grep " 0A " /proc/net/tcp /proc/net/tcp6 | grep ":1F90"',
        "cat /proc/net/tcp | grep 0100A8C0:1F90 | grep -F ' 01 '",
    ],
)
def test_what_there_is(tmp_path: Path, command: str) -> None:
    result = outcome(tmp_path, command)
    assert result.outcome is Outcome.PASSED, str(result)


@pytest.mark.parametrize(
    "command",
    [
        "sockstat | grep CLOSE_WAIT",
        "sockstat | grep -c ESTABLISHED | grep 2",
        "sockstat -p 4001 | grep ESTABLISHED",
        "sockstat | grep -v tcp4",
        "cat /proc/net/tcp6 | grep 1F90",
    ],
)
def test_what_there_is_not(tmp_path: Path, command: str) -> None:
    result = outcome(tmp_path, command)
    assert result.outcome is Outcome.FAILED
    assert result.message.startswith(f"wrong state: `{command}` finds nothing in: ")


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        ("sockstat | awk ESTABLISHED", "awk ESTABLISHED"),
        ("sockstat | grep -A 1 ESTABLISHED", "grep -A 1 ESTABLISHED"),
        ("sockstat | grep '['", "grep ["),
        ("ss -t | grep ESTAB", "ss -t | grep ESTAB"),
    ],
)
def test_what_is_not_known_is_unsupported(tmp_path: Path, command: str, unknown: str) -> None:
    result = outcome(tmp_path, command)
    assert (result.outcome, result.message) == (Outcome.UNSUPPORTED, f"shell: {unknown}")
