"""Host: one machine, from the outside."""

from __future__ import annotations

import asyncio
import socket as bsd
from random import Random

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, IpConfig
from stack.host import Host
from stack.link import Frame, Medium
from stack.sockets.asynchronous import AsyncSocket
from stack.trace import Observer
from stack.wire.address import BROADCAST_V4, parse_address
from stack.wire.protocols import ICMP, ICMPV6, TCP, UDP
from tests.stack.internet.lab import TEST, End, Net, cable
from tests.support import FakeClock


def test_a_new_host_has_what_it_needs_and_nothing_pending() -> None:
    clock = FakeClock()
    host = Host("alone", clock, Random(1))
    assert repr(host) == "<Host alone>"
    assert host.protocols == {ICMP: host.icmp.v4, ICMPV6: host.icmp.v6, UDP: host.udp, TCP: host.tcp}
    assert host.interfaces == {"lo": host.loopback}
    assert [str(address) for address in host.loopback.addresses] == ["127.0.0.1/8", "::1/128"]
    assert clock.pending == 0
    assert host.counters == {}


def test_what_is_local() -> None:
    clock = FakeClock()
    host = Host("a", clock, Random(1))
    host.add_interface("eth0", End(clock), addresses=["10.0.0.1/24", "fd00::1/64"])
    for text in ("10.0.0.1", "fd00::1", "127.0.0.1", "127.9.9.9", "::1"):
        assert host.is_local(parse_address(text))
    for text in ("10.0.0.2", "10.0.0.255", "::", "0.0.0.0", "255.255.255.255", "ff02::1"):
        assert not host.is_local(parse_address(text))
    assert host.is_broadcast(BROADCAST_V4)
    assert host.is_broadcast(parse_address("10.0.0.255"))
    assert not host.is_broadcast(parse_address("10.0.1.255"))


@pytest.mark.shows("RFC 1122 3.1-8", "RFC 1122 3.1-9")
def test_counters_and_observer_agree_on_drops() -> None:
    seen: list[tuple[str, Frame | None]] = []

    class Watcher(Observer):
        def dropped(self, reason: str, frame: Frame | None) -> None:
            seen.append((reason, frame))

    host = Host("a", FakeClock(), Random(1))
    frame = Frame(b"")
    host.drop("test.reason", frame)
    host.observer = Watcher()
    host.drop("test.reason", frame)
    host.drop("test.reason")
    assert host.counters["test.reason"] == 3
    assert seen == [("test.reason", frame), ("test.reason", None)]


def test_good_traffic_is_counted_too() -> None:
    net = Net()
    a, b = net.host("a"), net.host("b")
    net.join("a", ["10.0.0.1/24", "fd00::1/64"], "b", ["10.0.0.2/24", "fd00::2/64"])
    for version, text in ((4, "10.0.0.2"), (6, "fd00::2")):
        for _ in range(3):
            a.path(parse_address(text)).send(TEST, b"data")
        net.settle()
        assert a.counters[f"ipv{version}.sent"] == 3
        assert net.listeners["b"].data == [b"data"] * 3
        net.listeners["b"].packets.clear()
    assert b.counters["ipv4.received"] == 3
    assert b.counters["arp.received"] >= 1
    assert net.logs["b"].reasons == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "lo"}, "already"),
        ({"mac": b"\x01\0\0\0\0\1"}, "station"),
        ({"mac": bytes(6)}, "station"),
        ({"mac": b"\x02\0"}, "station"),
        ({"mtu": 67}, "68"),
        ({"mac": b"\x02\0\0\0\0\1", "medium": Medium.IP}, "no use"),
    ],
)
def test_impossible_interfaces(options: dict[str, object], words: str) -> None:
    clock = FakeClock()
    host = Host("a", clock, Random(1))
    link = End(clock, **{key: options[key] for key in ("mtu", "medium") if key in options})
    name, mac = options.get("name", "eth0"), options.get("mac")
    assert isinstance(name, str)
    assert mac is None or isinstance(mac, bytes)
    with pytest.raises(ValueError, match=words):
        host.add_interface(name, link, mac=mac)
    assert list(host.interfaces) == ["lo"]


def test_macs_come_from_the_hosts_own_luck() -> None:
    def macs(seed: int) -> list[bytes]:
        clock = FakeClock()
        host = Host("a", clock, Random(seed))
        return [host.add_interface(f"eth{number}", End(clock)).mac for number in range(20)]

    assert macs(1) == macs(1)
    assert macs(1) != macs(2)
    assert len(set(macs(1))) == 20
    assert {mac[0] & 0x03 for mac in macs(1)} == {0x02}


def test_interfaces_have_an_index_for_scopes() -> None:
    clock = FakeClock()
    host = Host("a", clock, Random(1))
    for number in range(3):
        host.add_interface(f"eth{number}", End(clock))
    assert [interface.index for interface in host.interfaces.values()] == [1, 2, 3, 4]


def test_a_socket_of_each_kind() -> None:
    host = Host("a", FakeClock(), Random(1))
    for type in (bsd.SOCK_STREAM, bsd.SOCK_DGRAM):
        assert isinstance(host.socket(bsd.AF_INET6, type), AsyncSocket)
    assert isinstance(host.socket(bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP), AsyncSocket)
    assert len(host.sockets) == 3


def busy_pair() -> tuple[FakeClock, Host, Host]:
    """Two hosts with something of everything under way."""
    clock = FakeClock()
    ends = cable(clock)
    hosts = []
    for name, end, number in (("a", ends[0], 1), ("b", ends[1], 2)):
        host = Host(name, clock, Random(name), HostConfig(ip=IpConfig(forwarding=True)))
        host.add_interface("eth0", end, addresses=[f"10.0.0.{number}/24", f"fd00::{number}/64"])
        hosts.append(host)
    a, b = hosts
    a.add_route("0.0.0.0/0", via="10.0.0.2")
    for text in ("10.0.0.2", "fd00::2", "10.0.0.77", "fd00::77", "127.0.0.1"):
        a.path(parse_address(text)).send(TEST, bytes(100))
    a.path(parse_address("10.0.0.2")).learn_mtu(1000)
    b.path(parse_address("10.0.0.1")).send(TEST, bytes(3000), dont_fragment=False)
    listening = b.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    listening.bind(("", 80))
    listening.listen()
    calling = a.socket(bsd.AF_INET, bsd.SOCK_STREAM).socket
    with pytest.raises(BlockingIOError):
        calling.connect(("10.0.0.2", 80))
    return clock, a, b


@pytest.mark.parametrize("age", [0, MILLISECOND, 50 * MILLISECOND, 3 * SECOND])
def test_a_host_that_stops_leaves_nothing_at_the_clock(age: int) -> None:
    clock, a, b = busy_pair()
    clock.advance(age)
    a.close()
    b.close()
    clock.advance(10 * MILLISECOND)  # what is still on the cable arrives at nobody
    assert clock.pending == 0
    assert not a.loopback.up
    sent = dict(a.counters)
    clock.advance(100 * SECOND)
    assert dict(a.counters) == sent


def test_two_hosts_share_nothing() -> None:
    """No module state: the same host does the same, whoever else lives in the process."""

    def life(company: bool) -> list[bytes]:
        clock, a, _ = busy_pair()
        if company:
            busy_pair()[0].advance(SECOND)
        clock.advance(SECOND)
        end = a.interfaces["eth0"].link
        assert isinstance(end, End)
        return [bytes(frame) for frame in end.sent]

    assert life(False) == life(True)


def test_an_application_over_the_hosts_sockets() -> None:
    """The two ends of the stack at once: a coroutine above, frames below."""
    net = Net()
    a, b = net.host("a"), net.host("b")
    net.join("a", ["10.0.0.1/24"], "b", ["10.0.0.2/24"])

    async def talk() -> tuple[bytes, tuple[str, int]]:
        receiver = b.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
        receiver.bind(("", 7))
        sender = a.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
        await sender.sendto(b"data", ("10.0.0.2", 7))
        waiting = asyncio.ensure_future(receiver.recvfrom(100))
        await asyncio.sleep(0)
        net.settle()
        data, address = await waiting
        return data, (str(address[0]), net.listeners["a"].reports == [])

    data, (source, quiet) = asyncio.run(talk())
    assert (data, source, quiet) == (b"data", "10.0.0.1", True)
