"""pytest collects ``*.pkt``: each script is a test.

Loaded through the entry point ``pytest11``, so it imports nothing of the stack until there is a script to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--packetdrill-profile``."""
    parser.addoption(
        "--packetdrill-profile",
        help="How the stack is to be: linux, freebsd or rfc; by default by the folder.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a script."""
    if file_path.suffix == ".pkt":
        return ScriptFile.from_parent(parent, path=file_path)
    return None


class ScriptFile(pytest.File):
    """A file with one script."""

    def collect(self) -> Iterator[pytest.Item]:
        """The script, over IPv4 and over IPv6."""
        for family in ("ipv4", "ipv6"):
            yield ScriptItem.from_parent(self, name=family)


class ScriptItem(pytest.Item):
    """A script over one family."""

    def runtest(self) -> None:
        """Play it: what it needs and is not there is a skip."""
        from scenarios.packetdrill.result import Outcome
        from scenarios.packetdrill.running import run_script
        from scenarios.packetdrill.settings import Family

        profile = self.config.getoption("--packetdrill-profile")
        result = run_script(self.path, profile, family=Family(self.name))
        if result.family != self.name:
            pytest.skip(f"over {result.family} only")
        if result.outcome is Outcome.UNSUPPORTED:
            pytest.skip(str(result))
        if result.outcome is Outcome.FAILED:
            raise ScriptFailedError(str(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A failure as the command shows it, without a traceback of the interpreter."""
        if isinstance(excinfo.value, ScriptFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is, and what it is called."""
        return self.path, 0, f"{self.path.name}[{self.name}]"


class ScriptFailedError(Exception):
    """A script that failed."""
