"""Calls that send and receive."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from functools import partial
from typing import Final

from scenarios.packetdrill.calls import bsd
from scenarios.packetdrill.calls.messages import CONTROL_ROOM, check_message
from scenarios.packetdrill.calls.opening import is_stream
from scenarios.packetdrill.calls.process import Arguments, Process, SocketFile, Steps, WrongOutputError, wait
from scenarios.packetdrill.packets import pattern
from scenarios.packetdrill.symbols import ANY, CONSTANTS, Value
from stack.errors import os_error
from stack.sockets.address import Address
from stack.sockets.socket import Socket
from stack.sockets.stream import StreamSocket

_MSG_PEEK: Final = CONSTANTS["MSG_PEEK"]
_MSG_OOB: Final = CONSTANTS["MSG_OOB"]
_MSG_WAITALL: Final = CONSTANTS["MSG_WAITALL"]
_MSG_DONTWAIT: Final = CONSTANTS["MSG_DONTWAIT"]
_MSG_ERRQUEUE: Final = CONSTANTS["MSG_ERRQUEUE"]
_MSG_FASTOPEN: Final = CONSTANTS["MSG_FASTOPEN"]


# --- receiving --------------------------------------------------------------------------------------------------------


def read(process: Process, arguments: Arguments) -> Steps:
    """read(fd, buffer, size)."""
    return _receive(process, arguments, arguments.number(2), arguments[1], 0)


def readv(process: Process, arguments: Arguments) -> Steps:
    """readv(fd, vector, length)."""
    return _receive(process, arguments, _vector(arguments, arguments[1])[0], ANY, 0)


def recv(process: Process, arguments: Arguments) -> Steps:
    """recv(fd, buffer, size, flags), recvfrom(..., address, length)."""
    if len(arguments) > 4 and arguments[4] is not ANY and arguments[4] != 0:
        arguments.refuse(4)
    return _receive(process, arguments, arguments.number(2), arguments[1], arguments.number(3))


def recvmsg(process: Process, arguments: Arguments) -> Steps:
    """recvmsg(fd, message, flags)."""
    message = _message(arguments)
    size, text = _vector(arguments, message.get("msg_iov", []))
    return _receive(process, arguments, size, text, arguments.number(2), message)


def _receive(
    process: Process,
    arguments: Arguments,
    size: int,
    wanted: Value,
    flags: int,
    message: Mapping[str, Value] | None = None,
) -> Steps:
    file = process.socket(arguments)
    made = file.socket
    collected = bytearray()
    blocking = not (file.nonblocking or flags & (_MSG_DONTWAIT | _MSG_ERRQUEUE))
    target = 1
    if isinstance(made, StreamSocket) and not flags & (_MSG_OOB | _MSG_PEEK):
        target = made.receive_target(size, flags)

    def attempt() -> int:
        if made.readable:
            _check_pointer(size, wanted)
        try:
            data, control, out_flags, _ = made.recvmsg(
                size - len(collected), CONTROL_ROOM, flags & ~_MSG_WAITALL
            )
        except OSError as error:
            if process.settings.bsd and error.errno == errno.EPIPE:
                raise os_error(bsd.error_number(errno.EPIPE)) from None
            raise
        collected.extend(data)
        if message is not None:
            check_message(arguments, message, control, out_flags, process.settings.tolerance)
        return len(data)

    while True:
        got = yield from wait(file, attempt, blocking=blocking)
        if not blocking or not got or len(collected) >= target:
            break
        if isinstance(made, StreamSocket):
            if made.interrupted:
                break
            while not made.readable:
                yield None
    _check_content(process, file, bytes(collected), wanted, flags)
    return len(collected)


def _check_content(process: Process, file: SocketFile, data: bytes, wanted: Value, flags: int) -> None:
    """What was read is what the script says, or else what the peer has sent."""
    if isinstance(wanted, str):
        expected = wanted.encode("latin-1")[: len(data)]
        if data != expected:
            raise WrongOutputError("data", expected, data)
    elif is_stream(file) and process.pattern_holds and not flags & (_MSG_OOB | _MSG_ERRQUEUE):
        expected = pattern(file.received, len(data))
        if data != expected:
            at = next(index for index, octet in enumerate(data) if octet != expected[index])
            raise WrongOutputError(f"octet {file.received + at} of the stream", expected[at], data[at])
    if not flags & (_MSG_PEEK | _MSG_OOB | _MSG_ERRQUEUE):
        file.received += len(data)


# --- sending ----------------------------------------------------------------------------------------------------------


def write(process: Process, arguments: Arguments) -> Steps:
    """write(fd, data, size)."""
    return _send(process, arguments, arguments.number(2), arguments[1], 0)


def writev(process: Process, arguments: Arguments) -> Steps:
    """writev(fd, vector, length)."""
    size, text = _vector(arguments, arguments[1])
    return _send(process, arguments, size, text, 0)


def send(process: Process, arguments: Arguments) -> Steps:
    """send(fd, data, size, flags)."""
    return _send(process, arguments, arguments.number(2), arguments[1], arguments.number(3))


def sendto(process: Process, arguments: Arguments) -> Steps:
    """sendto(fd, data, size, flags, address, length)."""
    flags = arguments.number(3)
    file = process.socket(arguments)
    if flags & _MSG_FASTOPEN:
        address = process.address(arguments[4], file, process.settings.remote, process.settings.connect_port)
        data = _content(arguments.number(2), arguments[1], 0)
        return _send_fast_open(process, file, data, flags, address)
    if is_stream(file):
        return _send(process, arguments, arguments.number(2), arguments[1], flags)
    return _send_datagram(process, arguments, file, flags)


def sendmsg(process: Process, arguments: Arguments) -> Steps:
    """sendmsg(fd, message, flags)."""
    message = _message(arguments)
    if message.get("msg_control"):
        raise arguments.unsupported("msg_control")
    size, text = _vector(arguments, message.get("msg_iov", []))
    flags = arguments.number(2)
    if flags & _MSG_FASTOPEN:
        file = process.socket(arguments)
        name = message.get("msg_name", ANY)
        address = process.address(name, file, process.settings.remote, process.settings.connect_port)
        return _send_fast_open(process, file, _content(size, text, 0), flags, address)
    return _send(process, arguments, size, text, flags)


def _send(process: Process, arguments: Arguments, size: int, text: Value, flags: int) -> Steps:
    file = process.socket(arguments)
    if _awaits_data(file.socket):
        return (yield from _send_fast_open(process, file, _content(size, text, 0), flags))
    ports = process.ports(file)
    stream = process.streams.setdefault(ports, bytearray()) if ports is not None else bytearray()
    data = _content(size, text, len(stream))
    sent = 0

    def attempt() -> int:
        if process.settings.bsd:
            bsd.refuse_sending(file)
        taken = file.socket.send(data[sent:], flags)
        stream.extend(data[sent : sent + taken])
        process.settle(file)
        return taken

    while True:
        try:
            sent += yield from wait(file, attempt, blocking=not flags & _MSG_DONTWAIT)
        except OSError:
            if not sent:
                raise
            return sent
        if not is_stream(file):
            process.datagrams.append(data)
        if sent >= size or not is_stream(file):
            return sent


def _send_datagram(process: Process, arguments: Arguments, file: SocketFile, flags: int) -> Steps:
    yield from ()
    size = arguments.number(2)
    address = process.address(arguments[4], file, process.settings.remote, process.settings.connect_port)
    data = _content(size, arguments[1], 0)
    sent = file.socket.sendto(data, address, flags)
    process.datagrams.append(data)
    process.begin(file, address)
    return sent


def _send_fast_open(
    process: Process, file: SocketFile, data: bytes, flags: int, address: Address | None = None
) -> Steps:
    """Connect with data in the SYN (RFC 7413); a blocking call waits for the handshake, then sends the rest.

    Without ``address``, the connection was begun by connect().
    """
    made = file.socket
    blocking = not (file.nonblocking or flags & _MSG_DONTWAIT)
    taken = 0
    try:
        taken = made.send(data, flags) if address is None else made.sendto(data, address, flags)
    except BlockingIOError as problem:
        if problem.errno != errno.EINPROGRESS:
            raise
        if address is not None:
            process.begin(file, address)
        if not blocking:
            raise
    else:
        if address is not None:
            process.begin(file, address)
    stream = process.stream()
    stream.extend(data[:taken])
    if not blocking:
        return taken
    while not made.writable:
        yield None
    made.connect(address or ("", 0))
    while taken < len(data):
        sent = yield from wait(file, partial(made.send, data[taken:], flags & ~_MSG_FASTOPEN))
        stream.extend(data[taken : taken + sent])
        taken += sent
    return taken


def _awaits_data(made: Socket) -> bool:
    """Connected, but for the SYN, which is to carry data (TCP_FASTOPEN_CONNECT)."""
    return isinstance(made, StreamSocket) and made.connection is not None and made.connection.awaits_data


def remember(process: Process, file: SocketFile, data: bytes) -> None:
    """Data were written to a socket by other means."""
    ports = process.ports(file)
    if ports is not None:
        process.streams.setdefault(ports, bytearray()).extend(data)


def _content(size: int, text: Value, start: int) -> bytes:
    """What to send: the script's text, filled up with zeros, or else the pattern. Raises OSError: EFAULT."""
    _check_pointer(size, text)
    if isinstance(text, str):
        return text.encode("latin-1")[:size].ljust(size, b"\0")
    return pattern(start, size)


def _check_pointer(size: int, buffer: Value) -> None:
    """A number where a buffer should be points nowhere. Raises OSError: EFAULT."""
    if size and isinstance(buffer, int):
        raise os_error(errno.EFAULT)


def _message(arguments: Arguments) -> Mapping[str, Value]:
    message = arguments[1]
    if not isinstance(message, dict):
        arguments.refuse(1)
    return dict(message)


def _vector(arguments: Arguments, vector: Value) -> tuple[int, Value]:
    """The length of all elements of an iovec together, and the text in them, if there is."""
    total, text = 0, ""
    for element in vector if isinstance(vector, list) else []:
        base, length = list(element.values())[:2] if isinstance(element, dict) else (ANY, None)
        if not isinstance(length, int):
            raise arguments.unsupported(f"an iovec of {element!r}")
        total += length
        _check_pointer(length, base)
        if isinstance(base, str):
            text += base[:length].ljust(length, "\0")
    return total, text or ANY
