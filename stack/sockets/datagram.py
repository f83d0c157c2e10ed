"""UDP sockets."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress
from stack.sockets.message import MessageSocket
from stack.sockets.settings import MtuDiscover, Settings
from stack.udp import Endpoint, UdpUser
from stack.wire.address import UNSPECIFIED_V6, is_multicast
from stack.wire.udp import HEADER_LENGTH

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.packet import Packet
    from stack.internet.path import Path


class DatagramSocket(MessageSocket, UdpUser):
    """``socket(AF_INET | AF_INET6, SOCK_DGRAM)``: udp(7)."""

    __slots__ = ("_endpoint",)

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        super().__init__(host, family, protocol, settings)
        self._endpoint: Endpoint | None = None

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
            interface=wanted.interface,
        )
        return self._endpoint

    def _ensure_open(self) -> Endpoint:
        """Bind implicitly. EADDRINUSE if no port is left; Linux's EAGAIN would mean to wait for one."""
        return self._endpoint or self._open(self._unspecified())

    def _local(self) -> SocketAddress:
        endpoint = self._endpoint
        if endpoint is None:
            return self._unspecified()
        return SocketAddress(endpoint.local, endpoint.binding.port, endpoint.binding.interface)

    def _bound_to(self) -> SocketAddress:
        return (
            self._local()
            if self._endpoint is None
            else self._local()._replace(address=self._endpoint.binding.address)
        )

    def _attach(self, path: Path, peer: SocketAddress) -> None:
        self.host.udp.connect(self._ensure_open(), path.source, peer.address, peer.port)

    def _transmit(self, data: Buffer, path: Path, remote: SocketAddress) -> None:
        if remote.port == 0:
            raise os_error(errno.EINVAL)
        settings, destination = self.settings, remote.address
        discover = settings.mtu_discover_to(destination)
        fits = (20 if len(destination) == 4 else 40) + HEADER_LENGTH + len(data) <= path.mtu
        self.host.udp.send(
            self._ensure_open(),
            path,
            remote.port,
            data if isinstance(data, bytes) else bytes(data),
            hop_limit=settings.hop_limit_to(destination, multicast=is_multicast(destination)),
            traffic_class=settings.traffic_class_to(destination),
            dont_fragment=discover == MtuDiscover.DO or (discover == MtuDiscover.WANT and fits),
        )

    def datagram_arrives(self, packet: Packet, source_port: int, data: Buffer) -> None:
        """Queue it for ``recvfrom``."""
        self._enqueue(packet, data, source_port)

    def settings_changed(self) -> None:
        """Let SO_REUSEADDR take effect after ``bind`` too, as on Linux."""
        if self._endpoint is not None:
            self._endpoint.binding.reuse = self.settings.reuse_address

    def _release(self) -> None:
        super()._release()
        if self._endpoint is not None:
            self.host.udp.close(self._endpoint)
            self._endpoint = None
