"""From a file to a scenario that can run, or to the list of everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from scenarios.checks import Checker
from scenarios.functions import importable
from scenarios.names import Declared, Names
from scenarios.network import Network
from scenarios.problems import Mark, Problem, ScenarioError
from scenarios.schema.scenario import Scenario
from scenarios.validation import Mistake, mistakes
from scenarios.yaml_reader import Mapping as YamlMapping
from scenarios.yaml_reader import Place, mark_at, put_at, read_value, read_yaml, remove_at

MAX_PROBLEMS = 100
"""Mistakes that are reported of one file."""


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario without mistakes."""

    file: str
    """As it was named."""
    directory: Path
    """What other files are named relative to."""
    name: str
    model: Scenario
    overrides: dict[str, str]
    """What was set in place of what the file says: values as text, by dotted path."""
    network: Network
    names: Names
    document: YamlMapping
    """The data, for the places of what is in it."""

    def where(self, place: Place, *, of_key: bool = False) -> str:
        """``file:line:column`` of a value in it, or of its key."""
        return str(mark_at(self.document, place, of_key=of_key))


def load_scenario(file: str | Path, overrides: Mapping[str, str] | None = None) -> LoadedScenario:
    """Read and check a scenario. ``overrides`` replaces values: ``{"topology.links.wire.both.loss": "5%"}``.

    Raises:
        ScenarioError: with every mistake, in the order of the file.
    """
    path = Path(file)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ScenarioError([Problem(str(file), f"cannot be read: {error.strerror}")]) from None
    document = read_yaml(source, str(file))
    overrides = dict(overrides or {})
    for dotted, text in overrides.items():
        _override(document, dotted, text)
    findings = _Findings()
    declared = _declared(document)
    with importable(path.parent):
        model = _validated(document, path.parent, findings)
        if model is None:
            raise ScenarioError(findings.problems())
        checker = Checker(model, path.parent, declared, frozenset(findings.sections))
        for mistake in checker.mistakes:
            findings.add(document, mistake)
    if problems := findings.problems():
        raise ScenarioError(problems)
    name = model.name or _name_of(path)
    return LoadedScenario(
        str(file), path.parent, name, model, overrides, checker.network, checker.names, document
    )


def _name_of(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem) or "scenario"


def _override(document: YamlMapping, dotted: str, text: str) -> None:
    name = f"--set {dotted}={text}"
    mark = Mark(name, 0, 0)
    place = tuple(int(step) if step.isdecimal() else step for step in dotted.split("."))
    if not dotted or "" in place or not put_at(document, place, read_value(text, name), mark):
        raise ScenarioError([Problem(mark, "there is no such place in the scenario")])


def _declared(document: YamlMapping) -> Declared:
    """The names in a file, of what is right and of what is wrong."""
    topology = document.get("topology")
    sections = (
        (document, "traffic"),
        (topology, "links"),
        (topology, "nodes"),
    )
    flows, links, nodes = (
        tuple(owner[key]) if isinstance(owner, dict) and isinstance(owner.get(key), dict) else ()
        for owner, key in sections
    )
    more_nodes = isinstance(topology, dict) and ("generator" in topology or "file" in topology)
    return Declared(flows, links, nodes, more_nodes)


def _validated(document: YamlMapping, directory: Path, findings: _Findings) -> Scenario | None:
    """The scenario without what is wrong in it; None if nothing remains.

    What was found wrong is taken out of ``document`` until the rest is right, so that the checks of the
    whole can be made on that rest, and every mistake be told at once.
    """
    context = {"directory": str(directory)}
    first = True
    while True:
        try:
            return Scenario.model_validate(document, context=context)
        except ValidationError as error:
            wrong = list(mistakes(error, Scenario, document))
        if first:  # what is wrong later is so because something was taken out
            for mistake in wrong:
                findings.add(document, mistake)
            first = False
        places = sorted({mistake.place for mistake in wrong}, reverse=True)
        if () in places:
            return None
        for place in places:
            remove_at(document, place)


class _Findings:
    """The mistakes found so far, with the places in the file where they are."""

    def __init__(self) -> None:
        self._problems: dict[tuple[Mark, str], Problem] = {}
        self.sections: set[str] = set()
        """The sections that they are in, from which no conclusions can be drawn."""

    def add(self, document: YamlMapping, mistake: Mistake) -> None:
        """Add one; ``document`` is as it was when it was found."""
        mark = mark_at(document, mistake.place, of_key=mistake.of_key)
        self._problems.setdefault((mark, mistake.message), Problem(mark, mistake.message))
        self.sections.update(map(str, mistake.place[:1]))

    def problems(self) -> list[Problem]:
        """In the order of the file."""
        ordered = [self._problems[key] for key in sorted(self._problems)]
        if len(ordered) > MAX_PROBLEMS:
            rest = f"and {len(ordered) - MAX_PROBLEMS} more"
            ordered[MAX_PROBLEMS:] = [Problem(ordered[MAX_PROBLEMS].where, rest)]
        return ordered
