"""sendmsg, recvmsg and ioctl: send(2), recv(2), tcp(7), udp(7)."""

import errno
import socket as bsd
from struct import pack

import pytest

from stack.sockets.conversation import TCP_INQ
from stack.sockets.socket import FIONREAD, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer
from tests.stack.sockets.streams import connecting, listening, pair, tcp

TCP = bsd.IPPROTO_TCP


@pytest.fixture
def network() -> Network:
    return Network()


def udp_pair(network: Network, family: int = bsd.AF_INET):
    sender, receiver = (host.sockets.socket(family, bsd.SOCK_DGRAM) for host in (network.a, network.b))
    receiver.bind(("", 53))
    return sender, receiver


def test_sendmsg_gathers_and_recvmsg_says_who_sent_it(network: Network) -> None:
    sender, receiver = udp_pair(network)
    assert sender.sendmsg([b"two ", b"parts"], address=("10.0.0.2", 53)) == 9
    network.settle()
    port = sender.getsockname()[1]
    assert receiver.recvmsg(100) == (b"two parts", [], 0, ("10.0.0.1", port))


def test_sendmsg_without_an_address_is_for_the_peer(network: Network) -> None:
    sender, receiver = udp_pair(network)
    with refused(errno.EDESTADDRREQ):
        sender.sendmsg([b"x"])
    sender.connect(("10.0.0.2", 53))
    sender.sendmsg([b"x"])
    network.settle()
    assert receiver.recv(10) == b"x"


def test_a_datagram_that_is_cut_is_said_to_be(network: Network) -> None:
    """recv(2): MSG_TRUNC in msg_flags; MSG_TRUNC in flags gives the real length."""
    sender, receiver = udp_pair(network)
    for _ in range(2):
        sender.sendto(b"0123456789", ("10.0.0.2", 53))
    network.settle()
    assert receiver.recvmsg(4, 0, bsd.MSG_PEEK)[::2] == (b"0123", bsd.MSG_TRUNC)
    assert receiver.recvmsg(4)[::2] == (b"0123", bsd.MSG_TRUNC)
    assert receiver.recvmsg(4, 0, bsd.MSG_TRUNC)[::2] == (b"0123456789", bsd.MSG_TRUNC)


def test_a_stream_has_no_sender_and_is_never_cut(network: Network) -> None:
    client, server = pair(network)
    assert client.sendmsg([b"0123", b"456789"]) == 10
    network.settle()
    assert server.recvmsg(4) == (b"0123", [], 0, None)
    assert server.recvmsg(100) == (b"456789", [], 0, None)


def test_control_messages_of_ip_are_not_understood(network: Network) -> None:
    """sendmsg of ip(7): EINVAL; strange levels are ignored, as on Linux."""
    sender, receiver = udp_pair(network)
    with refused(errno.EINVAL):
        sender.sendmsg([b"x"], [(bsd.IPPROTO_IP, 77, pack("i", 1))], 0, ("10.0.0.2", 53))
    sender.sendmsg([b"x"], [(TCP, 77, b"")], 0, ("10.0.0.2", 53))
    network.settle()
    assert receiver.recv(10) == b"x"


@pytest.mark.parametrize("call", ["recvmsg", "ioctl"])
def test_calls_on_a_closed_socket(network: Network, call: str) -> None:
    socket = tcp(network.a)
    socket.close()
    with refused(errno.EBADF):
        getattr(socket, call)(1)


# --- TCP_INQ


def test_inq_tells_what_is_left_to_read(network: Network) -> None:
    """Linux: a control message, SOL_TCP and TCP_CM_INQ; 1 at the end of the stream, so that readers go on."""
    client, server = pair(network)
    server.setsockopt(TCP, TCP_INQ, 1)
    client.send(b"0123456789")
    network.settle()
    room = bsd.CMSG_SPACE(4)
    assert server.recvmsg(4, room) == (b"0123", [(TCP, TCP_INQ, pack("i", 6))], 0, None)
    assert server.recvmsg(6, room)[1] == [(TCP, TCP_INQ, pack("i", 0))]
    client.close()
    network.settle()
    assert server.recvmsg(6, room)[:2] == (b"", [(TCP, TCP_INQ, pack("i", 1))])
    assert server.recvmsg(6)[1:3] == ([], bsd.MSG_CTRUNC)
    server.setsockopt(TCP, TCP_INQ, 0)
    assert server.recvmsg(6, room)[1] == []
    for wrong in (2, -1):
        with refused(errno.EINVAL):
            server.setsockopt(TCP, TCP_INQ, wrong)


# --- ioctl


def test_how_much_a_stream_holds(network: Network) -> None:
    """tcp(7): SIOCINQ, SIOCOUTQ; SIOCOUTQNSD is what was never sent."""
    peer = Peer()
    peer.open(window=1000)
    socket = peer.socket
    peer.send("P.", 1, 1, b"12345", window=1000)
    assert socket.ioctl(FIONREAD) == 5
    socket.send(bytes(3000))
    assert socket.ioctl(SIOCOUTQ) == 3000
    assert socket.ioctl(SIOCOUTQNSD) == 2000
    peer.send(".", 6, 1001, window=1000)
    assert socket.ioctl(SIOCOUTQ) == 2000
    assert socket.ioctl(SIOCOUTQNSD) == 1000
    peer.send("F.", 6, 1001, window=1000)
    assert socket.ioctl(FIONREAD) == 5
    assert not socket.ioctl(SIOCATMARK)


def test_a_socket_that_is_not_open_holds_nothing(network: Network) -> None:
    """Linux tcp_ioctl: 0 before the handshake is over, EINVAL for a listener."""
    listener = listening(network.b)
    client = connecting(tcp(network.a))
    for request in (FIONREAD, SIOCOUTQ, SIOCOUTQNSD):
        assert client.ioctl(request) == 0
        assert tcp(network.a).ioctl(request) == 0
        with refused(errno.EINVAL):
            listener.ioctl(request)


def test_a_datagram_socket_tells_the_length_of_the_next(network: Network) -> None:
    """udp(7): FIONREAD is the size of the next pending datagram, 0 if there is none."""
    sender, receiver = udp_pair(network)
    assert receiver.ioctl(FIONREAD) == 0
    sender.sendto(b"first", ("10.0.0.2", 53))
    sender.sendto(b"second", ("10.0.0.2", 53))
    network.settle()
    assert receiver.ioctl(FIONREAD) == 5
    assert sender.ioctl(SIOCOUTQ) == 0
    with refused(errno.ENOTTY):
        receiver.ioctl(SIOCATMARK)


# --- MSG_MORE of UDP


def test_more_makes_one_datagram_of_several_calls(network: Network) -> None:
    """send(2), udp(7): all data of calls with MSG_MORE leave in one datagram with the first call without."""
    sender, receiver = udp_pair(network)
    sender.sendto(b"one ", ("10.0.0.2", 53), bsd.MSG_MORE)
    sender.sendto(b"two ", ("10.0.0.2", 9), bsd.MSG_MORE)
    network.settle()
    with refused(errno.EAGAIN):
        receiver.recv(100)
    sender.sendto(b"three", ("10.0.0.2", 9))
    sender.sendto(b"next", ("10.0.0.2", 53))
    network.settle()
    assert receiver.recv(100) == b"one two three"
    assert receiver.recv(100) == b"next"


def test_what_grows_too_long_is_thrown_away(network: Network) -> None:
    sender, receiver = udp_pair(network)
    sender.connect(("10.0.0.2", 53))
    sender.send(bytes(40_000), bsd.MSG_MORE)
    with refused(errno.EMSGSIZE):
        sender.send(bytes(40_000), bsd.MSG_MORE)
    sender.send(b"fresh")
    network.settle()
    assert receiver.recv(100_000) == b"fresh"
