"""The text of a script, and reading along it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NoReturn

from scenarios.problems import Mark, Problem, ScenarioError

_BLANK: Final = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)+", re.DOTALL)
_DIRECTIVE: Final = re.compile(r"\s*#(ifdef|ifndef|if|else|elif|endif|define|include)\b\s*(\S*)")


class UnsupportedError(Exception):
    """The script needs something that is not there: neither passed nor failed."""

    def __init__(self, line: int, construct: str) -> None:
        super().__init__(construct)
        self.line = line
        self.construct = construct


@dataclass(frozen=True, slots=True)
class Source:
    """One script: what it is called, and its text once the conditional parts are decided."""

    name: str
    text: str

    @classmethod
    def read(cls, name: str, text: str, symbols: Collection[str]) -> Source:
        """Decide ``#ifdef NAME``, ``#ifndef``, ``#else``, ``#endif`` (nplab's dialect); lines keep their numbers.

        Raises ScenarioError where they do not pair up, UnsupportedError for other directives.
        """
        source = cls(name, text)
        kept: list[str] = []
        branches: list[bool] = []
        for number, line in enumerate(text.split("\n"), 1):
            found = _DIRECTIVE.match(line)
            if found is None:
                kept.append(line if all(branches) else "")
                continue
            kept.append("")
            word, argument = found.groups()
            if word in ("ifdef", "ifndef"):
                branches.append((argument in symbols) == (word == "ifdef"))
            elif word not in ("else", "endif"):
                raise UnsupportedError(number, f"#{word}")
            elif not branches:
                source.refuse_line(number, f"#{word} without #ifdef")
            elif word == "else":
                branches[-1] = not branches[-1]
            else:
                branches.pop()
        if branches:
            source.refuse_line(len(kept), "#ifdef without #endif")
        return cls(name, "\n".join(kept))

    def refuse_line(self, line: int, message: str, column: int = 1) -> NoReturn:
        """Raise ScenarioError with a place in this script."""
        raise ScenarioError([Problem(Mark(self.name, line, column), message)])


class Scanner:
    """A place in a source; every ``take_...`` skips blanks and comments before it looks."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0

    @property
    def line(self) -> int:
        """The line of the next token."""
        self.skip()
        return self.source.text.count("\n", 0, self.at) + 1

    def skip(self) -> None:
        """Go past blanks and comments."""
        found = _BLANK.match(self.source.text, self.at)
        if found is not None:
            self.at = found.end()

    def at_end(self) -> bool:
        """Whether nothing is left."""
        self.skip()
        return self.at >= len(self.source.text)

    def looks_at(self, pattern: re.Pattern[str]) -> bool:
        """Whether the pattern comes next."""
        self.skip()
        return pattern.match(self.source.text, self.at) is not None

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The match of a pattern that comes next, or None."""
        self.skip()
        found = pattern.match(self.source.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def take_text(self, text: str) -> bool:
        """Go past a punctuation mark if it comes next."""
        self.skip()
        if not self.source.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def need(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """The match of a pattern that must come next. Raises ScenarioError."""
        return self.take(pattern) or self.refuse(f"expected {what}")

    def need_text(self, text: str) -> None:
        """Go past what must come next. Raises ScenarioError."""
        if not self.take_text(text):
            self.refuse(f"expected `{text}`")

    def take_up_to(self, end: str) -> str:
        """Everything up to ``end``, which is passed too. Raises ScenarioError if it does not come."""
        stop = self.source.text.find(end, self.at)
        if stop < 0:
            self.refuse(f"`{end}` is missing")
        text = self.source.text[self.at : stop]
        self.at = stop + len(end)
        return text

    def refuse(self, message: str) -> NoReturn:
        """Raise ScenarioError at the next token."""
        line = self.line
        text = self.source.text
        column = self.at - (text.rfind("\n", 0, self.at) + 1) + 1
        found = re.match(r"\S{1,20}", text[self.at :])
        found_text = f", not `{found.group()}`" if found else ", not the end of the script"
        self.source.refuse_line(line, message + found_text, column)

    def reject(self, found: re.Match[str], message: str) -> NoReturn:
        """Raise ScenarioError at what was taken, with ``message`` on it."""
        before = self.source.text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
        self.source.refuse_line(line, f"`{found.group()}` {message}", column)
