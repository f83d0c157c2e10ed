"""IPv6 output: RFC 8200."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING

from stack.errors import os_error
from stack.internet.path import LARGEST_PACKET, Path
from stack.link import Buffer, Checksum, Frame
from stack.wire.ipv6 import HEADER_LENGTH
from stack.wire.ipv6_extensions import FRAGMENT_HEADER_LENGTH, FragmentHeader
from stack.wire.protocols import FRAGMENT

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

IPV6_MINIMUM_MTU = 1280
"""Every link that carries IPv6 carries packets of this many bytes (RFC 8200 5)."""

_HEADER = Struct("!IHBB32s")
_VERSION = 6 << 28
_PARTIAL = Checksum.PARTIAL


class Ipv6Path(Path):
    """The way to an IPv6 address."""

    __slots__ = ("_addresses",)

    MINIMUM_MTU = IPV6_MINIMUM_MTU

    def __init__(
        self,
        host: Host,
        destination: bytes,
        source: bytes,
        interface: Interface,
        next_hop: bytes,
        broadcast: bool,
    ) -> None:
        super().__init__(host, destination, source, interface, next_hop, broadcast)
        self._addresses = source + destination

    def send(
        self,
        protocol: int,
        header: bytes,
        payload: Buffer = b"",
        *,
        source: bytes | None = None,
        checksum_at: int = -1,
        hop_limit: int = 0,
        traffic_class: int = 0,
        dont_fragment: bool = True,
        segment_size: int = 0,
    ) -> None:
        """See :meth:`Path.send`."""
        if source is not None and source != self.source:
            self.sibling(source).send(
                protocol,
                header,
                payload,
                checksum_at=checksum_at,
                hop_limit=hop_limit,
                traffic_class=traffic_class,
                dont_fragment=dont_fragment,
                segment_size=segment_size,
            )
            return
        length = len(header) + len(payload)
        first = _VERSION | traffic_class << 20
        lifetime = hop_limit or self.hop_limit
        if length + HEADER_LENGTH > self.mtu and not segment_size:
            if dont_fragment or length > LARGEST_PACKET:
                raise os_error(errno.EMSGSIZE)
            data = self._joined(header, payload, checksum_at)
            self._counters["ipv6.fragmented"] += 1
            self._send_all(self._fragments(first, protocol, lifetime, data))
            return
        ip_header = _HEADER.pack(first, length, protocol, lifetime, self._addresses)
        link_header = self._hop.header
        frame = Frame((link_header or b"") + ip_header + header, payload)
        if checksum_at >= 0:
            frame.checksum = _PARTIAL
            frame.transport = len(frame.head) - len(header)
            frame.checksum_at = frame.transport + checksum_at
            frame.segment_size = segment_size
        self._counters["ipv6.sent"] += 1
        if link_header is None:
            self._resolve(frame)
        else:
            self.interface.transmit(frame)

    def _fragments(self, first: int, protocol: int, lifetime: int, data: bytes) -> Iterator[Frame]:
        """Cut a packet, which in IPv6 only its source may (RFC 8200 4.5)."""
        identification = self.next_identification()
        room = self.mtu - HEADER_LENGTH - FRAGMENT_HEADER_LENGTH & ~7
        view = memoryview(data)
        for at in range(0, len(data), room):
            piece = view[at : at + room]
            fragment = FragmentHeader(protocol, at, at + room < len(data), identification).build()
            length = FRAGMENT_HEADER_LENGTH + len(piece)
            yield Frame(_HEADER.pack(first, length, FRAGMENT, lifetime, self._addresses) + fragment, piece)
