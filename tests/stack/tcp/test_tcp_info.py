"""TCP_INFO: what each field tells, by what has happened to the connection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stack.clock import MILLISECOND
from stack.sockets.tcp_info import FIELDS
from stack.tcp.info import TcpInfo
from tests.stack.tcp.scripted import Script

NOT_KEPT = {"tcpi_fackets", "tcpi_last_ack_sent"}
"""By Linux neither."""
UNLIMITED = (1 << 64) - 1
MS = 1000
"""In us."""


def blocks(script: Script, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """One SACK block, in numbers of the wire."""
    assert script.iss is not None
    return (((script.iss + start) & 0xFFFFFFFF, (script.iss + end) & 0xFFFFFFFF),)


def test_nothing_in_the_structure_is_made_up() -> None:
    """Every field of the structure that getsockopt gives is one that is known."""
    assert set(FIELDS) - set(TcpInfo.__slots__) == NOT_KEPT


def test_segments_and_octets_are_counted_both_ways() -> None:
    script = Script()
    connection = script.connected()
    start = connection.info()
    connection.send(bytes(3000))
    script.send(".", 1, 3001)
    script.send("P.", 1, 3001, bytes(100))
    script.send("P.", 201, 3001, bytes(100))
    info = connection.info()
    assert info.tcpi_data_segs_out - start.tcpi_data_segs_out == 3
    assert info.tcpi_segs_out - start.tcpi_segs_out == 3 + 1, "with the ACK"
    assert info.tcpi_data_segs_in - start.tcpi_data_segs_in == 2
    assert info.tcpi_segs_in - start.tcpi_segs_in == 3
    assert info.tcpi_rcv_ooopack == 1
    assert (info.tcpi_bytes_sent, info.tcpi_bytes_received) == (3000, 100)
    assert info.tcpi_delivered - start.tcpi_delivered == 3
    assert start.tcpi_delivered == 1, "the SYN"


def test_what_was_sent_again_counts_again() -> None:
    script = Script()
    connection = script.connected()
    connection.send(bytes(1000))
    script.after(300 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_bytes_sent, info.tcpi_bytes_retrans) == (2000, 1000)
    assert (info.tcpi_data_segs_out, info.tcpi_total_retrans, info.tcpi_retrans) == (2, 1, 1)
    connection.shutdown()
    assert connection.info().tcpi_bytes_sent == 2000, "a FIN is no octet"


def test_when_things_happened_last() -> None:
    script = Script()
    connection = script.connected()
    script.after(500 * MILLISECOND)
    connection.send(b"request")
    script.after(20 * MILLISECOND)
    script.send(".", 1, 8)
    script.after(30 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_last_data_sent, info.tcpi_last_ack_recv, info.tcpi_last_data_recv) == (50, 30, 550)
    script.send("P.", 1, 8, b"answer")
    script.after(7 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_last_data_sent, info.tcpi_last_ack_recv, info.tcpi_last_data_recv) == (57, 7, 7)


# -- how long it was busy, and why ---------------------------------------------------------------------


def test_busy_while_something_is_queued_or_out() -> None:
    script = Script()
    connection = script.connected()
    script.after(500 * MILLISECOND)
    assert connection.info().tcpi_busy_time == 0
    connection.send(bytes(1000))
    script.after(100 * MILLISECOND)
    assert connection.info().tcpi_busy_time == 100 * MS, "and it goes on"
    script.send(".", 1, 1001)
    script.after(500 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_busy_time, info.tcpi_rwnd_limited, info.tcpi_sndbuf_limited) == (100 * MS, 0, 0)


def test_limited_by_the_peer_s_window() -> None:
    script = Script(nodelay=True)
    connection = script.connected(window=2920)
    connection.send(bytes(4000))
    script.after(60 * MILLISECOND)
    script.send(".", 1, 2921, window=65535)
    script.after(40 * MILLISECOND)
    script.send(".", 1, 4001, window=65535)
    script.after(500 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_rwnd_limited, info.tcpi_busy_time) == (60 * MS, 100 * MS)


def test_limited_by_the_send_buffer() -> None:
    script = Script(send_buffer=4096)
    connection = script.connected()
    assert connection.send(bytes(10_000)) == 4096
    script.after(60 * MILLISECOND)
    script.send(".", 1, 4097)
    assert connection.send(bytes(1000)) == 1000
    script.after(40 * MILLISECOND)
    script.send(".", 1, 5097)
    script.after(500 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_sndbuf_limited, info.tcpi_busy_time) == (60 * MS, 100 * MS)


def test_limited_by_congestion_control_is_only_busy() -> None:
    script = Script(initial_window=2)
    connection = script.connected()
    connection.send(bytes(14600))
    script.after(60 * MILLISECOND)
    info = connection.info()
    assert (info.tcpi_busy_time, info.tcpi_rwnd_limited, info.tcpi_sndbuf_limited) == (60 * MS, 0, 0)


def test_the_clock_stops_when_it_is_over() -> None:
    script = Script()
    connection = script.connected()
    connection.send(bytes(1000))
    script.after(100 * MILLISECOND)
    connection.abort()
    script.after(100 * MILLISECOND)
    assert connection.info().tcpi_busy_time == 100 * MS


# -- how the path delivers -----------------------------------------------------------------------------


def test_the_delivery_rate() -> None:
    script = Script()
    connection = script.connected()
    assert connection.info().tcpi_delivery_rate == 0
    connection.send(bytes(14600))
    script.after(100 * MILLISECOND)
    script.send(".", 1, 14601)
    info = connection.info()
    assert info.tcpi_delivery_rate == 146_000, "octets per second"
    assert info.tcpi_delivery_rate_app_limited, "there was no more to send"
    connection.send(bytes(10))
    script.after(100 * MILLISECOND)
    script.send(".", 1, 14611)
    assert connection.info().tcpi_delivery_rate == 146_000, "what the application limits shows no less"


def test_the_pacing_rate() -> None:
    plain, paced = Script().connected(), Script(pacing=True)
    assert plain.info().tcpi_pacing_rate == UNLIMITED == plain.info().tcpi_max_pacing_rate
    connection = paced.connected()
    connection.send(bytes(1460))
    paced.after(100 * MILLISECOND)
    paced.send(".", 1, 1461)
    info = connection.info()
    assert 0 < info.tcpi_pacing_rate < UNLIMITED
    assert info.tcpi_min_rtt <= 100 * MS


def test_reordering_is_seen_and_measured() -> None:
    """Linux tcp_check_sack_reordering: the last of six has overtaken the first."""
    script = Script()
    connection = script.accept()
    assert (connection.info().tcpi_reordering, connection.info().tcpi_reord_seen) == (3, 0)
    connection.send(bytes(6 * 1460))
    script.after(20 * MILLISECOND)
    script.send(".", 1, 1, sack=blocks(script, 5 * 1460 + 1, 6 * 1460 + 1))
    script.send(".", 1, 6 * 1460 + 1)
    info = connection.info()
    assert (info.tcpi_reordering, info.tcpi_reord_seen) == (6, 1)


def test_needless_retransmissions_are_reported() -> None:
    script = Script()
    connection = script.connected()
    connection.send(bytes(1000))
    script.after(300 * MILLISECOND)
    script.send(".", 1, 1001, sack=blocks(script, 1, 1001))
    assert connection.info().tcpi_dsack_dups == 1


def test_marks_are_counted_and_ecn_is_shown() -> None:
    script = Script(ecn="request")
    connection = script.connect()
    script.learn_iss()
    script.send("S.E", 0, 1, mss=1460)
    assert connection.info().tcpi_options & 24 == 8, "negotiated, not seen"
    connection.send(bytes(2920))
    script.send(".E", 1, 2921)
    assert connection.info().tcpi_delivered_ce == 2
    script.send("P.", 1, 2921, b"data", codepoint=2)
    assert connection.info().tcpi_options & 24 == 24


@pytest.mark.parametrize("super_segments", [False, True])
def test_the_measure_is_the_segment_on_the_wire(super_segments: bool) -> None:
    script = Script()
    connection = script.connected()
    if super_segments:
        connection.sender.largest = 10 * 1460
    connection.send(bytes(5 * 1460))
    info = connection.info()
    assert (info.tcpi_unacked, info.tcpi_data_segs_out) == (5, 5)
    script.send(".", 1, 5 * 1460 + 1)
    assert connection.info() == replace(connection.info(), tcpi_delivered=6, tcpi_unacked=0)
