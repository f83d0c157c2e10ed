from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from links.impairments.dissect import Dissection
from links.impairments.history import MAX_FLOWS
from links.impairments.match import MatchError, compile_match
from stack.link import Frame, Medium
from stack.wire.ethernet import VlanTag
from stack.wire.ipv6_extensions import FragmentHeader
from stack.wire.protocols import FRAGMENT, ICMPV6, TCP
from stack.wire.tcp import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from tests.links.impairments.frames import arp, icmp, ip, partial_tcp, tcp, udp, wrap


def matches(text: str, frame: Frame, medium: Medium = Medium.ETHERNET) -> bool:
    return compile_match(text)(Dissection(frame, medium))


V6 = {"source": "fd00::1", "destination": "fd00::2"}


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("", tcp()),
        ("ip", tcp()),
        ("ip6", tcp(**V6)),
        ("arp", arp()),
        ("icmp", icmp()),
        ("icmp6", wrap(ip(ICMPV6, bytes(8), **V6))),
        ("udp", udp()),
        ("tcp and syn", tcp(flags=SYN)),
        ("tcp and syn and ack", tcp(flags=SYN | ACK)),
        ("fin", tcp(flags=FIN | ACK)),
        ("rst", tcp(flags=RST)),
        ("psh", tcp(flags=PSH | ACK)),
        ("urg", tcp(flags=URG)),
        ("ece and cwr", tcp(flags=ECE | CWR)),
        ("data", tcp(b"x")),
        ("data", udp(b"x")),
        ("len >= 100", tcp(bytes(100))),
        ("len=100", tcp(bytes(100))),
        ("len == 3", udp(b"abc")),
        ("len < 101 and len > 99 and len <= 100 and len != 1", tcp(bytes(100))),
        ("port 80", tcp()),
        ("port 40000", tcp()),
        ("src port 40000 and dst port 80", tcp()),
        ("dst port 53", udp()),
        ("src 10.0.0.1 and dst 10.0.0.2", tcp()),
        ("host 10.0.0.2", tcp()),
        ("src fd00::/64", tcp(**V6)),
        ("SYN AND NOT ACK", tcp(flags=SYN)),
        ("not (udp or icmp)", tcp()),
        ("udp or tcp and data", udp()),
        ("tcp and syn", tcp(flags=SYN, tags=(VlanTag(7),))),
        ("tcp and len = 5", partial_tcp(b"hello")),
    ],
)
def test_matches(text: str, frame: Frame) -> None:
    assert matches(text, frame)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("ip", tcp(**V6)),
        ("ip6", tcp()),
        ("ip", arp()),
        ("tcp", udp()),
        ("tcp and syn and not ack", tcp(flags=SYN | ACK)),
        ("data", tcp()),
        ("len > 100", tcp(bytes(100))),
        ("port 80", udp()),
        ("src port 80", tcp()),
        ("src 10.0.0.2", tcp()),
        ("host 10.0.0.0/30 and host 10.1.0.0/16", tcp()),
        ("src 0.0.0.0/0", tcp(**V6)),
        ("not tcp or udp", tcp()),
        ("(udp or tcp) and data", udp()),
        ("fragment", tcp()),
        ("syn", udp()),
    ],
)
def test_does_not_match(text: str, frame: Frame) -> None:
    assert not matches(text, frame)


def test_payload_length_does_not_count_ethernet_padding() -> None:
    padded = Frame(bytes(tcp()) + bytes(6))
    assert not matches("data", padded)


def test_bare_ip_frames() -> None:
    assert matches("tcp and dst port 80", Frame(bytes(tcp())[14:]), Medium.IP)
    assert matches("ip6", Frame(bytes(tcp(**V6))[14:]), Medium.IP)
    assert not matches("ip or ip6", Frame(b""), Medium.IP)


def test_later_fragments_have_a_protocol_but_no_ports() -> None:
    later = wrap(ip(TCP, bytes(64), fragment_offset=1480))
    assert matches("fragment and tcp and len = 64 and not port 0 or not port 80", later)
    first = wrap(ip(TCP, bytes(tcp())[34:], more_fragments=True))
    assert matches("fragment and dst port 80", first)
    header = FragmentHeader(TCP, 1480, False, 1).build()
    assert matches("fragment and tcp and not port 80", wrap(ip(FRAGMENT, header + bytes(16), **V6)))


@pytest.mark.parametrize("cut", range(0, 55, 3))
def test_a_truncated_frame_matches_by_what_can_be_read(cut: int) -> None:
    frame = Frame(bytes(tcp(flags=SYN))[:cut])
    assert matches("tcp and syn", frame) == (cut >= 54)
    assert matches("tcp", frame) == (cut >= 34)


@given(st.binary(max_size=120), st.sampled_from(Medium))
def test_any_bytes_can_be_looked_at(data: bytes, medium: Medium) -> None:
    assert matches("tcp or not tcp", Frame(data), medium)
    matches("data or syn or port 1 or src 10.0.0.1 or retransmission", Frame(data), medium)


class TestRetransmission:
    def seen(self, *segments: Frame, text: str = "retransmission") -> list[bool]:
        condition = compile_match(text)
        return [condition(Dissection(segment, Medium.ETHERNET)) for segment in segments]

    def test_the_second_time_the_same_bytes_are_sent(self) -> None:
        first, second = tcp(bytes(100), sequence=1), tcp(bytes(100), sequence=101)
        assert self.seen(first, second, first, second) == [False, False, True, True]

    def test_across_the_wrap_of_the_sequence_numbers(self) -> None:
        before, after = tcp(bytes(100), sequence=2**32 - 50), tcp(bytes(100), sequence=50)
        assert self.seen(before, after, before) == [False, False, True]

    def test_a_repeated_syn_or_fin(self) -> None:
        syn, fin = tcp(flags=SYN, sequence=9), tcp(flags=FIN | ACK, sequence=10)
        assert self.seen(syn, syn, fin, fin) == [False, True, False, True]

    def test_a_pure_ack_is_none(self) -> None:
        assert self.seen(tcp(b"x", sequence=5), tcp(sequence=5), tcp(sequence=6)) == [False, False, False]

    def test_a_new_connection_on_the_same_ports(self) -> None:
        old, new = tcp(flags=SYN, sequence=2_000_000), tcp(flags=SYN, sequence=1_000_000)
        data = tcp(b"x", sequence=1_000_001)
        assert self.seen(old, new, data) == [False, False, False]

    def test_flows_are_kept_apart(self) -> None:
        assert self.seen(tcp(b"x"), tcp(b"x", ports=(40001, 80))) == [False, False]

    def test_it_sees_what_the_rest_of_the_condition_refuses(self) -> None:
        segment = tcp(bytes(10))
        assert self.seen(tcp(bytes(9)), segment, segment, text="len = 10 and retransmission") == [
            False,
            True,
            True,
        ]

    def test_the_memory_is_bounded(self) -> None:
        first = tcp(b"x", ports=(1, 80))
        others = [tcp(b"x", ports=(2 + index, 80)) for index in range(MAX_FLOWS)]
        assert self.seen(first, first)[-1] is True
        assert self.seen(first, *others, first)[-1] is False


@pytest.mark.parametrize(
    ("text", "column", "meant"),
    [
        ("tcp and sny", 9, "'syn'?"),
        ("tcp syn", 5, "'and' or 'or' is missing"),
        ("tcp and", 8, "a condition is missing"),
        ("and tcp", 1, "a condition is missing"),
        ("not", 4, "a condition is missing"),
        ("(tcp", 5, "')' is missing"),
        ("tcp)", 4, "'and' or 'or' is missing"),
        ("len 100", 5, "len >= 100"),
        ("len >= many", 8, "a number of bytes"),
        ("len =! 3", 5, "needs a comparison"),
        ("port 70000", 6, "0 to 65535"),
        ("src nowhere", 5, "an address"),
        ("src 10.0.0.1/8", 5, "an address"),
        ("(" * 60 + "tcp" + ")" * 60, 51, "too deeply nested"),
        ("not " * 60 + "tcp", 201, "too deeply nested"),
        ("ip and " * 200 + "tcp", 697, "too long"),
    ],
)
def test_errors_name_the_column(text: str, column: int, meant: str) -> None:
    with pytest.raises(MatchError) as raised:
        compile_match(text)
    assert str(raised.value).startswith(f"column {column}:")
    assert meant in str(raised.value)


@given(st.text(alphabet="tcpsynackor ()<>=!0123456789.:/dlen", max_size=40))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    with suppress(MatchError):
        compile_match(text)
