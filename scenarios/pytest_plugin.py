"""pytest collects ``*.pkt``: each packetdrill script is a test, over each family.

Found by pytest through the entry point ``pytest11`` wherever the package is installed, so it imports nothing of the
stack until there is a script to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

_FAMILIES: Final = ("ipv4", "ipv4-mapped-ipv6", "ipv6")
_FIXED: Final = re.compile(r"^\s*--ip_version=(\S+)", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--packetdrill-profile``, and ``packetdrill_unsupported`` for pytest's configuration."""
    parser.addoption(
        "--packetdrill-profile",
        choices=("linux", "freebsd", "rfc"),
        help="how the stack of packetdrill scripts is to be; by default as a folder is called, or linux",
    )
    parser.addini(
        "packetdrill_unsupported",
        "what a packetdrill script is that needs something which is missing: skip or fail",
        default="skip",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a script."""
    if file_path.suffix == ".pkt":
        return ScriptFile.from_parent(parent, path=file_path)
    return None


class ScriptFile(pytest.File):
    """A file with one script."""

    def collect(self) -> Iterator[pytest.Item]:
        """The script over each family, or over that on which it insists."""
        fixed = _FIXED.search(self.path.read_text(encoding="utf-8", errors="replace"))
        for family in _FAMILIES:
            if fixed is None or fixed.group(1) not in _FAMILIES or fixed.group(1) == family:
                yield ScriptItem.from_parent(self, name=family)


class ScriptItem(pytest.Item):
    """A script over one family."""

    def runtest(self) -> None:
        """Play it: what it needs and is not there is a skip, unless that is configured otherwise."""
        from scenarios.packetdrill import Family, Outcome, run_script

        profile = self.config.getoption("--packetdrill-profile")
        result = run_script(self.path, profile, family=Family(self.name))
        if result.outcome is Outcome.PASSED:
            return
        if result.outcome is Outcome.UNSUPPORTED and self.config.getini("packetdrill_unsupported") != "fail":
            pytest.skip(str(result))
        raise ScriptFailedError(str(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A failure as the command shows it, without a traceback of the interpreter."""
        from scenarios.problems import ScenarioError

        if isinstance(excinfo.value, (ScriptFailedError, ScenarioError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is, and what it is called."""
        return self.path, 0, f"{self.path.name}[{self.name}]"


class ScriptFailedError(Exception):
    """A script that failed."""
