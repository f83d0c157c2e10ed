"""Multicast groups, and sockets that are bound to an interface: ip(7), ipv6(7), socket(7)."""

from __future__ import annotations

import errno
import socket as bsd
from struct import pack

import pytest

from stack.sockets import Socket
from stack.sockets.groups import MULTICAST_REQUEST, MULTICAST_REQUEST_V6
from stack.wire.address import parse_address
from tests.stack.sockets.network import CableEnd, Network, refused
from tests.stack.sockets.streams import connecting, listening, tcp
from tests.stack.sockets.test_datagram_socket import udp

IP, IPV6 = bsd.IPPROTO_IP, bsd.IPPROTO_IPV6
SOL, DEVICE = bsd.SOL_SOCKET, bsd.SO_BINDTODEVICE
GROUP, GROUP6 = "239.1.2.3", "ff05::123"


class TwoCables(Network):
    """As :class:`Network`, with a second cable between ``eth1`` (10.0.1.1, 10.0.1.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.at_a1, self.at_b1 = CableEnd(self.clock), CableEnd(self.clock)
        self.at_a1.peer, self.at_b1.peer = self.at_b1, self.at_a1
        self.a.add_interface("eth1", self.at_a1, addresses=["10.0.1.1/24", "fd01::1/64"])
        self.b.add_interface("eth1", self.at_b1, addresses=["10.0.1.2/24", "fd01::2/64"])
        self.settle()
        for end in (self.at_a, self.at_b, self.at_a1, self.at_b1):
            end.sent.clear()


@pytest.fixture
def network() -> TwoCables:
    return TwoCables()


def request(group: str = GROUP, address: str = "0.0.0.0", index: int = 0) -> bytes:
    return MULTICAST_REQUEST.pack(parse_address(group), parse_address(address), index)


def received(socket: Socket) -> bool:
    try:
        return socket.recv(100) == b"x"
    except BlockingIOError:
        return False


def send(network: Network, address: tuple[str, int], **settings: object) -> None:
    sender = udp(network.a, bsd.AF_INET6 if ":" in address[0] else bsd.AF_INET)
    for name, value in settings.items():
        setattr(sender.settings, name, value)
    sender.sendto(b"x", address)
    network.settle()


# --- groups


@pytest.mark.shows("RFC 1122 3.3.7-1")
@pytest.mark.parametrize("named", ["by address", "by index", "old structure"])
def test_a_group_is_heard_once_it_was_joined(network: TwoCables, named: str) -> None:
    socket = udp(network.b, address=("", 2000))
    eth0 = network.a.interfaces["eth0"]
    send(network, (GROUP, 2000), multicast_interface=eth0)
    assert not received(socket)
    index = network.b.interfaces["eth0"].index if named == "by index" else 0
    value = request(address="0.0.0.0" if index else "10.0.0.2", index=index)
    value = value[:8] if named == "old structure" else value
    socket.setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, value)
    with refused(errno.EADDRINUSE):
        socket.setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, value)
    send(network, (GROUP, 2000), multicast_interface=eth0)
    assert received(socket)
    socket.setsockopt(IP, bsd.IP_DROP_MEMBERSHIP, value)
    with refused(errno.EADDRNOTAVAIL):
        socket.setsockopt(IP, bsd.IP_DROP_MEMBERSHIP, value)
    send(network, (GROUP, 2000), multicast_interface=eth0)
    assert not received(socket)


def test_a_group_of_ipv6(network: TwoCables) -> None:
    socket = udp(network.b, bsd.AF_INET6, ("::", 2000))
    index = network.b.interfaces["eth0"].index
    value = MULTICAST_REQUEST_V6.pack(parse_address(GROUP6), index)
    socket.setsockopt(IPV6, bsd.IPV6_JOIN_GROUP, value)
    send(network, (GROUP6, 2000), v6_multicast_interface=network.a.interfaces["eth0"])
    assert received(socket)
    socket.setsockopt(IPV6, bsd.IPV6_LEAVE_GROUP, value)
    send(network, (GROUP6, 2000), v6_multicast_interface=network.a.interfaces["eth0"])
    assert not received(socket)


def test_closing_leaves_all_groups(network: TwoCables) -> None:
    eth0 = network.b.interfaces["eth0"]
    before = dict(eth0.groups)
    first, second = udp(network.b), udp(network.b)
    for socket in (first, second):
        socket.setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, request(address="10.0.0.2"))
    first.close()
    assert eth0.groups != before
    second.close()
    assert eth0.groups == before


def test_without_an_interface_the_route_says_which(network: TwoCables) -> None:
    network.b.add_route("239.0.0.0/8", interface="eth1")
    udp(network.b).setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, request())
    assert parse_address(GROUP) in network.b.interfaces["eth1"].groups


def test_what_is_no_group_is_refused(network: TwoCables) -> None:
    four, six = udp(network.b), udp(network.b, bsd.AF_INET6)
    for value, number in (
        (request("10.0.0.1"), errno.EINVAL),
        (request(address="10.9.9.9"), errno.ENODEV),
        (request(index=99), errno.ENODEV),
        (b"short", errno.EINVAL),
        (1, errno.EINVAL),
    ):
        with refused(number):
            four.setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, value)
    for value6, number in (
        (MULTICAST_REQUEST_V6.pack(parse_address("fd00::1"), 0), errno.EINVAL),
        (MULTICAST_REQUEST_V6.pack(parse_address(GROUP6), 99), errno.ENODEV),
        (b"short", errno.EINVAL),
    ):
        with refused(number):
            six.setsockopt(IPV6, bsd.IPV6_JOIN_GROUP, value6)
    with refused(errno.ENOPROTOOPT):
        four.getsockopt(IP, bsd.IP_ADD_MEMBERSHIP, 8)


def test_groups_of_a_socket_are_bounded(network: TwoCables) -> None:
    """Linux igmp_max_memberships."""
    socket = udp(network.b)
    for number in range(20):
        socket.setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, request(f"239.0.0.{number}", "10.0.0.2"))
    with refused(errno.ENOBUFS):
        socket.setsockopt(IP, bsd.IP_ADD_MEMBERSHIP, request("239.0.0.99", "10.0.0.2"))


def test_where_multicast_leaves(network: TwoCables) -> None:
    four, six = udp(network.a), udp(network.a, bsd.AF_INET6)
    index = network.a.interfaces["eth1"].index
    four.setsockopt(IP, bsd.IP_MULTICAST_IF, parse_address("10.0.1.1"))
    six.setsockopt(IPV6, bsd.IPV6_MULTICAST_IF, index)
    four.sendto(b"x", (GROUP, 2000))
    six.sendto(b"x", (GROUP6, 2000))
    assert (len(network.at_a.sent), len(network.at_a1.sent)) == (0, 2)
    assert four.getsockopt(IP, bsd.IP_MULTICAST_IF, 4) == parse_address("10.0.1.1")
    assert six.getsockopt(IPV6, bsd.IPV6_MULTICAST_IF) == index
    four.setsockopt(IP, bsd.IP_MULTICAST_IF, request(index=network.a.interfaces["eth0"].index))
    four.sendto(b"x", (GROUP, 2000))
    assert len(network.at_a.sent) == 1
    four.setsockopt(IP, bsd.IP_MULTICAST_IF, bytes(4))
    six.setsockopt(IPV6, bsd.IPV6_MULTICAST_IF, 0)
    assert four.getsockopt(IP, bsd.IP_MULTICAST_IF, 4) == bytes(4)
    assert six.getsockopt(IPV6, bsd.IPV6_MULTICAST_IF) == 0
    with refused(errno.ENODEV):
        six.setsockopt(IPV6, bsd.IPV6_MULTICAST_IF, 99)


# --- SO_BINDTODEVICE


def test_the_name_is_read_back_and_must_exist(network: TwoCables) -> None:
    socket = udp(network.a)
    assert socket.getsockopt(SOL, DEVICE, 16) == b""
    socket.setsockopt(SOL, DEVICE, b"eth1\0")
    assert socket.getsockopt(SOL, DEVICE, 16) == b"eth1\0"
    with refused(errno.ENODEV):
        socket.setsockopt(SOL, DEVICE, b"eth9")
    with refused(errno.EINVAL):
        socket.setsockopt(SOL, DEVICE, 1)
    socket.setsockopt(SOL, DEVICE, b"")
    assert socket.getsockopt(SOL, DEVICE, 16) == b""


def test_datagrams_leave_through_the_device_or_not_at_all(network: TwoCables) -> None:
    socket, _ = udp(network.a), udp(network.b, address=("", 2000))
    socket.connect(("10.0.0.2", 2000))
    socket.setsockopt(SOL, DEVICE, b"eth1")
    with refused(errno.ENETUNREACH):
        socket.send(b"x")
    network.a.add_route("10.0.0.0/24", via="10.0.1.2", interface="eth1", metric=9)
    socket.send(b"x")
    network.settle()
    assert (len(network.at_a.sent), len(network.at_a1.sent)) == (0, 2), "an ARP request, and the datagram"


@pytest.mark.parametrize("when", ["before bind", "after bind"])
def test_datagrams_come_in_through_the_device_only(network: TwoCables, when: str) -> None:
    socket = udp(network.b)
    for step in ("device", "bind") if when == "before bind" else ("bind", "device"):
        if step == "bind":
            socket.bind(("", 2000))
        else:
            socket.setsockopt(SOL, DEVICE, b"eth1")
    send(network, ("10.0.0.2", 2000))
    assert not received(socket)
    send(network, ("10.0.1.2", 2000))
    assert received(socket)
    socket.setsockopt(SOL, DEVICE, b"")
    send(network, ("10.0.0.2", 2000))
    assert received(socket)


def test_the_device_is_no_zone(network: TwoCables) -> None:
    socket = udp(network.a, bsd.AF_INET6)
    socket.setsockopt(SOL, DEVICE, b"eth1")
    socket.bind(("fd01::1", 2000))
    assert socket.getsockname() == ("fd01::1", 2000, 0, 0)


def test_echo_replies_come_in_through_the_device_only(network: TwoCables) -> None:
    socket = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP)
    socket.sendto(pack("!BBHHH", 8, 0, 0, 0, 1), ("10.0.0.2", 0))
    socket.setsockopt(SOL, DEVICE, b"eth1")
    network.settle()
    with refused(errno.EAGAIN):
        socket.recv(100)
    socket.sendto(pack("!BBHHH", 8, 0, 0, 0, 2), ("10.0.1.2", 0))
    network.settle()
    assert socket.recv(100)[6:8] == b"\0\2"


def test_a_listener_accepts_through_its_device_only(network: TwoCables) -> None:
    server = listening(network.b)
    server.setsockopt(SOL, DEVICE, b"eth1")
    wrong, right = tcp(network.a), tcp(network.a)
    connecting(wrong, ("10.0.0.2", 80))
    connecting(right, ("10.0.1.2", 80))
    network.settle()
    with refused(errno.ECONNREFUSED):
        wrong.connect(("10.0.0.2", 80))
    right.connect(("10.0.1.2", 80))
    accepted, _ = server.accept()
    assert accepted.getsockopt(SOL, DEVICE, 16) == b"eth1\0"


def test_a_connection_is_opened_through_the_device(network: TwoCables) -> None:
    socket = tcp(network.a)
    socket.setsockopt(SOL, DEVICE, b"eth1")
    with refused(errno.ENETUNREACH):
        socket.connect(("10.0.0.2", 80))
    socket.setsockopt(SOL, DEVICE, b"eth0")
    connecting(socket, ("10.0.0.2", 80))
