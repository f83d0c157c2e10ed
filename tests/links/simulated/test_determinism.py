"""The same again is the same to the last bit: in any process, on any Python, captured or not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.pythons import other_pythons, search_path

PROGRAM = Path(__file__).with_name("lossy_network.py")


def load_program() -> ModuleType:
    specification = importlib.util.spec_from_file_location("lossy_network", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def digest_by(python: str, hash_seed: str) -> str:
    result = subprocess.run(
        [python, str(PROGRAM), "1"],
        env={**os.environ, "PYTHONPATH": search_path(python), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return load_program()


@pytest.fixture(scope="module")
def digest(program: ModuleType) -> str:
    return program.run(1)


def test_once_more_in_the_same_process(program: ModuleType, digest: str) -> None:
    program.run(2)
    assert program.run(1) == digest


def test_another_seed_is_another_run(program: ModuleType, digest: str) -> None:
    assert program.run(2) != digest


def test_with_a_capture(program: ModuleType, digest: str, tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    assert program.run(1, path) == digest
    assert path.stat().st_size > 500_000


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_under_any_hash_seed(digest: str, hash_seed: str) -> None:
    assert digest_by(sys.executable, hash_seed) == digest


def test_on_another_python(digest: str) -> None:
    assert {python: digest_by(python, "5") for python in other_pythons()} == dict.fromkeys(
        other_pythons(), digest
    )
