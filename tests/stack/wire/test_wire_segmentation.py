"""Super-segments cut into packets, with scapy as the oracle that builds each packet by itself."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.link import Checksum
from stack.wire.address import format_address, format_mac
from stack.wire.checksum import complete
from stack.wire.ethernet import VlanTag
from stack.wire.segmentation import segments
from stack.wire.tcp import ACK, CWR, ECE, FIN, PSH, URG
from tests.stack.wire.strategies import bits
from tests.super_segments import ADDRESSES, MACS, TCP, UDP, super_segment

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers import inet, inet6, l2
    from scapy.packet import Raw

families = st.sampled_from((4, 6))
protocols = st.sampled_from((TCP, UDP))
TIMESTAMP = bytes.fromhex("0101080a0001020300040506")


def by_scapy(
    version: int,
    protocol: int,
    data: bytes,
    at: int,
    size: int,
    fields: dict[str, Any],
    *,
    ethernet: bool,
    tags: tuple[VlanTag, ...],
) -> bytes:
    """The packet with the data from ``at``."""
    source, destination = map(format_address, ADDRESSES[version])
    piece, last = data[at : at + size], at + size >= len(data)
    layers: Any
    if version == 4:
        layers = inet.IP(
            src=source,
            dst=destination,
            id=(fields["identification"] + at // size) & 0xFFFF,
            flags="DF" if fields["dont_fragment"] else 0,
            ttl=fields["hop_limit"],
            tos=fields["traffic_class"],
            proto=protocol,
        )
    else:
        layers = inet6.IPv6(
            src=source, dst=destination, hlim=fields["hop_limit"], tc=fields["traffic_class"], nh=protocol
        )
    if protocol == TCP:
        flags = fields["flags"]
        if not last:
            flags &= ~(PSH | FIN)
        if at:
            flags &= ~CWR
        layers /= inet.TCP(
            sport=1000,
            dport=2000,
            seq=(fields["sequence"] + at) & 0xFFFFFFFF,
            ack=77,
            window=5000,
            flags=flags,
            options=[("NOP", None), ("NOP", None), ("Timestamp", (0x10203, 0x40506))]
            if fields["options"]
            else [],
        )
    else:
        layers /= inet.UDP(sport=1000, dport=2000)
    layers /= Raw(piece)
    if ethernet:
        link: Any = l2.Ether(dst=format_mac(MACS[0]), src=format_mac(MACS[1]))
        for tag in tags:
            link /= l2.Dot1Q(vlan=tag.identifier, prio=tag.priority)
        layers = link / layers
    return bytes(layers)


@settings(deadline=None, max_examples=60)
@given(
    version=families,
    protocol=protocols,
    data=st.binary(min_size=1, max_size=3000),
    size=st.integers(60, 1500),
    ethernet=st.booleans(),
    tagged=st.booleans(),
    in_head=st.booleans(),
    identification=bits(16),
    dont_fragment=st.booleans(),
    hop_limit=st.integers(1, 255),
    traffic_class=bits(8),
    sequence=bits(32),
    flags=st.sets(st.sampled_from((FIN, PSH, CWR, ECE, URG))).map(lambda flags: ACK | sum(flags)),
    options=st.sampled_from((b"", TIMESTAMP)),
)
def test_each_packet_is_what_it_would_be_by_itself(
    version: int,
    protocol: int,
    data: bytes,
    size: int,
    ethernet: bool,
    tagged: bool,
    in_head: bool,
    **fields: Any,
) -> None:
    tags = (VlanTag(42, 5),) if tagged and ethernet else ()
    macs = MACS if ethernet else None
    whole = super_segment(version, protocol, data, size, macs=macs, tags=tags, in_head=in_head, **fields)
    start = (14 + 4 * len(tags)) if ethernet else 0
    pieces = list(segments(whole, start))
    assert len(pieces) == -(-len(data) // size)
    for number, piece in enumerate(pieces):
        assert piece.checksum is Checksum.PARTIAL
        assert piece.segment_size == 0
        expected = by_scapy(
            version, protocol, data, number * size, size, fields, ethernet=ethernet, tags=tags
        )
        assert bytes(complete(piece)) == expected


@pytest.mark.shows("RFC 3168 6.1.2")
def test_push_and_fin_are_said_last_and_cwr_first() -> None:
    whole = super_segment(4, TCP, bytes(30), 10, flags=ACK | PSH | FIN | CWR | ECE)
    assert [bytes(piece)[33] for piece in segments(whole, 0)] == [
        ACK | CWR | ECE,
        ACK | ECE,
        ACK | PSH | FIN | ECE,
    ]


def test_identifications_and_sequence_numbers_wrap() -> None:
    whole = super_segment(4, TCP, bytes(30), 10, identification=0xFFFF, sequence=0xFFFFFFF6)
    packets = [bytes(piece) for piece in segments(whole, 0)]
    assert [int.from_bytes(packet[4:6]) for packet in packets] == [0xFFFF, 0, 1]
    assert [int.from_bytes(packet[24:28]) for packet in packets] == [0xFFFFFFF6, 0, 10]


def test_the_data_are_not_copied() -> None:
    data = bytes(5000)
    for piece in segments(super_segment(6, TCP, data, 1440), 0):
        assert isinstance(piece.payload, memoryview)
        assert piece.payload.obj is data
