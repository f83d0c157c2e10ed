"""TCP Fast Open, both ends (RFC 7413)."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from stack.clock import SECOND
from stack.config import ConfigError, TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.fastopen import FAST_OPEN, CookieCache, FastOpening, FastOpenOption, make_cookie
from stack.tcp.siphash import siphash
from stack.tcp.state import State
from stack.wire.address import parse_address
from stack.wire.options import NO_OPERATION, Option
from stack.wire.tcp import TcpOptions
from tests.stack.tcp.scripted import HOST, PEER, PEER_PORT, PORT, Script, Sent

KEY = "a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4"
COOKIE = b"\x01\x23\x45\x67\x89\xab\xcd\xef"


def option_of(segment: Sent) -> FastOpenOption | None:
    return FastOpenOption.find(segment.options)


def asking(cookie: bytes = b"", *, experimental: bool = False) -> dict[str, Any]:
    return {"mss": 1460, "unknown": FastOpenOption(cookie, experimental).build()}


# -- the option ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("experimental", [False, True])
@pytest.mark.parametrize("size", [0, 4, 8, 16])
def test_the_option_round_trips_aligned(size: int, experimental: bool) -> None:
    option = FastOpenOption(bytes(size), experimental)
    raw = TcpOptions(unknown=option.build()).build()
    assert raw[0] == (254 if experimental else 34)
    assert FastOpenOption.find(TcpOptions.parse(raw)) == option


@pytest.mark.parametrize("size", [2, 5, 18])
def test_a_cookie_of_an_illegal_length_is_no_option(size: int) -> None:
    assert FastOpenOption.find(TcpOptions(unknown=(Option(FAST_OPEN, bytes(size)),))) is None


def test_another_experiment_is_not_ours() -> None:
    assert FastOpenOption.find(TcpOptions(unknown=(Option(254, b"\x00\x01" + COOKIE),))) is None


def test_siphash_as_in_its_paper() -> None:
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


@pytest.mark.shows("RFC 7413 4.1.2")
def test_the_cookie_with_the_same_key_is_linux_s() -> None:
    """Linux, net.ipv4.tcp_fastopen_key=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4."""
    client, server = parse_address("192.0.2.1"), parse_address("192.168.0.1")
    assert make_cookie(bytes.fromhex(KEY), client, server).hex() == "3021b9d889017eeb"


@pytest.mark.parametrize("key", ["00", "x" * 32, "0" * 48])
def test_a_key_is_32_hexadecimal_digits(key: str) -> None:
    with pytest.raises(ConfigError):
        TcpConfig(fast_open_key=key)


# -- the server ----------------------------------------------------------------------------------------


def serving(queue: int = 5, **knobs: Any) -> Script:
    script = Script(**{"fast_open": "both", **knobs})
    script.listen()
    assert script.listener is not None
    script.listener.fast_open = queue
    return script


def granted(script: Script) -> bytes:
    """The cookie that the server gives to our peer."""
    script.send("S", 0, 0, **asking())
    option = option_of(script.learn_iss())
    assert option is not None
    script.send("R", 1, 0)
    script.peer_port += 1
    script.iss = None
    return option.cookie


def opened(script: Script, payload: bytes = b"request") -> Connection:
    script.send("S", 0, 0, payload, **asking(granted(script)))
    script.learn_iss()
    assert script.listener is not None
    connection = script.listener.accept()
    assert connection is not None
    return connection


def test_a_cookie_is_granted_on_request() -> None:
    script = serving()
    script.send("S", 0, 0, **asking())
    syn_ack = script.learn_iss()
    option = option_of(syn_ack)
    assert option is not None
    assert len(option.cookie) == 8
    assert syn_ack.ack == 1
    assert script.listener.accept() is None, "the handshake goes on as always"
    script.send(".", 1, 1)
    assert script.listener.accept() is not None


def test_a_request_in_the_experimental_form_is_answered_in_it() -> None:
    script = serving()
    script.send("S", 0, 0, **asking(experimental=True))
    option = option_of(script.learn_iss())
    assert option is not None
    assert option.experimental


@pytest.mark.shows("RFC 7413 4.2.2-1")
def test_data_in_the_syn_are_acknowledged_and_accepted_at_once() -> None:
    script = serving()
    script.send("S", 0, 0, b"request", **asking(granted(script)))
    syn_ack = script.learn_iss()
    assert (syn_ack.flags, syn_ack.ack, option_of(syn_ack)) == ("S.", 8, None)
    connection = script.listener.accept()
    assert connection is not None
    assert connection.state is State.SYN_RECEIVED
    assert not connection.opening
    assert connection.receive(100) == b"request"
    assert script.host.counters["tcp.fast_open_passive"] == 1


def test_the_answer_does_not_wait_for_the_handshake() -> None:
    script = serving()
    connection = opened(script)
    connection.send(b"answer")
    script.expect(("P.", 1, 6, 8))
    script.send(".", 8, 7)
    assert connection.state is State.ESTABLISHED
    assert connection.sender.queued == 0
    assert script.listener.pending == 0, "it is not accepted twice"
    assert connection.info().tcpi_options & 32


def test_a_fin_waits_for_the_handshake() -> None:
    script = serving()
    connection = opened(script)
    connection.receive(100)
    connection.send(b"answer")
    connection.shutdown()
    script.expect(("P.", 1, 6, 8))
    script.send(".", 8, 1)
    script.expect(("F.", 7, 0, 8))
    assert connection.state is State.FIN_WAIT_1


def test_a_bad_cookie_falls_back_and_brings_a_good_one() -> None:
    script = serving()
    cookie = granted(script)
    script.send("S", 0, 0, b"request", **asking(COOKIE))
    syn_ack = script.learn_iss()
    option = option_of(syn_ack)
    assert syn_ack.ack == 1, "the data are not acknowledged"
    assert option is not None
    assert option.cookie == cookie
    script.send("P.", 1, 1, b"request")
    connection = script.listener.accept()
    assert connection.receive(100) == b"request"
    assert script.host.counters["tcp.fast_open_bad_cookie"] == 1


@pytest.mark.shows("RFC 7413 4.1.2")
def test_a_cookie_is_for_one_address() -> None:
    key = bytes(16)
    assert make_cookie(key, b"\n\0\0\1", b"\n\0\0\2") != make_cookie(key, b"\n\0\0\3", b"\n\0\0\2")


@pytest.mark.parametrize(("queue", "knob"), [(0, "both"), (5, "client"), (5, "off")])
def test_a_server_that_does_not_want_it_ignores_the_option(queue: int, knob: str) -> None:
    script = serving(queue, fast_open=knob)
    script.send("S", 0, 0, b"request", **asking())
    syn_ack = script.learn_iss()
    assert (syn_ack.ack, option_of(syn_ack)) == (1, None)


def test_without_cookies_data_are_taken_from_anybody() -> None:
    script = serving(fast_open_cookieless="server")
    script.send("S", 0, 0, b"request", mss=1460)
    assert script.learn_iss().ack == 8


@pytest.mark.shows("RFC 7413 5.1")
def test_the_queue_is_bounded_and_falls_back() -> None:
    script = serving(queue=1)
    cookie = granted(script)
    acks = []
    for _ in range(2):
        script.peer_port += 1
        script.iss = None
        script.send("S", 0, 0, b"request", **asking(cookie))
        acks.append(script.learn_iss().ack)
    assert acks == [8, 1]
    assert script.host.counters["tcp.fast_open_overflow"] == 1


@pytest.mark.shows("RFC 7413 5.1")
def test_an_opening_that_was_reset_counts_for_a_minute() -> None:
    """RFC 7413 5.1: or forged SYNs with a stolen cookie would cost the attacker nothing."""
    script = serving(queue=1)
    connection = opened(script)
    script.send("R", 8, 0)
    assert connection.take_error() == errno.ECONNRESET
    cookie = make_cookie_of(script)
    for wait, ack in ((0, 1), (60 * SECOND, 8)):
        script.after(wait)
        script.sent()
        script.peer_port += 1
        script.iss = None
        script.send("S", 0, 0, b"request", **asking(cookie))
        assert script.learn_iss().ack == ack


def make_cookie_of(script: Script) -> bytes:
    (cookie,) = script.host.tcp.make_fast_open_cookies(script.config, PEER, parse_address("10.0.0.2"))
    return cookie


def test_the_syn_again_is_answered_again() -> None:
    """Our SYN/ACK was lost; the client sends its SYN without data and option."""
    script = serving()
    connection = opened(script)
    script.send("S", 0, 0, mss=1460)
    (again,) = script.sent()
    assert (again.flags, again.sequence, again.ack) == ("S.", 0, 8)
    script.send(".", 8, 1)
    assert connection.state is State.ESTABLISHED
    assert connection.receive(100) == b"request"


def test_the_syn_ack_is_sent_again_and_given_up() -> None:
    script = serving(synack_retries=2)
    connection = opened(script)
    connection.send(b"answer")
    script.sent()
    script.after(3 * SECOND)
    assert [(s.flags, s.ack) for s in script.sent()] == [("S.", 8), ("S.", 8)]
    script.after(60 * SECOND)
    assert connection.take_error() == errno.ETIMEDOUT


# -- the client ----------------------------------------------------------------------------------------


def connect(script: Script, data: bytes = b"request") -> Sent:
    """An active open with Fast Open; returns its SYN."""
    script.iss = None
    script.port, script.peer_port = script.port + 1 if script.connection else PEER_PORT, PORT
    script.connection = script.host.tcp.connect(
        None, script.port, PEER, script.peer_port, script.config, fast_open=True, data=data
    )
    return script.learn_iss()


def with_cookie(**knobs: Any) -> Script:
    """A client that has been at the server before."""
    script = Script(**knobs)
    connect(script)
    script.send("S.", 0, 1, **asking(COOKIE))
    script.connection.abort()
    script.sent()
    return script


@pytest.mark.shows("RFC 7413 4.2.1")
def test_the_first_syn_asks_for_a_cookie() -> None:
    script = Script()
    syn = connect(script)
    assert (syn.length, option_of(syn)) == (0, FastOpenOption())
    assert script.connection.unsent == 0, "no data were taken"
    assert script.connection.info().tcpi_fastopen_client_fail == FastOpening.COOKIE_UNAVAILABLE
    assert not script.host.tcp.fast_open_cookies.has_cookie(PEER)
    script.send("S.", 0, 1, **asking(COOKIE))
    assert script.host.tcp.fast_open_cookies.has_cookie(PEER)


@pytest.mark.shows("RFC 7413 4.2.1")
def test_with_a_cookie_data_go_with_the_syn() -> None:
    script = with_cookie()
    syn = connect(script)
    assert (syn.flags, syn.payload, option_of(syn)) == ("S", b"request", FastOpenOption(COOKIE))
    assert script.connection.unsent == 7
    script.send("S.", 0, 8, mss=1460)
    script.expect((".", 8, 0, 1))
    info = script.connection.info()
    assert info.tcpi_options & 32
    assert info.tcpi_fastopen_client_fail == 0
    assert script.connection.sender.queued == 0
    script.connection.send(b"more")
    script.expect(("P.", 8, 4, 1))
    assert script.host.counters["tcp.fast_open_active"] == 1


def test_the_syn_leaves_room_for_options_and_the_rest_to_the_caller() -> None:
    script = with_cookie()
    syn = connect(script, bytes(3000))
    assert syn.length == 1460 - 40
    assert script.connection.unsent == 1420


@pytest.mark.shows("RFC 7413 4.2.2-2")
def test_data_that_the_syn_ack_does_not_cover_are_sent_again() -> None:
    script = with_cookie()
    connect(script)
    script.send("S.", 0, 1, mss=1460)
    script.expect(("P.", 1, 7, 1))
    assert script.connection.info().tcpi_fastopen_client_fail == FastOpening.DATA_NOT_ACKNOWLEDGED


def test_data_may_be_acknowledged_in_part() -> None:
    script = with_cookie()
    connect(script)
    script.send("S.", 0, 4, mss=1460)
    (rest,) = script.sent()
    assert (rest.sequence, rest.payload) == (4, b"uest")


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    script = with_cookie()
    connect(script)
    script.send("S.", 0, 9, mss=1460)
    assert [segment.flags for segment in script.sent()] == ["R"]
    assert script.connection.state is State.SYN_SENT


def test_the_server_may_answer_with_its_syn() -> None:
    script = with_cookie()
    connect(script)
    script.send("S.", 0, 8, b"answer", mss=1460)
    script.expect((".", 8, 0, 7))
    assert script.connection.receive(100) == b"answer"


@pytest.mark.shows("RFC 7413 4.2.2-2")
def test_a_lost_syn_is_sent_again_without_option_and_data() -> None:
    script = with_cookie()
    connect(script)
    script.after(SECOND)
    (again,) = script.sent()
    assert (again.flags, again.sequence, again.length, option_of(again)) == ("S", 0, 0, None)
    script.send("S.", 0, 1, mss=1460)
    (data,) = script.sent()
    assert (data.sequence, data.payload) == (1, b"request")
    assert script.connection.info().tcpi_fastopen_client_fail == FastOpening.SYN_RETRANSMITTED


@pytest.mark.shows("RFC 7413 4.1.3")
def test_after_two_losses_fast_open_is_left_alone_for_a_while() -> None:
    """RFC 7413 4.1.3.1."""
    script = with_cookie()
    for _ in range(2):
        connect(script)
        script.after(SECOND)
        script.sent()
        script.send("S.", 0, 1, mss=1460)
        script.connection.abort()
        script.sent()
    plain = connect(script)
    assert (plain.length, option_of(plain)) == (0, None)
    script.connection.close()
    script.after(240 * SECOND)
    assert connect(script).length == 7


def test_a_server_that_does_not_answer_is_asked_in_the_experimental_form() -> None:
    script = Script()
    forms = []
    for _ in range(3):
        option = option_of(connect(script))
        assert option is not None
        forms.append(option.experimental)
        script.send("S.", 0, 1, mss=1460)
        script.connection.abort()
        script.sent()
    assert forms == [False, True, False]


def test_an_unsolicited_cookie_is_ignored() -> None:
    script = Script()
    script.connect()
    script.learn_iss()
    script.send("S.", 0, 1, **asking(COOKIE))
    assert not script.host.tcp.fast_open_cookies.has_cookie(PEER)


def test_a_client_without_cookies_sends_data_at_once() -> None:
    script = Script(fast_open_cookieless="client")
    syn = connect(script)
    assert (syn.payload, option_of(syn)) == (b"request", None)


def test_fast_open_can_be_switched_off() -> None:
    script = Script(fast_open="off")
    syn = connect(script)
    assert (syn.length, option_of(syn)) == (0, None)


def test_crossing_syns_lose_no_data() -> None:
    """A simultaneous open (RFC 9293 3.5); the peer has taken the data of our SYN, or has not."""
    for ack in (1, 8):
        script = with_cookie()
        connect(script)
        script.send("S", 0, 0, mss=1460)
        script.expect(("S.", 0, 0, 1))
        script.send(".", 1, ack)
        assert script.connection.state is State.ESTABLISHED
        assert b"".join(segment.payload for segment in script.sent()) == (b"request" if ack == 1 else b"")


@pytest.mark.shows("RFC 7413 4.1.3")
def test_the_cache_is_bounded() -> None:
    cache = CookieCache(2)
    hosts = [bytes((10, 0, 0, number)) for number in (1, 2, 3)]
    for host in hosts:
        opening = FastOpening(cache, host, 0, needs_cookie=True)
        opening.answered(TcpOptions(**asking(COOKIE)), 0, 0, retransmitted=False)
    assert [cache.has_cookie(host) for host in hosts] == [False, True, True]


def test_the_bound_of_the_cache_is_a_knob() -> None:
    cache = Script(fast_open_hosts=1).host.tcp.fast_open_cookies
    for host in (PEER, HOST):
        opening = FastOpening(cache, host, 0, needs_cookie=True)
        opening.answered(TcpOptions(**asking(COOKIE)), 0, 0, retransmitted=False)
    assert [cache.has_cookie(host) for host in (PEER, HOST)] == [False, True]


def test_nops_align_the_option() -> None:
    assert FastOpenOption().build() == (Option(FAST_OPEN), Option(NO_OPERATION), Option(NO_OPERATION))
