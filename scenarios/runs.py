"""``usernetstack run``: several runs, one after the other, and the files that they leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.markup import escape

from scenarios.files import directory_for, directory_obstacle, obstacle, put_out, to_json, write_json
from scenarios.loading import LoadedScenario, load_scenario
from scenarios.problems import Problem, ScenarioError
from scenarios.report import console, print_failures, print_result, progress_bar
from scenarios.result import Result
from scenarios.runner import run_scenario, verify

MAX_SEEDS = 100_000
_SEEDS = re.compile(r"(\d{1,18})\.\.(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run, and what is wanted of it."""

    files: Sequence[Path]
    seeds: range | None
    """None: each scenario's own seed."""
    overrides: dict[str, str]
    json: str | None
    """A file, or ``-`` for standard output."""
    pcap: Path | None
    """A directory."""
    quiet: bool

    @classmethod
    def parse(
        cls,
        files: Sequence[Path],
        *,
        seed: int | None,
        seeds: str | None,
        settings: Sequence[str],
        json: str | None,
        pcap: Path | None,
        quiet: bool,
    ) -> Self:
        """From a command line. Raises ScenarioError with every mistake in it."""
        problems = []
        wanted = None if seed is None else range(seed, seed + 1)
        if seeds is not None:
            found = _SEEDS.fullmatch(seeds)
            if seed is not None:
                problems.append(Problem("--seeds", "contradicts --seed"))
            elif found is None or int(found[1]) > int(found[2]):
                problems.append(Problem("--seeds", f"{seeds!r} is not a range; write 1..20"))
            elif int(found[2]) - int(found[1]) >= MAX_SEEDS:
                problems.append(Problem("--seeds", f"{seeds!r} are more than {MAX_SEEDS}"))
            else:
                wanted = range(int(found[1]), int(found[2]) + 1)
        overrides = {}
        for setting in settings:
            path, equals, value = setting.partition("=")
            if not equals or not path:
                problems.append(Problem("--set", f"{setting!r} is not of the form PATH=VALUE"))
            overrides[path] = value
        if json is not None and json != "-":
            text = obstacle(json)
            if text is None and not Path(json).absolute().parent.is_dir():
                text = f"there is no directory for {json}"
            if text is not None:
                problems.append(Problem("--json", text))
        if problems:
            raise ScenarioError(problems)
        return cls(files, wanted, overrides, json, pcap, quiet)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run to be done."""

    scenario: LoadedScenario
    seed: int
    pcap: Path | None
    json: Path | None

    @property
    def paths(self) -> list[Path]:
        """The files that it leaves."""
        return [path for path in (self.pcap, self.json) if path is not None]


def execute(order: Order) -> bool:
    """Do all runs, and report them. Returns whether all expectations held.

    Raises:
        ScenarioError: something is wrong with one of the scenarios, or it is seen that a file cannot be written, in
            which case none runs; or a file could not be written after all.
    """
    runs = _plan(order)
    target = console(error=order.json == "-")
    results = [_do(run, order, target) for run in runs]
    passed = all(result.passed for result in results)
    if len(results) > 1 and not order.quiet:
        target.print(f"{sum(result.passed for result in results)} of {len(results)} runs passed")
    document = {"passed": passed, "runs": [result.to_dict() for result in results]}
    if order.json == "-":
        put_out(to_json(document))
    elif order.json is not None:
        write_json(Path(order.json), document)
    return passed


def _plan(order: Order) -> list[_Run]:
    """All runs. Raises ScenarioError with all that is wrong with any of them."""
    scenarios: list[LoadedScenario] = []
    problems: list[Problem] = []
    for file in order.files:
        try:
            scenario = load_scenario(file, order.overrides)
            scenarios.append(scenario)
            problems += _output_problems(scenario)
            verify(scenario)
        except ScenarioError as error:
            problems += error.problems
    if order.pcap is not None and (text := directory_obstacle(order.pcap)) is not None:
        problems.append(Problem("--pcap", text))
    if problems:
        raise ScenarioError(problems)
    runs = list(_runs(order, scenarios))
    paths = [path for run in runs for path in run.paths]
    problems = [Problem(str(path), text) for path in paths if (text := obstacle(path)) is not None]
    if problems:
        raise ScenarioError(problems)
    return runs


def _output_problems(scenario: LoadedScenario) -> Iterator[Problem]:
    """What is wrong with the files that a scenario asks for."""
    outputs = scenario.model.outputs
    for key, name in (("pcap", outputs.pcap), ("json", outputs.json_)):
        if name is not None and (text := obstacle(name)) is not None:
            yield Problem(scenario.where(("outputs", key)), text)


def _runs(order: Order, scenarios: Sequence[LoadedScenario]) -> Iterator[_Run]:
    taken: set[Path] = set()
    for scenario in scenarios:
        own = scenario.model.seed
        seeds = order.seeds or range(own, own + 1)
        outputs = scenario.model.outputs
        for seed in seeds:
            pcap = _output(outputs.pcap, seed, several=len(seeds) > 1)
            if order.pcap is not None:
                pcap = order.pcap / f"{scenario.name}-{seed}.pcapng"
            json_path = _output(outputs.json_, seed, several=len(seeds) > 1)
            paths = (_distinct(path, taken) if path is not None else None for path in (pcap, json_path))
            yield _Run(scenario, seed, *paths)


def _output(name: str | None, seed: int, *, several: bool) -> Path | None:
    """A file that a scenario asks for; where there are several runs, each has its own."""
    if name is None:
        return None
    path = Path(name)
    return path.with_stem(f"{path.stem}-{seed}") if several else path


def _distinct(path: Path, taken: set[Path]) -> Path:
    """``path``, or if an earlier run has it, one with a number."""
    result, number = path, 1
    while result in taken:
        number += 1
        result = path.with_stem(f"{path.stem}-{number}")
    taken.add(result)
    return result


def _do(run: _Run, order: Order, target: Console) -> Result:
    """One run, and the files that it leaves."""
    with ExitStack() as directories:
        for path in run.paths:
            directories.enter_context(directory_for(path))
        if order.quiet:
            result = run_scenario(run.scenario, run.seed, pcap=run.pcap)
            print_failures(target, result)
        else:
            with progress_bar(target, f"{run.scenario.name}, seed {run.seed}") as tell:
                result = run_scenario(run.scenario, run.seed, pcap=run.pcap, progress=tell)
            print_result(target, result)
            if run.pcap is not None:
                target.print(f"capture: {escape(str(run.pcap))}", soft_wrap=True)
        if run.json is not None:
            write_json(run.json, result.to_dict())
    return result
