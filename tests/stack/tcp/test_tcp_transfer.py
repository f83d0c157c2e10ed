"""Data and its acknowledgment, segment by segment: windows, Nagle, delayed ACK, timers."""

from __future__ import annotations

import errno
from dataclasses import replace
from itertools import pairwise

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.connection import Connection
from stack.tcp.recovery import Phase
from stack.tcp.state import State
from stack.trace import Observer
from tests.stack.tcp.scripted import Script

MSS = 1460


# -- sending ---------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 SHLD-28", "RFC 6928 2", "RFC 2525 2.1", "RFC 2525 2.3")
def test_the_first_flight_is_ten_segments() -> None:
    """RFC 6928."""
    script = Script()
    connection = script.accept()
    connection.send(bytes(100_000))
    flight = script.sent()
    assert [segment.length for segment in flight] == [MSS] * 10
    assert [segment.flags for segment in flight] == ["."] * 10


@pytest.mark.shows("RFC 5681 3.1-1")
def test_each_acknowledged_segment_opens_the_window_by_one_more() -> None:
    script = Script()
    connection = script.accept(window=65535, window_scale=7)
    script.send(".", 1, 1, window=65535)
    connection.send(bytes(1_000_000))
    script.sent()
    script.send(".", 1, 1 + 2 * MSS)
    assert len(script.sent()) == 4


@pytest.mark.shows("RFC 9293 MUST-16", "RFC 7323 3.2", "RFC 2525 2.18", "RFC 7323 A")
def test_full_segments_are_full_with_timestamps_too() -> None:
    """The MSS option does not count options (RFC 6691), and Nagle must know."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1)
    connection.send(bytes(5 * 1448))
    flight = script.sent()
    assert [segment.length for segment in flight] == [1448] * 5


def test_nothing_beyond_the_peers_window() -> None:
    script = Script()
    connection = script.accept(window=3000)
    connection.send(bytes(10_000))
    flight = script.sent()
    assert sum(segment.length for segment in flight) == 2 * MSS
    script.send(".", 1, 1 + 2 * MSS, window=3000)
    assert sum(segment.length for segment in script.sent()) == 2 * MSS


@pytest.mark.shows("RFC 9293 SHLD-7", "RFC 9293 MAY-16", "RFC 9293 SHLD-27", "RFC 9293 MUST-60")
def test_nagle_holds_a_small_segment_while_a_small_one_is_out() -> None:
    """RFC 9293 3.7.4, in Minshall's form as in Linux."""
    script = Script()
    connection = script.accept()
    connection.send(b"a")
    script.expect(("P.", 1, 1, 1))
    connection.send(b"b")
    connection.send(b"c")
    script.expect_nothing()
    script.send(".", 1, 2)
    script.expect(("P.", 2, 2, 1))


@pytest.mark.shows("RFC 9293 MUST-17")
def test_nodelay_switches_nagle_off() -> None:
    script = Script(nodelay=True)
    connection = script.accept()
    for sequence in (1, 2, 3):
        connection.send(b"x")
        script.expect(("P.", sequence, 1, 1))


def test_a_full_segment_is_never_held_back() -> None:
    script = Script()
    connection = script.accept()
    connection.send(b"x")
    connection.send(bytes(MSS))
    flight = script.sent()
    assert [segment.length for segment in flight] == [1, MSS]


@pytest.mark.shows("RFC 9293 MUST-61", "RFC 9293 MUST-60")
def test_push_is_set_where_the_buffer_ends() -> None:
    script = Script()
    connection = script.accept()
    connection.send(bytes(2 * MSS + 10))
    assert [segment.flags for segment in script.sent()] == [".", ".", "P."]


def test_the_send_buffer_is_bounded() -> None:
    script = Script(send_buffer=10_000)
    connection = script.accept()
    assert connection.send(bytes(50_000)) == 10_000
    assert connection.send(b"more") == 0
    script.send(".", 1, 1 + MSS)
    assert connection.space == MSS


@pytest.mark.shows("RFC 5681 4.1")
def test_idle_connections_start_slowly_again() -> None:
    """RFC 5681 4.1."""
    script = Script()
    connection = script.accept()
    connection.send(bytes(10 * MSS))
    script.after(10 * MILLISECOND)
    script.send(".", 1, 1 + 10 * MSS)
    assert connection.sender.congestion.cwnd == 20 * MSS
    script.after(10 * SECOND)
    script.sent()
    connection.send(bytes(40 * MSS))
    assert len(script.sent()) == 10


@pytest.mark.parametrize(("rtos", "left"), [(0.9, 40), (1.5, 20), (2.5, 10), (9, 10)])
def test_the_window_is_halved_for_each_rto_of_silence(rtos: float, left: int) -> None:
    """RFC 2861 3.1, as Linux: and ssthresh remembers three quarters of where it was."""
    script = Script()
    connection = script.accept()
    ack = 1
    for flight in (10, 20):
        connection.send(bytes(flight * MSS))
        script.after(10 * MILLISECOND)
        ack += flight * MSS
        script.send(".", 1, ack)
    sender = connection.sender
    assert sender.congestion.cwnd == 40 * MSS
    sender.congestion.ssthresh = 20 * MSS
    script.after(int(rtos * sender.rtt.rto) - 10 * MILLISECOND)
    script.sent()
    connection.send(bytes(50 * MSS))
    assert len(script.sent()) == left
    assert sender.congestion.ssthresh == (20 if rtos < 1 else 30) * MSS


def test_a_window_that_is_not_used_does_not_grow() -> None:
    """RFC 7661: an application-limited flow learns nothing about the path."""
    script = Script()
    connection = script.accept()
    ack = 1
    for _ in range(50):
        connection.send(bytes(MSS))
        ack += MSS
        script.send(".", 1, ack)
    assert connection.sender.congestion.cwnd == 10 * MSS


# -- receiving -------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 SHLD-19", "RFC 9293 MUST-58", "RFC 5681 4.2-1", "RFC 2525 2.13")
def test_every_second_full_segment_is_acknowledged() -> None:
    """RFC 5681 4.2."""
    script = Script()
    script.accept()
    script.send(".", 1, 1, bytes(MSS))
    script.expect_nothing()
    script.send(".", 1 + MSS, 1, bytes(MSS))
    script.expect((".", 1, 0, 1 + 2 * MSS))


@pytest.mark.shows("RFC 9293 SHLD-18", "RFC 9293 MUST-40", "RFC 5681 4.2-2")
def test_a_lone_segment_is_acknowledged_after_the_delay() -> None:
    script = Script(delayed_ack=40 * MILLISECOND)
    script.accept()
    script.send("P.", 1, 1, b"x")
    script.after(39 * MILLISECOND)
    script.expect_nothing()
    script.after(MILLISECOND)
    script.expect((".", 1, 0, 2))


@pytest.mark.shows("RFC 9293 MUST-58")
def test_an_ack_travels_with_data() -> None:
    script = Script()
    connection = script.accept()
    script.send("P.", 1, 1, b"ping")
    connection.send(b"pong")
    script.expect(("P.", 1, 4, 5))
    script.after(SECOND // 10)
    script.expect_nothing()


def test_the_first_segments_of_a_connection_are_acknowledged_at_once() -> None:
    script = Script(quick_acks=2)
    script.accept()
    script.send("P.", 1, 1, b"x")
    script.expect((".", 1, 0, 2))


@pytest.mark.shows(
    "RFC 9293 MAY-13",
    "RFC 9293 SHLD-31",
    "RFC 9293 MUST-59",
    "RFC 5681 4.2-3",
    "RFC 2018 3",
    "RFC 2018 4-1",
    "RFC 2018 4-2",
    "RFC 2525 2.5",
)
def test_out_of_order_data_are_acknowledged_at_once_and_sacked() -> None:
    """RFC 5681 4.2, RFC 2018 4: merged, the most recent first."""
    script = Script()
    connection = script.accept()
    script.send(".", 1001, 1, bytes(1000))
    (ack,) = script.expect((".", 1, 0, 1))
    assert ack.sack == [(1001, 2001)]
    script.send(".", 3001, 1, bytes(1000))
    (ack,) = script.expect((".", 1, 0, 1))
    assert ack.sack == [(3001, 4001), (1001, 2001)]
    script.send(".", 2001, 1, bytes(1000))
    (ack,) = script.expect((".", 1, 0, 1))
    assert ack.sack == [(1001, 4001)]
    script.send(".", 1, 1, bytes(1000))
    (ack,) = script.expect((".", 1, 0, 4001))
    assert ack.sack == []
    assert connection.available == 4000


@pytest.mark.shows("RFC 2018 4-1")
def test_a_fin_behind_a_hole_is_sacked_with_the_data_before_it() -> None:
    """It takes a sequence number, and without it the sender would send its last segment again."""
    script = Script()
    script.accept()
    script.send("F.", 1001, 1, b"x" * 500)
    (ack,) = script.sent()
    assert ack.sack == [(1001, 1502)]
    script.send(".", 501, 1, b"x" * 500)
    (ack,) = script.sent()
    assert ack.sack == [(501, 1502)]
    script.send(".", 1, 1, b"x" * 500)
    script.expect((".", 1, 0, 1502))


def test_no_sack_blocks_without_sack_permitted() -> None:
    script = Script()
    script.accept(sack=False)
    script.send(".", 1001, 1, bytes(1000))
    (ack,) = script.expect((".", 1, 0, 1))
    assert ack.sack == []


@pytest.mark.shows("RFC 2525 2.13")
def test_a_super_segment_does_not_stretch_the_acks_that_follow() -> None:
    """Receive offload may join segments; they are still acknowledged by twos."""
    script = Script()
    script.accept()
    script.send(".", 1, 1, bytes(10 * MSS))
    script.expect((".", 1, 0, 1 + 10 * MSS))
    for number in range(10, 30):
        script.send(".", 1 + number * MSS, 1, bytes(MSS))
    assert len(script.sent()) == 10


@pytest.mark.shows("RFC 2018 4-2", "RFC 5681 4.2-3")
def test_a_hole_is_reported_though_there_are_data_to_send() -> None:
    """RFC 2018 4: SACK blocks need an ACK of their own where a full segment has no room for them."""
    script = Script()
    connection = script.accept()
    connection.send(bytes(100 * MSS))
    script.sent()
    script.send(".", 1001, 1 + 2 * MSS, bytes(1000))
    first, *rest = script.sent()
    assert (first.length, first.sack) == (0, [(1001, 2001)])
    assert [segment.length for segment in rest] == [MSS] * 4


def test_small_pieces_do_not_keep_large_frames() -> None:
    script = Script()
    connection = script.accept()
    for start in range(100, 40, -1):
        script.send(".", start, 1, bytes(1400))
    kept = connection.receiver.out_of_order._pieces.values()
    assert sum(len(piece.obj) if isinstance(piece, memoryview) else len(piece) for piece in kept) < 6000


def test_what_overlaps_counts_once() -> None:
    script = Script()
    connection = script.accept()
    script.send(".", 1, 1, b"abcd")
    script.send(".", 3, 1, b"cdef")
    assert connection.receive(100) == b"abcdef"


@pytest.mark.shows("RFC 9293 MAY-8")
def test_only_what_was_offered_is_taken() -> None:
    script = Script(receive_buffer=4096, moderate_receive_buffer=False)
    connection = script.accept()
    for sequence in range(1, 6001, 1000):
        script.send(".", sequence, 1, bytes(1000))
    assert connection.available == 4096
    assert script.sent()[-1].window == 0


@pytest.mark.shows("RFC 9293 MUST-39")
def test_the_window_reopens_by_a_full_segment_at_least() -> None:
    """Receiver's silly-window avoidance, RFC 9293 3.8.6.2.2."""
    script = Script(receive_buffer=8000, moderate_receive_buffer=False)
    connection = script.accept()
    for sequence in range(1, 8001, 1000):
        script.send(".", sequence, 1, bytes(1000))
    assert script.sent()[-1].window == 0
    connection.receive(1000)
    script.expect_nothing()
    connection.receive(1000)
    (update,) = script.expect((".", 1, 0, 8001))
    assert update.window == 2000


@pytest.mark.shows("RFC 9293 REC-1")
def test_the_receive_buffer_grows_with_the_flow() -> None:
    """Dynamic right-sizing: a window that stays at 64 KiB caps a fast path."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1, window_scale=7)
    sequence, stamp = 1, 2
    for round_trip in range(12):
        for _ in range(min(10 << round_trip, (connection.info().tcpi_rcv_wnd // 1448) - 1)):
            echo = connection.timestamps.value(script.clock.now() - 50 * MILLISECOND) & 0xFFFFFFFF
            script.send(".", sequence, 1, bytes(1448), timestamp=stamp, timestamp_echo=echo)
            sequence += 1448
            connection.receive(1 << 20)
        stamp += 50
        script.after(50 * MILLISECOND)
    assert connection.info().tcpi_rcv_space > 1 << 20
    assert script.sent()[-1].window << 7 > 1 << 20


@pytest.mark.shows("RFC 7323 5.3")
def test_an_old_timestamp_is_rejected() -> None:
    """PAWS, RFC 7323 5."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1000)
    script.send("P.", 1, 1, b"new", timestamp=1001)
    script.send("P.", 4, 1, b"old", timestamp=999)
    assert connection.receive(10) == b"new"
    assert script.host.counters["tcp.paws"] == 1


@pytest.mark.shows("RFC 7323 4.3")
def test_an_overtaken_ack_does_not_turn_the_clock_back() -> None:
    """RFC 7323 4.3: TS.Recent never goes back, or PAWS would let old duplicates in."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1000)
    script.send(".", 1, 1, timestamp=2000)
    script.send(".", 1, 1, timestamp=500)
    script.send("P.", 1, 1, b"old", timestamp=600)
    assert connection.available == 0


def test_a_stranger_cannot_poison_the_timestamp() -> None:
    """Only a segment with an acceptable ACK may set TS.Recent: else one blind segment would stop all real ones."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1000)
    script.send("P.", 1, 1 << 30, b"evil", timestamp=1000 + (1 << 31) - 10)
    script.send("P.", 1, 1, b"real", timestamp=1001)
    assert connection.receive(10) == b"real"


def test_an_ack_that_was_overtaken_is_no_intruder() -> None:
    """Reordering delays pure ACKs; PAWS would answer each with another ACK (Linux tcp_disordered_ack)."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1000)
    connection.send(bytes(3000))
    script.sent()
    script.send(".", 1, 2897, timestamp=1002)
    script.send(".", 1, 1449, timestamp=1001)
    script.expect_nothing()
    assert script.host.counters["tcp.paws"] == 0


def test_late_delivery_from_the_queue_is_not_subject_to_paws() -> None:
    """A segment that was SACKed with an older timestamp must not be dropped when its turn comes."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1000)
    script.send(".", 4, 1, b"def", timestamp=1001)
    script.send(".", 1, 1, b"abc", timestamp=1500)
    assert connection.receive(10) == b"abcdef"


# -- zero window, keep-alive -----------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-35", "RFC 9293 MUST-36", "RFC 9293 MUST-37", "RFC 2525 2.12")
def test_a_shut_window_is_probed_for_ever_while_the_peer_answers() -> None:
    """RFC 9293 3.8.6.1, MUST-35 to MUST-37."""
    script = Script(retries=3)
    connection = script.accept(window=1000)
    connection.send(bytes(1000))
    script.sent()
    script.send(".", 1, 1001, window=0)
    connection.send(b"waiting")
    script.expect_nothing()
    probes = 0
    for _ in range(6000):
        script.after(100 * MILLISECOND)
        for probe in script.sent():
            assert (probe.sequence, probe.length) == (1000, 0)
            probes += 1
            script.send(".", 1, 1001, window=0)
    assert probes > 6
    assert connection.state is State.ESTABLISHED
    script.send(".", 1, 1001, window=1000)
    assert script.sent()[-1].payload == b"waiting"


def test_a_shut_window_of_a_dead_peer_is_given_up() -> None:
    script = Script(retries=3)
    connection = script.accept(window=1000)
    connection.send(bytes(1000))
    script.send(".", 1, 1001, window=0)
    connection.send(b"waiting")
    script.after(600 * SECOND)
    assert connection.take_error() == errno.ETIMEDOUT


@pytest.mark.shows("RFC 9293 MUST-38")
def test_a_window_too_small_to_be_worth_a_segment_is_used_after_a_while() -> None:
    """Sender's silly-window avoidance and its override, RFC 9293 3.8.6.2.1."""
    script = Script()
    connection = script.accept(window=10_000)
    connection.send(bytes(7 * MSS))
    script.sent()
    script.send(".", 1, 1 + 6 * MSS, window=100)
    script.send(".", 1, 1 + 7 * MSS, window=100)
    script.sent()
    connection.send(bytes(5000))
    script.expect_nothing()
    script.after(5 * SECOND)
    assert script.sent()[0].length == 100


@pytest.mark.shows("RFC 9293 MUST-34", "RFC 9293 SHLD-17")
def test_a_peer_that_shrinks_its_window_over_data_in_flight_does_not_kill_the_connection() -> None:
    """RFC 9293 3.8.6, MUST-34 and SHLD-17."""
    script = Script(retries=3)
    connection = script.accept(window=5 * MSS)
    connection.send(bytes(5 * MSS))
    script.sent()
    script.send(".", 1, 1, window=0)
    for _ in range(600):
        script.after(SECOND)
        if script.sent():
            script.send(".", 1, 1, window=0)
    assert connection.state is State.ESTABLISHED
    script.send(".", 1, 1, window=5 * MSS)
    script.send(".", 1, 1 + 5 * MSS, window=5 * MSS)
    assert connection.info().tcpi_unacked == 0


@pytest.mark.shows(
    "RFC 9293 MAY-5",
    "RFC 9293 MUST-24",
    "RFC 9293 MUST-26",
    "RFC 9293 MUST-27",
    "RFC 9293 MUST-29",
    "RFC 9293 SHLD-12",
)
def test_keepalive_probes_an_idle_connection_and_gives_up() -> None:
    """RFC 9293 3.8.4."""
    script = Script(
        keepalive=True, keepalive_idle=10 * SECOND, keepalive_interval=2 * SECOND, keepalive_probes=3
    )
    connection = script.accept()
    script.after(9 * SECOND)
    script.expect_nothing()
    script.after(2 * SECOND)
    (probe,) = script.sent()
    assert (probe.sequence, probe.length) == (0, 0)
    script.send(".", 1, 1)
    script.after(9 * SECOND)
    script.expect_nothing()
    script.after(20 * SECOND)
    assert [segment.flags for segment in script.sent()] == [".", ".", ".", "R."]
    assert connection.take_error() == errno.ETIMEDOUT


def test_a_keepalive_probe_is_answered() -> None:
    script = Script()
    script.accept()
    script.send(".", 0, 1)
    script.expect((".", 1, 0, 1))


@pytest.mark.shows("RFC 9293 SHLD-30")
def test_probes_of_a_shut_window_back_off_though_they_are_answered() -> None:
    """RFC 9293 3.8.6.1, SHLD-30."""
    script = Script()
    connection = script.accept(window=1000)
    connection.send(bytes(1000))
    script.sent()
    script.send(".", 1, 1001, window=0)
    connection.send(b"waiting")
    times = []
    for _ in range(300):
        script.after(100 * MILLISECOND)
        if script.sent():
            times.append(script.clock.now())
            script.send(".", 1, 1001, window=0)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for shorter, longer in pairwise(gaps):
        assert longer == pytest.approx(2 * shorter, abs=200 * MILLISECOND)
    assert len(gaps) >= 4


def test_the_longest_time_between_two_probes_of_a_shut_window_is_a_knob() -> None:
    script = Script(persist_max=2 * SECOND)
    connection = script.accept(window=0)
    connection.send(b"x")
    script.after(20 * SECOND)
    script.sent()
    for _ in range(3):
        script.after(2 * SECOND)
        assert len(script.sent()) == 1
        script.send(".", 1, 1, window=0)


def test_a_shut_window_does_not_hold_a_connection_that_nobody_owns() -> None:
    """A peer that answers probes for ever would keep the buffer for ever (Linux tcp_orphan_retries)."""
    script = Script(max_rto=2 * SECOND)
    connection = script.accept(window=1000)
    connection.send(bytes(1000))
    script.send(".", 1, 1001, window=0)
    connection.send(bytes(50_000))
    connection.close()
    for _ in range(600):
        script.after(100 * MILLISECOND)
        if script.sent():
            script.send(".", 1, 1001, window=0)
    assert connection.state is State.CLOSED


@pytest.mark.shows("RFC 9293 MUST-21", "RFC 5482 3.1")
@pytest.mark.parametrize("shut", [False, True])
def test_the_user_timeout_is_exact(shut: bool) -> None:
    """RFC 5482: with data out, and with a window that a dead peer had shut."""
    script = Script(user_timeout=10 * SECOND)
    connection = script.accept(window=1000)
    connection.send(bytes(1000))
    if shut:
        script.send(".", 1, 1001, window=0)
        connection.send(b"waiting")
    script.after(9900 * MILLISECOND)
    assert connection.state is State.ESTABLISHED
    script.after(200 * MILLISECOND)
    assert connection.take_error() == errno.ETIMEDOUT


def test_the_user_timeout_goes_before_the_count_of_keepalives() -> None:
    """tcp(7): TCP_USER_TIMEOUT overrides keep-alive."""
    script = Script(keepalive=True, keepalive_idle=10 * SECOND, user_timeout=15 * SECOND)
    connection = script.accept()
    script.after(100 * SECOND)
    assert connection.take_error() == errno.ETIMEDOUT


# -- knobs that change under way -------------------------------------------------------------------------


def test_a_receive_buffer_that_is_set_by_hand_is_not_tuned() -> None:
    script = Script()
    connection = script.accept()
    connection.configure(replace(connection.config, receive_buffer=16_384, moderate_receive_buffer=False))
    assert connection.info().tcpi_rcv_space == 16_384
    sequence = 1
    for _ in range(500):
        script.send(".", sequence, 1, bytes(1460))
        sequence += 1460
        connection.receive(1 << 20)
        script.after(MILLISECOND)
    assert connection.info().tcpi_rcv_space == 16_384


def test_shutting_the_reading_half_opens_the_window() -> None:
    script = Script(receive_buffer=4096, moderate_receive_buffer=False)
    connection = script.accept()
    script.send(".", 1, 1, bytes(4096))
    assert script.sent()[-1].window == 0
    connection.shutdown_receive()
    assert script.sent()[-1].window == 4096


# -- path MTU --------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 1191 6.4", "RFC 9293 MUST-16")
def test_packet_too_big_cuts_what_is_out_and_sends_it_again() -> None:
    """RFC 1191 6.4; the window is not reduced."""
    script = Script()
    connection = script.accept()
    connection.send(bytes(3 * MSS))
    quoted = script.link.sent[0]
    script.sent()
    script.send_icmp_unreachable(4, quoted, mtu=1000)
    resent = script.sent()
    assert [segment.length for segment in resent] == [960, 500] * 3
    assert connection.info().tcpi_snd_mss == 960
    assert connection.sender.recovery.phase is Phase.OPEN


@pytest.mark.shows("RFC 5927 4.1")
def test_packet_too_big_about_a_guessed_segment_is_ignored() -> None:
    script = Script()
    connection = script.accept()
    connection.send(bytes(MSS))
    quoted = bytearray(script.link.sent[0])
    quoted[24] ^= 0x40
    script.send_icmp_unreachable(4, bytes(quoted), mtu=600)
    assert connection.info().tcpi_snd_mss == MSS


# -- notification ----------------------------------------------------------------------------------------


def test_the_user_is_told_when_something_changes() -> None:
    script = Script(send_buffer=4096)
    connection = script.accept()
    told: list[str] = []
    connection.notify = lambda: told.append("!")
    script.send("P.", 1, 1, b"data")
    assert told == ["!"]
    connection.send(bytes(5000))
    script.send(".", 5, 1 + 1460)
    assert told == ["!", "!"]
    script.send("F.", 5, 1 + 1460)
    assert told == ["!", "!", "!"]


def test_an_observer_sees_what_the_window_does() -> None:
    class Windows(Observer):
        def __init__(self) -> None:
            self.seen: list[int] = []

        def window_changed(self, connection: Connection) -> None:
            self.seen.append(connection.info().tcpi_snd_cwnd)

    script = Script()
    script.host.observer = windows = Windows()
    connection = script.accept()
    connection.send(bytes(20 * MSS))
    script.send(".", 1, 1 + 2 * MSS)
    script.after(2 * SECOND)
    assert windows.seen[0] == 10
    assert 12 in windows.seen
    assert windows.seen[-1] == 1
