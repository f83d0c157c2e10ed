"""The algorithms of TCP apart from any connection: RTO, loss detection, receive window."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clock import MILLISECOND, SECOND
from stack.config import ConfigError, TcpConfig
from stack.tcp.loss import lost_frontier
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Delivery, Scoreboard, SentSegment
from stack.tcp.timestamps import Timestamps
from stack.tcp.window import ExactWindow, ReceiveWindow, window_shift
from stack.wire.tcp import ACK

MSS = 1000


# -- RFC 6298 ------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 6298 2.1", "RFC 2525 2.7")
def test_rto_is_one_second_before_the_first_measurement() -> None:
    assert RttEstimator(TcpConfig()).rto == SECOND


@pytest.mark.shows("RFC 6298 2.2")
def test_the_first_measurement_sets_srtt_and_half_of_it_as_variance() -> None:
    rtt = RttEstimator(TcpConfig())
    rtt.sample(400 * MILLISECOND, 1, 2, 0)
    assert rtt.srtt == 400 * MILLISECOND
    assert rtt.rto == (400 + 4 * 200) * MILLISECOND


@pytest.mark.shows("RFC 6298 2.3")
def test_a_steady_rtt_leaves_the_floor_above_it() -> None:
    """The floor is under the variance: RTO exceeds SRTT plus a delayed ACK for every steady path."""
    rtt = RttEstimator(TcpConfig())
    for round_trip in range(200):
        rtt.sample(500 * MILLISECOND, round_trip, round_trip, 0)
    assert rtt.rto == pytest.approx(700 * MILLISECOND, rel=0.01)


def test_the_smallest_rto_exceeds_the_delayed_ack_by_a_margin() -> None:
    config = TcpConfig()
    rtt = RttEstimator(config)
    for round_trip in range(100):
        rtt.sample(1, round_trip, round_trip, 0)
    assert rtt.rto >= config.delayed_ack + 100 * MILLISECOND


@pytest.mark.shows("RFC 6298 2.3", "RFC 6298 4")
def test_a_jump_of_the_rtt_raises_the_rto_at_once() -> None:
    rtt = RttEstimator(TcpConfig())
    for round_trip in range(50):
        rtt.sample(20 * MILLISECOND, round_trip, round_trip, 0)
    before = rtt.rto
    rtt.sample(500 * MILLISECOND, 51, 51, 0)
    assert rtt.rto > before + 200 * MILLISECOND


@pytest.mark.shows("RFC 7323 G")
def test_many_samples_in_one_round_trip_do_not_wear_the_variance_down() -> None:
    """RFC 7323 appendix G: one window's ACKs must not count as many round trips."""
    rtt = RttEstimator(TcpConfig())
    rtt.sample(SECOND, 1, 1000, 0)
    variance = rtt.variance
    for ack in range(2, 900):
        rtt.sample(SECOND, ack, 1000, 0)
    assert rtt.variance == variance


@pytest.mark.shows("RFC 6298 2.5", "RFC 6298 5.4-5.6")
def test_backoff_doubles_up_to_the_maximum() -> None:
    rtt = RttEstimator(TcpConfig(max_rto=60 * SECOND))
    timeouts = []
    for backoff in range(9):
        rtt.backoff = backoff
        timeouts.append(rtt.rto // SECOND)
    assert timeouts == [1, 2, 4, 8, 16, 32, 60, 60, 60]


# -- RFC 6675 --------------------------------------------------------------------------------------------


def _sent(count: int) -> Scoreboard:
    board = Scoreboard(1000)
    for index in range(count):
        board.append(SentSegment(index * MSS, (index + 1) * MSS, bytes(MSS), ACK, 0))
    return board


@pytest.mark.shows("RFC 6675 4")
def test_three_ranges_above_a_segment_make_it_lost() -> None:
    board = _sent(10)
    board.select_acknowledge(((2000, 3000),), 0, 10000, Delivery())
    assert lost_frontier(board, 3, MSS) is None
    board.select_acknowledge(((4000, 5000),), 0, 10000, Delivery())
    assert lost_frontier(board, 3, MSS) is None
    board.select_acknowledge(((6000, 7000),), 0, 10000, Delivery())
    assert lost_frontier(board, 3, MSS) == 2000


@pytest.mark.shows("RFC 6675 4")
def test_more_than_two_full_segments_above_make_it_lost() -> None:
    board = _sent(10)
    board.select_acknowledge(((1000, 3000),), 0, 10000, Delivery())
    assert lost_frontier(board, 3, MSS) is None
    board.select_acknowledge(((3000, 4000),), 0, 10000, Delivery())
    assert lost_frontier(board, 3, MSS) == 1000


# -- window ----------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 7323 2.3")
def test_the_shift_lets_the_largest_window_be_expressed() -> None:
    assert [window_shift(size) for size in (65535, 65536, 6 << 20, 1 << 40)] == [0, 1, 7, 14]


@pytest.mark.shows("RFC 9293 SHLD-14", "RFC 7323 2.4")
@given(st.integers(0, 14), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), max_size=40))
def test_the_right_edge_never_moves_back(shift: int, steps: list[tuple[int, int]]) -> None:
    """RFC 9293 3.8.6 SHLD-14, whatever the scale rounds away."""
    window = ReceiveWindow(TcpConfig(receive_buffer=20000))
    window.mss = 1460
    window.begin(0)
    window.shift = shift
    rcv_nxt = unread = 0
    edge = window.right_edge
    for arrives, read in steps:
        arrives = min(arrives, window.right_edge - rcv_nxt)
        rcv_nxt += arrives
        unread = max(unread + arrives - read, 0)
        field = window.field(rcv_nxt, unread)
        assert 0 <= field <= 0xFFFF
        assert rcv_nxt + (field << shift) >= edge
        edge = rcv_nxt + (field << shift)


@pytest.mark.shows("RFC 9293 MUST-39")
def test_a_small_opening_is_not_offered() -> None:
    """Receiver's silly-window avoidance, RFC 9293 3.8.6.2.2."""
    window = ReceiveWindow(TcpConfig(receive_buffer=10000))
    window.mss = 1000
    window.begin(0)
    assert window.field(10000, 10000) == 0
    assert window.field(10000, 9001) == 0
    assert window.field(10000, 9000) == 1000


def test_a_window_clamped_to_less_than_a_segment_opens_again() -> None:
    """Half of what is never exceeded is a large opening, however large the buffer behind it (tcp(7))."""
    window = ReceiveWindow(TcpConfig(receive_buffer=100_000, window_clamp=1200))
    window.mss = 1460
    window.begin(0)
    assert window.field(1200, 1200) == 0
    assert window.field(1200, 601) == 0
    assert window.field(1200, 600) == 600
    assert window.should_update(1800, 0)


def test_a_buffer_of_whole_segments_is_offered_once_it_is_known_how_long_they_are() -> None:
    """Even if an ACK has left before the handshake was over, as the answer to a segment out of the window."""
    window = ExactWindow(TcpConfig(receive_buffer=10_000))
    window.begin(1)
    assert window.field(1, 0) == 10_000
    window.agree_on(1460)
    assert window.field(1, 0) == 7 * 1460


# -- RFC 7323 --------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 7323 5.3", "RFC 7323 5.5")
def test_paws_rejects_the_past_across_a_wrap_and_forgets_after_24_days() -> None:
    timestamps = Timestamps(0)
    timestamps.remember(0xFFFFFFF0, 0)
    assert not timestamps.is_old(5, 1)
    timestamps.remember(5, 1)
    assert timestamps.is_old(0xFFFFFFF0, 2)
    assert not timestamps.is_old(0xFFFFFFF0, 25 * 24 * 3600 * SECOND)


# -- configuration ---------------------------------------------------------------------------------------


def test_a_knob_out_of_bounds_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="initial_window must be at least 1, not 0"):
        TcpConfig(initial_window=0)
    with pytest.raises(
        ConfigError, match="congestion must be one of bbr, cubic, dctcp, reno, vegas or module:Class"
    ):
        dataclasses.replace(TcpConfig(), congestion="westwood")
