"""Interpreters of other versions, or with the compiled form, for what must be the same on all of them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDED = "import simpy, networkx, pydantic, yaml, typer, rich"


def other_pythons() -> list[str]:
    """Those that ``OTHER_PYTHONS`` names (paths, with colons between) and those on the path that have the libraries.

    Skips the test, loudly, if there is none.
    """
    found = _able()
    if not found:
        pytest.skip("NOT COMPARED with other versions of Python: none is here with the libraries")
    return found


@functools.cache
def _able() -> list[str]:
    named = os.environ.get("OTHER_PYTHONS", "").split(os.pathsep)
    others = (minor for minor in (11, 12, 13, 14) if minor != sys.version_info.minor)
    found = (shutil.which(f"python3.{minor}") for minor in others)
    return [
        python
        for python in (*named, *found)
        if python and subprocess.run([python, "-c", NEEDED], capture_output=True, check=False).returncode == 0
    ]


@functools.cache
def search_path(python: str) -> str:
    """``PYTHONPATH`` for it: this tree, but nothing if it has the compiled form installed, which is then to be used."""
    probe = [python, "-I", "-c", "import stack.link; print(stack.link.__file__)"]
    found = subprocess.run(probe, capture_output=True, text=True, check=False).stdout
    return "" if found.strip().endswith(".so") else str(ROOT)
