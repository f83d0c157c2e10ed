"""IP_RECVERR and the error queue: ip(7), ipv6(7), recv(2) MSG_ERRQUEUE; RFC 1122 4.1.3.3 and 4.2.3.9."""

import errno
import socket as bsd
from struct import unpack

import pytest

from stack.clock import SECOND
from stack.sockets.error_queue import IP_RECVERR, IPV6_RECVERR, ORIGIN_ICMP, ORIGIN_ICMP6, ORIGIN_LOCAL
from stack.sockets.options import IP_MTU_DISCOVER, IP_PMTUDISC_DO
from stack.sockets.poll import POLLERR
from stack.wire.address import parse_address
from stack.wire.icmpv4 import UnreachableCode
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer

SOL, IP, IPV6 = bsd.SOL_SOCKET, bsd.IPPROTO_IP, bsd.IPPROTO_IPV6
ROOM = 512


@pytest.fixture
def network() -> Network:
    return Network()


def udp(network: Network, family: int = bsd.AF_INET):
    socket = network.a.sockets.socket(family, bsd.SOCK_DGRAM)
    socket.setsockopt(IP, IP_RECVERR, 1)
    if family == bsd.AF_INET6:
        socket.setsockopt(IPV6, IPV6_RECVERR, 1)
    return socket


def extended(control: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    """``struct sock_extended_err``: errno, origin, type, code, pad, info, data."""
    ((_, _, data),) = control
    return unpack("=IBBBBII", data[:16])


def unreachable(peer: Peer, code: int = UnreachableCode.HOST) -> None:
    peer.send_icmp_unreachable(code, peer.quoted)


def test_a_port_that_nobody_has_is_in_the_queue_with_the_datagram(network: Network) -> None:
    socket = udp(network)
    socket.sendto(b"anybody?", ("10.0.0.2", 9))
    network.settle()
    assert socket.poll() & POLLERR
    data, control, flags, address = socket.recvmsg(100, ROOM, bsd.MSG_ERRQUEUE)
    assert (data, flags, address) == (b"anybody?", bsd.MSG_ERRQUEUE, ("10.0.0.2", 9))
    assert control[0][:2] == (IP, IP_RECVERR)
    assert extended(control) == (errno.ECONNREFUSED, ORIGIN_ICMP, 3, 3, 0, 0, 0)
    offender = control[0][2][16:]
    assert len(offender) == 16
    assert unpack("=H2s4s", offender[:8]) == (bsd.AF_INET, b"\0\0", parse_address("10.0.0.2"))
    assert not socket.poll() & POLLERR
    with refused(errno.EAGAIN):
        socket.recvmsg(100, ROOM, bsd.MSG_ERRQUEUE)


def test_an_error_of_ipv6(network: Network) -> None:
    socket = udp(network, bsd.AF_INET6)
    socket.sendto(b"anybody?", ("fd00::2", 9))
    network.settle()
    data, control, _, address = socket.recvmsg(100, ROOM, bsd.MSG_ERRQUEUE)
    assert (data, address) == (b"anybody?", ("fd00::2", 9, 0, 0))
    assert control[0][:2] == (IPV6, IPV6_RECVERR)
    assert extended(control) == (errno.ECONNREFUSED, ORIGIN_ICMP6, 1, 4, 0, 0, 0)
    offender = control[0][2][16:]
    assert len(offender) == 28
    assert unpack("=H2x4x16sI", offender) == (bsd.AF_INET6, parse_address("fd00::2"), 0)


def test_an_error_of_ipv4_on_a_socket_of_ipv6_is_mapped(network: Network) -> None:
    """Linux ipv6_recv_error: IPV6_RECVERR, and an IPv4-mapped offender."""
    socket = udp(network, bsd.AF_INET6)
    socket.sendto(b"x", ("::ffff:10.0.0.2", 9))
    network.settle()
    _, control, _, address = socket.recvmsg(100, ROOM, bsd.MSG_ERRQUEUE)
    assert address == ("::ffff:10.0.0.2", 9, 0, 0)
    assert control[0][:2] == (IPV6, IPV6_RECVERR)
    assert extended(control)[:4] == (errno.ECONNREFUSED, ORIGIN_ICMP, 3, 3)
    assert control[0][2][24:40] == parse_address("::ffff:10.0.0.2")


def test_the_pending_error_is_that_of_the_oldest_entry(network: Network) -> None:
    """ip(7): the error is also an ordinary one; Linux sock_dequeue_err_skb clears it with the last entry."""
    socket = udp(network)
    for port in (9, 10):
        socket.sendto(b"x", ("10.0.0.2", port))
    network.settle()
    assert socket.recvfrom(10, bsd.MSG_ERRQUEUE) == (b"x", ("10.0.0.2", 9))
    with refused(errno.ECONNREFUSED):
        socket.recv(10)
    with refused(errno.EAGAIN):
        socket.recv(10)
    assert socket.recvfrom(10, bsd.MSG_ERRQUEUE) == (b"x", ("10.0.0.2", 10))
    assert socket.getsockopt(SOL, bsd.SO_ERROR) == 0


@pytest.mark.shows("RFC 1122 4.1.3.3")
def test_a_socket_without_a_peer_hears_of_errors_only_if_it_asks(network: Network) -> None:
    """RFC 1122 4.1.3.3; udp(7): Linux passes errors to unconnected sockets only with IP_RECVERR."""
    socket = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    socket.sendto(b"x", ("10.0.0.2", 9))
    network.settle()
    assert socket.getsockopt(SOL, bsd.SO_ERROR) == 0
    with refused(errno.EAGAIN):
        socket.recvmsg(10, ROOM, bsd.MSG_ERRQUEUE)


def test_a_message_that_is_too_long_is_an_error_of_this_host(network: Network) -> None:
    """ip(7): EMSGSIZE with the MTU in ee_info (SO_EE_ORIGIN_LOCAL)."""
    socket = udp(network)
    socket.setsockopt(IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    with refused(errno.EMSGSIZE):
        socket.sendto(bytes(2000), ("10.0.0.2", 9))
    data, control, _, address = socket.recvmsg(100, ROOM, bsd.MSG_ERRQUEUE)
    assert (data, address) == (b"", ("10.0.0.2", 9))
    assert extended(control) == (errno.EMSGSIZE, ORIGIN_LOCAL, 0, 0, 0, 1500, 0)
    assert control[0][2][16:] == bytes(16)
    assert socket.getsockopt(SOL, bsd.SO_ERROR) == 0


def test_what_does_not_fit_is_cut_and_said_to_be(network: Network) -> None:
    """recvmsg(2): MSG_TRUNC for the data, MSG_CTRUNC for control messages."""
    socket = udp(network)
    for _ in range(3):
        socket.sendto(b"0123456789", ("10.0.0.2", 9))
    network.settle()
    data, control, flags, _ = socket.recvmsg(4, 16 + 20, bsd.MSG_ERRQUEUE)
    assert data == b"0123"
    assert len(control[0][2]) == 20
    assert flags == bsd.MSG_ERRQUEUE | bsd.MSG_TRUNC | bsd.MSG_CTRUNC
    assert socket.recvmsg(10, 15, bsd.MSG_ERRQUEUE)[1:3] == ([], bsd.MSG_ERRQUEUE | bsd.MSG_CTRUNC)
    assert socket.recvmsg(10, bsd.CMSG_LEN(32), bsd.MSG_ERRQUEUE)[2] == bsd.MSG_ERRQUEUE


def test_switching_it_off_empties_the_queue(network: Network) -> None:
    socket = udp(network)
    socket.sendto(b"x", ("10.0.0.2", 9))
    network.settle()
    assert socket.getsockopt(IP, IP_RECVERR) == 1
    socket.setsockopt(IP, IP_RECVERR, 0)
    with refused(errno.EAGAIN):
        socket.recvmsg(10, ROOM, bsd.MSG_ERRQUEUE)


def test_the_queue_is_no_larger_than_the_receive_buffer(network: Network) -> None:
    socket = udp(network)
    socket.setsockopt(SOL, bsd.SO_RCVBUF, 0)  # the smallest there is, 2304 bytes
    for _ in range(100):
        socket.sendto(bytes(100), ("10.0.0.2", 9))
        network.settle(SECOND)
        socket.getsockopt(SOL, bsd.SO_ERROR)
    count = 0
    while socket.poll() & POLLERR:
        socket.recvmsg(10, ROOM, bsd.MSG_ERRQUEUE)
        count += 1
    assert count == 7
    assert network.a.counters["socket.error_queue_full"] == 100 - count


def test_an_error_about_a_ping_quotes_the_message_from_its_header_on() -> None:
    """Linux ping_err."""
    peer = Peer()
    socket = peer.host.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP)
    socket.setsockopt(IP, IP_RECVERR, 1)
    socket.sendto(bytes((8, 0, 0, 0, 0, 0, 0, 7)) + b"data", ("10.0.0.1", 0))
    unreachable(peer)
    data, control, _, address = socket.recvmsg(100, ROOM, bsd.MSG_ERRQUEUE)
    assert (data[0], data[6:8], address) == (8, b"\0\7", ("10.0.0.1", 0))
    assert extended(control)[:4] == (errno.EHOSTUNREACH, ORIGIN_ICMP, 3, 1)


# --- TCP


@pytest.mark.shows("RFC 9293 MUST-47", "RFC 9293 SHLD-25", "RFC 9293 SHLD-20")
def test_an_open_connection_tells_errors_at_once_if_it_is_asked_to() -> None:
    """ip(7): IP_RECVERR passes all errors of TCP to the user, which otherwise wait for a timeout (RFC 1122 4.2.3.9)."""
    peer = Peer()
    peer.open()
    peer.socket.send(b"x")
    unreachable(peer)
    assert peer.socket.getsockopt(SOL, bsd.SO_ERROR) == 0
    peer.socket.setsockopt(IP, IP_RECVERR, 1)
    unreachable(peer)
    assert peer.socket.poll() & POLLERR
    assert peer.socket.readable
    with refused(errno.EHOSTUNREACH):
        peer.socket.recv(10)
    unreachable(peer)
    with refused(errno.EHOSTUNREACH):
        peer.socket.send(b"y")
    assert peer.socket.send(b"y") == 1


def test_an_attempt_to_connect_that_failed_is_in_the_queue() -> None:
    """Linux tcp_v4_err: the quoted segment from its TCP header on."""
    peer = Peer()
    peer.socket.setsockopt(IP, IP_RECVERR, 1)
    peer.port, peer.peer_port = 40000, 80
    peer.socket.bind(("10.0.0.2", 40000))
    with refused(errno.EINPROGRESS):
        peer.socket.connect(("10.0.0.1", 80))
    unreachable(peer)
    data, control, _, address = peer.socket.recvmsg(8, ROOM, bsd.MSG_ERRQUEUE)
    assert data[:4] == (40000).to_bytes(2) + (80).to_bytes(2)
    assert address == ("10.0.0.1", 80)
    assert extended(control)[:4] == (errno.EHOSTUNREACH, ORIGIN_ICMP, 3, 1)
