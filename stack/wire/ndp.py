"""The messages of neighbour discovery (RFC 4861 4), each with its ICMPv6 header.

Parsing includes the validity checks of RFC 4861 6.1, 7.1 and 8.1 that need nothing but the message; the IP
hop limit, the addresses of the packet and the checksum are the caller's to check. Reserved fields are
carried, not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, ClassVar, Final, TypeAlias

from stack.link import Buffer
from stack.wire.address import is_multicast
from stack.wire.errors import Malformed
from stack.wire.icmpv6 import (
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    REDIRECT,
    ROUTER_ADVERTISEMENT,
    ROUTER_SOLICITATION,
)
from stack.wire.ndp_options import NdpOption, build_options, parse_options

_ROUTER_SOLICITATION: Final = Struct("!BBHI")
_ROUTER_ADVERTISEMENT: Final = Struct("!BBHBBHII")
_NEIGHBOUR: Final = Struct("!BBHI16s")
_REDIRECT: Final = Struct("!BBHI16s16s")


def _unpack(layout: Struct, type: int, buffer: Buffer, offset: int, end: int) -> tuple[Any, ...]:
    """The fields behind type and code, which must be the ones expected."""
    if end - offset < layout.size:
        raise Malformed("ndp.truncated")
    found, code, *fields = layout.unpack_from(buffer, offset)
    if found != type:
        raise Malformed("ndp.bad_type")
    if code:
        raise Malformed("ndp.bad_code")
    return tuple(fields)


@dataclass(slots=True)
class RouterSolicitation:
    """RFC 4861 4.1."""

    TYPE: ClassVar[int] = ROUTER_SOLICITATION

    options: tuple[NdpOption, ...] = ()
    checksum: int = 0
    reserved: int = 0

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> RouterSolicitation:
        """Raises Malformed: see :func:`parse_message`."""
        end = len(buffer) if end is None else end
        checksum, reserved = _unpack(_ROUTER_SOLICITATION, cls.TYPE, buffer, offset, end)
        return cls(parse_options(buffer, offset + _ROUTER_SOLICITATION.size, end), checksum, reserved)

    def build(self) -> bytes:
        """The message's bytes."""
        return _ROUTER_SOLICITATION.pack(self.TYPE, 0, self.checksum, self.reserved) + build_options(
            self.options
        )


@dataclass(slots=True)
class RouterAdvertisement:
    """RFC 4861 4.2."""

    TYPE: ClassVar[int] = ROUTER_ADVERTISEMENT

    hop_limit: int = 0
    """Cur Hop Limit; 0: unspecified."""
    managed: bool = False
    """M: addresses by DHCPv6."""
    other: bool = False
    """O: other configuration by DHCPv6."""
    router_lifetime: int = 0
    """Seconds; 0: not a default router."""
    reachable_time: int = 0
    """Milliseconds; 0: unspecified."""
    retrans_timer: int = 0
    """Milliseconds; 0: unspecified."""
    options: tuple[NdpOption, ...] = ()
    checksum: int = 0
    reserved: int = 0
    """Six bits."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> RouterAdvertisement:
        """Raises Malformed: see :func:`parse_message`."""
        end = len(buffer) if end is None else end
        checksum, hop_limit, flags, lifetime, reachable, retrans = _unpack(
            _ROUTER_ADVERTISEMENT, cls.TYPE, buffer, offset, end
        )
        return cls(
            hop_limit,
            flags & 0x80 != 0,
            flags & 0x40 != 0,
            lifetime,
            reachable,
            retrans,
            parse_options(buffer, offset + _ROUTER_ADVERTISEMENT.size, end),
            checksum,
            flags & 0x3F,
        )

    def build(self) -> bytes:
        """The message's bytes."""
        return _ROUTER_ADVERTISEMENT.pack(
            self.TYPE,
            0,
            self.checksum,
            self.hop_limit,
            self.managed << 7 | self.other << 6 | self.reserved,
            self.router_lifetime,
            self.reachable_time,
            self.retrans_timer,
        ) + build_options(self.options)


@dataclass(slots=True)
class NeighbourSolicitation:
    """RFC 4861 4.3."""

    TYPE: ClassVar[int] = NEIGHBOUR_SOLICITATION

    target: bytes
    options: tuple[NdpOption, ...] = ()
    checksum: int = 0
    reserved: int = 0

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> NeighbourSolicitation:
        """Raises Malformed: see :func:`parse_message`."""
        end = len(buffer) if end is None else end
        checksum, reserved, target = _unpack(_NEIGHBOUR, cls.TYPE, buffer, offset, end)
        if is_multicast(target):
            raise Malformed("ndp.bad_target")
        return cls(target, parse_options(buffer, offset + _NEIGHBOUR.size, end), checksum, reserved)

    def build(self) -> bytes:
        """The message's bytes."""
        return _NEIGHBOUR.pack(self.TYPE, 0, self.checksum, self.reserved, self.target) + build_options(
            self.options
        )


@dataclass(slots=True)
class NeighbourAdvertisement:
    """RFC 4861 4.4."""

    TYPE: ClassVar[int] = NEIGHBOUR_ADVERTISEMENT

    target: bytes
    router: bool = False
    """R: the sender is a router."""
    solicited: bool = False
    """S: it answers a solicitation."""
    override: bool = False
    """O: it replaces a link-layer address that is known already."""
    options: tuple[NdpOption, ...] = ()
    checksum: int = 0
    reserved: int = 0
    """29 bits."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> NeighbourAdvertisement:
        """Raises Malformed: see :func:`parse_message`."""
        end = len(buffer) if end is None else end
        checksum, flags, target = _unpack(_NEIGHBOUR, cls.TYPE, buffer, offset, end)
        if is_multicast(target):
            raise Malformed("ndp.bad_target")
        return cls(
            target,
            flags >> 31 != 0,
            flags & 1 << 30 != 0,
            flags & 1 << 29 != 0,
            parse_options(buffer, offset + _NEIGHBOUR.size, end),
            checksum,
            flags & (1 << 29) - 1,
        )

    def build(self) -> bytes:
        """The message's bytes."""
        flags = self.router << 31 | self.solicited << 30 | self.override << 29 | self.reserved
        return _NEIGHBOUR.pack(self.TYPE, 0, self.checksum, flags, self.target) + build_options(self.options)


@dataclass(slots=True)
class Redirect:
    """RFC 4861 4.5."""

    TYPE: ClassVar[int] = REDIRECT

    target: bytes
    """The better first hop; the destination itself if that is a neighbour."""
    destination: bytes
    options: tuple[NdpOption, ...] = ()
    checksum: int = 0
    reserved: int = 0

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> Redirect:
        """Raises Malformed: see :func:`parse_message`."""
        end = len(buffer) if end is None else end
        checksum, reserved, target, destination = _unpack(_REDIRECT, cls.TYPE, buffer, offset, end)
        if is_multicast(destination):
            raise Malformed("ndp.bad_destination")
        return cls(
            target, destination, parse_options(buffer, offset + _REDIRECT.size, end), checksum, reserved
        )

    def build(self) -> bytes:
        """The message's bytes."""
        return _REDIRECT.pack(
            self.TYPE, 0, self.checksum, self.reserved, self.target, self.destination
        ) + build_options(self.options)


NdpMessage: TypeAlias = (
    RouterSolicitation | RouterAdvertisement | NeighbourSolicitation | NeighbourAdvertisement | Redirect
)

MESSAGES: Final[dict[int, type[NdpMessage]]] = {
    ROUTER_SOLICITATION: RouterSolicitation,
    ROUTER_ADVERTISEMENT: RouterAdvertisement,
    NEIGHBOUR_SOLICITATION: NeighbourSolicitation,
    NEIGHBOUR_ADVERTISEMENT: NeighbourAdvertisement,
    REDIRECT: Redirect,
}
"""By ICMPv6 type."""


def parse_message(buffer: Buffer, offset: int = 0, end: int | None = None) -> NdpMessage:
    """The message that begins at ``offset`` with its ICMPv6 header.

    Raises Malformed: ``ndp.truncated``, ``ndp.bad_type``, ``ndp.bad_code``, ``ndp.bad_option``,
    ``ndp.bad_target`` and ``ndp.bad_destination`` for a multicast address where RFC 4861 7.1 and 8.1 allow
    none.
    """
    end = len(buffer) if end is None else end
    message = MESSAGES.get(buffer[offset]) if offset < end else None
    if message is None:
        raise Malformed("ndp.bad_type" if offset < end else "ndp.truncated")
    return message.parse(buffer, offset, end)
