from __future__ import annotations

import pytest
from hypothesis import given, settings

from stack.wire.errors import Malformed
from stack.wire.options import Option
from stack.wire.tcp import (
    ACK,
    AE,
    CWR,
    ECE,
    FIN,
    PSH,
    RST,
    SYN,
    URG,
    TcpHeader,
    TcpOptions,
    build_header,
    build_options,
    parse_options,
    sack_option,
    timestamp_option,
)
from stack.wire.udp import UdpHeader
from tests.stack.wire.strategies import bits, tcp_options

LINUX_SYN = bytes.fromhex("020405b4 0402080a 00000064 00000000 01030307")


@pytest.mark.shows("RFC 9293 MUST-4")
def test_a_syn_as_linux_sends_it() -> None:
    raw = bytes.fromhex("d431 0050 00000001 00000000 a002 faf0 1234 0000") + LINUX_SYN
    header = TcpHeader.parse(raw)
    assert header == TcpHeader(54321, 80, 1, 0, SYN, 64240, 0x1234, 0, LINUX_SYN)
    assert header.header_length == 40
    options = TcpOptions.parse(header.options)
    assert options == TcpOptions(1460, 7, True, timestamp=100)
    assert options.build() == LINUX_SYN


@pytest.mark.parametrize(
    ("flag", "octets"),
    [(FIN, "5001"), (SYN, "5002"), (RST, "5004"), (PSH, "5008"), (ACK, "5010"), (URG, "5020"), (ECE, "5040"),
     (CWR, "5080"), (AE, "5100")],
)  # fmt: skip
def test_where_the_flags_are(flag: int, octets: str) -> None:
    raw = build_header(1, 2, 3, 4, flag, 5, 6, 7, b"")
    assert raw[12:14] == bytes.fromhex(octets)
    assert TcpHeader.parse(raw).flags == flag


def test_what_is_not_given_is_zero() -> None:
    assert TcpHeader(1, 2, 3, 4, ACK, 5).build() == bytes.fromhex(
        "0001 0002 00000003 00000004 5010 0005 0000 0000"
    )


def test_reserved_bits_survive() -> None:
    raw = bytes.fromhex("0001 0002 00000003 00000004 5e10 0005 0006 0007")
    header = TcpHeader.parse(raw)
    assert (header.reserved, header.flags) == (7, ACK)
    assert header.build() == raw


@pytest.mark.parametrize("words", range(5))
def test_a_data_offset_below_the_header(words: int) -> None:
    with pytest.raises(Malformed, match=r"tcp.bad_length"):
        TcpHeader.parse(bytes(12) + bytes((words << 4,)) + bytes(7))


@pytest.mark.parametrize("size", [2, 44])
def test_options_that_do_not_fit_the_header(size: int) -> None:
    with pytest.raises(ValueError, match="TCP options"):
        TcpHeader(1, 2, 3, 4, ACK, 5, options=bytes(size)).build()


@settings(deadline=None)
@given(tcp_options)
def test_options_survive(options: TcpOptions) -> None:
    raw = options.build()
    assert len(raw) % 4 == 0
    assert TcpOptions.parse(raw) == options
    assert build_options(parse_options(raw)) == raw


@pytest.mark.shows("RFC 9293 MUST-64", "RFC 7323 A")
@given(bits(32), bits(32))
def test_the_timestamps_of_nearly_every_segment(value: int, echo: int) -> None:
    raw = timestamp_option(value, echo)
    assert raw[:4] == b"\x01\x01\x08\x0a"
    assert TcpOptions.parse(raw) == TcpOptions(timestamp=value, timestamp_echo=echo)
    # The same in any other alignment.
    assert TcpOptions.parse(raw[2:] + b"\x00\x00") == TcpOptions(timestamp=value, timestamp_echo=echo)


@pytest.mark.shows("RFC 2018 3")
def test_selective_acknowledgments_beside_timestamps() -> None:
    blocks = ((100, 200), (0xFFFFFF00, 16), (300, 400))
    raw = timestamp_option(1, 2) + sack_option(blocks)
    assert len(raw) == 40
    assert TcpOptions.parse(raw) == TcpOptions(sack=blocks, timestamp=1, timestamp_echo=2)


def test_sack_permitted_without_timestamps() -> None:
    options = TcpOptions(mss=536, sack_permitted=True)
    assert options.build() == bytes.fromhex("02040218 01010402")


@pytest.mark.shows("RFC 9293 MUST-68")
def test_unknown_options_survive() -> None:
    """Fast Open (34) and an experiment (254), between padding."""
    raw = bytes.fromhex("01 2204abcd fe0401f2 01 0101")
    options = TcpOptions.parse(raw)
    assert options.unknown == (Option(34, b"\xab\xcd"), Option(254, b"\x01\xf2"))
    assert TcpOptions.parse(options.build()) == options
    assert build_options(parse_options(raw)) == raw


@pytest.mark.shows("RFC 9293 MUST-4")
def test_nothing_after_the_end_of_the_list_counts() -> None:
    raw = bytes.fromhex("00 020405b4 000000")
    assert TcpOptions.parse(raw) == TcpOptions()
    assert build_options(parse_options(raw)) == raw


def test_of_two_the_last_counts() -> None:
    assert TcpOptions.parse(bytes.fromhex("02040001 02040002")).mss == 2


@pytest.mark.shows("RFC 9293 MUST-7")
@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ("02", 0),
        ("01 0200 00", 2),
        ("0201", 1),
        ("02030500", 1),
        ("0205050000", 1),
        ("020505", 1),
        ("030200", 1),
        ("0304 0700", 1),
        ("0403 00", 1),
        ("0502 0000", 1),
        ("0506 00000001", 1),
        ("0809 00000000000000", 1),
        ("fe00", 1),
        ("fe09 0000", 1),
    ],
)
def test_illegal_lengths(raw: str, pointer: int) -> None:
    """RFC 9293 3.1, MUST-7."""
    with pytest.raises(Malformed) as caught:
        TcpOptions.parse(bytes.fromhex(raw))
    assert (caught.value.reason, caught.value.pointer) == ("tcp.bad_option", pointer)


def test_more_options_than_fit() -> None:
    with pytest.raises(ValueError, match="44 bytes"):
        TcpOptions(mss=1, timestamp=1, sack=((1, 2),) * 3).build()


def test_a_udp_header() -> None:
    raw = bytes.fromhex("1234 0035 0020 abcd")
    header = UdpHeader.parse(raw)
    assert header == UdpHeader(0x1234, 53, 32, 0xABCD)
    assert header.build() == raw
    assert UdpHeader(0x1234, 53, 32).build() == raw[:6] + bytes(2)  # no checksum


@pytest.mark.parametrize("length", [0, 7])
def test_a_udp_length_below_the_header(length: int) -> None:
    with pytest.raises(Malformed, match=r"udp.bad_length"):
        UdpHeader.parse(UdpHeader(1, 2, length).build())
