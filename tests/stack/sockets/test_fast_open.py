"""Fast Open as applications ask for it: RFC 7413 appendix A, tcp(7), and what Linux does."""

from __future__ import annotations

import errno
import socket as bsd
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from stack.clock import SECOND
from stack.config import HostConfig, TcpConfig
from stack.sockets import AsyncSocket, StreamSocket, listen
from stack.sockets.poll import POLLIN, POLLOUT, poll
from stack.sockets.socket import MSG_FASTOPEN
from stack.sockets.tcp_options import TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE
from stack.tcp.state import State
from stack.wire.tcp import SYN
from tests.stack.sockets.async_network import AsyncNetwork
from tests.stack.sockets.network import DELAY, Network, refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import ABORT, B, connecting, drain, listening, tcp

SYN_DATA = 32
KEYS = [bytes(16), bytes(range(16))]


def network_with(**knobs: Any) -> Network:
    return Network(HostConfig(tcp=replace(TcpConfig(fast_open="both"), **knobs)))


@pytest.fixture
def network() -> Network:
    return network_with()


@pytest.fixture
def server(network: Network) -> Iterator[StreamSocket]:
    with listening(network.b, reuse=True) as listener:
        option(listener, bsd.TCP_FASTOPEN, 5)
        yield listener


def warm(network: Network, server: StreamSocket) -> None:
    """The client has a cookie."""
    with tcp(network.a) as socket:
        with refused(errno.EINPROGRESS):
            socket.sendto(b"", B, MSG_FASTOPEN)
        network.settle()
    server.accept()[0].close()
    network.settle()


# --- the client: MSG_FASTOPEN


@pytest.mark.shows("RFC 7413 4.2.1")
def test_without_a_cookie_it_asks_for_one_and_takes_no_data(network: Network, server: StreamSocket) -> None:
    client = tcp(network.a)
    with refused(errno.EINPROGRESS):
        client.sendto(b"request", B, MSG_FASTOPEN)
    with refused(errno.EALREADY):
        client.sendto(b"request", B, MSG_FASTOPEN)
    network.settle()
    assert client.sendto(b"request", B, MSG_FASTOPEN) == 7, (
        "the first call after the handshake sends as always"
    )
    with refused(errno.EISCONN):
        client.sendto(b"request", B, MSG_FASTOPEN)
    network.settle()
    assert server.accept()[0].recv(100) == b"request"


@pytest.mark.shows("RFC 7413 4.2.2-1")
def test_with_a_cookie_the_request_is_there_half_a_round_trip_later(
    network: Network, server: StreamSocket
) -> None:
    warm(network, server)
    client = tcp(network.a)
    assert client.sendto(b"request", B, MSG_FASTOPEN) == 7
    assert not client.writable
    network.settle(DELAY)
    assert server.readable
    accepted, (address, _) = server.accept()
    assert (address, accepted.recv(100)) == ("10.0.0.1", b"request")
    assert accepted.connection is not None
    assert accepted.connection.state is State.SYN_RECEIVED
    assert accepted.writable
    assert accepted.send(b"answer") == 6
    network.settle(DELAY)
    assert client.recv(100) == b"answer", "one round trip after the call"
    client.connect(B)
    network.settle(DELAY)
    for end in (client, accepted):
        assert end.info().tcpi_state == 1
        assert end.info().tcpi_options & SYN_DATA


def test_the_syn_takes_what_fits(network: Network, server: StreamSocket) -> None:
    warm(network, server)
    client = tcp(network.a)
    assert client.sendto(bytes(5000), B, MSG_FASTOPEN) == 1460 - 40
    with refused(errno.EAGAIN):
        client.send(bytes(3580))
    network.settle()
    client.send(bytes(3580))
    network.settle()
    assert len(drain(server.accept()[0])) == 5000


def test_it_needs_the_host_to_be_a_client() -> None:
    network = network_with(fast_open="server")
    client = tcp(network.a)
    with refused(errno.EOPNOTSUPP):
        client.sendto(b"request", B, MSG_FASTOPEN)
    with refused(errno.EOPNOTSUPP):
        option(client, TCP_FASTOPEN_CONNECT, 1)
    assert not client.bound


def test_a_listener_does_not_connect(network: Network, server: StreamSocket) -> None:
    with refused(errno.EISCONN):
        server.sendto(b"request", B, MSG_FASTOPEN)


def test_a_refusal_is_reported_as_ever(network: Network) -> None:
    client = tcp(network.a)
    with refused(errno.EINPROGRESS):
        client.sendto(b"request", B, MSG_FASTOPEN)
    network.settle()
    with refused(errno.ECONNREFUSED):
        client.connect(B)


def test_a_coroutine_waits_for_the_handshake_if_the_syn_takes_nothing() -> None:
    """The first request asks for the cookie and takes a round trip more than the second."""
    network = AsyncNetwork(HostConfig(tcp=TcpConfig(fast_open="both", fast_open_listeners=True)))
    network.settle()
    times = []

    async def serve() -> None:
        with listen(network.b, 80) as listener:
            for _ in range(3):
                accepted, _ = await listener.accept()
                async with accepted:
                    assert await accepted.recv(100) == b"request"
                    times.append(network.clock.now())

    async def ask() -> None:
        begun = []
        for _ in range(3):
            async with AsyncSocket(tcp(network.a)) as client:
                begun.append(network.clock.now())
                assert await client.sendto(b"request", B, MSG_FASTOPEN) == 7
                assert await client.recv(100) == b""
        times[:] = [arrived - start for start, arrived in zip(begun, times, strict=True)]

    server = network.start(serve())
    network.run(ask())
    assert server.done()
    assert times[1:] == [DELAY, DELAY]
    assert times[0] >= 3 * DELAY


# --- the client: TCP_FASTOPEN_CONNECT


def test_connect_returns_and_the_first_send_opens(network: Network, server: StreamSocket) -> None:
    warm(network, server)
    client = tcp(network.a)
    option(client, TCP_FASTOPEN_CONNECT, 1)
    network.at_a.sent.clear()
    client.connect(B)
    assert not network.at_a.sent
    assert client.getsockname()[1] != 0
    with refused(errno.EISCONN):
        client.connect(B)
    with refused(errno.ENOTCONN):
        client.getpeername()
    with refused(errno.EAGAIN):
        client.recv(100)
    assert poll([(client, POLLIN | POLLOUT)]) == [POLLOUT]
    assert client.writable
    assert client.send(b"request") == 7
    assert not client.writable
    network.settle()
    assert server.accept()[0].recv(100) == b"request"
    assert client.info().tcpi_options & SYN_DATA
    client.connect(B)


def test_without_a_cookie_connect_asks_for_one(network: Network, server: StreamSocket) -> None:
    client = tcp(network.a)
    option(client, TCP_FASTOPEN_CONNECT, 1)
    with refused(errno.EINPROGRESS):
        client.connect(B)
    network.settle()
    client.connect(B)
    assert network.a.tcp.fast_open_cookies.has_cookie(bytes((10, 0, 0, 2)))


def test_an_empty_send_opens_without_data(network: Network, server: StreamSocket) -> None:
    warm(network, server)
    client = tcp(network.a)
    option(client, TCP_FASTOPEN_CONNECT, 1)
    client.connect(B)
    with refused(errno.EINPROGRESS):
        client.send(b"")
    network.settle()
    client.connect(B)
    assert server.pending == 1


@pytest.mark.parametrize("end", ["close", "shutdown"])
def test_who_never_sends_leaves_nothing_behind(network: Network, server: StreamSocket, end: str) -> None:
    warm(network, server)
    client = tcp(network.a)
    option(client, TCP_FASTOPEN_CONNECT, 1)
    client.connect(B)
    port = client.getsockname()[1]
    others = len(network.a.tcp.connections) - 1
    network.at_a.sent.clear()
    client.close() if end == "close" else client.shutdown(bsd.SHUT_RDWR)
    assert not network.at_a.sent
    assert len(network.a.tcp.connections) == others
    tcp(network.a, address=("10.0.0.1", port)).close()


def test_crossing_syns_open_a_connection_that_still_waited(network: Network, server: StreamSocket) -> None:
    """RFC 9293 3.5, figure 7; with TCP_FASTOPEN_CONNECT on one side."""
    warm(network, server)
    server.close()
    client = tcp(network.a, address=("10.0.0.1", 4000))
    option(client, TCP_FASTOPEN_CONNECT, 1)
    client.connect(B)
    other = tcp(network.b, address=("10.0.0.2", 80), reuse=True)
    connecting(other, ("10.0.0.1", 4000))
    network.settle()
    client.connect(B)
    other.connect(("10.0.0.1", 4000))
    client.send(b"request")
    network.settle()
    assert other.recv(100) == b"request"


def test_options_of_a_connection_cannot_be_set_any_more(network: Network, server: StreamSocket) -> None:
    client = connecting(tcp(network.a))
    for number in (bsd.TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE):
        with refused(errno.EINVAL):
            option(client, number, 1)
    with refused(errno.EINVAL):
        option(server, TCP_FASTOPEN_CONNECT, 1)


# --- the server


def test_a_listener_has_to_be_told(network: Network) -> None:
    """Unless every listener is (Linux tcp_fastopen, bit 0x400)."""
    with listening(network.b) as listener:
        client = tcp(network.a)
        with refused(errno.EINPROGRESS):
            client.sendto(b"", B, MSG_FASTOPEN)
        network.settle()
        client.connect(B)
        assert not network.a.tcp.fast_open_cookies.has_cookie(bytes((10, 0, 0, 2)))
        assert listener.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_FASTOPEN) == 0


def test_every_listener_can_be_told_at_once() -> None:
    network = network_with(fast_open_listeners=True)
    with listening(network.b) as listener:
        warm(network, listener)
        assert listener.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_FASTOPEN) == 128
        assert tcp(network.a).sendto(b"request", B, MSG_FASTOPEN) == 7


def test_the_queue_may_be_set_before_listen(network: Network) -> None:
    server = tcp(network.b, address=("10.0.0.2", 80))
    option(server, bsd.TCP_FASTOPEN, 1)
    server.listen()
    warm(network, server)
    with refused(errno.EINVAL):
        option(server, bsd.TCP_FASTOPEN, -1)


def test_a_closed_listener_resets_who_was_not_accepted(network: Network, server: StreamSocket) -> None:
    warm(network, server)
    client = tcp(network.a)
    client.sendto(b"request", B, MSG_FASTOPEN)
    network.settle(DELAY)
    server.close()
    network.settle()
    with refused(errno.ECONNRESET):
        client.recv(100)


def test_disconnecting_resets_and_leaves_a_new_socket(network: Network, server: StreamSocket) -> None:
    warm(network, server)
    client = tcp(network.a)
    client.sendto(b"request", B, MSG_FASTOPEN)
    network.settle(DELAY)
    accepted, _ = server.accept()
    accepted.disconnect()
    network.settle()
    with refused(errno.ECONNRESET):
        client.recv(100)
    with refused(errno.ENOTCONN):
        accepted.getpeername()
    server.disconnect()
    server.listen()
    connecting(accepted, ("10.0.0.1", 80))


def test_an_error_before_accept_is_for_who_accepts() -> None:
    """Linux: until then there is nobody who could know better."""
    peer = Peer(fast_open="both", fast_open_cookieless="server")
    option(peer.listening(), bsd.TCP_FASTOPEN, 1)
    peer.send("S", 0, 0, b"request", mss=1460)
    quoted = peer.quoted
    peer.learn_iss()
    peer.send_icmp_unreachable(1, quoted)
    accepted, _ = peer.socket.accept()
    assert accepted.recv(100) == b"request"
    with refused(errno.EHOSTUNREACH):
        accepted.recv(100)


def test_an_error_after_accept_is_a_hint() -> None:
    peer = Peer(fast_open="both", fast_open_cookieless="server")
    option(peer.listening(), bsd.TCP_FASTOPEN, 1)
    peer.send("S", 0, 0, b"request", mss=1460)
    quoted = peer.quoted
    peer.learn_iss()
    accepted, _ = peer.socket.accept()
    peer.send_icmp_unreachable(1, quoted)
    assert accepted.recv(100) == b"request"
    with refused(errno.EAGAIN):
        accepted.recv(100)


# --- cookies and their keys


def test_the_key_of_a_listener(network: Network, server: StreamSocket) -> None:
    own = server.getsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY, 32)
    assert isinstance(own, bytes)
    assert len(own) == 16
    server.setsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY, KEYS[1])
    assert server.getsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY, 32) == KEYS[1]
    for wrong in (b"short", 1):
        with refused(errno.EINVAL):
            server.setsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY, wrong)


@pytest.mark.shows("RFC 7413 4.1.2")
def test_keys_are_changed_without_losing_a_client(network: Network, server: StreamSocket) -> None:
    """A cookie of the old key, which is now the second, is taken and replaced by one of the new."""
    server.setsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY, KEYS[0])
    warm(network, server)
    for keys, taken in ((KEYS[1] + KEYS[0], True), (KEYS[1], True), (KEYS[0], False)):
        server.setsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_KEY, keys)
        with tcp(network.a) as client:
            assert client.sendto(b"request", B, MSG_FASTOPEN) == 7
            network.settle()
            assert bool(client.info().tcpi_options & SYN_DATA) is taken


def test_an_end_can_do_without_cookies(network: Network, server: StreamSocket) -> None:
    """TCP_FASTOPEN_NO_COOKIE, of both ends: data at the first time."""
    client = tcp(network.a)
    for end in (client, server):
        option(end, TCP_FASTOPEN_NO_COOKIE, 1)
        assert end.getsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE) == 1
    assert client.sendto(b"request", B, MSG_FASTOPEN) == 7
    network.settle(3 * DELAY)  # two of them for ARP
    assert server.accept()[0].recv(100) == b"request"
    option(server, TCP_FASTOPEN_NO_COOKIE, 0)
    assert server.getsockopt(bsd.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE) == 0


# --- paths that swallow it


def swallow_all(network: Network) -> None:
    """A connection with Fast Open, of which nothing comes back."""
    network.at_a.lose = lambda frame: True
    with tcp(network.a) as client:
        client.sendto(b"request", B, MSG_FASTOPEN)
        network.settle(8 * SECOND)
    network.at_a.lose = lambda frame: False


@pytest.mark.shows("RFC 7413 4.1.3")
def test_a_black_hole_suspends_fast_open_for_longer_each_time() -> None:
    """Linux tcp_fastopen_blackhole_timeout_sec; RFC 7413 4.1.3.1."""
    network = network_with(fast_open_blackhole_timeout=20 * SECOND)
    with listening(network.b) as server:
        option(server, bsd.TCP_FASTOPEN, 5)
        warm(network, server)
        for wait in (20, 40):
            swallow_all(network)
            with tcp(network.a) as client, refused(errno.EINPROGRESS):
                client.sendto(b"request", B, MSG_FASTOPEN)
            network.settle(wait * SECOND)
        assert network.a.counters["tcp.fast_open_blackhole"] == 2
        client = tcp(network.a)
        assert client.sendto(b"request", B, MSG_FASTOPEN) == 7
        network.settle()
        server.accept()[0].send(b"answer")
        network.settle()
        client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
        client.close()
        swallow_all(network)
        network.settle(20 * SECOND)
        assert tcp(network.a).sendto(b"request", B, MSG_FASTOPEN) == 7, "the count had begun anew"


def test_black_holes_are_nobody_s_business_by_default(network: Network, server: StreamSocket) -> None:
    warm(network, server)
    swallow_all(network)
    assert tcp(network.a).sendto(b"request", B, MSG_FASTOPEN) == 7


def test_a_fin_without_what_was_before_it_is_suspicious() -> None:
    """Linux tcp_fastopen_active_disable_ofo_check."""
    peer = Peer(fast_open_blackhole_timeout=20 * SECOND)
    peer.port, peer.peer_port = 40000, 80
    peer.socket.bind(("10.0.0.2", 40000))
    with refused(errno.EINPROGRESS):
        peer.socket.sendto(b"request", ("10.0.0.1", 80), MSG_FASTOPEN)
    peer.learn_iss()
    peer.send("S.", 0, 1, mss=1460)
    peer.send("F.", 100, 1)
    peer.socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    peer.socket.close()
    assert peer.host.counters["tcp.fast_open_blackhole"] == 1


@pytest.mark.shows("RFC 7413 4.2.1")
def test_a_syn_that_is_too_large_for_the_path_goes_again_without_data() -> None:
    peer = Peer(fast_open_cookieless="client")
    peer.port, peer.peer_port = 40000, 80
    peer.socket.bind(("10.0.0.2", 40000))
    assert peer.socket.sendto(bytes(400), ("10.0.0.1", 80), MSG_FASTOPEN) == 400
    quoted = peer.quoted
    assert peer.learn_iss().length == 400
    peer.send_icmp_unreachable(4, quoted, mtu=552)
    (again,) = peer.segments()
    assert (again.sequence, again.length, again.flags) == (0, 0, SYN)
    peer.send("S.", 0, 1, mss=1460)
    assert peer.data() == [(1, 400)]
