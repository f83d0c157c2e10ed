"""Tests against the real kernel, each in a network namespace of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.links.live.kernel_peer import CONGESTION_CONTROLS, congestion_controls
from tests.links.live.namespaces import Namespace


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
    for name in CONGESTION_CONTROLS:
        if name not in congestion_controls():
            terminalreporter.write_line(
                f"NOT TESTED AGAINST {name}: the kernel lacks it", red=True, bold=True
            )


@pytest.fixture
def namespace() -> Iterator[None]:
    """The test, and all that it starts, runs in a fresh network namespace, which vanishes afterwards."""
    fresh = Namespace()
    try:
        with fresh.entered():
            yield
    finally:
        fresh.close()
