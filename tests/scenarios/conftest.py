"""What the tests of scenarios share: files that are written, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from scenarios.loading import load_scenario
from scenarios.problems import ScenarioError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a scenario into an empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "s.yaml") -> Path:
        path = Path(name)
        path.write_text(dedent(text))
        return path

    return write_file


@pytest.fixture
def mistakes(write: Write) -> Callable[[str], list[str]]:
    """The lines that a user sees for a scenario, without the name of the file."""

    def find(text: str) -> list[str]:
        try:
            load_scenario(write(text))
        except ScenarioError as error:
            return [str(problem).removeprefix("s.yaml:") for problem in error.problems]
        return []

    return find
