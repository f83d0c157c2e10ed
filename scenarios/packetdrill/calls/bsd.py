"""What BSD's sockets do otherwise than Linux's, which those of the stack are like."""

from __future__ import annotations

import errno
import socket as bsd_socket
from collections.abc import Mapping
from typing import Final

from scenarios.packetdrill.calls.process import SocketFile
from scenarios.packetdrill.symbols import CONSTANTS, Value
from stack.clock import SECOND
from stack.errors import os_error
from stack.sockets.stream import StreamSocket
from stack.tcp.state import State

_SO_RCVBUF: Final = CONSTANTS["SO_RCVBUF"]
_SO_SNDBUF: Final = CONSTANTS["SO_SNDBUF"]
FAST_OPEN: Final = 1025
"""FreeBSD's number of TCP_FASTOPEN, which scripts use where its headers lack the name."""
_SO_ERROR: Final = CONSTANTS["SO_ERROR"]
_NO_EFFECT: Final = frozenset({"SO_DEBUG", "SO_NOSIGPIPE"})
"""Options that change nothing a script can see."""


def refuse_sending(file: SocketFile) -> None:
    """Sending needs a connection, and one that has ended says so, whatever its error. Raises OSError."""
    if not isinstance(file.socket, StreamSocket):
        return
    connection = file.socket.connection
    if connection is None or connection.opening:
        raise os_error(errno.ENOTCONN)
    if connection.state is State.CLOSED:
        raise os_error(errno.EPIPE)


def refuse_connecting(file: SocketFile) -> None:
    """A listener does not connect. Raises OSError: EOPNOTSUPP."""
    if file.socket.listening:
        raise os_error(errno.EOPNOTSUPP)


def shut_down_unconnected(file: SocketFile, how: int) -> bool:
    """While it connects, the end of sending is remembered: a FIN follows the handshake. Whether that was the case.

    Raises OSError: ENOTCONN for a listener, which listens on.
    """
    if file.socket.listening:
        raise os_error(errno.ENOTCONN)
    connection = file.socket.connection if isinstance(file.socket, StreamSocket) else None
    if connection is None or connection.state is not State.SYN_SENT or how == bsd_socket.SHUT_RD:
        return False
    connection.shutdown()
    return True


def error_number(number: int) -> int:
    """A reset is a reset, in CLOSE-WAIT too."""
    return errno.ECONNRESET if number == errno.EPIPE else number


def option_value(level: int, option: int, value: Value) -> Value:
    """Sizes of buffers are those that were asked for, not twice as much."""
    if level != bsd_socket.SOL_SOCKET or not isinstance(value, int):
        return value
    if option == _SO_RCVBUF:
        return value // 2
    return error_number(value) if option == _SO_ERROR else value


def set_option(socket: StreamSocket, name: str, level: int, option: int, value: Value) -> bool:
    """Set what Linux has not, or has otherwise; whether it was such an option."""
    if not isinstance(value, int):
        return False
    if level == bsd_socket.SOL_SOCKET and option == _SO_SNDBUF and value > 0:
        socket.configure(send_buffer=value)
    elif level == bsd_socket.SOL_SOCKET and option == _SO_RCVBUF and value > 0:
        socket.configure(receive_buffer=value, moderate_receive_buffer=False)
    elif name == "TCP_NOOPT":
        offered = value == 0
        socket.configure(announce_mss=offered, window_scaling=offered, sack=offered, timestamps=offered)
    elif name == "TCP_KEEPINIT" and value > 0:
        socket.configure(open_timeout=value * SECOND)
    elif name == "TCP_MAXUNACKTIME" and value >= 0:
        socket.configure(user_timeout=value * SECOND)
    else:
        return False
    return True


def own_option(socket: StreamSocket, name: str) -> int | None:
    """The value of an option that Linux has not; None: it has, or nobody has."""
    config = socket.config
    match name:
        case "TCP_NOOPT":
            return int(not config.announce_mss)
        case "TCP_KEEPINIT":
            return config.open_timeout // SECOND
        case "TCP_MAXUNACKTIME":
            return config.user_timeout // SECOND
        case _:
            return None


def has_no_effect(option: str, value: Value) -> bool:
    """Whether to set an option changes nothing: the TCP that is chosen is the one that there is."""
    if option == "TCP_FUNCTION_BLK":
        return isinstance(value, Mapping) and value.get("function_set_name") == "freebsd"
    return option in _NO_EFFECT
