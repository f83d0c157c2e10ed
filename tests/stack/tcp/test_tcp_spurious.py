"""Timeouts that were for nothing: F-RTO without SACK (RFC 5682 2.1), and what the timer learns (RFC 4015 3.6)."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.recovery import Phase
from stack.tcp.rtt import RttEstimator
from tests.stack.tcp.scripted import Script

MSS = 1460


def _timed_out(script: Script, more: int = 5) -> Connection:
    """Ten segments are out, the first has been sent again by the timer, and there are more to send; no SACK."""
    connection = script.accept(sack=False)
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(300 * MILLISECOND)
    assert [segment.sequence for segment in script.sent()] == [1]
    assert connection.sender.recovery.phase is Phase.LOSS
    if more:
        connection.send(bytes(more * MSS))
        script.expect_nothing()
    return connection


def _ack(script: Script, segments: int) -> list[int]:
    """Acknowledge so many segments; returns which are sent then, counted from 0."""
    script.send(".", 1, 1 + segments * MSS)
    return [(segment.sequence - 1) // MSS for segment in script.sent()]


@pytest.mark.shows("RFC 5682 2.1", "RFC 5682 4")
def test_two_acks_in_a_row_for_what_was_sent_once_show_it() -> None:
    """Steps 2 b and 3 b: new data in between, and then everything is as it was."""
    script = Script()
    connection = _timed_out(script)
    assert _ack(script, 1) == [10, 11]
    _ack(script, 2)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.sender.congestion.cwnd >= 10 * MSS
    for acked in range(3, 16):
        assert 1 not in _ack(script, acked), "nothing is sent again"
    assert connection.sender.segments_retransmitted == 1


@pytest.mark.shows("RFC 5682 2.1")
def test_a_duplicate_after_the_new_data_shows_a_loss() -> None:
    """Step 3 a."""
    script = Script()
    connection = _timed_out(script)
    assert _ack(script, 1) == [10, 11]
    assert _ack(script, 1) == [1], "the second segment, in slow start"
    assert connection.sender.recovery.phase is Phase.LOSS
    assert connection.sender.congestion.cwnd <= 3 * MSS


@pytest.mark.shows("RFC 5682 2.1")
def test_a_duplicate_at_first_shows_a_loss() -> None:
    """Step 2 a."""
    script = Script()
    connection = _timed_out(script)
    for _ in range(5):
        assert _ack(script, 0) == [], "one segment is in flight, and that is what cwnd allows"
    assert _ack(script, 1) == [1, 2]
    _ack(script, 2)
    assert connection.sender.recovery.phase is Phase.LOSS


@pytest.mark.shows("RFC 5682 2.1")
def test_an_ack_that_leaps_shows_nothing() -> None:
    """The receiver may have waited only for the segment that was lost, with all the others in its hand."""
    script = Script()
    connection = _timed_out(script)
    _ack(script, 6)
    assert connection.sender.recovery.phase is Phase.LOSS


@pytest.mark.shows("RFC 5682 2.1")
def test_an_ack_of_half_of_what_was_sent_again_shows_nothing() -> None:
    """Step 2 a; otherwise a receiver could have the window back by splitting its ACKs (2.2)."""
    script = Script()
    connection = _timed_out(script)
    script.send(".", 1, 1 + MSS // 2)
    assert all(segment.sequence < 1 + 10 * MSS for segment in script.sent())
    _ack(script, 1)
    _ack(script, 2)
    assert connection.sender.recovery.phase is Phase.LOSS


@pytest.mark.shows("RFC 5682 2.1")
def test_without_new_data_recovery_is_conventional() -> None:
    script = Script()
    connection = _timed_out(script, more=0)
    assert _ack(script, 1) == [1, 2]
    assert connection.sender.recovery.phase is Phase.LOSS


@pytest.mark.shows("RFC 5682 2.1", "RFC 5682 4")
def test_after_a_spurious_timeout_three_duplicates_count_again() -> None:
    """Step 3 b: recover is SND.UNA."""
    script = Script()
    connection = _timed_out(script, more=20)
    _ack(script, 1)
    _ack(script, 2)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert [_ack(script, 2)[:1] for _ in range(3)][-1] == [2]
    assert connection.sender.recovery.phase is Phase.RECOVERY


# -- the timer -------------------------------------------------------------------------------------------


def _steady(rtt: int) -> RttEstimator:
    estimator = RttEstimator(TcpConfig())
    for round_trip in range(100):
        estimator.sample(rtt, round_trip, round_trip, 0)
    return estimator


@pytest.mark.shows("RFC 4015 3.6")
def test_the_first_sample_of_new_data_counts_for_more_after_a_spurious_timeout() -> None:
    estimator = _steady(20 * MILLISECOND)
    estimator.keep(1000)
    estimator.was_hasty()
    estimator.sample(600 * MILLISECOND, 1000, 1500, 0)
    before = estimator.srtt
    assert before < 200 * MILLISECOND, "data that were out then count as ever"
    estimator.sample(600 * MILLISECOND, 1001, 1500, 0)
    assert estimator.srtt == 600 * MILLISECOND
    assert estimator.rto == (600 + 4 * 300) * MILLISECOND
    estimator.sample(600 * MILLISECOND, 1400, 1500, 0)
    assert estimator.rto == (600 + 4 * 300) * MILLISECOND


@pytest.mark.shows("RFC 4015 3.6")
def test_the_timer_is_never_shorter_than_when_it_was_too_short() -> None:
    estimator = _steady(500 * MILLISECOND)
    estimator.keep(1000)
    before = estimator.rto
    estimator.was_hasty()
    estimator.sample(20 * MILLISECOND, 1001, 1500, 0)
    assert estimator.rto >= before


@pytest.mark.shows("RFC 4015 3.6")
@pytest.mark.parametrize("sack", [True, False])
def test_a_path_that_has_become_slow_times_out_once(sack: bool) -> None:
    """From 20 ms to 600 ms: after the first timeout, which is undone, the next flight has its time."""
    script = Script()
    connection = script.accept(sack=sack)
    connection.send(bytes(10 * MSS))
    script.after(280 * MILLISECOND)
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(320 * MILLISECOND)
    for acked in range(1, 11):
        _ack(script, acked)
    assert connection.sender.recovery.undone == 1
    assert connection.sender.segments_retransmitted <= 2, "the timer's, and maybe a tail loss probe"
    script.after(600 * MILLISECOND)
    before = connection.sender.segments_retransmitted
    for acked in range(11, 21):
        _ack(script, acked)
    assert connection.sender.segments_retransmitted == before
    assert connection.sender.rtt.rto > SECOND
