"""The table of requirements: what there is to show, what shows it, and why some of it is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"
_DATA = Path(__file__).parent
_FILES = ("rfc9293.txt", "rfc1122.txt", "extensions.txt")

Claims = Mapping[str, Iterable[str]]
"""For each requirement the tests that claim to show it, as ``file::test``."""


class ConformanceError(Exception):
    """The table says what is not so."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that an RFC asks for."""

    document: str
    identifier: str
    level: str
    what: str

    @property
    def name(self) -> str:
        """As ``@pytest.mark.shows`` has it: ``RFC 9293 MUST-14``."""
        return f"{self.document} {self.identifier}"


@dataclass(frozen=True, slots=True)
class Document:
    """An RFC, and what it requires, group by group."""

    name: str
    title: str
    groups: dict[str, list[Requirement]]

    def __iter__(self) -> Iterator[Requirement]:
        for requirements in self.groups.values():
            yield from requirements


def read_documents() -> list[Document]:
    """``# RFC n: title``, ``## group`` and ``identifier | level | what`` lines, in the order of the table."""
    documents: list[Document] = []
    for name in _FILES:
        for line in (_DATA / "requirements" / name).read_text().splitlines():
            if line.startswith("## "):
                documents[-1].groups[line[3:]] = []
            elif line.startswith("# "):
                name, title = line[2:].split(": ", 1)
                documents.append(Document(name, title, {"": []}))
            elif line:
                identifier, level, what = line.split(" | ")
                group = list(documents[-1].groups.values())[-1]
                group.append(Requirement(documents[-1].name, identifier, level, what))
    return documents


def read_reasons() -> dict[str, str]:
    """Why a requirement has no test: ``name | reason`` lines."""
    lines = (_DATA / "reasons.txt").read_text().splitlines()
    return dict(line.split(" | ", 1) for line in lines if line and not line.startswith("#"))


def problems(documents: Iterable[Document], claims: Claims, reasons: Mapping[str, str]) -> Iterator[str]:
    """What keeps the table from being true."""
    known: set[str] = set()
    for requirement in (requirement for document in documents for requirement in document):
        name = requirement.name
        if name in known:
            yield f"{name} is listed twice"
        known.add(name)
        if name in claims and name in reasons:
            yield f"{name} has a reason why it is not shown, and is shown by {', '.join(claims[name])}"
        elif name not in claims and name not in reasons:
            yield f"{name} has neither a test nor a reason: {requirement.what}"
    for name in claims:
        if name not in known:
            yield f"{name} is no requirement of the table, but {', '.join(claims[name])} claims to show it"
    for name in reasons:
        if name not in known:
            yield f"{name} is no requirement of the table, but has a reason"


def render(documents: Iterable[Document], claims: Claims, reasons: Mapping[str, str]) -> str:
    """The table as Markdown. Raises ConformanceError if it would not be true."""
    documents = list(documents)
    wrong = list(problems(documents, claims, reasons))
    if wrong:
        raise ConformanceError("\n".join(wrong))
    lines = [
        "# Conformance",
        "",
        "Written by `make conformance` from the markers of the tests; `make test` fails if a row claims a test that",
        "does not exist or does not pass. Rows in *italics* are not shown, with the reason.",
        "",
        "| Document | Requirements | Shown by tests | Not shown |",
        "| --- | ---: | ---: | ---: |",
    ]
    for document in documents:
        names = [requirement.name for requirement in document]
        shown = sum(name in claims for name in names)
        anchor = f"{document.name}: {document.title}"
        lines.append(f"| {anchor} | {len(names)} | {shown} | {len(names) - shown} |")
    for document in documents:
        lines += ["", f"## {document.name}: {document.title}"]
        for group, requirements in document.groups.items():
            if requirements:
                lines += ["", f"### {group}"] if group else []
                lines += ["", "| Id | Level | What | Shown by |", "| --- | --- | --- | --- |"]
                lines += [_row(requirement, claims, reasons) for requirement in requirements]
    return "\n".join(lines) + "\n"


def _row(requirement: Requirement, claims: Claims, reasons: Mapping[str, str]) -> str:
    tests = sorted(claims.get(requirement.name, ()))
    shown = "<br>".join(f"`{test}`" for test in tests) or f"*{reasons[requirement.name]}*"
    return f"| {requirement.identifier} | {requirement.level} | {requirement.what} | {shown} |"
