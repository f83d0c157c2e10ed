"""What is wrong with an input: every mistake with its place, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Mark(NamedTuple):
    """A place in a file, or in an option; lines and columns count from 1, and line 0 stands for all of it."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``str()`` gives the line that a user sees."""

    where: Mark | str
    """The place in a file, or the option or file that it concerns."""
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ScenarioError(Exception):
    """The input or the environment does not allow a run; nothing was left behind."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A tail for a message about an unknown name: the likeliest known ones, or all of a short list."""
    candidates = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    if not candidates:
        return ""
    if len(candidates) <= 12:
        return "; known: " + ", ".join(f"`{name}`" for name in candidates)
    return ""
