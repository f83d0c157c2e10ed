"""What a connection's segments are signed with: the part that TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925) share.

A connection with keys has an :class:`Authentication`; one without has None. Which keys there are for which peer, a
:class:`~stack.tcp.key_table.KeyTable` says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from stack.internet.protocol import ErrorReport
from stack.link import Buffer
from stack.wire.address import Prefix
from stack.wire.options import iterate_options
from stack.wire.protocols import TCP
from stack.wire.tcp import AUTHENTICATION, CHECKSUM_AT, MD5_SIGNATURE, MIN_HEADER_LENGTH, TcpOptions

SocketPair = tuple[bytes, int, bytes, int]
"""Local address and port, remote address and port."""


class Authentication(ABC):
    """Signs and verifies the segments of one connection.

    The option stands before all others, unless it is :attr:`movable`. :meth:`option` makes room for it, with the
    signature still zero, so that the header can be built with its right length; :meth:`sign` then fills it in.
    """

    __slots__ = ("local", "local_port", "remote", "remote_port")

    kind: ClassVar[int]
    """Of the option."""
    missing: ClassVar[str]
    """The reason to drop a segment without that option."""
    option_length: ClassVar[int]
    """Octets of every segment that the option takes, padding included."""
    movable: ClassVar[bool]
    """:meth:`sign` finds the option wherever it is."""
    room_for_timestamps: ClassVar[bool]
    """Timestamps and a SACK block fit beside it."""

    def __init__(self, pair: SocketPair) -> None:
        self.local, self.local_port, self.remote, self.remote_port = pair

    @abstractmethod
    def option(self) -> bytes:
        """The option with a signature of zeros; its length is :attr:`option_length`."""

    @abstractmethod
    def sign(self, header: bytes, payload: Buffer, sequence: int) -> bytes:
        """The same header, signed; :meth:`option` is among its options. ``sequence`` is not truncated to 32 bits."""

    def verify(self, header: bytes, payload: Buffer, sequence: int) -> str | None:
        """Why a segment is to be dropped, or None if it is the peer's. ``sequence`` is not truncated to 32 bits."""
        found = [
            (at, kind, data)
            for at, kind, data in iterate_options(header[MIN_HEADER_LENGTH:], "tcp.bad_option")
            if kind in (MD5_SIGNATURE, AUTHENTICATION)
        ]
        if len(found) > 1:
            return "tcp.two_signatures"  # RFC 5925 2.2
        if not found or found[0][1] != self.kind:
            return self.missing
        at, _, data = found[0]
        return self._check(header, payload, sequence, MIN_HEADER_LENGTH + at + 2, data)

    @abstractmethod
    def _check(self, header: bytes, payload: Buffer, sequence: int, at: int, data: bytes) -> str | None:
        """As :meth:`verify`, given the option's data and their place in the header."""

    @property
    def ready(self) -> bool:
        """Enough is known of the peer to sign more than a SYN."""
        return True

    @abstractmethod
    def begin(self, irs: int, syn: TcpOptions | None = None) -> None:
        """The peer's initial sequence number is known; ``syn``: the options of the SYN that opened passively."""

    def ignores(self, report: ErrorReport) -> bool:
        """An ICMP error, which nobody has signed, is not believed of a synchronized connection."""
        return False


def expects_no_signature(options: TcpOptions | None) -> str | None:
    """Why a segment from a peer without keys is to be dropped, or None.

    A TCP-AO option that no key matches is ignored by default (RFC 5925 7.3); an MD5 one is not (Linux).
    """
    if options is not None and any(option.kind == MD5_SIGNATURE for option in options.unknown):
        return "tcp.md5_unexpected"
    return None


def overlap(one: Prefix, other: Prefix) -> bool:
    """Some peer is in both."""
    return one.contains(other.address) or other.contains(one.address)


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """What the checksum covers too, as octets (RFC 9293 3.1, RFC 8200 8.1); ``length`` is of header and data."""
    if len(source) == 4:
        return source + destination + TCP.to_bytes(2) + length.to_bytes(2)
    return source + destination + length.to_bytes(4) + TCP.to_bytes(4)


def without_checksum(header: bytes) -> bytes:
    """The 20 octets before the options, the checksum zero."""
    return header[:CHECKSUM_AT] + bytes(2) + header[CHECKSUM_AT + 2 : MIN_HEADER_LENGTH]


def signature_of(options: TcpOptions, kind: int) -> bytes | None:
    """The data of the option of this kind, if there is one."""
    return next((option.data for option in options.unknown if option.kind == kind), None)
