"""TCP_DEFER_ACCEPT and TCP_QUICKACK: tcp(7), and what Linux does."""

import errno
import socket as bsd

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.wire.tcp import ACK, SYN
from tests.stack.sockets.network import refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import tcp


@pytest.fixture
def peer() -> Peer:
    made = Peer()
    option(made.listening(), bsd.TCP_DEFER_ACCEPT, 5)
    made.syn()
    return made


# --- TCP_DEFER_ACCEPT: the listener


def test_the_listener_awakes_when_data_arrive(peer: Peer) -> None:
    peer.send(".", 1, 1)
    with refused(errno.EAGAIN):
        peer.socket.accept()
    peer.send("P.", 1, 1, b"request")
    accepted, _ = peer.socket.accept()
    assert accepted.recv(100) == b"request"


def test_no_syn_ack_comes_again_while_data_are_awaited(peer: Peer) -> None:
    """Linux syn_ack_recalc: the peer has answered; only data are missing."""
    peer.send(".", 1, 1)
    peer.segments()
    peer.after(6 * SECOND)
    assert peer.segments() == []


def test_without_the_ack_the_syn_ack_comes_again(peer: Peer) -> None:
    peer.after(1500 * MILLISECOND)
    assert [seen.flags for seen in peer.segments()] == [SYN | ACK]


def test_at_the_end_of_its_time_an_ack_is_enough(peer: Peer) -> None:
    """5 seconds are three timeouts, 1 + 2 + 4; then the SYN/ACK gives the peer a last chance."""
    peer.send(".", 1, 1)
    peer.segments()
    peer.after(8 * SECOND)
    assert [seen.flags for seen in peer.segments()] == [SYN | ACK]
    peer.send(".", 1, 1)
    peer.socket.accept()


def test_a_fin_is_something_to_accept(peer: Peer) -> None:
    peer.send("F.", 1, 1)
    accepted, _ = peer.socket.accept()
    assert accepted.recv(1) == b""


def test_the_time_is_rounded_to_timeouts_of_the_syn_ack() -> None:
    """Linux secs_to_retrans and retrans_to_secs: 1, 3, 7, 15, 31, 63, 127, then 120 more each."""
    socket = tcp(Peer().host)
    for asked, kept in [(0, 0), (-1, 0), (1, 1), (2, 3), (5, 7), (60, 63), (100, 127), (200, 247)]:
        option(socket, bsd.TCP_DEFER_ACCEPT, asked)
        assert socket.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_DEFER_ACCEPT) == kept


# --- the ACK of a handshake that waits for data


def test_who_speaks_first_saves_the_ack_of_the_handshake() -> None:
    """Linux: with TCP_DEFER_ACCEPT on the connecting socket the third segment waits for data, up to 200 ms."""
    peer = Peer()
    option(peer.socket, bsd.TCP_DEFER_ACCEPT, 1)
    peer.open()
    assert peer.segments() == []
    peer.socket.send(b"request")
    assert peer.data() == [(1, 7)]


def test_the_ack_of_the_handshake_waits_200_ms_at_most() -> None:
    peer = Peer()
    option(peer.socket, bsd.TCP_QUICKACK, 0)
    peer.begin()
    peer.send("S.", 0, 1, mss=1460)
    assert peer.segments() == []
    peer.after(200 * MILLISECOND)
    assert [seen.flags for seen in peer.segments()] == [ACK]


# --- TCP_QUICKACK


def quick(peer: Peer) -> int:
    return int(peer.socket.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_QUICKACK))


def test_acks_are_quick_at_first_and_delayed_once_data_answer() -> None:
    """Linux: data in answer to data make a connection interactive, and ACKs go with them."""
    peer = Peer(quick_acks=16)
    peer.open()
    assert quick(peer) == 1
    peer.send("P.", 1, 1, b"request")
    assert [seen.flags for seen in peer.segments()] == [ACK]
    peer.socket.send(b"reply")
    peer.segments()
    assert quick(peer) == 0
    peer.send("P.", 8, 6, b"request")
    assert peer.segments() == []
    peer.after(40 * MILLISECOND)
    assert [seen.flags for seen in peer.segments()] == [ACK]


def test_quickack_sends_the_ack_that_is_owed() -> None:
    """Linux tcp_sock_set_quickack: at once, if everything has been read."""
    peer = Peer()
    peer.open()
    peer.send("P.", 1, 1, b"request")
    assert peer.segments() == []
    option(peer.socket, bsd.TCP_QUICKACK, 1)
    assert peer.segments() == []
    peer.socket.recv(100)
    option(peer.socket, bsd.TCP_QUICKACK, 1)
    assert [seen.flags for seen in peer.segments()] == [ACK]
    assert quick(peer) == 1


def test_an_even_number_is_for_once() -> None:
    """Linux: bit 0 says whether the mode stays."""
    peer = Peer()
    peer.open()
    peer.send("P.", 1, 1, b"request")
    peer.socket.recv(100)
    option(peer.socket, bsd.TCP_QUICKACK, 2)
    assert [seen.flags for seen in peer.segments()] == [ACK]
    assert quick(peer) == 0


def test_quickack_of_zero_delays_from_the_beginning() -> None:
    peer = Peer(quick_acks=16)
    peer.open()
    option(peer.socket, bsd.TCP_QUICKACK, 0)
    peer.send("P.", 1, 1, b"request")
    assert peer.segments() == []
