"""``usernetstack packetdrill``: many scripts, one verdict."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.packetdrill.profiles import PROFILES, Profile
from scenarios.packetdrill.result import Outcome, Result
from scenarios.packetdrill.running import run_script
from scenarios.packetdrill.settings import Family
from scenarios.problems import Problem, ScenarioError, did_you_mean


@dataclass(frozen=True, slots=True)
class Order:
    """What the command was asked for."""

    files: tuple[Path, ...]
    profile: Profile | None
    families: tuple[Family, ...]
    symbols: dict[str, str] = field(default_factory=dict)
    json: str | None = None
    pcap: Path | None = None
    lax: bool = False

    @classmethod
    def parse(
        cls,
        paths: Sequence[Path],
        *,
        profile: str | None,
        define: Sequence[str],
        families: Sequence[Family],
        json: str | None,
        pcap: Path | None,
        lax: bool,
    ) -> Order:
        """Check what was given. Raises ScenarioError with all that is wrong."""
        problems: list[Problem] = []
        files: list[Path] = []
        for path in paths:
            found = sorted(path.rglob("*.pkt")) if path.is_dir() else [path]
            if not found or not path.exists():
                problems.append(Problem(str(path), "no scripts here" if path.is_dir() else "no such file"))
            files += found
        if profile is not None and profile not in PROFILES:
            problems.append(
                Problem("--profile", f"unknown profile `{profile}`{did_you_mean(profile, PROFILES)}")
            )
        symbols = {}
        for definition in define:
            name, equals, value = definition.partition("=")
            if not equals or not name.isidentifier():
                problems.append(Problem("--define", f"`{definition}` is not SYM=VAL"))
            symbols[name] = value
        if problems:
            raise ScenarioError(problems)
        return cls(
            tuple(files),
            PROFILES[profile] if profile else None,
            tuple(families) or (Family.IPV4,),
            symbols,
            json,
            pcap,
            lax,
        )


def execute(order: Order) -> bool:
    """Run the scripts, print what came of them, and say whether none failed.

    Raises ScenarioError, after all others have run, with the files that are no scripts; and OSError if the captures
    cannot be written.
    """
    if order.pcap is not None:
        order.pcap.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    problems: list[Problem] = []
    out = sys.stderr if order.json == "-" else sys.stdout
    for file in order.files:
        try:
            for result in _run(order, file):
                results.append(result)
                if result.outcome is not Outcome.PASSED:
                    print(result, file=out)
        except ScenarioError as error:
            problems += error.problems
    count = Counter(result.outcome for result in results)
    print(", ".join(f"{count[outcome]} {outcome.value}" for outcome in Outcome), file=out)
    if order.json is not None:
        text = json.dumps([result.as_json() for result in results], indent=2)
        if order.json == "-":
            print(text)
        else:
            Path(order.json).write_text(text + "\n", encoding="utf-8")
    if problems:
        raise ScenarioError(problems)
    return not count[Outcome.FAILED]


def _run(order: Order, file: Path) -> Iterator[Result]:
    """One run for each family that is asked for; only one if the script insists on its own."""
    seen: set[str] = set()
    for family in order.families:
        result = run_script(
            file, order.profile, family=family, symbols=order.symbols, lax=order.lax, pcap=order.pcap
        )
        if result.family not in seen:
            seen.add(result.family)
            yield result
