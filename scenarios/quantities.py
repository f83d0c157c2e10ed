"""The dimensions of what can be measured, and comparisons with a value in one of them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from links.units import (
    UnitError,
    format_duration,
    format_probability,
    format_rate,
    format_size,
    parse_duration,
    parse_probability,
    parse_rate,
    parse_size,
)

Value: TypeAlias = int | float | bool
"""A measured value; None beside it means that there is nothing measured."""


class Dimension(Enum):
    """What kind of quantity a metric is; decides how it is written."""

    COUNT = "count"
    SIZE = "size"
    RATE = "rate"
    DURATION = "duration"
    SHARE = "share"
    FLAG = "flag"

    def parse(self, text: str) -> Value:
        """Read a value from text. Raises UnitError, which says how it would be written."""
        return _PARSE[self](text)

    def format(self, value: Value | None) -> str:
        """Write a value for people, to four significant digits where it has many."""
        return "nothing measured" if value is None else _FORMAT[self](value)


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"\s*\d{1,18}\s*", text):
        raise UnitError(f"{text!r} is not a count; write a whole number")
    return int(text)


def _parse_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise UnitError(f"{text!r} is neither true nor false")
    return text == "true"


_PARSE: dict[Dimension, Callable[[str], Value]] = {
    Dimension.COUNT: _parse_count,
    Dimension.SIZE: parse_size,
    Dimension.RATE: parse_rate,
    Dimension.DURATION: parse_duration,
    Dimension.SHARE: parse_probability,
    Dimension.FLAG: _parse_flag,
}
_FORMAT: dict[Dimension, Callable[[Any], str]] = {
    Dimension.COUNT: str,
    Dimension.SIZE: format_size,
    Dimension.RATE: lambda value: format_rate(value, 4),
    Dimension.DURATION: lambda value: format_duration(value, 4),
    Dimension.SHARE: lambda value: format_probability(float(f"{value:.4g}")),
    Dimension.FLAG: lambda value: "true" if value else "false",
}

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<|=)?+\s*(\S.*?)\s*")
_RANGE = re.compile(r"(.+?)\s*\.\.\s*(.+)")
_EXACT = (Dimension.COUNT, Dimension.SIZE, Dimension.FLAG)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a measured value is expected to be: ``>= 5Mbit/s``, ``10ms..30ms`` (both included), ``3``."""

    text: str
    low_operator: str
    low: Value
    high: Value | None = None
    """The upper end of a range."""

    def holds(self, actual: Value | None) -> bool:
        """Whether it is so; never, if there is nothing measured."""
        if actual is None:
            return False
        return OPERATORS[self.low_operator](actual, self.low) and (self.high is None or actual <= self.high)

    def __str__(self) -> str:
        return self.text


def parse_comparison(text: str, dimension: Dimension) -> Comparison:
    """Read a comparison. A bare value means "equal", and is refused where only chance would make it so.

    Raises:
        UnitError: with what is wrong, and how it would be written.
    """
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise UnitError(f"{text!r} is not a comparison; write one like '>= 5', or a range like '2..5'")
    sign, rest = found.groups()
    ends = _RANGE.fullmatch(rest)
    if ends is not None:
        if sign:
            raise UnitError(f"{text!r}: a range takes no {sign}")
        low, high = dimension.parse(ends[1]), dimension.parse(ends[2])
        if low > high:
            raise UnitError(f"{text!r}: the range is empty, its lower end comes first")
        return Comparison(f"{ends[1]}..{ends[2]}", ">=", low, high)
    value = dimension.parse(rest)
    if sign is None and dimension not in _EXACT and value != 0:
        raise UnitError(f"{text!r} would have to be met exactly; write '>= {rest}', '<= {rest}' or a range")
    sign = "==" if sign in (None, "=") else sign
    return Comparison(rest if sign == "==" else f"{sign} {rest}", sign, value)
