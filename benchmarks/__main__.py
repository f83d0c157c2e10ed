"""``python -m benchmarks``: how fast the code is, beside yardsticks that were measured in the same minutes."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.table import Rate, rows, save, show

_ROOT = Path(__file__).parent.parent
_COMPILED = _ROOT / ".venv-compiled/bin/python"
_SUITES = ("simulated", "live", "scale")
"""Modules with ``measure()``, and ``available()``, which says why not."""
_ONCE = ("scale",)
"""What takes too long to be measured in every round."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def speed(
    context: typer.Context,
    runs: Annotated[int, typer.Option(min=1, help="Rounds, of which the table shows the medians.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table there, too.")] = None,
    base: Annotated[str, typer.Option(help="A revision to be measured in turn with this one.")] = "",
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Measure what `make compiled` made in turn.")
    ] = False,
    suite: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(_SUITES)}: only this one.")] = None,
) -> None:
    """Measure everything in rounds, so that the machine's moods fall on all rows alike."""
    if context.invoked_subcommand is not None:
        return
    suites = suite or list(_SUITES)
    if unknown := set(suites) - set(_SUITES):
        raise typer.BadParameter(f"no suite {', '.join(sorted(unknown))}", param_hint="--suite")
    if base and compiled:
        raise typer.BadParameter("not both at once", param_hint="--base, --compiled")
    here: list[list[Rate]] = []
    there: list[list[Rate]] = []
    python = str(_COMPILED) if compiled else sys.executable
    with _compiled() if compiled else _checkout(base) as tree:
        for number in range(runs):
            print(f"round {number + 1} of {runs}", file=sys.stderr)
            now = [suite for suite in suites if not number or suite not in _ONCE]
            here.append(_measure(now, _ROOT, sys.executable))
            if tree is not None:
                there.append(_measure(now, tree, python))
    table, other = rows(here, there), "compiled" if compiled else base
    show(table, runs, other)
    if json_file is not None:
        save(json_file, table, runs, other)


@app.command()
def goodput() -> None:
    """How fast TCP is over lossy paths, beside Linux, ns-3 and theory; writes the tables of docs/goodput.md."""
    from benchmarks import goodput as tables

    tables.write(tables.measure())


@app.command("bad-links")
def bad_links_(runs: Annotated[int, typer.Option(min=1)] = 3) -> None:
    """The stack to a kernel, and kernel to kernel, over the same bad links at once."""
    from benchmarks import bad_links

    bad_links.main(runs)


@app.command(hidden=True)
def one(suite: str) -> None:
    """Measure one suite in this process, and print it as JSON: a round of :func:`speed`."""
    module = importlib.import_module(f"benchmarks.{suite}")
    if reason := module.available():
        print(f"{suite}: not measured, {reason}", file=sys.stderr)
        print("[]")
    else:
        print(json.dumps([asdict(rate) for rate in module.measure()]))


def _measure(suites: list[str], tree: Path, python: str) -> list[Rate]:
    rates: list[Rate] = []
    for suite in suites:
        command = [python, "-m", "benchmarks", "one", suite]
        done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{suite}: could not be measured in {tree}", file=sys.stderr)
            continue
        rates += [Rate(**rate) for rate in json.loads(done.stdout.splitlines()[-1])]
    return rates


@contextmanager
def _compiled() -> Iterator[Path]:
    """A folder with nothing but these benchmarks, so that the stack is the one that is installed."""
    if not _COMPILED.exists():
        raise typer.BadParameter("run make compiled first", param_hint="--compiled")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(_ROOT / "benchmarks", Path(folder) / "benchmarks")
        yield Path(folder)


@contextmanager
def _checkout(revision: str) -> Iterator[Path | None]:
    """The tree of a revision, measured by these benchmarks: they come first on its path, whatever was installed."""
    if not revision:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        command = ["git", "worktree", "add", "--quiet", "--detach", str(tree), revision]
        if subprocess.run(command, cwd=_ROOT).returncode:
            raise typer.BadParameter(f"no revision {revision}", param_hint="--base")
        try:
            shutil.rmtree(tree / "benchmarks", ignore_errors=True)
            shutil.copytree(_ROOT / "benchmarks", tree / "benchmarks")
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=_ROOT, check=True)


if __name__ == "__main__":
    app()
