"""What is true of every header: the bytes survive, and no bytes whatever can do harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.wire import icmpv4, icmpv6, ipv4_options, ipv6_extensions, ndp, ndp_options, tcp
from stack.wire.arp import ArpPacket
from stack.wire.checksum import internet_checksum
from stack.wire.errors import Malformed
from stack.wire.ethernet import EthernetHeader
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.udp import UdpHeader
from tests.stack.wire import strategies as make

HEADERS: dict[str, tuple[Callable[..., Any], st.SearchStrategy[Any]]] = {
    "ethernet": (EthernetHeader.parse, make.ethernet_headers),
    "arp": (ArpPacket.parse, make.arp_packets),
    "ipv4": (Ipv4Header.parse, make.ipv4_headers),
    "ipv6": (Ipv6Header.parse, make.ipv6_headers),
    "ipv6 options": (ipv6_extensions.OptionsHeader.parse, make.options_headers),
    "ipv6 routing": (ipv6_extensions.RoutingHeader.parse, make.routing_headers),
    "ipv6 fragment": (ipv6_extensions.FragmentHeader.parse, make.fragment_headers),
    "icmpv4": (icmpv4.Icmpv4Header.parse, make.icmpv4_headers),
    "icmpv4 timestamp": (icmpv4.TimestampTimes.parse, make.timestamp_times),
    "icmpv6": (icmpv6.Icmpv6Header.parse, make.icmpv6_headers),
    "ndp": (ndp.parse_message, make.ndp_messages),
    "udp": (UdpHeader.parse, make.udp_headers),
    "tcp": (tcp.TcpHeader.parse, make.tcp_headers),
}
every_header = pytest.mark.parametrize(("parse", "headers"), HEADERS.values(), ids=HEADERS)


def outcome(parse: Callable[..., Any], *arguments: Any) -> Any:
    """The header, or the rejection."""
    try:
        return parse(*arguments)
    except Malformed as malformed:
        return malformed


@every_header
@settings(deadline=None)
@given(data=st.data())
def test_a_header_survives_the_wire(
    parse: Callable[..., Any], headers: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    header = data.draw(headers)
    raw = header.build()
    parsed = parse(raw)
    if isinstance(header, Ipv4Header):
        header.checksum = parsed.checksum
    assert parsed == header
    assert parsed.build() == raw
    if hasattr(parsed, "header_length"):
        assert parsed.header_length == len(raw)


@every_header
@settings(deadline=None, max_examples=50)
@given(data=st.data(), before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_it_is_found_anywhere_in_any_kind_of_buffer(
    parse: Callable[..., Any],
    headers: st.SearchStrategy[Any],
    data: st.DataObject,
    before: bytes,
    after: bytes,
) -> None:
    raw = data.draw(headers).build()
    expected = parse(raw)
    everything = before + raw + after
    for buffer in (everything, bytearray(everything), memoryview(everything)):
        parsed = parse(buffer, len(before), len(before) + len(raw))
        assert parsed == expected
        # Nothing that was kept may change or be kept alive with the buffer.
        kept = [getattr(parsed, name) for name in parsed.__dataclass_fields__]
        assert not any(isinstance(value, bytearray | memoryview) for value in kept)


@every_header
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_cut_short_it_is_named_truncated(
    parse: Callable[..., Any], headers: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    header = data.draw(headers)
    if isinstance(header, ndp.NdpMessage):
        header.options = ()  # shorter by an option, it would be another message
    raw = header.build()
    cut = data.draw(st.integers(0, len(raw) - 1))
    for arguments in ((raw[:cut],), (raw, 0, cut), (b"x" + raw[:cut], 1), (b"x" + raw, 1, 1 + cut)):
        assert outcome(parse, *arguments).reason.endswith(".truncated")


@every_header
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_bytes_give_a_header_or_a_named_rejection(
    parse: Callable[..., Any], headers: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    raw = data.draw(st.binary(max_size=80))
    result = outcome(parse, raw)
    if not isinstance(result, Malformed):
        built = result.build()
        assert built == raw[: len(built)]


@every_header
@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_so_do_the_bytes_of_a_header_with_some_of_them_changed(
    parse: Callable[..., Any], headers: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    header = data.draw(headers)
    raw = bytearray(header.build())
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), make.bits(8)), max_size=3)):
        raw[at] = value
    if isinstance(header, Ipv4Header) and data.draw(st.booleans()):
        length = min(max(20, 4 * (raw[0] & 15)), len(raw))
        raw[10:12] = bytes(2)
        raw[10:12] = internet_checksum(raw[:length]).to_bytes(2)
    result = outcome(parse, raw)
    if not isinstance(result, Malformed):
        built = result.build()
        assert built == raw[: len(built)]


@settings(deadline=None)
@given(st.integers(5, 15), st.integers(0, 2000), st.binary(min_size=60, max_size=60))
def test_any_ipv4_header_with_a_correct_checksum(words: int, total_length: int, noise: bytes) -> None:
    raw = bytearray(noise)
    raw[0] = 0x40 + words
    raw[2:4] = total_length.to_bytes(2)
    raw[10:12] = bytes(2)
    raw[10:12] = internet_checksum(raw[: 4 * words]).to_bytes(2)
    result = outcome(Ipv4Header.parse, raw)
    if total_length < 4 * words:
        assert result.reason == "ipv4.bad_length"
    else:
        assert result.build() == raw[: 4 * words]


OPTION_LISTS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = {
    "ipv4": (ipv4_options.parse_options, ipv4_options.build_options),
    "ipv6": (
        lambda raw: [option for _, option in ipv6_extensions.iterate_options(raw)],
        ipv6_extensions.build_options,
    ),
    "tcp": (tcp.parse_options, tcp.build_options),
    "ndp": (ndp_options.parse_options, ndp_options.build_options),
}


@pytest.mark.parametrize(("name", "parse", "build"), [(k, *v) for k, v in OPTION_LISTS.items()])
@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_any_option_list_survives_or_is_rejected(
    name: str, parse: Callable[[bytes], Any], build: Callable[[Any], bytes], data: st.DataObject
) -> None:
    lively = st.lists(st.sampled_from(b"\x00\x01\x02\x03\x04\x05\x08\x0a\x44\x83\x94"), max_size=40).map(
        bytes
    )
    raw = data.draw(make.raw_options | lively.map(lambda some: some[: len(some) & ~3]))
    result = outcome(parse, raw)
    if isinstance(result, Malformed):
        assert result.reason == f"{name}.bad_option"
        assert -1 <= result.pointer < len(raw)
    else:
        assert build(result) == raw


@settings(deadline=None, max_examples=500)
@given(make.raw_options)
def test_any_tcp_options_are_understood_or_rejected(raw: bytes) -> None:
    result = outcome(tcp.TcpOptions.parse, raw)
    if isinstance(result, Malformed):
        assert result.reason == "tcp.bad_option"
