"""How much a socket takes and offers: TCP_NOTSENT_LOWAT, TCP_WINDOW_CLAMP, SO_RCVLOWAT (tcp(7), socket(7))."""

import errno
import socket as bsd

import pytest

from stack.clock import MILLISECOND
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import pair, tcp

SOL, TCP = bsd.SOL_SOCKET, bsd.IPPROTO_TCP


@pytest.fixture
def network() -> Network:
    return Network()


# --- TCP_NOTSENT_LOWAT


def test_no_more_is_taken_while_enough_is_unsent() -> None:
    """tcp(7), Linux sk_stream_memory_free: whole pieces are taken as long as less than that is unsent."""
    peer = Peer(initial_window=1)
    peer.open()
    option(peer.socket, bsd.TCP_NOTSENT_LOWAT, 2000)
    assert peer.socket.send(bytes(1460 + 1999)) == 1460 + 1999
    assert peer.socket.send(bytes(100)) == 100
    with refused(errno.EAGAIN):
        peer.socket.send(b"x")
    peer.send(".", 1, 1461)
    assert peer.socket.send(b"x") == 1


def test_a_long_write_is_taken_piece_by_piece() -> None:
    peer = Peer(initial_window=1)
    peer.open()
    option(peer.socket, bsd.TCP_NOTSENT_LOWAT, 2000)
    assert peer.socket.send(bytes(1 << 20)) == 1 << 16


def test_the_hosts_limit_holds_for_sockets_that_set_none() -> None:
    """Linux tcp_notsent_lowat."""
    peer = Peer(initial_window=1, notsent_lowat=500)
    peer.open()
    assert peer.socket.getsockopt(TCP, bsd.TCP_NOTSENT_LOWAT) == 0
    peer.socket.send(bytes(1460 + 500))
    with refused(errno.EAGAIN):
        peer.socket.send(b"x")
    option(peer.socket, bsd.TCP_NOTSENT_LOWAT, 0xFFFFFFFF)
    assert peer.socket.send(b"x") == 1


# --- TCP_WINDOW_CLAMP, SO_RCVBUF


def test_the_window_is_clamped() -> None:
    """tcp(7): the size of the advertised window is bound to this value, at least half of the least SO_RCVBUF."""
    peer = Peer(window_scaling=False)
    option(peer.socket, bsd.TCP_WINDOW_CLAMP, 5000)
    peer.begin()
    peer.send("S.", 0, 1, mss=1460)
    (ack,) = peer.sent()
    assert ack.window == 5000
    option(peer.socket, bsd.TCP_WINDOW_CLAMP, 1)
    assert peer.socket.getsockopt(TCP, bsd.TCP_WINDOW_CLAMP) == 1152
    with refused(errno.EINVAL):
        option(peer.socket, bsd.TCP_WINDOW_CLAMP, 0)


def test_a_window_that_was_offered_is_not_taken_back() -> None:
    """RFC 9293 3.8.6.2.2, SHLD-14: the right edge stays when the clamp comes later."""
    peer = Peer(window_scaling=False)
    peer.open()
    peer.socket.setsockopt(SOL, bsd.SO_KEEPALIVE, 0)
    option(peer.socket, bsd.TCP_WINDOW_CLAMP, 2000)
    peer.send("P.", 1, 1, bytes(1000))
    peer.after(40 * MILLISECOND)
    (ack,) = peer.sent()
    assert (ack.ack, ack.window) == (1001, 65535 - 1000)


# --- SO_RCVLOWAT; how coroutines wait for it is in test_waiting_for_more


def test_without_waiting_low_water_holds_nothing_back(network: Network) -> None:
    """Linux: recv of a non-blocking socket gives what there is."""
    client, server = pair(network)
    server.setsockopt(SOL, bsd.SO_RCVLOWAT, 100)
    client.send(b"little")
    network.settle()
    assert server.recv(100, bsd.MSG_WAITALL) == b"little"


def test_low_water_has_bounds(network: Network) -> None:
    """socket(7): 1 by default; Linux takes 0 for 1 and a negative number for as many as there can be."""
    socket = tcp(network.a)
    for asked, kept in [(None, 1), (0, 1), (7, 7), (-1, (1 << 31) - 1)]:
        if asked is not None:
            socket.setsockopt(SOL, bsd.SO_RCVLOWAT, asked)
        assert socket.getsockopt(SOL, bsd.SO_RCVLOWAT) == kept
    assert socket.getsockopt(SOL, bsd.SO_SNDLOWAT) == 1
    with refused(errno.ENOPROTOOPT):
        socket.setsockopt(SOL, bsd.SO_SNDLOWAT, 2)


def test_low_water_makes_room_for_itself(network: Network) -> None:
    """Linux tcp_set_rcvlowat."""
    client, server = pair(network)
    server.setsockopt(SOL, bsd.SO_RCVLOWAT, 1 << 20)
    assert server.info().tcpi_rcv_space == 1 << 20
    client.setsockopt(SOL, bsd.SO_RCVBUF, 10_000)
    client.setsockopt(SOL, bsd.SO_RCVLOWAT, 1 << 20)
    assert client.info().tcpi_rcv_space == 10_000
