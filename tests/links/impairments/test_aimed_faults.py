"""Aimed faults: this frame, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from stack.clock import MILLISECOND
from stack.link import Checksum, Frame
from stack.wire.tcp import ACK, FIN, SYN
from tests.links.impairments.frames import Bench, Record, partial_tcp, plain, tcp, udp


def arrived(frames: list[Frame], **spec: Any) -> list[int]:
    """The numbers, from 1, of the frames that arrive, in their order."""
    bench = Bench(**spec)
    bench.send(*frames)
    bench.clock.run()
    numbers = {id(frame): number for number, frame in enumerate(frames, 1)}
    return [numbers[id(frame)] for frame in bench.frames]


def test_the_first_syn_is_lost() -> None:
    conversation = [tcp(flags=SYN), tcp(flags=SYN), tcp(), tcp(b"data"), tcp(flags=FIN | ACK)]
    assert arrived(conversation, drop={"match": "tcp and syn", "nth": 1}) == [2, 3, 4, 5]


def test_the_third_segment_with_data() -> None:
    conversation = [tcp(flags=SYN), tcp(), tcp(b"1"), tcp(b"2"), tcp(), tcp(b"3"), tcp(b"4")]
    assert arrived(conversation, drop={"match": "tcp and data", "nth": 3}) == [1, 2, 3, 4, 5, 7]


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({}, []),
        ({"nth": [2, 4]}, [1, 3, 5, 6]),
        ({"nth": "2-4"}, [1, 5, 6]),
        ({"every": 2}, [1, 3, 5]),
        ({"times": 2}, [3, 4, 5, 6]),
        ({"every": 2, "times": 2}, [1, 3, 5, 6]),
    ],
)
def test_which_of_the_matching_frames(which: dict[str, Any], left: list[int]) -> None:
    assert arrived([udp() for _ in range(6)], drop={"match": "udp", **which}) == left


def test_the_match_alone_is_short_for_all_of_them() -> None:
    assert arrived([udp(), tcp(), udp()], drop="udp") == [2]


def test_without_a_match_frames_are_counted_as_they_come() -> None:
    assert arrived([plain(60), plain(60), plain(60)], drop={"nth": 2}) == [1, 3]


def test_a_delayed_frame_is_overtaken() -> None:
    frames = [tcp(b"1"), tcp(b"2"), tcp(b"3")]
    bench = Bench(delay=["10ms", {"match": "tcp and data", "nth": 1, "time": "5ms"}])
    bench.send(*frames)
    bench.clock.run()
    assert bench.frames == [frames[1], frames[2], frames[0]]
    assert bench.times == [10 * MILLISECOND, 10 * MILLISECOND, 15 * MILLISECOND]


def test_a_duplicated_frame_takes_its_share_of_the_rate_twice() -> None:
    bench = Bench(duplicate={"nth": 1}, rate="8Mbit/s")
    frames = [plain(1000), plain(1000)]
    bench.send(*frames)
    bench.clock.run()
    assert bench.frames == [frames[0], frames[0], frames[1]]
    assert bench.times[-1] == 3 * MILLISECOND
    assert bench.channel.statistics.duplicated == 1


def test_a_corrupted_frame_is_another_one_with_a_complete_checksum() -> None:
    frame = partial_tcp(b"hello")
    bench = Bench(corrupt={"match": "data", "nth": 1})
    bench.send(frame)
    bench.clock.run()
    (corrupted,) = bench.frames
    assert corrupted.checksum is Checksum.COMPLETE
    assert bytes(corrupted) != bytes(tcp(b"hello"))
    assert len(corrupted) == len(frame)


def test_several_faults_count_each_for_itself() -> None:
    """A frame that one fault drops is still counted by the others."""
    frames = [udp() for _ in range(4)]
    assert arrived(frames, faults=[{"drop": {"nth": 1}}, {"drop": {"match": "udp", "nth": 3}}]) == [2, 4]


def test_faults_of_all_kinds_in_one_list() -> None:
    bench = Bench(
        drop={"match": "syn"},
        faults=[{"duplicate": {"match": "fin"}}, {"delay": {"match": "fin", "time": "1ms"}}],
    )
    fin = tcp(flags=FIN | ACK)
    bench.send(tcp(flags=SYN), fin)
    bench.clock.run()
    assert bench.arrivals == [(MILLISECOND, fin), (MILLISECOND, fin)]


def test_a_retransmission_can_be_aimed_at() -> None:
    segment = tcp(b"data", sequence=1)
    other = tcp(b"more", sequence=5)
    again = tcp(b"data", sequence=1)
    assert arrived([segment, other, again], drop={"match": "retransmission", "nth": 1}) == [1, 2]


def test_counts_survive_a_change_of_something_else_and_start_anew_with_the_faults() -> None:
    bench = Bench(drop={"nth": 2})
    bench.send(plain(60))
    bench.configure(drop={"nth": 2}, delay="1ms")
    bench.send(plain(60))
    assert bench.drops == {"aimed fault": 1}
    bench.configure(drop={"nth": [2, 3]}, delay="1ms")
    bench.send(plain(60))
    assert bench.drops == {"aimed fault": 1}
    bench.send(plain(60))
    assert bench.drops == {"aimed fault": 2}


def test_the_observer_is_told() -> None:
    bench = Bench(drop={"nth": 1}, duplicate={"nth": 2}, corrupt={"nth": 3})
    record = bench.channel.observer = Record()
    bench.send(plain(60), plain(60), plain(60))
    kinds = [(kind, text) for kind, _, text in record.events]
    assert kinds[:4] == [("sent", ""), ("dropped", "aimed fault"), ("sent", ""), ("note", "duplicated")]
    assert kinds[4] == ("sent", "")
    assert kinds[5][1].startswith("corrupted: bit ")
