"""How much a queue holds: in packets, bytes, time, or bandwidth-delay products."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, TypeAlias

from links.impairments.model import Written
from links.units import UnitError, format_duration, format_size, parse_duration, parse_size

_PACKETS = re.compile(r"(\d{1,9})\s*(?:p|pkts?|packets?)", re.IGNORECASE)
_BDP = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*bdps?", re.IGNORECASE)
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """One of the four is set."""

    packets: int | None = None
    size: int | None = None
    """Bytes."""
    time: int | None = None
    """Nanoseconds: as many bytes as leave in that time."""
    bdp: Fraction | None = None
    """Times the bandwidth-delay product."""

    def __str__(self) -> str:
        if self.packets is not None:
            return f"{self.packets} packets"
        if self.size is not None:
            return format_size(self.size)
        if self.time is not None:
            return format_duration(self.time)
        return f"{float(self.bdp or 0):.12g}bdp"

    def capacity(self, rate: int, rtt: int) -> Capacity:
        """In packets or bytes, for a ``rate`` (bit/s) and, if the limit is in BDPs, a round trip (ns)."""
        if self.packets is not None:
            return Capacity(packets=self.packets)
        if self.size is not None:
            return Capacity(size=self.size)
        time = self.time if self.time is not None else (self.bdp or 0) * rtt
        return Capacity(size=int(time * rate / (8 * _SECOND)))


@dataclass(frozen=True, slots=True)
class Capacity:
    """A limit that can be compared with the length of a queue."""

    packets: int | None = None
    size: int | None = None
    """Bytes."""

    def admits(self, packets: int, size: int) -> bool:
        """Whether a queue of so many packets and bytes is within the limit."""
        return (self.packets is None or packets <= self.packets) and (self.size is None or size <= self.size)


def parse_limit(value: object) -> QueueLimit:
    """``100 packets``, ``64kB``, ``20ms`` or ``1.5bdp``. Raises UnitError."""
    if isinstance(value, QueueLimit):
        return value
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or text.isdecimal():
        raise UnitError(f"{text!r} of what? Write '100 packets', '150kB', '20ms' or '1bdp'")
    if found := _PACKETS.fullmatch(text):
        return QueueLimit(packets=int(found[1]))
    if found := _BDP.fullmatch(text):
        return QueueLimit(bdp=Fraction(found[1]))
    try:
        return QueueLimit(size=parse_size(text))
    except UnitError:
        pass
    try:
        return QueueLimit(time=parse_duration(text))
    except UnitError:
        raise UnitError(
            f"{text!r} is no length of a queue; write '100 packets', '150kB', '20ms' or '1bdp'"
        ) from None


Limit: TypeAlias = Annotated[
    QueueLimit,
    Written(
        parse_limit,
        {
            "type": "string",
            "pattern": r"^\s*[0-9.]+\s*(p|pkts?|packets?|([kKMG]i?)?B|ns|us|ms|s|[bB][dD][pP]s?)\s*$",
            "examples": ["100 packets", "150kB", "20ms", "1bdp"],
        },
    ),
]
