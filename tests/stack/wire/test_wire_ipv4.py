from __future__ import annotations

import pytest

from stack.wire.checksum import internet_checksum
from stack.wire.errors import Malformed
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv4_options import (
    COPIED,
    LOOSE_SOURCE_ROUTE,
    RECORD_ROUTE,
    ROUTER_ALERT,
    STRICT_SOURCE_ROUTE,
    TIMESTAMP,
    RouteOption,
    RouterAlertOption,
    TimestampOption,
    build_options,
    iterate_options,
    parse_options,
)
from stack.wire.options import Option

A, B = b"\xc0\xa8\x00\x01", b"\xc0\xa8\x00\xc7"
KNOWN = bytes.fromhex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7")


def with_checksum(raw: bytearray) -> bytearray:
    raw[10:12] = bytes(2)
    raw[10:12] = internet_checksum(raw).to_bytes(2)
    return raw


def test_a_known_header() -> None:
    header = Ipv4Header.parse(KNOWN)
    assert header == Ipv4Header(A, B, 17, 115, dont_fragment=True, checksum=0xB861)
    assert header.header_length == 20
    header.checksum = None
    assert header.build() == KNOWN


def test_a_fragment_counts_in_bytes() -> None:
    header = Ipv4Header(A, B, 17, 28, identification=7, more_fragments=True, fragment_offset=1480)
    raw = header.build()
    assert raw[6:8] == bytes.fromhex("20b9")
    assert Ipv4Header.parse(raw).fragment_offset == 1480


def test_a_kept_checksum_is_not_recomputed() -> None:
    assert Ipv4Header(A, B, 17, 115, checksum=0x1234).build()[10:12] == b"\x12\x34"


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 0x65, "ipv4.bad_version"),
        (0, 0x44, "ipv4.bad_length"),
        (3, 19, "ipv4.bad_length"),
        (0, 0x46, "ipv4.truncated"),
    ],
)
def test_impossible_headers(at: int, value: int, reason: str) -> None:
    raw = bytearray(KNOWN)
    raw[at] = value
    with pytest.raises(Malformed, match=reason) as caught:
        Ipv4Header.parse(with_checksum(raw))
    assert caught.value.reason == reason


@pytest.mark.parametrize("at", range(20))
def test_one_wrong_bit_anywhere_is_noticed(at: int) -> None:
    raw = bytearray(KNOWN)
    raw[at] ^= 0x01
    with pytest.raises(Malformed):
        Ipv4Header.parse(raw)


def test_wrong_bits_in_options_are_noticed() -> None:
    raw = bytearray(Ipv4Header(A, B, 17, 24, options=b"\x94\x04\x00\x00").build())
    raw[23] ^= 0x80
    with pytest.raises(Malformed, match=r"ipv4.bad_checksum"):
        Ipv4Header.parse(raw)


@pytest.mark.parametrize("size", [1, 3, 41, 44])
def test_options_that_do_not_fit(size: int) -> None:
    with pytest.raises(ValueError, match="IPv4 options"):
        Ipv4Header(A, B, 17, 100, options=bytes(size)).build()


def test_every_option_is_understood() -> None:
    raw = bytes.fromhex("01 070b08 0a000001 00000000  8307 04 0a000002  4408 05 31 00000000  9404 0000")
    assert list(iterate_options(raw)) == [
        (0, Option(1)),
        (1, RouteOption(RECORD_ROUTE, 8, b"\x0a\0\0\x01" + bytes(4))),
        (12, RouteOption(LOOSE_SOURCE_ROUTE, 4, b"\x0a\0\0\x02")),
        (19, TimestampOption(5, 3, 1, bytes(4))),
        (27, RouterAlertOption()),
    ]
    options = parse_options(raw)
    assert [option.kind for option in options] == [
        1,
        RECORD_ROUTE,
        LOOSE_SOURCE_ROUTE,
        TIMESTAMP,
        ROUTER_ALERT,
    ]
    assert [bool(option.kind & COPIED) for option in options] == [False, False, True, False, True]
    assert build_options(options) == raw + bytes(1)


def test_a_route() -> None:
    route = RouteOption(STRICT_SOURCE_ROUTE, 8, A + B)
    assert route.addresses == (A, B)
    assert not route.is_exhausted
    assert RouteOption(STRICT_SOURCE_ROUTE, 12, A + B).is_exhausted


def test_unknown_options_and_whatever_follows_the_end_survive() -> None:
    raw = bytes.fromhex("82 09 01020304050607 00 ff 9e")
    options = parse_options(raw)
    assert options == (Option(0x82, bytes(range(1, 8))), Option(0, b"\xff\x9e"))
    assert build_options(options) == raw


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ("94", 0),
        ("9400", 1),
        ("9401", 1),
        ("01 9405 0000", 2),
        ("9403 00", 1),
        ("0702", 1),
        ("010703 03", 3),
        ("4403 05", 1),
        ("4404 04 00", 2),
    ],
)
def test_an_impossible_option_is_pointed_at(raw: str, pointer: int) -> None:
    with pytest.raises(Malformed) as caught:
        parse_options(bytes.fromhex(raw))
    assert (caught.value.reason, caught.value.pointer) == ("ipv4.bad_option", pointer)
