"""Measures: exact percentiles, and what a receiver of numbered datagrams can tell."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Summary:
    """What a series of measurements (ns) comes to."""

    count: int
    minimum: int
    mean: int
    """Rounded down to whole nanoseconds."""
    maximum: int
    p50: int
    p90: int
    p95: int
    p99: int


class Samples:
    """Measurements in ns. Nothing is averaged away: percentiles are values that were measured."""

    __slots__ = ("_sorted", "_values", "total")

    def __init__(self) -> None:
        self._values = array("q")
        self._sorted: list[int] = []
        self.total = 0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: int) -> None:
        """Add one measurement (ns)."""
        self._values.append(value)
        self.total += value

    def percentile(self, percent: float) -> int:
        """The smallest measurement that is not exceeded by ``percent`` of them all: the nearest-rank method.

        Raises:
            ValueError: there is no measurement, or ``percent`` is not in 0..100.
        """
        if not self._values:
            raise ValueError("no measurement yet")
        if not 0 <= percent <= 100:
            raise ValueError(f"percentile {percent} is not between 0 and 100")
        if len(self._sorted) != len(self._values):
            self._sorted = sorted(self._values)
        share = Fraction(str(percent)) / 100  # by its decimal digits: a float's 99.9 is not 999/1000
        rank = -(-len(self._sorted) * share.numerator // share.denominator)
        return self._sorted[max(rank, 1) - 1]

    def summary(self) -> Summary | None:
        """Their summary; None if there is no measurement."""
        if not self._values:
            return None
        return Summary(
            count=len(self),
            minimum=self.percentile(0),
            mean=self.total // len(self),
            maximum=self.percentile(100),
            p50=self.percentile(50),
            p90=self.percentile(90),
            p95=self.percentile(95),
            p99=self.percentile(99),
        )


@dataclass(frozen=True, slots=True)
class DatagramSummary:
    """What became of numbered datagrams."""

    sent: int
    received: int
    """Different ones."""
    lost: int
    duplicates: int
    reordered: int
    displacement: int
    jitter: int


class Datagrams:
    """Numbered datagrams, counted at the sender and judged on arrival: loss, duplicates, reordering, jitter.

    ``capacity`` is how many the sender means to send: numbers from there on are no datagrams of this series.
    """

    __slots__ = (
        "_last_transit", "_next_expected", "_scaled_jitter", "_seen",
        "capacity", "displacement", "duplicates", "received", "reordered", "sent",
    )  # fmt: skip

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.sent = 0
        self.received = 0
        """Different datagrams that arrived."""
        self.duplicates = 0
        """Arrivals of a datagram that had arrived before."""
        self.reordered = 0
        """Datagrams that arrived after one with a higher number: Type-P-Reordered (RFC 4737 3)."""
        self.displacement = 0
        """Most numbers by which a reordered datagram was behind the highest that had arrived."""
        self._seen = bytearray(-(-capacity // 8))
        self._next_expected = 0
        self._last_transit: int | None = None
        self._scaled_jitter = 0

    @property
    def lost(self) -> int:
        """Sent and not arrived (yet)."""
        return self.sent - self.received

    @property
    def jitter(self) -> int:
        """Smoothed variation of the transit time in ns (RFC 3550 6.4.1)."""
        return self._scaled_jitter >> 4

    def arrives(self, number: int, transit: int) -> bool:
        """Datagram ``number`` arrived, ``transit`` ns after it was sent; False if it is a duplicate.

        ``transit`` may be off by a constant, as it is between two machines' clocks.
        """
        byte, bit = number >> 3, 1 << (number & 7)
        if self._seen[byte] & bit:
            self.duplicates += 1
            return False
        self._seen[byte] |= bit
        self.received += 1
        if number >= self._next_expected:
            self._next_expected = number + 1
        else:
            self.reordered += 1
            self.displacement = max(self.displacement, self._next_expected - 1 - number)
        if self._last_transit is not None:  # in integers, as in RFC 3550 A.8
            difference = abs(transit - self._last_transit)
            self._scaled_jitter += difference - ((self._scaled_jitter + 8) >> 4)
        self._last_transit = transit
        return True

    def summary(self) -> DatagramSummary:
        """Their summary."""
        return DatagramSummary(
            sent=self.sent,
            received=self.received,
            lost=self.lost,
            duplicates=self.duplicates,
            reordered=self.reordered,
            displacement=self.displacement,
            jitter=self.jitter,
        )
