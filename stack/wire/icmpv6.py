"""ICMPv6 messages (RFC 4443); those of neighbour discovery are in :mod:`stack.wire.ndp`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from stack.wire.icmp import IcmpHeader

DESTINATION_UNREACHABLE: Final = 1
PACKET_TOO_BIG: Final = 2
TIME_EXCEEDED: Final = 3
PARAMETER_PROBLEM: Final = 4
ECHO_REQUEST: Final = 128
ECHO_REPLY: Final = 129
ROUTER_SOLICITATION: Final = 133
ROUTER_ADVERTISEMENT: Final = 134
NEIGHBOUR_SOLICITATION: Final = 135
NEIGHBOUR_ADVERTISEMENT: Final = 136
REDIRECT: Final = 137


class UnreachableCode(IntEnum):
    """Codes of Destination Unreachable (RFC 4443 3.1)."""

    NO_ROUTE = 0
    PROHIBITED = 1
    BEYOND_SCOPE = 2
    ADDRESS = 3
    PORT = 4
    SOURCE_POLICY = 5
    REJECT_ROUTE = 6


class TimeExceededCode(IntEnum):
    """Codes of Time Exceeded (RFC 4443 3.3)."""

    TRANSIT = 0
    REASSEMBLY = 1


class ParameterProblemCode(IntEnum):
    """Codes of Parameter Problem (RFC 4443 3.4, RFC 7112 5)."""

    ERRONEOUS_FIELD = 0
    UNRECOGNIZED_NEXT_HEADER = 1
    UNRECOGNIZED_OPTION = 2
    INCOMPLETE_CHAIN = 3


@dataclass(slots=True)
class Icmpv6Header(IcmpHeader):
    """The header; an error message goes on with what fits of the packet that caused it, an echo with data."""

    NAME: ClassVar[str] = "icmpv6"

    @property
    def is_error(self) -> bool:
        """Whether it is an error message: the high bit of the type is zero (RFC 4443 2.1)."""
        return self.type < 128

    @property
    def mtu(self) -> int:
        """Of Packet Too Big: the MTU of the next hop, in bytes."""
        return self.rest

    @property
    def pointer(self) -> int:
        """Of Parameter Problem: the octet in the quoted packet."""
        return self.rest
