"""UDP_SEGMENT and UDP_GRO (udp(7), linux/udp.h): many datagrams in one call. The errors are those of Linux 6.18."""

from __future__ import annotations

import errno
import socket as bsd
from struct import pack
from typing import Any

import pytest

from stack.link import Offload
from stack.sockets.datagram import UDP_GRO, UDP_SEGMENT, DatagramSocket
from stack.wire.ipv4 import Ipv4Header
from tests.stack.sockets.network import Network, refused

UDP = bsd.IPPROTO_UDP
DATA = bytes(range(256)) * 20
OFFLOADS = pytest.mark.parametrize(
    "offload", [Offload(), Offload(checksum=True), Offload(checksum=True, segmentation=65535)], ids=str
)
FAMILIES = pytest.mark.parametrize("family", [bsd.AF_INET, bsd.AF_INET6])


def udp_pair(network: Network, family: int = bsd.AF_INET, *, join: bool = False) -> tuple[Any, Any]:
    """One socket connected to another."""
    sender, receiver = (host.sockets.socket(family, bsd.SOCK_DGRAM) for host in (network.a, network.b))
    receiver.setsockopt(UDP, UDP_GRO, join)
    receiver.bind(("", 53))
    sender.connect(("10.0.0.2" if family == bsd.AF_INET else "fd00::2", 53))
    return sender, receiver


def arrived(network: Network, receiver: DatagramSocket) -> list[bytes]:
    network.settle()
    datagrams = []
    while receiver.readable:
        datagrams.append(receiver.recv(65535))
    return datagrams


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@OFFLOADS
@FAMILIES
def test_one_call_sends_datagrams_of_one_size_whatever_the_link_can(offload: Offload, family: int) -> None:
    network = Network(offload=offload)
    sender, receiver = udp_pair(network, family)
    sender.setsockopt(UDP, UDP_SEGMENT, 1000)
    assert sender.getsockopt(UDP, UDP_SEGMENT) == 1000
    assert sender.send(DATA) == len(DATA)
    assert arrived(network, receiver) == cut(DATA, 1000)
    large = [frame for frame in network.at_a.sent if len(frame) > 1500]
    assert len(large) == (1 if offload.segmentation else 0)


@FAMILIES
def test_a_control_message_is_for_one_call(family: int) -> None:
    network = Network()
    sender, receiver = udp_pair(network, family)
    sender.sendmsg([DATA[:1000], DATA[1000:1400]], [(UDP, UDP_SEGMENT, pack("H", 600))])
    sender.send(DATA[:1200])
    assert arrived(network, receiver) == [*cut(DATA[:1400], 600), DATA[:1200]]
    sender.setsockopt(UDP, UDP_SEGMENT, 100)
    sender.sendmsg([DATA[:1200]], [(UDP, UDP_SEGMENT, pack("H", 0))])
    assert arrived(network, receiver) == [DATA[:1200]]


def test_what_is_no_longer_than_a_segment_is_one_datagram() -> None:
    network = Network(offload=Offload(checksum=True, segmentation=65535))
    sender, receiver = udp_pair(network)
    sender.setsockopt(UDP, UDP_SEGMENT, 1000)
    for data in (b"", b"x", DATA[:1000]):
        sender.send(data)
    assert arrived(network, receiver) == [b"", b"x", DATA[:1000]]
    assert all(frame.segment_size == 0 for frame in network.at_a.sent)


def test_what_more_comes_to_is_cut_as_it_was_begun() -> None:
    network = Network()
    sender, receiver = udp_pair(network)
    sender.sendmsg([DATA[:500]], [(UDP, UDP_SEGMENT, pack("H", 400))], bsd.MSG_MORE)
    sender.send(DATA[500:1000])
    assert arrived(network, receiver) == cut(DATA[:1000], 400)


@OFFLOADS
def test_each_datagram_must_fit_and_there_are_128_at_most(offload: Offload) -> None:
    network = Network(offload=offload)
    sender, receiver = udp_pair(network)
    with refused(errno.EMSGSIZE):
        sender.sendmsg([DATA[:3000]], [(UDP, UDP_SEGMENT, pack("H", 1473))])
    with refused(errno.EMSGSIZE):
        sender.sendmsg([DATA[:1600]], [(UDP, UDP_SEGMENT, pack("H", 3000))])
    with refused(errno.EINVAL):
        sender.sendmsg([bytes(1281)], [(UDP, UDP_SEGMENT, pack("H", 10))])
    with refused(errno.EMSGSIZE):
        sender.sendmsg([bytes(65508)], [(UDP, UDP_SEGMENT, pack("H", 1000))])
    assert arrived(network, receiver) == []
    sender.sendmsg([DATA[:2944]], [(UDP, UDP_SEGMENT, pack("H", 1472))])
    assert arrived(network, receiver) == cut(DATA[:2944], 1472)
    sender.sendmsg([DATA[:1280]], [(UDP, UDP_SEGMENT, pack("H", 10))])
    assert len(arrived(network, receiver)) == 128


@pytest.mark.parametrize(
    "message",
    [(UDP, UDP_SEGMENT, b"\0"), (UDP, UDP_SEGMENT, bytes(4)), (UDP, UDP_GRO, bytes(2)), (UDP, 77, bytes(2))],
)
def test_control_messages_that_make_no_sense_are_refused(message: tuple[int, int, bytes]) -> None:
    network = Network()
    sender, receiver = udp_pair(network)
    with refused(errno.EINVAL):
        sender.sendmsg([b"x"], [message])
    sender.send(DATA[:100])
    assert arrived(network, receiver) == [DATA[:100]], "and nothing of them stays"


@pytest.mark.parametrize("value", [-1, 65536])
def test_a_segment_size_is_within_16_bits(value: int) -> None:
    sender, _ = udp_pair(Network())
    with refused(errno.EINVAL):
        sender.setsockopt(UDP, UDP_SEGMENT, value)
    assert sender.getsockopt(UDP, UDP_SEGMENT) == 0


def test_packets_that_may_be_fragmented_have_identifications_of_their_own() -> None:
    """RFC 6864 4.3."""
    network = Network()
    sender, _ = udp_pair(network)
    sender.setsockopt(bsd.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
    sender.setsockopt(UDP, UDP_SEGMENT, 100)
    for size in (1000, 950, 100, 201):
        sender.send(bytes(size))
    network.settle()
    packets = [Ipv4Header.parse(bytes(frame), 14) for frame in network.at_a.sent if bytes(frame)[23] == 17]
    assert len(packets) == 10 + 10 + 1 + 3
    assert len({packet.identification for packet in packets}) == len(packets)
    assert not any(packet.dont_fragment for packet in packets)


@FAMILIES
def test_who_asks_for_it_reads_together_what_came_together(family: int) -> None:
    network = Network(offload=Offload(checksum=True, segmentation=65535))
    sender, receiver = udp_pair(network, family, join=True)
    assert receiver.getsockopt(UDP, UDP_GRO) == 1
    sender.setsockopt(UDP, UDP_SEGMENT, 1000)
    sender.send(DATA)
    sender.send(DATA[:500])
    network.settle()
    data, control, flags, _ = receiver.recvmsg(65535, 100)
    assert (data, flags) == (DATA, 0)
    assert control == [(UDP, UDP_GRO, pack("i", 1000))]
    assert receiver.recvmsg(65535, 100)[:3] == (DATA[:500], [], 0)
    sender.send(DATA)
    network.settle()
    assert receiver.recvmsg(1000, 0)[:3] == (DATA[:1000], [], bsd.MSG_TRUNC | bsd.MSG_CTRUNC)
    receiver.setsockopt(UDP, UDP_GRO, 0)
    sender.send(DATA)
    assert arrived(network, receiver) == cut(DATA, 1000)
