"""Ping sockets: icmp(7)."""

import errno
import socket as bsd
from struct import pack, unpack_from

import pytest

from stack.internet.packet import Packet
from stack.link import Frame
from stack.wire.address import parse_address
from stack.wire.checksum import internet_checksum
from tests.stack.sockets.network import Network, refused

FAMILIES = {
    bsd.AF_INET: (bsd.IPPROTO_ICMP, "10.0.0.1", "10.0.0.2", 8, 0),
    bsd.AF_INET6: (bsd.IPPROTO_ICMPV6, "fd00::1", "fd00::2", 128, 129),
}
both = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture
def network() -> Network:
    return Network()


def ping(host, family: int):
    return host.sockets.socket(family, bsd.SOCK_DGRAM, FAMILIES[family][0])


def request(family: int, sequence: int = 1, data: bytes = b"payload") -> bytes:
    return pack("!BBHHH", FAMILIES[family][3], 0, 0xDEAD, 0xBEEF, sequence) + data


@pytest.mark.shows("RFC 1122 3.2.2.6-2", "RFC 1122 3.2.2.6-7")
@both
def test_a_request_is_answered(network: Network, family: int) -> None:
    _, _, yours, _, reply_type = FAMILIES[family]
    socket = ping(network.a, family)
    message = request(family, 7)
    assert socket.sendto(message, (yours, 0)) == len(message)
    identifier = socket.getsockname()[1]
    assert identifier != 0
    network.settle()
    reply, address = socket.recvfrom(1000)
    kind, code, _, replied, sequence = unpack_from("!BBHHH", reply)
    assert (kind, code, replied, sequence) == (reply_type, 0, identifier, 7)
    assert reply[8:] == b"payload"
    assert address[:2] == (yours, 0)
    if family == bsd.AF_INET:
        assert internet_checksum(reply) == 0


@both
def test_a_connected_socket_sends_and_hears_its_peer(network: Network, family: int) -> None:
    yours = FAMILIES[family][2]
    socket = ping(network.a, family)
    with refused(errno.EDESTADDRREQ):
        socket.send(request(family))
    socket.connect((yours, 0))
    assert socket.getpeername()[:2] == (yours, 0)
    socket.send(request(family))
    socket.sendto(request(family, 2), (FAMILIES[family][1], 0))  # to ourselves, who are not the peer
    network.settle()
    assert unpack_from("!H", socket.recv(1000), 6) == (1,)
    with refused(errno.EAGAIN):
        socket.recv(1000)


@both
def test_a_bound_socket_hears_what_is_for_its_address(network: Network, family: int) -> None:
    _, mine, _, _, _ = FAMILIES[family]
    socket = ping(network.a, family)
    socket.bind((mine, 77))
    message = b"\0" * 8
    for destination, heard in (("10.0.0.77", False), (mine, True)):
        packet = Packet(
            network.a.loopback, Frame(message), 0, parse_address(mine), parse_address(destination), 1, 64, 0,
            message, 0, b"", 8, True, False,
        )  # fmt: skip
        socket.reply_arrives(packet, 0, b"")
        assert socket.readable is heard


@both
def test_two_sockets_get_their_own_replies(network: Network, family: int) -> None:
    first, second = ping(network.a, family), ping(network.a, family)
    first.sendto(request(family, 1), (FAMILIES[family][2], 0))
    second.sendto(request(family, 2), (FAMILIES[family][2], 0))
    network.settle()
    assert unpack_from("!H", first.recv(1000), 6) == (1,)
    assert unpack_from("!H", second.recv(1000), 6) == (2,)
    assert first.getsockname()[1] != second.getsockname()[1]


@both
def test_bind_chooses_address_and_identifier(network: Network, family: int) -> None:
    _, mine, yours, _, _ = FAMILIES[family]
    socket = ping(network.a, family)
    socket.bind((mine, 1234))
    assert socket.getsockname()[:2] == (mine, 1234)
    with refused(errno.EADDRINUSE):
        ping(network.a, family).bind((mine, 1234))
    with refused(errno.EADDRNOTAVAIL):
        ping(network.a, family).bind((yours, 0))
    with refused(errno.EINVAL):
        socket.bind((mine, 1235))
    socket.sendto(request(family), (yours, 0))
    network.settle()
    assert unpack_from("!H", socket.recv(1000), 4) == (1234,)
    socket.close()
    ping(network.a, family).bind((mine, 1234))


@both
@pytest.mark.parametrize(
    "message", [b"\x08\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\1", b"\x08\1\0\0\0\0\0\1", b"\x80\1\0\0\0\0\0\1"]
)
def test_only_echo_requests_can_be_sent(network: Network, family: int, message: bytes) -> None:
    with refused(errno.EINVAL):
        ping(network.a, family).sendto(message, (FAMILIES[family][2], 0))
    assert not network.at_a.sent


@both
def test_a_large_ping_is_fragmented_and_a_larger_one_refused(network: Network, family: int) -> None:
    socket = ping(network.a, family)
    message = request(family, data=bytes(5000))
    socket.sendto(message, (FAMILIES[family][2], 0))
    network.settle()
    assert socket.recv(6000)[8:] == bytes(5000)
    with refused(errno.EMSGSIZE):
        socket.sendto(request(family, data=bytes(65535)), (FAMILIES[family][2], 0))


def test_an_icmpv6_socket_does_not_speak_ipv4(network: Network) -> None:
    with refused(errno.ENETUNREACH):
        ping(network.a, bsd.AF_INET6).sendto(request(bsd.AF_INET6), ("::ffff:10.0.0.2", 0))


@both
def test_a_host_can_ping_itself(network: Network, family: int) -> None:
    socket = ping(network.a, family)
    socket.sendto(request(family), ("", 0))
    network.settle()
    assert socket.recvfrom(1000)[1][0] in ("127.0.0.1", "::1")


def test_the_hop_limit_can_be_set(network: Network) -> None:
    socket = ping(network.a, bsd.AF_INET)
    socket.setsockopt(bsd.IPPROTO_IP, bsd.IP_TTL, 3)
    socket.sendto(request(bsd.AF_INET), ("10.0.0.2", 0))
    network.settle()
    assert bytes(network.at_a.sent[-1])[14 + 8] == 3


def test_a_closed_socket_hears_no_more(network: Network) -> None:
    socket = ping(network.a, bsd.AF_INET)
    socket.sendto(request(bsd.AF_INET), ("10.0.0.2", 0))
    socket.close()
    network.settle()
    with refused(errno.EBADF):
        socket.recv(1000)
