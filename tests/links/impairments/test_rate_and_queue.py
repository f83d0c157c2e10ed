from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from links.impairments.spec import OPPORTUNITY
from stack.clock import MICROSECOND, MILLISECOND, SECOND
from stack.link import Medium
from tests.links.impairments.frames import CE, ECT0, Bench, plain, tcp

MS = MILLISECOND


class TestConstantRate:
    def test_each_frame_takes_its_bytes_at_the_rate(self) -> None:
        bench = Bench(rate="8Mbit/s")
        bench.send(plain(1000), plain(500), plain(1500))
        bench.clock.run()
        assert bench.times == [MS, MS + MS // 2, 3 * MS]

    def test_the_delay_comes_after_the_rate(self) -> None:
        bench = Bench(rate="8Mbit/s", delay="20ms")
        bench.send(plain(1000), plain(1000))
        bench.clock.run()
        assert bench.times == [21 * MS, 22 * MS]

    @given(rate=st.integers(1_000, 10**11), sizes=st.lists(st.integers(1, 65535), min_size=1, max_size=50))
    def test_in_the_long_run_the_rate_is_exact_to_the_nanosecond(self, rate: int, sizes: list[int]) -> None:
        bench = Bench(rate=f"{rate}bit/s")
        bench.send(*map(plain, sizes))
        bench.clock.run()
        assert bench.times[-1] == sum(sizes) * 8 * SECOND // rate
        assert bench.channel.statistics.busy == bench.times[-1]

    def test_an_idle_link_starts_at_once(self) -> None:
        bench = Bench(rate="8Mbit/s")
        bench.send_spaced([plain(1000), plain(1000)], 10 * MS)
        assert bench.times == [MS, 11 * MS]
        assert bench.channel.statistics.busy == 2 * MS

    def test_a_lost_frame_has_used_its_share_of_the_rate(self) -> None:
        bench = Bench(rate="8Mbit/s", loss={"ordinals": 1})
        bench.send(plain(1000), plain(1000))
        bench.clock.run()
        assert bench.times == [2 * MS]


class TestRecordedRate:
    def full(self) -> Any:
        return plain(OPPORTUNITY)

    def test_a_frame_leaves_at_each_opportunity(self) -> None:
        bench = Bench(rate={"trace": [0, 3, 3, 10]})
        bench.send(*(self.full() for _ in range(6)))
        bench.clock.run()
        assert bench.times == [0, 3 * MS, 3 * MS, 10 * MS, 10 * MS, 13 * MS]

    def test_an_opportunity_that_finds_no_frame_is_wasted(self) -> None:
        bench = Bench(rate={"trace": [1, 2, 3]})
        bench.clock.advance(1_500_000)
        bench.send(self.full())
        bench.clock.run()
        assert bench.times == [2 * MS]

    def test_a_frame_at_the_instant_of_an_opportunity_takes_it(self) -> None:
        for instant in (2, 3, 4, 5, 6, 300):
            bench = Bench(rate={"trace": [1, 2, 3]})
            bench.clock.advance(instant * MS)
            bench.send(self.full())
            bench.clock.run()
            assert bench.times == [instant * MS]

    def test_small_frames_share_an_opportunity(self) -> None:
        bench = Bench(rate={"trace": [5]})
        bench.send(*(plain(OPPORTUNITY // 2) for _ in range(3)))
        bench.clock.run()
        assert bench.times == [5 * MS, 5 * MS, 10 * MS]

    def test_what_an_opportunity_has_left_over_is_lost_later(self) -> None:
        bench = Bench(rate={"trace": [5]})
        bench.send(plain(OPPORTUNITY // 2))
        bench.clock.advance(6 * MS)
        bench.send(plain(OPPORTUNITY // 2))
        bench.clock.run()
        assert bench.times == [5 * MS, 10 * MS]

    def test_a_larger_frame_needs_several(self) -> None:
        bench = Bench(rate={"trace": [5]})
        bench.send(plain(OPPORTUNITY + 1))
        bench.clock.run()
        assert bench.times == [10 * MS]

    def test_a_saturated_link_delivers_one_frame_for_each_line(self) -> None:
        bench = Bench(rate={"trace": [2, 3, 3, 7, 11]}, limit=10_000, queue="2000 packets")
        bench.send(*(self.full() for _ in range(1000)))
        bench.clock.run()
        assert len(bench.times) == 1000
        assert bench.times[-1] == 200 * 11 * MS


class TestDropTail:
    @pytest.mark.parametrize(
        ("limit", "waiting"),
        [("3 packets", 3), ("3000B", 3), ("3.9kB", 3), ("3ms", 3), ("3bdp", 3), ("0 packets", 0)],
    )
    def test_what_is_beyond_the_limit_is_dropped(self, limit: str, waiting: int) -> None:
        """One more is being sent, which does not count. A round trip of 1 ms makes a BDP of one frame."""
        bench = Bench(rate="8Mbit/s", queue={"limit": limit, "rtt": "1ms"})
        frames = [plain(1000) for _ in range(6)]
        bench.send(*frames)
        assert bench.channel.queue_packets == waiting
        assert bench.channel.queue_bytes == 1000 * waiting
        bench.clock.run()
        assert bench.frames == frames[: 1 + waiting]
        assert bench.drops == {"queue full": 5 - waiting}

    def test_a_bdp_uses_twice_the_delay(self) -> None:
        bench = Bench(rate="8Mbit/s", delay="2ms", queue="1bdp")
        bench.send(*(plain(1000) for _ in range(10)))
        assert bench.channel.queue_packets == 4

    def test_the_default_is_a_thousand_packets(self) -> None:
        bench = Bench(rate="8Mbit/s")
        bench.send(*(plain(1000) for _ in range(1500)))
        assert bench.channel.queue_packets == 1000

    def test_statistics_of_the_queue(self) -> None:
        """Three frames of 1 ms each at once: two wait for 1 ms, one for another, and none for the next two."""
        bench = Bench(rate="8Mbit/s")
        bench.send(*(plain(1000) for _ in range(3)))
        bench.clock.advance(4 * MS)
        queue = bench.channel.queue
        assert (queue.peak_packets, queue.peak_bytes) == (2, 2000)
        assert queue.mean_packets == pytest.approx(0.75)
        assert queue.mean_bytes == pytest.approx(750)

    def test_without_a_rate_nothing_queues(self) -> None:
        bench = Bench()
        bench.send(*(plain(1000) for _ in range(5000)))
        assert bench.channel.queue_packets == 0
        bench.clock.run()
        assert len(bench.arrivals) == 5000


class TestMarkingThreshold:
    def test_frames_that_find_too_long_a_queue_are_marked(self) -> None:
        bench = Bench(rate="8Mbit/s", queue={"limit": "100 packets", "ce_threshold": "2 packets"})
        bench.send(*(tcp(bytes(100), traffic_class=ECT0) for _ in range(6)))
        bench.clock.run()
        marks = [bytes(frame)[15] & CE == CE for frame in bench.frames]
        assert marks == [False, False, False, True, True, True]
        assert bench.channel.statistics.marked == 3
        assert bench.drops == {}

    def test_frames_that_are_not_ecn_capable_pass_as_they_are(self) -> None:
        bench = Bench(rate="8Mbit/s", queue={"limit": "100 packets", "ce_threshold": "0 packets"})
        frames = [tcp(bytes(100)) for _ in range(4)]
        bench.send(*frames)
        bench.clock.run()
        assert bench.frames == frames


class TestChanges:
    def test_queued_frames_stay_when_the_rate_changes(self) -> None:
        bench = Bench(rate="8Mbit/s")
        frames = [plain(1000) for _ in range(3)]
        bench.send(*frames)
        bench.clock.advance(MS)
        bench.configure(rate="80Mbit/s")
        bench.clock.run()
        assert bench.frames == frames
        assert bench.times == [MS, MS + 100 * MICROSECOND, MS + 200 * MICROSECOND]

    def test_the_rest_of_a_frame_is_sent_at_the_new_rate(self) -> None:
        bench = Bench(rate="8kbit/s")
        bench.send(plain(1000))
        bench.clock.advance(SECOND // 2)
        bench.configure(rate="8Mbit/s")
        bench.clock.run()
        assert bench.times == [SECOND // 2 + MS // 2]
        assert bench.channel.statistics.busy == bench.times[0]

    def test_what_waits_leaves_at_once_when_the_rate_goes(self) -> None:
        bench = Bench(rate="8kbit/s")
        frames = [plain(1000) for _ in range(3)]
        bench.send(*frames[:2])
        bench.configure()
        bench.send(frames[2])
        bench.clock.run()
        assert bench.frames == frames
        assert bench.times == [0, 0, 0]

    def test_a_shorter_queue_drops_its_tail(self) -> None:
        bench = Bench(rate="8Mbit/s")
        frames = [plain(1000) for _ in range(6)]
        bench.send(*frames)
        bench.configure(rate="8Mbit/s", queue="2 packets")
        bench.clock.run()
        assert bench.frames == frames[:3]
        assert bench.drops == {"queue full": 3}

    def test_another_change_does_not_disturb_the_record(self) -> None:
        bench = Bench(rate={"trace": [7, 10]})
        bench.clock.advance(8 * MS)
        bench.configure(rate={"trace": [7, 10]}, loss={"ordinals": 99})
        bench.send(plain(100))
        bench.clock.run()
        assert bench.times == [10 * MS]


class TestLimit:
    def test_netems_limit_counts_all_frames_inside(self) -> None:
        bench = Bench(netem="delay 20ms limit 5")
        bench.send(*(plain(60) for _ in range(8)))
        assert bench.channel.frames == 5
        bench.clock.run()
        assert len(bench.arrivals) == 5
        assert bench.drops == {"limit reached": 3}

    def test_frames_that_wait_for_the_rate_too(self) -> None:
        bench = Bench(rate="8Mbit/s", delay="10ms", limit=4)
        bench.send(*(plain(1000) for _ in range(6)))
        bench.clock.run()
        assert bench.drops == {"limit reached": 2}


def test_frames_count_with_their_link_header_on_ethernet_and_without_on_ip() -> None:
    ethernet = Bench(rate="8Mbit/s")
    ethernet.send(tcp(bytes(946)))
    ethernet.clock.run()
    bare = Bench(rate="8Mbit/s", medium=Medium.IP)
    bare.send(plain(986))
    bare.clock.run()
    assert ethernet.times == [MS]
    assert bare.times == [986 * MICROSECOND]
