"""epoll(7), epoll_ctl(2), epoll_wait(2)."""

import errno
import socket as bsd

import pytest

from stack.sockets.poll import EPOLLET, EPOLLONESHOT, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, Epoll
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import connecting, drain, listening, pair, tcp


@pytest.fixture
def network() -> Network:
    return Network()


def test_level_triggered_a_socket_is_told_as_long_as_it_is_ready(network: Network) -> None:
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLIN, "server")
    assert epoll.wait(10) == []
    client.send(b"xy")
    network.settle()
    assert epoll.wait(10) == epoll.wait(10) == [("server", POLLIN)]
    server.recv(1)
    assert epoll.wait(10) == [("server", POLLIN)]
    server.recv(1)
    assert epoll.wait(10) == []
    assert not epoll.readable


def test_edge_triggered_it_is_told_once_for_each_arrival(network: Network) -> None:
    """epoll(7): what is left unread is not told again, but what arrives is, even if there is unread data."""
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLIN | EPOLLET)
    client.send(b"first")
    network.settle()
    assert epoll.wait(10) == [(server.fileno(), POLLIN)]
    assert epoll.wait(10) == []
    client.send(b"second")
    network.settle()
    assert epoll.wait(10) == [(server.fileno(), POLLIN)]
    assert epoll.wait(10) == []
    assert drain(server) == b"firstsecond"


def test_an_edge_tells_everything_that_is_there(network: Network) -> None:
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLIN | POLLOUT | EPOLLET, 1)
    assert epoll.wait(10) == [(1, POLLOUT)]
    assert epoll.wait(10) == []
    client.send(b"x")
    network.settle()
    assert epoll.wait(10) == [(1, POLLIN | POLLOUT)]


def test_an_ack_is_no_edge_unless_somebody_lacked_space() -> None:
    """Linux wakes a writer that found the buffer full (SOCK_NOSPACE), and no other."""
    peer = Peer(send_buffer=30_000)
    peer.open()
    epoll = Epoll()
    epoll.add(peer.socket, POLLOUT | EPOLLET, 1)
    assert epoll.wait(10) == [(1, POLLOUT)]
    peer.socket.send(bytes(5000))
    peer.send(".", 1, 5001)
    assert epoll.wait(10) == []
    assert peer.socket.send(bytes(40_000)) == 30_000
    peer.send(".", 1, 5001 + 1460)
    assert epoll.wait(10) == []
    peer.send(".", 1, 5001 + 4 * 1460)
    peer.send(".", 1, 5001 + 8 * 1460)
    assert epoll.wait(10) == [(1, POLLOUT)]
    peer.send(".", 1, 5001 + 9 * 1460)
    assert epoll.wait(10) == []


def test_a_window_update_that_lets_unsent_data_go_is_an_edge() -> None:
    """TCP_NOTSENT_LOWAT (tcp(7)): Linux looks for space after every ACK."""
    peer = Peer()
    peer.open(window=1000)
    option(peer.socket, bsd.TCP_NOTSENT_LOWAT, 1000)
    epoll = Epoll()
    epoll.add(peer.socket, POLLOUT | EPOLLET, 1)
    assert epoll.wait(10) == [(1, POLLOUT)]
    peer.socket.send(bytes(2900))
    peer.send(".", 1, 1, window=1000)
    assert epoll.wait(10) == []
    with refused(errno.EAGAIN):
        peer.socket.send(b"x")
    peer.send(".", 1, 1, window=30_000)
    assert epoll.wait(10) == [(1, POLLOUT)]


def test_urgent_data_are_an_edge_of_their_own(network: Network) -> None:
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLPRI | EPOLLET, 1)
    client.send(b"ordinary")
    network.settle()
    assert epoll.wait(10) == []
    client.send(b"!", bsd.MSG_OOB)
    network.settle()
    assert epoll.wait(10) == [(1, POLLPRI)]


def test_once_only_until_it_is_asked_for_again(network: Network) -> None:
    """EPOLLONESHOT."""
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLIN | EPOLLONESHOT, 1)
    client.send(b"x")
    network.settle()
    assert epoll.wait(10) == [(1, POLLIN)]
    client.send(b"y")
    network.settle()
    assert epoll.wait(10) == []
    epoll.modify(server, POLLIN | EPOLLONESHOT, 2)
    assert epoll.wait(10) == [(2, POLLIN)]
    client.close()
    network.settle()
    assert epoll.wait(10) == []


def test_hanging_up_is_told_though_nobody_wants_it(network: Network) -> None:
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLRDHUP | EPOLLET, 1)
    client.shutdown(bsd.SHUT_WR)
    network.settle()
    assert epoll.wait(10) == [(1, POLLRDHUP)]
    server.shutdown(bsd.SHUT_WR)
    assert epoll.wait(10) == [(1, POLLRDHUP | POLLHUP)]


def test_low_water_keeps_an_edge_back(network: Network) -> None:
    """SO_RCVLOWAT (Linux tcp_data_ready)."""
    client, server = pair(network)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVLOWAT, 4)
    epoll = Epoll()
    epoll.add(server, POLLIN | EPOLLET, 1)
    client.send(b"abc")
    network.settle()
    assert epoll.wait(10) == []
    client.send(b"d")
    network.settle()
    assert epoll.wait(10) == [(1, POLLIN)]


def test_those_that_are_ready_take_turns(network: Network) -> None:
    """epoll_wait(2): with more ready than asked for, the next call gives the others."""
    listener = listening(network.b)
    clients = [connecting(tcp(network.a)) for _ in range(3)]
    network.settle()
    epoll = Epoll()
    for number, client in enumerate(clients):
        epoll.add(client, POLLOUT, number)
    assert epoll.wait(2) == [(0, POLLOUT), (1, POLLOUT)]
    assert epoll.wait(2) == [(2, POLLOUT), (0, POLLOUT)]
    listener.close()


def test_closing_a_socket_removes_it(network: Network) -> None:
    client, server = pair(network)
    epoll = Epoll()
    epoll.add(server, POLLIN)
    client.send(b"x")
    network.settle()
    server.close()
    assert epoll.wait(10) == []
    with refused(errno.ENOENT):
        epoll.remove(server)
    with refused(errno.EBADF):
        epoll.add(server, POLLIN)


def test_mistakes(network: Network) -> None:
    """epoll_ctl(2), epoll_wait(2): EEXIST, ENOENT, EINVAL."""
    socket, epoll = tcp(network.a), Epoll()
    with refused(errno.ENOENT):
        epoll.modify(socket, POLLIN)
    epoll.add(socket, POLLIN)
    with refused(errno.EEXIST):
        epoll.add(socket, POLLIN)
    epoll.remove(socket)
    assert epoll.wait(1) == []
    with refused(errno.EINVAL):
        epoll.wait(0)


def test_who_waits_is_woken(network: Network) -> None:
    client, server = pair(network)
    epoll = Epoll()
    woken: list[bool] = []
    epoll.watch(lambda: woken.append(epoll.readable))
    epoll.add(server, POLLIN | EPOLLET)
    client.send(b"x")
    network.settle()
    assert woken == [True]
    epoll.close()
    client.send(b"y")
    network.settle()
    assert woken == [True]


def test_a_listener_is_an_edge_for_each_connection(network: Network) -> None:
    listener = listening(network.b)
    epoll = Epoll()
    epoll.add(listener, POLLIN | EPOLLET, 1)
    for _ in range(2):
        connecting(tcp(network.a))
        network.settle()
        assert epoll.wait(10) == [(1, POLLIN)]
        assert epoll.wait(10) == []


def test_a_datagram_is_an_edge(network: Network) -> None:
    socket = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    socket.bind(("", 53))
    sender = network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    epoll = Epoll()
    epoll.add(socket, POLLIN | EPOLLET, 1)
    for _ in range(2):
        sender.sendto(b"x", ("10.0.0.1", 53))
        network.settle()
        assert epoll.wait(10) == [(1, POLLIN)]
        assert epoll.wait(10) == []
