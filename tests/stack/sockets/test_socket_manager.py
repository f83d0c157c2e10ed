"""Descriptors, addresses, readiness: what all sockets have in common."""

import errno
import socket as bsd

import pytest

from stack.sockets import DatagramSocket, PingSocket, StreamSocket
from tests.stack.sockets.network import CableEnd, Network, refused


@pytest.fixture
def network() -> Network:
    return Network()


# --- descriptors


def test_the_lowest_free_descriptor_is_given(network: Network) -> None:
    sockets = [network.a.sockets.socket() for _ in range(4)]
    assert [socket.fileno() for socket in sockets] == [3, 4, 5, 6]
    sockets[2].close()
    sockets[0].close()
    assert [network.a.sockets.socket().fileno() for _ in range(3)] == [3, 5, 7]


def test_descriptors_lead_to_open_sockets_only(network: Network) -> None:
    manager = network.a.sockets
    socket = manager.socket()
    assert manager[socket.fileno()] is socket
    assert list(manager) == [socket]
    socket.close()
    assert socket.fileno() == -1
    assert len(manager) == 0
    with refused(errno.EBADF):
        manager[3]


def test_each_host_has_its_own_descriptors(network: Network) -> None:
    assert network.a.sockets.socket().fileno() == network.b.sockets.socket().fileno() == 3


def test_closing_twice_does_nothing(network: Network) -> None:
    socket = network.a.sockets.socket()
    with socket:
        socket.close()
    another = network.a.sockets.socket()
    socket.close()
    assert network.a.sockets[another.fileno()] is another


def test_every_call_on_a_closed_socket_is_ebadf(network: Network) -> None:
    calls = {
        "bind": (("", 1),), "connect": (("10.0.0.2", 1),), "listen": (), "accept": (), "send": (b"",),
        "sendto": (b"", ("10.0.0.2", 1)), "recv": (1,), "recvfrom": (1,), "shutdown": (bsd.SHUT_RD,),
        "getsockname": (), "getpeername": (),
    }  # fmt: skip
    for type_, protocol in ((bsd.SOCK_STREAM, 0), (bsd.SOCK_DGRAM, 0), (bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP)):
        socket = network.a.sockets.socket(bsd.AF_INET, type_, protocol)
        socket.close()
        assert socket.readable
        assert socket.writable
        for name, arguments in calls.items():
            with refused(errno.EBADF):
                getattr(socket, name)(*arguments)


# --- kinds


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ((), StreamSocket),
        ((bsd.AF_INET6, bsd.SOCK_STREAM, bsd.IPPROTO_TCP), StreamSocket),
        ((bsd.AF_INET, bsd.SOCK_STREAM | bsd.SOCK_NONBLOCK | bsd.SOCK_CLOEXEC), StreamSocket),
        ((bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_UDP), DatagramSocket),
        ((bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP), PingSocket),
        ((bsd.AF_INET6, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMPV6), PingSocket),
    ],
)
def test_a_socket_for_each_protocol(network: Network, arguments: tuple[int, ...], kind: type) -> None:
    assert type(network.a.sockets.socket(*arguments)) is kind


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ((bsd.AF_UNIX, bsd.SOCK_STREAM), errno.EAFNOSUPPORT),
        ((bsd.AF_INET, bsd.SOCK_RAW), errno.ESOCKTNOSUPPORT),
        ((bsd.AF_INET, bsd.SOCK_STREAM, bsd.IPPROTO_UDP), errno.EPROTONOSUPPORT),
        ((bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_TCP), errno.EPROTONOSUPPORT),
        ((bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMPV6), errno.EPROTONOSUPPORT),
        ((bsd.AF_INET6, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP), errno.EPROTONOSUPPORT),
    ],
)
def test_no_socket_for_anything_else(network: Network, arguments: tuple[int, ...], number: int) -> None:
    with refused(number):
        network.a.sockets.socket(*arguments)
    assert len(network.a.sockets) == 0


# --- addresses as in the socket module


def test_addresses_that_are_none(network: Network) -> None:
    four = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    six = network.a.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    for socket, address in (
        (four, ("example.org", 80)),
        (four, ("10.0.0.256", 80)),
        (four, ("fd00::2", 80)),
        (six, ("10.0.0.2", 80)),
        (six, ("<broadcast>", 80)),
        (four, ("10.0.0.2%eth0", 80)),
        (four, ("10.0.0.2\0", 80)),
    ):
        with pytest.raises(bsd.gaierror):
            socket.connect(address)
    for port in (-1, 65536):
        with pytest.raises(OverflowError, match="0-65535"):
            four.connect(("10.0.0.2", port))
    for nonsense in ("10.0.0.2", ("10.0.0.2",), ("10.0.0.2", 80, 0), (b"10.0.0.2", 80), ("10.0.0.2", "80")):
        with pytest.raises(TypeError):
            four.connect(nonsense)


def test_the_broadcast_address_has_a_name(network: Network) -> None:
    socket = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_BROADCAST, 1)
    receiver = network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    receiver.bind(("", 2000))
    socket.sendto(b"all", ("<broadcast>", 2000))
    network.settle()
    assert receiver.recv(10) == b"all"


# --- zones: RFC 4007


def add_second_cable(network: Network) -> None:
    """Both hosts get an ``eth1`` with link-local addresses that look like those of ``eth0``."""
    ends = CableEnd(network.clock), CableEnd(network.clock)
    ends[0].peer, ends[1].peer = ends[1], ends[0]
    for host, end, number in ((network.a, ends[0], 1), (network.b, ends[1], 2)):
        host.add_interface("eth1", end)
        for name in ("eth0", "eth1"):
            host.add_address(host.interfaces[name], f"fe80::{number}/64")


def test_a_link_local_address_needs_its_zone(network: Network) -> None:
    add_second_cable(network)
    socket = network.a.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    with refused(errno.EINVAL):
        socket.bind(("fe80::1", 1000))
    with refused(errno.EINVAL):
        socket.sendto(b"x", ("fe80::2", 2000))
    with refused(errno.ENODEV):
        socket.sendto(b"x", ("fe80::2", 2000, 0, 77))
    with refused(errno.ENODEV):
        socket.sendto(b"x", ("fe80::2%eth7", 2000))


def test_datagrams_find_their_way_by_zone(network: Network) -> None:
    add_second_cable(network)
    zones = {name: network.b.interfaces[name].index for name in ("eth0", "eth1")}
    servers = {}
    for name, zone in zones.items():
        servers[name] = network.b.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
        servers[name].bind(("fe80::2", 2000, 0, zone))
        assert servers[name].getsockname() == ("fe80::2", 2000, 0, zone)
    client = network.a.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    client.bind(("", 1000))
    for name in zones:
        client.sendto(name.encode(), (f"fe80::2%{name}", 2000))
    network.settle()
    for name, zone in zones.items():
        data, address = servers[name].recvfrom(100)
        assert (data, *address[1:]) == (name.encode(), 1000, 0, zone)
        assert address[0].startswith("fe80::")
        servers[name].sendto(b"back", address)
        network.settle()
        assert client.recvfrom(10)[1] == ("fe80::2", 2000, 0, network.a.interfaces[name].index)


def test_a_host_reaches_its_own_zones(network: Network) -> None:
    network.a.add_address(network.a.interfaces["eth0"], "fe80::1/64")
    server = network.a.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    server.bind(("fe80::1%eth0", 2000))
    client = network.a.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    client.sendto(b"self", ("fe80::1%eth0", 2000))
    network.settle()
    data, address = server.recvfrom(10)
    assert data == b"self"
    server.sendto(b"back", address)
    network.settle()
    assert client.recv(10) == b"back"


def test_a_connection_within_a_zone_shows_it(network: Network) -> None:
    network.a.add_address(network.a.interfaces["eth0"], "fe80::aa/64")
    network.b.add_address(network.b.interfaces["eth0"], "fe80::bb/64")
    listener = network.b.sockets.socket(bsd.AF_INET6)
    listener.bind(("", 80))
    listener.listen()
    client = network.a.sockets.socket(bsd.AF_INET6)
    with refused(errno.EINPROGRESS):
        client.connect(("fe80::bb%eth0", 80))
    network.settle()
    client.connect(("fe80::bb%eth0", 80))
    zone = network.a.interfaces["eth0"].index
    assert client.getpeername() == ("fe80::bb", 80, 0, zone)
    assert client.getsockname()[3] == zone
    accepted, address = listener.accept()
    assert address[0] == client.getsockname()[0]
    assert address[3] == accepted.getsockname()[3] == network.b.interfaces["eth0"].index


# --- readiness


def test_watchers_are_called_until_they_are_removed(network: Network) -> None:
    socket = network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    socket.bind(("", 2000))
    seen: list[str] = []

    def first() -> None:
        seen.append(f"first {socket.readable}")

    def second() -> None:
        seen.append(f"second {socket.readable}")

    socket.watch(first)
    socket.watch(second)
    sender = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    sender.sendto(b"x", ("10.0.0.2", 2000))
    assert seen == []
    network.settle()
    assert seen == ["first True", "second True"]
    socket.unwatch(first)
    socket.close()
    assert seen[2:] == ["second True"]


def test_power_off_sends_nothing_and_wakes_who_waits(network: Network) -> None:
    listener = network.b.sockets.socket()
    listener.bind(("", 80))
    listener.listen()
    client = network.a.sockets.socket()
    with refused(errno.EINPROGRESS):
        client.connect(("10.0.0.2", 80))
    network.settle()
    woken: list[int] = []
    client.watch(lambda: woken.append(client.fileno()))
    sent = len(network.at_a.sent)
    network.a.sockets.close()
    assert woken == [-1]
    assert len(network.a.sockets) == 0
    assert len(network.at_a.sent) == sent
