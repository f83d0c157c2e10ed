"""Delay, jitter and its distributions, reordering, duplication: against netem's definitions."""

from __future__ import annotations

import itertools
from statistics import fmean, pstdev
from typing import Any

import pytest

from links.impairments.jitter import quantiles
from stack.clock import MICROSECOND, MILLISECOND
from stack.link import Frame
from tests.links.impairments.frames import Bench, Record, plain

FRAMES = 20_000


def delays(count: int = FRAMES, **delay: Any) -> list[int]:
    """Of frames sent so far apart that they cannot overtake."""
    bench = Bench(delay=delay)
    bench.send_spaced([plain(60) for _ in range(count)], 1000 * MILLISECOND)
    return [arrival - index * 1000 * MILLISECOND for index, arrival in enumerate(bench.times)]


def test_a_constant_delay_is_exact() -> None:
    assert set(delays(100, time="20ms")) == {20 * MILLISECOND}


def test_uniform_jitter() -> None:
    measured = delays(time="20ms", jitter="5ms")
    assert min(measured) >= 15 * MILLISECOND
    assert max(measured) < 25 * MILLISECOND
    assert fmean(measured) == pytest.approx(20 * MILLISECOND, abs=0.1 * MILLISECOND)
    assert pstdev(measured) == pytest.approx(10 * MILLISECOND / 12**0.5, rel=0.02)


@pytest.mark.parametrize("distribution", ["normal", "pareto", "paretonormal"])
def test_other_distributions_have_the_mean_and_the_spread_of_their_table(distribution: str) -> None:
    table = [value / 8192 for value in quantiles(distribution)]
    measured = delays(time="100ms", jitter="5ms", distribution=distribution)
    assert fmean(measured) == pytest.approx((100 + 5 * fmean(table)) * MILLISECOND, abs=0.2 * MILLISECOND)
    assert pstdev(measured) == pytest.approx(5 * MILLISECOND * pstdev(table), rel=0.05)


@pytest.mark.parametrize(
    ("distribution", "total", "squares", "some"),
    [
        ("normal", -26163, 274907053073, (-32768, -28307, -5677, 28858)),
        ("pareto", -1123786, 184990749388, (-5461, -5460, -4393, 32767)),
        ("paretonormal", -848968, 191343507090, (-12305, -11171, -4714, 31789)),
    ],
)
def test_the_tables_are_those_of_iproute2(
    distribution: str, total: int, squares: int, some: tuple[int, ...]
) -> None:
    """The sums over normal.dist, pareto.dist and paretonormal.dist of iproute2 6.1, and entries of them."""
    table = quantiles(distribution)
    assert len(table) == 4096
    assert (table[0], table[1], table[1000], table[4095]) == some
    assert sum(table) == total
    assert sum(value * value for value in table) == squares


def test_a_normal_jitter_has_a_normal_share_within_one_sigma() -> None:
    measured = delays(time="100ms", jitter="5ms", distribution="normal")
    within = sum(95 * MILLISECOND <= delay <= 105 * MILLISECOND for delay in measured) / len(measured)
    assert within == pytest.approx(0.6827, abs=0.015)


def test_a_delay_is_never_negative() -> None:
    measured = delays(time="1ms", jitter="10ms")
    assert min(measured) == 0
    assert sum(delay == 0 for delay in measured) / len(measured) == pytest.approx(0.45, abs=0.02)


def test_correlation_draws_a_delay_towards_the_one_before() -> None:
    """x' = (1 - c) u + c x has autocorrelation c."""
    measured = delays(time="20ms", jitter="5ms", correlation="50%")
    average = fmean(measured)
    deviations = [delay - average for delay in measured]
    products = sum(a * b for a, b in itertools.pairwise(deviations))
    assert products / sum(deviation**2 for deviation in deviations) == pytest.approx(0.5, abs=0.03)


def test_jitter_reorders_unless_the_order_is_kept() -> None:
    frames = [plain(60) for _ in range(500)]
    jittery = Bench(delay={"time": "20ms", "jitter": "5ms"})
    jittery.send_spaced(frames, MILLISECOND)
    assert jittery.frames != frames
    assert {id(frame) for frame in jittery.frames} == {id(frame) for frame in frames}
    kept = Bench(delay={"time": "20ms", "jitter": "5ms", "keep_order": True})
    kept.send_spaced(frames, MILLISECOND)
    assert kept.frames == frames
    assert kept.times == sorted(kept.times)


def test_frames_of_one_instant_keep_their_order() -> None:
    bench = Bench(delay="5ms")
    frames = [plain(60) for _ in range(50)]
    bench.send(*frames)
    bench.clock.run()
    assert bench.frames == frames
    assert set(bench.times) == {5 * MILLISECOND}


def test_a_bare_delay_has_one_callback_pending_however_many_frames() -> None:
    bench = Bench(delay="5ms")
    for _ in range(100):
        bench.send(plain(60))
        bench.clock.advance(10 * MICROSECOND)
    assert bench.clock.pending == 1
    assert bench.channel.frames == 100


def test_delivery_is_never_from_within_send() -> None:
    bench = Bench()
    bench.send(plain(60))
    assert bench.arrivals == []
    bench.clock.run()
    assert bench.times == [0]


def test_a_shorter_delay_lets_later_frames_overtake() -> None:
    bench = Bench(delay="20ms")
    first, second = plain(60), plain(60)
    bench.send(first)
    bench.configure(delay="5ms")
    bench.send(second)
    bench.clock.run()
    assert bench.frames == [second, first]
    assert bench.times == [5 * MILLISECOND, 20 * MILLISECOND]


def test_a_shorter_delay_that_keeps_the_order() -> None:
    bench = Bench(delay="20ms")
    first, second = plain(60), plain(60)
    bench.send(first)
    bench.configure(delay={"time": "5ms", "keep_order": True})
    bench.send(second)
    bench.clock.run()
    assert bench.frames == [first, second]


class TestReordering:
    def sent_at_once(self, count: int, **reorder: Any) -> list[int]:
        """The numbers, from 1, of the frames that skipped the delay."""
        bench = Bench(delay="10ms", reorder=reorder)
        frames = [plain(60) for _ in range(count)]
        bench.send_spaced(frames, 100 * MILLISECOND)
        late = {id(frame): time for time, frame in bench.arrivals}
        numbers = [
            number
            for number, frame in enumerate(frames, 1)
            if late[id(frame)] == (number - 1) * 100 * MILLISECOND
        ]
        assert bench.channel.statistics.reordered == len(numbers)
        return numbers

    def test_by_chance(self) -> None:
        assert len(self.sent_at_once(FRAMES, probability="25%")) / FRAMES == pytest.approx(0.25, abs=0.015)

    def test_a_gap_with_certainty_takes_each_so_manieth_frame(self) -> None:
        assert self.sent_at_once(16, probability="100%", gap=5) == [5, 10, 15]

    def test_a_gap_with_chance_leaves_at_least_so_many_between(self) -> None:
        numbers = self.sent_at_once(5000, probability="50%", gap=5)
        gaps = [later - earlier for earlier, later in itertools.pairwise(numbers)]
        assert min(gaps) == 5
        # Once the gap is over each frame is one with probability 1/2: 4 frames more than the mean of 2.
        assert fmean(gaps) == pytest.approx(6, rel=0.05)

    def test_it_overtakes(self) -> None:
        bench = Bench(delay="10ms", reorder={"probability": "100%", "gap": 3})
        frames = [plain(60) for _ in range(3)]
        bench.send_spaced(frames, MILLISECOND)
        assert bench.frames == [frames[2], frames[0], frames[1]]


class TestDuplication:
    def test_by_chance(self) -> None:
        bench = Bench(duplicate="10%")
        bench.send_spaced([plain(60) for _ in range(FRAMES)], MILLISECOND)
        assert len(bench.arrivals) / FRAMES == pytest.approx(1.1, abs=0.01)
        assert bench.channel.statistics.duplicated == len(bench.arrivals) - FRAMES

    def test_the_copy_has_a_delay_of_its_own(self) -> None:
        bench = Bench(duplicate="100%", delay={"time": "10ms", "jitter": "5ms"})
        frame = plain(60)
        bench.send(frame)
        bench.clock.run()
        assert bench.frames == [frame, frame]
        assert bench.times[0] != bench.times[1]

    def test_a_copy_takes_nothing_of_the_rate(self) -> None:
        bench = Bench(duplicate="100%", rate="8Mbit/s")
        bench.send(plain(1000), plain(1000))
        bench.clock.run()
        assert bench.times == [MILLISECOND, MILLISECOND, 2 * MILLISECOND, 2 * MILLISECOND]

    def test_correlated_duplicates_come_together(self) -> None:
        bench = Bench(duplicate={"probability": "40%", "correlation": "25%"})
        frames = [plain(60) for _ in range(FRAMES)]
        bench.send_spaced(frames, MILLISECOND)
        count: dict[int, int] = {}
        for frame in bench.frames:
            count[id(frame)] = count.get(id(frame), 0) + 1
        twice = [count[id(frame)] == 2 for frame in frames]
        after = [now for before, now in itertools.pairwise(twice) if before]
        assert fmean(after) > fmean(twice) + 0.05


def test_notes_tell_what_happened() -> None:
    bench = Bench(delay="10ms", reorder="100%", duplicate="100%")
    record = bench.channel.observer = Record()
    frame = Frame(b"x")
    bench.send(frame)
    bench.clock.run()
    kinds = [(kind, text) for kind, _, text in record.events]
    assert kinds == [
        ("sent", ""),
        ("note", "duplicated"),
        ("note", "reordered"),
        ("note", "reordered"),
        ("delivered", ""),
        ("delivered", ""),
    ]
