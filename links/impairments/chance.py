"""Random decisions, with the correlation from one to the next that netem gives them."""

from __future__ import annotations

from random import Random

from links.impairments.spec import Chance

_BITS = 32
SPAN = 1 << _BITS
"""Draws are integers from 0 to one less."""


def threshold(probability: float) -> int:
    """A draw is below it with this probability; always at 1, never at 0."""
    return round(probability * SPAN)


class Draws:
    """Uniform integers below :data:`SPAN`, each drawn towards the one before (netem's ``get_crandom``).

    The new value is the weighted mean of a fresh one and the last one; so a correlation also narrows their
    spread, and with it changes how often rare events happen. It is the same in netem, whose manual warns of it.
    """

    __slots__ = ("_last", "_random", "_weight")

    def __init__(self, random: Random, correlation: float = 0.0) -> None:
        self._random = random
        self._weight = threshold(correlation)
        self._last = random.getrandbits(_BITS) if self._weight else 0

    def next(self) -> int:
        """Take one from the stream."""
        fresh = self._random.getrandbits(_BITS)
        if not self._weight:
            return fresh
        self._last = fresh * (SPAN - self._weight) + self._last * self._weight >> _BITS
        return self._last


class Trial:
    """Something that happens by chance to each frame."""

    __slots__ = ("_draws", "_threshold")

    def __init__(self, random: Random, probability: float, correlation: float = 0.0) -> None:
        self._draws = Draws(random, correlation)
        self._threshold = threshold(probability)

    def happens(self) -> bool:
        """Whether it happens to this frame. Takes one draw."""
        return self._draws.next() < self._threshold


def trial(spec: Chance | None, random: Random) -> Trial | None:
    """None, which draws nothing, if it never happens."""
    return Trial(random, spec.probability, spec.correlation) if spec and spec.probability else None
