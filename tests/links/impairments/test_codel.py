"""CoDel at work (RFC 8289): what it leaves alone, when it begins, how it goes on, and when it ends."""

from __future__ import annotations

from math import isqrt
from typing import Any

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.link import Frame
from tests.links.impairments.frames import CE, ECT0, Bench, Record, plain, tcp

MS = MILLISECOND
FRAME = 1000
"""Bytes: 1 ms at 8 Mbit/s."""


def bench(**codel: Any) -> Bench:
    return Bench(rate="8Mbit/s", queue={"discipline": "codel", "limit": "20000 packets", **codel})


def offer(bench: Bench, count: int, interval: int, frame: Frame | None = None) -> None:
    for index in range(count):
        bench.clock.call_at(index * interval, bench.channel.send, frame or plain(FRAME))


def drop_times(bench: Bench, until: int) -> list[int]:
    """When frames were dropped."""
    times: list[int] = []

    class Watch(Record):
        def dropped(self, frame: Frame, reason: str) -> None:
            assert reason == "codel"
            times.append(bench.clock.now())

    bench.channel.observer = Watch()
    bench.clock.run(until)
    return times


def test_a_link_that_keeps_up_drops_nothing() -> None:
    link = bench()
    offer(link, 2000, MS)
    link.clock.run()
    assert link.drops == {}


def test_a_burst_that_drains_within_an_interval_is_good_queue() -> None:
    link = bench()
    offer(link, 90, 0)
    link.clock.run()
    assert link.drops == {}


def test_a_standing_queue_within_target_is_left_alone() -> None:
    link = bench()
    offer(link, 3, 0)
    offer(link, 3000, MS)
    link.clock.run(2 * SECOND)
    assert link.channel.queue_packets == 3
    assert link.drops == {}


def test_the_first_drop_comes_an_interval_after_waits_went_above_target() -> None:
    link = bench()
    offer(link, 10_000, MS // 2)
    first, *_ = drop_times(link, 2 * SECOND)
    # At twice the rate, the frame that leaves at t came at t / 2: the wait passes 5 ms at about 10 ms.
    assert 109 * MS <= first <= 113 * MS


def test_drops_come_faster_by_the_square_root_of_their_number() -> None:
    link = bench()
    offer(link, 10_000, MS // 2)
    times = drop_times(link, SECOND)
    expected = times[0]
    for count, time in enumerate(times[1:], 1):
        expected += isqrt((100 * MS) ** 2 // count)
        assert expected <= time < expected + MS, "at the first departure after drop_next"
    assert len(times) > 20


def test_it_stops_as_soon_as_waits_are_below_target() -> None:
    link = bench()
    offer(link, 600, MS // 2)
    times = drop_times(link, 10 * SECOND)
    assert times
    assert max(times) < 600 * MS
    assert link.channel.queue_packets == 0


def test_it_resumes_near_the_rate_that_worked() -> None:
    """RFC 8289 5.4: within 16 intervals of the last time, dropping goes on about where it was."""
    link = bench()
    offer(link, 3000, MS // 2)
    drop_times(link, 10 * SECOND)
    start = link.clock.now()
    for index in range(3000):
        link.clock.call_at(start + index * MS // 2, link.channel.send, plain(FRAME))
    fresh = bench()
    offer(fresh, 3000, MS // 2)
    late = [time - start for time in drop_times(link, start + SECOND)]
    early = drop_times(fresh, SECOND)
    # Eight seconds of rest are more than 16 intervals: it starts from scratch.
    assert late == early


def test_it_resumes_faster_after_a_short_rest() -> None:
    link = bench()
    offer(link, 2000, MS // 2)
    times = drop_times(link, 10 * SECOND)
    rest = max(times) + 200 * MS
    again = bench()
    offer(again, 2000, MS // 2)
    for index in range(2000):
        again.clock.call_at(rest + index * MS // 2, again.channel.send, plain(FRAME))
    second = [time for time in drop_times(again, rest + SECOND) if time > rest]
    assert second[1] - second[0] < 80 * MS < times[1] - times[0]


def test_the_last_frame_of_a_queue_is_never_dropped() -> None:
    """RFC 8289 5.3: less than one full frame that waits is no queue, however long it waits."""
    link = Bench(rate="80kbit/s", queue={"discipline": "codel", "target": "1ms", "interval": "10ms"})
    offer(link, 200, 100 * MS)
    link.clock.call_at(0, link.channel.send, plain(FRAME))
    link.clock.run()
    assert link.drops == {}


def test_waits_come_down_to_target_for_a_source_that_answers() -> None:
    """A source that halves its rate at each drop and speeds up slowly ends up with waits around target."""

    def run(discipline: str) -> float:
        link = Bench(rate="8Mbit/s", queue={"limit": "1000 packets", "discipline": discipline})
        interval = MS // 2

        class Source(Record):
            def dropped(self, frame: Frame, reason: str) -> None:
                nonlocal interval
                interval = min(4 * MS, interval * 2)

        link.channel.observer = Source()

        def send() -> None:
            nonlocal interval
            link.channel.send(plain(FRAME))
            interval = max(MS // 2, interval - interval // 200)
            link.clock.call_later(interval, send)

        send()
        link.clock.run(20 * SECOND)
        return link.channel.queue.mean_packets

    assert run("codel") < 30
    assert run("drop-tail") > 300


def test_with_ecn_it_marks_instead() -> None:
    link = bench(ecn=True)
    offer(link, 10_000, MS // 2, tcp(bytes(FRAME - 54), traffic_class=ECT0))
    link.clock.run(SECOND)
    marked = sum(bytes(frame)[15] & CE == CE for frame in link.frames)
    assert link.drops == {}
    assert marked == link.channel.statistics.marked > 20


def test_with_ecn_it_still_drops_what_is_not_capable() -> None:
    link = bench(ecn=True)
    offer(link, 10_000, MS // 2)
    link.clock.run(SECOND)
    assert link.channel.statistics.marked == 0
    assert link.drops["codel"] > 20


def test_the_limit_holds_as_well() -> None:
    link = bench(limit="10 packets")
    offer(link, 500, MS // 10)
    link.clock.run()
    assert link.channel.queue.peak_packets == 10
    assert link.drops["queue full"] > 100


@pytest.mark.parametrize(("target", "interval"), [("5ms", "100ms"), ("20ms", "200ms")])
def test_target_and_interval_are_what_was_asked_for(target: str, interval: str) -> None:
    link = bench(target=target, interval=interval)
    offer(link, 10_000, MS // 2)
    first, *_ = drop_times(link, 2 * SECOND)
    expected = (2 * int(target.rstrip("ms")) + int(interval.rstrip("ms"))) * MS
    assert expected <= first <= expected + 3 * MS
