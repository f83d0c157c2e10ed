"""What became of data that were sent, in the error queue: SO_ZEROCOPY and SO_TIMESTAMPING of Linux."""

import errno
import socket as bsd
from struct import unpack

import pytest

from stack.clock import SECOND
from stack.sockets import StreamSocket
from stack.sockets.error_queue import (
    IP_RECVERR,
    ORIGIN_TIMESTAMPING,
    ORIGIN_ZEROCOPY,
    SCM_TIMESTAMPING,
)
from stack.sockets.poll import POLLERR
from stack.sockets.reports import (
    IDENTIFY,
    MSG_ZEROCOPY,
    SO_TIMESTAMPING,
    SO_ZEROCOPY,
    TELL_SOFTWARE,
    TIME_ONLY,
    TX_ACKNOWLEDGED,
    TX_SOFTWARE,
)
from tests.stack.sockets.network import DELAY, Network, refused
from tests.stack.sockets.streams import ABORT, pair, tcp

SOL, IP = bsd.SOL_SOCKET, bsd.IPPROTO_IP
ROOM = 512


@pytest.fixture
def network() -> Network:
    return Network()


def report(socket: StreamSocket) -> tuple[int, tuple[int, ...], int | None]:
    """The length of the data, ``struct sock_extended_err``, and the time."""
    data, control, flags, _ = socket.recvmsg(5000, ROOM, bsd.MSG_ERRQUEUE)
    assert flags & bsd.MSG_ERRQUEUE
    messages = {(level, kind): content for level, kind, content in control}
    error = unpack("=IBBBBII", messages.pop((IP, IP_RECVERR))[:16])
    if not messages:
        return len(data), error, None
    seconds, rest = unpack("=qq", messages[SOL, SCM_TIMESTAMPING][:16])
    return len(data), error, seconds * SECOND + rest


def test_sends_without_copies_are_numbered_and_told_of_together(network: Network) -> None:
    client, server = pair(network)
    client.send(b"unnumbered", MSG_ZEROCOPY)
    client.setsockopt(SOL, SO_ZEROCOPY, 1)
    assert client.getsockopt(SOL, SO_ZEROCOPY) == 1
    for _ in range(3):
        client.send(b"x" * 100, MSG_ZEROCOPY)
    client.send(b"not asked for")
    assert not client.poll() & POLLERR
    network.settle()
    assert client.poll() & POLLERR
    assert report(client) == (0, (0, ORIGIN_ZEROCOPY, 0, 1, 0, 0, 2), None)
    assert not client.poll() & POLLERR
    client.send(b"x", MSG_ZEROCOPY)
    network.settle()
    assert report(client) == (0, (0, ORIGIN_ZEROCOPY, 0, 1, 0, 3, 3), None)
    server.close()


def test_a_connection_that_ends_needs_no_data_any_more(network: Network) -> None:
    client, server = pair(network)
    client.setsockopt(SOL, SO_ZEROCOPY, 1)
    network.at_a.lose = lambda frame: True
    client.send(b"lost", MSG_ZEROCOPY)
    server.setsockopt(SOL, bsd.SO_LINGER, ABORT)
    server.close()
    network.settle()
    assert report(client)[1][:2] == (0, ORIGIN_ZEROCOPY)
    with refused(errno.ECONNRESET):
        client.recv(1)


def test_when_the_last_octet_left_and_was_acknowledged(network: Network) -> None:
    client, _ = pair(network)
    wanted = TX_SOFTWARE | TX_ACKNOWLEDGED | TELL_SOFTWARE | IDENTIFY
    client.setsockopt(SOL, SO_TIMESTAMPING, wanted)
    assert client.getsockopt(SOL, SO_TIMESTAMPING) == wanted
    began = network.clock.now()
    client.send(b"x" * 300)
    network.settle()
    assert report(client) == (300, (errno.ENOMSG, ORIGIN_TIMESTAMPING, 0, 0, 0, 0, 299), began)
    assert report(client) == (300, (errno.ENOMSG, ORIGIN_TIMESTAMPING, 0, 0, 0, 2, 299), began + 2 * DELAY)
    client.setsockopt(SOL, SO_TIMESTAMPING, TX_ACKNOWLEDGED | TIME_ONLY)
    client.send(b"x" * 300)
    network.settle()
    assert report(client) == (0, (errno.ENOMSG, ORIGIN_TIMESTAMPING, 0, 0, 0, 2, 0), None)


def test_octets_have_numbers_once_there_is_a_connection(network: Network) -> None:
    with refused(errno.EINVAL):
        tcp(network.a).setsockopt(SOL, SO_TIMESTAMPING, IDENTIFY)
    with refused(errno.EINVAL):
        tcp(network.a).setsockopt(SOL, SO_TIMESTAMPING, 1 << 20)
