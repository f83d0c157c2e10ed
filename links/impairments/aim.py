"""Aimed faults as they are written down: do this to the third segment with data, and to no other."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from links.impairments.match import Match
from links.impairments.model import Model, ShortModel, mistake
from links.impairments.ordinals import Ordinals
from links.units import Duration

AIM_KEYS = frozenset(("match", "nth", "every", "times"))
"""The keys that tell an aimed ``delay``, ``duplicate`` or ``corrupt`` from a general one."""


class Aim(ShortModel):
    """Which frames of this direction: those that match, or some of these by their number."""

    short = "match"

    match: Match = ""
    """A condition such as 'tcp and syn and not ack'; without it every frame matches."""
    nth: Ordinals | None = None
    """Only these of the matching frames, counted from 1: 3, '3-7' or [3, 7]."""
    every: Annotated[int, Field(ge=1)] | None = None
    """Only each so-manieth of the matching frames."""
    times: Annotated[int, Field(ge=1)] | None = None
    """Stop after having done it so many times."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nth is not None and (self.every is not None or self.times is not None):
            raise mistake("nth already says which ones; leave out every and times")
        return self


class AimedDelay(Aim):
    """Which frames, and how much later each of them is sent."""

    time: Duration
    """How long the frame is held back before it enters the link; others overtake it."""


class Fault(Model):
    """One aimed fault: exactly one of the actions, and what it is aimed at."""

    drop: Aim | None = None
    """Lose these frames."""
    delay: AimedDelay | None = None
    """Hold these frames back."""
    duplicate: Aim | None = None
    """Send these frames twice."""
    corrupt: Aim | None = None
    """Flip one bit of these frames."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._aims()) != 1:
            raise mistake("a fault is one of drop, delay, duplicate or corrupt")
        return self

    @property
    def aim(self) -> Aim:
        """What it is aimed at."""
        return self._aims()[0]

    def _aims(self) -> list[Aim]:
        return [aim for aim in (self.drop, self.delay, self.duplicate, self.corrupt) if aim is not None]
