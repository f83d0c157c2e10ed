"""A connection as the user of its socket has it: SEND, RECEIVE, and which halves the user has closed."""

from __future__ import annotations

import errno
import socket as bsd
from struct import Struct
from typing import TYPE_CHECKING, Final

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import SocketAddress, needs_zone
from stack.sockets.poll import WRITABLE
from stack.sockets.readiness import Readiness
from stack.sockets.socket import MSG_EOR, MSG_MORE, MSG_OOB, MSG_PEEK, Received
from stack.tcp.state import State
from stack.tcp.urgent import Urgent

if TYPE_CHECKING:
    from stack.sockets.settings import Settings
    from stack.tcp.connection import Connection

TCP_INQ: Final = 36
"""Also the type of the control message (Linux TCP_CM_INQ)."""
_INT: Final = Struct("i")
_PIECE: Final = 1 << 16
"""What Linux copies at one time with segmentation offload."""


class Conversation:
    """A connection and its socket's part in it; what a call cannot do without waiting is EAGAIN."""

    __slots__ = ("_hears", "_readiness", "_settings", "_speaks", "connection")

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.connection = connection
        self._settings = settings
        self._readiness = Readiness(connection, settings)
        self._hears = True
        self._speaks = True

    # --- addresses and options

    @property
    def local(self) -> SocketAddress:
        """This end, with its zone if it needs one."""
        return self._zoned(self.connection.local, self.connection.local_port)

    @property
    def remote(self) -> SocketAddress:
        """The peer."""
        return self._zoned(self.connection.remote, self.connection.remote_port)

    def _zoned(self, address: bytes, port: int) -> SocketAddress:
        return SocketAddress(address, port, self.connection.interface if needs_zone(address) else None)

    def settings_changed(self) -> None:
        """Pass the socket's options on to the connection."""
        connection, settings = self.connection, self._settings
        connection.hop_limit = settings.hop_limit_to(connection.local)
        connection.traffic_class = settings.traffic_class_to(connection.local)
        connection.urgent.in_line = settings.urgent_in_line
        connection.data_follows = settings.defer_accept > 0
        connection.cork(settings.cork)

    # --- readiness

    @property
    def readable(self) -> bool:
        """Data, their end, or an error."""
        connection = self.connection
        return (
            connection.available > 0
            or connection.at_end
            or connection.error != 0
            or not self._hears
            or connection.state is State.CLOSED
        )

    @property
    def writable(self) -> bool:
        """An error, or space to write: a third of the send buffer."""
        connection = self.connection
        if connection.state is State.CLOSED or connection.awaits_data:
            return True
        if connection.opening:
            return False
        return not self._speaks or connection.error != 0 or self._readiness.has_space

    def poll(self, *, errors: bool) -> int:
        """The events of poll(2); POLLIN needs SO_RCVLOWAT bytes. ``errors``: there are some in the error queue."""
        if self.connection.awaits_data:
            return WRITABLE
        failed = self.connection.error != 0 or errors
        return self._readiness.events(hears=self._hears, speaks=self._speaks, failed=failed)

    def news(self) -> int:
        """The events for which Linux would wake a sleeper, now that the connection has changed; 0: none."""
        return self._readiness.news()

    @property
    def interrupted(self) -> bool:
        """A ``recv`` that has some data and waits for more gives up: nothing more comes, or an urgent byte is next."""
        connection = self.connection
        return (
            connection.error != 0
            or connection.finished
            or connection.at_mark
            or connection.state is State.CLOSED
            or not self._hears
        )

    # --- data

    def send(self, data: Buffer, flags: int) -> int:
        """SEND; see :meth:`StreamSocket.send <stack.sockets.stream.StreamSocket.send>`."""
        connection, readiness = self.connection, self._readiness
        if connection.error:
            raise os_error(connection.take_error())
        if not self._speaks or connection.state is State.CLOSED:
            raise os_error(errno.EPIPE)
        if connection.opening:
            return self._open_with(data)
        low_water = readiness.unsent_low_water
        if low_water < connection.config.send_buffer:
            taken = self._send_above_low_water(low_water, data, flags)
        else:
            taken = connection.send(
                data,
                more=bool(flags & MSG_MORE),
                urgent=bool(flags & MSG_OOB),
                ends_record=bool(flags & MSG_EOR),
            )
        if taken < len(data):
            readiness.lacks_space()
            if taken == 0:
                raise os_error(errno.EAGAIN)
        return taken

    def _open_with(self, data: Buffer) -> int:
        """If the SYN has waited for data, here they are (TCP_FASTOPEN_CONNECT)."""
        if not self.connection.awaits_data:
            raise os_error(errno.EAGAIN)
        taken = self.connection.open_with(data)
        if not taken:
            raise os_error(errno.EINPROGRESS)
        return taken

    def _send_above_low_water(self, low_water: int, data: Buffer, flags: int) -> int:
        """As Linux takes data in pieces, each if less than TCP_NOTSENT_LOWAT waits to be sent when it begins."""
        connection = self.connection
        rest = memoryview(data)
        while rest and connection.unsent < low_water:
            piece = rest[:_PIECE]
            last = len(piece) == len(rest)
            more, urgent = not last or bool(flags & MSG_MORE), last and bool(flags & MSG_OOB)
            ends_record = last and bool(flags & MSG_EOR)
            taken = connection.send(piece, more=more, urgent=urgent, ends_record=ends_record)
            rest = rest[taken:]
            if taken < len(piece):
                break
        return len(data) - len(rest)

    def receive(self, limit: int, flags: int) -> bytes:
        """RECEIVE; see :meth:`StreamSocket.recv <stack.sockets.stream.StreamSocket.recv>`."""
        connection = self.connection
        if flags & MSG_OOB:
            return self._receive_urgent(limit, flags)
        data = connection.peek(limit) if flags & MSG_PEEK else connection.receive(limit)
        if data or limit == 0 or connection.at_end:
            return data
        if connection.error:
            raise os_error(connection.take_error())
        if not self._hears or connection.state is State.CLOSED:
            return b""
        raise os_error(errno.EAGAIN)

    def receive_message(self, limit: int, flags: int) -> Received:
        """With TCP_INQ, a control message tells how much there is still to read, or 1 at the end of the stream."""
        data = self.receive(limit, flags)
        connection = self.connection
        flags &= MSG_OOB
        if not self._settings.tell_unread or flags:
            return Received(data, flags=flags)
        unread = connection.unread or int(connection.finished)
        return Received(data, control=((bsd.IPPROTO_TCP, TCP_INQ, _INT.pack(unread)),))

    def _receive_urgent(self, limit: int, flags: int) -> bytes:
        """Linux ``tcp_recv_urg``."""
        connection = self.connection
        urgent = connection.urgent
        if urgent.in_line:
            raise os_error(errno.EINVAL)
        if urgent.state is Urgent.HERE:
            if not flags & MSG_PEEK:
                urgent.take()
            return bytes((urgent.octet,))[:limit]
        if urgent.state is not Urgent.AWAITED:
            raise os_error(errno.EINVAL)
        if connection.state is State.CLOSED or connection.finished or not self._hears:
            return b""
        raise os_error(errno.EAGAIN)

    # --- closing

    def shutdown(self, how: int) -> None:
        """Close one half, or both."""
        if how != bsd.SHUT_WR:
            self._hears = False
            self.connection.shutdown_receive()
        if how != bsd.SHUT_RD:
            self._speaks = False
            self.connection.shutdown()
