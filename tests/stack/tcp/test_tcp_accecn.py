"""More accurate ECN feedback: RFC 9768."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.link import Offload
from stack.tcp.accecn import MarkCounter, MarkReader
from stack.tcp.connection import Connection
from stack.tcp.ecn import Feedback
from stack.tcp.recovery import Phase
from stack.tcp.segment import CE, ECT_0, ECT_1, NOT_ECT
from stack.wire.options import Option, build_options
from stack.wire.tcp import AE, CWR, ECE, TcpOptions
from tests.stack.tcp.pair import Line, Pair, Stream
from tests.stack.tcp.scripted import Script

MSS = 1460


def _ace(number: int) -> int:
    return AE * (number >> 2 & 1) | CWR * (number >> 1 & 1) | ECE * (number & 1)


def _client(**knobs: object) -> Script:
    """A client whose SYN has been answered with AccECN; nothing looked at yet."""
    script = Script(ecn="request", accurate_ecn=True, **knobs)
    script.connect()
    assert script.learn_iss().flags == "SEWA"
    script.after(20 * MILLISECOND)
    return script


def _established(**knobs: object) -> Script:
    script = _client(**knobs)
    script.send("S.W", 0, 1, mss=MSS, sack_permitted=True)
    script.sent()
    return script


def _server(**knobs: object) -> Script:
    """A server that has answered a SYN which asks for AccECN; the SYN/ACK is not looked at."""
    script = Script(accurate_ecn=True, **knobs)
    script.listen()
    script.send("SEWA", 0, 0, mss=MSS, sack_permitted=True)
    return script


def _accepted(flags: str, **knobs: object) -> tuple[Script, Connection]:
    """The same, and the handshake was completed by a pure ACK with these flags."""
    script = _server(**knobs)
    script.learn_iss()
    script.after(20 * MILLISECOND)
    script.send(flags, 1, 1)
    assert script.listener is not None
    connection = script.listener.accept()
    assert connection is not None
    script.sent()
    return script, connection


# -- handshake -------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9768 3.1.1")
@pytest.mark.parametrize(("codepoint", "answer"), [(0, "S.W"), (1, "S.EW"), (2, "S.A"), (3, "S.WA")])
def test_a_syn_ack_tells_how_the_syn_arrived(codepoint: int, answer: str) -> None:
    """Table 2."""
    script = Script(accurate_ecn=True)
    script.listen()
    script.send("SEWA", 0, 0, mss=MSS, codepoint=codepoint)
    assert script.learn_iss().flags == answer


@pytest.mark.shows("RFC 9768 3.1.2")
def test_who_knows_only_rfc_3168_gets_that() -> None:
    script = Script(accurate_ecn=True)
    script.listen()
    script.send("SEW", 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S.E"
    script = Script(accurate_ecn=False)
    script.listen()
    script.send("SEWA", 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S.E"


@pytest.mark.shows("RFC 9768 3.1.1", "RFC 9768 3.1.2")
@pytest.mark.parametrize(
    ("answer", "feedback"),
    [
        ("S.", Feedback.NONE), ("S.E", Feedback.CLASSIC), ("S.W", Feedback.ACCURATE), ("S.EW", Feedback.ACCURATE),
        ("S.A", Feedback.ACCURATE), ("S.EA", Feedback.CLASSIC), ("S.WA", Feedback.ACCURATE), ("S.EWA", Feedback.NONE),
    ],
)  # fmt: skip
def test_what_the_answer_means(answer: str, feedback: Feedback) -> None:
    """Table 2: nobody who answers with all three flags has understood them."""
    script = _client()
    script.send(answer, 0, 1, mss=MSS)
    assert script.connection.ecn.feedback is feedback


@pytest.mark.shows("RFC 9768 3.1.3")
@pytest.mark.parametrize("asked", ["SE", "SW", "SA", "SEA", "SWA"])
def test_a_syn_of_a_future_version_is_taken_for_this_one(asked: str) -> None:
    script = Script(accurate_ecn=True)
    script.listen()
    script.send(asked, 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S.W"


@pytest.mark.shows("RFC 9768 3.1.4.1", "RFC 9768 3.1.5")
def test_a_syn_that_was_lost_asks_once_more() -> None:
    """After one that does not ask, no data are ECN-capable, whichever was answered."""
    script = _client()
    script.after(1100 * MILLISECOND)
    script.after(2 * SECOND)
    assert [segment.flags for segment in script.sent()] == ["SEWA", "S"]
    script.send("S.W", 0, 1, mss=MSS)
    script.connection.send(b"x")
    ack, data = script.sent()
    assert (ack.flags, data.flags, data.codepoint) == (".W", "P.EA", NOT_ECT)


@pytest.mark.shows("RFC 9768 3.1.4.2", "RFC 9768 3.1.5", "RFC 9768 3.2.3.2.1")
def test_a_syn_ack_that_was_lost_goes_without_the_option_then_without_the_flags() -> None:
    script = _server()
    first = script.learn_iss()
    script.after(1100 * MILLISECOND)
    script.after(2 * SECOND)
    second, third = script.sent()
    assert [segment.flags for segment in (first, second, third)] == ["S.W", "S.W", "S."]
    assert first.options.accurate_ecn == (1, 0, 1)
    assert second.options.accurate_ecn is None
    assert third.options.accurate_ecn is None
    script.send(".W", 1, 1)
    connection = script.listener.accept()
    connection.send(b"x")
    (data,) = script.sent()
    assert (data.flags, data.codepoint) == ("P.EA", NOT_ECT), "feedback it is all the same"


@pytest.mark.shows("RFC 9768 3.1.5")
def test_after_a_syn_that_comes_again_without_asking_no_data_are_capable() -> None:
    script = _server()
    script.learn_iss()
    script.send("S", 0, 0, mss=MSS)
    assert script.sent()[-1].flags == "S."
    script.send(".W", 1, 1)
    script.listener.accept().send(b"x")
    assert script.sent()[-1].codepoint == NOT_ECT


@pytest.mark.shows("RFC 9768 3.2.2.1")
@pytest.mark.parametrize(
    ("codepoint", "answer", "count"),
    [(NOT_ECT, ".W", ".EA"), (ECT_1, ".EW", ".EA"), (ECT_0, ".A", ".EA"), (CE, ".WA", ".WA")],
)
def test_the_ack_of_the_syn_ack_tells_how_that_arrived(codepoint: int, answer: str, count: str) -> None:
    """Table 3; what follows it counts, from 5, or 6 if the SYN/ACK was marked."""
    script = _client()
    script.send("S.W", 0, 1, mss=MSS, codepoint=codepoint)
    script.send("P.", 1, 1, b"x")
    script.after(SECOND)
    assert [segment.flags for segment in script.sent()] == [answer, count]


@pytest.mark.shows("RFC 9768 3.2.2.1")
def test_it_is_a_pure_ack_even_if_data_wait() -> None:
    script = _client()
    script.connection.send(b"early")
    script.send("S.W", 0, 1, mss=MSS)
    assert [(segment.flags, segment.length) for segment in script.sent()] == [(".W", 0), ("P.EA", 5)]


@pytest.mark.shows("RFC 9768 3.2.2.1")
def test_a_syn_ack_that_comes_again_is_answered_in_the_same_way() -> None:
    script = _client()
    for codepoint in (NOT_ECT, CE):
        script.send("S.W", 0, 1, mss=MSS, codepoint=codepoint)
        script.after(SECOND)
    assert [segment.flags for segment in script.sent()] == [".W", ".WA"]


@pytest.mark.shows("RFC 9768 3.2.2.1", "RFC 9768 3.2.2.3")
@pytest.mark.parametrize(
    ("answer", "codepoint"),
    [
        (".", NOT_ECT), (".E", ECT_0), (".W", ECT_0), (".EW", NOT_ECT), (".A", NOT_ECT), (".EA", ECT_0),
        (".WA", NOT_ECT), (".EWA", ECT_0),
    ],
)  # fmt: skip
def test_what_the_ack_of_the_syn_ack_means(answer: str, codepoint: int) -> None:
    """Table 4. Our SYN/ACK is not ECN-capable: if it arrived as such, or nobody noticed, we send nothing that is."""
    script, connection = _accepted(answer)
    connection.send(bytes(MSS))
    (data,) = script.sent()
    assert (data.codepoint, data.flags) == (codepoint, "P.EA")
    script.send("P.", 1, 1, b"x", codepoint=CE)
    assert script.sent()[-1].flags == ".WA", "feedback is given in any case"


@pytest.mark.shows("RFC 9768 3.2.2.3")
@pytest.mark.parametrize("answer", ["S.EW", "S.A", "S.WA"])
def test_a_path_that_mangles_the_field_of_a_syn_gets_nothing_more_of_it(answer: str) -> None:
    script = _client()
    script.send(answer, 0, 1, mss=MSS)
    script.connection.send(bytes(MSS))
    assert script.sent()[-1].codepoint == NOT_ECT
    script.send(".WA", 1, 1 + MSS)
    assert script.connection.sender.recovery.phase is Phase.OPEN, "what it reports is nothing that we caused"


@pytest.mark.shows("RFC 9768 3.2.2.4")
def test_an_ace_field_that_is_wiped_ends_ecn() -> None:
    script = _established()
    script.connection.send(bytes(2 * MSS))
    script.sent()
    script.send(".", 1, 1 + MSS)
    script.connection.send(bytes(MSS))
    assert script.sent()[-1].codepoint == NOT_ECT
    assert script.connection.sender.recovery.phase is Phase.OPEN


@pytest.mark.shows("RFC 9768 3.2.2.4")
def test_an_ace_field_that_has_counted_to_zero_is_not_wiped() -> None:
    """From 5, three marks."""
    script = _established(congestion="reno", abe=False)
    script.connection.send(bytes(3 * MSS))
    script.sent()
    script.send(".", 1, 1 + 3 * MSS)
    assert script.connection.sender.recovery.phase is Phase.CWR


@pytest.mark.shows("RFC 9768 5.1")
@pytest.mark.parametrize(("ack", "feedback"), [(".W", Feedback.ACCURATE), (".", Feedback.CLASSIC)])
def test_a_syn_cookie_remembers_it_by_the_ack(ack: str, feedback: Feedback) -> None:
    """The timestamp says only that there is ECN."""
    script = Script(accurate_ecn=True, timestamps=True, syn_cookies="always")
    script.listen()
    script.send("SEWA" if feedback is Feedback.ACCURATE else "SEW", 0, 0, mss=MSS, timestamp=1)
    syn = script.learn_iss()
    assert syn.flags == ("S.W" if feedback is Feedback.ACCURATE else "S.E")
    script.send(ack, 1, 1, timestamp=2, timestamp_echo=syn.options.timestamp)
    assert script.listener.accept().ecn.feedback is feedback


# -- the ACE field ---------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9768 3.2.1", "RFC 9768 3.2.2")
def test_each_mark_is_counted_in_the_ace_field() -> None:
    """The counter begins at 5 and wraps after eight."""
    script = _established(quick_acks=100)
    script.send("P.", 1, 1, b"x")
    for sequence in range(2, 6):
        script.send("P.", sequence, 1, b"x", codepoint=CE)
    assert [segment.flags for segment in script.sent()] == [".EA", ".WA", ".EWA", ".", ".E"]


@pytest.mark.shows("RFC 9768 3.2.2.5.1")
def test_marks_are_acknowledged_at_once_when_they_begin_and_after_two() -> None:
    script = _established(accurate_ecn_option=False)
    answers = []
    for number, codepoint in enumerate((ECT_0, CE, CE, CE, ECT_0)):
        script.send("P.", 1 + number, 1, b"x", codepoint=codepoint)
        answers.append(len(script.sent()))
    assert answers == [0, 1, 0, 1, 0]


@pytest.mark.shows("RFC 9768 3.2.2.5.1")
def test_marked_acks_are_acknowledged_after_three() -> None:
    """Fewer, and two ends would acknowledge each other's ACKs for ever."""
    script = _established()
    script.connection.send(bytes(2 * MSS))
    script.sent()
    answers = []
    for _ in range(6):
        script.send(".EA", 1, 1, codepoint=CE)
        answers.append(len(script.sent()))
    assert answers == [0, 0, 1, 0, 0, 1]


@pytest.mark.shows("RFC 9768 3.2.2.5.2")
def test_the_counter_is_read_across_its_wrap() -> None:
    reader = MarkReader(handshake_marked=False)
    assert reader.marks(_ace(5), 2, 2 * MSS, None, MSS) == 0
    assert reader.marks(_ace(7), 3, 3 * MSS, None, MSS) == 2
    assert reader.marks(_ace(1), 4, 4 * MSS, None, MSS) == 2, "9, which looks like 1"
    assert reader.marks(_ace(1), 20, 20 * MSS, None, MSS) == 16, "of 20 segments 16 may be marked"


@pytest.mark.shows("RFC 9768 3.2.2.5.2")
def test_whoever_always_acknowledges_much_at_once_has_lost_no_acks() -> None:
    """Linux tells the two apart by the average."""
    reader = MarkReader(handshake_marked=False)
    for _ in range(4):
        assert reader.marks(_ace(5), 7, 7 * MSS, None, MSS) == 0
    assert reader.marks(_ace(6), 20, 20 * MSS, None, MSS) == 1


@pytest.mark.shows("RFC 9768 3.2.2.5.2")
def test_an_ack_that_was_overtaken_is_not_read() -> None:
    """Its count is older than ours, which looks like seven marks."""
    script = _established(congestion="reno", abe=False)
    script.connection.send(bytes(10 * MSS))
    script.sent()
    script.send(".WA", 1, 1 + 2 * MSS)
    assert script.connection.sender.recovery.phase is Phase.CWR
    script.send(".WA", 1, 1 + 10 * MSS)
    script.connection.send(bytes(4 * MSS))
    script.send(".WA", 1, 1 + 11 * MSS)
    script.sent()
    assert script.connection.sender.recovery.phase is Phase.OPEN
    ssthresh = script.connection.sender.congestion.ssthresh
    script.send(".EA", 1, 1 + 11 * MSS)
    assert script.connection.sender.congestion.ssthresh == ssthresh
    script.send(".WA", 1, 1 + 12 * MSS)
    assert script.connection.sender.congestion.ssthresh == ssthresh


@pytest.mark.shows("RFC 9768 3.2.2")
def test_feedback_reduces_the_window() -> None:
    script = _established(congestion="reno", abe=False)
    script.connection.send(bytes(30 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    script.send(".WA", 1, 1 + MSS)
    assert script.connection.sender.recovery.phase is Phase.CWR
    assert script.connection.sender.congestion.ssthresh == 5 * MSS


@pytest.mark.shows("RFC 9768 3.2.2")
def test_segments_that_a_link_has_joined_count_one_by_one() -> None:
    script = _established()
    script.send("P.", 1, 1, bytes(3 * MSS), codepoint=CE)
    assert script.sent()[-1].flags == ".", "8"


@pytest.mark.shows("RFC 9768 3.2.2")
def test_no_link_cuts_segments_for_us() -> None:
    """It would leave CWR to the first of them, by RFC 3168 6.1.2; here it is one of the three bits of a number."""
    script = Script(accurate_ecn=True)
    script.link.offload = Offload(segmentation=65535)
    script.listen()
    script.send("SEWA", 0, 0, mss=MSS)
    script.learn_iss()
    script.send(".W", 1, 1)
    assert script.listener.accept().sender.largest <= MSS


# -- the option ------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9768 3.2.3", "RFC 9768 3.2.1", "RFC 9768 3.2.3.2.1")
def test_the_option_counts_octets_of_payload() -> None:
    """From 1, 0 and 1; the first ACK and the first data have it, and what is sent again has not."""
    script = _established()
    script.connection.send(b"hello")
    assert script.sent()[-1].options.accurate_ecn == (1, 0, 1)
    script.send("P.", 1, 6, bytes(100), codepoint=ECT_0)
    script.send("P.", 101, 6, bytes(10), codepoint=CE)
    script.send("P.", 111, 6, bytes(7), codepoint=ECT_1)
    script.send("P.", 118, 6, bytes(3), codepoint=NOT_ECT)
    script.after(SECOND)
    assert [segment.options.accurate_ecn for segment in script.sent()] == [
        (101, 10, 1),
        (101, 10, 8),
        (101, 10, 8),
    ]
    script.connection.send(b"lost")
    script.after(SECOND)
    assert [segment.options.accurate_ecn for segment in script.sent()][:2] == [(101, 10, 8), None]


@pytest.mark.shows("RFC 9768 3.2.3.3")
def test_a_change_of_the_codepoint_is_acknowledged_at_once() -> None:
    """Segments that are not ECN-capable have no counter."""
    script = _established()
    answers = []
    for number, codepoint in enumerate((ECT_0, CE, ECT_0, ECT_1, NOT_ECT)):
        script.send("P.", 1 + number, 1, b"x", codepoint=codepoint)
        answers.append(len(script.sent()))
    assert answers == [0, 1, 1, 1, 0]


@pytest.mark.shows("RFC 9768 3.2.3.3")
def test_data_have_it_only_if_there_is_news_and_room() -> None:
    script = _established(nodelay=True)
    script.send("P.", 1, 1, b"x", codepoint=ECT_0)
    script.connection.send(bytes(MSS))
    script.connection.send(b"y")
    script.send(".", 2, 1 + MSS)
    script.connection.send(b"z")
    assert [segment.options.accurate_ecn for segment in script.sent()] == [None, (2, 0, 1), None]


@pytest.mark.shows("RFC 9768 3.2.3.3", "RFC 9768 3.2.3.1")
@pytest.mark.parametrize(
    ("codepoint", "room", "told"),
    [
        (ECT_0, 40, (11, 0, 1)), (ECT_0, 11, (11, 0, None)), (ECT_1, 11, (None, 0, 11)), (ECT_0, 7, None),
    ],
)  # fmt: skip
def test_where_room_is_scarce_counters_that_never_changed_are_left_out(
    codepoint: int, room: int, told: object
) -> None:
    counter = MarkCounter(tells_octets=True)
    counter.arrives(codepoint, 10)
    option = counter.option(room, data=False)
    assert len(option) <= room
    assert TcpOptions.parse(option).accurate_ecn == told


@pytest.mark.shows("RFC 9768 3.2.3.3")
def test_sack_blocks_go_first() -> None:
    """Three of them and a timestamp leave no room."""
    script = _client(timestamps=True)
    script.send("S.W", 0, 1, mss=MSS, sack_permitted=True, timestamp=1, timestamp_echo=1)
    script.sent()
    for hole in range(3):
        script.send(".", 11 + 20 * hole, 1, bytes(10), codepoint=ECT_0, timestamp=1, timestamp_echo=1)
    found = script.sent()
    assert [len(segment.sack) for segment in found] == [1, 2, 3]
    assert [segment.options.accurate_ecn for segment in found] == [(11, 0, 1), (21, 0, None), None]


@pytest.mark.shows("RFC 9768 3.2.3.1")
@pytest.mark.parametrize(
    ("kind", "data", "read"),
    [
        (172, "000001 000002 000003", (1, 2, 3)), (174, "000001 000002 000003", (3, 2, 1)), (172, "", (None,) * 3),
        (172, "000001 000002", (1, 2, None)), (174, "000001", (None, None, 1)), (172, "000001 ff", (1, None, None)),
        (172, "000001 000002 000003 ffff", (1, 2, 3)),
    ],
)  # fmt: skip
def test_the_option_is_read_in_both_orders_and_at_any_length(kind: int, data: str, read: object) -> None:
    """What does not make a counter is padding."""
    raw = build_options([Option(kind, bytes.fromhex(data))])
    assert TcpOptions.parse(raw + bytes(-len(raw) % 4)).accurate_ecn == read


@pytest.mark.shows("RFC 9768 3.2.3", "RFC 9768 3.2.2.5.2")
def test_the_option_tells_how_often_the_ace_field_has_wrapped() -> None:
    reader = MarkReader(handshake_marked=False)
    assert reader.marks(_ace(5), 2, 2 * MSS, (1 + 2 * MSS, 0, 1), MSS) == 0
    assert reader.marks(_ace(6), 20, 20 * MSS, (1 + 19 * MSS, MSS, 1), MSS) == 1
    assert reader.marks(_ace(6), 20, 20 * MSS, (1 + 31 * MSS, 9 * MSS, 1), MSS) == 8
    assert reader.marks(_ace(6), 20, 20 * MSS, (1 + 51 * MSS, 9 * MSS, 1), MSS) == 0
    assert reader.marks(_ace(6), 20, 20 * MSS, None, MSS) == 16, "not every ACK has it"


@pytest.mark.shows("RFC 9768 3.2.3.1")
def test_the_byte_counters_wrap_too() -> None:
    reader = MarkReader(handshake_marked=False)
    total = 0
    for step in (8_000_000, 8_000_000, 8_000_000, 0, 10):
        total += step
        reader.marks(_ace(5), 0, step, (1, total & 0xFFFFFF, 1), MSS)
        assert reader.ceb == total
    reader.marks(_ace(5), 0, MSS, (1, (total - 5) & 0xFFFFFF, 1), MSS)
    assert reader.ceb == total, "that one was overtaken"


@pytest.mark.shows("RFC 9768 3.2.3.2.4")
@pytest.mark.parametrize("octets", [(0, 0, 0), (0, 0, 1), (1, 0, 0)])
def test_an_option_that_was_wiped_is_not_believed(octets: tuple[int, int, int]) -> None:
    reader = MarkReader(handshake_marked=False)
    reader.take(octets)
    assert reader.marks(_ace(5), 20, 20 * MSS, (1, 0, 1), MSS) == 16


@pytest.mark.shows("RFC 9768 3.2.3.2.5")
def test_octets_that_the_ace_field_knows_nothing_of_are_marks_all_the_same() -> None:
    reader = MarkReader(handshake_marked=False)
    assert reader.marks(_ace(5), 3, 3 * MSS, (1, 2 * MSS, 1), MSS) == 2
    assert reader.marks(_ace(6), 3, 3 * MSS, (1, 3 * MSS, 1), MSS) == 1


@pytest.mark.shows("RFC 9768 3.2.3.2.2")
def test_if_acks_with_the_option_seem_to_vanish_they_go_without() -> None:
    """The peer sends the same data a third time: it has seen neither of our ACKs."""
    script = _established()
    for _ in range(3):
        script.send("P.", 1, 1, b"x", codepoint=ECT_0)
        script.after(SECOND)
    assert [segment.options.accurate_ecn is None for segment in script.sent()] == [False, False, True]


@pytest.mark.shows("RFC 9768 3.2.3.2.1")
def test_the_option_can_be_switched_off() -> None:
    script = _server(accurate_ecn_option=False)
    assert script.learn_iss().options.accurate_ecn is None


# -- two of us -------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9768 3.2.2", "RFC 9768 3.2.3")
@pytest.mark.parametrize("option", [True, False])
@pytest.mark.parametrize(("chance", "loss"), [(0.02, 0.0), (0.5, 0.0), (1.0, 0.0), (0.1, 0.02)])
def test_the_sender_counts_the_marks_that_the_receiver_has_seen(
    option: bool, chance: float, loss: float
) -> None:
    """None is lost and none is read twice, as long as no ACK is lost."""
    line = Line(mark=chance, loss=loss)
    pair = Pair(3, line, ecn="request", accurate_ecn=True, accurate_ecn_option=option)
    client = Stream(pair.client, bytes(400_000))
    pair.clock.advance(100 * MILLISECOND)
    assert pair.server is not None
    server = Stream(pair.server, b"")
    server.step()
    client.step()
    pair.clock.advance(60 * SECOND)
    assert len(server.received) == 400_000
    seen = pair.server.ecn.counter
    known = pair.client.ecn.reader
    assert seen is not None
    assert known is not None
    assert seen.cep > 5
    assert known.cep == seen.cep
    if option:
        assert known.ceb == seen.ceb
    pair.close()


@pytest.mark.shows("RFC 9768 3.2.2.5.1")
def test_marks_are_acknowledged_in_time_even_if_segments_arrive_together() -> None:
    """One ACK for all of them would let the three bits wrap unnoticed."""
    script = _established(accurate_ecn_option=False)
    with script.host.tcp.answering_once():
        for number in range(16):
            script.send("P.", 1 + number, 1, b"x", codepoint=CE)
    assert len(script.sent()) >= 8
