"""The option and ioctl tables of TCP sockets: tcp(7), most of it knobs of :class:`~stack.config.TcpConfig`."""

from __future__ import annotations

import errno
import socket as bsd
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from stack.clock import MILLISECOND, SECOND
from stack.config import KIB
from stack.errors import os_error
from stack.sockets.conversation import TCP_INQ
from stack.sockets.keys import KEY_OPTIONS
from stack.sockets.options import (
    IP_MTU,
    IP_OPTIONS,
    IPV6_MTU,
    SOCKET_OPTIONS,
    Option,
    OptionTable,
    Value,
    flag,
    integer,
    low_water,
    receive_buffer,
    send_buffer,
    setting,
)
from stack.sockets.reports import REPORT_OPTIONS
from stack.sockets.socket import FIONREAD, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD
from stack.sockets.tcp_info import NoConnection, pack
from stack.tcp.fastopen import CLIENT
from stack.tcp.siphash import KEY_SIZE
from stack.tcp.state import LINUX_NUMBERS, State

if TYPE_CHECKING:
    from stack.sockets.stream import StreamSocket
    from stack.tcp.connection import Connection

TCP_FASTOPEN_CONNECT: Final = 30
TCP_FASTOPEN_KEY: Final = 33
TCP_FASTOPEN_NO_COOKIE: Final = 34
_DEFAULT_MSS: Final = 536
"""What TCP_MAXSEG shows before there is a connection (Linux TCP_MSS_DEFAULT, RFC 9293 3.7.1)."""
_LEAST_MSS: Final = 88
_LARGEST_MSS: Final = 32767
_LEAST_WINDOW: Final = 2 * KIB
"""The smallest receive buffer that :class:`~stack.config.TcpConfig` takes."""
_NAME_LENGTH: Final = 16
"""Linux TCP_CA_NAME_MAX."""
_INT_MAX: Final = (1 << 31) - 1
_UINT_MAX: Final = (1 << 32) - 1
_LEAST_CLAMP: Final = 2304 // 2
"""Half of Linux SOCK_MIN_RCVBUF."""
_LONGEST_FIN_WAIT_2: Final = 120
"""Seconds (Linux TCP_FIN_TIMEOUT_MAX)."""
_LONGEST_RTO: Final = 120
"""Seconds between two SYN/ACKs (Linux TCP_RTO_MAX)."""


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
    if socket.connection is not None:
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
    # Nor does it need a scale for more, but that FreeBSD takes from kern.ipc.maxsockbuf.
    largest = socket.config.receive_buffer_max if socket.config.exact_window else window
    socket.configure(receive_buffer=window, receive_buffer_max=largest, moderate_receive_buffer=False)


def _set_low_water(socket: StreamSocket, value: Value) -> None:
    """The buffer must hold as much (Linux ``tcp_set_rcvlowat``), unless its size is fixed."""
    settings, config = socket.settings, socket.config
    settings.receive_low_water = low_water(value)
    wanted = min(settings.receive_low_water, config.receive_buffer_max)
    if config.moderate_receive_buffer and config.receive_buffer < wanted:
        socket.configure(receive_buffer=wanted)
    socket.settings_changed()


def _quick_ack(socket: StreamSocket) -> int:
    connection = socket.connection
    return int(socket.settings.quick_ack if connection is None else not connection.interactive)


def _set_quick_ack(socket: StreamSocket, value: Value) -> None:
    """An even number is for what is owed now, and not to stay."""
    asked = integer(value, -_INT_MAX - 1, _INT_MAX)
    connection = socket.connection
    if connection is None:
        socket.settings.quick_ack = bool(asked & 1)
        return
    connection.quick_ack(asked != 0)
    if not asked & 1:
        connection.quick_ack(False)


def _path_mtu(socket: StreamSocket) -> int:
    if socket.connection is None:
        raise os_error(errno.ENOTCONN)
    return socket.connection.path_mtu


def _info(socket: StreamSocket) -> bytes:
    """In any state, as on Linux."""
    if socket.connection is not None:
        return pack(socket.connection.info())
    state = State.LISTEN if socket.listening else State.CLOSED
    return pack(NoConnection(LINUX_NUMBERS[state], socket.pending, socket.backlog))


def _timeouts(seconds: int) -> int:
    """How many times a SYN/ACK's timer expires in that time (Linux ``secs_to_retrans``)."""
    count, period, timeout = 0, 0, 1
    while period < seconds and count < 255:
        count += 1
        period += timeout
        timeout = min(2 * timeout, _LONGEST_RTO)
    return count


def _seconds(timeouts: int) -> int:
    """Linux ``retrans_to_secs``."""
    return sum(min(1 << count, _LONGEST_RTO) for count in range(timeouts))


def _fin_wait_2(socket: StreamSocket) -> int:
    return socket.config.fin_wait_2 // SECOND or -1


def _set_fin_wait_2(socket: StreamSocket, value: Value) -> None:
    """TCP_LINGER2: 0 is the host's default, negative not to wait at all."""
    seconds = min(integer(value, -_INT_MAX - 1, _INT_MAX), _LONGEST_FIN_WAIT_2)
    default = socket.host.config.tcp.fin_wait_2
    socket.configure(fin_wait_2=max(seconds, 0) * SECOND if seconds else default)


def _set_window_clamp(socket: StreamSocket, value: Value) -> None:
    clamp = integer(value, 0, _INT_MAX)
    if clamp == 0 and socket.connection is not None:
        raise os_error(errno.EINVAL)
    socket.configure(window_clamp=max(clamp, _LEAST_CLAMP) if clamp else 0)


def _unsigned(value: Value) -> int:
    return integer(value, -_INT_MAX - 1, _UINT_MAX) & _UINT_MAX


def _zero_or_one(value: Value) -> bool:
    return bool(integer(value, 0, 1))


def _require_no_connection(socket: StreamSocket) -> None:
    if socket.connection is not None:
        raise os_error(errno.EINVAL)


def _set_fast_open(socket: StreamSocket, value: Value) -> None:
    _require_no_connection(socket)
    socket.settings.fast_open_queue = min(integer(value, 0, _INT_MAX), socket.config.backlog_max)
    socket.settings_changed()


def _set_fast_open_connect(socket: StreamSocket, value: Value) -> None:
    wanted = _zero_or_one(value)
    if socket.config.fast_open not in CLIENT:
        raise os_error(errno.EOPNOTSUPP)
    if socket.listening:
        raise os_error(errno.EINVAL)
    _require_no_connection(socket)
    socket.settings.fast_open_connect = wanted


def _set_fast_open_key(socket: StreamSocket, value: Value) -> None:
    if isinstance(value, int) or len(value) not in (KEY_SIZE, 2 * KEY_SIZE):
        raise os_error(errno.EINVAL)
    socket.configure(fast_open_key=value.hex())


def _set_no_cookie(socket: StreamSocket, value: Value) -> None:
    """TCP_FASTOPEN_NO_COOKIE, for whichever end the socket becomes; off: what the host does."""
    wanted = _zero_or_one(value)
    _require_no_connection(socket)
    default = socket.host.config.tcp.fast_open_cookieless
    socket.configure(fast_open_cookieless="both" if wanted else default)


def _count(count: Callable[[Connection], int]) -> Callable[[StreamSocket], int]:
    """What an ioctl tells of a connection: 0 if there is none or it is not open yet, EINVAL while listening."""

    def request(socket: StreamSocket) -> int:
        if socket.listening:
            raise os_error(errno.EINVAL)
        connection = socket.connection
        return 0 if connection is None or connection.opening else count(connection)

    return request


STREAM_OPTIONS: Final[OptionTable] = {
    **SOCKET_OPTIONS,
    **IP_OPTIONS,
    **KEY_OPTIONS,
    **REPORT_OPTIONS,
    (bsd.SOL_SOCKET, bsd.SO_KEEPALIVE): switch("keepalive"),
    (bsd.SOL_SOCKET, bsd.SO_RCVBUF): Option(_receive_buffer, _set_receive_buffer),
    (bsd.SOL_SOCKET, bsd.SO_RCVLOWAT): Option(
        lambda socket: socket.settings.receive_low_water, _set_low_water
    ),
    (bsd.SOL_SOCKET, bsd.SO_SNDBUF): Option(
        lambda socket: socket.config.send_buffer,
        lambda socket, value: socket.configure(send_buffer=send_buffer(value)),
    ),
    (bsd.IPPROTO_IP, IP_MTU): Option(_path_mtu),
    (bsd.IPPROTO_IPV6, IPV6_MTU): Option(_path_mtu),
    (bsd.IPPROTO_TCP, bsd.TCP_NODELAY): switch("nodelay"),
    (bsd.IPPROTO_TCP, bsd.TCP_CORK): setting("cork", flag),
    (bsd.IPPROTO_TCP, bsd.TCP_MAXSEG): Option(_mss, _set_mss),
    (bsd.IPPROTO_TCP, bsd.TCP_KEEPIDLE): quantity("keepalive_idle", 1, 32767, SECOND),
    (bsd.IPPROTO_TCP, bsd.TCP_KEEPINTVL): quantity("keepalive_interval", 1, 32767, SECOND),
    (bsd.IPPROTO_TCP, bsd.TCP_KEEPCNT): quantity("keepalive_probes", 1, 127),
    (bsd.IPPROTO_TCP, bsd.TCP_SYNCNT): quantity("syn_retries", 1, 127),
    (bsd.IPPROTO_TCP, bsd.TCP_LINGER2): Option(_fin_wait_2, _set_fin_wait_2),
    (bsd.IPPROTO_TCP, bsd.TCP_DEFER_ACCEPT): setting(
        "defer_accept", lambda value: _timeouts(integer(value, -_INT_MAX - 1, _INT_MAX)), _seconds
    ),
    (bsd.IPPROTO_TCP, bsd.TCP_WINDOW_CLAMP): Option(
        lambda socket: socket.config.window_clamp, _set_window_clamp
    ),
    (bsd.IPPROTO_TCP, bsd.TCP_INFO): Option(_info),
    (bsd.IPPROTO_TCP, bsd.TCP_QUICKACK): Option(_quick_ack, _set_quick_ack),
    (bsd.IPPROTO_TCP, bsd.TCP_CONGESTION): Option(
        lambda socket: socket.config.congestion.encode().ljust(_NAME_LENGTH, b"\0"), _set_congestion
    ),
    (bsd.IPPROTO_TCP, bsd.TCP_USER_TIMEOUT): quantity("user_timeout", 0, _INT_MAX, MILLISECOND),
    (bsd.IPPROTO_TCP, bsd.TCP_NOTSENT_LOWAT): setting("unsent_low_water", _unsigned),
    (bsd.IPPROTO_TCP, TCP_INQ): setting("tell_unread", _zero_or_one),
    (bsd.IPPROTO_TCP, bsd.TCP_FASTOPEN): Option(
        lambda socket: socket.settings.fast_open_queue, _set_fast_open
    ),
    (bsd.IPPROTO_TCP, TCP_FASTOPEN_CONNECT): Option(
        lambda socket: int(socket.settings.fast_open_connect), _set_fast_open_connect
    ),
    (bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY): Option(
        lambda socket: socket.host.tcp.fast_open_key(socket.config), _set_fast_open_key
    ),
    (bsd.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE): Option(
        lambda socket: int(socket.config.fast_open_cookieless == "both"), _set_no_cookie
    ),
}

STREAM_REQUESTS: Final[Mapping[int, Callable[[StreamSocket], int]]] = {
    FIONREAD: _count(lambda connection: connection.until_mark),
    SIOCOUTQ: _count(lambda connection: connection.unacknowledged),
    SIOCOUTQNSD: _count(lambda connection: connection.unsent),
    SIOCATMARK: lambda socket: int(socket.connection is not None and socket.connection.at_mark),
}
