"""What a match looks at in a frame, read as far as the frame makes sense."""

from __future__ import annotations

from contextlib import suppress

from stack.link import Buffer, Frame, Medium
from stack.wire.errors import Malformed
from stack.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    HEADER_LENGTH,
    EthernetHeader,
)
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import HEADER_LENGTH as IPV6_HEADER_LENGTH
from stack.wire.ipv6 import NEXT_HEADER_AT, Ipv6Header
from stack.wire.ipv6_extensions import walk
from stack.wire.protocols import TCP, UDP
from stack.wire.tcp import TcpHeader
from stack.wire.udp import UdpHeader


def packet_offset(head: Buffer, medium: Medium) -> int:
    """Where in a frame the network protocol begins."""
    if medium is Medium.IP:
        return 0
    try:
        return EthernetHeader.parse(head).header_length
    except Malformed:
        return HEADER_LENGTH


class Dissection:
    """The fields of one frame. Those that it does not have are 0, False or empty."""

    __slots__ = (
        "arp", "destination", "destination_port", "flags", "fragment", "length", "protocol", "retransmission",
        "sequence", "source", "source_port", "version",
    )  # fmt: skip

    def __init__(self, frame: Frame, medium: Medium) -> None:
        self.arp = False
        self.version = 0
        """4 or 6."""
        self.source = b""
        self.destination = b""
        self.protocol = -1
        """The number of the transport protocol, in every fragment."""
        self.fragment = False
        self.source_port = 0
        """0 in a fragment that is not the first, as the destination's."""
        self.destination_port = 0
        self.flags = 0
        """TCP's."""
        self.sequence = 0
        """TCP's."""
        self.length = 0
        """Bytes after the transport header; after the IP headers, if the transport is not TCP or UDP."""
        self.retransmission = False
        """For :class:`links.impairments.history.History` to say."""
        with suppress(Malformed):
            self._frame(bytes(frame), medium)

    def _frame(self, data: bytes, medium: Medium) -> None:
        if medium is Medium.IP:
            self._packet(data, 0, data[0] >> 4 if data else 0)
            return
        header = EthernetHeader.parse(data)
        if header.ethertype == ETHERTYPE_ARP:
            self.arp = True
        version = {ETHERTYPE_IPV4: 4, ETHERTYPE_IPV6: 6}.get(header.ethertype, 0)
        self._packet(data, header.header_length, version)

    def _packet(self, data: bytes, at: int, version: int) -> None:
        if version == 4:
            ipv4 = Ipv4Header.parse(data, at)
            self._network(4, ipv4.source, ipv4.destination)
            self.protocol = ipv4.protocol
            self.fragment = ipv4.more_fragments or ipv4.fragment_offset > 0
            end = min(len(data), at + ipv4.total_length)
            self._transport(data, at + ipv4.header_length, end, first=ipv4.fragment_offset == 0)
        elif version == 6:
            ipv6 = Ipv6Header.parse(data, at)
            self._network(6, ipv6.source, ipv6.destination)
            start = at + IPV6_HEADER_LENGTH
            end = min(len(data), start + ipv6.payload_length)
            chain = walk(data, start, end, ipv6.next_header, at + NEXT_HEADER_AT)
            self.protocol = chain.protocol
            self.fragment = chain.fragment is not None
            first = chain.fragment is None or chain.fragment.fragment_offset == 0
            self._transport(data, chain.offset, end, first=first)

    def _network(self, version: int, source: bytes, destination: bytes) -> None:
        self.version = version
        self.source = source
        self.destination = destination

    def _transport(self, data: bytes, at: int, end: int, *, first: bool) -> None:
        self.length = end - at
        if not first:
            return
        if self.protocol == TCP:
            tcp = TcpHeader.parse(data, at, end)
            self.source_port, self.destination_port = tcp.source_port, tcp.destination_port
            self.flags, self.sequence = tcp.flags, tcp.sequence
            self.length -= tcp.header_length
        elif self.protocol == UDP:
            udp = UdpHeader.parse(data, at, end)
            self.source_port, self.destination_port = udp.source_port, udp.destination_port
            self.length -= udp.header_length
