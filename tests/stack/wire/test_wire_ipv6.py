from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.wire.errors import Malformed
from stack.wire.ipv6 import NEXT_HEADER_AT, Ipv6Header
from stack.wire.ipv6_extensions import (
    EXTENSION_HEADERS,
    MAX_EXTENSIONS,
    Extension,
    FragmentHeader,
    HeaderChain,
    Ipv6Option,
    OptionsHeader,
    RoutingHeader,
    UnrecognizedAction,
    build_options,
    iterate_options,
    pad_options,
    walk,
)
from stack.wire.protocols import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    ICMPV6,
    NO_NEXT_HEADER,
    ROUTING,
    TCP,
    UDP,
)

A, B = bytes(15) + b"\x01", bytes(15) + b"\x02"
PADDING = b"\x01\x04\x00\x00\x00\x00"


def options(next_header: int) -> bytes:
    return OptionsHeader(next_header, PADDING).build()


def routing(next_header: int) -> bytes:
    return RoutingHeader(next_header, 253, 0, bytes(4)).build()


def fragment(next_header: int, offset: int = 0, more: bool = False) -> bytes:
    return FragmentHeader(next_header, offset, more, 1).build()


def chain(first: int, *parts: bytes) -> HeaderChain:
    """What a host finds behind an IPv6 header at the start of the buffer."""
    payload = b"".join(parts)
    packet = Ipv6Header(A, B, first, len(payload)).build() + payload
    return walk(packet, 40, len(packet), first, NEXT_HEADER_AT)


def rejection(first: int, *parts: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        chain(first, *parts)
    return caught.value.reason


def test_a_known_header() -> None:
    raw = bytes.fromhex("60a12345 0014 06 40") + A + B
    header = Ipv6Header.parse(raw)
    assert header == Ipv6Header(A, B, TCP, 20, 64, 0x0A, 0x12345)
    assert header.build() == raw


def test_what_is_not_given_is_zero_but_for_the_hop_limit() -> None:
    assert Ipv6Header(A, B, TCP, 20).build() == bytes.fromhex("60000000 0014 06 40") + A + B


def test_another_version() -> None:
    with pytest.raises(Malformed, match=r"ipv6.bad_version"):
        Ipv6Header.parse(b"\x45" + bytes(39))


def test_no_extension_headers() -> None:
    assert chain(TCP, bytes(20)) == HeaderChain((), TCP, 6, 40)


def test_the_order_that_rfc_8200_recommends() -> None:
    found = chain(
        HOP_BY_HOP, options(DESTINATION_OPTIONS), options(ROUTING), routing(FRAGMENT), fragment(DESTINATION_OPTIONS),
        options(UDP), bytes(8),
    )  # fmt: skip
    assert [extension.protocol for extension in found.extensions] == [
        HOP_BY_HOP,
        DESTINATION_OPTIONS,
        ROUTING,
        FRAGMENT,
        DESTINATION_OPTIONS,
    ]
    assert found.extensions[-1] == Extension(DESTINATION_OPTIONS, 72, 80)
    assert (found.protocol, found.protocol_at, found.offset) == (UDP, 72, 80)
    assert found.fragment == FragmentHeader(DESTINATION_OPTIONS, 0, False, 1)
    assert found.fragment.is_atomic
    assert (found.fragment_at, found.fragment_named_at) == (64, 56)


def test_a_long_header_is_stepped_over() -> None:
    long = OptionsHeader(ICMPV6, pad_options(bytes(300))).build()
    assert chain(DESTINATION_OPTIONS, long, bytes(8)).offset == 40 + len(long) == 40 + 304


def test_an_unknown_next_header_is_pointed_at() -> None:
    found = chain(DESTINATION_OPTIONS, options(ROUTING), routing(253))
    assert (found.protocol, found.protocol_at, found.offset) == (253, 48, 56)


def test_hop_by_hop_options_out_of_place_are_an_unknown_header() -> None:
    """RFC 8200 section 4: zero is recognised in the IPv6 header only."""
    found = chain(DESTINATION_OPTIONS, options(HOP_BY_HOP), options(TCP))
    assert (found.protocol, found.protocol_at, found.offset) == (HOP_BY_HOP, 40, 48)


def test_a_later_fragment_ends_the_chain() -> None:
    """What follows is data, whatever it looks like."""
    found = chain(FRAGMENT, fragment(DESTINATION_OPTIONS, 1448), b"\xff" * 8)
    assert found.fragment == FragmentHeader(DESTINATION_OPTIONS, 1448, False, 1)
    assert (found.protocol, found.protocol_at, found.offset) == (DESTINATION_OPTIONS, 40, 48)


def test_a_second_fragment_header_ends_the_chain() -> None:
    found = chain(FRAGMENT, fragment(FRAGMENT, 0, True), fragment(UDP, 0, True), bytes(8))
    assert (found.protocol, found.protocol_at, found.offset) == (FRAGMENT, 40, 48)


@pytest.mark.parametrize(
    ("protocol", "least"), [(TCP, 20), (UDP, 8), (ICMPV6, 8), (132, 1), (NO_NEXT_HEADER, 0)]
)
def test_a_first_fragment_holds_the_whole_chain(protocol: int, least: int) -> None:
    """RFC 7112 section 5, the upper layer's header included."""
    assert chain(FRAGMENT, fragment(protocol, 0, True), bytes(least)).protocol == protocol
    for size in range(least):
        assert rejection(FRAGMENT, fragment(protocol, 0, True), bytes(size)) == "ipv6.incomplete_chain"


def test_a_first_fragment_that_ends_in_an_extension_header() -> None:
    first = fragment(DESTINATION_OPTIONS, 0, True)
    assert rejection(FRAGMENT, first) == "ipv6.incomplete_chain"
    assert rejection(FRAGMENT, first, bytes((TCP, 1)) + PADDING) == "ipv6.incomplete_chain"
    assert rejection(FRAGMENT, fragment(DESTINATION_OPTIONS), bytes((TCP, 1)) + PADDING) == "ipv6.truncated"


@pytest.mark.parametrize("first", sorted(EXTENSION_HEADERS))
def test_a_packet_that_ends_in_an_extension_header(first: int) -> None:
    assert rejection(first, bytes(7)) == "ipv6.truncated"


def test_the_bound_on_extension_headers() -> None:
    parts = [options(DESTINATION_OPTIONS) for _ in range(MAX_EXTENSIONS - 1)]
    assert len(chain(DESTINATION_OPTIONS, *parts, options(TCP)).extensions) == MAX_EXTENSIONS
    assert (
        rejection(DESTINATION_OPTIONS, *parts, options(ROUTING), routing(TCP)) == "ipv6.too_many_extensions"
    )


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from(sorted(EXTENSION_HEADERS)),
    st.lists(st.sampled_from((0, 6, 17, 43, 44, 58, 59, 60, 1, 0x80)), max_size=120).map(bytes) | st.binary(),
)
def test_a_walk_over_any_bytes_ends_within_them(first: int, payload: bytes) -> None:
    packet = bytes(40) + payload
    try:
        found = walk(packet, 40, len(packet), first, NEXT_HEADER_AT)
    except Malformed as malformed:
        reasons = ("ipv6.truncated", "ipv6.incomplete_chain", "ipv6.too_many_extensions")
        if malformed.reason not in reasons:
            raise
        return
    ends = [40, *(extension.end for extension in found.extensions)]
    assert [extension.start for extension in found.extensions] == ends[:-1]
    assert found.offset == ends[-1] <= len(packet)
    assert len(found.extensions) <= MAX_EXTENSIONS
    if found.extensions:
        assert found.protocol == packet[found.protocol_at]


def test_options_and_what_to_do_when_they_are_unknown() -> None:
    raw = bytes.fromhex("00 0100 05020000 1e00 5e00 9e0101 de020203")
    found = list(iterate_options(raw))
    assert [at for at, _ in found] == [0, 1, 3, 7, 9, 11, 14]
    assert found[2][1] == Ipv6Option(5, bytes(2))
    assert [option.unrecognized_action for _, option in found[3:]] == [
        UnrecognizedAction.SKIP,
        UnrecognizedAction.DISCARD,
        UnrecognizedAction.REPORT,
        UnrecognizedAction.REPORT_UNLESS_MULTICAST,
    ]
    assert build_options(option for _, option in found) == raw


@pytest.mark.parametrize(("raw", "pointer"), [("05", 0), ("0001", 1), ("0005030000", 2)])
def test_an_option_past_the_end_is_pointed_at(raw: str, pointer: int) -> None:
    with pytest.raises(Malformed) as caught:
        list(iterate_options(bytes.fromhex(raw)))
    assert (caught.value.reason, caught.value.pointer) == ("ipv6.bad_option", pointer)


@pytest.mark.parametrize("size", range(17))
def test_padding_makes_a_whole_header(size: int) -> None:
    raw = build_options([Ipv6Option(0)] * size)
    header = OptionsHeader(TCP, pad_options(raw))
    assert header.header_length % 8 == 0
    assert header.header_length < 2 + size + 8
    assert OptionsHeader.parse(header.build()) == header
    assert all(option.kind in (0, 1) for _, option in iterate_options(header.options))


@pytest.mark.parametrize("size", [0, 7, 2048 + 6])
def test_headers_of_an_impossible_size(size: int) -> None:
    with pytest.raises(ValueError, match="6 modulo 8"):
        OptionsHeader(TCP, bytes(size)).build()
    with pytest.raises(ValueError, match="6 modulo 8"):
        RoutingHeader(TCP, 0, 0, bytes(max(0, size - 2))).build()
