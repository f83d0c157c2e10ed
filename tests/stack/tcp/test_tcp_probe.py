"""Tail loss probes: RFC 8985 7."""

from __future__ import annotations

import pytest

from stack.clock import MILLISECOND
from stack.tcp.recovery import Phase
from tests.stack.tcp.scripted import MSS, Script, ack, fly


@pytest.mark.shows("RFC 8985 7.2", "RFC 8985 7.3", "RFC 8985 8")
def test_the_lost_end_of_a_flight_is_probed_before_the_timer_has_to() -> None:
    """RFC 8985 7: after two round trips the last segment goes again, and its SACK shows what is missing before it."""
    script = Script()
    connection = fly(script, 10)
    ack(script, 1 + 7 * MSS)
    script.after(30 * MILLISECOND)
    script.expect_nothing()
    script.after(20 * MILLISECOND)
    script.expect(("P.", 1 + 9 * MSS, MSS, 1))
    script.after(20 * MILLISECOND)
    ack(script, 1 + 7 * MSS, (1 + 9 * MSS, 1 + 10 * MSS))
    script.expect((".", 1 + 7 * MSS, MSS, 1))
    assert connection.sender.recovery.phase is Phase.RECOVERY
    ack(script, 1 + 8 * MSS, (1 + 9 * MSS, 1 + 10 * MSS))
    script.expect((".", 1 + 8 * MSS, MSS, 1))


@pytest.mark.shows("RFC 8985 7.4.2")
def test_a_probe_that_repaired_a_loss_halves_the_window() -> None:
    """RFC 8985 7.4.2: the ACK goes beyond the probe, so the original was lost, and that was congestion."""
    script = Script(congestion="reno")
    connection = fly(script, 10)
    ack(script, 1 + 9 * MSS)
    cwnd = connection.sender.congestion.cwnd
    script.after(250 * MILLISECOND)
    script.expect(("P.", 1 + 9 * MSS, MSS, 1))
    connection.send(bytes(MSS))
    script.after(20 * MILLISECOND)
    ack(script, 1 + 11 * MSS)
    assert connection.sender.congestion.cwnd < cwnd


@pytest.mark.shows("RFC 8985 7.4.2")
def test_a_probe_that_was_needless_costs_nothing() -> None:
    """A D-SACK for the probe: the original had arrived."""
    script = Script()
    connection = fly(script, 10)
    ack(script, 1 + 9 * MSS)
    cwnd = connection.sender.congestion.cwnd
    script.after(250 * MILLISECOND)
    script.expect(("P.", 1 + 9 * MSS, MSS, 1))
    script.after(20 * MILLISECOND)
    ack(script, 1 + 10 * MSS, (1 + 9 * MSS, 1 + 10 * MSS))
    assert connection.sender.congestion.cwnd >= cwnd
    assert connection.sender.recovery.phase is Phase.OPEN


@pytest.mark.shows("RFC 8985 7.4.2")
def test_a_duplicate_of_something_else_does_not_excuse_the_probe() -> None:
    """Only a D-SACK of what the probe carried says that original and probe have arrived."""
    script = Script(congestion="reno")
    connection = fly(script, 10)
    ack(script, 1 + 9 * MSS)
    cwnd = connection.sender.congestion.cwnd
    script.after(250 * MILLISECOND)
    connection.send(bytes(MSS))
    script.sent()
    ack(script, 1 + 10 * MSS, (1 + 7 * MSS, 1 + 8 * MSS))
    ack(script, 1 + 11 * MSS)
    assert connection.sender.congestion.cwnd < cwnd


@pytest.mark.shows("RFC 8985 7.4.2")
def test_without_d_sack_a_bare_duplicate_ack_excuses_the_probe() -> None:
    """Case 2."""
    script = Script(congestion="reno")
    connection = fly(script, 10)
    ack(script, 1 + 9 * MSS)
    cwnd = connection.sender.congestion.cwnd
    script.after(250 * MILLISECOND)
    ack(script, 1 + 10 * MSS)
    connection.send(bytes(MSS))
    script.sent()
    ack(script, 1 + 10 * MSS)
    ack(script, 1 + 11 * MSS)
    assert connection.sender.congestion.cwnd >= cwnd


@pytest.mark.shows("RFC 8985 7.2")
def test_a_flight_is_probed_while_a_mark_reduces_the_window() -> None:
    """Only recovery, and segments that were SACKed, make a probe needless."""
    script = Script(ecn="accept")
    script.listen()
    script.send("SEW", 0, 0, mss=MSS, sack_permitted=True)
    script.learn_iss()
    script.after(20 * MILLISECOND)
    script.send(".", 1, 1)
    connection = script.listener.accept()
    connection.send(bytes(10 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    script.send(".E", 1, 1 + 2 * MSS)
    assert connection.sender.recovery.phase is Phase.CWR
    assert script.sent() == []
    script.after(60 * MILLISECOND)
    script.expect(("P.", 1 + 9 * MSS, MSS, 1))


@pytest.mark.shows("RFC 8985 7.3")
def test_a_second_probe_wants_a_measurement_first() -> None:
    """Otherwise probes could hide for ever that the round trip has become longer."""
    script = Script()
    connection = fly(script, 1)
    script.after(230 * MILLISECOND)
    script.expect(("P.", 1, MSS, 1))
    ack(script, 1 + MSS, (1, 1 + MSS))
    connection.send(bytes(MSS))
    script.sent()
    before = connection.sender.rtt.samples
    script.after(connection.sender.rtt.rto - 2 * MILLISECOND)
    script.expect_nothing()
    script.after(4 * MILLISECOND)
    assert [segment.sequence for segment in script.sent()] == [1 + MSS]
    assert connection.sender.recovery.phase is Phase.LOSS, "by the timer"
    assert connection.sender.rtt.samples == before


@pytest.mark.shows("RFC 8985 7.1")
def test_recovery_makes_a_probe_irrelevant() -> None:
    """One reduction for one loss, and not another for its probe."""
    script = Script(congestion="reno")
    connection = fly(script, 10)
    ack(script, 1 + 7 * MSS)
    script.after(50 * MILLISECOND)
    script.sent()
    script.after(20 * MILLISECOND)
    ack(script, 1 + 7 * MSS, (1 + 9 * MSS, 1 + 10 * MSS))
    assert connection.sender.recovery.phase is Phase.RECOVERY
    ssthresh = connection.sender.congestion.ssthresh
    connection.send(bytes(5 * MSS))
    ack(script, 1 + 10 * MSS)
    script.sent()
    script.after(20 * MILLISECOND)
    ack(script, 1 + 12 * MSS)
    assert connection.sender.recovery.phase is Phase.OPEN
    assert connection.sender.congestion.ssthresh == ssthresh
