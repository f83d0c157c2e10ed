"""What recvmsg tells of a datagram's IP header: ip(7), ipv6(7), RFC 3542."""

from __future__ import annotations

import socket as bsd
from struct import pack

import pytest

from stack.sockets import Socket
from stack.sockets.ancillary import (
    IP_PKTINFO,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_TOS,
    IP_TTL,
    PACKET_INFO_V4,
    PACKET_INFO_V6,
)
from stack.sockets.socket import MSG_CTRUNC
from stack.wire.address import map_v4, parse_address
from tests.stack.sockets.network import Network
from tests.stack.sockets.test_datagram_socket import udp

IP, IPV6 = bsd.IPPROTO_IP, bsd.IPPROTO_IPV6
ROOM = 256


@pytest.fixture
def network() -> Network:
    return Network()


def asking(network: Network, family: int, *options: tuple[int, int]) -> Socket:
    """At ``b``."""
    socket = udp(network.b, family, ("::" if family == bsd.AF_INET6 else "", 2000))
    for level, number in options:
        socket.setsockopt(level, number, 1)
    return socket


def message(socket: Socket) -> dict[tuple[int, int], bytes]:
    _, control, flags, _ = socket.recvmsg(100, ROOM)
    assert not flags
    return {(level, kind): data for level, kind, data in control}


def send(network: Network, address: str, **settings: int) -> None:
    family = bsd.AF_INET6 if ":" in address else bsd.AF_INET
    sender = udp(network.a, family)
    for name, value in settings.items():
        setattr(sender.settings, name, value)
    sender.setsockopt(bsd.SOL_SOCKET, bsd.SO_BROADCAST, 1)
    sender.sendto(b"x", (address, 2000))
    network.settle()


def index(network: Network) -> int:
    return network.b.interfaces["eth0"].index


def test_nothing_is_told_unasked(network: Network) -> None:
    socket = asking(network, bsd.AF_INET)
    send(network, "10.0.0.2")
    assert message(socket) == {}


@pytest.mark.shows("RFC 1122 3.2.1.6-2", "RFC 1122 4.1.4-3")
def test_time_to_live_and_type_of_service(network: Network) -> None:
    socket = asking(network, bsd.AF_INET, (IP, IP_RECVTTL), (IP, IP_RECVTOS))
    send(network, "10.0.0.2", ttl=7, tos=0xB9)
    assert message(socket) == {(IP, IP_TTL): pack("i", 7), (IP, IP_TOS): b"\xb9"}


@pytest.mark.shows("RFC 1122 4.1.3.5-1", "RFC 1122 4.1.3.5-4")
@pytest.mark.parametrize("address", ["10.0.0.2", "10.0.0.255", "224.0.0.1"])
def test_where_a_datagram_was_sent_to(network: Network, address: str) -> None:
    """Also of those to many, with the address that would answer (RFC 1122 4.1.3.5)."""
    socket = asking(network, bsd.AF_INET, (IP, IP_PKTINFO))
    send(network, address)
    wanted = PACKET_INFO_V4.pack(index(network), parse_address("10.0.0.2"), parse_address(address))
    assert message(socket) == {(IP, IP_PKTINFO): wanted}


def test_the_same_of_ipv6(network: Network) -> None:
    options = ((IPV6, bsd.IPV6_RECVPKTINFO), (IPV6, bsd.IPV6_RECVHOPLIMIT), (IPV6, bsd.IPV6_RECVTCLASS))
    socket = asking(network, bsd.AF_INET6, *options)
    send(network, "fd00::2", hops=7, tclass=0xB9)
    assert message(socket) == {
        (IPV6, bsd.IPV6_PKTINFO): PACKET_INFO_V6.pack(parse_address("fd00::2"), index(network)),
        (IPV6, bsd.IPV6_HOPLIMIT): pack("i", 7),
        (IPV6, bsd.IPV6_TCLASS): pack("i", 0xB9),
    }


def test_ipv4_on_an_ipv6_socket(network: Network) -> None:
    """The address is shown mapped; what else there is to tell are details of IPv4."""
    options = ((IPV6, bsd.IPV6_RECVPKTINFO), (IPV6, bsd.IPV6_RECVHOPLIMIT), (IP, IP_RECVTTL))
    socket = asking(network, bsd.AF_INET6, *options)
    send(network, "10.0.0.2", ttl=7)
    mapped = map_v4(parse_address("10.0.0.2"))
    assert message(socket) == {
        (IPV6, bsd.IPV6_PKTINFO): PACKET_INFO_V6.pack(mapped, index(network)),
        (IP, IP_TTL): pack("i", 7),
    }


def test_it_can_be_switched_off_and_cut_short(network: Network) -> None:
    socket = asking(network, bsd.AF_INET, (IP, IP_RECVTTL), (IP, IP_RECVTOS))
    send(network, "10.0.0.2")
    _, control, flags, _ = socket.recvmsg(100, 24)
    assert ([kind for _, kind, _ in control], flags) == ([IP_TTL], MSG_CTRUNC)
    socket.setsockopt(IP, IP_RECVTTL, 0)
    send(network, "10.0.0.2")
    assert list(message(socket)) == [(IP, IP_TOS)]
