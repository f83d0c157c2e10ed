"""A sender on a link that segments: what is on the wire is what a link that does not would have been given."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.clock import MILLISECOND, SECOND
from stack.tcp.connection import Connection
from stack.tcp.key_table import KeyTable
from stack.tcp.md5 import Md5Key
from stack.tcp.recovery import Phase
from stack.wire.address import Prefix
from stack.wire.tcp import PSH, TcpHeader
from tests.stack.tcp.pair import Line, Pair, Stream
from tests.stack.tcp.scripted import HOST, PEER, PEER_ISN, PEER_PORT, PORT, Script, Sent
from tests.super_segments import TCP, super_segment

MSS = 1460
WHOLE = 65535
"""Bytes of the largest IP packet that the link takes."""


def opened(window: int = 65535, mss: int = MSS, **knobs: object) -> tuple[Script, Connection]:
    """A connection over a link that segments, ten packets of which may be out; the window is not scaled."""
    script = Script(segmentation=WHOLE, **knobs)
    connection = script.accept(window=window, mss=mss)
    script.link.frames.clear()
    return script, connection


def super_segments(script: Script) -> list[int]:
    """Octets of data in each frame that left since the last look."""
    frames, script.link.frames = script.link.frames, []
    return [len(frame) - 40 for frame in frames if len(frame) > 40]


def lengths(sent: list[Sent]) -> list[int]:
    return [segment.length for segment in sent]


def test_a_flight_leaves_as_one_frame_and_is_on_the_wire_packet_by_packet() -> None:
    script, connection = opened()
    connection.send(bytes(100_000))
    assert super_segments(script) == [10 * MSS]
    flight = script.sent()
    assert lengths(flight) == [MSS] * 10
    assert [segment.sequence for segment in flight] == [1 + number * MSS for number in range(10)]
    assert [segment.flags for segment in flight] == ["."] * 10


def test_a_super_segment_obeys_the_peers_window() -> None:
    script, connection = opened(window=3 * MSS + 100)
    connection.send(bytes(100_000))
    assert lengths(script.sent()) == [MSS] * 3


def test_a_super_segment_obeys_cwnd() -> None:
    script, connection = opened(initial_window=4)
    connection.send(bytes(100_000))
    assert lengths(script.sent()) == [MSS] * 4
    super_segments(script)
    script.send(".", 1, 1 + 2 * MSS)
    assert super_segments(script) == [4 * MSS], "slow start: two have left, and two more may go"


@pytest.mark.parametrize("largest", [40_000, WHOLE])
def test_no_super_segment_is_longer_than_the_link_takes(largest: int) -> None:
    script = Script(segmentation=largest, initial_window=100, send_buffer=1 << 20)
    connection = script.accept(window=65535, window_scale=7)
    script.send(".", 1, 1, window=65535)
    connection.send(bytes(100 * MSS))
    frames = [len(frame) for frame in script.link.frames]
    assert max(frames) <= largest
    assert max(frames) > largest - 60 - 2 * MSS, "and not much shorter"
    assert lengths(script.sent()) == [MSS] * 100


def test_what_is_less_than_a_packet_is_left_to_nagle() -> None:
    script, connection = opened()
    connection.send(b"x")
    script.expect(("P.", 1, 1, 1))
    super_segments(script)
    connection.send(bytes(3 * MSS + 7))
    assert super_segments(script) == [3 * MSS]
    script.sent()
    script.send(".", 1, 2 + 3 * MSS)
    script.expect(("P.", 2 + 3 * MSS, 7, 1))


def test_push_and_fin_are_of_the_last_packet() -> None:
    script, connection = opened()
    connection.send(bytes(3 * MSS))
    assert [segment.flags for segment in script.sent()] == [".", ".", "P."]
    script.send(".", 1, 1 + 3 * MSS)
    connection.shutdown()
    script.expect(("F.", 1 + 3 * MSS, 0, 1))


@pytest.mark.shows("RFC 9293 MUST-16")
def test_the_peers_mss_is_obeyed_by_what_would_fit_into_one_packet_of_the_path() -> None:
    """Two segments of 536 octets are less than the MTU: they are two all the same."""
    script, connection = opened(mss=536)
    connection.send(bytes(2 * 536))
    assert lengths(script.sent()) == [536, 536]
    script.send(".", 1, 1 + 2 * 536)
    connection.send(bytes(1500))
    assert lengths(script.sent()) == [536, 536, 428]


@pytest.mark.shows("RFC 9293 MUST-30")
def test_each_packet_before_urgent_data_points_to_them() -> None:
    script, connection = opened()
    connection.send(bytes(3 * MSS), urgent=True)
    packets = list(script.link.sent)
    pointers = []
    for packet in packets:
        header = TcpHeader.parse(packet, 20)
        pointers.append(header.sequence + header.urgent - (script.iss or 0) - 1)
    assert pointers == [3 * MSS] * 3
    assert [header.flags & PSH for header in (TcpHeader.parse(packet, 20) for packet in packets)] == [
        0,
        0,
        PSH,
    ]


def test_what_is_signed_leaves_packet_by_packet() -> None:
    """Each packet has its own signature (RFC 2385 2.0), which a device cannot make."""
    script, connection = opened()
    connection.send(bytes(4 * MSS))
    script.sent()
    assert super_segments(script) == [4 * MSS]
    keys = KeyTable()
    keys.add_md5(Md5Key(Prefix.parse("0.0.0.0/0"), b"secret"))
    connection.protect(keys)
    connection.output()
    assert not any(frame.segment_size for frame in script.link.frames)
    resent = script.sent()
    assert lengths(resent) == [MSS - 20] * 4 + [4 * 20]
    assert len({segment.raw_options for segment in resent}) == 5


@pytest.mark.shows("RFC 9768 3.2.2")
def test_the_counter_of_accurate_ecn_is_the_same_in_every_packet() -> None:
    """CWR is one of its bits, which segmentation would clear in all packets but the first."""
    script = Script(segmentation=WHOLE, accurate_ecn=True)
    script.listen()
    script.send("SEWA", 0, 0, mss=MSS, sack_permitted=True)
    script.learn_iss()
    script.send(".AE", 1, 1)
    assert script.listener is not None
    connection = script.listener.accept()
    assert connection is not None
    for count in range(4):
        if count:
            script.send(".", count, 1, payload=b"x", codepoint=3)
        script.sent()
        connection.send(bytes(3 * MSS))
        flags = [segment.flags for segment in script.sent()]
        assert len(flags) >= 3
        assert len({flag.replace("P", "") for flag in flags}) == 1
        script.send(".", 1 + count, 1 + 3 * MSS * (count + 1))


@pytest.mark.shows("RFC 9768 3.2.2")
def test_each_packet_of_a_marked_super_segment_counts() -> None:
    script = Script(accurate_ecn=True)
    script.listen()
    script.send("SEWA", 0, 0, mss=MSS, sack_permitted=True)
    script.learn_iss()
    script.send(".AE", 1, 1)
    assert script.listener is not None
    assert script.listener.accept() is not None
    script.sent()
    assert script.iss is not None
    frame = super_segment(
        4,
        TCP,
        bytes(3 * MSS - 10),
        MSS,
        addresses=(PEER, HOST),
        ports=(PEER_PORT, PORT),
        sequence=PEER_ISN + 1,
        acknowledgment=script.iss + 1,
        traffic_class=3,
    )
    script.link.deliver(frame)
    (ack,) = script.sent()
    assert (ack.flags, ack.ack) == (".", 1 + 3 * MSS - 10), "5 and 3 are 8, which is 0"


# -- losses ----------------------------------------------------------------------------------------------


def test_a_hole_in_a_super_segment_is_all_that_is_sent_again() -> None:
    script, connection = opened()
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    assert script.iss is not None
    first = script.iss + 1
    script.send(".", 1, 1, sack=((first + MSS, first + 3 * MSS),))
    script.expect_nothing()
    script.send(".", 1, 1, sack=((first + MSS, first + 5 * MSS),))
    script.expect((".", 1, MSS, 1))
    assert connection.sender.recovery.phase is Phase.RECOVERY
    assert connection.info().tcpi_sacked == 4


def test_a_peer_without_sack_makes_itself_heard_by_three_duplicates() -> None:
    """RFC 5681 3.2: all ten packets left as one frame, and still count as ten."""
    script = Script(segmentation=WHOLE)
    connection = script.accept(sack=False)
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    for _ in range(2):
        script.send(".", 1, 1)
        script.expect_nothing()
    script.send(".", 1, 1)
    script.expect((".", 1, MSS, 1))
    script.send(".", 1, 1 + 4 * MSS)
    assert script.sent()[0].sequence == 1 + 4 * MSS, "a partial ACK: the next packet, and it alone, is lost"
    assert connection.info().tcpi_lost == 1


def test_the_retransmission_timer_sends_one_packet() -> None:
    script, connection = opened(tail_loss_probe=False)
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(300 * MILLISECOND)
    script.expect((".", 1, MSS, 1))
    assert connection.info().tcpi_total_retrans == 1


def test_the_tail_loss_probe_is_the_last_packet_and_comes_after_two_round_trips() -> None:
    """RFC 8985 7.2: ten packets in one frame are not a lone segment, whose ACK the peer may delay."""
    script, connection = opened()
    connection.send(bytes(9 * MSS + 100))
    script.sent()
    script.send(".", 1, 1 + 9 * MSS)  # Minshall's Nagle has let the rest go before
    script.sent()
    script.send(".", 1, 1 + 9 * MSS + 100)
    connection.send(bytes(4 * MSS))
    script.sent()
    srtt = connection.sender.rtt.srtt
    script.after(2 * srtt + 3 * MILLISECOND)
    (probe,) = script.sent()
    assert (probe.sequence, probe.length) == (1 + 9 * MSS + 100 + 3 * MSS, MSS)


def test_retransmissions_are_cut_to_what_cwnd_has_room_for() -> None:
    script, connection = opened(tail_loss_probe=False)
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(300 * MILLISECOND)
    script.expect((".", 1, MSS, 1))
    ack = 1
    for window in (2, 4):  # slow start again
        ack += MSS * (window // 2)
        script.send(".", 1, ack)
        assert sum(lengths(script.sent())) <= window * MSS


def test_an_acknowledgment_of_a_part_is_a_sample_of_the_round_trip() -> None:
    """RFC 6298 3: not only the last packet of a frame can be timed."""
    script, connection = opened()
    connection.send(bytes(40 * MSS))
    for number in range(1, 5):
        script.after(10 * MILLISECOND)
        script.send(".", 1, 1 + 2 * number * MSS)
        assert connection.sender.rtt.minimum == 10 * MILLISECOND
    assert connection.info().tcpi_unacked == 2 + 16, "the window has grown by 8, and all of it is out"


def test_a_spurious_timeout_shows_in_the_acknowledgment_of_a_part() -> None:
    """F-RTO (RFC 5682 3.1): what had been sent only once arrives."""
    script, connection = opened(tail_loss_probe=False)
    connection.send(bytes(30 * MSS))
    script.sent()
    script.after(300 * MILLISECOND)
    script.expect((".", 1, MSS, 1))
    script.send(".", 1, 1 + MSS)
    assert script.sent()[0].sequence == 1 + 10 * MSS, "new data first"
    script.send(".", 1, 1 + 2 * MSS)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.info().tcpi_lost == 0


def test_duplicates_of_two_packets_do_not_undo_the_retransmission_of_three() -> None:
    """RFC 3708: only if all of them were needless was it no loss."""
    script, connection = opened(tail_loss_probe=False, frto=False, timestamps=False)
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(300 * MILLISECOND)
    script.expect((".", 1, MSS, 1))
    script.send(".", 1, 1 + MSS)
    script.sent()
    reduced = connection.sender.congestion.cwnd
    assert script.iss is not None
    for number in range(2):
        start = script.iss + 1 + number * MSS
        script.send(".", 1, 1 + (1 + number) * MSS, sack=((start, start + MSS),))
    assert connection.sender.recovery.undone == 0
    assert connection.sender.congestion.cwnd <= reduced + MSS


# -- the path --------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 1191 6.4")
def test_what_is_out_is_cut_anew_when_the_path_gets_narrower() -> None:
    script, connection = opened()
    connection.send(bytes(3 * MSS))
    quoted = script.link.sent[0]
    script.sent()
    script.send_icmp_unreachable(4, quoted, mtu=1000)
    resent = script.sent()
    assert lengths(resent) == [960, 960, 960, 960, 3 * MSS - 4 * 960]
    assert [segment.sequence for segment in resent] == [1 + number * 960 for number in range(5)]
    script.send(".", 1, 1 + 3 * MSS)
    super_segments(script)
    connection.send(bytes(3000))
    assert super_segments(script)[0] == 3 * 960


def test_pacing_sends_no_more_at_once_than_a_millisecond_is_worth() -> None:
    script = Script(segmentation=WHOLE, pacing=True, send_buffer=1 << 20)
    connection = script.accept(window=65535, window_scale=7, rtt=100 * MILLISECOND)
    script.send(".", 1, 1, window=65535)
    connection.send(bytes(1 << 19))
    ack, largest = 1, 0
    for _ in range(400):
        script.after(MILLISECOND)
        sizes = super_segments(script)
        for size in sizes:
            rate = connection.sender.congestion.pacing_rate(connection.sender.rtt.srtt)
            assert size <= max(rate // 1000 + MSS, 2 * MSS)
            largest = max(largest, size)
        sent = script.sent()
        if sent and sum(lengths(sent)):
            ack = max(segment.sequence + segment.length for segment in sent)
            script.after(MILLISECOND)
            script.send(".", 1, ack, window=65535)
    assert largest >= 2 * MSS


# -- two hosts -------------------------------------------------------------------------------------------

LINES = st.builds(
    Line,
    delay=st.integers(0, 30 * MILLISECOND),
    loss=st.sampled_from((0.0, 0.01, 0.1, 0.3)),
    duplicate=st.sampled_from((0.0, 0.1)),
    reorder=st.sampled_from((0.0, 0.1)),
    segmentation=st.sampled_from((0, 8000, WHOLE)),
)
KNOBS = st.fixed_dictionaries(
    {
        "sack": st.booleans(),
        "timestamps": st.booleans(),
        "rack": st.booleans(),
        "pacing": st.booleans(),
        "congestion": st.sampled_from(("cubic", "reno", "bbr")),
        "ecn": st.sampled_from(("off", "request")),
        "accurate_ecn": st.booleans(),
        "send_buffer": st.sampled_from((1 << 15, 1 << 22)),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), LINES, LINES, KNOBS, st.integers(0, 200_000), st.integers(0, 200_000))
def test_every_byte_arrives_over_links_that_segment(
    seed: int, there: Line, back: Line, knobs: dict[str, object], up: int, down: int
) -> None:
    pair = Pair(seed, there, back, **knobs)
    chance = random.Random(seed)
    request, response = chance.randbytes(up), chance.randbytes(down)
    client = Stream(pair.client, request)
    for _ in range(600):
        pair.clock.advance(SECOND // 10)
        if pair.server is not None:
            break
    if pair.server is None:
        assert pair.client.error, "either it connects, or it says why not"
        return
    server = Stream(pair.server, response)
    server.step()
    for _ in range(1000):
        pair.clock.advance(10 * SECOND)
        boards = [connection.sender.board for connection in (pair.client, pair.server)]
        for board in boards:
            alive = board.segments[board._head :]
            assert all(one.end == other.start for one, other in pairwise(alive))
        if client.at_end and server.at_end:
            break
    if not (pair.client.error or pair.server.error):
        assert client.received == response
        assert server.received == request
    pair.close()
    assert pair.clock.pending == 0
