"""Loss recovery, segment by segment: what is sent again, when, and what that does to the window."""

from __future__ import annotations

import errno
from dataclasses import replace
from itertools import pairwise

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.recovery import Phase
from stack.tcp.state import State
from tests.stack.tcp.pair import Line, Pair, Stream
from tests.stack.tcp.scripted import MSS, Script, ack, fly


@pytest.mark.shows("RFC 5681 3.2-1", "RFC 6675 4", "RFC 6675 5", "RFC 2018 5", "RFC 5681 4.3", "RFC 9438 4.6")
def test_three_sacked_segments_bring_the_lost_one_back() -> None:
    """RFC 6675: fast retransmit; CUBIC keeps seven tenths of the window."""
    script = Script()
    connection = fly(script)
    ack(script, 1, (1 + MSS, 1 + 2 * MSS))
    ack(script, 1, (1 + MSS, 1 + 3 * MSS))
    script.expect_nothing()
    ack(script, 1, (1 + MSS, 1 + 4 * MSS))
    script.expect((".", 1, MSS, 1))
    assert connection.sender.recovery.phase is Phase.RECOVERY
    assert connection.sender.congestion.ssthresh == 7 * MSS
    ack(script, 1 + 10 * MSS)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.sender.congestion.cwnd == 7 * MSS


@pytest.mark.shows("RFC 6675 5", "RFC 8985 6.2-1")
def test_several_holes_are_filled_without_a_timeout() -> None:
    script = Script()
    connection = fly(script, 30)
    for last in (4, 5, 6, 7, 8, 9, 10):
        ack(script, 1, (1 + 3 * MSS, 1 + last * MSS))
    resent = [segment.sequence for segment in script.sent() if segment.sequence < 1 + 10 * MSS]
    assert resent == [1, 1 + MSS, 1 + 2 * MSS]
    ack(script, 1 + 10 * MSS)
    assert connection.info().tcpi_total_retrans == 3


@pytest.mark.shows("RFC 8985 6.2-2")
def test_a_little_reordering_is_waited_for() -> None:
    """RFC 8985 6.2: a quarter of the round trip, before anything is taken for lost."""
    script = Script()
    fly(script, 10)
    ack(script, 1, (1 + MSS, 1 + 2 * MSS))
    script.after(4 * MILLISECOND)
    script.expect_nothing()
    script.after(2 * MILLISECOND)
    script.expect((".", 1, MSS, 1))


@pytest.mark.shows("RFC 8985 6.2-3", "RFC 8985 6.1")
def test_a_lost_retransmission_is_found_without_the_timer() -> None:
    """RFC 8985 2: what was sent after the retransmission has arrived, and it has not."""
    script = Script()
    fly(script, 30)
    for last in (2, 3, 4):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
    assert 1 in [segment.sequence for segment in script.sent()]
    script.after(5 * MILLISECOND)
    for last in range(5, 11):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
    newest = script.sent()[-1].sequence
    assert newest > 10 * MSS, "new data after the retransmission"
    script.after(25 * MILLISECOND)
    ack(script, 1, (1 + MSS, newest + MSS))
    assert script.sent()[0].sequence == 1


@pytest.mark.shows("RFC 2883 5", "RFC 9438 4.9")
def test_a_reduction_for_nothing_is_undone_by_dsack() -> None:
    """RFC 3708: every retransmission was reported as needless."""
    script = Script()
    connection = fly(script, 10)
    cwnd = connection.sender.congestion.cwnd
    for last in (2, 3, 4):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
    script.expect((".", 1, MSS, 1))
    ack(script, 1 + 6 * MSS)
    assert connection.sender.congestion.cwnd < cwnd
    ack(script, 1 + 10 * MSS, (1, 1 + MSS))
    assert connection.sender.congestion.cwnd >= cwnd
    assert connection.sender.recovery.undone == 1


@pytest.mark.shows("RFC 2883 5")
def test_it_is_undone_though_nothing_is_out_any_more() -> None:
    script = Script()
    connection = fly(script, 10)
    cwnd = connection.sender.congestion.cwnd
    for last in (2, 3, 4):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
    ack(script, 1 + 10 * MSS)
    assert connection.sender.congestion.cwnd < cwnd
    ack(script, 1 + 10 * MSS, (1, 1 + MSS))
    assert connection.sender.congestion.cwnd >= cwnd
    assert connection.sender.recovery.undone == 1


@pytest.mark.shows("RFC 3522 3.2", "RFC 4015 3.4")
def test_a_spurious_timeout_is_found_out_by_timestamps() -> None:
    """Eifel (RFC 3522, RFC 4015): the ACK echoes the timestamp of the original."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1)
    connection.send(bytes(10 * 1448))
    originals = script.sent()
    script.after(500 * MILLISECOND)
    script.sent()
    assert connection.sender.recovery.phase is Phase.LOSS
    script.send(".", 1, 1 + 1448, timestamp=2, timestamp_echo=originals[0].options.timestamp)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.sender.congestion.cwnd >= 10 * 1448
    script.expect_nothing()


@pytest.mark.shows("RFC 5682 3.1", "RFC 5682 4", "RFC 4015 3.4")
def test_a_spurious_timeout_is_found_out_without_timestamps() -> None:
    """F-RTO with SACK (RFC 5682 3.1): after the timeout new data are tried, and what was sent only once arrives."""
    script = Script()
    connection = fly(script, 10)
    script.after(500 * MILLISECOND)
    script.sent()
    connection.send(bytes(5 * MSS))
    script.sent()
    script.send(".", 1, 1 + MSS)
    assert next(segment.sequence for segment in script.sent()) == 1 + 10 * MSS, (
        "new data, not the second segment"
    )
    script.send(".", 1, 1 + 2 * MSS)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.sender.congestion.cwnd >= 10 * MSS


@pytest.mark.shows("RFC 6937 3")
def test_the_rate_is_reduced_in_proportion() -> None:
    """PRR, RFC 6937: in recovery about seven segments leave for ten that arrive, spread over the round trip."""
    script = Script()
    connection = script.accept()
    connection.sender.congestion.cwnd = 20 * MSS
    connection.send(bytes(100 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    sent = []
    for last in range(2, 21):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
        sent.append(len(script.sent()))
    assert sum(sent) in (14, 15)
    assert max(sent[3:]) <= 1, "never a burst"


@pytest.mark.shows("RFC 2883 4.1")
def test_what_arrives_twice_is_reported() -> None:
    """RFC 2883 4: the first block is the duplicate, below the ACK or within the second block."""
    script = Script()
    script.accept()
    script.send(".", 1, 1, bytes(1000))
    script.send(".", 1, 1, bytes(1000))
    assert script.sent()[-1].sack == [(1, 1001)]
    script.send(".", 2001, 1, bytes(1000))
    script.send(".", 2001, 1, bytes(1000))
    assert script.sent()[-1].sack == [(2001, 3001), (2001, 3001)]
    script.send(".", 1001, 1, bytes(1000))
    assert script.sent()[-1].sack == []


@pytest.mark.shows("RFC 3042 2")
def test_limited_transmit_sends_new_data_on_the_first_duplicates() -> None:
    """RFC 3042."""
    script = Script()
    connection = script.accept()
    connection.send(bytes(20 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    ack(script, 1, (1 + MSS, 1 + 2 * MSS))
    script.expect((".", 1 + 10 * MSS, MSS, 1))
    ack(script, 1, (1 + MSS, 1 + 3 * MSS))
    script.expect((".", 1 + 11 * MSS, MSS, 1))


@pytest.mark.shows("RFC 6582 3.2-1", "RFC 6582 3.2-2", "RFC 5681 3.2-1", "RFC 5681 3.2-2", "RFC 2525 2.8")
def test_new_reno_without_sack() -> None:
    """RFC 6582: a partial ACK brings the next hole back at once."""
    script = Script(congestion="reno")
    connection = fly(script, 10, sack=False)
    for _ in range(3):
        script.send(".", 1, 1)
    script.expect((".", 1, MSS, 1))
    script.send(".", 1, 1 + 4 * MSS)
    script.expect((".", 1 + 4 * MSS, MSS, 1))
    assert connection.sender.recovery.phase is Phase.RECOVERY
    script.send(".", 1, 1 + 10 * MSS)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.sender.congestion.cwnd == 5 * MSS


@pytest.mark.shows("RFC 6582 3.2-3")
def test_duplicates_of_our_own_making_begin_no_recovery() -> None:
    """RFC 6582 3.2: only an ACK that covers more than ``recover`` makes duplicates count again."""
    script = Script(congestion="reno")
    connection = fly(script, 10, sack=False)
    for _ in range(3):
        script.send(".", 1, 1)
    script.send(".", 1, 1 + 10 * MSS)
    connection.send(bytes(5 * MSS))
    ssthresh = connection.sender.congestion.ssthresh
    for _ in range(3):
        script.send(".", 1, 1 + 10 * MSS)
    assert connection.sender.recovery.phase is Phase.DISORDER
    assert connection.sender.congestion.ssthresh == ssthresh


@pytest.mark.shows("RFC 9293 MUST-18", "RFC 6298 3")
def test_a_path_that_became_slower_than_the_timeout_is_learnt() -> None:
    """Karn's rule: the backoff stays until a segment that was sent once has been acknowledged (RFC 6298 5)."""
    pair = Pair(1, Line(delay=5 * MILLISECOND), Line(delay=5 * MILLISECOND), timestamps=False)
    client = Stream(pair.client, bytes(2_000_000))
    pair.clock.advance(SECOND // 20)
    server = Stream(pair.server, b"")
    server.step()
    for link in pair.links:
        link._line.delay = 400 * MILLISECOND
    pair.clock.advance(60 * SECOND)
    assert len(server.received) == 2_000_000
    assert client.connection.sender.rtt.srtt > 700 * MILLISECOND


def test_the_rto_of_a_first_syn_is_a_knob() -> None:
    script = Script(initial_rto=300 * MILLISECOND)
    script.connect()
    script.learn_iss()
    script.after(300 * MILLISECOND - 1)
    script.expect_nothing()
    script.after(1)
    assert [segment.flags for segment in script.sent()] == ["S"]


@pytest.mark.shows("RFC 6298 5.7")
def test_the_rto_is_three_seconds_after_a_lost_syn() -> None:
    """RFC 6298 5.7."""
    script = Script()
    script.connect()
    script.learn_iss()
    script.after(1100 * MILLISECOND)
    script.send("S.", 0, 1, mss=1460)
    assert script.connection.info().tcpi_rto == 3_000_000


@pytest.mark.shows(
    "RFC 9293 MUST-19",
    "RFC 6298 5.4-5.6",
    "RFC 5681 3.1-3",
    "RFC 2525 2.10",
    "RFC 2525 2.14",
    "RFC 2525 2.2",
)
def test_a_timeout_retransmits_one_segment_and_doubles() -> None:
    """RFC 6298 5.4 to 5.6."""
    script = Script(tail_loss_probe=False, mtu_probing="off")
    connection = fly(script)
    script.sent()
    sent_at = []
    start = script.clock.now()
    for _ in range(400):
        script.after(10 * MILLISECOND)
        for segment in script.sent():
            assert (segment.sequence, segment.length) == (1, MSS)
            sent_at.append(script.clock.now() - start)
    gaps = [later - earlier for earlier, later in pairwise(sent_at)]
    for shorter, longer in pairwise(gaps):
        assert longer == pytest.approx(2 * shorter, abs=20 * MILLISECOND)
    assert len(gaps) >= 3
    assert connection.sender.congestion.cwnd == MSS
    assert connection.sender.recovery.phase is Phase.LOSS


@pytest.mark.shows("RFC 9293 MUST-19", "RFC 2525 2.2")
def test_after_a_timeout_slow_start_sends_the_rest_again() -> None:
    script = Script()
    connection = fly(script)
    script.after(SECOND)
    script.sent()
    script.send(".", 1, 1 + MSS)
    assert [segment.sequence for segment in script.sent()] == [1 + MSS, 1 + 2 * MSS]
    script.send(".", 1, 1 + 10 * MSS)
    assert connection.sender.recovery.phase is Phase.OPEN


@pytest.mark.shows("RFC 2018 8", "RFC 6675 5.1")
def test_reneging_is_survived() -> None:
    """RFC 2018 8: what was SACKed may be taken back; the retransmission timer sends it again."""
    script = Script()
    connection = fly(script)
    ack(script, 1, (1 + MSS, 1 + 10 * MSS))
    script.expect((".", 1, MSS, 1))
    script.send(".", 1, 1 + MSS)
    script.after(2 * SECOND)
    assert script.sent()[0].sequence == 1 + MSS
    assert connection.info().tcpi_sacked == 0


@pytest.mark.shows("RFC 9293 MUST-18", "RFC 6298 3")
def test_karns_rule_keeps_retransmissions_out_of_the_rtt() -> None:
    script = Script()
    connection = fly(script)
    srtt = connection.sender.rtt.srtt
    script.after(SECOND)
    script.send(".", 1, 1 + 10 * MSS)
    assert connection.sender.rtt.srtt == srtt


@pytest.mark.shows("RFC 7323 4.1")
def test_timestamps_tell_the_rtt_of_a_retransmission() -> None:
    """RFC 7323 4.1."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1)
    connection.send(bytes(1448))
    script.sent()
    script.after(250 * MILLISECOND)
    (again,) = script.sent()
    script.after(50 * MILLISECOND)
    script.send(".", 1, 1449, timestamp=2, timestamp_echo=again.options.timestamp)
    assert connection.sender.rtt.latest < 200 * MILLISECOND


@pytest.mark.shows("RFC 9293 MUST-12")
def test_a_dead_peer_is_given_up() -> None:
    """R2 of RFC 9293 3.8.3."""
    script = Script(retries=3)
    connection = fly(script)
    script.after(60 * SECOND)
    assert connection.state is State.CLOSED
    assert connection.take_error() == errno.ETIMEDOUT
    script.listener.close()
    assert script.clock.pending == 0


@pytest.mark.shows("RFC 9293 MUST-21", "RFC 5482 3.1")
def test_the_user_timeout_is_kept() -> None:
    """RFC 5482."""
    script = Script(user_timeout=5 * SECOND)
    connection = fly(script)
    script.after(4 * SECOND)
    assert connection.state is State.ESTABLISHED
    script.after(10 * SECOND)
    assert connection.take_error() == errno.ETIMEDOUT


def test_the_congestion_control_can_be_changed_under_way() -> None:
    script = Script()
    connection = fly(script)
    connection.configure(replace(connection.config, congestion="reno"))
    for last in (2, 3, 4):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
    assert connection.sender.congestion.ssthresh == 5 * MSS


@pytest.mark.shows("RFC 2018 5")
def test_what_an_overtaken_ack_has_sacked_is_not_sent_again() -> None:
    """The ACK for the third segment overtakes the one that SACKed the fifth; both are believed."""
    script = Script()
    connection = fly(script)
    ack(script, 1 + 3 * MSS)
    script.sent()
    ack(script, 1, (1 + 4 * MSS, 1 + 5 * MSS))
    assert connection.sender.board.sacked_bytes == MSS
    ack(script, 1 + 3 * MSS, (1 + 6 * MSS, 1 + 9 * MSS))
    assert [segment.sequence for segment in script.sent() if segment.sequence < 1 + 10 * MSS] == [
        1 + 3 * MSS,
        1 + 5 * MSS,
    ]


def test_an_overtaken_ack_without_news_changes_nothing() -> None:
    script = Script()
    connection = fly(script)
    ack(script, 1 + 3 * MSS)
    script.sent()
    before = connection.info()
    ack(script, 1 + MSS, (1 + 2 * MSS, 1 + 3 * MSS))
    script.expect_nothing()
    assert connection.info() == replace(before, tcpi_segs_in=before.tcpi_segs_in + 1)


@pytest.mark.shows("RFC 8985 6.2-1")
def test_the_round_trip_of_a_segment_that_overtook_holds_until_the_next_delivery() -> None:
    """RFC 8985 6.2, step 2: RACK.rtt is that of the latest delivery, not that of the latest transmission."""
    script = Script()
    connection = fly(script)
    sent_at = script.clock.now() - 20 * MILLISECOND
    ack(script, 1, (1 + 9 * MSS, 1 + 10 * MSS))
    least = connection.sender.rtt.minimum
    assert connection.sender.rack.deadline == sent_at + 20 * MILLISECOND + least // 4
    script.after(2 * MILLISECOND)
    ack(script, 1 + MSS, (1 + 9 * MSS, 1 + 10 * MSS))
    assert connection.sender.rack.deadline == sent_at + 22 * MILLISECOND + least // 4


# -- the retransmission timer during recovery ------------------------------------------------------------


@pytest.mark.shows("RFC 6675 6", "RFC 6298 5.1-5.3")
def test_sacks_of_what_was_sent_before_a_retransmission_put_the_timer_off() -> None:
    """It goes off an RTO after the last of them, so that recovery has the time that it needs."""
    script = Script(rack=False)
    connection = fly(script, 10)
    for last in (2, 3, 4):
        ack(script, 1, (1 + MSS, 1 + last * MSS))
    script.sent()
    script.after(100 * MILLISECOND)
    ack(script, 1, (1 + MSS, 1 + 5 * MSS))
    script.sent()
    script.after(connection.sender.rtt.rto - MILLISECOND)
    assert connection.sender.recovery.phase is Phase.RECOVERY
    script.after(2 * MILLISECOND)
    assert connection.sender.recovery.phase is Phase.LOSS


@pytest.mark.shows("RFC 6298 5.1-5.3")
def test_sacks_of_what_was_sent_later_do_not() -> None:
    """Without RACK nothing but the timer finds out that a retransmission was lost: new data must not hide it."""
    script = Script(rack=False)
    connection = fly(script, 10)
    connection.send(bytes(60 * MSS))
    script.sent()
    ack(script, 1, (1 + MSS, 1 + 10 * MSS))
    script.sent()
    started = script.clock.now()
    for last in range(11, 40):
        script.after(20 * MILLISECOND)
        ack(script, 1, (1 + MSS, 1 + last * MSS))
        script.sent()
        if connection.sender.recovery.phase is Phase.LOSS:
            break
    assert script.clock.now() - started < 400 * MILLISECOND


# -- reporting duplicates ----------------------------------------------------------------------------------


@pytest.mark.shows("RFC 2883 4.1")
def test_a_segment_from_before_the_last_ack_is_reported() -> None:
    """It is not acceptable by its sequence number; but the peer's retransmission was needless, and it must learn so."""
    script = Script()
    script.accept()
    script.send(".", 1, 1, bytes(4 * MSS))
    script.sent()
    script.send(".", 1, 1, bytes(MSS))
    (answer,) = script.sent()
    assert (answer.ack, answer.sack) == (1 + 4 * MSS, [(1, 1 + MSS)])
