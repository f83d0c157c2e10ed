"""The house stands as it is drawn: which package may import what, and what the core may touch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stack", "links", "scenarios")
FORBIDDEN_IN_THE_CORE = {
    "fcntl", "select", "selectors", "signal", "socketserver", "ssl", "subprocess", "threading", "time",
    "multiprocessing", "secrets", "tempfile", "shutil", "pathlib", "io", "logging",
}  # fmt: skip
"""Standard modules that stand for a world which the core is not to see."""


def _modules(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("stack", {"stack"}), ("links", {"links", "stack"}), ("scenarios", set(PACKAGES))],
)
def test_arrows_point_one_way(package: str, allowed: set[str]) -> None:
    for path in _modules(package):
        wrong = _imports(path) & {*PACKAGES, "tests"} - allowed
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_core_needs_the_standard_library_only() -> None:
    for path in _modules("stack"):
        foreign = _imports(path) - set(sys.stdlib_module_names) - {"stack"}
        if path == ROOT / "stack" / "compiled.py":
            foreign -= {"mypy_extensions"}  # for the type checker; test_the_core_loads_nothing_else shows it
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"
        worldly = _imports(path) & FORBIDDEN_IN_THE_CORE
        assert not worldly, f"{path.relative_to(ROOT)} imports {sorted(worldly)}"


def test_the_core_loads_nothing_else() -> None:
    program = f"""
import sys
sys.path.append({str(ROOT)!r})
import stack.host
print(*{{name.partition(".")[0] for name in sys.modules}})
"""
    loaded = subprocess.run(
        [sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True
    )
    assert set(loaded.stdout.split()) <= {*sys.stdlib_module_names, "stack", "__main__"}


def _calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


GLOBAL_CHANCE = {
    "random." + name for name in ("random", "randint", "randrange", "choice", "shuffle", "getrandbits")
}
WALL_TIME = {
    "time.time",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.time_ns",
    "datetime.now",
}


@pytest.mark.parametrize("folder", ["stack", "links/simulated", "links/impairments"])
def test_no_wall_time_and_no_global_chance(folder: str) -> None:
    for path in _modules(folder):
        called = set(_calls(path))
        assert not called & (WALL_TIME | {"os.urandom", "hash", "id"}), path
        if "random" in _imports(path):
            assert "import random" not in path.read_text() or not called & GLOBAL_CHANCE, path


def test_tests_mirror_the_tree() -> None:
    """Whoever looks for the tests of a room finds them by its name."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        if folder != Path():
            assert (ROOT / folder).is_dir(), f"{path.relative_to(ROOT)} mirrors nothing"
