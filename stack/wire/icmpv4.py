"""ICMPv4 messages (RFC 792, RFC 1122 3.2.2, RFC 1191 4, RFC 1812 5.2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import ClassVar, Final

from stack.link import Buffer
from stack.wire.errors import Malformed
from stack.wire.icmp import IcmpHeader

ECHO_REPLY: Final = 0
DESTINATION_UNREACHABLE: Final = 3
SOURCE_QUENCH: Final = 4
"""Deprecated: neither sent nor acted upon (RFC 6633)."""
REDIRECT: Final = 5
ECHO_REQUEST: Final = 8
TIME_EXCEEDED: Final = 11
PARAMETER_PROBLEM: Final = 12
TIMESTAMP_REQUEST: Final = 13
TIMESTAMP_REPLY: Final = 14

_ERRORS: Final = frozenset(
    (DESTINATION_UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM)
)
_TIMES: Final = Struct("!III")


class UnreachableCode(IntEnum):
    """Codes of Destination Unreachable (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1)."""

    NETWORK = 0
    HOST = 1
    PROTOCOL = 2
    PORT = 3
    FRAGMENTATION_NEEDED = 4
    SOURCE_ROUTE_FAILED = 5
    NETWORK_UNKNOWN = 6
    HOST_UNKNOWN = 7
    SOURCE_HOST_ISOLATED = 8
    NETWORK_PROHIBITED = 9
    HOST_PROHIBITED = 10
    NETWORK_TYPE_OF_SERVICE = 11
    HOST_TYPE_OF_SERVICE = 12
    PROHIBITED = 13
    HOST_PRECEDENCE_VIOLATION = 14
    PRECEDENCE_CUTOFF = 15


class RedirectCode(IntEnum):
    """Codes of Redirect (RFC 792); a host treats all as the one for the host (RFC 1122 3.2.2.2)."""

    NETWORK = 0
    HOST = 1
    NETWORK_TYPE_OF_SERVICE = 2
    HOST_TYPE_OF_SERVICE = 3


class TimeExceededCode(IntEnum):
    """Codes of Time Exceeded (RFC 792)."""

    TRANSIT = 0
    REASSEMBLY = 1


class ParameterProblemCode(IntEnum):
    """Codes of Parameter Problem (RFC 792, RFC 1122 3.2.2.5)."""

    POINTER = 0
    MISSING_OPTION = 1


@dataclass(slots=True)
class Icmpv4Header(IcmpHeader):
    """The header; an error message goes on with the datagram that caused it, an echo with data."""

    NAME: ClassVar[str] = "icmpv4"

    @property
    def is_error(self) -> bool:
        """Whether it is an error message (RFC 1122 3.2.2), which none may answer."""
        return self.type in _ERRORS

    @property
    def next_hop_mtu(self) -> int:
        """Of Fragmentation Needed, in bytes; 0 from a router older than RFC 1191."""
        return self.rest & 0xFFFF

    @property
    def pointer(self) -> int:
        """Of Parameter Problem: the octet in the quoted datagram."""
        return self.rest >> 24

    @property
    def gateway(self) -> bytes:
        """Of Redirect: the better first hop."""
        return self.rest.to_bytes(4)


@dataclass(slots=True)
class TimestampTimes:
    """What follows the header of a timestamp request or reply: milliseconds since midnight UT (RFC 792)."""

    originate: int
    receive: int = 0
    transmit: int = 0

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> TimestampTimes:
        """Raises Malformed ``icmpv4.truncated``."""
        if (len(buffer) if end is None else end) - offset < _TIMES.size:
            raise Malformed("icmpv4.truncated")
        return cls(*_TIMES.unpack_from(buffer, offset))

    def build(self) -> bytes:
        """The 12 bytes."""
        return _TIMES.pack(self.originate, self.receive, self.transmit)
