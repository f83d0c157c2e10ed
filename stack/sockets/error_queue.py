"""The error queue of a socket: what came of single packets (IP_RECVERR of ip(7), IPV6_RECVERR of ipv6(7))."""

from __future__ import annotations

import errno
import socket as bsd
from struct import Struct
from typing import Final, NamedTuple

from stack.clock import SECOND
from stack.internet.protocol import ErrorReport
from stack.sockets.address import SocketAddress
from stack.wire.address import map_v4

IP_RECVERR: Final = 11
IPV6_RECVERR: Final = 25
ORIGIN_LOCAL: Final = 1
"""SO_EE_ORIGIN_LOCAL of linux/errqueue.h."""
ORIGIN_ICMP: Final = 2
ORIGIN_ICMP6: Final = 3
ORIGIN_TIMESTAMPING: Final = 4
ORIGIN_ZEROCOPY: Final = 5
SCM_TIMESTAMPING: Final = 37

_EXTENDED: Final = Struct("=IBBBBII")
"""``struct sock_extended_err``: ee_errno, ee_origin, ee_type, ee_code, ee_pad, ee_info, ee_data."""
_FAMILY: Final = Struct("=H")
_V4: Final = Struct("=2s4s8x")
"""The rest of ``struct sockaddr_in``: port, address."""
_V6: Final = Struct("=2s4s16sI")
"""The rest of ``struct sockaddr_in6``: port, flow label, address, scope."""
_TIMES: Final = Struct("=6q")
"""``struct scm_timestamping``: seconds and ns of the time that software took, and of two others."""
_OVERHEAD: Final = 256
"""Bytes that an entry counts for beside its payload."""


class ExtendedError(NamedTuple):
    """One entry."""

    errno: int
    origin: int
    type: int
    code: int
    info: int
    """The MTU, if that was exceeded."""
    offender: bytes
    """The address of who reported it; empty if this host did."""
    destination: SocketAddress
    """Where the packet was sent to."""
    payload: bytes
    """What is known of its data."""
    data: int = 0
    """``ee_data``: the number of the octet, or of the last of the sends, that it is about."""
    time: int | None = None
    """When it happened (ns), if that is to be told."""

    @classmethod
    def reported(cls, report: ErrorReport, port: int, payload: bytes) -> ExtendedError:
        """What an ICMP error says about a packet to ``port``."""
        return cls(
            report.errno,
            ORIGIN_ICMP if len(report.destination) == 4 else ORIGIN_ICMP6,
            report.type,
            report.code,
            report.mtu,
            report.reporter,
            SocketAddress(report.destination, port),
            payload,
        )

    @classmethod
    def too_long(cls, destination: SocketAddress, mtu: int) -> ExtendedError:
        """A message that must not be fragmented does not fit the path MTU (Linux ``ip_local_error``)."""
        return cls(errno.EMSGSIZE, ORIGIN_LOCAL, 0, 0, mtu, b"", destination, b"")

    def control_messages(self, family: int) -> tuple[tuple[int, int, bytes], ...]:
        """As recvmsg gives it to a socket of ``family``: level, type, and structure of each; first the time."""
        message = self._control_message(family)
        if self.time is None:
            return (message,)
        times = _TIMES.pack(*divmod(self.time, SECOND), 0, 0, 0, 0)
        return (bsd.SOL_SOCKET, SCM_TIMESTAMPING, times), message

    def _control_message(self, family: int) -> tuple[int, int, bytes]:
        """The error, and its offender."""
        head = _EXTENDED.pack(self.errno, self.origin, self.type, self.code, 0, self.info, self.data)
        offender = self.offender
        if family == bsd.AF_INET:
            rest = _FAMILY.pack(family if offender else 0) + _V4.pack(b"", offender)
            return bsd.IPPROTO_IP, IP_RECVERR, head + rest
        if len(offender) == 4:
            offender = map_v4(offender)
        rest = _FAMILY.pack(family if offender else 0) + _V6.pack(b"", b"", offender, 0)
        return bsd.IPPROTO_IPV6, IPV6_RECVERR, head + rest


class ErrorQueue:
    """What MSG_ERRQUEUE reads."""

    __slots__ = ("_entries", "_size")

    def __init__(self) -> None:
        self._entries: list[ExtendedError] = []
        """Most are always empty; an empty deque takes 700 bytes."""
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, error: ExtendedError, limit: int) -> bool:
        """Add an entry; False if ``limit`` bytes are there already, and it was thrown away."""
        if self._size >= limit:
            return False
        self._entries.append(error)
        self._size += _OVERHEAD + len(error.payload)
        return True

    def extend(self, origin: int, number: int) -> bool:
        """If the newest entry is of this origin, and about the numbers up to this one, it is about this, too."""
        if not self._entries or self._entries[-1].origin != origin:
            return False
        newest = self._entries[-1]
        if newest.data + 1 != number:
            return False
        self._entries[-1] = newest._replace(data=number)
        return True

    def take(self) -> ExtendedError | None:
        """Remove the oldest entry."""
        if not self._entries:
            return None
        error = self._entries.pop(0)
        self._size -= _OVERHEAD + len(error.payload)
        return error

    @property
    def pending(self) -> int:
        """The errno of the oldest entry that somebody reported; 0 if there is none."""
        return self._entries[0].errno if self._entries and self._entries[0].offender else 0

    def clear(self) -> None:
        """Forget them all."""
        self._entries.clear()
        self._size = 0
