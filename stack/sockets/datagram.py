"""UDP sockets."""

from __future__ import annotations

import errno
import socket as bsd
from collections.abc import Iterable
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress
from stack.sockets.error_queue import ExtendedError
from stack.sockets.message import MessageSocket
from stack.sockets.options import OptionTable, flag, number, setting
from stack.sockets.settings import MtuDiscover, Settings
from stack.sockets.socket import MSG_MORE, Control
from stack.udp import LONGEST_V4, LONGEST_V6, Endpoint, UdpUser
from stack.wire.address import UNSPECIFIED_V6, is_multicast
from stack.wire.udp import HEADER_LENGTH

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface
    from stack.internet.packet import Packet
    from stack.internet.path import Path
    from stack.internet.protocol import ErrorReport


UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
_MOST_SEGMENTS: Final = 128
"""Of one call with UDP_SEGMENT, as Linux's UDP_MAX_SEGMENTS has it; on older kernels, and in udp(7), it is 64."""

_DESTINATION_PORT: Final = Struct("!2xH")
_SEGMENT_SIZE: Final = Struct("H")
_INT: Final = Struct("i")


class _Unfinished(NamedTuple):
    """A datagram to which more is to come (MSG_MORE), and whither it goes."""

    data: bytes
    path: Path
    remote: SocketAddress
    segment_size: int


class DatagramSocket(MessageSocket, UdpUser):
    """``socket(AF_INET | AF_INET6, SOCK_DGRAM)``: udp(7).

    What is sent with MSG_MORE is the beginning of a datagram, which leaves, to where it was begun, with the first
    call without. With UDP_SEGMENT, set or as a control message, one call sends many datagrams of that size; with
    UDP_GRO, those that the link hands over together are read together, and a control message tells their size.
    """

    __slots__ = ("_endpoint", "_segment_size", "_unfinished", "_zone")

    options: ClassVar[OptionTable] = {
        **MessageSocket.options,
        (bsd.IPPROTO_UDP, UDP_SEGMENT): number("segment_size", 0, 0xFFFF),
        (bsd.IPPROTO_UDP, UDP_GRO): setting("join_segments", flag),
    }

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        super().__init__(host, family, protocol, settings)
        self._endpoint: Endpoint | None = None
        self._unfinished: _Unfinished | None = None
        self._zone: Interface | None = None
        """Of the address that it is bound to."""
        self._segment_size: int | None = None
        """UDP_SEGMENT of the call that is under way, if it has its own."""

    @property
    def bound(self) -> bool:
        """Whether it has a port: after ``bind``, ``connect`` or ``sendto``."""
        return self._endpoint is not None

    def bind(self, address: Address) -> None:
        """Take a local address, which may be a multicast or broadcast one, and port; port 0: any.

        Raises OSError: EADDRINUSE, EADDRNOTAVAIL, EINVAL (bound already, IPv6 link-local without a scope id).
        """
        self._open(self._parse_local(address, groups=True))

    def _open(self, wanted: SocketAddress) -> Endpoint:
        self._endpoint = self.host.udp.open(
            self,
            wanted.address,
            wanted.port,
            reuse=self.settings.reuse_address,
            dual_stack=self.dual_stack and wanted.address == UNSPECIFIED_V6,
            interface=self.settings.device or wanted.interface,
        )
        self._zone = wanted.interface
        self._endpoint.joined = self.settings.join_segments
        return self._endpoint

    def _ensure_open(self) -> Endpoint:
        """Bind implicitly. EADDRINUSE if no port is left; Linux's EAGAIN would mean to wait for one."""
        return self._endpoint or self._open(self._unspecified())

    def _local(self) -> SocketAddress:
        endpoint = self._endpoint
        if endpoint is None:
            return self._unspecified()
        return SocketAddress(endpoint.local, endpoint.binding.port, self._zone)

    def _bound_to(self) -> SocketAddress:
        return (
            self._local()
            if self._endpoint is None
            else self._local()._replace(address=self._endpoint.binding.address)
        )

    def _attach(self, path: Path, peer: SocketAddress) -> None:
        self.host.udp.connect(self._ensure_open(), path.source, peer.address, peer.port)

    def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancillary: Iterable[Control] = (),
        flags: int = 0,
        address: Address | None = None,
    ) -> int:
        """See :meth:`Socket.sendmsg`; UDP_SEGMENT is understood.

        Raises OSError also: EMSGSIZE if one of the datagrams does not fit into the path MTU, EINVAL if they are more
        than 128.
        """
        control = list(ancillary)
        for level, kind, value in control:
            if level == bsd.IPPROTO_UDP:
                if kind != UDP_SEGMENT or len(value) != _SEGMENT_SIZE.size:
                    raise os_error(errno.EINVAL)
                (self._segment_size,) = _SEGMENT_SIZE.unpack(value)
        try:
            return super().sendmsg(buffers, control, flags, address)
        finally:
            self._segment_size = None

    def _transmit(self, data: Buffer, path: Path, remote: SocketAddress, flags: int) -> None:
        if remote.port == 0:
            raise os_error(errno.EINVAL)
        size = self.settings.segment_size if self._segment_size is None else self._segment_size
        if self._unfinished is not None:
            begun, path, remote, size = self._unfinished
            self._unfinished = None
            data = begun + data
        if not flags & MSG_MORE:
            self._transmit_whole(data, path, remote, size)
        elif len(data) > (LONGEST_V4 if len(remote.address) == 4 else LONGEST_V6):
            raise os_error(errno.EMSGSIZE)
        else:
            self._ensure_open()
            self._unfinished = _Unfinished(bytes(data), path, remote, size)

    def _transmit_whole(self, data: Buffer, path: Path, remote: SocketAddress, segment_size: int) -> None:
        settings, destination = self.settings, remote.address
        discover = settings.mtu_discover_to(destination)
        largest = min(len(data), segment_size) if segment_size else len(data)
        fits = (20 if len(destination) == 4 else 40) + HEADER_LENGTH + largest <= path.mtu
        if segment_size:
            if not fits:
                raise os_error(errno.EMSGSIZE)
            if len(data) > segment_size * _MOST_SEGMENTS:
                raise os_error(errno.EINVAL)
        if discover == MtuDiscover.DO and not fits and settings.reports_errors_from(destination):
            self._keep(ExtendedError.too_long(remote, path.mtu))
        self.host.udp.send(
            self._ensure_open(),
            path,
            remote.port,
            data if isinstance(data, bytes) else bytes(data),
            hop_limit=settings.hop_limit_to(destination, multicast=is_multicast(destination)),
            traffic_class=settings.traffic_class_to(destination),
            dont_fragment=discover == MtuDiscover.DO or (discover == MtuDiscover.WANT and fits),
            segment_size=segment_size if largest < len(data) else 0,
        )

    def _explain(self, report: ErrorReport) -> ExtendedError:
        (port,) = _DESTINATION_PORT.unpack_from(report.quoted)
        return ExtendedError.reported(report, port, report.quoted[HEADER_LENGTH:])

    def datagram_arrives(self, packet: Packet, source_port: int, data: Buffer) -> None:
        """Queue it for ``recvfrom``."""
        self._enqueue(packet, data, source_port)

    def _control(self, packet: Packet, data: Buffer) -> tuple[Control, ...]:
        size = packet.frame.segment_size
        joined = ((bsd.IPPROTO_UDP, UDP_GRO, _INT.pack(size)),) if 0 < size < len(data) else ()
        return joined + super()._control(packet, data)

    def settings_changed(self) -> None:
        """Let SO_REUSEADDR, SO_BINDTODEVICE and UDP_GRO take effect after ``bind`` too, as on Linux."""
        if self._endpoint is not None:
            self._endpoint.binding.reuse = self.settings.reuse_address
            self._endpoint.binding.interface = self.settings.device or self._zone
            self._endpoint.joined = self.settings.join_segments
        super().settings_changed()

    def _release(self) -> None:
        super()._release()
        if self._endpoint is not None:
            self.host.udp.close(self._endpoint)
            self._endpoint = None
