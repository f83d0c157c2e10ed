"""Which ones of a numbered sequence: ``3``, ``3-7``, ``[3, 7-9]``. The first is 1."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Any, TypeAlias

from links.impairments.model import Written

_RANGE = re.compile(r"(\d{1,15})(?:\s*(?:-|\.\.)\s*(\d{1,15}))?")


@dataclass(frozen=True, slots=True)
class OrdinalSet:
    """An immutable set of positive integers."""

    ranges: tuple[tuple[int, int], ...]
    """First and last of each range, in order, without overlap."""

    def __contains__(self, ordinal: int) -> bool:
        index = bisect_right(self.ranges, ordinal, key=itemgetter(0)) - 1
        return index >= 0 and ordinal <= self.ranges[index][1]

    def __str__(self) -> str:
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)


def parse_ordinals(value: Any) -> OrdinalSet:
    """From an integer, a text such as ``3, 7-9``, or a list of these. Raises ValueError."""
    if isinstance(value, OrdinalSet):
        return value
    ranges: list[tuple[int, int]] = []
    for low, high in sorted(_ranges(value)):
        if low < 1:
            raise ValueError("the first one is number 1")
        if low > high:
            raise ValueError(f"{low}-{high} is empty; {high}-{low}?")
        if ranges and low <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], high))
        else:
            ranges.append((low, high))
    if not ranges:
        raise ValueError("no number given")
    return OrdinalSet(tuple(ranges))


def _ranges(value: Any) -> list[tuple[int, int]]:
    if isinstance(value, (list, tuple)):
        return [pair for item in value for pair in _ranges(item)]
    if isinstance(value, int) and not isinstance(value, bool):
        return [(value, value)]
    pairs = []
    for part in str(value).split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"{part.strip()!r} is not a number or a range; write 3, 3-7 or [3, 7-9]")
        pairs.append((int(found[1]), int(found[2] or found[1])))
    return pairs


_ITEM = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^[-0-9,. ]+$"}]}

Ordinals: TypeAlias = Annotated[
    OrdinalSet,
    Written(
        parse_ordinals,
        {"anyOf": [*_ITEM["anyOf"], {"type": "array", "items": _ITEM}], "examples": [3, "3-7", [3, 7]]},
    ),
]
