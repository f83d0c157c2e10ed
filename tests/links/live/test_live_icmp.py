"""The kernel looks for the stack: ping, traceroute, and what it learns where nobody listens."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path

import pytest

from tests.links.live.command import (
    BOTH_ENDS,
    BOTH_ENDS_OF_TUN,
    KERNEL_V4,
    KERNEL_V6,
    OURS_V4,
    OURS_V6,
    live,
    run,
)

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]


@pytest.mark.parametrize("ends", [BOTH_ENDS, BOTH_ENDS_OF_TUN], ids=["tap", "tun"])
def test_ping_of_both_families(ends: tuple[str, ...]) -> None:
    with live(ends=ends):
        for address in (OURS_V4, OURS_V6):
            assert " 0% packet loss" in run("ping", "-c", "5", "-i", "0.01", "-W", "2", address)


def test_ping_of_every_size_also_in_fragments() -> None:
    with live():
        for address in (OURS_V4, OURS_V6):
            for size in ("0", "1472", "1473", "4000", "60000"):
                assert " 0% packet loss" in run(
                    "ping", "-c", "2", "-i", "0.01", "-W", "2", "-s", size, address
                )


def test_a_flood_of_pings_loses_nothing() -> None:
    with live():
        for address in (OURS_V4, OURS_V6):
            assert " 0% packet loss" in run("ping", "-f", "-q", "-c", "2000", "-W", "2", address)


@pytest.mark.parametrize("method", ["--udp", "--icmp", "--tcp"])
@pytest.mark.parametrize("address", [OURS_V4, OURS_V6])
def test_traceroute_finds_the_stack_one_hop_away(address: str, method: str) -> None:
    with live():
        output = run("traceroute", "-n", "-q", "2", "-w", "2", "-m", "3", method, address)
        hops = output.splitlines()[1:]
        assert len(hops) == 1, output
        assert re.match(rf" 1  {re.escape(address)}  [\d.]+ ms  [\d.]+ ms", hops[0]), output


@pytest.mark.parametrize("address", [OURS_V4, OURS_V6])
def test_nobody_listening_is_told_at_once(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with live():
        with socket.socket(family, socket.SOCK_STREAM) as tcp:
            tcp.settimeout(5)
            assert tcp.connect_ex((address, 4711)) == errno.ECONNREFUSED
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.settimeout(5)
            udp.connect((address, 4711))
            udp.send(b"anybody?")
            with pytest.raises(ConnectionRefusedError):
                udp.recv(100)


@pytest.mark.parametrize("address", [KERNEL_V4, KERNEL_V6])
def test_the_stack_pings_the_kernel(address: str) -> None:
    with live("--ping", address) as running:
        line = running.wait_for("echo requests")
        assert line.startswith(f"4 of 4 echo requests to {address} answered: round trip ")


def test_an_address_in_another_network_is_reached_by_a_route_of_its_own() -> None:
    ends = (
        "--tap",
        "tap0",
        "--address",
        "192.0.2.9/32",
        "--address",
        f"{OURS_V4}/24",
        "--peer",
        f"{KERNEL_V4}/24",
    )
    with live(ends=ends):
        assert " 0% packet loss" in run("ping", "-c", "3", "-i", "0.01", "-W", "2", "192.0.2.9")


def test_a_small_mtu_holds_at_both_ends() -> None:
    with live("--mtu", "1280"):
        assert "mtu 1280" in run("ip", "link", "show", "dev", "tap0")
        for address in (OURS_V4, OURS_V6):
            assert " 0% packet loss" in run("ping", "-c", "2", "-i", "0.01", "-W", "2", "-s", "3000", address)


def test_the_capture_shows_the_pings_without_a_flaw(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcapng"
    with live("--pcap", str(capture)):
        for address in (OURS_V4, OURS_V6):
            run("ping", "-c", "3", "-i", "0.01", "-W", "2", address)
    output = run("tshark", "-r", capture, "-Y", "icmp.type == 8 or icmpv6.type == 128")
    assert len(output.splitlines()) == 6
    assert run("tshark", "-r", capture, "-Y", "_ws.expert.severity >= 0x00600000") == ""
