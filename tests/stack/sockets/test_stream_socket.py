"""TCP sockets once they are connected: POSIX, tcp(7), the user calls of RFC 9293 3.9.1."""

import errno
import socket as bsd

import pytest

from stack.clock import SECOND
from stack.config import HostConfig, TcpConfig
from stack.wire.tcp import FIN, RST, SYN
from tests.stack.sockets.network import DELAY, Network, refused
from tests.stack.sockets.streams import ABORT, MINUTE, B, connecting, drain, flags_sent, listening, pair, tcp


@pytest.fixture
def network() -> Network:
    return Network()


# --- send and recv: RFC 9293 3.9.1.2, 3.9.1.3


def test_bytes_go_both_ways(network: Network) -> None:
    client, server = pair(network)
    assert client.send(b"question") == 8
    network.settle()
    assert server.recv(100) == b"question"
    assert server.sendto(b"answer", ("192.0.2.1", 1)) == 6  # the address is ignored
    network.settle()
    assert client.recvfrom(3) == (b"ans", None)
    assert client.recv(100) == b"wer"


def test_a_socket_without_connection(network: Network) -> None:
    """Linux: EPIPE for a send, ENOTCONN for all else."""
    socket = tcp(network.a)
    with refused(errno.EPIPE):
        socket.send(b"x")
    with refused(errno.ENOTCONN):
        socket.recv(1)
    with refused(errno.ENOTCONN):
        socket.shutdown(bsd.SHUT_WR)
    with refused(errno.ENOTCONN):
        socket.getpeername()
    with refused(errno.EINVAL):
        socket.accept()
    with refused(errno.ENOTCONN):
        socket.info()
    assert socket.readable
    assert socket.writable


def test_while_connecting_data_has_to_wait(network: Network) -> None:
    socket = connecting(tcp(network.a))
    with refused(errno.EAGAIN):
        socket.send(b"x")
    with refused(errno.EAGAIN):
        socket.recv(1)
    with refused(errno.ENOTCONN):
        socket.getpeername()
    assert socket.getsockname()[0] == "10.0.0.1"


def test_recv_takes_no_more_than_it_is_asked_for(network: Network) -> None:
    client, server = pair(network)
    client.send(b"0123456789")
    network.settle()
    assert server.recv(0) == b""
    assert server.recv(4, bsd.MSG_PEEK) == b"0123"
    assert server.recv(4, bsd.MSG_WAITALL | bsd.MSG_DONTWAIT) == b"0123"
    assert server.recv(100) == b"456789"
    with refused(errno.EAGAIN):
        server.recv(100)
    with pytest.raises(ValueError, match="negative"):
        server.recv(-1)


def test_a_full_send_buffer_is_eagain_until_there_is_room(network: Network) -> None:
    client, server = pair(network)
    chunk = bytes(100_000)
    sent = 0
    with refused(errno.EAGAIN):
        while True:
            sent += client.send(chunk)
    assert not client.writable
    assert client.send(b"") == 0
    assert not client.readable
    total = 0
    while total < sent:
        network.settle()
        total += len(drain(server))
    assert total == sent
    assert client.writable


def test_the_end_of_the_stream_is_read_after_the_data_and_stays(network: Network) -> None:
    client, server = pair(network)
    client.send(b"last words")
    client.close()
    network.settle()
    assert server.recv(100) == b"last words"
    assert server.readable
    assert server.recv(100) == b""
    assert server.recv(100) == b""


# --- shutdown: RFC 9293 3.6


def test_a_half_closed_connection_goes_on_the_other_way(network: Network) -> None:
    client, server = pair(network)
    client.shutdown(bsd.SHUT_WR)
    network.settle()
    assert server.recv(1) == b""
    with refused(errno.EPIPE):
        client.send(b"x")
    assert client.writable
    server.send(b"still here")
    server.close()
    network.settle()
    assert client.recv(100) == b"still here"
    assert client.recv(100) == b""


def test_shutdown_makes_a_full_socket_writable_that_is_epipe(network: Network) -> None:
    client, _ = pair(network)
    client.send(bytes(10_000_000))
    assert not client.writable
    client.shutdown(bsd.SHUT_WR)
    assert client.writable
    with refused(errno.EPIPE):
        client.send(b"x")


def test_after_shutdown_for_reading_recv_is_the_end(network: Network) -> None:
    client, server = pair(network)
    server.shutdown(bsd.SHUT_RD)
    assert server.readable
    assert server.recv(1) == b""
    server.send(b"one way")
    network.settle()
    assert client.recv(100) == b"one way"


def test_shutdown_takes_what_it_knows(network: Network) -> None:
    client, _ = pair(network)
    with refused(errno.EINVAL):
        client.shutdown(3)


# --- errors of a connection: RFC 9293 3.10.7.4, POSIX


@pytest.mark.shows("RFC 9293 MUST-12")
def test_a_reset_is_reported_once_then_reading_ends_and_writing_breaks(network: Network) -> None:
    client, server = pair(network)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    server.close()
    network.settle()
    assert client.readable
    assert client.writable
    with refused(errno.ECONNRESET):
        client.recv(1)
    assert client.recv(1) == b""
    with refused(errno.EPIPE):
        client.send(b"x")
    with refused(errno.ENOTCONN):
        client.getpeername()
    with refused(errno.ENOTCONN):
        client.shutdown(bsd.SHUT_RDWR)
    with refused(errno.EISCONN):
        client.connect(B)


def test_data_that_came_before_a_reset_can_be_read(network: Network) -> None:
    client, server = pair(network)
    server.send(b"before")
    network.settle()
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    server.close()
    network.settle()
    assert client.recv(100) == b"before"
    with refused(errno.ECONNRESET):
        client.recv(100)


def test_writing_finds_the_error_too(network: Network) -> None:
    client, server = pair(network)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    server.close()
    network.settle()
    with refused(errno.ECONNRESET):
        client.send(b"x")
    with refused(errno.EPIPE):
        client.send(b"x")


def test_a_peer_that_falls_silent_is_a_timeout(network: Network) -> None:
    client, _ = pair(network)
    client.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_USER_TIMEOUT, 5000)
    network.at_a.lose = lambda frame: True
    client.send(b"anybody there?")
    network.settle(MINUTE)
    assert client.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.ETIMEDOUT
    assert client.recv(1) == b""


def test_accepting_a_connection_that_was_reset_meanwhile(network: Network) -> None:
    """It is handed out all the same, as on Linux, and its port is not kept."""
    listener = listening(network.b)
    client = connecting(tcp(network.a))
    network.settle()
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    client.close()
    network.settle()
    accepted, _ = listener.accept()
    with refused(errno.ECONNRESET):
        accepted.recv(1)
    accepted.close()
    listener.close()
    tcp(network.b, address=("", 80))


# --- close: RFC 9293 3.6, SO_LINGER


def test_close_sends_what_is_queued_and_then_the_end(network: Network) -> None:
    client, server = pair(network)
    data = bytes(range(256)) * 1000
    assert client.send(data) == len(data)
    client.close()
    received = b""
    for _ in range(50):
        network.settle()
        received += drain(server)
    assert received == data
    assert server.recv(1) == b""


@pytest.mark.shows("RFC 9293 SHLD-3")
def test_close_with_unread_data_is_a_reset(network: Network) -> None:
    """RFC 9293 3.6, RFC 2525 2.17."""
    client, server = pair(network)
    client.send(b"nobody reads this")
    network.settle()
    server.close()
    network.settle()
    with refused(errno.ECONNRESET):
        client.recv(1)


def test_linger_of_zero_seconds_resets(network: Network) -> None:
    client, server = pair(network)
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    client.close()
    assert flags_sent(network) & RST
    network.settle()
    with refused(errno.ECONNRESET):
        server.recv(1)
    tcp(network.b, address=("", 80))


def test_linger_tells_until_when_the_peer_has_not_acknowledged(network: Network) -> None:
    client, _ = pair(network)
    client.close()
    assert flags_sent(network) & FIN
    assert client.lingering
    network.clock.advance(2 * DELAY + SECOND)
    assert not client.lingering


def test_close_while_connecting_sends_nothing_more(network: Network) -> None:
    network.at_a.lose = lambda frame: bytes(frame)[12:14] == b"\x08\x00"
    client = connecting(tcp(network.a))
    network.settle()
    sent = len(network.at_a.sent)
    assert flags_sent(network) & SYN
    client.close()
    network.settle(10 * SECOND)
    assert len(network.at_a.sent) == sent


def test_a_port_is_kept_through_time_wait_and_given_back_after_it(network: Network) -> None:
    """The side that closes first keeps the port for 60 s, unless both agree to share it: SO_REUSEADDR."""
    listener = listening(network.b)
    client = connecting(tcp(network.a))
    network.settle()
    server, _ = listener.accept()
    listener.close()
    server.close()
    network.settle()
    client.close()
    network.settle()
    with refused(errno.EADDRINUSE):
        tcp(network.b, address=("", 80))
    with refused(errno.EADDRINUSE):
        tcp(network.b, address=("", 80), reuse=True)
    network.settle(MINUTE)
    tcp(network.b, address=("", 80))


def test_reuse_address_on_both_restarts_a_server_at_once(network: Network) -> None:
    listener = listening(network.b, reuse=True)
    client = connecting(tcp(network.a))
    network.settle()
    listener.accept()[0].close()
    listener.close()
    network.settle()
    client.close()
    network.settle()
    again = listening(network.b, reuse=True)
    connecting(tcp(network.a))
    network.settle()
    assert again.readable


def test_nothing_is_left_at_the_clock_after_both_have_closed() -> None:
    network = Network(HostConfig(tcp=TcpConfig(time_wait=SECOND)))
    client, server = pair(network)
    client.send(b"x")
    network.settle()
    server.recv(1)
    client.close()
    server.close()
    network.settle(10 * MINUTE)
    assert len(network.a.sockets) == len(network.b.sockets) == 0
    assert not network.a.tcp.connections
    assert not network.b.tcp.connections
    tcp(network.b, address=("", 80))
