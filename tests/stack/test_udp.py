"""UDP on the wire: RFC 768, RFC 1122 4.1, RFC 8200 8.1."""

import errno
import socket as bsd
from itertools import permutations
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.host import Host
from stack.internet.packet import Packet
from stack.internet.protocol import ErrorKind, ErrorReport
from stack.link import Checksum, Frame, Offload
from stack.sockets import Socket
from stack.sockets.address import Address
from stack.wire import protocols
from stack.wire.address import multicast_mac, parse_address
from stack.wire.checksum import complete, fold, internet_checksum, ones_sum, pseudo_header_sum
from stack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.udp import UdpHeader
from tests.stack.sockets.network import Network, refused

A = {4: parse_address("10.0.0.1"), 6: parse_address("fd00::1")}
B = {4: parse_address("10.0.0.2"), 6: parse_address("fd00::2")}
TEXT_A = {4: "10.0.0.1", 6: "fd00::1"}
TEXT_B = {4: "10.0.0.2", 6: "fd00::2"}
FAMILY = {4: bsd.AF_INET, 6: bsd.AF_INET6}
both = pytest.mark.parametrize("version", [4, 6])


def udp(
    host: Host, family: int = bsd.AF_INET, address: Address | None = None, *, reuse: bool = False
) -> Socket:
    socket = host.sockets.socket(family, bsd.SOCK_DGRAM)
    socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_REUSEADDR, reuse)
    if address is not None:
        socket.bind(address)
    return socket


def received(socket: Socket) -> list[bytes]:
    """All that waits in the socket."""
    datagrams = []
    while socket.readable:
        datagrams.append(socket.recv(65535))
    return datagrams


def datagram(
    network: Network, data: bytes, *, version=4, destination=None, source_port=1000, port=2000, checksum=None,
    length=None, trailer=b"",
) -> Frame:  # fmt: skip
    """A frame from ``a`` to ``b``, right unless asked otherwise."""
    source, destination = A[version], destination or B[version]
    header = UdpHeader(source_port, port, 8 + len(data) if length is None else length)
    if checksum is None:
        pseudo = pseudo_header_sum(source, destination, protocols.UDP, header.length)
        checksum = 0xFFFF - fold(pseudo + ones_sum(header.build()) + ones_sum(data)) or 0xFFFF
    header.checksum = checksum
    return packet(network, version, destination, header.build() + data + trailer)


def packet(network: Network, version: int, destination: bytes, transport: bytes) -> Frame:
    """A frame to ``b`` with any bytes for a datagram."""
    if version == 4:
        ip = Ipv4Header(A[4], destination, protocols.UDP, total_length=20 + len(transport)).build()
    else:
        ip = Ipv6Header(A[6], destination, protocols.UDP, payload_length=len(transport)).build()
    macs = {host: host.interfaces["eth0"].mac for host in (network.a, network.b)}
    to = macs[network.b] if destination == B[version] else multicast_mac(destination)
    ethertype = ETHERTYPE_IPV4 if version == 4 else ETHERTYPE_IPV6
    return Frame(EthernetHeader(to, macs[network.a], ethertype).build() + ip + transport)


# --- checksum and length


@both
def test_a_good_datagram_arrives(version: int) -> None:
    network = Network()
    socket = udp(network.b, FAMILY[version], ("", 2000))
    network.at_b.deliver(datagram(network, b"hello", version=version))
    data, address = socket.recvfrom(100)
    assert data == b"hello"
    assert address[:2] == (TEXT_A[version], 1000)


@pytest.mark.shows("RFC 1122 4.1.3.4-1", "RFC 1122 4.1.3.4-2")
@both
def test_any_flipped_bit_is_caught(version: int) -> None:
    network = Network()
    socket = udp(network.b, FAMILY[version], ("", 2000))
    good = bytes(datagram(network, b"hello", version=version))
    bits = 8 * (8 + len(b"hello"))
    for bit in range(bits):
        network.at_b.deliver(Frame((int.from_bytes(good) ^ 1 << bit).to_bytes(len(good))))
    assert not socket.readable
    counters = network.b.counters
    assert counters["udp.bad_checksum"] + counters["udp.bad_length"] == bits
    assert counters["udp.bad_length"] <= 16
    assert not network.at_b.sent


def test_ipv4_without_checksum_is_accepted() -> None:
    """RFC 1122 4.1.3.4: a zero checksum says that there is none."""
    network = Network()
    socket = udp(network.b, address=("", 2000))
    network.at_b.deliver(datagram(network, b"hello", checksum=0))
    assert socket.recv(100) == b"hello"


def test_ipv6_without_checksum_is_dropped() -> None:
    """RFC 8200 8.1."""
    network = Network()
    socket = udp(network.b, bsd.AF_INET6, ("", 2000))
    network.at_b.deliver(datagram(network, b"hello", version=6, checksum=0))
    assert not socket.readable
    assert network.b.counters["udp.no_checksum"] == 1


@pytest.mark.shows("RFC 1122 4.1.3.4-4")
@both
def test_a_checksum_of_zero_is_sent_as_all_ones(version: int) -> None:
    network = Network()
    sender = udp(network.a, FAMILY[version], ("", 1000))
    receiver = udp(network.b, FAMILY[version], ("", 2000))
    pseudo = pseudo_header_sum(A[version], B[version], protocols.UDP, 10)
    rest = fold(pseudo + ones_sum(pack("!HHHH", 1000, 2000, 10, 0)))
    data = pack("!H", 0xFFFF - rest)  # brings the sum to 0xFFFF, whose complement is 0
    sender.sendto(data, (TEXT_B[version], 2000))
    network.settle()
    assert receiver.recv(100) == data
    assert bytes(network.at_a.sent[-1]).endswith(b"\xff\xff" + data)


@both
@pytest.mark.parametrize(
    ("length", "reason"), [(7, "udp.bad_length"), (0, "udp.bad_length"), (14, "udp.bad_length")]
)
def test_a_length_that_cannot_be_is_dropped(version: int, length: int, reason: str) -> None:
    network = Network()
    socket = udp(network.b, FAMILY[version], ("", 2000))
    network.at_b.deliver(datagram(network, b"hello", version=version, length=length))
    assert not socket.readable
    assert network.b.counters[reason] == 1


@both
def test_less_than_a_header_is_dropped(version: int) -> None:
    network = Network()
    network.at_b.deliver(packet(network, version, B[version], b"\0\1\0\2\0\7\0"))
    assert network.b.counters["udp.truncated"] == 1


@both
@pytest.mark.parametrize("data", [b"hello", b""])
def test_what_follows_the_datagram_in_its_packet_is_ignored(version: int, data: bytes) -> None:
    network = Network()
    socket = udp(network.b, FAMILY[version], ("", 2000))
    network.at_b.deliver(datagram(network, data, version=version, trailer=b"trailer"))
    assert received(socket) == [data]


@both
def test_what_follows_a_payload_that_travels_apart_is_ignored_too(version: int) -> None:
    network = Network()
    socket = udp(network.b, FAMILY[version], ("", 2000))
    whole = bytes(datagram(network, b"hello", version=version, trailer=b"trailer"))
    at = len(whole) - len(b"hellotrailer")
    network.at_b.deliver(Frame(whole[:at], whole[at:]))
    assert received(socket) == [b"hello"]


@both
@pytest.mark.parametrize("size", [0, 1, 1000, 5000])
def test_a_link_that_computes_checksums_gets_them_to_compute(version: int, size: int) -> None:
    network = Network(offload=Offload(checksum=True))
    socket = udp(network.b, FAMILY[version], ("", 2000))
    udp(network.a, FAMILY[version]).sendto(bytes(size), (TEXT_B[version], 2000))
    network.settle()
    assert received(socket) == [bytes(size)]
    if size <= 1000:
        frame = network.at_a.sent[-1]
        assert frame.checksum is Checksum.PARTIAL
        assert fold(ones_sum(bytes(complete(frame))[frame.transport :]) + pseudo_header_sum(
            A[version], B[version], protocols.UDP, 8 + size
        )) == 0xFFFF  # fmt: skip


@both
def test_the_longest_datagram_goes_through_and_the_next_is_refused(version: int) -> None:
    """RFC 768, RFC 791 3.1, RFC 8200 3: the length fields have 16 bits."""
    network = Network()
    receiver = udp(network.a, FAMILY[version], ("", 2000))
    receiver.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVBUF, 1 << 20)
    longest = bytes(65507 if version == 4 else 65527)
    sender = udp(network.a, FAMILY[version])
    assert sender.sendto(longest, (TEXT_A[version], 2000)) == len(longest)
    with refused(errno.EMSGSIZE):
        sender.sendto(longest + b"!", (TEXT_A[version], 2000))
    network.settle()
    assert received(receiver) == [longest]


@both
def test_a_datagram_larger_than_the_mtu_is_fragmented_and_put_together(version: int) -> None:
    network = Network()
    receiver = udp(network.b, FAMILY[version], ("", 2000))
    data = bytes(range(256)) * 30
    udp(network.a, FAMILY[version]).sendto(data, (TEXT_B[version], 2000))
    network.settle()
    assert received(receiver) == [data]
    assert all(len(frame) <= 1514 for frame in network.at_a.sent)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([4, 6]), st.binary(max_size=40), st.booleans(), st.booleans(), st.integers(0, 8))
def test_any_bytes_are_a_datagram_or_a_named_rejection(
    version: int, transport: bytes, verified: bool, split: bool, start: int
) -> None:
    network = Network()
    udp(network.b, FAMILY[version], ("", 2000))
    transport = b"\0" * start + transport
    head, payload = (transport[:8], transport[8:]) if split else (transport, b"")
    network.b.udp.packet_arrives(
        Packet(
            network.b.interfaces["eth0"], Frame(head, payload), 0, A[version], B[version], protocols.UDP, 64, 0,
            head, 0, payload, len(transport), verified, True,
        )
    )  # fmt: skip
    assert sum(count for reason, count in network.b.counters.items() if reason.startswith("udp.")) == 1


# --- demultiplexing


@pytest.mark.shows("RFC 1122 4.1.3.5-3")
def test_the_most_specific_socket_gets_the_datagram() -> None:
    """Connected, then bound to the address, then to all of IPv4, then to all: in whatever order they came."""

    def connected(host: Host) -> Socket:
        socket = udp(host, address=("10.0.0.2", 2000), reuse=True)
        socket.connect(("10.0.0.1", 1000))
        return socket

    makers = [
        connected,
        lambda host: udp(host, address=("10.0.0.2", 2000), reuse=True),
        lambda host: udp(host, address=("", 2000), reuse=True),
        lambda host: udp(host, bsd.AF_INET6, ("", 2000), reuse=True),
    ]
    for order in permutations(range(4)):
        network = Network()
        sockets = {rank: makers[rank](network.b) for rank in order}
        for rank in range(4):
            network.at_b.deliver(datagram(network, b"x"))
            assert [other for other, socket in sockets.items() if received(socket)] == [rank]
            sockets.pop(rank).close()


def test_of_equals_the_latest_gets_the_datagram() -> None:
    network = Network()
    first = udp(network.b, address=("", 2000), reuse=True)
    second = udp(network.b, address=("", 2000), reuse=True)
    network.at_b.deliver(datagram(network, b"x"))
    assert (received(first), received(second)) == ([], [b"x"])


def test_a_connected_socket_hears_its_peer_only() -> None:
    network = Network()
    socket = udp(network.b, address=("", 2000))
    socket.connect(("10.0.0.1", 1000))
    network.at_b.deliver(datagram(network, b"other port", source_port=1001))
    network.at_b.deliver(datagram(network, b"peer", source_port=1000))
    assert received(socket) == [b"peer"]
    assert network.b.counters["udp.no_port"] == 1


def test_a_connected_socket_can_change_its_peer() -> None:
    network = Network()
    socket = udp(network.b, address=("", 2000))
    socket.connect(("10.0.0.1", 1000))
    socket.connect(("10.0.0.1", 1001))
    network.at_b.deliver(datagram(network, b"old", source_port=1000))
    network.at_b.deliver(datagram(network, b"new", source_port=1001))
    assert received(socket) == [b"new"]


def test_an_ipv6_only_socket_hears_no_ipv4() -> None:
    network = Network()
    socket = network.b.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    socket.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_V6ONLY, 1)
    socket.bind(("", 2000))
    network.at_b.deliver(datagram(network, b"four"))
    network.at_b.deliver(datagram(network, b"six", version=6))
    assert received(socket) == [b"six"]


def test_a_broadcast_reaches_every_socket_that_matches() -> None:
    network = Network()
    wildcard = udp(network.b, address=("", 2000), reuse=True)
    another = udp(network.b, address=("", 2000), reuse=True)
    to_broadcast = udp(network.b, address=("10.0.0.255", 2000), reuse=True)
    to_unicast = udp(network.b, address=("10.0.0.2", 2000), reuse=True)
    sender = udp(network.a)
    sender.setsockopt(bsd.SOL_SOCKET, bsd.SO_BROADCAST, 1)
    sender.sendto(b"all", ("10.0.0.255", 2000))
    network.settle()
    assert [received(socket) for socket in (wildcard, another, to_broadcast, to_unicast)] == [
        [b"all"], [b"all"], [b"all"], [],
    ]  # fmt: skip


@both
def test_a_multicast_reaches_every_socket_that_matches(version: int) -> None:
    network = Network()
    group = "224.0.0.1" if version == 4 else "ff02::1"
    wildcard = udp(network.b, FAMILY[version], ("", 2000), reuse=True)
    in_group = udp(network.b, FAMILY[version], (group, 2000), reuse=True)
    to_unicast = udp(network.b, FAMILY[version], (TEXT_B[version], 2000), reuse=True)
    udp(network.a, FAMILY[version]).sendto(b"all", (group, 2000))
    network.settle()
    assert [received(socket) for socket in (wildcard, in_group, to_unicast)] == [[b"all"], [b"all"], []]


# --- ICMP


@pytest.mark.shows("RFC 1122 4.1.3.1", "RFC 1122 3.2.2.1-1")
@both
def test_a_datagram_to_nobody_is_answered_port_unreachable(version: int) -> None:
    """RFC 1122 4.1.3.1, RFC 4443 3.1."""
    network = Network()
    sender = udp(network.a, FAMILY[version])
    sender.connect((TEXT_B[version], 2000))
    sender.send(b"anybody?")
    network.settle()
    assert network.b.counters["udp.no_port"] == 1
    with refused(errno.ECONNREFUSED):
        sender.recv(100)


@both
def test_a_multicast_to_nobody_is_not_answered(version: int) -> None:
    """RFC 1122 3.2.2, RFC 4443 2.4 e."""
    network = Network()
    udp(network.a, FAMILY[version]).sendto(b"x", ("224.0.0.1" if version == 4 else "ff02::1", 2000))
    network.settle()
    assert network.b.counters["udp.no_port"] == 1
    assert not network.at_b.sent


def test_an_error_that_quotes_too_little_is_ignored() -> None:
    network = Network()
    socket = udp(network.a)
    socket.connect((TEXT_B[4], 2000))
    socket.send(b"x")
    quoted = pack("!HHHH", socket.getsockname()[1], 2000, 9, 0)
    for length in range(4):
        network.a.udp.error_arrives(port_unreachable(quoted[:length]))
    network.a.udp.error_arrives(port_unreachable(pack("!HHHH", 1, 2000, 9, 0)))
    assert not socket.readable
    network.a.udp.error_arrives(port_unreachable(quoted))
    assert socket.readable


def port_unreachable(quoted: bytes) -> ErrorReport:
    return ErrorReport(
        ErrorKind.PORT, errno.ECONNREFUSED, True, B[4], A[4], B[4], protocols.UDP, quoted, 0, 3, 3
    )


def test_checksum_helpers_agree_with_the_wire() -> None:
    """The frames that these tests make are themselves right: their own sums are zero."""
    network = Network()
    frame = bytes(datagram(network, b"hello"))
    assert internet_checksum(frame[14:34]) == 0
    assert fold(pseudo_header_sum(A[4], B[4], protocols.UDP, 13) + ones_sum(frame[34:])) == 0xFFFF
