"""Multicast at the socket: which groups are taken, and where what is sent to a group leaves (ip(7), RFC 3493 5.2).

Nobody is told of it: there is no IGMP and no MLD, so switches and routers have to pass on what they do not know.
"""

from __future__ import annotations

import errno
import socket as bsd
from struct import Struct
from typing import TYPE_CHECKING, Final

from stack.errors import os_error
from stack.sockets.options import Option, OptionTable, Value, integer
from stack.wire.address import UNSPECIFIED_V4, is_multicast

if TYPE_CHECKING:
    from stack.internet.interface import Interface
    from stack.sockets.message import MessageSocket

MULTICAST_REQUEST: Final = Struct("=4s4si")
"""``struct ip_mreqn``: group, address of the interface, its index. Without the index it is ``struct ip_mreq``."""
MULTICAST_REQUEST_V6: Final = Struct("=16sI")
"""``struct ipv6_mreq``: group, index of the interface."""
_SHORT: Final = 8
_MOST_GROUPS: Final = 20
"""Of one socket (Linux igmp_max_memberships)."""
_INT_MAX: Final = (1 << 31) - 1


def _by_index(socket: MessageSocket, index: int) -> Interface:
    """Raises OSError: ENODEV."""
    for interface in socket.host.interfaces.values():
        if interface.index == index:
            return interface
    raise os_error(errno.ENODEV)


def _chosen(socket: MessageSocket, address: bytes, index: int) -> Interface | None:
    """The interface with this index, or else this address; None if neither is given. Raises OSError: ENODEV."""
    if index:
        return _by_index(socket, index)
    if address == UNSPECIFIED_V4:
        return None
    for interface in socket.host.interfaces.values():
        if interface.has_address(address):
            return interface
    raise os_error(errno.ENODEV)


def _routed(socket: MessageSocket, group: bytes) -> Interface:
    """Where the route to the group leads. Raises OSError: ENODEV."""
    try:
        return socket.host.path(group).interface
    except OSError:
        raise os_error(errno.ENODEV) from None


def _request(socket: MessageSocket, value: Value) -> tuple[bytes, bytes, int]:
    """A ``struct ip_mreqn``, perhaps without its end. Raises OSError: EINVAL."""
    if isinstance(value, int) or len(value) < _SHORT:
        raise os_error(errno.EINVAL)
    padded = value[: MULTICAST_REQUEST.size].ljust(MULTICAST_REQUEST.size, b"\0")
    group, address, index = MULTICAST_REQUEST.unpack(padded)
    return group, address, index if len(value) >= MULTICAST_REQUEST.size else 0


def _membership(socket: MessageSocket, value: Value) -> tuple[bytes, Interface]:
    group, address, index = _request(socket, value)
    if not is_multicast(group):
        raise os_error(errno.EINVAL)
    return group, _chosen(socket, address, index) or _routed(socket, group)


def _membership_v6(socket: MessageSocket, value: Value) -> tuple[bytes, Interface]:
    if isinstance(value, int) or len(value) < MULTICAST_REQUEST_V6.size:
        raise os_error(errno.EINVAL)
    group, index = MULTICAST_REQUEST_V6.unpack_from(value)
    if not is_multicast(group):
        raise os_error(errno.EINVAL)
    return group, _by_index(socket, index) if index else _routed(socket, group)


def _join(socket: MessageSocket, membership: tuple[bytes, Interface]) -> None:
    """Raises OSError: EADDRINUSE if joined already, ENOBUFS if these are too many."""
    if membership in socket.memberships:
        raise os_error(errno.EADDRINUSE)
    if len(socket.memberships) >= _MOST_GROUPS:
        raise os_error(errno.ENOBUFS)
    group, interface = membership
    interface.join(group)
    socket.memberships.append(membership)


def leave(socket: MessageSocket, membership: tuple[bytes, Interface]) -> None:
    """Raises OSError: EADDRNOTAVAIL if it is not joined."""
    if membership not in socket.memberships:
        raise os_error(errno.EADDRNOTAVAIL)
    socket.memberships.remove(membership)
    group, interface = membership
    interface.leave(group)


def _set_interface(socket: MessageSocket, value: Value) -> None:
    """IP_MULTICAST_IF: an address, ``struct ip_mreq`` or ``struct ip_mreqn``; unspecified: the route says."""
    if isinstance(value, bytes) and len(value) == len(UNSPECIFIED_V4):
        address, index = value, 0
    else:
        _, address, index = _request(socket, value)
    socket.settings.multicast_interface = _chosen(socket, address, index)


def _interface_address(socket: MessageSocket) -> bytes:
    interface = socket.settings.multicast_interface
    addresses = () if interface is None else interface.addresses
    return next((item.address for item in addresses if len(item.address) == 4), UNSPECIFIED_V4)


def _set_interface_v6(socket: MessageSocket, value: Value) -> None:
    index = integer(value, 0, _INT_MAX)
    socket.settings.v6_multicast_interface = _by_index(socket, index) if index else None


def _index(interface: Interface | None) -> int:
    return 0 if interface is None else interface.index


def _none(socket: MessageSocket) -> Value:
    """A membership is set, and not read."""
    raise os_error(errno.ENOPROTOOPT)


GROUP_OPTIONS: Final[OptionTable] = {
    (bsd.IPPROTO_IP, bsd.IP_ADD_MEMBERSHIP): Option(
        _none, lambda socket, value: _join(socket, _membership(socket, value))
    ),
    (bsd.IPPROTO_IP, bsd.IP_DROP_MEMBERSHIP): Option(
        _none, lambda socket, value: leave(socket, _membership(socket, value))
    ),
    (bsd.IPPROTO_IP, bsd.IP_MULTICAST_IF): Option(_interface_address, _set_interface),
    (bsd.IPPROTO_IPV6, bsd.IPV6_JOIN_GROUP): Option(
        _none, lambda socket, value: _join(socket, _membership_v6(socket, value))
    ),
    (bsd.IPPROTO_IPV6, bsd.IPV6_LEAVE_GROUP): Option(
        _none, lambda socket, value: leave(socket, _membership_v6(socket, value))
    ),
    (bsd.IPPROTO_IPV6, bsd.IPV6_MULTICAST_IF): Option(
        lambda socket: _index(socket.settings.v6_multicast_interface), _set_interface_v6
    ),
}
