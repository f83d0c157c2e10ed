"""Delays that vary, by netem's distributions.

iproute2 ships each distribution as a table of 4096 quantiles, in units of 1/8192 of the standard deviation. Here
the tables are computed by the formulas of the programs that write iproute2's: ``netem/normal.c``, ``pareto.c`` and
``paretonormal.c``.
"""

from __future__ import annotations

import math
from functools import cache
from random import Random
from statistics import NormalDist

from links.impairments.chance import Draws
from links.impairments.spec import Delay

_STANDARD = NormalDist()
_SIZE = 4096
_SCALE = 8192
_INDEX_SHIFT = 32 - 12
_LOW, _HIGH = -32768, 32767
"""netem keeps the entries in 16 bits."""
_STEP = 0.00005
"""normal.c looks for the quantiles in steps of this, from below."""


def _normal(index: int) -> int:
    deviation = _STANDARD.inv_cdf((4 * index + 0.5) / (4 * _SIZE))
    return round(_SCALE * _STEP * math.floor(deviation / _STEP))


def _pareto(index: int) -> int:
    """Of shape 3, shifted and scaled to a mean of 0 and about the standard deviation of 1."""
    value = math.pow(1 - index / _SIZE, -1 / 3)
    return min(_HIGH, round((value - 1.5) * 4 / 3 * _SCALE))


def _paretonormal(index: int) -> int:
    """One quarter of the one and three of the other."""
    return int((_normal(index) + 3 * _pareto(index)) / 4)


@cache
def quantiles(distribution: str) -> tuple[int, ...]:
    """The table of ``normal``, ``pareto`` or ``paretonormal``."""
    formula = {"normal": _normal, "pareto": _pareto, "paretonormal": _paretonormal}[distribution]
    return tuple(max(_LOW, formula(index)) for index in range(_SIZE))


class Jitter:
    """Delays around a mean (netem's ``tabledist``).

    A draw selects by its high bits where netem takes the remainder of a division, which has the same
    distribution, but loses the correlation.
    """

    __slots__ = ("_draws", "_jitter", "_table", "_time")

    def __init__(self, spec: Delay, random: Random) -> None:
        self._draws = Draws(random, spec.correlation)
        self._time = spec.time
        self._jitter = spec.jitter
        self._table = None if spec.distribution == "uniform" else quantiles(spec.distribution)

    def next(self) -> int:
        """The delay of the next frame (ns), never negative. Takes one draw."""
        draw = self._draws.next()
        if self._table is None:
            delay = self._time - self._jitter + (draw * 2 * self._jitter >> 32)
        else:
            quantile = self._table[draw >> _INDEX_SHIFT]
            delay = self._time + (self._jitter * quantile + _SCALE // 2) // _SCALE
        return max(0, delay)
