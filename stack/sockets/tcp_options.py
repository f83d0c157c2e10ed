"""The option table of TCP sockets: tcp(7), most of it knobs of :class:`~stack.config.TcpConfig`."""

from __future__ import annotations

import errno
import socket as bsd
from typing import TYPE_CHECKING, Final

from stack.clock import MILLISECOND, SECOND
from stack.config import KIB
from stack.errors import os_error
from stack.sockets.options import (
    IP_OPTIONS,
    SOCKET_OPTIONS,
    Option,
    OptionTable,
    Value,
    flag,
    integer,
    receive_buffer,
    send_buffer,
)
from stack.sockets.tcp_info import pack

if TYPE_CHECKING:
    from stack.sockets.stream import StreamSocket

_DEFAULT_MSS: Final = 536
"""What TCP_MAXSEG shows before there is a connection (Linux TCP_MSS_DEFAULT, RFC 9293 3.7.1)."""
_LEAST_MSS: Final = 88
_LARGEST_MSS: Final = 32767
_LEAST_WINDOW: Final = 2 * KIB
"""The smallest receive buffer that :class:`~stack.config.TcpConfig` takes."""
_NAME_LENGTH: Final = 16
"""Linux TCP_CA_NAME_MAX."""
_INT_MAX: Final = (1 << 31) - 1


def switch(knob: str) -> Option[StreamSocket]:
    """A knob that is on or off."""
    return Option(
        lambda socket: int(getattr(socket.config, knob)),
        lambda socket, value: socket.configure(**{knob: flag(value)}),
    )


def quantity(knob: str, low: int, high: int, unit: int = 1) -> Option[StreamSocket]:
    """A knob that is a number, counted in ``unit``."""
    return Option(
        lambda socket: int(getattr(socket.config, knob)) // unit,
        lambda socket, value: socket.configure(**{knob: integer(value, low, high) * unit}),
    )


def _mss(socket: StreamSocket) -> int:
    if socket.connected:
        return socket.info().tcpi_snd_mss
    return socket.config.mss or _DEFAULT_MSS


def _set_mss(socket: StreamSocket, value: Value) -> None:
    mss = integer(value, 0, _LARGEST_MSS)
    if 0 < mss < _LEAST_MSS:
        raise os_error(errno.EINVAL)
    socket.configure(mss=mss)


def _set_congestion(socket: StreamSocket, value: Value) -> None:
    if isinstance(value, int):
        raise os_error(errno.EINVAL)
    name = value.partition(b"\0")[0].decode("ascii", "replace")
    try:
        socket.configure(congestion=name)
    except OSError:
        raise os_error(errno.ENOENT) from None


def _receive_buffer(socket: StreamSocket) -> int:
    """As Linux counts it, memory and not data: half of it is the window (``tcp_adv_win_scale``)."""
    return 2 * socket.config.receive_buffer


def _set_receive_buffer(socket: StreamSocket, value: Value) -> None:
    """Who sets the size does not want it tuned (Linux SOCK_RCVBUF_LOCK)."""
    window = max(receive_buffer(value) // 2, _LEAST_WINDOW)
    socket.configure(receive_buffer=window, moderate_receive_buffer=False)


STREAM_OPTIONS: Final[OptionTable] = {
    **SOCKET_OPTIONS,
    **IP_OPTIONS,
    (bsd.SOL_SOCKET, bsd.SO_KEEPALIVE): switch("keepalive"),
    (bsd.SOL_SOCKET, bsd.SO_RCVBUF): Option(_receive_buffer, _set_receive_buffer),
    (bsd.SOL_SOCKET, bsd.SO_SNDBUF): Option(
        lambda socket: socket.config.send_buffer,
        lambda socket, value: socket.configure(send_buffer=send_buffer(value)),
    ),
    (bsd.IPPROTO_TCP, bsd.TCP_NODELAY): switch("nodelay"),
    (bsd.IPPROTO_TCP, bsd.TCP_MAXSEG): Option(_mss, _set_mss),
    (bsd.IPPROTO_TCP, bsd.TCP_KEEPIDLE): quantity("keepalive_idle", 1, 32767, SECOND),
    (bsd.IPPROTO_TCP, bsd.TCP_KEEPINTVL): quantity("keepalive_interval", 1, 32767, SECOND),
    (bsd.IPPROTO_TCP, bsd.TCP_KEEPCNT): quantity("keepalive_probes", 1, 127),
    (bsd.IPPROTO_TCP, bsd.TCP_SYNCNT): quantity("syn_retries", 1, 127),
    (bsd.IPPROTO_TCP, bsd.TCP_USER_TIMEOUT): quantity("user_timeout", 0, _INT_MAX, MILLISECOND),
    (bsd.IPPROTO_TCP, bsd.TCP_CONGESTION): Option(
        lambda socket: socket.config.congestion.encode().ljust(_NAME_LENGTH, b"\0"), _set_congestion
    ),
    (bsd.IPPROTO_TCP, bsd.TCP_INFO): Option(lambda socket: pack(socket.info())),
}
