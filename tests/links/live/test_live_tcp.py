"""The programs that everybody has, as clients of the stack."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.links.live.command import (
    BOTH_ENDS,
    BOTH_ENDS_OF_TUN,
    OURS_V4,
    OURS_V6,
    Live,
    checksum,
    content,
    devices,
    live,
    run,
    url,
)

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

LARGE = 100_000_000
ADDRESSES = pytest.mark.parametrize("address", [OURS_V4, OURS_V6])


@ADDRESSES
def test_curl_downloads_a_large_file(address: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "large", LARGE)
    with live("--serve", f"http:80:{tmp_path}"):
        run("curl", "-sSf", "-o", tmp_path / "copy", url(address, "large"))
    assert checksum(tmp_path / "copy") == digest


@ADDRESSES
def test_curl_uploads_a_file(address: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "original", 20_000_000)
    served = tmp_path / "served"
    served.mkdir()
    with live("--serve", f"http:80:{served}"):
        run("curl", "-sSf", "-T", tmp_path / "original", url(address, "upload"))
    assert checksum(served / "upload") == digest


@pytest.mark.parametrize("ends", [BOTH_ENDS, BOTH_ENDS_OF_TUN], ids=["tap", "tun"])
def test_eight_downloads_at_once(ends: tuple[str, ...], tmp_path: Path) -> None:
    digest = content(tmp_path / "file", 2_000_000)
    with live("--serve", f"http:80:{tmp_path}", ends=ends):
        copies = [tmp_path / f"copy{number}" for number in range(8)]
        requests = [
            argument
            for number, copy in enumerate(copies)
            for argument in ("-o", copy, url((OURS_V4, OURS_V6)[number % 2], "file"))
        ]
        run("curl", "-sSf", "--parallel", "--parallel-immediate", *requests)
    assert [checksum(copy) for copy in copies] == [digest] * 8


@ADDRESSES
def test_nc_talks_to_echo_and_discard(address: str) -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))
    with live("--serve", "echo:7", "--serve", "discard:9"):
        assert run("nc", "-N", "-w", "5", address, "7", text=text) == text
        assert run("nc", "-N", "-w", "5", address, "9", text=text) == ""


@ADDRESSES
def test_nc_talks_to_echo_over_udp(address: str) -> None:
    with live("--serve", "echo:7"):
        assert run("nc", "-u", "-W", "1", "-w", "5", address, "7", text="one datagram\n") == "one datagram\n"


def test_chargen_sends_until_the_client_has_had_enough() -> None:
    with live("--serve", "chargen:19"), socket.create_connection((OURS_V4, 19), timeout=5) as client:
        received = bytearray()
        while len(received) < 1_000_000:
            received += client.recv(1 << 16)
        lines = received.split(b"\r\n")
        assert lines[0] == bytes(range(0x20, 0x20 + 72))
        assert lines[1] == bytes(range(0x21, 0x21 + 72))
        assert all(len(line) == 72 for line in lines[:-1])


def test_a_client_that_vanishes_does_no_harm(tmp_path: Path) -> None:
    content(tmp_path / "file", 20_000_000)
    with live("--serve", f"http:80:{tmp_path}", "--serve", "echo:7"):
        curl = subprocess.Popen(
            ["curl", "-sS", "--limit-rate", "1M", "-o", "/dev/null", url(OURS_V4, "file")],
            stderr=subprocess.DEVNULL,
        )
        with socket.create_connection((OURS_V4, 7), timeout=5) as client:
            client.sendall(b"still there?")
            assert client.recv(100) == b"still there?"
        curl.kill()
        curl.wait(5)
        assert run("nc", "-N", "-w", "5", OURS_V4, "7", text="and now?") == "and now?"


def test_what_comes_and_goes_is_told_when_asked_for() -> None:
    with live("--serve", "echo:7", "--verbose") as running:
        with socket.create_connection((OURS_V4, 7), timeout=5) as client:
            port = client.getsockname()[1]
            running.wait_for(f"10.0.0.1 port {port}: connected")
        running.wait_for(f"10.0.0.1 port {port}: closed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_everything_down_in_the_middle_of_a_transfer(number: int) -> None:
    with Live(*BOTH_ENDS, "--serve", "chargen:19") as running:
        running.wait_for("serving chargen")
        with socket.create_connection((OURS_V4, 19), timeout=5) as client:
            assert len(client.recv(1000)) > 0
            running.interrupt(number)
            assert running.ended() == (0, "")
    assert running.lines[-1].startswith("tap0 is down: ")
    assert devices() == {"lo"}
    assert run("ip", "route", "show") == ""
