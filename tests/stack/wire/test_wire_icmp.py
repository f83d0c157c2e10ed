from __future__ import annotations

import pytest

from stack.wire import icmpv4, icmpv6
from stack.wire.checksum import internet_checksum
from stack.wire.errors import Malformed
from stack.wire.icmpv4 import Icmpv4Header, TimestampTimes
from stack.wire.icmpv6 import Icmpv6Header


def test_an_echo_request_as_ping_sends_it() -> None:
    data = b"abcdefgh"
    header = Icmpv4Header.echo(icmpv4.ECHO_REQUEST, 0x0200, 0x0100)
    header.checksum = internet_checksum(header.build(), data)
    raw = header.build() + data
    assert raw[:8] == bytes.fromhex("0800 636a 0200 0100")
    parsed = Icmpv4Header.parse(raw)
    assert (parsed.type, parsed.code, parsed.identifier, parsed.sequence) == (8, 0, 0x0200, 0x0100)


def test_the_ping_of_windows() -> None:
    raw = bytes.fromhex("0800 4d5a 0001 0001") + b"abcdefghijklmnopqrstuvwabcdefghi"
    header = Icmpv4Header.parse(raw)
    assert (header.identifier, header.sequence) == (1, 1)
    assert internet_checksum(raw) == 0


def test_fragmentation_needed() -> None:
    header = Icmpv4Header.parse(bytes.fromhex("0304 0000 0000 05dc"))
    assert header.code == icmpv4.UnreachableCode.FRAGMENTATION_NEEDED
    assert header.next_hop_mtu == 1500


def test_a_redirect_and_a_parameter_problem() -> None:
    redirect = Icmpv4Header.parse(bytes.fromhex("0501 0000 0a000001"))
    assert (redirect.code, redirect.gateway) == (icmpv4.RedirectCode.HOST, b"\x0a\0\0\x01")
    problem = Icmpv4Header.parse(bytes.fromhex("0c00 0000 14000000"))
    assert (problem.code, problem.pointer) == (icmpv4.ParameterProblemCode.POINTER, 20)


def test_a_timestamp_reply() -> None:
    raw = bytes.fromhex("0e00 0000 0001 0002 00000003 00000004 80000005")
    header = Icmpv4Header.parse(raw)
    assert (header.type, header.identifier, header.sequence) == (icmpv4.TIMESTAMP_REPLY, 1, 2)
    assert TimestampTimes.parse(raw, header.header_length) == TimestampTimes(3, 4, 0x80000005)
    assert TimestampTimes(3).build() == bytes.fromhex("00000003 00000000 00000000")
    with pytest.raises(Malformed, match=r"icmpv4.truncated"):
        TimestampTimes.parse(raw, 9)


def test_which_icmpv4_messages_are_errors() -> None:
    """RFC 1122 3.2.2: unreachable, source quench, redirect, time exceeded, parameter problem."""
    assert [number for number in range(256) if Icmpv4Header(number).is_error] == [3, 4, 5, 11, 12]


def test_which_icmpv6_messages_are_errors() -> None:
    assert [number for number in range(256) if Icmpv6Header(number).is_error] == list(range(128))


def test_icmpv6_numbers() -> None:
    too_big = Icmpv6Header.parse(bytes.fromhex("0200 0000 000104a8"))
    assert (too_big.type, too_big.mtu) == (icmpv6.PACKET_TOO_BIG, 66728)
    problem = Icmpv6Header.parse(bytes.fromhex("0401 0000 00000028"))
    assert (problem.code, problem.pointer) == (icmpv6.ParameterProblemCode.UNRECOGNIZED_NEXT_HEADER, 40)
    echo = Icmpv6Header.echo(icmpv6.ECHO_REPLY, 7, 9, checksum=1)
    assert echo.build() == bytes.fromhex("8100 0001 0007 0009")
    assert (echo.identifier, echo.sequence) == (7, 9)


@pytest.mark.parametrize(("header", "reason"), [(Icmpv4Header, "icmpv4"), (Icmpv6Header, "icmpv6")])
def test_each_names_itself(header: type[Icmpv4Header | Icmpv6Header], reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        header.parse(bytes(7))
    assert caught.value.reason == f"{reason}.truncated"
