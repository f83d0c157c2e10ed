"""Super-segments for tests: as TCP or a kernel hands them to a link."""

from __future__ import annotations

from stack.link import Checksum, Frame
from stack.wire import tcp
from stack.wire.address import parse_address
from stack.wire.checksum import pseudo_header_sum
from stack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader, VlanTag
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.protocols import TCP, UDP
from stack.wire.udp import UdpHeader

MACS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ADDRESSES = {
    4: (parse_address("10.0.0.2"), parse_address("10.0.0.1")),
    6: (parse_address("fd00::2"), parse_address("fd00::1")),
}
"""Source and destination."""


def super_segment(
    version: int,
    protocol: int,
    data: bytes,
    size: int,
    *,
    addresses: tuple[bytes, bytes] | None = None,
    macs: tuple[bytes, bytes] | None = None,
    tags: tuple[VlanTag, ...] = (),
    in_head: bool = False,
    identification: int = 0,
    dont_fragment: bool = True,
    hop_limit: int = 64,
    traffic_class: int = 0,
    sequence: int = 0,
    acknowledgment: int = 77,
    flags: int = tcp.ACK,
    options: bytes = b"",
    ports: tuple[int, int] = (1000, 2000),
) -> Frame:
    """``macs`` (destination, source): behind an Ethernet header. ``in_head``: the data as well as the headers."""
    source, destination = addresses or ADDRESSES[version]
    header_length = tcp.MIN_HEADER_LENGTH + len(options) if protocol == TCP else 8
    length = header_length + len(data)
    total = pseudo_header_sum(source, destination, protocol, length)
    if protocol == TCP:
        transport = tcp.build_header(*ports, sequence, acknowledgment, flags, 5000, total, 0, options)
    else:
        transport = UdpHeader(*ports, length, total).build()
    ip: bytes
    if version == 4:
        ip = Ipv4Header(
            source,
            destination,
            protocol,
            20 + length,
            identification,
            dont_fragment=dont_fragment,
            hop_limit=hop_limit,
            traffic_class=traffic_class,
        ).build()
    else:
        ip = Ipv6Header(
            source, destination, protocol, length, hop_limit=hop_limit, traffic_class=traffic_class
        ).build()
    link = b""
    if macs is not None:
        ethertype = ETHERTYPE_IPV4 if version == 4 else ETHERTYPE_IPV6
        link = EthernetHeader(*macs, ethertype, tags).build()
    head = link + ip + transport
    at = len(link + ip)
    checksum_at = at + (16 if protocol == TCP else 6)
    if in_head:
        return Frame(head + data, b"", Checksum.PARTIAL, at, checksum_at, size)
    return Frame(head, data, Checksum.PARTIAL, at, checksum_at, size)


__all__ = ["ADDRESSES", "MACS", "TCP", "UDP", "super_segment"]
