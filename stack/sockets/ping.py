"""Ping sockets: echo requests and replies without raw sockets, as on Linux (icmp(7))."""

from __future__ import annotations

import errno
import socket as bsd
from struct import Struct
from typing import TYPE_CHECKING, Final

from stack.errors import os_error
from stack.internet.icmp import EchoUser
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress
from stack.sockets.error_queue import ExtendedError
from stack.sockets.message import MessageSocket
from stack.sockets.settings import Settings
from stack.wire.address import is_multicast

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.packet import Packet
    from stack.internet.path import Path
    from stack.internet.protocol import ErrorReport

_ECHO: Final = Struct("!BBHHH")
_ECHO_REQUEST: Final[dict[int, int]] = {bsd.AF_INET: 8, bsd.AF_INET6: 128}
_LONGEST: Final = 65535


class PingSocket(MessageSocket, EchoUser):
    """``socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)`` and ``socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6)``.

    Messages are whole ICMP messages: type, code, checksum, identifier, sequence number, data. Checksum and
    identifier of a request are filled in; the identifier takes the place of the port in socket addresses.
    """

    __slots__ = ("_identifier", "_local_address")

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        super().__init__(host, family, protocol, settings)
        self._identifier = 0
        self._local_address = self._unspecified()

    @property
    def bound(self) -> bool:
        """Whether it has an identifier: after ``bind``, ``connect`` or ``sendto``."""
        return self._identifier != 0

    def bind(self, address: Address) -> None:
        """Take a local address and, as the port, an identifier; 0: any.

        Raises OSError: EADDRINUSE, EADDRNOTAVAIL, EINVAL (bound already, IPv6 link-local without a scope id).
        """
        wanted = self._parse_local(address, groups=False)
        self._identifier = self.host.icmp.open_echo(self, wanted.port)
        self._local_address = wanted

    def _ensure_open(self) -> int:
        if not self._identifier:
            self._identifier = self.host.icmp.open_echo(self)
        return self._identifier

    def _local(self) -> SocketAddress:
        return self._local_address._replace(port=self._identifier)

    def _bound_to(self) -> SocketAddress:
        return self._local()

    def _attach(self, path: Path, peer: SocketAddress) -> None:
        self._ensure_open()

    def _parse_remote(self, address: Address) -> SocketAddress:
        remote = super()._parse_remote(address)
        if self.family == bsd.AF_INET6 and len(remote.address) == 4:  # ICMPv6 does not speak IPv4
            raise os_error(errno.ENETUNREACH)
        return remote

    def _transmit(self, data: Buffer, path: Path, remote: SocketAddress, flags: int) -> None:
        if len(data) > _LONGEST:
            raise os_error(errno.EMSGSIZE)
        if len(data) < _ECHO.size:
            raise os_error(errno.EINVAL)
        kind, code, _, _, sequence = _ECHO.unpack_from(data)
        if kind != _ECHO_REQUEST[self.family] or code != 0:
            raise os_error(errno.EINVAL)
        destination = remote.address
        self.host.icmp.send_echo(
            self._ensure_open(),
            sequence,
            bytes(data[_ECHO.size :]),
            path,
            hop_limit=self.settings.hop_limit_to(destination, multicast=is_multicast(destination)),
            traffic_class=self.settings.traffic_class_to(destination),
        )

    def _explain(self, report: ErrorReport) -> ExtendedError:
        return ExtendedError.reported(report, 0, report.quoted)

    def reply_arrives(self, packet: Packet, sequence: int, data: bytes) -> None:
        """Queue it for ``recvfrom``, if it is from the peer and to the address that were asked for."""
        local, peer = self._local_address.address, self._peer
        if any(local) and packet.destination != local:
            return
        if self.settings.device not in (None, packet.interface):
            return
        if peer is None or packet.source == peer.address:
            self._enqueue(packet, packet.contiguous(), 0)

    def _release(self) -> None:
        super()._release()
        if self._identifier:
            self.host.icmp.close_echo(self._identifier)
            self._identifier = 0
