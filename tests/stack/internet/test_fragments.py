"""Fragmentation and reassembly: RFC 791 3.2, RFC 8200 4.5, RFC 5722, RFC 6946, RFC 3168 5.3."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clock import SECOND
from stack.config import HostConfig, IpConfig
from stack.internet.ipv4_path import fragments
from stack.wire import icmpv4, icmpv6
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv4_options import RouteOption, RouterAlertOption, build_options, parse_options
from stack.wire.ipv6 import Ipv6Header
from stack.wire.ipv6_extensions import FragmentHeader, OptionsHeader, pad_options
from stack.wire.protocols import DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, TCP
from tests.stack.internet.lab import FAMILIES, TEST, V4, V6, Bench, Family, Net

both = pytest.mark.parametrize("family", FAMILIES, ids=["v4", "v6"])
DATA = bytes(range(48))


@dataclass
class Piece:
    """One fragment."""

    start: int
    data: bytes
    more: bool
    identification: int = 1
    traffic_class: int = 0
    protocol: int = TEST


def cut(data: bytes, *cuts: int) -> list[Piece]:
    """The data in pieces that end at the given places."""
    ends = [*cuts, len(data)]
    return [
        Piece(start, data[start:end], end < len(data)) for start, end in zip([0, *cuts], ends, strict=True)
    ]


def inject(lab: Bench, family: Family, *pieces: Piece) -> bytes:
    """Send fragments to the host; returns the last packet."""
    packet = b""
    for piece in pieces:
        if family is V4:
            packet = lab.inject_ip(
                family,
                piece.data,
                protocol=piece.protocol,
                identification=piece.identification,
                more_fragments=piece.more,
                fragment_offset=piece.start,
                traffic_class=piece.traffic_class,
            )
        else:
            header = FragmentHeader(piece.protocol, piece.start, piece.more, piece.identification)
            packet = lab.inject_ip(
                family, header.build() + piece.data, protocol=FRAGMENT, traffic_class=piece.traffic_class
            )
    return packet


def reassembled(pieces: Sequence[Piece], family: Family, lab: Bench | None = None) -> list[bytes]:
    lab = lab or Bench()
    inject(lab, family, *pieces)
    return lab.listener.data


# --- what must work


@pytest.mark.shows("RFC 1122 3.2.1.4", "RFC 1122 3.3.2-1")
@both
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order(family: Family, order: tuple[int, ...]) -> None:
    pieces = cut(DATA, 8, 24, 40)
    lab = Bench()
    assert reassembled([pieces[at] for at in order], family, lab) == [DATA]
    assert len(lab.host.reassembler) == 0
    assert lab.host.reassembler.memory == 0
    assert lab.dropped() == []


@both
def test_the_whole_looks_as_if_never_cut(family: Family) -> None:
    lab = Bench()
    inject(lab, family, *cut(DATA, 16))
    (packet,) = lab.listener.packets
    assert (packet.source, packet.destination, packet.protocol) == (family.station, family.host, TEST)
    assert (packet.length, packet.verified, packet.reassembled, packet.broadcast) == (48, False, True, False)
    ip = bytes(packet.head[packet.start :])
    if family is V4:
        header = Ipv4Header.parse(ip)
        assert (header.total_length, header.more_fragments, header.fragment_offset) == (68, False, 0)
    else:
        header6 = Ipv6Header.parse(ip)
        assert (header6.payload_length, header6.next_header) == (48, TEST)


@both
def test_datagrams_are_kept_apart_by_identification(family: Family) -> None:
    lab = Bench()
    one, other = cut(DATA, 24), cut(DATA[::-1], 24)
    for piece in other:
        piece.identification = 2
    inject(lab, family, one[0], other[1], other[0], one[1])
    assert lab.listener.data == [DATA[::-1], DATA]


def test_ipv4_datagrams_are_kept_apart_by_protocol() -> None:
    lab = Bench()
    one, other = cut(DATA, 24), cut(DATA[::-1], 24)
    other[0].protocol = other[1].protocol = TCP
    inject(lab, V4, other[0], one[0], one[1])
    assert lab.listener.data == [DATA]


def test_ipv6_takes_the_next_header_of_the_first_fragment() -> None:
    """RFC 8200 4.5: those of the others are not looked at."""
    pieces = cut(DATA, 24)
    pieces[1].protocol = TCP
    assert reassembled(pieces[::-1], V6) == [DATA]


@both
def test_exact_duplicates_are_harmless(family: Family) -> None:
    pieces = cut(DATA, 16, 32)
    lab = Bench()
    assert reassembled([pieces[0], pieces[0], pieces[2], pieces[2], pieces[1]], family, lab) == [DATA]
    assert lab.dropped() == ["fragments.duplicate"] * 2


@given(st.data())
def test_any_cut_and_order_with_duplicates(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(FAMILIES))
    body = data.draw(st.binary(min_size=9, max_size=400))
    places = data.draw(st.sets(st.integers(1, (len(body) - 1) // 8), min_size=1))
    pieces = cut(body, *(8 * place for place in sorted(places)))
    shuffled = data.draw(st.permutations(pieces))
    repeated = [piece for piece in shuffled[:-1] for _ in range(data.draw(st.integers(1, 2)))]
    assert reassembled([*repeated, shuffled[-1]], family) == [body]


def test_ipv6_atomic_fragments_are_whole_by_themselves() -> None:
    """RFC 6946 4: other fragments with the same identification do not matter."""
    lab = Bench()
    pieces = cut(DATA, 24)
    inject(lab, V6, pieces[0], Piece(0, b"atomic", False), pieces[1])
    assert lab.listener.data == [b"atomic", DATA]


def test_ipv6_headers_before_and_behind_the_fragment_header() -> None:
    lab = Bench()
    hop_by_hop = OptionsHeader(FRAGMENT, pad_options(b"")).build()
    fragmentable = OptionsHeader(TEST, pad_options(b"")).build() + DATA
    for start, end in ((0, 24), (24, len(fragmentable))):
        fragment = FragmentHeader(DESTINATION_OPTIONS, start, end < len(fragmentable), 1)
        lab.inject_ip(V6, hop_by_hop + fragment.build() + fragmentable[start:end], protocol=HOP_BY_HOP)
    assert lab.listener.data == [DATA]


@pytest.mark.shows("RFC 1122 3.3.2-2")
@both
def test_data_up_to_the_longest_packet(family: Family) -> None:
    longest = 65535 - (20 if family is V4 else 0)
    body = Random(1).randbytes(longest)
    lab = Bench(mtu=1500)
    assert reassembled(cut(body, *range(1024, longest, 1024)), family, lab) == [body]


# --- congestion marks

NOT_ECT, ECT_1, ECT_0, CE = range(4)


@pytest.mark.shows("RFC 3168 5.3")
@both
@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ((NOT_ECT, NOT_ECT), NOT_ECT),
        ((ECT_0, ECT_0), ECT_0),
        ((ECT_1, ECT_1), ECT_1),
        ((ECT_0, CE), CE),
        ((CE, ECT_1), CE),
        ((CE, CE), CE),
        ((ECT_0, ECT_1), ECT_0),
        ((NOT_ECT, CE), None),
        ((NOT_ECT, ECT_0), None),
    ],
)
def test_congestion_marks_are_combined(family: Family, marks: tuple[int, int], expected: int | None) -> None:
    lab = Bench()
    pieces = cut(DATA, 24)
    for piece, mark in zip(pieces, marks, strict=True):
        piece.traffic_class = 0xB8 | mark
    inject(lab, family, *pieces)
    found = [packet.traffic_class for packet in lab.listener.packets]
    assert found == ([] if expected is None else [0xB8 | expected])
    assert lab.dropped() == (["fragments.ecn_mismatch"] if expected is None else [])


# --- what must not


@both
@pytest.mark.parametrize(
    "overlap",
    [
        Piece(8, bytes(16), True),
        Piece(0, bytes(8), True),
        Piece(0, bytes(16), True),
        Piece(8, bytes(48), True),
        Piece(24, bytes(8), True),
    ],
)
def test_overlaps_discard_the_datagram_and_what_is_still_to_come(family: Family, overlap: Piece) -> None:
    """RFC 5722 4; also for IPv4, where they serve nobody but attackers (RFC 1858)."""
    lab = Bench()
    first, second, third = cut(DATA, 16, 32)
    inject(lab, family, first, second, overlap)
    assert lab.dropped() == ["fragments.overlap"]
    inject(lab, family, third, first, second)
    assert lab.dropped() == ["fragments.overlap"] * 3
    assert lab.listener.data == []
    lab.clock.advance(60 * SECOND)
    assert [seen for seen in lab.sent() if seen.protocol in (ICMP, ICMPV6)] == []
    assert lab.host.reassembler.memory == 0


@both
def test_two_ends_are_a_contradiction(family: Family) -> None:
    for wrong in (Piece(32, bytes(8), False), Piece(64, bytes(8), False), Piece(48, bytes(8), True)):
        lab = Bench()
        inject(lab, family, Piece(40, bytes(8), False), wrong)
        assert lab.dropped() == ["fragments.overlap"]


@both
def test_a_fragment_that_is_not_the_last_has_a_multiple_of_8_bytes(family: Family) -> None:
    lab = Bench()
    packet = inject(lab, family, Piece(0, bytes(12), True))
    assert lab.dropped() == [f"ipv{family.version}.bad_fragment"]
    if family is V6:  # RFC 8200 4.5
        seen = lab.one()
        assert (seen.icmp.type, seen.icmp.code, seen.icmp.rest) == (icmpv6.PARAMETER_PROBLEM, 0, 4)
        assert seen.quote == packet
    else:
        assert lab.sent() == []


@both
def test_a_fragment_beyond_the_longest_packet_is_refused(family: Family) -> None:
    lab = Bench()
    inject(lab, family, Piece(65528, bytes(16), False))
    assert lab.dropped() == [f"ipv{family.version}.bad_fragment"]
    if family is V6:  # RFC 8200 4.5
        seen = lab.one()
        assert (seen.icmp.type, seen.icmp.code, seen.icmp.rest) == (icmpv6.PARAMETER_PROBLEM, 0, 42)


@both
def test_headers_that_make_the_whole_too_long_are_refused(family: Family) -> None:
    lab = Bench()
    size = 65504 if family is V4 else 65528
    if family is V4:
        options = bytes((1,)) * 40
        lab.inject_ip(V4, bytes(8), options=options, more_fragments=True, identification=1)
    else:
        unfragmentable = OptionsHeader(FRAGMENT, pad_options(b"")).build()
        first = FragmentHeader(TEST, 0, True, 1).build() + bytes(8)
        lab.inject_ip(V6, unfragmentable + first, protocol=HOP_BY_HOP)
    inject(lab, family, *cut(bytes(size), 8)[1:])
    assert lab.dropped() == [f"ipv{family.version}.bad_fragment"]
    assert lab.listener.data == []


@both
def test_empty_fragments_are_refused(family: Family) -> None:
    lab = Bench()
    inject(lab, family, Piece(8, b"", True), Piece(8, b"", False))
    assert lab.dropped() == [f"ipv{family.version}.bad_fragment"] * 2
    assert len(lab.host.reassembler) == 0


def test_ipv6_first_fragment_must_hold_the_header_chain() -> None:
    """RFC 7112 5."""
    lab = Bench()
    packet = inject(lab, V6, Piece(0, bytes(8), True, protocol=TCP))
    assert lab.dropped() == ["ipv6.incomplete_chain"]
    seen = lab.one()
    assert (seen.icmp.type, seen.icmp.code, seen.icmp.rest) == (icmpv6.PARAMETER_PROBLEM, 3, 0)
    assert seen.quote == packet


@pytest.mark.parametrize("inner", [FRAGMENT, HOP_BY_HOP])
def test_ipv6_headers_cannot_be_smuggled_to_the_front(inner: int) -> None:
    lab = Bench()
    body = bytes((TEST, 0)) + bytes(22)
    inject(lab, V6, Piece(0, body, False, protocol=inner))
    assert lab.dropped() == ["ipv6.unknown_next_header"]
    assert (lab.one().icmp.code, lab.listener.data) == (1, [])


def test_ipv6_nested_atomic_fragments_end_at_once() -> None:
    lab = Bench(mtu=65535)
    nested = FragmentHeader(FRAGMENT, 0, False, 1).build() * 5000
    lab.inject_ip(V6, nested + b"data", protocol=FRAGMENT)
    assert lab.dropped() == ["ipv6.unknown_next_header"]


# --- time and memory


@pytest.mark.shows("RFC 1122 3.3.2-5")
@both
def test_who_sent_the_first_fragment_is_told_when_the_rest_does_not_come(family: Family) -> None:
    """RFC 1122 3.3.2, RFC 8200 4.5."""
    lab = Bench()
    packet = inject(lab, family, cut(DATA, 24)[0])
    lab.clock.advance(30 * SECOND - 1)
    assert lab.sent() == []
    lab.clock.advance(1)
    seen = lab.one()
    expected = icmpv4.TIME_EXCEEDED if family is V4 else icmpv6.TIME_EXCEEDED
    assert (seen.icmp.type, seen.icmp.code) == (expected, 1)
    assert seen.quote == packet
    assert lab.dropped() == ["fragments.timeout"]
    assert lab.host.reassembler.memory == 0
    inject(lab, family, cut(DATA, 24)[1])
    assert lab.listener.data == []


@both
def test_nobody_is_told_if_the_first_fragment_is_what_is_missing(family: Family) -> None:
    lab = Bench()
    inject(lab, family, cut(DATA, 24)[1])
    lab.clock.advance(30 * SECOND)
    assert lab.sent() == []
    assert lab.dropped() == ["fragments.timeout"]


@pytest.mark.shows("RFC 1122 3.3.2-6")
def test_later_fragments_do_not_prolong_the_wait() -> None:
    lab = Bench(HostConfig(ip=IpConfig(fragment_timeout=10 * SECOND)))
    one, two, _ = cut(DATA, 16, 32)
    other = Piece(0, bytes(8), True, identification=2)
    inject(lab, V4, one)
    lab.clock.advance(6 * SECOND)
    inject(lab, V4, two, other)
    lab.clock.advance(4 * SECOND)
    assert lab.dropped() == ["fragments.timeout"]
    assert len(lab.host.reassembler) == 1
    lab.clock.advance(6 * SECOND)
    assert lab.dropped() == ["fragments.timeout"]


@pytest.mark.shows("RFC 1122 3.3.2-3")
def test_memory_is_bounded_and_the_oldest_datagram_goes() -> None:
    lab = Bench(HostConfig(ip=IpConfig(fragment_memory=20_000)))
    for number in range(100):
        inject(lab, V4, Piece(0, bytes(1024), True, identification=number))
        assert lab.host.reassembler.memory <= 20_000
    assert set(lab.dropped()) == {"fragments.memory_full"}
    inject(lab, V4, Piece(1024, b"end", False, identification=99))
    inject(lab, V4, Piece(1024, b"end", False, identification=0))
    assert lab.listener.data == [bytes(1024) + b"end"]


def test_tiny_fragments_are_not_free() -> None:
    lab = Bench(HostConfig(ip=IpConfig(fragment_memory=100_000)))
    for start in range(0, 16 * 2000, 16):
        inject(lab, V4, Piece(start, bytes(8), True))
    assert "fragments.memory_full" in lab.dropped()


def test_datagrams_are_bounded_in_number() -> None:
    lab = Bench(HostConfig(ip=IpConfig(fragment_datagrams=10)))
    for number in range(15):
        inject(lab, V4, Piece(0, bytes(8), True, identification=number))
    assert len(lab.host.reassembler) == 10
    assert lab.dropped() == ["fragments.too_many_datagrams"] * 5


def test_no_memory_means_no_reassembly() -> None:
    lab = Bench(HostConfig(ip=IpConfig(fragment_memory=0)))
    assert reassembled(cut(DATA, 24), V4, lab) == []
    assert len(lab.host.reassembler) == 0


def test_no_timer_survives_the_host() -> None:
    lab = Bench()
    inject(lab, V4, cut(DATA, 24)[0])
    lab.host.close()
    assert lab.clock.pending == 0


# --- cutting


@both
@pytest.mark.parametrize("size", [0, 1, 1459, 1460, 1480, 1481, 5000, 65000])
def test_what_is_sent_in_fragments_arrives_whole(family: Family, size: int) -> None:
    net = Net()
    a, _ = net.host("a"), net.host("b")
    end, _ = net.join("a", ["10.0.0.1/24", "fd00::1/64"], "b", ["10.0.0.2/24", "fd00::2/64"])
    body = Random(size).randbytes(size)
    a.path(family.station).send(TEST, b"head", body, dont_fragment=False)
    net.settle()
    assert net.listeners["b"].data == [b"head" + body]
    assert all(len(frame) <= 14 + 1500 for frame in end.sent)


@both
def test_identifications_differ_between_packets_and_destinations(family: Family) -> None:
    lab = Bench()
    lab.know(family.nobody)
    seen = set()
    for destination in (family.station, family.nobody):
        for _ in range(3):
            lab.host.path(destination).send(TEST, bytes(2000), dont_fragment=False)
            first, second = lab.sent()
            found = [_identification(piece.ip, piece.payload) for piece in (first, second)]
            assert found[0] == found[1]
            seen.add(found[0])
    assert len(seen) == 6


def _identification(ip: Ipv4Header | Ipv6Header | None, payload: bytes) -> int:
    if isinstance(ip, Ipv4Header):
        return ip.identification
    return FragmentHeader.parse(payload).identification


def test_a_transport_checksum_is_complete_before_the_cut() -> None:
    lab = Bench(offload=True)
    header = b"\0\0\0\0"
    lab.host.path(V4.station).send(TEST, header, bytes((1, 2)) * 1000, checksum_at=2, dont_fragment=False)
    whole = b"".join(seen.payload for seen in lab.sent())
    assert sum(int.from_bytes(whole[at : at + 2]) for at in range(0, len(whole), 2)) % 0xFFFF == 0


def test_ipv4_options_that_are_not_to_be_copied_stay_with_the_first() -> None:
    options = build_options([RouterAlertOption(), RouteOption(7, 4, bytes(8))])
    header = Ipv4Header(V4.host, V4.station, TEST, 0, options=options)
    first, second = list(fragments(header, bytes(100), 100))
    assert [option.kind for option in parse_options(Ipv4Header.parse(first.head).options)][:2] == [148, 7]
    assert [option.kind for option in parse_options(Ipv4Header.parse(second.head).options)] == [148]
    assert len(first) <= 100


@given(st.data())
def test_garbage_never_raises_and_stays_within_bounds(data: st.DataObject) -> None:
    lab = Bench(HostConfig(ip=IpConfig(fragment_memory=5000, fragment_datagrams=3)))
    for _ in range(data.draw(st.integers(1, 30))):
        family = data.draw(st.sampled_from(FAMILIES))
        piece = Piece(
            8 * data.draw(st.integers(0, 20)),
            bytes(data.draw(st.integers(0, 64))),
            data.draw(st.booleans()),
            data.draw(st.integers(1, 4)),
            data.draw(st.integers(0, 3)),
        )
        inject(lab, family, piece)
        assert lab.host.reassembler.memory <= 5000
        assert len(lab.host.reassembler) <= 3
    lab.clock.advance(31 * SECOND)
    assert lab.host.reassembler.memory == 0
