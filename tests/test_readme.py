"""What the README shows works as it is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def _block(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(block)


def test_the_library_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _block("python")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("b'hello, world' ")
    assert done.stderr == ""


def test_the_scenario_example_holds(tmp_path: Path) -> None:
    scenario = tmp_path / "readme.yaml"
    scenario.write_text(_block("yaml"))
    command = [sys.executable, "-m", "scenarios", "run", "--quiet", str(scenario)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).returncode == 0


def test_every_path_that_it_names_is_there() -> None:
    for path in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / path).exists(), path
