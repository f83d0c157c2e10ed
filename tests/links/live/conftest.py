"""Tests against the real kernel, each in a network namespace of its own."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000


def why_not() -> str | None:
    """What this machine lacks for live tests, or None."""
    if os.geteuid() != 0:
        return "they need root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    if reason is not None:
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(pytest.mark.skip(reason=f"LIVE TESTS NOT RUN: {reason}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reason = why_not()
    if reason is not None:
        terminalreporter.write_line(f"LIVE TESTS NOT RUN: {reason}", red=True, bold=True)


@pytest.fixture
def namespace() -> Iterator[None]:
    """The test, and all that it starts, runs in a fresh network namespace, which vanishes afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare and os.setns are as young as Python 3.12
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        os.close(outside)
        pytest.fail(f"unshare: {os.strerror(ctypes.get_errno())}")
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        libc.setns(outside, CLONE_NEWNET)
        os.close(outside)
