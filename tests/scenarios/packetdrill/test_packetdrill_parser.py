"""Both dialects are read, and mistakes are told with their place."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.packetdrill.parser import parse
from scenarios.packetdrill.source import Source, UnsupportedError
from scenarios.packetdrill.syntax import (
    Anything,
    Apply,
    Call,
    Code,
    Combined,
    IcmpMessage,
    Integer,
    Listing,
    Name,
    Option,
    Packet,
    Script,
    Shell,
    Structure,
    TcpSegment,
    Text,
    TimeKind,
    UdpDatagram,
)
from scenarios.problems import ScenarioError
from stack.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, SYN, URG


def read(text: str, symbols: dict[str, str] | None = None, defined: tuple[str, ...] = ()) -> Script:
    return parse(Source.read("test.pkt", text, defined), symbols or {})


def packet(text: str, **symbols: str) -> Packet:
    (event,) = read(f"+0 {text}\n", symbols).events
    assert isinstance(event.action, Packet)
    return event.action


def segment(text: str, **symbols: str) -> TcpSegment:
    body = packet(text, **symbols).body
    assert isinstance(body, TcpSegment)
    return body


def call(text: str) -> Call:
    (event,) = read(text + "\n").events
    assert isinstance(event.action, Call)
    return event.action


def test_options_come_before_events_with_their_lines() -> None:
    script = read(
        '--tolerance_usecs=5000\n// x\n--local_ip=10.0.0.1\n--define A=1 --define B="x"\n0 f() = 0\n'
    )
    assert script.options == (
        (1, "tolerance_usecs", "5000"),
        (3, "local_ip", "10.0.0.1"),
        (4, "define", "A=1"),
        (4, "define", "B=x"),
    )


@pytest.mark.parametrize(
    ("text", "kind", "earliest", "latest"),
    [
        ("0", TimeKind.ABSOLUTE, 0, None),
        ("1.5", TimeKind.ABSOLUTE, 1_500_000_000, None),
        ("+.1", TimeKind.RELATIVE, 100_000_000, None),
        ("+0~+.2", TimeKind.RELATIVE, 0, 200_000_000),
        ("1~2", TimeKind.ABSOLUTE, 10**9, 2 * 10**9),
        ("*", TimeKind.ANY, 0, None),
    ],
)
def test_times(text: str, kind: TimeKind, earliest: int, latest: int | None) -> None:
    (event,) = read(f"{text} > . 1:1(0) ack 1\n").events
    assert (event.when.kind, event.when.earliest, event.when.latest) == (kind, earliest, latest)


def test_a_range_of_times_is_for_outbound_packets_only() -> None:
    with pytest.raises(ScenarioError, match=r"test\.pkt:1:\d+: a range of times"):
        read("+0~+1 < . 1:1(0) ack 1 win 5\n")


@pytest.mark.parametrize(
    ("letters", "flags"),
    [
        ("S", SYN),
        ("FP.", FIN | PSH | ACK),
        ("SEW", SYN | ECE | CWR),
        ("SEWA", SYN | ECE | CWR | AE),
        ("PU.", PSH | URG | ACK),
        (".5", ACK | AE | ECE),
        ("P.2", PSH | ACK | CWR),
        ("P5.", PSH | ACK | AE | ECE),
        ("-", 0),
    ],
)
def test_flags(letters: str, flags: int) -> None:
    assert segment(f"> {letters} 1:1(0)").flags == flags


def test_all_the_fields_of_a_segment() -> None:
    found = segment(
        "< 1000 > 80 PU. 5:15(10) ack 7 win 0x10 urg 3 <mss 1460,sackOK,TS val 5 ecr 6,nop,wscale 7>"
    )
    assert found == TcpSegment(
        PSH | URG | ACK,
        5,
        10,
        7,
        16,
        3,
        (
            Option("mss", (1460,)),
            Option("sackOK"),
            Option("TS", (5, 6)),
            Option("nop"),
            Option("wscale", (7,)),
        ),
        (1000, 80),
    )


def test_options_of_other_kinds() -> None:
    text = "> S 0:0(0) <sack 1:2 3:4,FO COOKIE,FOEXP,md5 0011,ECN e1b 1 ceb 2 e0b 3,eol>"
    assert segment(text, COOKIE="abcd").options == (
        Option("sack", (1, 2, 3, 4)),
        Option("FO", text="abcd"),
        Option("FOEXP"),
        Option("md5", text="0011"),
        Option("ECN", (1, 2, 3), "e1b ceb e0b"),
        Option("eol"),
    )
    assert segment("> S 0:0(0) <...>").options is None


def test_numbers_may_be_symbols() -> None:
    assert segment("< S 0:0(0) win WIN <mss MSS>", WIN="0x100", MSS="1000").window == 256
    with pytest.raises(UnsupportedError, match="symbol WIN"):
        segment("< S 0:0(0) win WIN")


def test_absolute_numbers_of_nplab() -> None:
    found = segment("> R. 5!:5!(0) ack! 9 win 0")
    assert found.absolute_sequence
    assert found.absolute_acknowledgment


def test_a_length_that_does_not_add_up_is_a_mistake() -> None:
    with pytest.raises(ScenarioError, match="does not add up"):
        segment("> . 1:11(9) ack 1")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("< . 1:1(0) ack 1 win 65536", "`65536` is more than 65535"),
        ("< S 0:0(0) win 5 <mss 99999>", "`99999` is more than 65535"),
        ("< S 0:0(0) win 5 <wscale 256>", "`256` is more than 255"),
        ("< (ttl 256) . 1:1(0) ack 1", "`256` is more than 255"),
        ("< . 1:1(0) ack 4294967296", "`4294967296` is more than 4294967295"),
        ("< . 1:70001(70000) ack 1", r"`1:70001\(70000\)` is more than a packet holds"),
        ("< udp (70000)", r"`\(70000\)` is more than a packet holds"),
    ],
)
def test_what_no_header_has_room_for_is_a_mistake(text: str, mistake: str) -> None:
    with pytest.raises(ScenarioError, match=mistake):
        packet(text)
    assert packet("> . 1:70001(70000) ack 1"), "several packets may come for one that is expected"


def test_ip_fields_in_brackets_and_parentheses() -> None:
    assert packet("< [ect0] . 1:1(0) ack 1 win 5").ip.ecn == {2}
    assert packet("> [ect01] . 1:1(0) ack 1").ip.ecn == {1, 2}
    ip = packet("> (tos 0x28, ttl 64) . 1:1(0) ack 1").ip
    assert (ip.traffic_class, ip.hop_limit, ip.ecn) == (0x28, 64, None)
    assert packet("> (flowlabel 0x1) . 1:1(0) ack 1").ip.flow_label == 1


def test_udp_and_icmp() -> None:
    assert packet("< udp (1000)").body == UdpDatagram(1000)
    assert packet("> udp 53 > 1024 (10)").body == UdpDatagram(10, (53, 1024))
    found = packet("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").body
    assert found == IcmpMessage("unreachable", "frag_needed", 1200, TcpSegment(ACK, 1, 1460))
    assert packet("< icmp unreachable port_unreachable [udp (10)]").body == IcmpMessage(
        "unreachable", "port_unreachable", 0, UdpDatagram(10)
    )


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("< gre: ipv4 1.1.1.1 > 2.2.2.2: S 0:0(0)", "encapsulation: gre"),
        ("< sctp: INIT", "encapsulation: sctp"),
        ("< S 0:0(0) win 5 <unheard 5>", "TCP option unheard"),
        ("< S 0:0(0) win 5 /udp(1 > 2)", "TCP in UDP"),
    ],
)
def test_what_is_missing_is_named(text: str, construct: str) -> None:
    with pytest.raises(UnsupportedError, match=construct):
        packet(text)


def test_calls() -> None:
    found = call('+0...0.3 f(3, ..., 0x10, A|B, [1], "a" "b\\n", {x=1, y(2)=[{..., 5}]}) = -1 EAGAIN (note)')
    assert found.end == 300_000_000
    assert (found.result, found.errno) == (Integer(-1), "EAGAIN")
    assert found.arguments == (
        Integer(3),
        Anything(),
        Integer(16),
        Combined((Name("A"), Name("B"))),
        Listing((Integer(1),)),
        Text("ab\n"),
        Structure(
            (
                ("x", Integer(1)),
                ("y", Listing((Structure((("", Anything()), ("", Integer(5)))),))),
            )
        ),
    )


def test_addresses() -> None:
    (address,) = call(
        '0 f({sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("1.2.3.4")}) = 0'
    ).arguments
    assert address == Structure(
        (
            ("sa_family", Name("AF_INET")),
            ("sin_port", Apply("htons", (Integer(80),))),
            ("sin_addr", Apply("inet_addr", (Text("1.2.3.4"),))),
        )
    )


def test_shell_and_code() -> None:
    script = read("`a\nb`\n0 `c`\n+0 %{ assert x, y }%\n")
    assert [event.action for event in (*script.before, *script.events)] == [
        Shell("a\nb"),
        Shell("c"),
        Code(" assert x, y "),
    ]


def test_comments_of_all_kinds() -> None:
    script = read("# if a\n/* b\n c */ 0 f() = 0 // d\n  1 g(1, # e\n 2) = 0\n")
    assert [(event.line, event.text) for event in script.events] == [
        (3, "0 f() = 0"),
        (4, "1 g(1, # e 2) = 0"),
    ]


def test_conditional_parts() -> None:
    text = "#ifdef FreeBSD\n0 f() = 1\n#else\n0 f() = 2\n#endif\n#ifndef FreeBSD\n0 f() = 3\n#endif\n"
    results = [
        [event.line for event in read(text, defined=defined).events] for defined in (("FreeBSD",), ("linux",))
    ]
    assert results == [[2], [4, 7]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected an event"),
        ("0 f(1 = 0\n", "1:7: expected `,`, not `=`"),
        ("0 f() = 0\nhello\n", "2:1: expected a time, not `hello`"),
        ("0 < S 0:0 win 5\n", "expected start:end"),
        ("0 > . 1:1(0) ack 1 <nop nop>\n", "expected `,`"),
        ("0 `true\n", "is missing"),
        ("#else\n0 f() = 0\n", "1:1: #else without #ifdef"),
        ("#ifdef X\n", "without #endif"),
    ],
)
def test_mistakes_have_a_place(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    assert message in str(caught.value)


@given(st.text(st.sampled_from('+0.1<>SP.()[]{}:,=`%~*"/# \nabwin&|'), max_size=60))
def test_any_text_is_a_script_or_a_mistake(text: str) -> None:
    with suppress(ScenarioError, UnsupportedError):
        read(text)


@given(st.integers(0, 200), st.sampled_from("+0<>.()[]{}:,=`~*x\n"))
def test_a_script_with_a_slip_of_the_pen_too(at: int, slip: str) -> None:
    text = (
        "--mtu=1500\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
        "+0 < [ect0] S 0:0(0) win 5 <mss 1460,sack 1:2>\n+0~+1 > S. 0:0(0) ack 1 <...>\n"
        "+0...1 read(3, ..., [1], {a=2}) = -1 EAGAIN\n"
    )
    with suppress(ScenarioError, UnsupportedError):
        read(text[:at] + slip + text[at + 1 :])
