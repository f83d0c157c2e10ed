"""The virtio-net header, byte by byte (virtio 1.2, 5.1.6; linux/virtio_net.h)."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from links.live.virtio import HEADER_LENGTH, header_of, parse
from stack.link import Checksum, Frame
from stack.wire.tcp import ACK, CWR
from tests.super_segments import MACS, TCP, UDP, super_segment

NEEDS_CSUM, DATA_VALID = 1, 2
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 4, 5, 0x80
ORDER = "<" if sys.byteorder == "little" else ">"


def fields(flags: int, kind: int, headers: int, size: int, start: int, offset: int) -> bytes:
    """Flags, gso_type, hdr_len, gso_size, csum_start, csum_offset."""
    return struct.pack(ORDER + "BBHHHH", flags, kind, headers, size, start, offset)


def test_the_header_has_the_ten_bytes_of_old() -> None:
    assert HEADER_LENGTH == 10


@pytest.mark.parametrize("checksum", [Checksum.COMPLETE, Checksum.VERIFIED])
def test_nothing_is_left_to_do_for_a_complete_frame(checksum: Checksum) -> None:
    assert header_of(Frame(bytes(60), checksum=checksum), 14) == bytes(10)


@pytest.mark.parametrize(
    ("version", "protocol", "kind", "headers", "start", "offset"),
    [
        (4, TCP, GSO_TCPV4, 20 + 20, 20, 16),
        (6, TCP, GSO_TCPV6, 40 + 20, 40, 16),
        (4, UDP, GSO_UDP_L4, 20 + 8, 20, 6),
        (6, UDP, GSO_UDP_L4, 40 + 8, 40, 6),
    ],
)
@pytest.mark.parametrize("link", [0, 14])
def test_what_is_left_to_the_kernel(
    version: int, protocol: int, kind: int, headers: int, start: int, offset: int, link: int
) -> None:
    whole = super_segment(version, protocol, bytes(5000), 1400, macs=MACS if link else None)
    assert header_of(whole, link) == fields(NEEDS_CSUM, kind, link + headers, 1400, link + start, offset)
    whole.segment_size = 0
    assert header_of(whole, link) == fields(NEEDS_CSUM, GSO_NONE, 0, 0, link + start, offset)


def test_options_count_as_headers() -> None:
    whole = super_segment(4, TCP, bytes(5000), 1400, options=bytes(12))
    assert header_of(whole, 0) == fields(NEEDS_CSUM, GSO_TCPV4, 52, 1400, 20, 16)


@pytest.mark.parametrize(("version", "kind"), [(4, GSO_TCPV4), (6, GSO_TCPV6)])
def test_cwr_is_told(version: int, kind: int) -> None:
    whole = super_segment(version, TCP, bytes(5000), 1400, flags=ACK | CWR)
    assert header_of(whole, 0)[1] == kind | GSO_ECN


@given(
    st.sampled_from((4, 6)),
    st.sampled_from((TCP, UDP)),
    st.binary(min_size=1, max_size=4000),
    st.integers(0, 1500),
    st.booleans(),
    st.sampled_from((ACK, ACK | CWR)),
)
def test_what_one_end_writes_the_other_reads(
    version: int, protocol: int, data: bytes, size: int, ethernet: bool, flags: int
) -> None:
    sent = super_segment(version, protocol, data, size, macs=MACS if ethernet else None, flags=flags)
    read = parse(header_of(sent, 14 if ethernet else 0) + bytes(sent))
    assert bytes(read) == bytes(sent)
    for field in ("checksum", "transport", "checksum_at", "segment_size"):
        assert getattr(read, field) == getattr(sent, field)
    if size:
        assert bytes(read.payload) == data, "the headers, and they alone, are in front"


@pytest.mark.parametrize("size", [60, 5000])
def test_a_frame_that_is_complete_is_verified_here_unless_the_kernel_did_it(size: int) -> None:
    data = bytes(range(60)).ljust(size)
    assert parse(bytes(10) + data).checksum is Checksum.COMPLETE
    verified = parse(fields(DATA_VALID, GSO_NONE, 0, 0, 0, 0) + data)
    assert verified.checksum is Checksum.VERIFIED
    assert bytes(verified) == data


def test_the_length_of_the_headers_that_the_kernel_tells_is_a_hint_and_no_more() -> None:
    """A driver must not rely on hdr_len (virtio 1.2, 5.1.6.4)."""
    whole = super_segment(4, TCP, bytes(3000), 1400, options=bytes(12))
    read = parse(fields(NEEDS_CSUM, GSO_TCPV4, 7, 1400, 20, 16) + bytes(whole))
    assert len(read.head) == 52


@pytest.mark.parametrize("kind", [GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4])
@pytest.mark.parametrize(("start", "offset"), [(59, 0), (20, 39), (0xFFFF, 0), (0, 0xFFFF)])
def test_a_checksum_outside_the_frame_is_not_left_undone(kind: int, start: int, offset: int) -> None:
    """A guest's header comes through the kernel; the receiver verifies what it says nothing sensible about."""
    read = parse(fields(NEEDS_CSUM, kind, 0, 1400, start, offset) + bytes(60))
    assert (read.checksum, read.segment_size, bytes(read)) == (Checksum.COMPLETE, 0, bytes(60))


@pytest.mark.parametrize("data_offset", [0, 4, 15])
def test_a_super_segment_needs_a_header_and_data(data_offset: int) -> None:
    frame = bytearray(60)
    frame[20 + 12] = data_offset << 4
    read = parse(fields(NEEDS_CSUM, GSO_TCPV4, 0, 1400, 20, 16) + bytes(frame))
    assert (read.segment_size, bytes(read)) == (0, bytes(frame))
