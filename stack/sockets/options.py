"""Socket options as a table: what ``getsockopt`` and ``setsockopt`` do for each level and number.

A kind of socket has one table; :data:`SOCKET_OPTIONS` and :data:`IP_OPTIONS` are what they share. Where the
``socket`` module lacks a constant, this module has it, with Linux's number.
"""

from __future__ import annotations

import errno
import socket as bsd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from stack.errors import os_error
from stack.sockets.error_queue import IP_RECVERR, IPV6_RECVERR
from stack.sockets.settings import Linger, MtuDiscover

if TYPE_CHECKING:
    from stack.sockets.socket import Socket

IP_MTU_DISCOVER: Final = 10
IP_MTU: Final = 14
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24
IP_PMTUDISC_DONT: Final = int(MtuDiscover.DONT)
IP_PMTUDISC_WANT: Final = int(MtuDiscover.WANT)
IP_PMTUDISC_DO: Final = int(MtuDiscover.DO)

Value: TypeAlias = int | bytes
"""What an option is set to: an int, or the bytes of a C structure or int."""

_INT: Final = Struct("i")
_LINGER: Final = Struct("ii")
_LARGEST_BUFFER: Final = 256 << 20
"""Upper bound of SO_SNDBUF and SO_RCVBUF as reported (``UdpConfig`` and ``TcpConfig`` allow no less)."""
_LEAST_RECEIVE_BUFFER: Final = 2304
"""Linux SOCK_MIN_RCVBUF."""
_LEAST_SEND_BUFFER: Final = 4608
"""Linux SOCK_MIN_SNDBUF."""
_INT_MAX: Final = (1 << 31) - 1

S = TypeVar("S", bound="Socket")


@dataclass(frozen=True, slots=True)
class Option(Generic[S]):
    """One option of sockets of class ``S``."""

    get: Callable[[S], Value]
    set: Callable[[S, Value], None] | None = None
    """None: it can only be read."""


OptionTable: TypeAlias = Mapping[tuple[int, int], Option[Any]]
"""By level and number."""


def integer(value: Value, low: int, high: int) -> int:
    """The int that was passed, as such or as C would. Raises OSError: EINVAL out of bounds, or if too short.

    A single byte will do, as for the IP options of Linux.
    """
    if isinstance(value, int):
        number = value
    elif len(value) >= _INT.size:
        (number,) = _INT.unpack_from(value)
    elif len(value) == 1:
        number = value[0]
    else:
        raise os_error(errno.EINVAL)
    if not low <= number <= high:
        raise os_error(errno.EINVAL)
    return number


def flag(value: Value) -> bool:
    """The truth of the int that was passed. Raises OSError: EINVAL if it is too short."""
    return integer(value, -_INT_MAX - 1, _INT_MAX) != 0


def as_int(value: Value) -> int:
    """What ``getsockopt`` without a length returns: of a structure, its first int."""
    return value if isinstance(value, int) else int(_INT.unpack_from(value.ljust(_INT.size, b"\0"))[0])


def as_bytes(value: Value, length: int) -> bytes:
    """What ``getsockopt`` with a buffer of ``length`` returns."""
    return (_INT.pack(value) if isinstance(value, int) else value)[:length]


def doubled(value: Value, least: int) -> int:
    """A buffer size as Linux keeps it (socket(7)): twice what was asked for, and within bounds."""
    asked = integer(value, -_INT_MAX - 1, _INT_MAX) & 0xFFFFFFFF
    return max(least, min(2 * asked, _LARGEST_BUFFER))


def receive_buffer(value: Value) -> int:
    """SO_RCVBUF as it is kept and reported: see :func:`doubled`."""
    return doubled(value, _LEAST_RECEIVE_BUFFER)


def send_buffer(value: Value) -> int:
    """SO_SNDBUF as it is kept and reported: see :func:`doubled`."""
    return doubled(value, _LEAST_SEND_BUFFER)


def setting(name: str, read: Callable[[Value], Any], shown: Callable[[Any], Value] = int) -> Option[Socket]:
    """An option that is one of :class:`~stack.sockets.settings.Settings`, as ``read`` understands a value."""

    def put(socket: Socket, value: Value) -> None:
        setattr(socket.settings, name, read(value))
        socket.settings_changed()

    return Option(lambda socket: shown(getattr(socket.settings, name)), put)


def number(name: str, low: int, high: int) -> Option[Socket]:
    """A setting that is an int within bounds."""
    return setting(name, lambda value: integer(value, low, high))


def hop_limit(name: str) -> Option[Socket]:
    """A setting that is a hop limit: 1 to 255, or -1 for the host's default, which is shown by its value."""

    def get(socket: Socket) -> int:
        return int(getattr(socket.settings, name)) or socket.host.config.ip.hop_limit

    def put(socket: Socket, value: Value) -> None:
        asked = integer(value, -1, 255)
        if asked == 0:
            raise os_error(errno.EINVAL)
        setattr(socket.settings, name, max(asked, 0))
        socket.settings_changed()

    return Option(get, put)


def traffic_class(name: str) -> Option[Socket]:
    """A setting that is DSCP and ECN: 0 to 255, or -1 for 0. TCP keeps the ECN bits (RFC 3168 6.1)."""

    def put(socket: Socket, value: Value) -> None:
        asked = max(integer(value, -1, 255), 0)
        setattr(socket.settings, name, asked & ~3 if socket.type == bsd.SOCK_STREAM else asked)
        socket.settings_changed()

    return Option(lambda socket: int(getattr(socket.settings, name)), put)


def error_reports(name: str) -> Option[Socket]:
    """IP_RECVERR and its sister: switching it off empties the error queue."""

    def put(socket: Socket, value: Value) -> None:
        setattr(socket.settings, name, flag(value))
        if not getattr(socket.settings, name):
            socket.errors.clear()

    return Option(lambda socket: int(getattr(socket.settings, name)), put)


def low_water(value: Value) -> int:
    """SO_RCVLOWAT: at least 1; negative: as many as there can be."""
    asked = integer(value, -_INT_MAX - 1, _INT_MAX)
    return _INT_MAX if asked < 0 else max(asked, 1)


def _linger(value: Value) -> Linger:
    """A negative time is a very long one, as on Linux, where it is unsigned."""
    if isinstance(value, int) or len(value) < _LINGER.size:
        raise os_error(errno.EINVAL)
    on, seconds = _LINGER.unpack_from(value)
    return Linger(bool(on), seconds if seconds >= 0 else _INT_MAX)


def _set_v6_only(socket: Socket, value: Value) -> None:
    if socket.bound:
        raise os_error(errno.EINVAL)
    socket.settings.v6_only = flag(value)


def _set_device(socket: Socket, value: Value) -> None:
    """The name of an interface; none: all of them. Raises OSError: ENODEV."""
    if isinstance(value, int):
        raise os_error(errno.EINVAL)
    name = value.partition(b"\0")[0].decode("utf-8", "replace")
    device = socket.host.interfaces.get(name) if name else None
    if name and device is None:
        raise os_error(errno.ENODEV)
    socket.settings.device = device
    socket.settings_changed()


def _device(socket: Socket) -> bytes:
    device = socket.settings.device
    return b"" if device is None else device.name.encode() + b"\0"


SOCKET_OPTIONS: Final[OptionTable] = {
    (bsd.SOL_SOCKET, bsd.SO_BINDTODEVICE): Option(_device, _set_device),
    (bsd.SOL_SOCKET, bsd.SO_TYPE): Option(lambda socket: socket.type),
    (bsd.SOL_SOCKET, bsd.SO_DOMAIN): Option(lambda socket: socket.family),
    (bsd.SOL_SOCKET, bsd.SO_PROTOCOL): Option(lambda socket: socket.protocol),
    (bsd.SOL_SOCKET, bsd.SO_ERROR): Option(lambda socket: socket.take_error()),
    (bsd.SOL_SOCKET, bsd.SO_ACCEPTCONN): Option(lambda socket: int(socket.listening)),
    (bsd.SOL_SOCKET, bsd.SO_REUSEADDR): setting("reuse_address", flag),
    (bsd.SOL_SOCKET, bsd.SO_BROADCAST): setting("broadcast", flag),
    (bsd.SOL_SOCKET, bsd.SO_LINGER): setting("linger", _linger, lambda linger: _LINGER.pack(*linger)),
    (bsd.SOL_SOCKET, bsd.SO_OOBINLINE): setting("urgent_in_line", flag),
    (bsd.SOL_SOCKET, bsd.SO_RCVLOWAT): setting("receive_low_water", low_water),
    (bsd.SOL_SOCKET, bsd.SO_SNDLOWAT): Option(lambda socket: 1),
    (bsd.SOL_SOCKET, bsd.SO_RCVBUF): setting("receive_buffer", receive_buffer),
    (bsd.SOL_SOCKET, bsd.SO_SNDBUF): setting("send_buffer", send_buffer),
}

IP_OPTIONS: Final[OptionTable] = {
    (bsd.IPPROTO_IP, bsd.IP_TOS): traffic_class("tos"),
    (bsd.IPPROTO_IP, bsd.IP_TTL): hop_limit("ttl"),
    (bsd.IPPROTO_IP, IP_RECVERR): error_reports("report_errors"),
    (bsd.IPPROTO_IPV6, IPV6_RECVERR): error_reports("v6_report_errors"),
    (bsd.IPPROTO_IPV6, bsd.IPV6_TCLASS): traffic_class("tclass"),
    (bsd.IPPROTO_IPV6, bsd.IPV6_UNICAST_HOPS): hop_limit("hops"),
    (bsd.IPPROTO_IPV6, bsd.IPV6_V6ONLY): Option(lambda socket: int(socket.settings.v6_only), _set_v6_only),
}
