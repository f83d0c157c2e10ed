"""UDP sockets: POSIX, udp(7), ip(7), ipv6(7)."""

import errno
import socket as bsd
from struct import pack

import pytest

from stack.config import HostConfig, PortConfig, UdpConfig
from stack.host import Host
from stack.internet.protocol import ErrorKind, ErrorReport
from stack.sockets import Socket
from stack.sockets.address import Address
from stack.sockets.options import IP_MTU, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DONT
from stack.wire.address import parse_address
from stack.wire.protocols import UDP
from tests.stack.sockets.network import Network, refused

B = ("10.0.0.2", 2000)
B6 = ("fd00::2", 2000)


@pytest.fixture
def network() -> Network:
    return Network()


def udp(host: Host, family: int = bsd.AF_INET, address: Address | None = None) -> Socket:
    socket = host.sockets.socket(family, bsd.SOCK_DGRAM)
    if address is not None:
        socket.bind(address)
    return socket


# --- bind and names


def test_a_new_socket_has_no_name(network: Network) -> None:
    assert udp(network.a).getsockname() == ("0.0.0.0", 0)
    assert udp(network.a, bsd.AF_INET6).getsockname() == ("::", 0, 0, 0)
    with refused(errno.ENOTCONN):
        udp(network.a).getpeername()


@pytest.mark.shows("RFC 1122 4.1.3.5-2")
def test_bind_takes_what_was_asked_for(network: Network) -> None:
    assert udp(network.a, address=("10.0.0.1", 53)).getsockname() == ("10.0.0.1", 53)
    assert udp(network.a, bsd.AF_INET6, ("fd00::1", 53)).getsockname() == ("fd00::1", 53, 0, 0)


@pytest.mark.shows("RFC 1122 4.1.3.5-3")
def test_bind_to_port_0_takes_an_ephemeral_one(network: Network) -> None:
    address, port = udp(network.a, address=("", 0)).getsockname()
    assert address == "0.0.0.0"
    assert 32768 <= port <= 60999


def test_bind_errors(network: Network) -> None:
    bound = udp(network.a, address=("10.0.0.1", 53))
    with refused(errno.EINVAL):
        bound.bind(("10.0.0.1", 54))
    with refused(errno.EADDRINUSE):
        udp(network.a, address=("", 53))
    with refused(errno.EADDRNOTAVAIL):
        udp(network.a, address=("10.0.0.2", 53))
    with refused(errno.EADDRNOTAVAIL):
        udp(network.a, bsd.AF_INET6, ("fd00::2", 53))


def test_a_failed_bind_leaves_the_socket_as_it_was(network: Network) -> None:
    udp(network.a, address=("", 53))
    socket = udp(network.a)
    with refused(errno.EADDRINUSE):
        socket.bind(("", 53))
    socket.bind(("", 54))
    assert socket.getsockname() == ("0.0.0.0", 54)


def test_reuse_address_lets_two_sockets_share_a_port(network: Network) -> None:
    sockets = [udp(network.a) for _ in range(2)]
    for socket in sockets:
        socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_REUSEADDR, 1)
        socket.bind(("", 53))
    with refused(errno.EADDRINUSE):
        udp(network.a, address=("", 53))


def test_a_closed_socket_gives_its_port_back(network: Network) -> None:
    udp(network.a, address=("", 53)).close()
    udp(network.a, address=("", 53))


def test_a_dual_stack_wildcard_occupies_ipv4_and_an_ipv6_only_one_does_not(network: Network) -> None:
    udp(network.a, bsd.AF_INET6, ("::", 53))
    with refused(errno.EADDRINUSE):
        udp(network.a, address=("", 53))
    only = udp(network.a, bsd.AF_INET6)
    only.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_V6ONLY, 1)
    only.bind(("::", 54))
    udp(network.a, address=("", 54))


def test_an_ipv4_mapped_address_is_the_ipv4_address(network: Network) -> None:
    """RFC 3493 3.7."""
    socket = udp(network.a, bsd.AF_INET6, ("::ffff:10.0.0.1", 53))
    assert socket.getsockname() == ("::ffff:10.0.0.1", 53, 0, 0)
    with refused(errno.EADDRINUSE):
        udp(network.a, address=("10.0.0.1", 53))
    udp(network.a, bsd.AF_INET6, ("fd00::1", 53))


# --- sending and receiving


@pytest.mark.parametrize(
    ("family", "sender", "receiver"),
    [(bsd.AF_INET, "10.0.0.1", "10.0.0.2"), (bsd.AF_INET6, "fd00::1", "fd00::2")],
)
def test_there_and_back(network: Network, family: int, sender: str, receiver: str) -> None:
    client, server = udp(network.a, family), udp(network.b, family, ("", 2000))
    assert client.sendto(b"ping", (receiver, 2000)) == 4
    network.settle()
    data, address = server.recvfrom(100)
    assert data == b"ping"
    assert address[:2] == (sender, client.getsockname()[1])
    server.sendto(b"pong", address)
    network.settle()
    assert client.recvfrom(100)[0] == b"pong"


def test_a_dual_stack_socket_speaks_ipv4_by_mapped_addresses(network: Network) -> None:
    server = udp(network.b, bsd.AF_INET6, ("", 2000))
    client = udp(network.a, address=("", 1000))
    client.sendto(b"four", B)
    network.settle()
    data, address = server.recvfrom(100)
    assert (data, address) == (b"four", ("::ffff:10.0.0.1", 1000, 0, 0))
    server.sendto(b"back", address)
    network.settle()
    assert client.recvfrom(100) == (b"back", B)


def test_to_the_unspecified_address_means_to_this_host(network: Network) -> None:
    for family, loopback in ((bsd.AF_INET, "127.0.0.1"), (bsd.AF_INET6, "::1")):
        server = udp(network.a, family, ("", 2000))
        udp(network.a, family).sendto(b"self", ("", 2000))
        network.settle()
        data, address = server.recvfrom(100)
        assert (data, address[0]) == (b"self", loopback)
        server.close()


def test_an_empty_datagram_is_a_datagram(network: Network) -> None:
    server = udp(network.b, address=("", 2000))
    udp(network.a, address=("", 1000)).sendto(b"", B)
    network.settle()
    assert server.readable
    assert server.recvfrom(100) == (b"", ("10.0.0.1", 1000))
    with refused(errno.EAGAIN):
        server.recv(100)


def test_datagrams_keep_their_boundaries_and_lose_what_does_not_fit(network: Network) -> None:
    server = udp(network.b, address=("", 2000))
    client = udp(network.a)
    for data in (b"first", b"second", b"third", b"fourth"):
        client.sendto(data, B)
    network.settle()
    assert server.recv(100) == b"first"
    assert server.recv(3) == b"sec"
    assert server.recv(0) == b""
    assert server.recv(100) == b"fourth"


def test_peek_leaves_and_trunc_tells_the_length(network: Network) -> None:
    server = udp(network.b, address=("", 2000))
    udp(network.a).sendto(b"datagram", B)
    network.settle()
    assert server.recv(4, bsd.MSG_PEEK) == b"data"
    assert len(server.recv(4, bsd.MSG_PEEK | bsd.MSG_TRUNC)) == 8
    assert server.recv(100, bsd.MSG_DONTWAIT) == b"datagram"
    assert not server.readable


def test_what_is_sent_is_what_the_buffer_held_then(network: Network) -> None:
    server = udp(network.b, address=("", 2000))
    data = bytearray(b"before")
    udp(network.a).sendto(data, B)
    data[:] = b"after!"
    network.settle()
    assert server.recv(100) == b"before"


def test_recv_errors(network: Network) -> None:
    socket = udp(network.a)
    with refused(errno.EAGAIN):
        socket.recv(100)
    with refused(errno.EOPNOTSUPP):
        socket.recv(100, bsd.MSG_OOB)
    with pytest.raises(ValueError, match="negative"):
        socket.recv(-1)


def test_send_errors(network: Network) -> None:
    socket = udp(network.a)
    with refused(errno.EDESTADDRREQ):
        socket.send(b"x")
    with refused(errno.EINVAL):
        socket.sendto(b"x", ("10.0.0.2", 0))
    with refused(errno.ENETUNREACH):
        socket.sendto(b"x", ("192.0.2.1", 2000))
    with refused(errno.EOPNOTSUPP):
        socket.sendto(b"x", B, bsd.MSG_OOB)
    with refused(errno.EACCES):
        socket.sendto(b"x", ("10.0.0.255", 2000))
    with refused(errno.EACCES):
        socket.sendto(b"x", ("<broadcast>", 2000))
    with refused(errno.EMSGSIZE):
        socket.sendto(bytes(65508), B)
    assert not network.at_a.sent


def test_stream_calls_are_not_supported(network: Network) -> None:
    socket = udp(network.a)
    with refused(errno.EOPNOTSUPP):
        socket.listen()
    with refused(errno.EOPNOTSUPP):
        socket.accept()


def test_ipv4_from_a_socket_that_has_none_is_unreachable(network: Network) -> None:
    only = udp(network.a, bsd.AF_INET6)
    only.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_V6ONLY, 1)
    with refused(errno.ENETUNREACH):
        only.sendto(b"x", ("::ffff:10.0.0.2", 2000))
    with refused(errno.EINVAL):
        only.bind(("::ffff:10.0.0.1", 2000))
    with refused(errno.ENETUNREACH):
        udp(network.a, bsd.AF_INET6, ("fd00::1", 0)).sendto(b"x", ("::ffff:10.0.0.2", 2000))
    with refused(errno.ENETUNREACH):
        udp(network.a, bsd.AF_INET6, ("::ffff:10.0.0.1", 0)).sendto(b"x", B6)


def test_no_port_left_is_an_error_and_not_a_wait() -> None:
    network = Network(HostConfig(ports=PortConfig(ephemeral_low=40000, ephemeral_high=40000)))
    udp(network.a).sendto(b"x", B)
    with refused(errno.EADDRINUSE):
        udp(network.a).sendto(b"x", B)
    with refused(errno.EADDRINUSE):
        udp(network.a).connect(B)


# --- connecting


@pytest.mark.shows("RFC 1122 4.1.3.5-4")
def test_a_connected_socket_knows_both_names(network: Network) -> None:
    socket = udp(network.a)
    socket.connect(B)
    address, port = socket.getsockname()
    assert address == "10.0.0.1"
    assert port != 0
    assert socket.getpeername() == B
    server = udp(network.b, address=B)
    assert socket.send(b"x") == 1
    network.settle()
    assert server.recvfrom(100) == (b"x", ("10.0.0.1", port))


def test_connecting_again_changes_the_peer_and_fails_without_harm(network: Network) -> None:
    socket = udp(network.a)
    socket.connect(B)
    with refused(errno.ENETUNREACH):
        socket.connect(("192.0.2.1", 2000))
    assert socket.getpeername() == B
    socket.connect(("127.0.0.1", 3000))
    assert socket.getpeername() == ("127.0.0.1", 3000)
    assert socket.getsockname()[0] == "127.0.0.1"


def test_a_connected_socket_can_send_elsewhere(network: Network) -> None:
    server = udp(network.b, address=("", 2001))
    socket = udp(network.a)
    socket.connect(B)
    socket.sendto(b"x", ("10.0.0.2", 2001))
    network.settle()
    assert server.recv(100) == b"x"


def test_a_connected_socket_follows_when_the_route_changes(network: Network) -> None:
    network.a.add_route("192.0.2.0/24", via="10.0.0.2")
    socket = udp(network.a)
    socket.connect(("192.0.2.1", 2000))
    socket.send(b"x")
    network.a.remove_route("192.0.2.0/24")
    with refused(errno.ENETUNREACH):
        socket.send(b"x")
    network.a.add_route("192.0.2.0/24", via="10.0.0.2")
    socket.send(b"x")


@pytest.mark.shows("RFC 1122 3.2.1.3-2", "RFC 1122 3.2.1.3-5", "RFC 1122 4.1.3.6-2")
@pytest.mark.parametrize("group", ["224.0.0.1", "10.0.0.255"])
def test_who_is_bound_to_a_group_sends_from_an_address_of_its_own(network: Network, group: str) -> None:
    server = udp(network.b, address=B)
    udp(network.a, address=(group, 1000)).sendto(b"x", B)
    network.settle()
    assert server.recvfrom(10) == (b"x", ("10.0.0.1", 1000))


def test_connect_to_broadcast_needs_permission(network: Network) -> None:
    socket = udp(network.a)
    with refused(errno.EACCES):
        socket.connect(("10.0.0.255", 2000))
    socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_BROADCAST, 1)
    socket.connect(("10.0.0.255", 2000))


# --- errors from the network: RFC 1122 4.1.3.3


@pytest.mark.shows("RFC 1122 4.1.3.3")
def test_connection_refused_is_reported_once(network: Network) -> None:
    socket = udp(network.a)
    socket.connect(B)
    socket.send(b"x")
    network.settle()
    assert socket.readable
    assert socket.writable
    with refused(errno.ECONNREFUSED):
        socket.send(b"y")
    with refused(errno.EAGAIN):
        socket.recv(100)
    socket.send(b"z")
    network.settle()
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.ECONNREFUSED
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == 0


def test_an_unconnected_socket_does_not_hear_of_errors(network: Network) -> None:
    socket = udp(network.a)
    socket.sendto(b"x", B)
    network.settle()
    assert network.b.counters["udp.no_port"] == 1
    assert not socket.readable


def test_an_error_comes_before_data(network: Network) -> None:
    server = udp(network.b, address=B)
    socket = udp(network.a)
    socket.connect(B)
    socket.send(b"x")
    network.settle()
    server.sendto(b"answer", server.recvfrom(100)[1])
    network.settle()
    server.close()
    socket.send(b"x")
    network.settle()
    with refused(errno.ECONNREFUSED):
        socket.recv(100)
    assert socket.recv(100) == b"answer"


def test_only_hard_errors_are_reported(network: Network) -> None:
    """As Linux judges: unreachable networks and hosts may come back, and a too big datagram is the sender's doing."""
    socket = udp(network.a)
    socket.connect(B)
    for kind, number, hard, reported in (
        (ErrorKind.NO_ROUTE, errno.ENETUNREACH, False, 0),
        (ErrorKind.HOST, errno.EHOSTUNREACH, False, 0),
        (ErrorKind.PORT, errno.ECONNREFUSED, True, errno.ECONNREFUSED),
        (ErrorKind.PROTOCOL, errno.ENOPROTOOPT, True, errno.ENOPROTOOPT),
        (ErrorKind.PACKET_TOO_BIG, errno.EMSGSIZE, False, errno.EMSGSIZE),
    ):
        network.a.udp.error_arrives(report(socket, kind, number, hard))
        assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == reported
    socket.setsockopt(bsd.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    network.a.udp.error_arrives(report(socket, ErrorKind.PACKET_TOO_BIG, errno.EMSGSIZE, True))
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == 0


def report(socket: Socket, kind: ErrorKind, number: int, hard: bool) -> ErrorReport:
    """An ICMP error about what ``socket`` sent to its peer."""
    quoted = pack("!HHHH", socket.getsockname()[1], 2000, 8, 0)
    mine, yours = parse_address("10.0.0.1"), parse_address("10.0.0.2")
    return ErrorReport(kind, number, hard, yours, mine, yours, UDP, quoted, 1400, 3, 0)


# --- shutdown


def test_after_shutdown_for_writing_send_is_epipe(network: Network) -> None:
    socket = udp(network.a)
    socket.connect(B)
    socket.shutdown(bsd.SHUT_WR)
    with refused(errno.EPIPE):
        socket.send(b"x")
    assert not socket.readable


def test_after_shutdown_for_reading_recv_is_the_end(network: Network) -> None:
    server = udp(network.b, address=B)
    server.connect(("10.0.0.1", 1000))
    client = udp(network.a, address=("", 1000))
    client.sendto(b"before", B)
    network.settle()
    server.shutdown(bsd.SHUT_RD)
    client.sendto(b"after", B)
    network.settle()
    assert server.recv(100) == b"before"
    assert server.readable
    assert server.recv(100) == b""
    assert network.b.counters["socket.shut_down"] == 1


def test_shutdown_errors(network: Network) -> None:
    socket = udp(network.a)
    with refused(errno.ENOTCONN):
        socket.shutdown(bsd.SHUT_RDWR)
    with refused(errno.EINVAL):
        socket.shutdown(3)


# --- the receive queue


def test_the_queue_is_bounded_and_what_does_not_fit_is_counted(network: Network) -> None:
    server = udp(network.b, address=B)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVBUF, 5000)
    client = udp(network.a)
    for number in range(100):
        client.sendto(bytes([number]) * 1000, B)
    network.settle()
    kept = []
    while server.readable:
        kept.append(server.recv(2000)[0])
    assert kept == list(range(8))
    assert network.b.counters["socket.receive_buffer_full"] == 92


def test_empty_datagrams_fill_the_queue_too() -> None:
    network = Network(HostConfig(udp=UdpConfig(receive_buffer=4096)))
    server = udp(network.b, address=B)
    client = udp(network.a)
    for _ in range(100):
        client.sendto(b"", B)
    network.settle()
    assert network.b.counters["socket.receive_buffer_full"] > 50
    assert server.readable


def test_reading_makes_room(network: Network) -> None:
    server = udp(network.b, address=B)
    server.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVBUF, 0)
    client = udp(network.a)
    for number in range(50):
        client.sendto(bytes([number]), B)
        network.settle()
        assert server.recv(10) == bytes([number])


# --- path MTU: ip(7) IP_MTU_DISCOVER


def test_the_default_fragments_here_what_is_too_large_for_the_path(network: Network) -> None:
    server = udp(network.b, address=B)
    udp(network.a).sendto(bytes(3000), B)
    network.settle()
    assert len(server.recv(5000)) == 3000


def test_do_refuses_what_is_too_large(network: Network) -> None:
    socket = udp(network.a)
    socket.setsockopt(bsd.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    socket.sendto(bytes(1472), B)
    with refused(errno.EMSGSIZE):
        socket.sendto(bytes(1473), B)


@pytest.mark.parametrize(("discover", "bit"), [(IP_PMTUDISC_DONT, 0), (1, 0x40), (IP_PMTUDISC_DO, 0x40)])
def test_whether_routers_may_fragment(network: Network, discover: int, bit: int) -> None:
    socket = udp(network.a)
    socket.setsockopt(bsd.IPPROTO_IP, IP_MTU_DISCOVER, discover)
    socket.sendto(b"x", B)
    network.settle()
    assert bytes(network.at_a.sent[-1])[14 + 6] == bit


@pytest.mark.shows("RFC 1122 3.3.3-1")
def test_a_connected_socket_shows_the_path_mtu(network: Network) -> None:
    socket = udp(network.a)
    with refused(errno.ENOTCONN):
        socket.getsockopt(bsd.IPPROTO_IP, IP_MTU)
    socket.connect(B)
    assert socket.getsockopt(bsd.IPPROTO_IP, IP_MTU) == 1500


# --- what the packets say


@pytest.mark.shows("RFC 1122 3.2.1.6-1", "RFC 1122 3.2.1.7-3")
def test_hop_limit_and_traffic_class(network: Network) -> None:
    socket = udp(network.a)
    socket.setsockopt(bsd.IPPROTO_IP, bsd.IP_TTL, 7)
    socket.setsockopt(bsd.IPPROTO_IP, bsd.IP_TOS, 0xB9)
    socket.sendto(b"x", B)
    network.settle()
    ip = bytes(network.at_a.sent[-1])[14:]
    assert (ip[8], ip[1]) == (7, 0xB9)
    socket = udp(network.a, bsd.AF_INET6)
    socket.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_UNICAST_HOPS, 9)
    socket.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_TCLASS, 0xB9)
    socket.sendto(b"x", B6)
    network.settle()
    ip = bytes(network.at_a.sent[-1])[14:]
    assert (ip[7], int.from_bytes(ip[:2]) >> 4 & 0xFF) == (9, 0xB9)


def test_multicast_goes_one_hop_unless_told_otherwise(network: Network) -> None:
    """RFC 1112 6.1, RFC 3493 5.2."""
    four, six = udp(network.a), udp(network.a, bsd.AF_INET6)
    sent = []
    for _ in range(2):
        four.sendto(b"x", ("224.0.0.1", 2000))
        sent.append(bytes(network.at_a.sent[-1])[14 + 8])
        six.sendto(b"x", ("ff02::1", 2000))
        sent.append(bytes(network.at_a.sent[-1])[14 + 7])
        four.setsockopt(bsd.IPPROTO_IP, bsd.IP_MULTICAST_TTL, b"\x05")
        six.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_MULTICAST_HOPS, 6)
    assert sent == [1, 1, 5, 6]
