"""TCP_CORK, TCP_NODELAY, MSG_MORE: tcp(7), send(2); RFC 9293 3.7.4."""

import socket as bsd

import pytest

from stack.clock import MILLISECOND
from stack.wire.tcp import FIN, PSH
from tests.stack.sockets.peer import MSS, Peer, option


@pytest.fixture
def peer() -> Peer:
    made = Peer()
    made.open()
    return made


def test_a_cork_holds_back_partial_segments_only(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"header")
    assert peer.data() == []
    peer.socket.send(bytes(2 * MSS))
    assert peer.data() == [(1, MSS), (1 + MSS, MSS)]


def test_pulling_the_cork_lets_the_rest_go(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"header")
    peer.socket.send(b"body")
    option(peer.socket, bsd.TCP_CORK, 0)
    assert peer.data() == [(1, 10)]


def test_nagle_still_holds_when_the_cork_is_pulled(peer: Peer) -> None:
    """Linux: without TCP_NODELAY, uncorking sends what Nagle's algorithm lets go."""
    peer.socket.send(b"small")
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"second")
    option(peer.socket, bsd.TCP_CORK, 0)
    assert peer.data() == [(1, 5)]
    peer.send(".", 1, 6)
    assert peer.data() == [(6, 6)]


def test_with_nodelay_pulling_the_cork_pushes(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_NODELAY, 1)
    peer.socket.send(b"small")
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"second")
    assert peer.data() == [(1, 5)]
    option(peer.socket, bsd.TCP_CORK, 0)
    assert peer.data() == [(6, 6)]


def test_the_cork_is_stronger_than_nodelay_but_setting_nodelay_pushes_once(peer: Peer) -> None:
    """tcp(7): setting TCP_NODELAY forces an explicit flush of pending output, even if TCP_CORK is set."""
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"first")
    option(peer.socket, bsd.TCP_NODELAY, 1)
    assert peer.data() == [(1, 5)]
    peer.socket.send(b"second")
    assert peer.data() == []


def test_the_cork_yields_after_200_ms(peer: Peer) -> None:
    """tcp(7): a 200 millisecond ceiling on the time for which output is corked."""
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"held")
    peer.after(150 * MILLISECOND)
    assert peer.data() == []
    peer.after(150 * MILLISECOND)
    assert peer.data() == [(1, 4)]


def test_an_ack_does_not_pull_the_cork(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(bytes(MSS + 10))
    assert peer.data() == [(1, MSS)]
    peer.send(".", 1, 1 + MSS)
    assert peer.data() == []


def test_closing_sends_what_is_corked_with_the_fin(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"held")
    peer.socket.shutdown(bsd.SHUT_WR)
    (seen,) = peer.segments()
    assert seen.length == 4
    assert seen.flags & FIN


def test_more_is_a_cork_for_one_call(peer: Peer) -> None:
    """send(2): MSG_MORE has the same effect as TCP_CORK, on a per-call basis."""
    peer.socket.send(b"header", bsd.MSG_MORE)
    assert peer.data() == []
    peer.socket.send(b"body")
    assert peer.data() == [(1, 10)]


def test_an_ack_lets_go_what_was_sent_with_more(peer: Peer) -> None:
    """Linux: the flag is of the call; the next occasion to send knows nothing of it."""
    peer.socket.send(bytes(MSS + 10), bsd.MSG_MORE)
    assert peer.data() == [(1, MSS)]
    peer.send(".", 1, 1 + MSS)
    assert peer.data() == [(1 + MSS, 10)]


def test_what_goes_on_is_not_pushed(peer: Peer) -> None:
    """RFC 9293 3.9.1.2: PSH marks the end of what the user wants to be delivered."""
    peer.socket.send(bytes(MSS), bsd.MSG_MORE)
    peer.socket.send(bytes(MSS))
    first, second = peer.segments()
    assert not first.flags & PSH
    assert second.flags & PSH


def test_an_accepted_socket_is_corked_if_the_listener_is() -> None:
    """Options of a listener are inherited (tcp(7))."""
    peer = Peer()
    listener = peer.listening()
    option(listener, bsd.TCP_CORK, 1)
    peer.syn()
    peer.send(".", 1, 1)
    accepted, _ = listener.accept()
    assert accepted.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_CORK) == 1
    accepted.send(b"held")
    assert peer.data() == []
