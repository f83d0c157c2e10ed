"""What a script consists of, as read and not yet evaluated. Times are ns; every event knows its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

# --- expressions: the arguments of calls ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Integer:
    """A number."""

    value: int


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A constant, or a symbol that the script defines."""

    word: str


@dataclass(frozen=True, slots=True)
class Anything:
    """``...``: what the interpreter provides, or does not look at."""


@dataclass(frozen=True, slots=True)
class Listing:
    """``[a, b]``."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """``{name=value, ...}``, or with values only; in ``name(length)=value`` the length is left out."""

    fields: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """``htons(80)``, ``inet_addr("...")``."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Combined:
    """``a|b``."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Integer | Text | Name | Anything | Listing | Structure | Apply | Combined


# --- packets ----------------------------------------------------------------------------------------------------------


class Direction(Enum):
    """As the script writes it."""

    INBOUND = "<"
    OUTBOUND = ">"


@dataclass(frozen=True, slots=True)
class IpFields:
    """Of the IP header, what the script wrote."""

    ecn: frozenset[int] | None = None
    """The ECN codepoints that will do; the smallest goes into a packet that is built."""
    traffic_class: int | None = None
    hop_limit: int | None = None
    flow_label: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One TCP option: its name in the script and its numbers, or hexadecimal digits or a symbol for them."""

    name: str
    numbers: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class TcpSegment:
    """A TCP segment, in the script's own sequence numbers."""

    flags: int
    sequence: int
    length: int
    acknowledgment: int | None = None
    window: int | None = None
    urgent: int | None = None
    options: tuple[Option, ...] | None = ()
    """None: ``<...>``, any."""
    ports: tuple[int, int] | None = None
    absolute_sequence: bool = False
    absolute_acknowledgment: bool = False


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """A UDP datagram with so many bytes of data."""

    length: int
    ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class IcmpMessage:
    """An ICMP error about a packet of ours, or an echo."""

    type: str
    code: str = ""
    mtu: int = 0
    quoted: TcpSegment | UdpDatagram | int | None = None
    """The segment it is about; a number: that much data of whatever protocol."""


Body: TypeAlias = TcpSegment | UdpDatagram | IcmpMessage


# --- events -----------------------------------------------------------------------------------------------------------


class TimeKind(Enum):
    """How a time is meant."""

    ABSOLUTE = "T"
    RELATIVE = "+T"
    ANY = "*"


@dataclass(frozen=True, slots=True)
class When:
    """The time of an event; ``latest`` is the end of a range."""

    kind: TimeKind
    earliest: int = 0
    latest: int | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that arrives, or that must leave."""

    direction: Direction
    body: Body
    ip: IpFields = field(default_factory=IpFields)


@dataclass(frozen=True, slots=True)
class Call:
    """A system call. ``end`` is when a blocking one returns, on the same scale as the time of the event."""

    function: str
    arguments: tuple[Expression, ...]
    result: Expression
    errno: str = ""
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Shell:
    """Shell commands."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Python statements about TCP_INFO."""

    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens, at a time."""

    line: int
    text: str
    """As written, on one line."""
    when: When
    action: Packet | Call | Shell | Code


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script."""

    options: tuple[tuple[int, str, str], ...]
    """Line, name and value of each ``--name=value``."""
    events: tuple[Event, ...]
    before: tuple[Event, ...] = ()
    """Shell commands before the first event."""
