"""Explicit congestion notification: RFC 3168."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND
from stack.tcp.recovery import Phase
from stack.tcp.segment import CE, ECT_0, NOT_ECT
from tests.stack.tcp.scripted import Script

MSS = 1460


def _classic(**knobs: object) -> Script:
    """An established connection, opened by us, with RFC 3168 feedback."""
    script = Script(ecn="request", **knobs)
    script.connect()
    assert script.learn_iss().flags == "SEW"
    script.after(20 * MILLISECOND)
    script.send("S.E", 0, 1, mss=MSS, sack_permitted=True)
    script.sent()
    return script


# -- RFC 3168 --------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 3168 6.1.1", "RFC 9293 SHLD-8")
def test_it_is_agreed_upon_when_the_peer_asks() -> None:
    script = Script()
    script.listen()
    script.send("SEW", 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S.E"


@pytest.mark.shows("RFC 3168 6.1.1")
@pytest.mark.parametrize(("knob", "asked"), [("off", "SEW"), ("accept", "S"), ("accept", "SE")])
def test_it_is_not_agreed_upon_otherwise(knob: str, asked: str) -> None:
    script = Script(ecn=knob)
    script.listen()
    script.send(asked, 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S."


@pytest.mark.shows("RFC 3168 6.1.1", "RFC 3168 6.1.4", "RFC 3168 6.1.5")
def test_only_new_data_are_ecn_capable() -> None:
    """RFC 3168 6.1.1, 6.1.4, 6.1.5: no SYN, no pure ACK, no retransmission."""
    script = _classic()
    script.connection.send(bytes(2 * MSS))
    assert [segment.codepoint for segment in script.sent()] == [ECT_0, ECT_0]
    script.send("P.", 1, 1, b"x")
    script.after(40 * MILLISECOND)
    script.after(500 * MILLISECOND)
    rest = script.sent()
    assert rest
    assert {segment.codepoint for segment in rest} == {NOT_ECT}


@pytest.mark.shows("RFC 3168 6.1.3", "RFC 9293 SHLD-8", "RFC 1122 3.2.1.6-2")
def test_a_mark_is_echoed_until_the_sender_says_that_it_has_slowed_down() -> None:
    """RFC 3168 6.1.3."""
    script = _classic()
    for sequence, codepoint in ((1, ECT_0), (2, CE), (3, ECT_0)):
        script.send("P.", sequence, 1, b"x", codepoint=codepoint)
        script.after(40 * MILLISECOND)
    flags = [segment.flags for segment in script.sent()]
    assert flags[0] == "."
    assert set(flags[1:]) == {".E"}
    script.send("P.W", 4, 1, b"x", codepoint=ECT_0)
    script.after(40 * MILLISECOND)
    assert script.sent()[-1].flags == "."


@pytest.mark.shows("RFC 3168 6.1.2", "RFC 9293 SHLD-8")
def test_an_echo_reduces_the_window_once_per_round_trip_and_is_answered_by_cwr() -> None:
    """RFC 3168 6.1.2."""
    script = _classic(congestion="reno", abe=False)
    connection = script.connection
    connection.send(bytes(30 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    script.send(".E", 1, 1 + MSS)
    assert connection.sender.recovery.phase is Phase.CWR
    assert connection.sender.congestion.ssthresh == 5 * MSS
    sent = []
    for acked in range(2, 11):
        script.send(".E", 1, 1 + acked * MSS)
        sent += script.sent()
    assert connection.sender.congestion.ssthresh == 5 * MSS, "one reduction"
    assert "W" in sent[0].flags
    assert not any("W" in segment.flags for segment in sent[1:])
    assert connection.info().tcpi_total_retrans == 0


@pytest.mark.shows("RFC 3168 6.1.2")
@pytest.mark.parametrize("lost", ["some", "all", "the last"])
def test_a_reduction_for_a_loss_is_told_too(lost: str) -> None:
    """So that the receiver stops its echo, whichever of the two was first: recovery, timeout, tail loss probe."""
    script = _classic(frto=False, nodelay=True)
    connection = script.connection
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    if lost == "some":
        iss = script.iss
        script.send(".", 1, 1, sack=((iss + 1 + MSS, iss + 1 + 9 * MSS),))
    elif lost == "all":
        script.after(500 * MILLISECOND)
    else:
        script.send(".", 1, 1 + 9 * MSS)
        script.after(230 * MILLISECOND)
        connection.send(b"x")
    script.sent()
    script.send(".", 1, 1 + 10 * MSS + (lost == "the last"))
    connection.send(bytes(2 * MSS))
    sent = script.sent()
    assert "W" in sent[0].flags
    assert "W" not in sent[-1].flags


@pytest.mark.shows("RFC 8511 3")
def test_a_mark_costs_less_than_a_loss() -> None:
    """ABE, RFC 8511: CUBIC keeps 0.85 of the window, in whole segments, once it is out of slow start."""
    script = _classic()
    connection = script.connection
    connection.sender.congestion.ssthresh = 5 * MSS
    connection.send(bytes(30 * MSS))
    script.after(20 * MILLISECOND)
    script.send(".E", 1, 1 + MSS)
    assert connection.sender.congestion.ssthresh == 8 * MSS


@pytest.mark.shows("RFC 3168 6.1.1.1", "RFC 3168 6.1.1")
def test_a_syn_that_was_lost_goes_again_without_asking() -> None:
    """Then nothing may be ECN-capable, even if the answer is to the first that asked (6.1.1)."""
    script = Script(ecn="request")
    script.connect()
    script.learn_iss()
    script.after(1100 * MILLISECOND)
    assert [segment.flags for segment in script.sent()] == ["S"]
    script.send("S.E", 0, 1, mss=MSS)
    script.connection.send(b"x")
    assert script.sent()[-1].codepoint == NOT_ECT


@pytest.mark.shows("RFC 3168 6.1.1", "RFC 3168 6.1.1.1")
def test_a_syn_that_comes_again_without_asking_is_answered_so() -> None:
    script = Script()
    script.listen()
    script.send("SEW", 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S.E"
    script.send("S", 0, 0, mss=MSS)
    assert [segment.flags for segment in script.sent()] == ["S."]
    script.send(".", 1, 1)
    script.listener.accept().send(b"x")
    assert [segment.codepoint for segment in script.sent()] == [NOT_ECT]
