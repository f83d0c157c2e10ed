from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.link import Checksum, Frame
from stack.wire.checksum import complete, fold, internet_checksum, ones_sum, pseudo_header_sum
from stack.wire.protocols import TCP, UDP
from tests.stack.wire.strategies import bits, v4, v6


def naive(data: bytes) -> int:
    """RFC 1071 section 4.1, step by step."""
    total = 0
    for at in range(0, len(data) - 1, 2):
        total += data[at] << 8 | data[at + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def test_the_example_of_rfc_1071() -> None:
    data = bytes.fromhex("0001 f203 f4f5 f6f7")
    assert fold(ones_sum(data)) == 0xDDF2
    assert internet_checksum(data) == 0x220D


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0xFFFF),
        (bytes(20), 0xFFFF),
        (bytes(2001), 0xFFFF),
        (b"\xff\xff", 0),
        (b"\xff" * 3000, 0),
        (b"\x00\x01\xff\xfe", 0),
        (b"\x01", 0xFEFF),
    ],
)
def test_the_two_zeros(data: bytes, checksum: int) -> None:
    assert internet_checksum(data) == checksum == naive(data)


@given(st.binary(max_size=100) | st.integers(1000, 4099).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
@settings(deadline=None)
def test_it_is_the_sum_of_words_for_any_data_in_any_buffer(data: bytes) -> None:
    expected = naive(data)
    assert internet_checksum(data) == expected
    assert internet_checksum(bytearray(data)) == expected
    assert internet_checksum(memoryview(data)) == expected


@given(st.lists(st.binary(max_size=40).map(lambda some: some[: len(some) & ~1])), st.binary(max_size=41))
def test_it_goes_over_several_buffers(even: list[bytes], last: bytes) -> None:
    assert internet_checksum(*even, last) == naive(b"".join(even) + last)


@given(st.one_of(st.tuples(v4, v4), st.tuples(v6, v6)), bits(8), bits(16))
def test_the_pseudo_header(addresses: tuple[bytes, bytes], protocol: int, length: int) -> None:
    source, destination = addresses
    if len(source) == 4:
        pseudo = source + destination + bytes((0, protocol)) + length.to_bytes(2)
    else:
        pseudo = source + destination + length.to_bytes(4) + bytes((0, 0, 0, protocol))
    if any(pseudo):
        assert pseudo_header_sum(source, destination, protocol, length) == 0xFFFF - naive(pseudo)


@given(bits(16), bits(112), st.binary(max_size=50), st.binary(max_size=1601))
def test_a_partial_frame_is_completed(partial: int, before: int, header: bytes, payload: bytes) -> None:
    link = before.to_bytes(14)
    head = link + partial.to_bytes(2) + header[: len(header) & ~1]
    frame = Frame(memoryview(head), payload, Checksum.PARTIAL, transport=14, checksum_at=14)
    done = complete(frame)
    assert done.checksum is Checksum.COMPLETE
    assert done.payload is payload
    assert bytes(done.head[:14]) == link
    assert bytes(frame.head) == head
    # A transport that holds its checksum sums up to what is not in it: the pseudo-header, subtracted.
    field = int.from_bytes(done.head[14:16])
    rest = bytes(done.head[16:]) + payload
    assert field == naive(partial.to_bytes(2) + rest)


def test_a_completed_udp_datagram_verifies() -> None:
    source, destination = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    total = pseudo_header_sum(source, destination, UDP, 13)
    head = bytes.fromhex("1234 0035 000d") + total.to_bytes(2)
    done = complete(Frame(head, b"hello", Checksum.PARTIAL, transport=0, checksum_at=6))
    assert internet_checksum(source + destination + bytes((0, UDP, 0, 13)), done.head, done.payload) == 0


@pytest.mark.parametrize(("checksum_at", "written"), [(6, b"\xff\xff"), (16, b"\0\0"), (2, b"\0\0")])
def test_a_checksum_of_zero_is_written_as_all_ones_by_udp_alone(checksum_at: int, written: bytes) -> None:
    frame = Frame(bytes(18) + b"\xff\xff", b"", Checksum.PARTIAL, transport=0, checksum_at=checksum_at)
    assert complete(frame).head[checksum_at : checksum_at + 2] == written


@pytest.mark.parametrize("checksum", [Checksum.COMPLETE, Checksum.VERIFIED])
def test_nothing_to_complete(checksum: Checksum) -> None:
    frame = Frame(b"\x12\x34", b"", checksum)
    assert complete(frame) is frame


def test_the_pseudo_header_of_a_real_segment() -> None:
    """A SYN as RFC 9293's header diagram lays it out; the checksum by hand."""
    source, destination = bytes((192, 168, 0, 1)), bytes((192, 168, 0, 199))
    segment = bytes.fromhex("d431 0050 0000 0000 0000 0000 5002 ffff 0000 0000")
    words = [0xC0A8, 0x0001, 0xC0A8, 0x00C7, TCP, 20, 0xD431, 0x0050, 0x5002, 0xFFFF]
    total = sum(words)
    expected = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    assert 0xFFFF - fold(pseudo_header_sum(source, destination, TCP, 20) + ones_sum(segment)) == expected
