"""Calls that set and read options of descriptors."""

from __future__ import annotations

import errno
import os
import socket as bsd_socket
import sys
from struct import Struct
from typing import Final

from scenarios.packetdrill.calls import bsd
from scenarios.packetdrill.calls.process import Arguments, Process, SocketFile, Steps, WrongOutputError
from scenarios.packetdrill.symbols import ANY, CONSTANTS, Value
from stack.errors import os_error
from stack.sockets.stream import StreamSocket

_INT: Final = Struct("i")
_LINGER: Final = Struct("ii")
_WHOLE: Final = 256
"""More than any structure but TCP_INFO, which is compared by field."""
_TCP_LEVEL: Final = CONSTANTS["IPPROTO_TCP"]
_SO_LINGER: Final = CONSTANTS["SO_LINGER"]
_CONGESTION: Final = (CONSTANTS["IPPROTO_TCP"], CONSTANTS["TCP_CONGESTION"])
_MD5: Final = (CONSTANTS["IPPROTO_TCP"], CONSTANTS["TCP_MD5SIG"])
_MD5SIG: Final = Struct("128sBBHi80s")
"""``struct tcp_md5sig`` of linux/tcp.h."""
_TCP_INFO: Final = CONSTANTS["TCP_INFO"]


def setsockopt(process: Process, arguments: Arguments) -> Steps:
    """setsockopt(fd, level, option, value, length)."""
    yield from ()
    file = process.socket(arguments)
    if process.settings.bsd and bsd.has_no_effect(arguments.text(2), arguments[3]):
        return 0
    if process.settings.bsd and isinstance(file.socket, StreamSocket):
        given = arguments[3]
        number = given[0] if isinstance(given, list) and len(given) == 1 else given
        if bsd.set_option(file.socket, arguments.text(2), arguments.number(1), arguments.number(2), number):
            return 0
    level, option = _known(process, file, arguments)
    if process.settings.bsd and (level, option) == _MD5 and isinstance(arguments[3], list):
        value: int | bytes = _md5_key(process, arguments)
    else:
        value = _encode(arguments, arguments[3])
    if (level, option) == _CONGESTION and value == b"newreno":
        value = b"reno"  # FreeBSD's name of it
    file.socket.setsockopt(level, option, value)
    return 0


def _md5_key(process: Process, arguments: Arguments) -> bytes:
    """BSD's option only switches signatures on: the secret is the script's, for whoever it is about."""
    settings = process.settings
    if settings.md5_secret is None:
        raise arguments.unsupported("TCP_MD5SIG without --tcp_md5_secret")
    secret = settings.md5_secret if arguments[3] != [0] else b""
    if len(settings.remote) == 4:
        address = bsd_socket.AF_INET.to_bytes(2, sys.byteorder) + bytes(2) + settings.remote
    else:
        address = bsd_socket.AF_INET6.to_bytes(2, sys.byteorder) + bytes(6) + settings.remote
    return _MD5SIG.pack(address, 0, 0, len(secret), 0, secret)


def getsockopt(process: Process, arguments: Arguments) -> Steps:
    """getsockopt(fd, level, option, [value], [length])."""
    yield from ()
    file = process.socket(arguments)
    wanted = arguments[3]
    if isinstance(wanted, list) and len(wanted) == 1:
        wanted = wanted[0]
    if process.settings.bsd and isinstance(file.socket, StreamSocket):
        own = bsd.own_option(file.socket, arguments.text(2))
        if own is not None:
            return _compare(arguments, wanted, own)
    level, option = _known(process, file, arguments)
    if isinstance(wanted, dict) and (level, option) == (_TCP_LEVEL, _TCP_INFO):
        _check_info(file, arguments, wanted)
        return 0
    if isinstance(wanted, dict) and option == _SO_LINGER:
        expected: Value = tuple(wanted.values())
        found: Value = _LINGER.unpack(_bytes(file.socket.getsockopt(level, option, _LINGER.size)))
    elif isinstance(wanted, str):
        expected = wanted
        found = _bytes(file.socket.getsockopt(level, option, _WHOLE)).split(b"\0")[0].decode("latin-1")
    else:
        expected = wanted
        found = file.socket.getsockopt(level, option)
        if process.settings.bsd:
            found = bsd.option_value(level, option, found)
    return _compare(arguments, expected, found)


def _compare(arguments: Arguments, expected: Value, found: Value) -> int:
    if expected is not ANY and expected != found:
        raise WrongOutputError(arguments.text(2), expected, found)
    return 0


def _bytes(value: int | bytes) -> bytes:
    return _INT.pack(value) if isinstance(value, int) else value


def _known(process: Process, file: SocketFile, arguments: Arguments) -> tuple[int, int]:
    """Level and number of an option; UnsupportedError if the stack lacks it and the script does not expect that."""
    level, option = arguments.number(1), arguments.number(2)
    if process.settings.bsd and (level, option) == (_TCP_LEVEL, bsd.FAST_OPEN):
        option = CONSTANTS["TCP_FASTOPEN"]
    if (level, option) not in file.socket.options and process.expected != -1:
        raise arguments.unsupported(f"{arguments.text(1)} {arguments.text(2)}")
    return level, option


def _encode(arguments: Arguments, value: Value) -> int | bytes:
    match value:
        case [int(number)]:
            return number
        case str(text) | [str(text)]:
            length = arguments[4] if isinstance(arguments[4], int) else None
            return text.encode("latin-1")[:length]
        case int(number):
            return number
        case dict(fields) if len(fields) == 2 and all(isinstance(part, int) for part in fields.values()):
            return _LINGER.pack(*fields.values())
        case _:
            raise arguments.unsupported(f"the value {value!r}")


def _check_info(file: SocketFile, arguments: Arguments, wanted: dict[str, Value]) -> None:
    if not isinstance(file.socket, StreamSocket):
        raise os_error(errno.ENOPROTOOPT)
    info = file.socket.info()
    for name, expected in wanted.items():
        if not hasattr(info, name):
            raise arguments.unsupported(f"TCP_INFO has no {name}")
        if expected is not ANY and getattr(info, name) != expected:
            raise WrongOutputError(name, expected, getattr(info, name))


def fcntl(process: Process, arguments: Arguments) -> Steps:
    """fcntl(fd, command, argument): F_GETFL, F_SETFL."""
    yield from ()
    file = process[arguments.number(0)]
    command = arguments.number(1)
    if not isinstance(file, SocketFile) or command not in (CONSTANTS["F_GETFL"], CONSTANTS["F_SETFL"]):
        raise arguments.unsupported(arguments.text(1))
    if command == CONSTANTS["F_SETFL"]:
        file.nonblocking = bool(arguments.number(2) & os.O_NONBLOCK)
        return 0
    return os.O_RDWR | (os.O_NONBLOCK if file.nonblocking else 0)


def ioctl(process: Process, arguments: Arguments) -> Steps:
    """ioctl(fd, request, [value]): those that tell a number, and FIONBIO."""
    yield from ()
    file = process.socket(arguments)
    request = arguments.number(1)
    if request == CONSTANTS["FIONBIO"]:
        file.nonblocking = arguments[2] not in (0, [0])
        return 0
    if request not in file.socket.requests:
        raise arguments.unsupported(arguments.text(1))
    found = file.socket.ioctl(request)
    wanted = arguments[2][0] if isinstance(arguments[2], list) and arguments[2] else arguments[2]
    if wanted is not ANY and wanted != found:
        raise WrongOutputError(arguments.text(1), wanted, found)
    return 0
