"""``usernetstack packetdrill``: many scripts, one verdict."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.files import directory_for, directory_obstacle, obstacle, put_out, writing
from scenarios.packetdrill.profiles import PROFILES, Profile
from scenarios.packetdrill.result import Outcome, Result
from scenarios.packetdrill.running import run_script
from scenarios.packetdrill.settings import Family
from scenarios.problems import Problem, ScenarioError, did_you_mean


@dataclass(frozen=True, slots=True)
class Order:
    """What the command was asked for."""

    files: tuple[tuple[Path, Path], ...]
    """Each script, and its directory below the one that was named: where its captures go below ``pcap``."""
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
        files: list[tuple[Path, Path]] = []
        for path in paths:
            found = sorted(path.rglob("*.pkt")) if path.is_dir() else [path]
            if not found or not path.exists():
                problems.append(Problem(str(path), "no scripts here" if path.is_dir() else "no such file"))
            top = path if path.is_dir() else path.parent
            files += ((file, file.parent.relative_to(top)) for file in found)
        if json is not None and json != "-" and (text := obstacle(json)) is not None:
            problems.append(Problem("--json", text))
        if pcap is not None:
            problems += (Problem("--pcap", text) for text in _obstacles(pcap, files))
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

    Raises ScenarioError, after all others have run, with the files that are no scripts; and at once if a capture or
    the results cannot be written.
    """
    results: list[Result] = []
    problems: list[Problem] = []
    out = sys.stderr if order.json == "-" else sys.stdout
    for file, folder in order.files:
        try:
            for result in _run(order, file, folder):
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
            put_out(text)
        else:
            with writing(order.json), directory_for(Path(order.json)):
                Path(order.json).write_text(text + "\n", encoding="utf-8")
    if problems:
        raise ScenarioError(problems)
    return not count[Outcome.FAILED]


def _obstacles(pcap: Path, files: Sequence[tuple[Path, Path]]) -> Iterator[str]:
    """Why the captures cannot be written."""
    if (text := directory_obstacle(pcap)) is not None:
        yield text
    for (folder, name), number in Counter((folder, file.stem) for file, folder in files).items():
        if number > 1:
            yield f"{number} scripts would write to {pcap / folder / name}-*.pcapng"


def _run(order: Order, file: Path, folder: Path) -> Iterator[Result]:
    """One run for each family that is asked for; only one if the script insists on its own."""
    pcap = None if order.pcap is None else order.pcap / folder
    if pcap is not None:
        with writing(str(pcap)):
            pcap.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    for family in order.families:
        result = run_script(
            file, order.profile, family=family, symbols=order.symbols, lax=order.lax, pcap=pcap
        )
        if result.family not in seen:
            seen.add(result.family)
            yield result
