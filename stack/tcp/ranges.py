"""Sets of sequence ranges, as the reassembly queue and the SACK scoreboard keep them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class RangeSet:
    """Disjoint half-open ranges in ascending order; touching ranges are one.

    Finding is logarithmic; adding costs in addition what it merges.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __reversed__(self) -> Iterator[tuple[int, int]]:
        return zip(reversed(self._starts), reversed(self._ends), strict=True)

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    @property
    def highest(self) -> int | None:
        """The end of the last range, or None if there is none."""
        return self._ends[-1] if self._ends else None

    def around(self, value: int) -> tuple[int, int] | None:
        """The range that ``value`` lies in."""
        index = bisect_right(self._starts, value) - 1
        if index >= 0 and value < self._ends[index]:
            return self._starts[index], self._ends[index]
        return None

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of ``start`` to ``end`` that are not in the set."""
        starts, ends = self._starts, self._ends
        found = []
        index = bisect_right(ends, start)
        while start < end and index < len(starts) and starts[index] < end:
            if start < starts[index]:
                found.append((start, starts[index]))
            start = max(start, ends[index])
            index += 1
        if start < end:
            found.append((start, end))
        return found

    def add(self, start: int, end: int) -> tuple[int, int]:
        """Add a range; returns the range that it has become part of."""
        starts, ends = self._starts, self._ends
        first = bisect_left(ends, start)
        last = bisect_right(starts, end, first)
        if first < last:
            start = min(start, starts[first])
            end = max(end, ends[last - 1])
        starts[first:last] = [start]
        ends[first:last] = [end]
        return start, end

    def remove_below(self, value: int) -> None:
        """Forget everything below ``value``."""
        starts, ends = self._starts, self._ends
        gone = bisect_right(ends, value)
        del starts[:gone], ends[:gone]
        if starts and starts[0] < value:
            starts[0] = value

    def clear(self) -> None:
        """Forget everything."""
        self._starts.clear()
        self._ends.clear()
