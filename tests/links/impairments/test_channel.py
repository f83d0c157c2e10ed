"""A channel as a whole: order of events, link state, MTU, changes, determinism."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from links.impairments.channel import MAX_FRAMES
from links.impairments.pipe import Pipe
from stack.clock import MILLISECOND
from stack.link import Frame, Medium
from stack.wire.ethernet import VlanTag
from tests.links.impairments.frames import Bench, Record, plain, tcp, udp
from tests.support import FakeClock

MS = MILLISECOND

EVERYTHING: dict[str, Any] = {
    "rate": "10Mbit/s",
    "queue": {"discipline": "codel", "limit": "50 packets", "target": "1ms", "interval": "10ms"},
    "delay": {"time": "10ms", "jitter": "3ms", "correlation": "25%", "distribution": "normal"},
    "loss": {"gemodel": {"p": "2%", "r": "30%"}},
    "reorder": {"probability": "5%", "correlation": "10%"},
    "duplicate": "2%",
    "corrupt": "2%",
    "drop": {"match": "udp", "every": 7},
}


def history(seed: int, **spec: Any) -> list[tuple[int, bytes]]:
    bench = Bench(seed=seed, **spec)
    random = Random(99)
    frames = [udp(random.randbytes(random.randrange(1400))) for _ in range(400)]
    bench.send_spaced(frames, MS // 2)
    return [(time, bytes(frame)) for time, frame in bench.arrivals]


def test_the_same_seed_gives_the_same_history() -> None:
    assert history(1, **EVERYTHING) == history(1, **EVERYTHING)


def test_another_seed_gives_another() -> None:
    assert history(1, **EVERYTHING) != history(2, **EVERYTHING)


def test_what_is_not_configured_draws_nothing() -> None:
    bench = Bench(
        rate="8Mbit/s",
        queue="1 packets",
        delay="1ms",
        mtu=1000,
        loss=0,
        duplicate=0,
        corrupt=0,
        drop={"nth": 1},
    )
    state = bench.random.getstate()
    bench.send_spaced([plain(size) for size in (60, 1500, 60, 60, 60)], MS // 100)
    assert bench.random.getstate() == state


def test_frames_are_accounted_for() -> None:
    bench = Bench(**EVERYTHING)
    frames = [udp(bytes(1000)) for _ in range(1000)]
    bench.send_spaced(frames, MS // 2)
    statistics = bench.channel.statistics
    assert statistics.sent == 1000
    assert statistics.sent_bytes == sum(map(len, frames))
    assert statistics.delivered == len(bench.arrivals) == 1000 - statistics.dropped + statistics.duplicated
    assert statistics.delivered_bytes == sum(map(len, bench.frames))
    assert set(statistics.drops) == {"aimed fault", "codel", "lost"}
    assert bench.channel.frames == 0
    assert bench.clock.pending == 0


def test_the_observer_sees_every_frame_come_and_go() -> None:
    bench = Bench(**EVERYTHING)
    record = bench.channel.observer = Record()
    bench.send_spaced([udp(bytes(1000)) for _ in range(300)], MS // 2)
    count = {
        kind: sum(kind == event[0] for event in record.events) for kind in ("sent", "dropped", "delivered")
    }
    statistics = bench.channel.statistics
    assert count == {"sent": 300, "dropped": statistics.dropped, "delivered": statistics.delivered}


class TestLinkState:
    def test_nothing_gets_in_while_it_is_down(self) -> None:
        bench = Bench(up=False)
        bench.send(plain(60))
        bench.clock.run()
        assert bench.arrivals == []
        assert bench.drops == {"link down": 1}

    def test_all_that_is_inside_is_lost_when_it_goes_down(self) -> None:
        written = {"rate": "8Mbit/s", "delay": ["5ms", {"match": "udp", "time": "50ms"}]}
        bench = Bench(**written)
        bench.send(*(plain(1000) for _ in range(4)), udp())
        bench.clock.advance(1_500_000)
        assert bench.channel.frames == 5, "one on its way, one half sent, two in the queue, one held back"
        bench.configure(**written, up=False)
        assert bench.channel.frames == 0
        assert bench.clock.pending == 0
        bench.clock.advance(100 * MS)
        assert bench.arrivals == []
        assert bench.drops == {"link down": 5}

    def test_it_works_again_when_it_comes_up(self) -> None:
        bench = Bench(rate="8Mbit/s")
        bench.send(plain(1000))
        bench.configure(rate="8Mbit/s", up=False)
        bench.configure(rate="8Mbit/s")
        bench.send(plain(1000))
        bench.clock.run()
        assert bench.times == [MS]

    def test_going_down_while_a_frame_is_delivered(self) -> None:
        bench = Bench(delay="1ms")
        bench.react = bench.channel.close
        bench.send(plain(60), plain(60))
        bench.clock.run()
        assert len(bench.arrivals) == 1
        assert bench.drops == {"link down": 1}

    def test_close_is_for_good_and_leaves_nothing_at_the_clock(self) -> None:
        bench = Bench(rate="8Mbit/s", delay="5ms")
        bench.send(plain(1000), plain(1000))
        bench.channel.close()
        bench.channel.close()
        bench.send(plain(1000))
        assert bench.clock.pending == 0
        assert bench.drops == {"link down": 3}


class TestMtu:
    @pytest.mark.parametrize(("size", "arrives"), [(1400, True), (1401, False)])
    def test_larger_packets_vanish(self, size: int, arrives: bool) -> None:
        for frame, medium in (
            (tcp(bytes(size - 40)), Medium.ETHERNET),
            (tcp(bytes(size - 40), tags=(VlanTag(1),)), Medium.ETHERNET),
            (plain(size), Medium.IP),
        ):
            bench = Bench(mtu=1400, medium=medium)
            bench.send(frame)
            bench.clock.run()
            assert bench.frames == ([frame] if arrives else [])
            assert bench.drops == ({} if arrives else {"larger than mtu": 1})

    def test_a_frame_that_makes_no_sense_is_measured_all_the_same(self) -> None:
        bench = Bench(mtu=68)
        bench.send(plain(0), plain(5), Frame(b"\x81\x00" * 100))
        bench.clock.run()
        assert len(bench.arrivals) == 2


class TestBounds:
    def test_frames_in_a_channel_are_bounded_without_being_asked(self) -> None:
        bench = Bench(delay="1h")
        frame = plain(60)
        for _ in range(MAX_FRAMES + 3):
            bench.channel.send(frame)
        assert bench.channel.frames == MAX_FRAMES
        assert bench.drops == {"limit reached": 3}


class TestPipe:
    def test_a_frame_put_in_while_one_is_handed_out_waits_for_its_turn(self) -> None:
        clock = FakeClock()
        order: list[str] = []

        def out(frame: Frame) -> None:
            order.append(bytes(frame).decode())
            if len(order) == 1:
                clock.call_later(0, order.append, "other")
                pipe.put(Frame(b"echo"), clock.now())

        pipe = Pipe(clock, out)
        pipe.put(Frame(b"first"), 5)
        pipe.put(Frame(b"second"), 5)
        clock.run()
        assert order == ["first", "second", "other", "echo"]

    def test_it_can_be_cleared_and_filled_while_a_frame_is_handed_out(self) -> None:
        clock = FakeClock()
        order: list[tuple[int, bytes]] = []

        def out(frame: Frame) -> None:
            order.append((clock.now(), bytes(frame)))
            if len(order) == 1:
                assert [bytes(left) for left in pipe.clear()] == [b"b", b"c"]
                pipe.put(Frame(b"d"), 7)

        pipe = Pipe(clock, out)
        for data, when in ((b"c", 6), (b"a", 5), (b"b", 5)):
            pipe.put(Frame(data), when)
        clock.run()
        assert order == [(5, b"a"), (7, b"d")]
        assert clock.pending == 0

    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=40))
    def test_each_frame_comes_out_at_its_time_and_those_of_one_instant_in_order(
        self, plan: list[tuple[int, int]]
    ) -> None:
        clock = FakeClock()
        got: list[tuple[int, int]] = []
        pipe = Pipe(clock, lambda frame: got.append((clock.now(), int(bytes(frame)))))
        expected = []
        for number, (sent, delay) in enumerate(sorted(plan)):
            clock.call_at(sent, pipe.put, Frame(str(number).encode()), sent + delay)
            expected.append((sent + delay, number))
        clock.run()
        assert got == sorted(expected)


CHANGES = st.sampled_from(
    [
        {},
        {"up": False},
        {"rate": "1Mbit/s"},
        {"rate": "1Gbit/s", "queue": "3 packets"},
        {"rate": {"trace": [1, 4]}, "queue": {"discipline": "codel", "target": "1ms", "interval": "2ms"}},
        {"delay": {"time": "3ms", "jitter": "5ms", "keep_order": True}},
        {"delay": "1ms", "reorder": "50%", "duplicate": "50%", "limit": 4},
        {"loss": "50%", "corrupt": "50%", "drop": {"every": 3}},
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CHANGES, st.integers(0, 6), st.integers(0, 4_000_000)), max_size=12))
def test_whatever_changes_no_frame_is_forgotten(steps: list[tuple[dict[str, Any], int, int]]) -> None:
    bench = Bench()
    for spec, count, pause in steps:
        bench.configure(**spec)
        bench.send(*(tcp(bytes(400)) for _ in range(count)))
        bench.clock.advance(pause)
    statistics = bench.channel.statistics
    inside = bench.channel.frames
    assert statistics.sent + statistics.duplicated == statistics.delivered + statistics.dropped + inside
    bench.clock.run()
    assert statistics.sent + statistics.duplicated == statistics.delivered + statistics.dropped
    assert statistics.busy <= bench.clock.now()
    assert (bench.channel.frames, bench.channel.queue_bytes, bench.clock.pending) == (0, 0, 0)
