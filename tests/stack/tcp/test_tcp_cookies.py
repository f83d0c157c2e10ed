"""SYN cookies, and the two queues of a listener (RFC 4987, Linux)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clock import SECOND
from stack.config import ConfigError, TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.cookies import LIFETIME, Kept, SynCookies
from stack.tcp.state import State
from tests.stack.tcp.scripted import HOST, PEER, PORT, Script

KEY = (HOST, PORT, PEER, 40000)
SYN: dict[str, Any] = {"mss": 1460, "sack_permitted": True, "window_scale": 9, "timestamp": 500}


def flooded(**knobs: Any) -> Script:
    """A listener whose SYN queue is full."""
    script = Script(**{"syn_backlog": 2, "timestamps": True, **knobs})
    script.listen()
    for port in (1, 2):
        script.peer_port = port
        script.send("S", 0, 0, mss=1460)
    script.peer_port = 40000
    script.sent()
    return script


def complete(script: Script, payload: bytes = b"", **syn: Any) -> Connection:
    """A handshake by cookie."""
    script.send("S", 0, 0, **syn)
    answer = script.learn_iss()
    assert answer.flags[:2] == "S."
    echo = {"timestamp": 501, "timestamp_echo": answer.options.timestamp} if "timestamp" in syn else {}
    script.send(".", 1, 1, payload, window=1000, **echo)
    assert script.listener is not None
    connection = script.listener.accept()
    assert connection is not None
    return connection


@pytest.mark.shows("RFC 4987 3.6")
def test_under_pressure_connections_still_complete_with_all_options() -> None:
    script = flooded()
    connection = complete(script, **SYN)
    assert connection.state is State.ESTABLISHED
    info = connection.info()
    assert (info.tcpi_options, info.tcpi_snd_wscale, info.tcpi_rcv_wscale) == (7, 9, 7)
    assert info.tcpi_snd_wnd == 1000 << 9
    assert info.tcpi_snd_mss == 1460 - 12
    connection.send(b"hello")
    (segment,) = script.sent()
    assert (segment.sequence, segment.payload, segment.options.timestamp_echo) == (1, b"hello", 501)
    counters = script.host.counters
    assert (counters["tcp.syn_cookie_sent"], counters["tcp.syn_cookie_valid"]) == (1, 1)


@pytest.mark.shows("RFC 4987 3.6")
def test_no_state_is_kept_for_a_cookie() -> None:
    script = flooded()
    before = script.host.tcp.connections
    script.send("S", 0, 0, **SYN)
    script.learn_iss()
    assert script.host.tcp.connections == before
    script.send("S", 0, 0, **SYN)


def test_without_timestamps_there_is_no_place_for_options() -> None:
    script = flooded()
    script.send("S", 0, 0, mss=1400, sack_permitted=True, window_scale=9)
    answer = script.learn_iss().options
    assert (answer.sack_permitted, answer.window_scale, answer.timestamp) == (False, None, None)
    script.send(".", 1, 1, window=1000)
    connection = script.listener.accept()
    info = connection.info()
    assert (info.tcpi_options, info.tcpi_snd_wnd, info.tcpi_snd_mss) == (0, 1000, 1300)


def test_what_the_syn_does_not_offer_does_not_come_back() -> None:
    connection = complete(flooded(), mss=1460, timestamp=7)
    info = connection.info()
    assert info.tcpi_options == 1


def test_the_first_segment_may_carry_data() -> None:
    connection = complete(flooded(), b"request", **SYN)
    assert connection.receive(100) == b"request"


def test_ecn_survives() -> None:
    script = flooded()
    script.send("SEW", 0, 0, **SYN)
    answer = script.learn_iss()
    assert answer.flags == "S.E"
    script.send(".", 1, 1, timestamp=501, timestamp_echo=answer.options.timestamp)
    connection = script.listener.accept()
    connection.send(b"x")
    assert script.sent()[0].codepoint == 2


def test_a_forged_acknowledgment_is_reset_and_counted() -> None:
    script = flooded()
    script.send("S", 0, 0, **SYN)
    script.learn_iss()
    script.send(".", 1, 2)
    assert [segment.flags for segment in script.sent()] == ["R"]
    assert script.host.counters["tcp.syn_cookie_invalid"] == 1
    assert script.listener.accept() is None


@pytest.mark.parametrize("behind", range(1, 5))
def test_what_overtook_the_first_octets_does_not_make_them_old(behind: int) -> None:
    """Nobody remembers where the peer began, so a connection that began later would acknowledge what it never had."""
    script = flooded()
    script.send("S", 0, 0, mss=536)
    script.learn_iss()
    script.send("F.", 1 + behind, 1)
    assert [segment.flags for segment in script.sent()] == ["R"]
    assert script.listener.accept() is None


@pytest.mark.shows("RFC 4987 3.6")
def test_a_cookie_is_not_believed_for_ever() -> None:
    script = flooded()
    script.send("S", 0, 0, **SYN)
    script.learn_iss()
    script.after(LIFETIME)
    script.sent()
    script.send(".", 1, 1)
    assert [segment.flags for segment in script.sent()] == ["R"]
    assert script.listener.accept() is None


def test_cookies_can_be_switched_off() -> None:
    script = flooded(syn_cookies="off")
    script.send("S", 0, 0, **SYN)
    script.expect_nothing()
    assert script.host.counters["tcp.syn_overflow"] == 1


def test_cookies_can_be_sent_always() -> None:
    script = Script(timestamps=True, syn_cookies="always")
    script.listen()
    connection = complete(script, **SYN)
    assert connection.info().tcpi_options == 7
    assert script.host.tcp.connections == (connection,)


def test_a_full_accept_queue_takes_no_cookie() -> None:
    script = Script(timestamps=True, syn_cookies="always")
    script.listen(backlog=0)
    answers = []
    for port in (1, 2):
        script.peer_port, script.iss = port, None
        script.send("S", 0, 0, mss=1460)
        answers.append((port, script.learn_iss().raw_sequence))
    for script.peer_port, script.iss in answers:
        script.send(".", 1, 1)
    script.expect_nothing()
    assert script.listener.pending == 1
    assert script.host.counters["tcp.listen_overflow"] == 1


def test_the_backlog_bounds_the_syn_queue_too() -> None:
    """As Linux's inet_csk_reqsk_queue_is_full: one more than the backlog."""
    script = Script(syn_cookies="off")
    script.listen(backlog=1)
    for script.peer_port in (1, 2, 3):
        script.send("S", 0, 0, mss=1460)
    assert len(script.sent()) == 2
    assert script.host.counters["tcp.syn_overflow"] == 1


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError):
        TcpConfig(syn_cookies="sometimes")


# -- the encoding --------------------------------------------------------------------------------------


@given(
    irs=st.integers(0, 0xFFFFFFFF),
    mss=st.integers(88, 65535),
    now=st.integers(0, 10**19),
    age=st.integers(0, 60 * SECOND),
)
def test_a_cookie_gives_back_an_mss_that_is_not_larger(irs: int, mss: int, now: int, age: int) -> None:
    cookies = SynCookies(bytes(16))
    cookie = cookies.make(KEY, irs, mss, now)
    found = cookies.check(KEY, irs, cookie, now + age)
    assert found is not None
    assert found <= mss
    assert cookies.check(KEY, irs, cookie, now + LIFETIME) is None
    assert SynCookies(b"another secret..").check(KEY, irs, cookie, now) is None


@given(
    scale=st.none() | st.integers(0, 14),
    sack=st.booleans(),
    ecn=st.booleans(),
    value=st.integers(64, 1 << 34),
)
def test_a_timestamp_keeps_the_options(scale: int | None, sack: bool, ecn: bool, value: int) -> None:
    kept = Kept(scale, sack, ecn)
    stamped = kept.stamp(value)
    assert value - 64 < stamped <= value
    assert Kept.read(stamped & 0xFFFFFFFF) == kept
