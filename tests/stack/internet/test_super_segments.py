"""Super-segments on their way through a host: whole where they can be, cut where they must be, and refused like
packets where their packets would be."""

from __future__ import annotations

import socket
from random import Random
from typing import Any

import pytest

from stack.config import HostConfig, IpConfig
from stack.link import Checksum, Frame, Medium, Offload
from stack.wire.address import format_address
from stack.wire.checksum import complete, internet_checksum, pseudo_header_sum
from stack.wire.ethernet import VlanTag
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.segmentation import segments
from stack.wire.tcp import TcpHeader
from tests.stack.internet.lab import HOST_MAC, STATION_MAC, Bench, End
from tests.super_segments import TCP, UDP, super_segment

ROUTER = HostConfig(ip=IpConfig(forwarding=True))
NEXT_MAC = bytes.fromhex("02000000000c")
VERSIONS = pytest.mark.parametrize("version", [4, 6])
PROTOCOLS = pytest.mark.parametrize("protocol", [TCP, UDP], ids=["tcp", "udp"])
DATA = Random(1).randbytes(14_000)
SIZE = 1400
WHOLE = 65535
BEYOND = {4: bytes((10, 0, 1, 9)), 6: bytes.fromhex("fd01") + bytes(13) + b"\x09"}
HERE = {4: bytes((10, 0, 0, 1)), 6: bytes.fromhex("fd00") + bytes(13) + b"\x01"}
STATION = {4: bytes((10, 0, 0, 2)), 6: bytes.fromhex("fd00") + bytes(13) + b"\x02"}


class Router(Bench):
    """Between a link that hands over super-segments, and one that takes those of up to ``segmentation`` bytes."""

    def __init__(
        self, *, segmentation: int = 0, checksum: bool = False, mtu: int = 1500, medium: Medium = Medium.IP
    ) -> None:
        super().__init__(ROUTER, offload=True)
        self.out = End(self.clock, mtu=mtu, medium=medium)
        self.out.offload = Offload(checksum=checksum or segmentation > 0, segmentation=segmentation)
        addresses = ["10.0.1.1/24", "fd01::1/64"] if mtu >= 1280 else ["10.0.1.1/24"]
        self.eth1 = self.host.add_interface("eth1", self.out, addresses=addresses)
        if medium is Medium.ETHERNET:
            for address in BEYOND.values():
                neighbour = self.eth1.neighbours.entry(address)
                neighbour.heard(NEXT_MAC)
                neighbour.confirm(self.clock.now())
        self.out.sent.clear()

    def forward(
        self, version: int, protocol: int, data: bytes = DATA, size: int = SIZE, **fields: Any
    ) -> None:
        frame = super_segment(
            version,
            protocol,
            data,
            size,
            addresses=(STATION[version], BEYOND[version]),
            macs=(HOST_MAC, STATION_MAC),
            **fields,
        )
        self.end.deliver(frame)


def body_of(packet: bytes) -> bytes:
    """The data of a TCP or UDP packet whose checksums are right."""
    if packet[0] >> 4 == 4:
        ip = Ipv4Header.parse(packet)
        assert internet_checksum(packet[: ip.header_length]) == 0
        assert ip.total_length == len(packet)
        protocol, body = ip.protocol, packet[ip.header_length :]
        source, destination = ip.source, ip.destination
    else:
        ip6 = Ipv6Header.parse(packet)
        assert ip6.payload_length == len(packet) - 40
        protocol, body = ip6.next_header, packet[40:]
        source, destination = ip6.source, ip6.destination
    total = pseudo_header_sum(source, destination, protocol, len(body))
    assert internet_checksum(total.to_bytes(2), body) == 0
    return body[TcpHeader.parse(body).header_length :] if protocol == TCP else body[8:]


def packets(end: End) -> list[bytes]:
    """IP packets that were sent on a bare IP link, each with its checksums done; none is a super-segment."""
    frames, end.sent = end.sent, []
    assert all(frame.segment_size == 0 and frame.checksum is Checksum.COMPLETE for frame in frames)
    return [bytes(frame) for frame in frames]


def whole(frame: Frame, start: int) -> list[Frame]:
    """The packets of a super-segment, with their checksums."""
    return [complete(piece) for piece in segments(frame, start)]


def pieces() -> list[bytes]:
    return [DATA[at : at + SIZE] for at in range(0, len(DATA), SIZE)]


# --- forwarding


@VERSIONS
@PROTOCOLS
@pytest.mark.parametrize("medium", list(Medium))
def test_it_goes_on_whole_where_the_next_link_segments(version: int, protocol: int, medium: Medium) -> None:
    lab = Router(segmentation=WHOLE, medium=medium)
    lab.forward(version, protocol, hop_limit=9)
    (frame,) = lab.out.sent
    start = 14 if medium is Medium.ETHERNET else 0
    assert (frame.segment_size, frame.checksum) == (SIZE, Checksum.PARTIAL)
    assert bytes(frame)[start + (8 if version == 4 else 7)] == 8
    assert bytes(frame)[-len(DATA) :] == DATA
    assert [body_of(bytes(piece)[start:]) for piece in whole(frame, start)] == pieces()


@VERSIONS
@PROTOCOLS
@pytest.mark.parametrize("checksum", [True, False])
def test_it_is_cut_where_the_next_link_does_not_segment(version: int, protocol: int, checksum: bool) -> None:
    lab = Router(checksum=checksum)
    lab.forward(version, protocol, hop_limit=9, identification=0xFFFE, dont_fragment=False)
    if checksum:
        assert all(frame.checksum is Checksum.PARTIAL for frame in lab.out.sent)
        lab.out.sent = [complete(frame) for frame in lab.out.sent]
    sent = packets(lab.out)
    assert [body_of(packet) for packet in sent] == pieces()
    if version == 4:
        headers = [Ipv4Header.parse(packet) for packet in sent]
        assert [header.identification for header in headers] == [(0xFFFE + n) & 0xFFFF for n in range(10)]
        assert {header.hop_limit for header in headers} == {8}
    assert lab.host.counters[f"ipv{version}.forwarded"] == 1


@VERSIONS
def test_it_is_cut_where_it_is_longer_than_the_next_link_takes(version: int) -> None:
    lab = Router(segmentation=8000)
    lab.forward(version, TCP)
    assert all(frame.segment_size == 0 for frame in lab.out.sent)
    assert [body_of(bytes(complete(frame))) for frame in lab.out.sent] == pieces()


@VERSIONS
@pytest.mark.parametrize("in_head", [True, False])
def test_a_tag_and_data_behind_the_headers_make_no_difference(version: int, in_head: bool) -> None:
    lab = Router()
    lab.forward(version, TCP, tags=(VlanTag(0, 3),), in_head=in_head)
    assert [body_of(packet) for packet in packets(lab.out)] == pieces()


@pytest.mark.shows("RFC 1191 4")
def test_ipv4_that_must_not_be_fragmented_is_reported_for_each_packet() -> None:
    lab = Router(segmentation=WHOLE, mtu=1000)
    lab.forward(4, TCP, DATA[: 3 * SIZE])
    assert lab.out.sent == []
    reports = lab.sent()
    assert [(seen.icmp.type, seen.icmp.code, seen.icmp.rest) for seen in reports] == [(3, 4, 1000)] * 3
    quotes = [int.from_bytes(seen.quote[24:28]) for seen in reports]
    assert quotes == [0, SIZE, 2 * SIZE], "the sender finds its segments"
    assert lab.dropped() == ["ipv4.too_big"] * 3


def test_ipv4_that_may_be_fragmented_is_cut_into_packets_and_those_into_fragments() -> None:
    lab = Router(segmentation=WHOLE, mtu=1000)
    lab.forward(4, UDP, DATA[: 2 * SIZE], dont_fragment=False, identification=5)
    headers = [Ipv4Header.parse(packet) for packet in packets(lab.out)]
    assert [(h.identification, h.more_fragments, h.fragment_offset) for h in headers] == [
        (5, True, 0),
        (5, False, 976),
        (6, True, 0),
        (6, False, 976),
    ]


def test_ipv6_that_does_not_fit_is_reported() -> None:
    lab = Router(segmentation=WHOLE, mtu=1300)
    lab.forward(6, TCP)
    assert lab.out.sent == []
    icmp = lab.one().icmp
    assert (icmp.type, icmp.code, icmp.rest) == (2, 0, 1300)
    assert lab.dropped() == ["ipv6.too_big"]


@VERSIONS
@PROTOCOLS
def test_packets_that_just_fit_pass(version: int, protocol: int) -> None:
    headers = (20 if version == 4 else 40) + (20 if protocol == TCP else 8)
    lab = Router(segmentation=WHOLE, mtu=headers + SIZE)
    lab.forward(version, protocol)
    assert [frame.segment_size for frame in lab.out.sent] == [SIZE]


@VERSIONS
def test_what_would_fit_whole_is_still_several_packets(version: int) -> None:
    lab = Router()
    lab.forward(version, UDP, DATA[:1000], 300)
    assert [body_of(packet) for packet in packets(lab.out)] == [
        DATA[start : start + 300] if start < 900 else DATA[900:1000] for start in range(0, 1000, 300)
    ]


# --- to this host


@VERSIONS
def test_datagrams_are_handed_over_one_by_one(version: int) -> None:
    lab = Bench(offload=True)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    receiver = lab.host.sockets.socket(family, socket.SOCK_DGRAM)
    receiver.bind((format_address(HERE[version]), 2000))
    lab.end.deliver(
        super_segment(
            version,
            UDP,
            DATA[:4000],
            SIZE,
            addresses=(STATION[version], HERE[version]),
            macs=(HOST_MAC, STATION_MAC),
        )
    )
    assert [receiver.recv(2000) for _ in range(3)] == [
        DATA[:SIZE],
        DATA[SIZE : 2 * SIZE],
        DATA[2 * SIZE : 4000],
    ]
    with pytest.raises(BlockingIOError):
        receiver.recv(2000)
