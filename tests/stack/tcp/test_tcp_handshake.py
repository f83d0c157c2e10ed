"""Opening, closing and resetting, segment by segment (RFC 9293 3.5, 3.6, 3.10; RFC 5961)."""

from __future__ import annotations

import errno

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.state import State
from tests.stack.tcp.scripted import HOST, PEER, PORT, Script

# -- opening ---------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-67", "RFC 7323 2.2", "RFC 7323 3.2", "RFC 2018 2")
def test_passive_open_offers_what_the_peer_offered() -> None:
    script = Script(timestamps=True)
    script.listen()
    script.send("S", 0, 0, mss=1460, sack_permitted=True, window_scale=7, timestamp=100)
    syn = script.learn_iss()
    assert (syn.flags, syn.ack) == ("S.", 1)
    options = syn.options
    assert (options.mss, options.sack_permitted, options.window_scale) == (1460, True, 7)
    assert options.timestamp_echo == 100
    script.send(".", 1, 1, timestamp=101)
    connection = script.listener.accept()
    assert connection.state is State.ESTABLISHED


@pytest.mark.shows("RFC 9293 MUST-15", "RFC 7323 2.2", "RFC 7323 3.2", "RFC 2018 2")
def test_options_that_the_peer_does_not_offer_are_not_used() -> None:
    script = Script(timestamps=True)
    script.listen()
    script.send("S", 0, 0)
    options = script.learn_iss().options
    assert (options.sack_permitted, options.window_scale, options.timestamp) == (False, None, None)
    script.send(".", 1, 1)
    connection = script.listener.accept()
    assert connection.info().tcpi_options == 0
    connection.send(bytes(1000))
    assert [segment.length for segment in script.sent()] == [536, 464], "MUST-15: 536 without an MSS option"


@pytest.mark.shows("RFC 9293 MUST-14", "RFC 9293 SHLD-5", "RFC 9293 MUST-44")
def test_active_open() -> None:
    script = Script()
    connection = script.connect()
    assert connection.state is State.SYN_SENT
    syn = script.learn_iss()
    assert (syn.flags, syn.window, syn.options.mss) == ("S", 65535, 1460)
    script.send("S.", 0, 1, mss=1460)
    script.expect((".", 1, 0, 1))
    assert connection.state is State.ESTABLISHED


@pytest.mark.shows("RFC 7323 2.2", "RFC 9293 REC-1")
def test_the_window_in_a_syn_is_never_scaled() -> None:
    script = Script()
    connection = script.connected(window=1000, window_scale=7)
    assert connection.info().tcpi_snd_wnd == 1000
    script.send(".", 1, 1, window=1000)
    assert connection.info().tcpi_snd_wnd == 128000


@pytest.mark.shows("RFC 9293 MUST-10")
def test_simultaneous_open() -> None:
    """RFC 9293 3.5, figure 7."""
    script = Script()
    connection = script.connect()
    script.learn_iss()
    script.send("S", 0, 0, mss=1460)
    assert connection.state is State.SYN_RECEIVED
    script.expect(("S.", 0, 0, 1))
    script.send("S.", 0, 1, mss=1460)
    assert connection.state is State.ESTABLISHED
    connection.send(b"x")
    assert script.sent()[-1].payload == b"x"


@pytest.mark.shows("RFC 9293 MUST-22", "RFC 6298 2.1")
def test_a_syn_is_retransmitted_with_backoff_and_then_given_up() -> None:
    script = Script(syn_retries=2)
    connection = script.connect()
    script.learn_iss()
    times = []
    for _ in range(80):
        script.after(100 * MILLISECOND)
        times += [script.clock.now() // (100 * MILLISECOND) for _ in script.sent()]
    assert [time - 10 for time in times] == [10, 30], "after 1 s and 2 s more"
    assert connection.take_error() == errno.ETIMEDOUT
    assert script.clock.pending == 0


def test_a_refused_connection() -> None:
    script = Script()
    connection = script.connect()
    script.learn_iss()
    script.send("R.", 0, 1)
    assert connection.state is State.CLOSED
    assert connection.take_error() == errno.ECONNREFUSED


def test_a_reset_that_acknowledges_nothing_does_not_refuse() -> None:
    script = Script()
    connection = script.connect()
    script.learn_iss()
    script.send("R.", 0, 77)
    assert connection.state is State.SYN_SENT


def test_a_half_open_peer_is_reset() -> None:
    """RFC 9293 3.5.1, figure 9: an old connection's ACK answers our SYN."""
    script = Script()
    connection = script.connect()
    script.learn_iss()
    script.send(".", 100, 300)
    (reset,) = script.sent()
    assert (reset.flags, reset.sequence) == ("R", 300)
    assert connection.state is State.SYN_SENT


def test_a_segment_for_nobody_is_reset() -> None:
    script = Script()
    script.iss = 0
    script.send("S", 5, 0)
    (reset,) = script.sent()
    assert (reset.flags, reset.sequence, reset.ack) == ("R.", 0, 6)
    script.send(".", 5, 1234)
    (reset,) = script.sent()
    assert (reset.flags, reset.sequence) == ("R", 1234)
    script.send("R", 5, 0)
    script.expect_nothing()


def test_a_lost_syn_ack_comes_again_when_the_syn_does() -> None:
    script = Script()
    script.listen()
    script.send("S", 0, 0, mss=1460)
    script.learn_iss()
    script.send("S", 0, 0, mss=1460)
    script.expect(("S.", 0, 0, 1))


def test_a_lost_handshake_ack_is_made_up_for_by_data() -> None:
    script = Script()
    script.listen()
    script.send("S", 0, 0, mss=1460)
    script.learn_iss()
    script.send("P.", 1, 1, b"hello")
    connection = script.listener.accept()
    assert connection.receive(100) == b"hello"


def test_a_full_accept_queue_drops_syns_until_there_is_room() -> None:
    script = Script()
    script.listen(backlog=0)
    script.send("S", 0, 0, mss=1460)
    script.learn_iss()
    script.send(".", 1, 1)
    script.peer_port += 1
    script.send("S", 0, 0, mss=1460)
    script.expect_nothing()
    assert script.host.counters["tcp.listen_overflow"] == 1
    script.listener.accept()
    script.send("S", 0, 0, mss=1460)
    assert script.learn_iss().flags == "S."


@pytest.mark.shows("RFC 4987 3.2")
def test_the_syn_queue_is_bounded() -> None:
    script = Script(syn_backlog=3, syn_cookies="off")
    script.listen()
    for port in range(5):
        script.peer_port = 1000 + port
        script.send("S", 0, 0, mss=1460)
    script.iss = 0
    assert len(script.sent()) == 3
    assert script.host.counters["tcp.syn_overflow"] == 2


def test_a_closed_listener_resets_whoever_was_not_accepted() -> None:
    script = Script()
    script.listen()
    script.send("S", 0, 0, mss=1460)
    script.learn_iss()
    script.send(".", 1, 1)
    script.listener.close()
    assert [segment.flags for segment in script.sent()] == ["R."]
    assert script.host.tcp.connections == ()
    assert script.clock.pending == 0


def test_a_connect_to_a_taken_tuple_is_refused() -> None:
    script = Script()
    script.connect()
    with pytest.raises(OSError, match=r".") as caught:
        script.host.tcp.connect(HOST, script.port, PEER, PORT, script.config)
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.shows("RFC 9293 MUST-54", "RFC 9293 MUST-47", "RFC 5927 5.2", "RFC 1122 3.2.2.1-3")
def test_icmp_port_unreachable_ends_an_attempt_but_not_a_connection() -> None:
    script = Script()
    connection = script.connect()
    quoted = script.link.sent[0]
    script.learn_iss()
    script.send_icmp_unreachable(3, quoted)
    assert connection.take_error() == errno.ECONNREFUSED

    script = Script()
    connection = script.connected()
    connection.send(b"data")
    quoted = script.link.sent[0]
    script.send_icmp_unreachable(3, quoted)
    assert connection.state is State.ESTABLISHED
    assert connection.soft_error == errno.ECONNREFUSED


@pytest.mark.shows("RFC 5927 4.1")
def test_an_icmp_error_with_a_guessed_sequence_number_is_ignored() -> None:
    """RFC 5927 4.1."""
    script = Script()
    connection = script.connect()
    quoted = bytearray(script.link.sent[0])
    quoted[24] ^= 0x40
    script.learn_iss()
    script.send_icmp_unreachable(3, bytes(quoted))
    assert connection.state is State.SYN_SENT
    assert script.host.counters["tcp.icmp_outside_window"] == 1


# -- closing ---------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-13")
def test_active_close_passes_fin_wait_and_time_wait() -> None:
    """RFC 9293 3.6, figure 12."""
    script = Script()
    connection = script.accept()
    connection.close()
    script.expect(("F.", 1, 0, 1))
    assert connection.state is State.FIN_WAIT_1
    script.send(".", 1, 2)
    assert connection.state is State.FIN_WAIT_2
    script.send("F.", 1, 2)
    script.expect((".", 2, 0, 2))
    assert connection.state is State.TIME_WAIT
    script.send("F.", 1, 2)
    script.expect((".", 2, 0, 2))
    script.after(61 * SECOND)
    assert connection.state is State.CLOSED
    script.listener.close()
    assert script.clock.pending == 0


def test_passive_close_passes_close_wait_and_last_ack() -> None:
    script = Script()
    connection = script.accept()
    script.send("F.", 1, 1)
    script.expect((".", 1, 0, 2))
    assert connection.state is State.CLOSE_WAIT
    assert connection.at_end
    connection.send(b"bye")
    script.expect(("P.", 1, 3, 2))
    connection.close()
    script.expect(("F.", 4, 0, 2))
    assert connection.state is State.LAST_ACK
    script.send(".", 2, 5)
    assert connection.state is State.CLOSED
    assert script.clock.pending == 0


def test_simultaneous_close_passes_closing() -> None:
    """RFC 9293 3.6, figure 13."""
    script = Script()
    connection = script.accept()
    connection.close()
    script.expect(("F.", 1, 0, 1))
    script.send("F.", 1, 1)
    script.expect((".", 2, 0, 2))
    assert connection.state is State.CLOSING
    script.send(".", 2, 2)
    assert connection.state is State.TIME_WAIT


def test_fin_and_ack_of_fin_in_one_segment() -> None:
    script = Script()
    connection = script.accept()
    connection.close()
    script.expect(("F.", 1, 0, 1))
    script.send("F.", 1, 2)
    script.expect((".", 2, 0, 2))
    assert connection.state is State.TIME_WAIT


def test_half_close_lets_the_other_half_go_on() -> None:
    script = Script()
    connection = script.accept()
    connection.shutdown()
    script.expect(("F.", 1, 0, 1))
    script.send("P.", 1, 2, b"still here")
    assert connection.receive(100) == b"still here"
    assert connection.state is State.FIN_WAIT_2
    script.after(SECOND)
    script.expect((".", 2, 0, 11))


def test_a_fin_that_overtakes_data_waits_for_them() -> None:
    script = Script()
    connection = script.accept()
    script.send("F.", 4, 1)
    script.expect((".", 1, 0, 1))
    assert not connection.at_end
    script.send(".", 1, 1, b"abc")
    script.expect((".", 1, 0, 5))
    assert connection.receive(10) == b"abc"
    assert connection.at_end
    assert connection.state is State.CLOSE_WAIT


@pytest.mark.shows("RFC 2525 2.15")
def test_the_fin_travels_with_the_last_data_and_is_retransmitted() -> None:
    script = Script()
    connection = script.accept()
    connection.sender.write(b"last words")
    connection.shutdown()
    script.expect(("FP.", 1, 10, 1))
    script.after(250 * MILLISECOND)
    script.expect(("FP.", 1, 10, 1))


@pytest.mark.shows("RFC 9293 MAY-1", "RFC 9293 SHLD-3", "RFC 2525 2.16")
def test_data_after_close_is_reset() -> None:
    """RFC 1122 4.2.2.13: the application will never read it."""
    script = Script()
    connection = script.accept()
    connection.close()
    script.expect(("F.", 1, 0, 1))
    script.send("P.", 1, 2, b"too late")
    assert [(segment.flags, segment.sequence) for segment in script.sent()] == [("R", 2)]
    assert connection.state is State.CLOSED


@pytest.mark.shows("RFC 9293 SHLD-3", "RFC 2525 2.17")
def test_closing_with_unread_data_is_a_reset() -> None:
    """RFC 2525 2.17."""
    script = Script()
    connection = script.accept()
    script.send("P.", 1, 1, b"unread")
    script.sent()
    connection.close()
    (reset,) = script.sent()
    assert (reset.flags, reset.sequence) == ("R.", 1)


def test_fin_wait_2_of_a_closed_socket_ends() -> None:
    script = Script()
    connection = script.accept()
    connection.close()
    script.send(".", 1, 2)
    assert connection.state is State.FIN_WAIT_2
    script.after(61 * SECOND)
    assert connection.state is State.CLOSED


@pytest.mark.shows("RFC 9293 MAY-2", "RFC 6191 2")
def test_a_new_syn_reopens_a_connection_in_time_wait() -> None:
    """RFC 1122 4.2.2.13."""
    script = Script()
    connection = script.accept()
    connection.close()
    script.send("F.", 1, 2)
    assert connection.state is State.TIME_WAIT
    script.sent()
    script.send("S", 1000, 0, mss=1460)
    (syn,) = script.sent()
    assert (syn.flags, syn.ack) == ("S.", 1001)
    assert connection.state is State.CLOSED


def test_a_new_incarnation_begins_beyond_the_old_one() -> None:
    """RFC 1122 4.2.2.13 (1): even if the old one sent faster than the clock of the initial sequence number."""
    script = Script()
    connection = script.accept()
    connection.sender.congestion.cwnd = 1 << 30
    for sent in range(1, 3_000_001, 60_000):
        connection.send(bytes(60_000))
        script.send(".", 1, sent + 60_000)
    connection.close()
    script.send("F.", 1, 3_000_002)
    script.sent()
    script.send("S", 1000, 0, mss=1460)
    (syn,) = script.sent()
    assert 3_000_002 < syn.sequence < 1 << 31


def test_no_time_wait_at_all_leaves_no_timer() -> None:
    script = Script(time_wait_connections=0)
    connection = script.accept()
    connection.close()
    script.send("F.", 1, 2)
    assert connection.state is State.CLOSED
    script.listener.close()
    assert script.clock.pending == 0


def test_close_in_time_wait_with_unread_data_stays_there() -> None:
    script = Script()
    connection = script.accept()
    connection.shutdown()
    script.send("FP.", 1, 2, b"unread")
    script.sent()
    connection.close()
    script.expect_nothing()
    assert connection.state is State.TIME_WAIT


def test_an_idle_half_closed_connection_is_kept_alive() -> None:
    """FIN-WAIT-2 of a socket that somebody still reads from is ended by nobody's timer."""
    script = Script(keepalive=True, keepalive_idle=10 * SECOND)
    connection = script.accept()
    connection.shutdown()
    script.send(".", 1, 2)
    script.sent()
    script.after(11 * SECOND)
    (probe,) = script.sent()
    assert (probe.sequence, probe.length) == (1, 0)
    assert connection.state is State.FIN_WAIT_2


def test_nothing_is_taken_once_our_half_is_closed() -> None:
    script = Script()
    connection = script.accept()
    connection.shutdown()
    assert connection.send(b"too late") == 0
    assert [segment.flags for segment in script.sent()] == ["F."]


def test_data_with_the_syn_ack_of_a_simultaneous_open_are_whole() -> None:
    script = Script()
    connection = script.connect()
    script.learn_iss()
    script.send("S", 0, 0, mss=1460)
    script.send("S.", 0, 1, b"ABCD", mss=1460)
    assert connection.receive(10) == b"ABCD"


def test_time_wait_connections_are_bounded() -> None:
    script = Script(time_wait_connections=2)
    script.listen()
    for port in range(5):
        script.peer_port = 1000 + port
        script.send("S", 0, 0, mss=1460)
        script.iss = None
        script.learn_iss()
        script.send(".", 1, 1)
        script.listener.accept().close()
        script.send("F.", 1, 2)
        script.sent()
    assert len(script.host.tcp.connections) == 2
    assert script.host.counters["tcp.time_wait_overflow"] == 3


# -- resets and attacks ----------------------------------------------------------------------------------


@pytest.mark.shows("RFC 5961 3.2", "RFC 9293 MUST-12")
def test_only_the_exact_sequence_number_resets() -> None:
    """RFC 5961 3.2."""
    script = Script()
    connection = script.accept()
    script.send("R", 100, 0)
    script.expect((".", 1, 0, 1))
    assert connection.state is State.ESTABLISHED
    script.send("R", 100_000, 0)
    script.expect_nothing()
    script.send("R", 1, 0)
    assert connection.state is State.CLOSED
    assert connection.take_error() == errno.ECONNRESET


@pytest.mark.shows("RFC 5961 4.2", "RFC 9293 MAY-12")
def test_a_syn_in_a_connection_is_challenged() -> None:
    """RFC 5961 4.2."""
    script = Script()
    connection = script.accept()
    for sequence in (0, 1, 500, 10_000_000):
        script.send("S", sequence, 0)
        script.expect((".", 1, 0, 1))
        script.send("S", sequence, 0)
        script.expect_nothing()
        script.after(SECOND)
    assert connection.state is State.ESTABLISHED


@pytest.mark.shows("RFC 5961 7")
def test_challenges_are_limited() -> None:
    """RFC 5961 7."""
    script = Script(challenge_acks=10, invalid_ack_interval=0)
    script.accept()
    counts = []
    for _ in range(20):
        for _ in range(30):
            script.send("S", 500, 0)
        counts.append(len(script.sent()))
        script.after(SECOND)
    assert all(5 <= count <= 15 for count in counts)
    assert len(set(counts)) > 3, "a number that can be counted on tells a stranger too much (CVE-2016-5696)"


def test_an_ack_of_what_was_never_sent_is_challenged_and_dropped() -> None:
    script = Script()
    connection = script.accept()
    script.send("P.", 1, 5000, b"evil")
    script.expect((".", 1, 0, 1))
    assert connection.available == 0


@pytest.mark.shows("RFC 5961 5.2", "RFC 9293 MAY-12")
def test_an_ack_from_before_the_largest_window_is_dropped() -> None:
    """RFC 5961 5.2."""
    script = Script()
    connection = script.accept(window=1000)
    for sent in range(1, 30001, 1000):
        connection.send(bytes(1000))
        script.send(".", 1, sent + 1000, window=1000)
    script.sent()
    script.send("P.", 1, 10, b"evil", window=1000)
    script.expect((".", 30001, 0, 1))
    assert connection.available == 0


@pytest.mark.shows("RFC 1337 3")
def test_reset_does_not_assassinate_time_wait() -> None:
    """RFC 1337."""
    script = Script()
    connection = script.accept()
    connection.close()
    script.send("F.", 1, 2)
    script.send("R", 2, 0)
    assert connection.state is State.TIME_WAIT


def test_abort_sends_a_reset_and_leaves_nothing() -> None:
    script = Script()
    connection = script.accept()
    connection.send(bytes(5000))
    script.sent()
    connection.abort()
    assert [segment.flags for segment in script.sent()] == ["R."]
    script.listener.close()
    assert script.clock.pending == 0


def test_the_owner_learns_once_that_the_tuple_is_free() -> None:
    script = Script()
    connection = script.accept()
    released = []
    connection.released = lambda: released.append(script.clock.now())
    connection.close()
    script.send("F.", 1, 2)
    assert not released
    script.after(120 * SECOND)
    assert len(released) == 1
