"""Which of its addresses a host sends from: RFC 6724 section 5, as far as it bears on addresses set by hand."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.errors import os_error
from stack.wire.address import InterfaceAddress, is_link_local, is_loopback, is_multicast

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

_LINK_LOCAL = 0x2
_GLOBAL = 0xE


def select_source(host: Host, destination: bytes, interface: Interface, next_hop: bytes) -> bytes:
    """The source address for packets to ``destination`` that leave by ``interface`` to ``next_hop``.

    The candidates are the interface's addresses (RFC 6724 4); an interface without any borrows the addresses of
    the others, but for those that mean nothing outside their link. Raises ``OSError`` EADDRNOTAVAIL if there are none.
    """
    size = len(destination)
    candidates = [address for address in interface.addresses if len(address.address) == size]
    if not candidates:
        candidates = [
            address
            for other in host.interfaces.values()
            for address in other.addresses
            if len(address.address) == size and scope(address.address) == _GLOBAL
        ]
    if not candidates:
        raise os_error(errno.EADDRNOTAVAIL)
    return max(candidates, key=lambda candidate: _merit(candidate, destination, next_hop)).address


def scope(address: bytes) -> int:
    """Of a unicast or multicast address, in the numbers of multicast scopes (RFC 6724 3.1, 3.2)."""
    if is_multicast(address):
        if len(address) == 16:
            return address[1] & 0xF
        return _LINK_LOCAL if address[:3] == b"\xe0\x00\x00" else _GLOBAL
    if is_link_local(address) or is_loopback(address):
        return _LINK_LOCAL
    return _GLOBAL


def common_prefix_length(one: bytes, other: bytes) -> int:
    """Leading bits that are equal (RFC 6724 2.2)."""
    return 8 * len(one) - (int.from_bytes(one) ^ int.from_bytes(other)).bit_length()


def _merit(candidate: InterfaceAddress, destination: bytes, next_hop: bytes) -> tuple[bool, int, bool, int]:
    """The larger the better: the same address (rule 1), an appropriate scope (rule 2), the next hop's prefix (rule
    5.5, for prefixes that no router advertised), and the longest match (rule 8). Of equals, max() takes the first.
    """
    address = candidate.address
    mine, wanted = scope(address), scope(destination)
    # Rule 2: the smallest scope that reaches the destination, or failing that, the largest there is.
    appropriate = -mine if mine >= wanted else mine - 0x20
    return (
        address == destination,
        appropriate,
        candidate.prefix.contains(next_hop),
        min(common_prefix_length(address, destination), candidate.length),
    )
