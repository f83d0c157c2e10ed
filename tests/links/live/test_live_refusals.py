"""What cannot be done is said in one line, with status 2, and nothing is left of the attempt."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.links.live.command import BOTH_ENDS, COMMAND, REPOSITORY, Live, devices, live, run

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]


def refused(*arguments: str, prefix: tuple[str, ...] = ()) -> str:
    """The error, without the line's end."""
    before = devices(), run("ip", "route", "show"), run("ip", "-6", "route", "show")
    result = subprocess.run(
        [*prefix, *COMMAND, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=20
    )
    assert (devices(), run("ip", "route", "show"), run("ip", "-6", "route", "show")) == before
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr.rstrip("\n")


def test_a_port_that_is_in_use() -> None:
    error = refused(*BOTH_ENDS, "--serve", "echo:7", "--serve", "discard:7")
    assert error == "--serve: port 7 is in use by another --serve"


def test_a_device_that_is_in_use() -> None:
    with live():
        assert refused(*BOTH_ENDS) == "live: tap0: another process uses this TAP device"


@pytest.mark.parametrize("name", ["lo", "more-than-fifteen", "a/b"])
def test_a_name_that_no_device_can_have(name: str) -> None:
    assert refused("--tap", name, *BOTH_ENDS[2:]).startswith(f"live: {name}: ")


def test_a_tap_without_permission() -> None:
    error = refused(*BOTH_ENDS, prefix=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))
    assert error == "live: tap0: making a TAP device needs root (the capability CAP_NET_ADMIN)"


def test_an_address_of_the_kernel_that_it_does_not_take() -> None:
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    error = refused(*BOTH_ENDS)
    assert error.startswith("live: tap0: cannot add the address fd00::1/64: IPv6 is switched off")


def test_the_mac_address_that_the_kernel_has_already() -> None:
    run("ip", "tuntap", "add", "dev", "tap0", "mode", "tap")
    run("ip", "link", "set", "tap0", "address", "02:00:00:00:00:01")
    error = refused(*BOTH_ENDS, "--mac", "02:00:00:00:00:01")
    assert error == "live: the MAC address 02:00:00:00:00:01 is the kernel's own"


def test_a_refusal_writes_no_capture(tmp_path: Path) -> None:
    with live():
        refused(*BOTH_ENDS, "--pcap", str(tmp_path / "capture.pcapng"))
    assert os.listdir(tmp_path) == []


def test_a_device_that_is_taken_away(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcapng"
    with Live(*BOTH_ENDS, "--pcap", str(capture), "--serve", "echo:7") as running:
        running.wait_for("serving echo")
        run("ping", "-c", "1", "10.0.0.2")
        run("ip", "link", "delete", "tap0")
        assert running.ended() == (2, "live: tap0 can no longer be used: it was removed\n")
    assert "Echo (ping) reply" in run("tshark", "-r", capture)  # what was captured is kept
    assert devices() == {"lo"}


def test_quiet_prints_nothing_but_errors() -> None:
    with Live(*BOTH_ENDS, "--quiet", "--ping", "10.0.0.1") as running:
        assert running.ended() == (0, "")
    assert running.lines == []
