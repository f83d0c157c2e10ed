"""UDP (RFC 768, RFC 1122 4.1, RFC 8085): datagrams to and from the endpoints of this host."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, Final

from stack.errors import os_error
from stack.internet.protocol import ErrorReport, Protocol
from stack.link import Buffer
from stack.ports import Binding
from stack.wire import protocols
from stack.wire.checksum import fold, ones_sum, pseudo_header_sum
from stack.wire.errors import Malformed
from stack.wire.udp import CHECKSUM_AT, HEADER_LENGTH, UdpHeader

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface
    from stack.internet.packet import Packet
    from stack.internet.path import Path

LONGEST_V4: Final = 65535 - 20 - HEADER_LENGTH
"""Bytes of data in the longest datagram over IPv4 (RFC 791 3.1, Total Length)."""
LONGEST_V6: Final = 65535 - HEADER_LENGTH
"""Bytes of data in the longest datagram over IPv6, without jumbograms (RFC 8200 3, Payload Length)."""

_PORTS: Final = Struct("!HH")
_HEADER: Final = Struct("!HHHH")


class UdpUser(ABC):
    """Who sends and receives through an :class:`Endpoint`, such as a datagram socket."""

    __slots__ = ()

    @abstractmethod
    def datagram_arrives(self, packet: Packet, source_port: int, data: Buffer) -> None:
        """Take a datagram that passed all checks."""

    @abstractmethod
    def error_arrives(self, report: ErrorReport) -> None:
        """Take an ICMP error about a datagram of this endpoint (RFC 1122 4.1.3.3)."""


class Endpoint:
    """One user's end: a local port, and once connected the only remote end that it hears."""

    __slots__ = ("binding", "joined", "local", "remote", "remote_port", "user")

    def __init__(self, user: UdpUser, binding: Binding) -> None:
        self.user = user
        self.joined = False
        """The user takes the datagrams of a super-segment together."""
        self.binding = binding
        self.local = binding.address
        """Where datagrams must go to: the binding's address, or the one that was chosen on connecting."""
        self.remote = b""
        """Empty while not connected."""
        self.remote_port = 0

    def match(self, local: bytes, interface: Interface | None) -> int:
        """How specifically a datagram to ``local`` means this end; 0: not at all (Linux ``compute_score``)."""
        bound_to = self.binding.interface
        if bound_to is not None and interface is not None and interface is not bound_to:
            return 0
        score = 1 if bound_to is None else 2
        if self.local == local:
            return score + 4
        if any(self.local):
            return 0
        if len(self.local) == len(local):
            return score + 2
        return score if self.binding.dual_stack else 0


class Udp(Protocol):
    """UDP of one host."""

    __slots__ = ("_bound", "_connected", "_host")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._bound: dict[int, list[Endpoint]] = {}
        """By local port; in each list the latest is first, and wins over its equals as on Linux."""
        self._connected: dict[tuple[int, bytes, int], list[Endpoint]] = {}
        """By local port, remote address and port."""

    def open(
        self,
        user: UdpUser,
        address: bytes,
        port: int,
        *,
        reuse: bool = False,
        dual_stack: bool = False,
        interface: Interface | None = None,
    ) -> Endpoint:
        """A new end at ``address`` and ``port`` (0: any). Raises OSError: EADDRINUSE."""
        binding = self._host.ports.udp.bind(
            address, port, reuse=reuse, dual_stack=dual_stack, interface=interface
        )
        endpoint = Endpoint(user, binding)
        self._bound.setdefault(binding.port, []).insert(0, endpoint)
        return endpoint

    def connect(self, endpoint: Endpoint, local: bytes, remote: bytes, remote_port: int) -> None:
        """Let ``endpoint`` hear only that remote end, at the address ``local`` (POSIX ``connect``)."""
        self._forget(endpoint)
        endpoint.local, endpoint.remote, endpoint.remote_port = local, remote, remote_port
        self._connected.setdefault((endpoint.binding.port, remote, remote_port), []).insert(0, endpoint)

    def close(self, endpoint: Endpoint) -> None:
        """Hear no more, and give the port back."""
        self._forget(endpoint)
        self._host.ports.udp.release(endpoint.binding)

    def send(
        self,
        endpoint: Endpoint,
        path: Path,
        port: int,
        data: Buffer,
        *,
        hop_limit: int = 0,
        traffic_class: int = 0,
        dont_fragment: bool = False,
        segment_size: int = 0,
    ) -> None:
        """Send one datagram to ``port`` at the end of ``path``, in fragments if need be and allowed.

        With ``segment_size``, it is so many octets of ``data`` in each datagram, which have to fit into the path MTU.
        Raises OSError: EMSGSIZE if it is longer than a datagram, or than the path MTU with ``dont_fragment``.
        """
        source, destination = path.source, path.destination
        if len(data) > (LONGEST_V4 if len(destination) == 4 else LONGEST_V6):
            raise os_error(errno.EMSGSIZE)
        length = HEADER_LENGTH + len(data)
        checksum = pseudo_header_sum(source, destination, protocols.UDP, length)
        path.send(
            protocols.UDP,
            _HEADER.pack(endpoint.binding.port, port, length, checksum),
            data,
            checksum_at=CHECKSUM_AT,
            hop_limit=hop_limit,
            traffic_class=traffic_class,
            dont_fragment=dont_fragment,
            segment_size=segment_size,
        )

    def packet_arrives(self, packet: Packet) -> None:
        """Verify a datagram; hand it to the most specific endpoint, or to all if it came to many.

        A super-segment stands for several datagrams, and is handed over as such, unless they are wanted together.
        """
        head, offset, payload = packet.head, packet.offset, packet.payload
        try:
            header = UdpHeader.parse(head, offset, offset + packet.length - len(payload))
        except Malformed as malformed:
            self._host.drop(malformed.reason, packet.frame)
            return
        length = header.length
        if length > packet.length:
            self._host.drop("udp.bad_length", packet.frame)
            return
        data: Buffer
        if not payload:
            data = memoryview(head)[offset + HEADER_LENGTH : offset + length]
        elif length == packet.length:
            data = payload
        else:  # what follows the datagram in the packet is not ours
            data = memoryview(payload)[: length - HEADER_LENGTH]
        if not packet.verified:
            reason = self._checksum_problem(packet, header, data)
            if reason is not None:
                self._host.drop(reason, packet.frame)
                return
        # What a host sends to itself has arrived everywhere, as far as zones go.
        interface = None if packet.interface is self._host.loopback else packet.interface
        if packet.broadcast:
            endpoints = list(self._all(packet, header, interface))
        else:
            found = self._find(
                packet.destination, header.destination_port, packet.source, header.source_port, interface
            )
            endpoints = [] if found is None else [found]
        for endpoint in endpoints:
            size = (not endpoint.joined and packet.frame.segment_size) or len(data)
            for at in range(0, len(data) or 1, size or 1):
                endpoint.user.datagram_arrives(packet, header.source_port, data[at : at + size])
        if not endpoints:
            self._host.drop("udp.no_port", packet.frame)
            if not packet.broadcast:
                self._host.icmp.port_unreachable(packet)

    def error_arrives(self, report: ErrorReport) -> None:
        """Tell the endpoint that sent the quoted datagram."""
        if len(report.quoted) < _PORTS.size:
            return
        port, remote_port = _PORTS.unpack_from(report.quoted)
        endpoint = self._find(report.source, port, report.destination, remote_port, None)
        if endpoint is not None:
            endpoint.user.error_arrives(report)

    @staticmethod
    def _checksum_problem(packet: Packet, header: UdpHeader, data: Buffer) -> str | None:
        """The reason to drop the datagram, if there is one."""
        if header.checksum == 0:  # the sender computed none: RFC 768; RFC 8200 8.1 forbids it
            return None if len(packet.source) == 4 else "udp.no_checksum"
        total = pseudo_header_sum(packet.source, packet.destination, protocols.UDP, header.length)
        total += ones_sum(packet.head[packet.offset : packet.offset + HEADER_LENGTH]) + ones_sum(data)
        return None if fold(total) == 0xFFFF else "udp.bad_checksum"

    def _find(
        self, local: bytes, port: int, remote: bytes, remote_port: int, interface: Interface | None
    ) -> Endpoint | None:
        """The endpoint that a datagram from ``remote`` to ``local`` means most specifically."""
        for endpoints in (self._connected.get((port, remote, remote_port)), self._bound.get(port)):
            best, best_score = None, 0
            for endpoint in endpoints or ():
                score = endpoint.match(local, interface)
                if score > best_score:
                    best, best_score = endpoint, score
            if best is not None:
                return best
        return None

    def _all(self, packet: Packet, header: UdpHeader, interface: Interface | None) -> Iterator[Endpoint]:
        """Every endpoint that a broadcast or multicast is for (Linux ``__udp4_lib_mcast_deliver``)."""
        port = header.destination_port
        for endpoints in (
            self._connected.get((port, packet.source, header.source_port)),
            self._bound.get(port),
        ):
            for endpoint in endpoints or ():
                if endpoint.match(packet.destination, interface):
                    yield endpoint

    def _forget(self, endpoint: Endpoint) -> None:
        port = endpoint.binding.port
        if endpoint.remote:
            key = (port, endpoint.remote, endpoint.remote_port)
            self._connected[key].remove(endpoint)
            if not self._connected[key]:
                del self._connected[key]
        else:
            self._bound[port].remove(endpoint)
            if not self._bound[port]:
                del self._bound[port]
