"""Times that are reckoned beforehand are those at which things would have happened."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from links.impairments.pace import ConstantPace
from stack.clock import MILLISECOND
from tests.links.impairments.frames import Bench, plain

MS = MILLISECOND
STEP_BY_STEP = {"loss": {"ordinals": 10**9}}
"""What never happens, but might: with it a channel looks at each frame when it has left."""

# At these rates no frame leaves in a whole number of microseconds, so none leaves just when another comes.
SPECS = st.sampled_from(
    [
        {"rate": "7777777bit/s", "queue": "3 packets"},
        {"rate": "7777777bit/s", "queue": "1000B", "delay": "1ms"},
        {"rate": "33333331bit/s", "delay": "3ms"},
        {"rate": "33333331bit/s", "queue": {"discipline": "codel", "target": "10us", "interval": "50us"}},
        {"rate": "333331bit/s", "delay": "3ms", "limit": 5},
        {"rate": {"trace": [1, 4]}},
        {"delay": "2ms"},
        {"delay": "2ms", "limit": 3},
        {"up": False},
    ]
)
STEPS = st.lists(
    st.tuples(SPECS, st.lists(st.integers(60, 1500), max_size=6), st.integers(0, 4_000)), max_size=12
)


def history(steps: list[tuple[dict[str, Any], list[int], int]], **always: Any) -> list[Any]:
    """All that can be seen of a channel that is configured, sent frames and left to itself, again and again."""
    bench = Bench()
    seen: list[Any] = []
    for spec, sizes, microseconds in steps:
        bench.configure(**spec, **always)
        bench.send(*map(plain, sizes))
        channel = bench.channel
        seen.append((channel.frames, channel.queue_packets, channel.queue_bytes, channel.queue.peak_bytes))
        bench.clock.advance(microseconds * 1000)
        seen += (bench.drops.copy(), channel.queue.mean_packets, channel.queue.mean_bytes)
    bench.clock.run()
    statistics = bench.channel.statistics
    seen += ((time, len(frame)) for time, frame in bench.arrivals)
    return [*seen, bench.drops, statistics.busy, statistics.delivered_bytes, bench.clock.pending]


@settings(max_examples=150, deadline=None)
@given(STEPS)
@example(
    [
        ({"rate": "7777777bit/s", "queue": f"{packets} packets"}, [611] * 3, 700)
        for packets in (9, 8, 9, 8, 9, 8)
    ]
)
def test_a_line_does_what_a_bottleneck_and_a_pipe_do(
    steps: list[tuple[dict[str, Any], list[int], int]],
) -> None:
    assert history(steps) == history(steps, **STEP_BY_STEP)


def test_one_callback_is_pending_however_many_frames_are_inside() -> None:
    bench = Bench(rate="8Mbit/s", delay="20ms")
    bench.send(*(plain(1000) for _ in range(100)))
    assert bench.clock.pending == 1
    bench.clock.run()
    assert bench.times == [20 * MS + number * MS for number in range(1, 101)]


def test_the_line_is_busy_now_and_not_with_what_waits() -> None:
    bench = Bench(rate="8Mbit/s")
    bench.send(*(plain(1000) for _ in range(10)))
    bench.clock.advance(3 * MS)
    assert bench.channel.statistics.busy == 3 * MS
    bench.clock.run()
    assert bench.channel.statistics.busy == 10 * MS


def test_a_frame_put_in_while_one_is_handed_out_waits_for_its_turn() -> None:
    bench = Bench()
    first, second, echo = plain(1), plain(2), plain(3)
    bench.react = lambda: None if len(bench.arrivals) > 1 else bench.send(echo)
    bench.send(first, second)
    bench.clock.run()
    assert bench.frames == [first, second, echo]


@pytest.mark.parametrize("always", [{}, STEP_BY_STEP], ids=["line", "pipe"])
def test_whoever_fails_over_a_frame_does_not_cut_the_wire(always: dict[str, Any]) -> None:
    bench = Bench(delay="20ms", **always)

    def fail_over_the_first() -> None:
        if len(bench.arrivals) == 1:
            raise RuntimeError("an application's mistake")

    bench.react = fail_over_the_first
    frames = [plain(1), plain(2), plain(3)]
    bench.send(*frames[:2])
    with pytest.raises(RuntimeError, match="mistake"):
        bench.clock.run()
    bench.send(frames[2])
    bench.clock.run()
    assert bench.frames == frames
    assert bench.times == [20 * MS, 20 * MS, 40 * MS]


@given(st.integers(1, 10**10), st.lists(st.integers(1, 65535), min_size=1, max_size=20))
def test_a_pace_can_take_back_what_it_has_reckoned(rate: int, sizes: list[int]) -> None:
    pace = ConstantPace(rate)
    states, durations = [], []
    for size in sizes:
        states.append(pace.carry)
        durations.append(pace.duration(size, 0))
    for size in reversed(sizes):
        assert (pace.undo(size), pace.carry) == (durations.pop(), states.pop())
