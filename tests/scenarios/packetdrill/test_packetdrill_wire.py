"""Options and packets between notation and bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.packetdrill import Outcome, run_script
from scenarios.packetdrill.options import decode, encode, notation
from scenarios.packetdrill.packets import build_tcp, build_udp, dissect, pattern
from scenarios.packetdrill.signature import sign
from scenarios.packetdrill.syntax import IpFields, Option
from stack.tcp.md5 import Md5
from stack.wire.address import parse_address
from stack.wire.tcp import ACK, TcpHeader

LINUX_SYN = bytes.fromhex("020405b40402080a000000640000000001030308")


def test_the_options_of_a_syn() -> None:
    options = decode(LINUX_SYN)
    assert notation(options) == "<mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 8>"
    assert encode(options) == LINUX_SYN


def test_padding_is_visible() -> None:
    raw = bytes.fromhex("020405b404020000")
    assert notation(decode(raw)) == "<mss 1460,sackOK,eol,eol>"


@given(st.binary(max_size=40))
def test_any_bytes_have_a_notation(raw: bytes) -> None:
    assert notation(decode(raw)).startswith("<")


@pytest.mark.parametrize(
    "option",
    [
        Option("sack", (1, 2, 0xFFFFFFF0, 3)),
        Option("FO"),
        Option("FO", text="0011223344556677"),
        Option("FOEXP", text="00112233"),
        Option("md5", text="00" * 16),
        Option("ECN", (1, 2, 3), "e1b ceb e0b"),
        Option("ECN", (1,), "e0b"),
    ],
)
def test_each_option_survives(option: Option) -> None:
    assert [found for found in decode(encode([option])) if found.name != "eol"] == [option]


def test_more_than_forty_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="bytes of TCP options"):
        encode([Option("md5", text="00" * 16)] * 3)


@pytest.mark.parametrize("ends", [("192.0.2.1", "192.168.0.1"), ("fd00::1", "fd00::2")])
def test_what_is_built_is_sound(ends: tuple[str, str]) -> None:
    source, destination = map(parse_address, ends)
    header = TcpHeader(1, 2, 3, 4, ACK, 5)
    raw = build_tcp(source, destination, header, b"abc", IpFields(ecn=frozenset({2}), hop_limit=9))
    found = dissect(raw, 7, inbound=True)
    assert found.faults == ()
    assert (found.traffic_class, found.hop_limit, found.payload, found.ports) == (2, 9, b"abc", (1, 2))
    assert dissect(build_udp(source, destination, (5, 6), b"x", IpFields()), 0, inbound=True).faults == ()
    broken = raw[:-1] + b"\0"
    assert dissect(broken, 7, inbound=True).faults == ("the checksum is wrong",)


def test_the_pattern_tells_where_data_belong() -> None:
    whole = pattern(0, 5000)
    assert pattern(1234, 1000) == whole[1234:2234]
    assert pattern(1000, 1000) != pattern(2000, 1000)


# --- signatures -------------------------------------------------------------------------------------------------------


def test_signatures_are_those_of_the_stack() -> None:
    local, remote, secret, payload = bytes((192, 168, 0, 1)), bytes((192, 0, 2, 1)), b"secret", b"octets"
    ours = TcpHeader(
        8080, 50001, 1, 2, ACK, 65535, options=encode([Option("md5", text="valid")] + [Option("nop")] * 2)
    )
    sign(local, remote, ours, payload, secret)
    theirs = Md5((remote, 50001, local, 8080), secret)
    assert theirs.verify(ours.build(), payload, 1) is None
    assert theirs.verify(ours.build(), payload + b"!", 1) == "tcp.md5_wrong"


def test_a_signature_needs_a_secret(tmp_path: Path) -> None:
    script = tmp_path / "test.pkt"
    script.write_text("0 < S 0:0(0) win 100 <mss 1000,nop,nop,md5 valid>\n")
    result = run_script(script)
    assert (result.outcome, result.message) == (Outcome.UNSUPPORTED, "<md5 valid> without --tcp_md5_secret")
    script.write_text("--tcp_md5_secret=key\n0 < S 0:0(0) win 100 <mss 1000,nop,nop,md5 valid>\n")
    assert run_script(script).outcome is Outcome.PASSED
