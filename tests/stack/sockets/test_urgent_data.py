"""Urgent data: RFC 9293 3.8.5, RFC 6093, and what Linux makes of the pointer (tcp(7), socket(7), sockatmark(3))."""

import errno
import socket as bsd

import pytest

from stack.clock import SECOND
from stack.sockets import StreamSocket
from stack.sockets.poll import POLLIN, POLLPRI
from stack.sockets.socket import FIONREAD, SIOCATMARK
from stack.wire.tcp import URG
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import drain, pair


@pytest.fixture
def peer() -> Peer:
    made = Peer()
    made.open()
    return made


def at_mark(socket: StreamSocket) -> bool:
    return bool(socket.ioctl(SIOCATMARK))


# --- receiving


@pytest.mark.shows("RFC 9293 MUST-30", "RFC 9293 MUST-33", "RFC 6093 3.2")
def test_the_urgent_byte_is_read_apart_and_the_stream_stops_before_it() -> None:
    """RFC 6093 3.1: the pointer means the byte behind the urgent data, of which there is one."""
    network = Network()
    client, server = pair(network)
    client.send(b"before!", bsd.MSG_OOB)
    client.send(b"after")
    network.settle()
    assert server.poll() & POLLPRI
    assert not at_mark(server)
    assert server.ioctl(FIONREAD) == len(b"before")
    assert server.recv(100) == b"before"
    assert at_mark(server)
    assert server.recv(1, bsd.MSG_OOB) == b"!"
    assert not server.poll() & POLLPRI
    assert at_mark(server)
    assert server.recv(100) == b"after"
    assert not at_mark(server)


@pytest.mark.shows("RFC 6093 6", "RFC 6093 3.2")
def test_in_line_the_urgent_byte_is_in_the_stream_behind_a_mark() -> None:
    """SO_OOBINLINE of socket(7), which RFC 6093 6 recommends: a read stops at the mark, and goes on with it."""
    network = Network()
    client, server = pair(network)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_OOBINLINE, 1)
    client.send(b"before!", bsd.MSG_OOB)
    client.send(b"after")
    network.settle()
    with refused(errno.EINVAL):
        server.recv(1, bsd.MSG_OOB)
    assert server.recv(100, bsd.MSG_PEEK) == b"before"
    assert server.recv(100) == b"before"
    assert at_mark(server)
    assert server.ioctl(FIONREAD) == len(b"!after")
    assert server.recv(100, bsd.MSG_PEEK) == b"!after"
    assert server.recv(100) == b"!after"
    assert not at_mark(server)


def test_peeking_leaves_the_urgent_byte_and_the_mark(peer: Peer) -> None:
    peer.send_urgent(1, b"ab!cd", 3)
    assert peer.socket.recv(1, bsd.MSG_PEEK | bsd.MSG_OOB) == b"!"
    assert peer.socket.recv(10, bsd.MSG_PEEK) == b"ab"
    assert peer.socket.recv(10) == b"ab"
    assert peer.socket.recv(10, bsd.MSG_PEEK) == b"cd"
    assert at_mark(peer.socket)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"!"
    assert peer.socket.recv(10) == b"cd"


def test_there_is_one_urgent_byte_and_it_can_be_read_once(peer: Peer) -> None:
    """Linux tcp_recv_urg: EINVAL without urgent data, and when it has been read."""
    with refused(errno.EINVAL):
        peer.socket.recv(1, bsd.MSG_OOB)
    peer.send_urgent(1, b"!", 1)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"!"
    with refused(errno.EINVAL):
        peer.socket.recv(1, bsd.MSG_OOB)


def test_an_urgent_byte_that_was_announced_is_awaited(peer: Peer) -> None:
    """RFC 9293 3.8.5: the user learns of it before it is there; Linux: EAGAIN, never waiting."""
    peer.send_urgent(1, b"ab", 4)
    with refused(errno.EAGAIN):
        peer.socket.recv(1, bsd.MSG_OOB)
    assert not peer.socket.poll() & POLLPRI
    peer.send("P.", 3, 1, b"c!")
    assert peer.socket.poll() & POLLPRI
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"!"
    assert peer.socket.recv(10) == b"abc"


def test_the_urgent_byte_overtakes_what_was_lost_before_it(peer: Peer) -> None:
    """Linux takes it out of a segment that is out of order."""
    peer.send_urgent(11, b"!", 1)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"!"
    with refused(errno.EAGAIN):
        peer.socket.recv(100)
    peer.send("P.", 1, 1, b"0123456789")
    assert peer.socket.recv(100) == b"0123456789"
    assert at_mark(peer.socket)


def test_what_was_not_read_apart_is_lost_when_the_stream_has_passed_it(peer: Peer) -> None:
    peer.send_urgent(1, b"ab!cd", 3)
    assert drain(peer.socket) == b"abcd"
    with refused(errno.EINVAL):
        peer.socket.recv(1, bsd.MSG_OOB)


def test_a_later_pointer_makes_an_earlier_urgent_byte_an_ordinary_one(peer: Peer) -> None:
    """RFC 6093 3.3: Linux and others keep one pointer."""
    peer.send_urgent(1, b"a1b", 2)
    peer.send_urgent(4, b"c2d", 2)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"2"
    assert peer.socket.recv(100) == b"a1bc"
    assert peer.socket.recv(100) == b"d"


def test_an_urgent_byte_that_is_next_is_lost_to_a_later_one(peer: Peer) -> None:
    """Linux tcp_check_urg: the stream must not give out of turn what may have been read apart."""
    peer.send_urgent(1, b"1a", 1)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"1"
    peer.send_urgent(3, b"b2", 2)
    assert peer.socket.recv(100) == b"ab"
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"2"


@pytest.mark.parametrize("pointer", [1, 2])
def test_a_pointer_that_goes_back_changes_nothing(peer: Peer, pointer: int) -> None:
    peer.send_urgent(1, b"ab!", 3)
    peer.send_urgent(1, b"ab!", pointer)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b"!"
    assert peer.socket.recv(100) == b"ab"


def test_only_an_urgent_byte_is_not_readable(peer: Peer) -> None:
    """Linux tcp_poll: POLLPRI, but POLLIN only for what recv would give."""
    peer.send_urgent(1, b"!", 1)
    assert peer.socket.poll() & (POLLIN | POLLPRI) == POLLPRI
    peer.send("P.", 2, 1, b"x")
    assert peer.socket.poll() & (POLLIN | POLLPRI) == POLLIN | POLLPRI


def test_the_end_of_the_stream_after_an_urgent_byte(peer: Peer) -> None:
    peer.send_urgent(1, b"!", 1)
    peer.send("F.", 2, 1)
    assert peer.socket.recv(100) == b""
    with refused(errno.EINVAL):
        peer.socket.recv(1, bsd.MSG_OOB)


def test_an_urgent_byte_that_never_comes_is_the_end() -> None:
    """Linux tcp_recv_urg: 0 once nothing can arrive."""
    peer = Peer()
    peer.open()
    peer.send_urgent(1, b"ab", 9)
    peer.send("F.", 3, 1)
    assert peer.socket.recv(1, bsd.MSG_OOB) == b""


def test_recvmsg_says_that_it_is_urgent(peer: Peer) -> None:
    peer.send_urgent(1, b"!", 1)
    assert peer.socket.recvmsg(10, 0, bsd.MSG_OOB) == (b"!", [], bsd.MSG_OOB, None)


def test_urgent_data_of_any_segmentation_arrive_whole() -> None:
    network = Network()
    client, server = pair(network)
    stream = b""
    for number in range(50):
        piece = bytes((number,)) * (number * 37)
        client.send(piece)
        client.send(b"!", bsd.MSG_OOB)
        network.settle()
        assert server.recv(1, bsd.MSG_OOB) == b"!"
        assert drain(server) == piece
        stream += piece
    assert server.info().tcpi_bytes_received == len(stream) + 50


# --- sending


@pytest.mark.shows("RFC 9293 MUST-62", "RFC 6093 3.1")
def test_the_pointer_is_to_the_byte_behind_the_urgent_one(peer: Peer) -> None:
    """RFC 9293 3.8.5, RFC 6093 3.1."""
    peer.socket.send(b"abc!", bsd.MSG_OOB)
    (seen,) = peer.segments()
    assert seen.flags & URG
    assert (seen.sequence, seen.length, seen.urgent) == (1, 4, 4)


def test_every_segment_before_the_urgent_byte_announces_it_until_it_is_acknowledged(peer: Peer) -> None:
    peer.socket.send(bytes(3000))
    peer.segments()
    peer.socket.send(b"!", bsd.MSG_OOB)
    peer.socket.send(b"ordinary")
    urgent, rest = peer.segments()
    assert (urgent.sequence, urgent.urgent, bool(urgent.flags & URG)) == (3001, 1, True)
    assert (rest.sequence, rest.length, bool(rest.flags & URG)) == (3002, len(b"ordinary"), False)
    peer.after(2 * SECOND)
    again = next(seen for seen in peer.segments() if seen.sequence == 1)
    assert (again.urgent, bool(again.flags & URG)) == (3001, True)
    peer.send(".", 1, 3002)
    peer.after(2 * SECOND)
    assert not any(seen.flags & URG for seen in peer.segments())


def test_urgent_data_are_not_held_back_by_nagle_or_the_cork(peer: Peer) -> None:
    """Linux tcp_nagle_test."""
    option(peer.socket, bsd.TCP_CORK, 1)
    peer.socket.send(b"held")
    assert peer.data() == []
    peer.socket.send(b"!", bsd.MSG_OOB)
    assert peer.data() == [(1, 5)]


def test_a_shut_window_does_not_keep_the_peer_from_learning_of_urgent_data() -> None:
    """RFC 9293 3.8.6.1: a zero-window probe carries the urgent pointer (Linux tcp_write_wakeup)."""
    peer = Peer()
    peer.open(window=0)
    peer.socket.send(b"!", bsd.MSG_OOB)
    assert peer.data() == []
    peer.after(2 * SECOND)
    probes = peer.segments()
    assert {(seen.sequence, seen.length, seen.urgent) for seen in probes} == {(1, 0, 1), (0, 0, 2)}


def test_an_urgent_byte_too_far_ahead_is_announced_as_far_as_the_field_goes() -> None:
    """RFC 9293 3.1: 16 bits; Linux says 65535 if that is beyond what was sent."""
    peer = Peer(initial_window=10)
    peer.open()
    peer.socket.send(bytes(200_000) + b"!", bsd.MSG_OOB)
    first = peer.segments()[0]
    assert (first.sequence, first.urgent, bool(first.flags & URG)) == (1, 0xFFFF, True)
