"""What sockets that keep message boundaries have in common: a queue, a peer that is only remembered."""

from __future__ import annotations

import errno
import socket as bsd
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from stack.errors import os_error
from stack.internet.protocol import ErrorKind, ErrorReport
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress, needs_zone, unparse
from stack.sockets.ancillary import ANCILLARY_OPTIONS, describe
from stack.sockets.error_queue import ExtendedError
from stack.sockets.groups import GROUP_OPTIONS, leave
from stack.sockets.options import (
    IP_MTU,
    IP_MTU_DISCOVER,
    IP_OPTIONS,
    IPV6_MTU,
    IPV6_MTU_DISCOVER,
    SOCKET_OPTIONS,
    Option,
    OptionTable,
    number,
)
from stack.sockets.poll import (
    ARRIVAL,
    POLLERR,
    POLLHUP,
    POLLRDHUP,
    READABLE,
    SPACE,
)
from stack.sockets.settings import MtuDiscover, Settings
from stack.sockets.socket import (
    FIONREAD,
    MSG_ERRQUEUE,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    SIOCOUTQ,
    Control,
    Received,
    Request,
    Socket,
)

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface
    from stack.internet.packet import Packet
    from stack.internet.path import Path

OVERHEAD: Final = 256
"""Bytes that a queued datagram counts for beside its data, so that empty ones fill the queue too (as
``truesize`` on Linux)."""


class _Message(NamedTuple):
    data: Buffer
    source: SocketAddress
    packet: Packet


class MessageSocket(Socket):
    """A socket of type SOCK_DGRAM."""

    __slots__ = ("_error", "_hears", "_path_to_peer", "_peer", "_queue", "_queued", "_speaks", "memberships")

    type = bsd.SOCK_DGRAM

    options: ClassVar[OptionTable] = {
        **SOCKET_OPTIONS,
        **IP_OPTIONS,
        **ANCILLARY_OPTIONS,
        **GROUP_OPTIONS,
        (bsd.IPPROTO_IP, IP_MTU): Option(lambda socket: socket.path_mtu),
        (bsd.IPPROTO_IPV6, IPV6_MTU): Option(lambda socket: socket.path_mtu),
        (bsd.IPPROTO_IP, IP_MTU_DISCOVER): number("mtu_discover", MtuDiscover.DONT, MtuDiscover.DO),
        (bsd.IPPROTO_IPV6, IPV6_MTU_DISCOVER): number("v6_mtu_discover", MtuDiscover.DONT, MtuDiscover.DO),
        (bsd.IPPROTO_IP, bsd.IP_MULTICAST_TTL): number("multicast_ttl", 1, 255),
        (bsd.IPPROTO_IPV6, bsd.IPV6_MULTICAST_HOPS): number("multicast_hops", 1, 255),
    }

    requests: ClassVar[Mapping[int, Request]] = {
        FIONREAD: lambda socket: socket.next_length,
        SIOCOUTQ: lambda socket: 0,  # what is sent is gone
    }

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        super().__init__(host, family, protocol, settings)
        self._queue: deque[_Message] = deque()
        self._queued = 0
        self._error = 0
        self._peer: SocketAddress | None = None
        self._path_to_peer: Path | None = None
        self._hears = True
        self._speaks = True
        self.memberships: list[tuple[bytes, Interface]] = []
        """The multicast groups that were joined, and where."""

    # --- readiness

    @property
    def readable(self) -> bool:
        """A datagram waits, or there is an error to report, or no more will be heard."""
        return bool(self._queue) or self._error != 0 or not self._hears or self.closed

    @property
    def writable(self) -> bool:
        """Always: a datagram leaves at once, or is lost."""
        return True

    def poll(self) -> int:
        """The events of poll(2), as Linux's ``datagram_poll`` finds them: there is always space."""
        events = SPACE
        if self._error or len(self.errors):
            events |= POLLERR
        if not self._hears:
            events |= READABLE | POLLRDHUP
            if not self._speaks:
                events |= POLLHUP
        if self._queue:
            events |= READABLE
        return events

    # --- connecting

    def connect(self, address: Address) -> None:
        """Remember a peer, to send to and to hear only from; any number of times. Nothing is sent.

        Raises OSError: ENETUNREACH and the like; EACCES for a broadcast address without SO_BROADCAST.
        """
        self._require_open()
        peer = self._parse_remote(address)
        path = self._path(self._bound_to(), peer)
        self._permit(path)
        self._attach(path, peer)
        self._peer, self._path_to_peer = peer, path

    def shutdown(self, how: int) -> None:
        """Stop to hear (recv returns ``b""`` once the queue is empty) or to speak (send: EPIPE).

        Raises OSError: EINVAL; ENOTCONN if not connected, but as on Linux it takes effect all the same.
        """
        self._require_open()
        if how not in (bsd.SHUT_RD, bsd.SHUT_WR, bsd.SHUT_RDWR):
            raise os_error(errno.EINVAL)
        if how != bsd.SHUT_WR:
            self._hears = False
        if how != bsd.SHUT_RD:
            self._speaks = False
        self._changed()
        if self._peer is None:
            raise os_error(errno.ENOTCONN)

    def listen(self, backlog: int = 128) -> None:
        """Raises OSError: EOPNOTSUPP, there is nothing to listen for."""
        self._require_open()
        raise os_error(errno.EOPNOTSUPP)

    def accept(self) -> tuple[Socket, Address]:
        """Raises OSError: EOPNOTSUPP, there is nothing to accept."""
        self._require_open()
        raise os_error(errno.EOPNOTSUPP)

    # --- sending

    def send(self, data: Buffer, flags: int = 0) -> int:
        """:meth:`sendto` the peer. Raises OSError: EDESTADDRREQ if there is none, and the same."""
        self._check_send(flags)
        if self._peer is None:
            raise os_error(errno.EDESTADDRREQ)
        self._transmit(data, self._path_to(self._peer), self._peer, flags)
        return len(data)

    def sendto(self, data: Buffer, address: Address, flags: int = 0) -> int:
        """Send one datagram to ``address``, connected or not; returns its length.

        Raises OSError: EMSGSIZE, EACCES (broadcast without SO_BROADCAST), EPIPE (shut down), ENETUNREACH and
        the like, EINVAL, or the error that an earlier datagram met.
        """
        self._check_send(flags)
        remote = self._parse_remote(address)
        path = self._path(self._local(), remote)
        self._permit(path)
        self._transmit(data, path, remote, flags)
        return len(data)

    def _path_to(self, peer: SocketAddress) -> Path:
        """The way to the peer, which is kept as long as it is valid."""
        path = self._path_to_peer
        if path is None or not path.valid:
            path = self._path_to_peer = self._path(self._local(), peer)
        return path

    def _check_send(self, flags: int) -> None:
        self._require_open()
        if flags & MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)
        if self._error:
            raise os_error(self.take_error())
        if not self._speaks:
            raise os_error(errno.EPIPE)

    def _permit(self, path: Path) -> None:
        if path.broadcast and not self.settings.broadcast:
            raise os_error(errno.EACCES)

    # --- receiving

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """The next datagram: see :meth:`recvfrom`."""
        return self.recvfrom(limit, flags)[0]

    def recvfrom(self, limit: int, flags: int = 0) -> tuple[bytes, Address]:
        """The next datagram and where it came from. What is beyond ``limit`` bytes is lost.

        MSG_PEEK leaves it in the queue; MSG_TRUNC returns it at its real length, whatever ``limit`` says;
        MSG_ERRQUEUE gives what is known of a datagram that met an error, and where it was sent to. Raises
        BlockingIOError (EAGAIN), or OSError: what an earlier datagram has met, such as ECONNREFUSED.
        """
        self._require_open()
        received = self._receive_error(limit) if flags & MSG_ERRQUEUE else self._receive(limit, flags)
        return received.data, received.address or unparse(self.family, self._unspecified())

    def _receive(self, limit: int, flags: int) -> Received:
        if limit < 0:
            raise ValueError("negative buffersize in recv")
        if flags & MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)
        if self._error:
            raise os_error(self.take_error())
        if not self._queue:
            if self._hears:
                raise os_error(errno.EAGAIN)
            return Received(b"")
        data, source, packet = self._queue[0]
        if not flags & MSG_PEEK:
            self._queue.popleft()
            self._queued -= OVERHEAD + len(data)
        return Received(
            bytes(data if flags & MSG_TRUNC else data[:limit]),
            unparse(self.family, source),
            MSG_TRUNC if len(data) > limit else 0,
            self._control(packet, data),
        )

    def _control(self, packet: Packet, data: Buffer) -> tuple[Control, ...]:
        """The control messages that come with a datagram."""
        details = self.settings.details
        return tuple(describe(packet, details)) if details else ()

    def _enqueue(self, packet: Packet, data: Buffer, port: int) -> None:
        """Queue what arrived, or drop it; its last datagram may exceed SO_RCVBUF, as on Linux."""
        if not self._hears:
            self.host.drop("socket.shut_down", packet.frame)
            return
        if self._queued > self.settings.receive_buffer:
            self.host.drop("socket.receive_buffer_full", packet.frame)
            return
        interface = packet.interface if needs_zone(packet.source) else None
        self._queue.append(_Message(data, SocketAddress(packet.source, port, interface), packet))
        self._queued += OVERHEAD + len(data)
        self._changed(ARRIVAL)

    # --- errors

    def error_arrives(self, report: ErrorReport) -> None:
        """Keep an ICMP error for the next call.

        RFC 1122 4.1.3.3 wants all errors passed on. As on Linux, only a connected socket hears of them, since
        who sends to many could not tell whom it concerns, and only of hard ones. With IP_RECVERR every socket
        hears of all, and finds the details in the error queue. A message that was too big is a hard error,
        unless fragmenting it is left to routers, and then it is none.
        """
        settings, hard = self.settings, report.hard
        if report.kind is ErrorKind.PACKET_TOO_BIG:
            if settings.mtu_discover_to(report.destination) == MtuDiscover.DONT:
                return
            hard = True
        if settings.reports_errors_from(report.destination):
            self._keep(self._explain(report))
        elif self._peer is None or not hard:
            return
        self._error = report.errno
        self._changed(POLLERR)

    def _keep(self, error: ExtendedError) -> None:
        """Queue it for MSG_ERRQUEUE, with no more memory than SO_RCVBUF."""
        if not self.errors.append(error, self.settings.receive_buffer):
            self.host.drop("socket.error_queue_full")

    def _set_error(self, number: int) -> None:
        self._error = number

    def take_error(self) -> int:
        """SO_ERROR: what a datagram that was sent has met."""
        error, self._error = self._error, 0
        return error

    # --- for options

    @property
    def path_mtu(self) -> int:
        """IP_MTU: the path MTU to the peer, bytes. Raises OSError: ENOTCONN."""
        if self._peer is None:
            raise os_error(errno.ENOTCONN)
        return self._path_to(self._peer).mtu

    @property
    def next_length(self) -> int:
        """FIONREAD: bytes in the next datagram, 0 if there is none."""
        return len(self._queue[0].data) if self._queue else 0

    def settings_changed(self) -> None:
        """Look for the way to the peer again; all others are looked up for each datagram."""
        self._path_to_peer = None

    # --- for each protocol

    def _remote(self) -> SocketAddress | None:
        return self._peer

    @abstractmethod
    def _bound_to(self) -> SocketAddress:
        """The address that ``bind`` was given, without what ``connect`` made of it."""

    @abstractmethod
    def _attach(self, path: Path, peer: SocketAddress) -> None:
        """Take a port if there is none, and narrow the local address down to the path's."""

    @abstractmethod
    def _transmit(self, data: Buffer, path: Path, remote: SocketAddress, flags: int) -> None:
        """Send one datagram, having taken a port if there is none."""

    @abstractmethod
    def _explain(self, report: ErrorReport) -> ExtendedError:
        """An entry for the error queue."""

    def _release(self) -> None:
        for membership in tuple(self.memberships):
            leave(self, membership)
        self.errors.clear()
        self._queue.clear()
        self._queued = 0
