"""Segments that a link hands over together, as after receive offload."""

from __future__ import annotations

from stack.tcp.connection import Connection
from stack.tcp.state import State
from tests.stack.tcp.scripted import MSS, Script


def _established() -> tuple[Script, Connection]:
    script = Script()
    return script, script.accept()


def test_they_are_acknowledged_once() -> None:
    script, connection = _established()
    with script.host.tcp.answering_once():
        for number in range(6):
            script.send(".", 1 + number * MSS, 1, bytes(MSS))
            script.expect_nothing()
    script.expect((".", 1, 0, 1 + 6 * MSS))
    assert connection.available == 6 * MSS


def test_what_is_out_of_order_is_acknowledged_at_once() -> None:
    """Each of these ACKs counts for the peer's fast retransmit (RFC 5681 4.2), and so does what fills the hole."""
    script, connection = _established()
    with script.host.tcp.answering_once():
        for number in (1, 2, 3):
            script.send(".", 1 + number * MSS, 1, bytes(MSS))
        duplicates = script.sent()
        script.send(".", 1, 1, bytes(MSS))
    assert [segment.ack for segment in duplicates] == [1, 1, 1]
    assert [segment.sack[0] for segment in duplicates] == [(1 + MSS, 1 + end * MSS) for end in (2, 3, 4)]
    script.expect((".", 1, 0, 1 + 4 * MSS))
    assert connection.available == 4 * MSS


def test_octets_that_came_twice_are_reported_each_time() -> None:
    script, _ = _established()
    script.send(".", 1, 1, bytes(2 * MSS))
    script.sent()
    with script.host.tcp.answering_once():
        script.send(".", 1, 1, bytes(MSS))
        script.send(".", 1 + MSS, 1, bytes(MSS))
    assert [segment.sack for segment in script.sent()] == [
        [(1, 1 + MSS)],
        [(1 + MSS, 1 + 2 * MSS)],
    ]


def test_what_they_allow_is_sent_when_all_of_them_are_here() -> None:
    script, connection = _established()
    connection.send(bytes(40 * MSS))
    flight = script.sent()
    with script.host.tcp.answering_once():
        for segment in flight:
            script.send(".", 1, segment.sequence + segment.length)
            script.expect_nothing()
    following = script.sent()
    assert following[0].sequence == flight[-1].sequence + flight[-1].length
    assert len(following) > len(flight), "slow start"


def test_the_user_is_told_once() -> None:
    script, connection = _established()
    told = []
    connection.notify = lambda: told.append(connection.available)
    with script.host.tcp.answering_once():
        for number in range(3):
            script.send("P.", 1 + number * 10, 1, bytes(10))
    assert told == [30]


def test_a_reset_among_them_ends_the_connection_silently() -> None:
    script, connection = _established()
    with script.host.tcp.answering_once():
        script.send(".", 1, 1, bytes(MSS))
        script.send("R", 1 + MSS, 0)
    script.expect_nothing()
    assert connection.state is State.CLOSED


def test_data_and_fin_together_are_one_answer() -> None:
    script, connection = _established()
    with script.host.tcp.answering_once():
        script.send("P.", 1, 1, b"last words")
        script.send("F.", 11, 1)
    script.expect((".", 1, 0, 12))
    assert connection.state is State.CLOSE_WAIT
    assert connection.receive(100) == b"last words"
    assert connection.at_end


def test_several_connections_answer_each_for_itself() -> None:
    script, first = _established()
    script.peer_port += 1
    second_port = script.peer_port
    script.iss = None
    script.send("S", 0, 0, mss=MSS, sack_permitted=True)
    second_iss, first_iss = script.learn_iss().raw_sequence, first.sender.iss
    script.send(".", 1, 1)
    script.sent()
    with script.host.tcp.answering_once():
        for port, iss in ((second_port, second_iss), (second_port - 1, first_iss)):
            script.peer_port, script.iss = port, iss & 0xFFFFFFFF
            for number in range(2):
                script.send(".", 1 + number * MSS, 1, bytes(MSS))
    assert [segment.ack for segment in script.sent()] == [1 + 2 * MSS] * 2


def test_duplicates_among_them_are_counted_one_by_one() -> None:
    """Three of them are a loss (RFC 5681 3.2), also if the peer has no SACK and they come with what they repeat."""
    script = Script()
    connection = script.accept(sack=False)
    connection.send(bytes(10 * MSS))
    script.sent()
    with script.host.tcp.answering_once():
        for _ in range(4):
            script.send(".", 1, 1 + 2 * MSS)
    assert script.sent()[0].sequence == 1 + 2 * MSS


def test_an_ack_that_shuts_the_window_is_heeded() -> None:
    """The last of several ACKs says how large the window is."""
    script, connection = _established()
    connection.send(bytes(40 * MSS))
    flight = script.sent()
    ends = [segment.sequence + segment.length for segment in flight]
    with script.host.tcp.answering_once():
        for end in ends[:-1]:
            script.send(".", 1, end)
        script.send(".", 1, ends[-1], window=0)
    script.expect_nothing()
    assert connection.sender.snd_wnd == 0
