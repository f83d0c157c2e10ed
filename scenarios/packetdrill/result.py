"""What came of a script, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from scenarios.packetdrill.matching import Difference


class Outcome(Enum):
    """The verdict on a script."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    """It needs something that is missing: neither passed nor failed."""


class MismatchError(Exception):
    """The stack did not do what the script says."""

    def __init__(
        self,
        line: int,
        headline: str,
        *,
        expected: str = "",
        found: str = "",
        differences: tuple[Difference, ...] = (),
    ) -> None:
        super().__init__(headline)
        self.line = line
        self.headline = headline
        self.expected = expected
        self.found = found
        self.differences = differences


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one script over one family."""

    script: str
    family: str
    outcome: Outcome
    line: int = 0
    """Where it failed, or what is missing."""
    message: str = ""
    """The headline, or the missing construct."""
    expected: str = ""
    found: str = ""
    differences: tuple[Difference, ...] = ()
    history: tuple[str, ...] = ()
    """The last packets before it, in the script's notation."""

    @property
    def where(self) -> str:
        """``file:line``."""
        return f"{self.script}:{self.line}" if self.line else self.script

    def __str__(self) -> str:
        """As a compiler would put it: one line, then what belongs to it, indented."""
        if self.outcome is Outcome.PASSED:
            return f"{self.script}: passed ({self.family})"
        kind = "error" if self.outcome is Outcome.FAILED else "unsupported"
        lines = [f"{self.where}: {kind}: {self.message} ({self.family})"]
        if self.expected:
            lines.append(f"  expected  {self.expected}")
        if self.found:
            lines.append(f"  got       {self.found}")
        width = max((len(item.field) for item in self.differences), default=0)
        lines += [
            f"    {item.field:<{width}}  expected {item.expected}, got {item.found}"
            for item in self.differences
        ]
        if self.history:
            lines.append("  the last packets:")
            lines += [f"    {packet}" for packet in self.history]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "script": self.script,
            "family": self.family,
            "outcome": self.outcome.value,
            "line": self.line,
            "message": self.message,
            "expected": self.expected,
            "found": self.found,
            "differences": [
                {"field": item.field, "expected": item.expected, "found": item.found}
                for item in self.differences
            ],
            "history": list(self.history),
        }
