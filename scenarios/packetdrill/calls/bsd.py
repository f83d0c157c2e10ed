"""What BSD's sockets do otherwise than Linux's, which those of the stack are like."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import Final

from scenarios.packetdrill.calls.process import SocketFile
from scenarios.packetdrill.symbols import CONSTANTS, Value
from stack.errors import os_error
from stack.sockets.stream import StreamSocket
from stack.tcp.state import State

_BUFFERS: Final = (CONSTANTS["SO_RCVBUF"], CONSTANTS["SO_SNDBUF"])
_SO_ERROR: Final = CONSTANTS["SO_ERROR"]
_NO_EFFECT: Final = frozenset({"SO_DEBUG", "TCP_LOG", "TCP_LOGBUF"})
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


def error_number(number: int) -> int:
    """A reset is a reset, in CLOSE-WAIT too."""
    return errno.ECONNRESET if number == errno.EPIPE else number


def option_value(level: int, option: int, value: Value) -> Value:
    """Sizes of buffers are those that were asked for, not twice as much."""
    if level != socket.SOL_SOCKET or not isinstance(value, int):
        return value
    if option in _BUFFERS:
        return value // 2
    return error_number(value) if option == _SO_ERROR else value


def has_no_effect(option: str, value: Value) -> bool:
    """Whether to set an option changes nothing: the TCP that is chosen is the one that there is."""
    if option == "TCP_FUNCTION_BLK":
        return isinstance(value, Mapping) and value.get("function_set_name") == "freebsd"
    return option in _NO_EFFECT
