"""TCP sockets until they are connected: POSIX, tcp(7), RFC 9293 3.9.1.1."""

import errno
import socket as bsd
from struct import pack

import pytest

from stack.clock import SECOND
from stack.config import HostConfig, PortConfig
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.streams import ABORT, MINUTE, B, connecting, listening, pair, tcp


@pytest.fixture
def network() -> Network:
    return Network()


# --- connect: RFC 9293 3.9.1.1, POSIX connect


def test_connect_begins_goes_on_and_succeeds(network: Network) -> None:
    listening(network.b)
    socket = tcp(network.a)
    with refused(errno.EINPROGRESS):
        socket.connect(B)
    assert not socket.writable
    with refused(errno.EALREADY):
        socket.connect(B)
    network.settle()
    assert socket.writable
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == 0
    socket.connect(B)  # as on Linux, the first to ask is told of the success
    with refused(errno.EISCONN):
        socket.connect(B)


def test_connect_to_nobody_is_refused(network: Network) -> None:
    socket = connecting(tcp(network.a))
    network.settle()
    assert socket.readable
    assert socket.writable
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.ECONNREFUSED
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == 0


def test_a_refused_socket_is_told_once_and_can_try_again(network: Network) -> None:
    socket = connecting(tcp(network.a))
    network.settle()
    with refused(errno.ECONNREFUSED):
        socket.connect(B)
    listening(network.b)
    connecting(socket)
    network.settle()
    socket.connect(B)
    assert socket.getpeername() == B


def test_connect_after_so_error_told_of_the_failure_is_aborted_once(network: Network) -> None:
    """Linux inet_stream_connect: the failure has to be noticed by connect() before the next attempt."""
    socket = connecting(tcp(network.a))
    network.settle()
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.ECONNREFUSED
    with refused(errno.ECONNABORTED):
        socket.connect(B)
    connecting(socket)


def test_connect_to_silence_times_out(network: Network) -> None:
    network.at_a.lose = lambda frame: True
    network.a.add_address(network.a.interfaces["eth0"], "10.0.0.9/24")
    socket = tcp(network.a)
    socket.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_SYNCNT, 2)
    network.at_a.lose = lambda frame: bytes(frame)[12:14] == b"\x08\x00"  # ARP is answered, IPv4 is not
    connecting(socket)
    network.settle(10 * MINUTE)
    with refused(errno.ETIMEDOUT):
        socket.connect(B)


def test_connect_errors_that_need_no_packet(network: Network) -> None:
    with refused(errno.ENETUNREACH):
        tcp(network.a).connect(("192.0.2.1", 80))
    with refused(errno.EISCONN):
        listening(network.a).connect(B)
    closed = tcp(network.a)
    closed.close()
    with refused(errno.EBADF):
        closed.connect(B)
    assert not network.at_a.sent


@pytest.mark.shows("RFC 9293 MUST-46")
@pytest.mark.parametrize("address", ["224.0.0.1", "10.0.0.255", "255.255.255.255", "ff02::1"])
def test_connect_to_many_is_an_error(network: Network, address: str) -> None:
    """RFC 9293 3.9.1.1 (MUST-46)."""
    socket = tcp(network.a, bsd.AF_INET6 if ":" in address else bsd.AF_INET)
    with refused(errno.ENETUNREACH):
        socket.connect((address, 80))
    assert not network.at_a.sent


def test_connect_to_the_unspecified_address_means_this_host(network: Network) -> None:
    listener = listening(network.a)
    socket = connecting(tcp(network.a), ("", 80))
    network.settle()
    assert socket.getpeername() == ("127.0.0.1", 80)
    assert listener.accept()[1] == socket.getsockname()


def test_a_4_tuple_in_use_is_not_available(network: Network) -> None:
    listening(network.b)
    connecting(tcp(network.a, address=("", 5000), reuse=True))
    second = tcp(network.a, address=("", 5000), reuse=True)
    with refused(errno.EADDRNOTAVAIL):
        second.connect(B)
    connecting(second, ("10.0.0.2", 81))
    network.settle()
    for socket in list(network.a.sockets):
        socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
        socket.close()
    tcp(network.a, address=("", 5000))


def test_when_all_ports_are_used_the_next_connection_gets_none() -> None:
    network = Network(HostConfig(ports=PortConfig(ephemeral_low=40000, ephemeral_high=40002)))
    listening(network.b)
    sockets = [connecting(tcp(network.a)) for _ in range(3)]
    with refused(errno.EADDRNOTAVAIL):
        tcp(network.a).connect(B)
    connecting(tcp(network.a), ("10.0.0.2", 81))
    network.settle()
    sockets[0].setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    sockets[0].close()
    connecting(tcp(network.a))


def test_successive_connections_to_one_server_take_successive_ports(network: Network) -> None:
    """RFC 6056 3.3.4."""
    listening(network.b)
    ports = [connecting(tcp(network.a)).getsockname()[1] for _ in range(5)]
    assert [port - ports[0] for port in ports] == [0, 1, 2, 3, 4]


def test_shutdown_ends_an_attempt_to_connect(network: Network) -> None:
    """Linux inet_shutdown in SYN-SENT."""
    socket = connecting(tcp(network.a))
    socket.shutdown(bsd.SHUT_WR)
    with refused(errno.ENOTCONN):
        socket.recv(1)
    connecting(socket)


@pytest.mark.shows("RFC 9293 MUST-10")
def test_a_simultaneous_open_makes_one_connection(network: Network) -> None:
    """RFC 9293 3.5, figure 7."""
    one, other = tcp(network.a, address=("", 1000)), tcp(network.b, address=("", 1000))
    connecting(one, ("10.0.0.2", 1000))
    connecting(other, ("10.0.0.1", 1000))
    network.settle()
    one.connect(("10.0.0.2", 1000))
    other.connect(("10.0.0.1", 1000))
    one.send(b"hello")
    network.settle()
    assert other.recv(100) == b"hello"


def test_an_attempt_that_was_shut_down_and_failed_leaves_no_trace(network: Network) -> None:
    listening(network.b)
    socket = tcp(network.a, address=("", 1000))
    network.at_a.lose = lambda frame: bytes(frame)[12:14] == b"\x08\x00"
    connecting(socket, ("10.0.0.2", 1000))
    connecting(tcp(network.b, address=("", 1000)), ("10.0.0.1", 1000))
    network.settle()  # half of a simultaneous open: SYN-RECEIVED
    socket.shutdown(bsd.SHUT_RDWR)
    network.settle(30 * MINUTE)
    with refused(errno.ETIMEDOUT):
        socket.connect(("10.0.0.2", 1000))
    network.at_a.lose = lambda frame: False
    connecting(socket)
    network.settle()
    with refused(errno.EAGAIN):
        socket.recv(1)
    assert socket.send(b"x") == 1


# --- bind


def test_bind_errors(network: Network) -> None:
    bound = tcp(network.a, address=("10.0.0.1", 80))
    with refused(errno.EINVAL):
        bound.bind(("10.0.0.1", 81))
    with refused(errno.EADDRINUSE):
        tcp(network.a, address=("", 80))
    with refused(errno.EADDRNOTAVAIL):
        tcp(network.a, address=("10.0.0.2", 80))
    with refused(errno.EADDRNOTAVAIL):
        tcp(network.a, address=("224.0.0.1", 80))
    with refused(errno.EADDRNOTAVAIL):
        tcp(network.a, address=("10.0.0.255", 80))


def test_a_connected_socket_cannot_be_bound(network: Network) -> None:
    client, _ = pair(network)
    with refused(errno.EINVAL):
        client.bind(("", 5000))


@pytest.mark.shows("RFC 9293 MUST-43", "RFC 1122 3.3.4.2-2")
def test_a_bound_socket_connects_from_there(network: Network) -> None:
    listener = listening(network.b)
    network.a.add_address(network.a.interfaces["eth0"], "10.0.0.9/24")
    connecting(tcp(network.a, address=("10.0.0.9", 5000)))
    network.settle()
    assert listener.accept()[1] == ("10.0.0.9", 5000)


def test_a_bound_socket_keeps_its_port_when_connecting_fails(network: Network) -> None:
    socket = connecting(tcp(network.a, address=("", 5000)))
    network.settle()
    with refused(errno.ECONNREFUSED):
        socket.connect(B)
    assert socket.getsockname() == ("0.0.0.0", 5000)
    with refused(errno.EADDRINUSE):
        tcp(network.a, address=("", 5000))
    connecting(socket)
    assert socket.getsockname() == ("10.0.0.1", 5000)


# --- listen and accept


def test_accept_hands_out_connections_in_order(network: Network) -> None:
    listener = listening(network.b)
    with refused(errno.EAGAIN):
        listener.accept()
    assert not listener.readable
    clients = [connecting(tcp(network.a)) for _ in range(3)]
    network.settle()
    assert listener.readable
    for client in clients:
        accepted, address = listener.accept()
        assert address == client.getsockname() == accepted.getpeername()
        assert accepted.getsockname() == client.getpeername() == B
    assert not listener.readable


def test_listen_errors(network: Network) -> None:
    client, server = pair(network)
    for connected in (client, server):
        with refused(errno.EINVAL):
            connected.listen()
    first, second = (tcp(network.b, address=("", 81), reuse=True) for _ in range(2))
    first.listen()
    with refused(errno.EADDRINUSE):
        second.listen()
    with refused(errno.EINVAL):
        second.accept()


def test_listen_without_bind_takes_an_ephemeral_port(network: Network) -> None:
    socket = tcp(network.b)
    socket.listen()
    connecting(tcp(network.a), ("10.0.0.2", socket.getsockname()[1]))
    network.settle()
    assert socket.readable


def test_data_calls_on_a_listener(network: Network) -> None:
    listener = listening(network.b)
    assert not listener.writable
    with refused(errno.ENOTCONN):
        listener.recv(1)
    with refused(errno.EPIPE):
        listener.send(b"x")
    with refused(errno.ENOTCONN):
        listener.getpeername()


def test_the_backlog_bounds_what_waits_and_can_be_changed(network: Network) -> None:
    listener = tcp(network.b, address=("", 80))
    listener.listen(0)
    clients = [connecting(tcp(network.a)) for _ in range(3)]
    network.settle()
    listener.accept()
    with refused(errno.EAGAIN):
        listener.accept()
    listener.listen(10)
    for client in clients:
        client.connect(B)
        client.send(b"x")  # brings a SYN cookie back, if there was no room to remember the SYN
    network.settle(10 * SECOND)
    for _ in range(2):
        listener.accept()


def test_closing_a_listener_resets_what_nobody_accepted(network: Network) -> None:
    listener = listening(network.b)
    client = connecting(tcp(network.a))
    network.settle()
    client.connect(B)
    listener.close()
    network.settle()
    with refused(errno.ECONNRESET):
        client.recv(1)
    listening(network.b).close()


def test_shutdown_for_reading_ends_a_listener_which_stays_bound(network: Network) -> None:
    listener = listening(network.b)
    listener.shutdown(bsd.SHUT_WR)
    assert listener.getsockopt(bsd.SOL_SOCKET, bsd.SO_ACCEPTCONN) == 1
    listener.shutdown(bsd.SHUT_RD)
    assert listener.getsockopt(bsd.SOL_SOCKET, bsd.SO_ACCEPTCONN) == 0
    with refused(errno.EINVAL):
        listener.accept()
    client = connecting(tcp(network.a))
    network.settle()
    with refused(errno.ECONNREFUSED):
        client.connect(B)
    listener.listen()
    connecting(client)
    network.settle()
    assert listener.readable


def test_a_listener_that_was_shut_down_lets_another_listen(network: Network) -> None:
    first = listening(network.b, reuse=True)
    first.shutdown(bsd.SHUT_RD)
    listening(network.b, reuse=True)
    with refused(errno.EADDRINUSE):
        first.listen()


def test_an_accepted_socket_inherits_the_options_of_its_listener(network: Network) -> None:
    listener = listening(network.b)
    listener.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY, 1)
    listener.setsockopt(bsd.SOL_SOCKET, bsd.SO_KEEPALIVE, 1)
    listener.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    listener.setsockopt(bsd.IPPROTO_IP, bsd.IP_TTL, 7)
    client = connecting(tcp(network.a))
    network.settle()
    assert bytes(network.at_b.sent[-1])[14 + 8] == 7
    accepted, _ = listener.accept()
    assert accepted.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY) == 1
    assert accepted.getsockopt(bsd.SOL_SOCKET, bsd.SO_KEEPALIVE) == 1
    assert accepted.getsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, 8) == ABORT
    accepted.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY, 0)
    accepted.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, pack("ii", 0, 0))
    assert listener.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY) == 1
    assert listener.getsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER) == 1
    accepted.send(b"x")
    network.settle()
    assert client.recv(10) == b"x"
    assert bytes(network.at_b.sent[-1])[14 + 8] == 7


# --- dual stack: RFC 3493 3.7, 5.3


def test_one_listener_accepts_both_families(network: Network) -> None:
    listener = listening(network.b, bsd.AF_INET6)
    four = connecting(tcp(network.a))
    network.settle()
    six = connecting(tcp(network.a, bsd.AF_INET6), ("fd00::2", 80))
    network.settle()
    accepted, address = listener.accept()
    assert address == ("::ffff:10.0.0.1", four.getsockname()[1], 0, 0)
    assert accepted.getsockname() == ("::ffff:10.0.0.2", 80, 0, 0)
    accepted, address = listener.accept()
    assert address == six.getsockname()
    assert accepted.getsockname() == ("fd00::2", 80, 0, 0)


def test_an_ipv6_only_listener_leaves_ipv4_to_another(network: Network) -> None:
    six = tcp(network.b, bsd.AF_INET6)
    six.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_V6ONLY, 1)
    six.bind(("", 80))
    six.listen()
    refused_client = connecting(tcp(network.a))
    network.settle()
    with refused(errno.ECONNREFUSED):
        refused_client.connect(B)
    four = listening(network.b)
    connecting(refused_client)
    network.settle()
    assert four.readable
    assert not six.readable


def test_an_ipv6_socket_connects_to_a_mapped_address(network: Network) -> None:
    listener = listening(network.b)
    client = connecting(tcp(network.a, bsd.AF_INET6), ("::ffff:10.0.0.2", 80))
    network.settle()
    assert client.getpeername() == ("::ffff:10.0.0.2", 80, 0, 0)
    assert listener.accept()[1] == ("10.0.0.1", client.getsockname()[1])


# --- loopback


def test_a_host_can_talk_to_itself(network: Network) -> None:
    listener = listening(network.a, bsd.AF_INET6)
    client = connecting(tcp(network.a), ("127.0.0.1", 80))
    network.settle()
    server, address = listener.accept()
    assert address[0] == "::ffff:127.0.0.1"
    client.send(b"me")
    network.settle()
    assert server.recv(10) == b"me"
