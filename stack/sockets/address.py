"""Socket addresses: the tuples of the ``socket`` module at the edge, packed bytes and an interface inside."""

from __future__ import annotations

import errno
import socket as bsd
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from stack.errors import os_error
from stack.wire.address import (
    BROADCAST_V4,
    UNSPECIFIED_V4,
    UNSPECIFIED_V6,
    is_link_local,
    map_v4,
    unmap_v4,
)

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

Address: TypeAlias = tuple[Any, ...]
"""``(text, port)`` for AF_INET, ``(text, port, flow label, scope id)`` for AF_INET6, of which the last two
may be missing on the way in."""


class SocketAddress(NamedTuple):
    """Where a socket is, or sends to."""

    address: bytes
    """4 bytes also on an AF_INET6 socket, for an IPv4-mapped address."""
    port: int
    interface: Interface | None = None
    """The zone of a link-local address (RFC 4007)."""


def parse(host: Host, family: int, address: Address) -> SocketAddress:
    """Read an address as the ``socket`` module does, but for names: there is nobody to resolve them.

    An empty text is the unspecified address, ``<broadcast>`` is 255.255.255.255; ``%eth0`` names a zone, as
    does the scope id. Raises TypeError, OverflowError (port), ``socket.gaierror`` (text that is no address of
    the family) and OSError: ENODEV for a zone that does not exist.
    """
    longest = 2 if family == bsd.AF_INET else 4
    if not isinstance(address, tuple) or not 2 <= len(address) <= longest:
        raise TypeError(f"an address is a tuple of 2 to {longest}, such as ('10.0.0.1', 80), not {address!r}")
    text, port = address[:2]
    if not isinstance(text, str) or not isinstance(port, int):
        raise TypeError(f"an address begins with a str and an int, not {address[:2]!r}")
    if not 0 <= port <= 65535:
        raise OverflowError("port must be 0-65535")
    zone = ""
    if family == bsd.AF_INET6:
        text, _, zone = text.partition("%")
    packed = _parse_text(family, text)
    scope: str | int = zone or (address[3] if len(address) == 4 else 0)
    return SocketAddress(packed, port, _zone(host, scope) if scope and _has_zone(packed) else None)


def unparse(family: int, address: SocketAddress) -> Address:
    """The tuple that the ``socket`` module would give."""
    packed, port, interface = address
    if family == bsd.AF_INET:
        return bsd.inet_ntop(family, packed), port
    text = bsd.inet_ntop(family, map_v4(packed) if len(packed) == 4 else packed)
    return text, port, 0, 0 if interface is None or not _has_zone(packed) else interface.index


def needs_zone(address: bytes) -> bool:
    """Whether an address means nothing without an interface (RFC 4007 6): an IPv6 link-local unicast one."""
    return len(address) == 16 and is_link_local(address)


def _has_zone(address: bytes) -> bool:
    """Link-local unicast, or multicast of interface-local or link-local scope (RFC 4291 2.7)."""
    return needs_zone(address) or (len(address) == 16 and address[0] == 0xFF and address[1] & 0x0F in (1, 2))


def _parse_text(family: int, text: str) -> bytes:
    if not text:
        return UNSPECIFIED_V4 if family == bsd.AF_INET else UNSPECIFIED_V6
    if text == "<broadcast>" and family == bsd.AF_INET:
        return BROADCAST_V4
    try:
        packed = bsd.inet_pton(family, text)
    except (OSError, ValueError):
        raise bsd.gaierror(bsd.EAI_NONAME, f"{text!r} is not an address of the socket's family") from None
    return unmap_v4(packed) or packed


def _zone(host: Host, scope: str | int) -> Interface:
    for interface in host.interfaces.values():
        if scope in (interface.name, interface.index):
            return interface
    raise os_error(errno.ENODEV)
