"""What the options of an IPv4 header say (RFC 791 3.1, RFC 2113)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from stack.wire.errors import Malformed
from stack.wire.options import Option, pad
from stack.wire.options import iterate_options as iterate_raw_options

RECORD_ROUTE: Final = 7
TIMESTAMP: Final = 68
LOOSE_SOURCE_ROUTE: Final = 131
STRICT_SOURCE_ROUTE: Final = 137
ROUTER_ALERT: Final = 148
COPIED: Final = 0x80
"""Set in the kinds that each fragment carries, and not just the first."""


@dataclass(frozen=True, slots=True)
class RouteOption:
    """Record Route, Loose or Strict Source and Record Route."""

    kind: int
    pointer: int
    """Where the next address is, counted from 1 at the option's start: 4 is the first."""
    route: bytes
    """The addresses, one after the other."""

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The route's slots, filled or not."""
        return tuple(self.route[at : at + 4] for at in range(0, len(self.route) - 3, 4))

    @property
    def is_exhausted(self) -> bool:
        """Whether the pointer is past the end: the source route is done, or the record is full."""
        return self.pointer > 3 + len(self.route)

    def build(self) -> bytes:
        """The option's bytes."""
        return bytes((self.kind, 3 + len(self.route), self.pointer)) + self.route


@dataclass(frozen=True, slots=True)
class TimestampOption:
    """Internet Timestamp."""

    pointer: int
    """Where the next timestamp goes, counted from 1 at the option's start: 5 is the first."""
    overflow: int
    """How many hosts found no room, 0..15."""
    flag: int
    """0: timestamps only; 1: each after its address; 3: the addresses are given beforehand."""
    entries: bytes

    @property
    def kind(self) -> int:
        """:data:`TIMESTAMP`."""
        return TIMESTAMP

    def build(self) -> bytes:
        """The option's bytes."""
        head = (TIMESTAMP, 4 + len(self.entries), self.pointer, self.overflow << 4 | self.flag)
        return bytes(head) + self.entries


@dataclass(frozen=True, slots=True)
class RouterAlertOption:
    """Routers should look closer at this packet (RFC 2113 2.1)."""

    value: int = 0
    """0: examine it; others are reserved."""

    @property
    def kind(self) -> int:
        """:data:`ROUTER_ALERT`."""
        return ROUTER_ALERT

    def build(self) -> bytes:
        """The option's bytes."""
        return bytes((ROUTER_ALERT, 4)) + self.value.to_bytes(2)


Ipv4Option: TypeAlias = Option | RouteOption | TimestampOption | RouterAlertOption
"""End of Option List, No Operation and kinds that nobody knows are an :class:`Option`."""


def iterate_options(raw: bytes) -> Iterator[tuple[int, Ipv4Option]]:
    """Each option of a header with its place in ``raw``.

    Raises Malformed ``ipv4.bad_option`` with a pointer into ``raw``, if a length or a pointer is impossible
    (RFC 791, RFC 1122 3.2.1.8; as in Linux's ip_options_compile).
    """
    for at, kind, data in iterate_raw_options(raw, "ipv4.bad_option"):
        yield at, _interpret(at, kind, data)


def _interpret(at: int, kind: int, data: bytes) -> Ipv4Option:
    if kind in (RECORD_ROUTE, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE):
        if not data:
            raise Malformed("ipv4.bad_option", at + 1)
        if data[0] < 4:
            raise Malformed("ipv4.bad_option", at + 2)
        return RouteOption(kind, data[0], data[1:])
    if kind == TIMESTAMP:
        if len(data) < 2:
            raise Malformed("ipv4.bad_option", at + 1)
        if data[0] < 5:
            raise Malformed("ipv4.bad_option", at + 2)
        return TimestampOption(data[0], data[1] >> 4, data[1] & 0xF, data[2:])
    if kind == ROUTER_ALERT:
        if len(data) != 2:
            raise Malformed("ipv4.bad_option", at + 1)
        return RouterAlertOption(int.from_bytes(data))
    return Option(kind, data)


def parse_options(raw: bytes) -> tuple[Ipv4Option, ...]:
    """All options of a header. Raises Malformed ``ipv4.bad_option``."""
    return tuple([option for _, option in iterate_options(raw)])


def build_options(options: Iterable[Ipv4Option]) -> bytes:
    """The options' bytes, padded to a multiple of 4; the exact reverse of parsing those of a header."""
    return pad(b"".join([option.build() for option in options]))
