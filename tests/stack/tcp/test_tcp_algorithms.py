"""The algorithms of TCP apart from any connection: RTO, congestion control, loss detection, receive window."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clock import MILLISECOND, SECOND
from stack.config import ConfigError, TcpConfig
from stack.tcp.congestion.base import UNLIMITED
from stack.tcp.congestion.cubic import Cubic, cube_root
from stack.tcp.congestion.reno import Reno
from stack.tcp.loss import lost_frontier
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Scoreboard, SentSegment
from stack.tcp.timestamps import Timestamps
from stack.tcp.window import ReceiveWindow, window_shift
from stack.wire.tcp import ACK

MSS = 1000


# -- RFC 6298 ------------------------------------------------------------------------------------------


def test_rto_is_one_second_before_the_first_measurement() -> None:
    assert RttEstimator(TcpConfig()).rto == SECOND


def test_the_first_measurement_sets_srtt_and_half_of_it_as_variance() -> None:
    rtt = RttEstimator(TcpConfig())
    rtt.sample(400 * MILLISECOND, 1, 2)
    assert rtt.srtt == 400 * MILLISECOND
    assert rtt.rto == (400 + 4 * 200) * MILLISECOND


def test_a_steady_rtt_leaves_the_floor_above_it() -> None:
    """The floor is under the variance: RTO exceeds SRTT plus a delayed ACK for every steady path."""
    rtt = RttEstimator(TcpConfig())
    for round_trip in range(200):
        rtt.sample(500 * MILLISECOND, round_trip, round_trip)
    assert rtt.rto == pytest.approx(700 * MILLISECOND, rel=0.01)


def test_the_smallest_rto_exceeds_the_delayed_ack_by_a_margin() -> None:
    config = TcpConfig()
    rtt = RttEstimator(config)
    for round_trip in range(100):
        rtt.sample(1, round_trip, round_trip)
    assert rtt.rto >= config.delayed_ack + 100 * MILLISECOND


def test_a_jump_of_the_rtt_raises_the_rto_at_once() -> None:
    rtt = RttEstimator(TcpConfig())
    for round_trip in range(50):
        rtt.sample(20 * MILLISECOND, round_trip, round_trip)
    before = rtt.rto
    rtt.sample(500 * MILLISECOND, 51, 51)
    assert rtt.rto > before + 200 * MILLISECOND


def test_many_samples_in_one_round_trip_do_not_wear_the_variance_down() -> None:
    """RFC 7323 appendix G: one window's ACKs must not count as many round trips."""
    rtt = RttEstimator(TcpConfig())
    rtt.sample(SECOND, 1, 1000)
    variance = rtt.variance
    for ack in range(2, 900):
        rtt.sample(SECOND, ack, 1000)
    assert rtt.variance == variance


def test_backoff_doubles_up_to_the_maximum() -> None:
    rtt = RttEstimator(TcpConfig(max_rto=60 * SECOND))
    timeouts = []
    for backoff in range(9):
        rtt.backoff = backoff
        timeouts.append(rtt.rto // SECOND)
    assert timeouts == [1, 2, 4, 8, 16, 32, 60, 60, 60]


# -- congestion control ----------------------------------------------------------------------------------


def test_the_initial_window_is_ten_segments() -> None:
    assert Reno(MSS, 10).cwnd == 10 * MSS
    assert Reno(MSS, 10).ssthresh == UNLIMITED


@pytest.mark.parametrize("algorithm", [Reno, Cubic])
def test_slow_start_doubles_the_window_each_round_trip(algorithm: type[Reno] | type[Cubic]) -> None:
    control = algorithm(MSS, 10)
    for expected in (20, 40, 80):
        for _ in range(control.cwnd // MSS):
            control.acknowledged(MSS, 0, 0)
        assert control.cwnd == expected * MSS


def test_reno_grows_by_one_segment_per_round_trip_whatever_the_acks_are_like() -> None:
    """RFC 5681 3.1 with RFC 3465: stretch ACKs do not slow it down."""
    for per_ack in (1, 2, 10):
        control = Reno(MSS, 10)
        control.congestion_event(0)
        control.cwnd = control.ssthresh = 20 * MSS
        for _ in range(10):
            left = control.cwnd
            while left:
                acked = min(left, per_ack * MSS)
                control.acknowledged(acked, 0, 0)
                left -= acked
        assert control.cwnd // MSS == 30


def test_reno_halves_and_a_timeout_leaves_one_segment() -> None:
    control = Reno(MSS, 40)
    control.congestion_event(0)
    assert (control.cwnd, control.ssthresh) == (20 * MSS, 20 * MSS)
    control.timeout(0, first=True)
    assert (control.cwnd, control.ssthresh) == (MSS, 10 * MSS)
    control.timeout(0, first=False)
    assert control.ssthresh == 10 * MSS, "only the first of several timeouts counts"


def test_cubic_keeps_seven_tenths() -> None:
    control = Cubic(MSS, 10)
    control.congestion_event(0)
    assert control.cwnd == 7 * MSS


def test_cubic_follows_the_curve_of_rfc_9438() -> None:
    """W(t) = C (t - K)^3 + W_max: plateau at K, W_max + C at K + 1 s."""
    control = Cubic(MSS, 1000)
    control.congestion_event(0)
    k = (1000 * 0.3 / 0.4) ** (1 / 3)
    rtt = 100 * MILLISECOND
    now, windows = 0, {}
    while now < 20 * SECOND:
        now += rtt
        acked = 0
        while acked < control.cwnd:
            control.acknowledged(MSS, now, rtt)
            acked += MSS
        windows[now] = control.cwnd / MSS
    for seconds in (2, 5, 8, 9, 10, 12, 15, 18):
        expected = 0.4 * (seconds - k) ** 3 + 1000
        assert windows[seconds * SECOND] == pytest.approx(expected, rel=0.03)


def test_cubic_is_at_least_as_fast_as_reno_on_a_short_path() -> None:
    """RFC 9438 4.3: the Reno-friendly region; 0.53 segments per round trip after a reduction of 0.7."""
    control = Cubic(MSS, 10)
    control.congestion_event(0)
    rtt = MILLISECOND
    for step in range(1, 7):
        for _ in range(control.cwnd // MSS):
            control.acknowledged(MSS, step * rtt, rtt)
    assert control.cwnd / MSS == pytest.approx(7 + 6 * 9 / 17, abs=1)


def test_fast_convergence_gives_way_to_newcomers() -> None:
    """RFC 9438 4.7: a flow that did not get back to W_max remembers less than it had."""
    control = Cubic(MSS, 100)
    control.congestion_event(0)
    control.congestion_event(0)
    assert control._w_max == 70 * MSS * 17 // 20


def test_cubic_does_not_count_the_time_in_which_the_application_held_back() -> None:
    """RFC 9438 4.2, 5.8: thirty quiet seconds are not thirty seconds of growth."""
    control = Cubic(MSS, 100)
    control.congestion_event(0)
    now, rtt = 0, 50 * MILLISECOND
    for _ in range(5):
        now += rtt
        control.acknowledged(control.cwnd, now, rtt)
    before = control.cwnd
    for _ in range(300):
        now += 100 * MILLISECOND
        control.application_limited()
    now += rtt
    control.acknowledged(control.cwnd, now, rtt)
    assert control.cwnd < before * 1.1


@given(st.integers(0, 10**60))
def test_the_cube_root_is_exact(value: int) -> None:
    root = cube_root(value)
    assert root**3 <= value < (root + 1) ** 3


# -- RFC 6675 --------------------------------------------------------------------------------------------


def _sent(count: int) -> Scoreboard:
    board = Scoreboard()
    for index in range(count):
        board.append(SentSegment(index * MSS, (index + 1) * MSS, bytes(MSS), ACK, 0))
    return board


def test_three_ranges_above_a_segment_make_it_lost() -> None:
    board = _sent(10)
    board.select_acknowledge(((2000, 2010 * 1 + 990),), 0, 10000)
    assert lost_frontier(board, 3, MSS) is None
    board.select_acknowledge(((4000, 5000),), 0, 10000)
    assert lost_frontier(board, 3, MSS) is None
    board.select_acknowledge(((6000, 7000),), 0, 10000)
    assert lost_frontier(board, 3, MSS) == 2000


def test_more_than_two_full_segments_above_make_it_lost() -> None:
    board = _sent(10)
    board.select_acknowledge(((1000, 3000),), 0, 10000)
    assert lost_frontier(board, 3, MSS) is None
    board.select_acknowledge(((3000, 4000),), 0, 10000)
    assert lost_frontier(board, 3, MSS) == 1000


# -- window ----------------------------------------------------------------------------------------------


def test_the_shift_lets_the_largest_window_be_expressed() -> None:
    assert [window_shift(size) for size in (65535, 65536, 6 << 20, 1 << 40)] == [0, 1, 7, 14]


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


def test_a_small_opening_is_not_offered() -> None:
    """Receiver's silly-window avoidance, RFC 9293 3.8.6.2.2."""
    window = ReceiveWindow(TcpConfig(receive_buffer=10000))
    window.mss = 1000
    window.begin(0)
    assert window.field(10000, 10000) == 0
    assert window.field(10000, 9001) == 0
    assert window.field(10000, 9000) == 1000


# -- RFC 7323 --------------------------------------------------------------------------------------------


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
    with pytest.raises(ConfigError, match="congestion must be one of cubic, reno"):
        dataclasses.replace(TcpConfig(), congestion="vegas")
