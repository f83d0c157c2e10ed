"""IPv4 output: RFC 791, RFC 1122 3.3."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING

from stack.errors import os_error
from stack.internet.path import LARGEST_PACKET, Path
from stack.link import Buffer, Checksum, Frame
from stack.wire.ipv4 import MIN_HEADER_LENGTH, Ipv4Header
from stack.wire.ipv4_options import COPIED, build_options, parse_options

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

_HEADER = Struct("!HHHHHH8s")
_DONT_FRAGMENT = 0x4000
_PARTIAL = Checksum.PARTIAL


class Ipv4Path(Path):
    """The way to an IPv4 address."""

    __slots__ = ("_addresses", "_fixed_sum")

    MINIMUM_MTU = 552
    """Linux's min_pmtu: who claims less is more likely to lie than to have such a link."""

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
        self._fixed_sum = int.from_bytes(self._addresses) + 0x4500

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
        length = MIN_HEADER_LENGTH + len(header) + len(payload)
        lifetime = (hop_limit or self.hop_limit) << 8 | protocol
        if dont_fragment:
            # An atomic datagram needs no identification (RFC 6864 4.1).
            identification, flags = 0, _DONT_FRAGMENT
        else:
            identification, flags = self.next_identification() & 0xFFFF, 0
            if segment_size:
                self._identification += len(payload) // segment_size  # each packet will have its own
        if length > self.mtu and not segment_size:
            if dont_fragment or length > LARGEST_PACKET:
                raise os_error(errno.EMSGSIZE)
            whole = Ipv4Header(
                self.source,
                self.destination,
                protocol,
                length,
                identification,
                hop_limit=lifetime >> 8,
                traffic_class=traffic_class,
            )
            self._counters["ipv4.fragmented"] += 1
            self._send_all(fragments(whole, self._joined(header, payload, checksum_at), self.mtu))
            return
        # The complement of a ones' complement sum, folded, in one step: see stack.wire.checksum.
        checksum = -(self._fixed_sum + traffic_class + length + identification + flags + lifetime) % 0xFFFF
        ip_header = _HEADER.pack(
            0x4500 | traffic_class, length, identification, flags, lifetime, checksum, self._addresses
        )
        link_header = self._hop.header
        frame = Frame((link_header or b"") + ip_header + header, payload)
        if checksum_at >= 0:
            frame.checksum = _PARTIAL
            frame.transport = len(frame.head) - len(header)
            frame.checksum_at = frame.transport + checksum_at
            frame.segment_size = segment_size
        self._counters["ipv4.sent"] += 1
        if link_header is None:
            self._resolve(frame)
        else:
            self.interface.transmit(frame)


def fragments(header: Ipv4Header, data: Buffer, mtu: int) -> Iterator[Frame]:
    """Cut a datagram, or a fragment, into fragments of at most ``mtu`` bytes (RFC 791 3.2)."""
    more, start = header.more_fragments, header.fragment_offset
    data = memoryview(data)
    at = 0
    while at < len(data):
        room = mtu - header.header_length
        end = len(data) if len(data) - at <= room else at + (room & ~7)
        header.fragment_offset = start + at
        header.more_fragments = more or end < len(data)
        header.total_length = header.header_length + end - at
        header.checksum = None
        yield Frame(header.build(), data[at:end])
        header.options = build_options(
            option for option in parse_options(header.options) if option.kind & COPIED
        )
        at = end
