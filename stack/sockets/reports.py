"""Reports of what became of data that were sent, in the error queue: SO_ZEROCOPY and SO_TIMESTAMPING of Linux."""

from __future__ import annotations

import errno
import socket as bsd
from typing import TYPE_CHECKING, Final

from stack.clock import Alarm
from stack.errors import os_error
from stack.sockets.address import SocketAddress
from stack.sockets.error_queue import ORIGIN_TIMESTAMPING, ORIGIN_ZEROCOPY, ExtendedError
from stack.sockets.options import Option, OptionTable, Value, flag, integer, setting
from stack.sockets.poll import POLLERR
from stack.tcp.progress import Milestone, Progress
from stack.tcp.state import State

if TYPE_CHECKING:
    from stack.sockets.stream import StreamSocket
    from stack.tcp.connection import Connection

MSG_ZEROCOPY: Final = 0x4000000
SO_TIMESTAMPING: Final = 37
SO_ZEROCOPY: Final = 60

TX_SOFTWARE: Final = 1 << 1
"""SOF_TIMESTAMPING_TX_SOFTWARE of linux/net_tstamp.h: when data leave."""
TELL_SOFTWARE: Final = 1 << 4
"""SOF_TIMESTAMPING_SOFTWARE: the time is told."""
IDENTIFY: Final = 1 << 7
"""SOF_TIMESTAMPING_OPT_ID: which octet it is about."""
TX_SCHEDULED: Final = 1 << 8
"""SOF_TIMESTAMPING_TX_SCHED: when data reach the queue of the interface; here that is when they leave."""
TX_ACKNOWLEDGED: Final = 1 << 9
"""SOF_TIMESTAMPING_TX_ACK."""
TIME_ONLY: Final = 1 << 11
"""SOF_TIMESTAMPING_OPT_TSONLY: without the data."""
FROM_UNSENT: Final = 1 << 16
"""SOF_TIMESTAMPING_OPT_ID_TCP: octets count from what is written next, not from what is unacknowledged."""
_TX: Final = TX_SOFTWARE | TX_SCHEDULED | TX_ACKNOWLEDGED
_UNDERSTOOD: Final = _TX | TELL_SOFTWARE | IDENTIFY | TIME_ONLY | FROM_UNSENT

_SENT: Final = 0
"""SCM_TSTAMP_SND of linux/errqueue.h."""
_SCHEDULED: Final = 1
_ACKNOWLEDGED: Final = 2
_COPIED: Final = 1
"""SO_EE_CODE_ZEROCOPY_COPIED."""


class Reports:
    """What one stream socket is told of what it sends."""

    __slots__ = ("_connection", "_first", "_socket", "_wake", "sends")

    def __init__(self, socket: StreamSocket, connection: Connection) -> None:
        self._socket = socket
        self._connection = connection
        self._first = 0
        """The octet that is number 0."""
        self._wake = Alarm(socket.host.clock, self._tell)
        self.sends = 0
        """With MSG_ZEROCOPY, so far; each has the next number."""

    def count_from(self, first: int) -> None:
        """Octets are numbered from the one with this sequence number."""
        self._first = first

    def watch(self, data: bytes, *, zero_copy: bool) -> None:
        """``data`` are the last that were written."""
        connection, wanted = self._connection, self._socket.settings.timestamping
        end = connection.sender.snd_nxt + connection.sender.unsent
        progress = connection.progress
        if progress is None:
            progress = connection.progress = Progress()
        if zero_copy:
            progress.add(_ZeroCopy(end, self, self.sends))
            self.sends = (self.sends + 1) & 0xFFFFFFFF
        if wanted & _TX:
            kept = b"" if wanted & TIME_ONLY else data[-connection.sender.mss :]
            number = (end - 1 - self._first) & 0xFFFFFFFF if wanted & IDENTIFY else 0
            progress.add(_Timed(end, self, wanted, number, kept))
        progress.sent(connection.sender.snd_nxt)
        progress.acknowledged(connection.sender.snd_una)

    def stamp(self, what: int, number: int, payload: bytes) -> None:
        """Something has happened now."""
        told = self._socket.settings.timestamping & TELL_SOFTWARE
        time = self._socket.host.clock.now() if told else None
        destination = SocketAddress(self._connection.remote, self._connection.remote_port)
        self._append(
            ExtendedError(
                errno.ENOMSG, ORIGIN_TIMESTAMPING, 0, 0, what, b"", destination, payload, number, time
            )
        )

    def complete(self, number: int) -> None:
        """The data of a send with MSG_ZEROCOPY are not needed any more; they had been copied, which is allowed.

        Consecutive numbers are told of together.
        """
        if self._socket.errors.extend(ORIGIN_ZEROCOPY, number):
            self._wake.set_later(0)
            return
        destination = SocketAddress(self._connection.remote, self._connection.remote_port)
        self._append(ExtendedError(0, ORIGIN_ZEROCOPY, 0, _COPIED, number, b"", destination, b"", number))

    def _append(self, error: ExtendedError) -> None:
        if self._socket.closed:
            return
        if not self._socket.errors.append(error, self._socket.config.receive_buffer):
            self._socket.host.drop("socket.error_queue_full")
        self._wake.set_later(0)

    def _tell(self) -> None:
        if not self._socket.closed:
            self._socket.report_arrives(POLLERR)


class _ZeroCopy(Milestone):
    __slots__ = ("_number", "_reports")

    def __init__(self, end: int, reports: Reports, number: int) -> None:
        super().__init__(end)
        self._reports = reports
        self._number = number

    def sent(self) -> None:
        """Of no interest: it may have to be sent again."""

    def acknowledged(self) -> None:
        self._reports.complete(self._number)

    def abandoned(self) -> None:
        self._reports.complete(self._number)


class _Timed(Milestone):
    __slots__ = ("_number", "_payload", "_reports", "_wanted")

    def __init__(self, end: int, reports: Reports, wanted: int, number: int, payload: bytes) -> None:
        super().__init__(end)
        self._reports = reports
        self._wanted = wanted
        self._number = number
        self._payload = payload

    def sent(self) -> None:
        for asked, what in ((TX_SCHEDULED, _SCHEDULED), (TX_SOFTWARE, _SENT)):
            if self._wanted & asked:
                self._reports.stamp(what, self._number, self._payload)

    def acknowledged(self) -> None:
        if self._wanted & TX_ACKNOWLEDGED:
            self._reports.stamp(_ACKNOWLEDGED, self._number, self._payload)

    def abandoned(self) -> None:
        """There is no time to tell."""


def _set_timestamping(socket: StreamSocket, value: Value) -> None:
    """Raises OSError: EINVAL for what is not understood, and to number octets before there is a connection."""
    wanted = integer(value, 0, (1 << 31) - 1)
    if wanted & ~_UNDERSTOOD or (wanted & FROM_UNSENT and not wanted & IDENTIFY):
        raise os_error(errno.EINVAL)
    if wanted & IDENTIFY and not socket.settings.timestamping & IDENTIFY:
        connection = socket.connection
        if connection is None or connection.state is State.CLOSED:
            raise os_error(errno.EINVAL)
        sender = connection.sender
        first = sender.snd_nxt + sender.unsent if wanted & FROM_UNSENT else sender.snd_una
        socket.reports_of(connection).count_from(first)
    socket.settings.timestamping = wanted


REPORT_OPTIONS: Final[OptionTable] = {
    (bsd.SOL_SOCKET, SO_TIMESTAMPING): Option(lambda socket: socket.settings.timestamping, _set_timestamping),
    (bsd.SOL_SOCKET, SO_ZEROCOPY): setting("zero_copy", flag),
}
