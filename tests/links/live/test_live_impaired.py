"""The same programs, over a link that loses, delays and reorders: both TCPs recover."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.links.live.command import (
    BOTH_ENDS,
    KERNEL_V4,
    KERNEL_V6,
    OURS_V4,
    OURS_V6,
    Live,
    checksum,
    content,
    live,
    run,
    server,
    url,
)

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

IMPAIRED = ("--impair", "loss=1%, delay=20ms, reorder=2%", "--seed", "1")
SIZE = 3_000_000


@pytest.mark.parametrize("address", [OURS_V4, OURS_V6])
def test_ping_takes_the_delay_of_both_directions(address: str) -> None:
    with live(*IMPAIRED):
        output = run("ping", "-c", "100", "-i", "0.01", "-W", "2", address)
    received = re.search(r"(\d+) received", output)
    round_trip = re.search(r"= [\d.]+/([\d.]+)/", output)
    assert received is not None
    assert round_trip is not None
    assert 85 <= int(received[1]) <= 100
    assert 35 <= float(round_trip[1]) <= 100


@pytest.mark.parametrize("address", [OURS_V4, OURS_V6])
def test_downloads_and_uploads_arrive_whole(address: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "file", SIZE)
    served = tmp_path / "served"
    served.mkdir()
    (served / "file").hardlink_to(tmp_path / "file")
    with live(*IMPAIRED, "--serve", f"http:80:{served}"):
        downloading = subprocess.Popen(["curl", "-sSf", "-o", tmp_path / "copy", url(address, "file")])
        run("curl", "-sSf", "-T", tmp_path / "file", url(address, "upload"))
        assert downloading.wait(60) == 0
    assert checksum(tmp_path / "copy") == digest
    assert checksum(served / "upload") == digest


@pytest.mark.parametrize("address", [KERNEL_V4, KERNEL_V6])
def test_the_stack_fetches_a_whole_file(address: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "file", SIZE)
    command = (sys.executable, "-m", "http.server", "--bind", "::", "--directory", tmp_path, "8080")
    with server(*command, address="::1", port=8080):
        fetch = ("--fetch", url(address, "file", 8080), "--output", str(tmp_path / "copy"))
        with Live(*BOTH_ENDS, *IMPAIRED, *fetch) as running:
            assert running.ended(60) == (0, "")
    assert checksum(tmp_path / "copy") == digest


def test_nc_gets_its_lines_back_in_order() -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))
    with live(*IMPAIRED, "--serve", "echo:7"):
        assert run("nc", "-N", "-w", "10", OURS_V4, "7", text=text) == text


def test_traceroute_arrives_in_the_end() -> None:
    with live(*IMPAIRED):
        assert OURS_V6 in run("traceroute", "-n", "-m", "3", OURS_V6)
