"""poll(2) of sockets, as Linux's tcp_poll and datagram_poll answer."""

import errno
import socket as bsd
from struct import pack

import pytest

from stack.sockets import StreamSocket
from stack.sockets.poll import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
    poll,
)
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import B, connecting, listening, pair, tcp

IN, OUT = POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM
OVER = IN | OUT | POLLRDHUP | POLLHUP


@pytest.fixture
def network() -> Network:
    return Network()


def test_a_new_socket_is_writable_and_hung_up(network: Network) -> None:
    assert tcp(network.a).poll() == OUT | POLLHUP


def test_a_listener_is_readable_when_somebody_waits(network: Network) -> None:
    listener = listening(network.b)
    assert listener.poll() == 0
    connecting(tcp(network.a))
    network.settle()
    assert listener.poll() == IN
    listener.accept()
    assert listener.poll() == 0


def test_a_socket_that_connects_is_neither(network: Network) -> None:
    listening(network.b)
    client = connecting(tcp(network.a))
    assert client.poll() == 0
    network.settle()
    assert client.poll() == OUT


def test_a_refused_connection_is_everything_and_an_error(network: Network) -> None:
    client = connecting(tcp(network.a))
    network.settle()
    assert client.poll() == OVER | POLLERR
    assert client.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.ECONNREFUSED
    assert client.poll() == OVER
    with refused(errno.ECONNABORTED):
        client.connect(B)
    assert client.poll() == OUT | POLLHUP


def test_data_make_it_readable(network: Network) -> None:
    client, server = pair(network)
    assert server.poll() == OUT
    client.send(b"x")
    network.settle()
    assert server.poll() == IN | OUT
    server.recv(1)
    assert server.poll() == OUT


def test_the_peers_fin_is_readable_and_half_a_hang_up(network: Network) -> None:
    client, server = pair(network)
    client.shutdown(bsd.SHUT_WR)
    network.settle()
    assert server.poll() == IN | OUT | POLLRDHUP
    assert client.poll() == OUT


def test_both_halves_closed_are_a_hang_up(network: Network) -> None:
    client, server = pair(network)
    client.shutdown(bsd.SHUT_WR)
    network.settle()
    server.shutdown(bsd.SHUT_WR)
    assert server.poll() == OVER
    network.settle()
    assert client.poll() == OVER


def test_shutting_down_this_side(network: Network) -> None:
    client, _ = pair(network)
    client.shutdown(bsd.SHUT_RD)
    assert client.poll() == IN | OUT | POLLRDHUP
    client.shutdown(bsd.SHUT_WR)
    assert client.poll() == OVER


def test_a_reset_is_everything(network: Network) -> None:
    client, server = pair(network)
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, pack("ii", 1, 0))
    client.close()
    network.settle()
    assert server.poll() == OVER | POLLERR


def test_a_full_buffer_is_not_writable_until_a_third_is_free() -> None:
    """Linux sk_stream_is_writeable."""
    peer = Peer(send_buffer=30_000)
    peer.open()
    assert peer.socket.send(bytes(30_000)) == 30_000
    assert peer.socket.poll() == 0
    peer.send(".", 1, 1 + 5 * 1460)
    assert peer.socket.poll() == 0
    peer.send(".", 1, 1 + 10_000)
    assert peer.socket.poll() == OUT


def test_low_water_for_reading(network: Network) -> None:
    """SO_RCVLOWAT: socket(7); since Linux 2.6.28 poll honours it."""
    client, server = pair(network)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVLOWAT, 10)
    client.send(b"012345678")
    network.settle()
    assert server.poll() == OUT
    client.send(b"9")
    network.settle()
    assert server.poll() == IN | OUT
    server.recv(1)
    assert server.poll() == OUT
    client.close()
    network.settle()
    assert server.poll() == IN | OUT | POLLRDHUP


def test_a_shut_window_is_readable_whatever_the_low_water() -> None:
    """Linux tcp_epollin_ready: with no room for another segment, waiting for more would be for ever."""
    peer = Peer(receive_buffer=4096, moderate_receive_buffer=False)
    peer.open()
    peer.socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVLOWAT, 100_000)
    peer.send(".", 1, 1, bytes(1000))
    assert peer.socket.poll() == OUT
    peer.send(".", 1001, 1, bytes(1460))
    peer.send(".", 2461, 1, bytes(1460))
    assert peer.socket.poll() == IN | OUT


def test_low_water_for_what_is_unsent() -> None:
    """TCP_NOTSENT_LOWAT: writable while less than half of it is unsent (Linux tcp_stream_memory_free)."""
    peer = Peer(initial_window=2)
    peer.open()
    option(peer.socket, bsd.TCP_NOTSENT_LOWAT, 4000)
    peer.socket.send(bytes(2 * 1460 + 1999))
    assert peer.socket.poll() == OUT
    peer.socket.send(bytes(1))
    assert peer.socket.poll() == 0
    peer.send(".", 1, 1 + 2 * 1460)
    assert peer.socket.poll() == OUT


def test_a_datagram_socket(network: Network) -> None:
    a = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    out = OUT | POLLWRBAND
    assert a.poll() == out
    a.bind(("", 53))
    network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM).sendto(b"x", ("10.0.0.1", 53))
    network.settle()
    assert a.poll() == IN | out
    a.recv(1)
    assert a.poll() == out


def test_the_end_of_a_datagram_socket(network: Network) -> None:
    a = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    a.connect(("10.0.0.2", 9))
    out = OUT | POLLWRBAND
    a.send(b"x")
    network.settle()
    assert a.poll() == out | POLLERR
    assert a.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.ECONNREFUSED
    a.shutdown(bsd.SHUT_RD)
    assert a.poll() == IN | out | POLLRDHUP
    a.shutdown(bsd.SHUT_WR)
    assert a.poll() == IN | out | POLLRDHUP | POLLHUP


def test_poll_tells_what_is_wanted_and_what_nobody_wants(network: Network) -> None:
    """poll(2): POLLERR, POLLHUP and POLLNVAL are ignored in events, and told all the same."""
    client, server = pair(network)
    fresh, closed = tcp(network.a), tcp(network.a)
    closed.close()
    client.send(b"x")
    network.settle()
    wanted: list[tuple[StreamSocket, int]] = [
        (server, POLLIN | POLLPRI),
        (client, POLLIN),
        (fresh, 0),
        (closed, 0),
    ]
    assert poll(wanted) == [POLLIN, 0, POLLHUP, POLLNVAL]
