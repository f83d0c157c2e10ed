"""Requirements of RFC 1122 for IP and ICMP that no other module shows."""

from __future__ import annotations

import errno
import socket as bsd

import pytest

from stack.config import HostConfig, IpConfig
from stack.wire import icmpv4
from stack.wire.address import format_address, parse_address
from tests.stack.internet.lab import TEST, V4, Bench, End, ip_packet


@pytest.mark.shows("RFC 1122 3.2.1.7-2")
@pytest.mark.parametrize("hop_limit", [0, 1])
def test_who_is_the_destination_does_not_look_at_the_ttl(hop_limit: int) -> None:
    lab = Bench()
    lab.inject_ip(V4, b"12345678", hop_limit=hop_limit)
    assert lab.listener.data == [b"12345678"]


@pytest.mark.shows("RFC 1122 3.1-6", "RFC 1122 3.1-7")
def test_two_interfaces_make_no_router() -> None:
    lab = Bench()
    out = End(lab.clock)
    lab.host.add_interface("eth1", out, addresses=["10.0.1.1/24"])
    out.sent.clear()
    lab.inject_ip(V4, destination=parse_address("10.0.1.9"))
    assert lab.dropped() == ["ipv4.not_for_us"]
    assert out.sent == []


@pytest.mark.shows("RFC 1122 3.2.2.2-1")
def test_a_router_sends_no_redirect() -> None:
    """Linux's routers do; what they would save is hardly worth the trust in the messages."""
    lab = Bench(HostConfig(ip=IpConfig(forwarding=True)))
    lab.host.add_route("192.0.2.0/24", via=V4.station)
    lab.inject_ip(V4, destination=V4.remote)
    (seen,) = lab.sent()
    assert seen.ip is not None
    assert (seen.ip.destination, seen.ip.protocol) == (V4.remote, TEST)


@pytest.mark.shows("RFC 1122 3.2.2.2-3", "RFC 1122 3.3.1.2-2")
@pytest.mark.parametrize("code", range(4))
def test_redirects_for_networks_are_as_those_for_hosts(code: int) -> None:
    lab = Bench()
    lab.host.add_route("0.0.0.0/0", via=V4.station)
    path = lab.host.path(V4.remote)
    quote = ip_packet(V4, bytes(8), protocol=TEST, source=V4.host, destination=V4.remote)
    lab.inject_icmp(V4, icmpv4.REDIRECT, code, int.from_bytes(parse_address("10.0.0.3")), quote)
    assert path.next_hop == parse_address("10.0.0.3")


@pytest.mark.shows("RFC 1122 3.2.2.7", "RFC 1122 3.2.2.9-6")
@pytest.mark.parametrize("type", [15, 16, 17, 18])
def test_questions_of_the_past_are_not_answered(type: int) -> None:
    """Information and address mask, request and reply."""
    lab = Bench()
    lab.inject_icmp(V4, type, body=bytes(8))
    assert lab.dropped() == ["icmpv4.unknown_type"]
    assert lab.sent() == []


@pytest.mark.shows("RFC 1122 3.3.1.2-4")
def test_there_can_be_several_default_gateways() -> None:
    lab = Bench()
    lab.host.add_interface("eth1", End(lab.clock), addresses=["10.0.1.1/24"])
    lab.host.add_route("0.0.0.0/0", via="10.0.0.2")
    lab.host.add_route("0.0.0.0/0", via="10.0.1.2", metric=1)
    gateways = []
    for up in (True, False, True):
        lab.interface.up = up
        gateways.append(format_address(lab.host.path(V4.remote).next_hop))
    assert gateways == ["10.0.0.2", "10.0.1.2", "10.0.0.2"]


@pytest.mark.shows("RFC 1122 3.2.2.5-3", "RFC 1122 3.2.2.5-2")
def test_the_user_of_a_socket_hears_of_a_parameter_problem() -> None:
    lab = Bench()
    socket = lab.host.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    socket.connect(("10.0.0.2", 2000))
    socket.send(b"x")
    lab.inject_icmp(V4, icmpv4.PARAMETER_PROBLEM, body=bytes(lab.end.sent[-1])[14:])
    assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_ERROR) == errno.EPROTO
