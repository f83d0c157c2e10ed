"""What a protocol above IP looks like from below."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from stack.compiled import mypyc_attr

if TYPE_CHECKING:
    from stack.internet.packet import Packet


class ErrorKind(Enum):
    """What an ICMP error says, whichever family said it."""

    NO_ROUTE = "no route"
    HOST = "host unreachable"
    PROTOCOL = "protocol unreachable"
    PORT = "port unreachable"
    PROHIBITED = "administratively prohibited"
    PACKET_TOO_BIG = "packet too big"
    SOURCE_ROUTE = "source route failed"
    TIME_EXCEEDED = "hop limit exceeded in transit"
    REASSEMBLY = "reassembly time exceeded"
    PARAMETER = "parameter problem"


@dataclass(slots=True)
class ErrorReport:
    """An ICMP error about a packet that this host sent (RFC 1122 3.2.2, RFC 4443 2.4 d)."""

    kind: ErrorKind
    errno: int
    """What a socket gets to see (``errno``), as Linux translates it."""
    hard: bool
    """It will not go away by waiting, as Linux judges; what that means for a connection is the transport's to say
    (RFC 1122 4.2.3.9, RFC 5927 6)."""
    reporter: bytes
    """Who says so: the source of the ICMP message."""
    source: bytes
    """Of the quoted packet: an address of this host."""
    destination: bytes
    """Of the quoted packet."""
    protocol: int
    quoted: bytes
    """The quoted transport header and what follows; may be as short as 8 bytes, or fewer from a broken router."""
    mtu: int
    """For PACKET_TOO_BIG the next hop's MTU in bytes, otherwise 0."""
    type: int
    """Of the ICMP message, in its family's numbers."""
    code: int


@mypyc_attr(allow_interpreted_subclasses=True)
class Protocol(ABC):
    """A transport protocol, or ICMP: what ``Host.protocols`` maps protocol numbers to."""

    __slots__ = ()

    @abstractmethod
    def packet_arrives(self, packet: Packet) -> None:
        """Take a packet for this host. Whatever is in it, nothing is raised."""

    @abstractmethod
    def error_arrives(self, report: ErrorReport) -> None:
        """Take an ICMP error about a packet of this protocol; whether to believe it is this protocol's decision.

        PACKET_TOO_BIG: TCP calls ``learn_mtu`` of the path itself, once the quoted sequence number convinced it
        (RFC 5927 7); for every other protocol this has been done already.
        """
