"""Control messages: what recvmsg gives beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Final

from scenarios.packetdrill.calls.process import Arguments, WrongOutputError
from scenarios.packetdrill.symbols import ANY, Value
from stack.clock import SECOND

CONTROL_ROOM: Final = 4096
"""Bytes for control messages."""
_INT: Final = Struct("i")
_EXTENDED: Final = Struct("=IBBBBII")
_EXTENDED_FIELDS: Final = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_pad", "ee_info", "ee_data")
"""``struct sock_extended_err`` of linux/errqueue.h."""

_TIMES: Final = Struct("=6q")
_TIME_FIELDS: Final = ("scm_sec", "scm_nsec")
"""The first time of ``struct scm_timestamping``, as the script's clock shows it."""

Control = tuple[int, int, bytes]


def check_message(
    arguments: Arguments, message: Mapping[str, Value], control: list[Control], flags: int, tolerance: int
) -> None:
    """Compare flags and control messages with what the script says of them; ``tolerance`` is of times, in ns.

    Raises WrongOutputError.
    """
    expected_flags = message.get("msg_flags", ANY)
    if expected_flags is not ANY and expected_flags != flags:
        raise WrongOutputError("msg_flags", f"{expected_flags:#x}", f"{flags:#x}")
    expected = message.get("msg_control", ANY)
    if expected is ANY:
        return
    if len(expected) != len(control):
        raise WrongOutputError("control messages", len(expected), len(control))
    for wanted, (level, kind, data) in zip(expected, control, strict=True):
        for name, found in (("cmsg_level", level), ("cmsg_type", kind)):
            if wanted.get(name, ANY) is not ANY and wanted[name] != found:
                raise WrongOutputError(name, wanted[name], found)
        _check_data(arguments, wanted.get("cmsg_data", ANY), data, tolerance)


def _check_data(arguments: Arguments, wanted: Value, data: bytes, tolerance: int) -> None:
    if isinstance(wanted, int):
        (found,) = _INT.unpack_from(data)
        if wanted != found:
            raise WrongOutputError("cmsg_data", wanted, found)
    elif isinstance(wanted, dict) and all(name in _EXTENDED_FIELDS for name in wanted):
        fields = dict(zip(_EXTENDED_FIELDS, _EXTENDED.unpack_from(data), strict=True))
        for name, value in wanted.items():
            if value is not ANY and value != fields[name]:
                raise WrongOutputError(name, value, fields[name])
    elif isinstance(wanted, dict) and tuple(wanted) == _TIME_FIELDS:
        seconds, rest = _TIMES.unpack_from(data)[:2]
        time = wanted["scm_sec"] * SECOND + wanted["scm_nsec"]
        if abs(seconds * SECOND + rest - time) > tolerance:
            raise WrongOutputError("time", f"{time} ns", f"{seconds * SECOND + rest} ns")
    elif wanted is not ANY:
        raise arguments.unsupported(f"cmsg_data of {wanted!r}")
