"""What a run came to: small, serialisable, and the same whenever the run is repeated."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scenarios.quantities import Value


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation, and what became of it."""

    subject: str
    """Whose it is: ``flow download``, ``link wire forward``, ``host client``, ``run``."""
    what: str
    """The metric."""
    expected: str
    actual: str
    held: bool
    where: str
    """Its place in the file."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}: expected {self.expected}, actual {self.actual}"


def write_errors(errors: Mapping[str, int]) -> str:
    """The errors of a flow, for people: ``ECONNRESET, ETIMEDOUT (3)``."""
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in errors.items())


@dataclass(frozen=True, slots=True)
class FlowOutcome:
    """What one flow came to. Times are ns since the start of the run."""

    kind: str
    client: str
    server: str
    started: int | None
    finished: int | None
    expected: int | None
    """Bytes that the traffic asks for, if it says how many."""
    metrics: dict[str, Value | None]
    """By the names of :data:`scenarios.metrics.FLOW_METRICS`; sizes in bytes, rates in bit/s, times in ns."""
    errors: dict[str, int]
    """What went wrong, by the errno's name, and how often."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    scenario: str
    file: str
    seed: int
    overrides: dict[str, str]
    digest: str
    """SHA-256 over all that happened on all links."""
    elapsed: int
    """Virtual time that passed (ns)."""
    flows: dict[str, FlowOutcome]
    links: dict[str, dict[str, dict[str, Value | None]]]
    """For each link and direction, by the names of :data:`scenarios.metrics.LINK_METRICS`."""
    hosts: dict[str, dict[str, int]]
    """The counters of each machine."""
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all expectations held."""
        return all(verdict.held for verdict in self.verdicts)

    @property
    def replay(self) -> str:
        """The command that repeats the run."""
        settings = [word for path, text in self.overrides.items() for word in ("--set", f"{path}={text}")]
        return shlex.join(["usernetstack", "run", self.file, "--seed", str(self.seed), *settings])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"passed": self.passed, **dataclasses.asdict(self), "replay": self.replay}
