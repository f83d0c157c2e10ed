"""UDP sockets."""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress
from stack.sockets.error_queue import ExtendedError
from stack.sockets.message import MessageSocket
from stack.sockets.settings import MtuDiscover, Settings
from stack.sockets.socket import MSG_MORE
from stack.udp import LONGEST_V4, LONGEST_V6, Endpoint, UdpUser
from stack.wire.address import UNSPECIFIED_V6, is_multicast
from stack.wire.udp import HEADER_LENGTH

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface
    from stack.internet.packet import Packet
    from stack.internet.path import Path
    from stack.internet.protocol import ErrorReport


_DESTINATION_PORT: Final = Struct("!2xH")


class _Unfinished(NamedTuple):
    """A datagram to which more is to come (MSG_MORE), and whither it goes."""

    data: bytes
    path: Path
    remote: SocketAddress


class DatagramSocket(MessageSocket, UdpUser):
    """``socket(AF_INET | AF_INET6, SOCK_DGRAM)``: udp(7).

    What is sent with MSG_MORE is the beginning of a datagram, which leaves, to where it was begun, with the first
    call without.
    """

    __slots__ = ("_endpoint", "_unfinished", "_zone")

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        super().__init__(host, family, protocol, settings)
        self._endpoint: Endpoint | None = None
        self._unfinished: _Unfinished | None = None
        self._zone: Interface | None = None
        """Of the address that it is bound to."""

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

    def _transmit(self, data: Buffer, path: Path, remote: SocketAddress, flags: int) -> None:
        if remote.port == 0:
            raise os_error(errno.EINVAL)
        if self._unfinished is not None:
            begun, path, remote = self._unfinished
            self._unfinished = None
            data = begun + data
        if not flags & MSG_MORE:
            self._transmit_whole(data, path, remote)
        elif len(data) > (LONGEST_V4 if len(remote.address) == 4 else LONGEST_V6):
            raise os_error(errno.EMSGSIZE)
        else:
            self._ensure_open()
            self._unfinished = _Unfinished(bytes(data), path, remote)

    def _transmit_whole(self, data: Buffer, path: Path, remote: SocketAddress) -> None:
        settings, destination = self.settings, remote.address
        discover = settings.mtu_discover_to(destination)
        fits = (20 if len(destination) == 4 else 40) + HEADER_LENGTH + len(data) <= path.mtu
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
        )

    def _explain(self, report: ErrorReport) -> ExtendedError:
        (port,) = _DESTINATION_PORT.unpack_from(report.quoted)
        return ExtendedError.reported(report, port, report.quoted[HEADER_LENGTH:])

    def datagram_arrives(self, packet: Packet, source_port: int, data: Buffer) -> None:
        """Queue it for ``recvfrom``."""
        self._enqueue(packet, data, source_port)

    def settings_changed(self) -> None:
        """Let SO_REUSEADDR and SO_BINDTODEVICE take effect after ``bind`` too, as on Linux."""
        if self._endpoint is not None:
            self._endpoint.binding.reuse = self.settings.reuse_address
            self._endpoint.binding.interface = self.settings.device or self._zone
        super().settings_changed()

    def _release(self) -> None:
        super()._release()
        if self._endpoint is not None:
            self.host.udp.close(self._endpoint)
            self._endpoint = None
