"""Flipped bits and congestion marks: what changes in a frame, and what must not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from links.impairments.rewrite import flip_bit, mark_congestion
from stack.link import Checksum, Frame, Medium
from stack.wire.checksum import internet_checksum, pseudo_header_sum
from stack.wire.ethernet import VlanTag
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.protocols import TCP
from tests.links.impairments.frames import CE, ECT0, Bench, arp, partial_tcp, tcp

V6 = {"source": "fd00::1", "destination": "fd00::2"}
ECT1 = 0b01


def differing_bits(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


class TestCorruption:
    @given(st.binary(min_size=1, max_size=200), st.integers(0, 1000))
    def test_exactly_one_bit_flips(self, data: bytes, seed: int) -> None:
        frame = Frame(data[:20], data[20:])
        corrupted, bit = flip_bit(frame, Random(seed))
        assert len(corrupted) == len(frame)
        assert differing_bits(bytes(corrupted), data) == 1
        assert bytes(corrupted)[bit >> 3] ^ data[bit >> 3] == 0x80 >> (bit & 7)
        assert bytes(frame) == data, "the sender's frame is left alone"

    def test_every_bit_can_flip(self) -> None:
        random = Random(1)
        assert {flip_bit(Frame(b"ab"), random)[1] for _ in range(500)} == set(range(16))

    def test_an_empty_frame_stays_as_it_is(self) -> None:
        assert bytes(flip_bit(Frame(b""), Random(1))[0]) == b""

    def test_a_partial_checksum_is_completed_before(self) -> None:
        """Otherwise the receiver would trust the frame, and the flipped bit go unnoticed."""
        corrupted, bit = flip_bit(partial_tcp(b"hello"), Random(1))
        assert corrupted.checksum is Checksum.COMPLETE
        repaired = bytearray(bytes(corrupted))
        repaired[bit >> 3] ^= 0x80 >> (bit & 7)
        assert bytes(repaired) == bytes(tcp(b"hello"))

    def test_the_checksum_catches_it(self) -> None:
        """Any flipped bit from the addresses on is caught by TCP's checksum, whichever it is."""
        pseudo = pseudo_header_sum(bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), TCP, 40).to_bytes(2)
        caught = 0
        random = Random(2)
        for _ in range(300):
            corrupted, bit = flip_bit(partial_tcp(bytes(range(20))), random)
            if bit >> 3 >= 34:
                assert internet_checksum(pseudo, bytes(corrupted)[34:]) != 0
                caught += 1
        assert caught > 100

    def test_by_chance(self) -> None:
        bench = Bench(corrupt="20%")
        frames = [tcp(bytes(100)) for _ in range(10_000)]
        bench.send_spaced(frames, 1000)
        changed = [differing_bits(bytes(a), bytes(b)) for a, b in zip(frames, bench.frames, strict=True)]
        assert set(changed) == {0, 1}
        assert sum(changed) / len(changed) == pytest.approx(0.2, abs=0.016)
        assert bench.channel.statistics.corrupted == sum(changed)

    def test_a_duplicate_has_the_same_corruption(self) -> None:
        bench = Bench(corrupt="100%", duplicate="100%")
        bench.send(tcp(b"hello"))
        bench.clock.run()
        one, other = bench.frames
        assert bytes(one) == bytes(other) != bytes(tcp(b"hello"))


class TestCongestionMarks:
    @pytest.mark.parametrize("capable", [ECT0, ECT1, CE])
    @pytest.mark.parametrize("tags", [(), (VlanTag(7),), (VlanTag(7), VlanTag(8))])
    def test_ipv4(self, capable: int, tags: tuple[VlanTag, ...]) -> None:
        frame = tcp(b"data", traffic_class=0xB8 | capable, tags=tags)
        marked = mark_congestion(frame, Medium.ETHERNET)
        assert marked is not None
        start = 14 + 4 * len(tags)
        header = Ipv4Header.parse(marked.head, start)
        assert header.traffic_class == 0xB8 | CE, "parse() has verified the header's checksum"
        header.traffic_class = 0xB8 | capable
        header.checksum = None
        assert header.build() + bytes(marked)[start + 20 :] == bytes(frame)[start:]

    @pytest.mark.parametrize("capable", [ECT0, ECT1, CE])
    def test_ipv6(self, capable: int) -> None:
        frame = tcp(b"data", traffic_class=0xB8 | capable, **V6)
        marked = mark_congestion(frame, Medium.ETHERNET)
        assert marked is not None
        before, after = Ipv6Header.parse(frame.head, 14), Ipv6Header.parse(marked.head, 14)
        assert after.traffic_class == 0xB8 | CE
        after.traffic_class = before.traffic_class
        assert after == before
        assert bytes(marked)[54:] == bytes(frame)[54:]

    @given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 63), st.sampled_from([ECT0, ECT1]))
    def test_the_header_checksum_stays_right(
        self, address: int, hop_limit: int, dscp: int, capable: int
    ) -> None:
        header = Ipv4Header(
            address.to_bytes(4), bytes(4), TCP, 20, hop_limit=hop_limit, traffic_class=dscp << 2 | capable
        )
        marked = mark_congestion(Frame(header.build()), Medium.IP)
        assert marked is not None
        assert Ipv4Header.parse(marked.head).traffic_class == dscp << 2 | CE

    @pytest.mark.parametrize("frame", [tcp(b"x"), tcp(b"x", **V6), arp(), Frame(b""), Frame(b"\x45\x02")])
    def test_what_is_not_capable_is_refused(self, frame: Frame) -> None:
        assert mark_congestion(frame, Medium.ETHERNET) is None

    @given(st.binary(max_size=60), st.sampled_from(Medium))
    def test_any_bytes_are_marked_or_refused(self, data: bytes, medium: Medium) -> None:
        marked = mark_congestion(Frame(data), medium)
        assert marked is None or len(marked) == len(data)

    def test_the_rest_of_the_frame_travels_as_it_is(self) -> None:
        frame: Any = partial_tcp(b"hello")
        head = bytearray(frame.head)
        head[15] |= ECT0
        capable = Frame(bytes(head), frame.payload, Checksum.PARTIAL, frame.transport, frame.checksum_at)
        marked = mark_congestion(capable, Medium.ETHERNET)
        assert marked is not None
        assert marked.payload is capable.payload
        assert (marked.checksum, marked.transport, marked.checksum_at) == (
            Checksum.PARTIAL,
            capable.transport,
            capable.checksum_at,
        )
