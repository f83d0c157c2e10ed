"""Packets as bytes: those that leave are taken apart, those that arrive are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scenarios.packetdrill.syntax import IpFields
from stack.wire.checksum import fold, internet_checksum, ones_sum, pseudo_header_sum
from stack.wire.icmp import IcmpHeader
from stack.wire.icmpv4 import Icmpv4Header
from stack.wire.icmpv6 import Icmpv6Header
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.protocols import ICMP, ICMPV6, TCP, UDP
from stack.wire.tcp import CHECKSUM_AT as TCP_CHECKSUM_AT
from stack.wire.tcp import TcpHeader, build_header
from stack.wire.udp import CHECKSUM_AT as UDP_CHECKSUM_AT
from stack.wire.udp import UdpHeader

HOP_LIMIT: Final = 255
"""Of packets that arrive and say nothing else."""
_PERIOD: Final = 251
"""A prime: no segment size makes two segments of the pattern look the same."""
_PATTERN: Final = bytes(range(_PERIOD))


def pattern(start: int, length: int) -> bytes:
    """Data that tells where in the stream it belongs."""
    first = start % _PERIOD
    return (_PATTERN * ((first + length) // _PERIOD + 1))[first : first + length]


@dataclass(slots=True)
class LivePacket:
    """A packet as it passed the link."""

    time: int
    inbound: bool
    source: bytes
    destination: bytes
    traffic_class: int
    hop_limit: int
    flow_label: int
    protocol: int
    header: TcpHeader | UdpHeader | IcmpHeader | None
    payload: bytes
    faults: tuple[str, ...] = ()
    """Checksums that are wrong, lengths that do not add up."""

    @property
    def ports(self) -> tuple[int, int] | None:
        """Source and destination port, if it has such."""
        header = self.header
        if isinstance(header, (TcpHeader, UdpHeader)):
            return header.source_port, header.destination_port
        return None


def dissect(raw: bytes, time: int, *, inbound: bool) -> LivePacket:
    """Take a packet apart. Raises Malformed if even that cannot be done."""
    faults: list[str] = []
    flow_label = 0
    if raw[0] >> 4 == 4:
        v4 = Ipv4Header.parse(raw)
        source, destination, protocol = v4.source, v4.destination, v4.protocol
        traffic_class, hop_limit = v4.traffic_class, v4.hop_limit
        offset, end = v4.header_length, v4.total_length
        if v4.more_fragments or v4.fragment_offset:
            faults.append("a fragment")
    else:
        v6 = Ipv6Header.parse(raw)
        source, destination, protocol = v6.source, v6.destination, v6.next_header
        traffic_class, hop_limit, flow_label = v6.traffic_class, v6.hop_limit, v6.flow_label
        offset, end = v6.header_length, v6.header_length + v6.payload_length
    if end != len(raw):
        faults.append(f"{len(raw)} bytes where the IP header says {end}")
    body = raw[offset:end]
    total = ones_sum(body)
    if protocol != ICMP:
        total += pseudo_header_sum(source, destination, protocol, len(body))
    header: TcpHeader | UdpHeader | IcmpHeader | None = None
    payload = body
    if protocol == TCP:
        header = TcpHeader.parse(body)
    elif protocol == UDP:
        header = UdpHeader.parse(body)
    elif protocol in (ICMP, ICMPV6):
        header = (Icmpv4Header if protocol == ICMP else Icmpv6Header).parse(body)
    if header is not None:
        payload = body[header.header_length :]
        if fold(total) != 0xFFFF:
            faults.append("the checksum is wrong")
    return LivePacket(
        time,
        inbound,
        source,
        destination,
        traffic_class,
        hop_limit,
        flow_label,
        protocol,
        header,
        payload,
        tuple(faults),
    )


def build_ip(source: bytes, destination: bytes, protocol: int, body: bytes, fields: IpFields) -> bytes:
    """An IP packet."""
    traffic_class = (fields.traffic_class or 0) | (min(fields.ecn) if fields.ecn else 0)
    hop_limit = HOP_LIMIT if fields.hop_limit is None else fields.hop_limit
    if len(source) == 4:
        v4 = Ipv4Header(
            source,
            destination,
            protocol,
            20 + len(body),
            hop_limit=hop_limit,
            traffic_class=traffic_class,
            dont_fragment=False,
        )
        return v4.build() + body
    v6 = Ipv6Header(
        source, destination, protocol, len(body), hop_limit, traffic_class, fields.flow_label or 0
    )
    return v6.build() + body


def build_tcp(
    source: bytes, destination: bytes, header: TcpHeader, payload: bytes, fields: IpFields
) -> bytes:
    """An IP packet with a TCP segment."""
    body = header.build() + payload
    return build_ip(
        source, destination, TCP, _summed(source, destination, TCP, body, TCP_CHECKSUM_AT), fields
    )


def build_udp(
    source: bytes, destination: bytes, ports: tuple[int, int], payload: bytes, fields: IpFields
) -> bytes:
    """An IP packet with a UDP datagram."""
    body = UdpHeader(*ports, 8 + len(payload)).build() + payload
    return build_ip(
        source, destination, UDP, _summed(source, destination, UDP, body, UDP_CHECKSUM_AT), fields
    )


def build_icmp(
    source: bytes, destination: bytes, header: IcmpHeader, payload: bytes, fields: IpFields
) -> bytes:
    """An IP packet with an ICMP message."""
    body = header.build() + payload
    if len(source) == 16:
        return build_ip(source, destination, ICMPV6, _summed(source, destination, ICMPV6, body, 2), fields)
    body = body[:2] + internet_checksum(body).to_bytes(2) + body[4:]
    return build_ip(source, destination, ICMP, body, fields)


def quote(
    source: bytes, destination: bytes, protocol: int, ports: tuple[int, int], sequence: int, length: int
) -> bytes:
    """The beginning of a packet of ours, as an ICMP error has it: the IP header and 20 octets more."""
    if protocol == TCP:
        transport = build_header(*ports, sequence, 0, 0x10, 0, 0, 0, b"")
        size = len(transport) + length
    elif protocol == UDP:
        transport = UdpHeader(*ports, 8 + length).build()
        size = 8 + length
    else:
        transport = bytes(min(length, 8))
        size = length
    if len(source) == 4:
        header = Ipv4Header(source, destination, protocol, 20 + size, hop_limit=64).build()
    else:
        header = Ipv6Header(source, destination, protocol, size, 64).build()
    return header + transport


def _summed(source: bytes, destination: bytes, protocol: int, body: bytes, at: int) -> bytes:
    total = pseudo_header_sum(source, destination, protocol, len(body)) + ones_sum(body)
    checksum = 0xFFFF - fold(total) or 0xFFFF
    return body[:at] + checksum.to_bytes(2) + body[at + 2 :]
