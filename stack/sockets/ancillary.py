"""What recvmsg tells of a datagram's IP header: ip(7), ipv6(7), RFC 3542 6."""

from __future__ import annotations

import socket as bsd
from collections.abc import Iterator
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

from stack.sockets.options import Option, OptionTable, Value, flag
from stack.wire.address import map_v4

if TYPE_CHECKING:
    from stack.internet.packet import Packet
    from stack.sockets.socket import Socket

IP_PKTINFO: Final = 8
IP_RECVTTL: Final = 12
IP_RECVTOS: Final = 13
IP_TOS: Final = int(bsd.IP_TOS)
IP_TTL: Final = int(bsd.IP_TTL)

PACKET_INFO_V4: Final = Struct("=i4s4s")
"""``struct in_pktinfo``: interface, the local address, the destination."""
PACKET_INFO_V6: Final = Struct("=16sI")
"""``struct in6_pktinfo``: destination, interface."""
_INT: Final = Struct("i")
_OCTET: Final = Struct("B")

Control: TypeAlias = tuple[int, int, bytes]


class Detail(IntFlag):
    """What is asked for, each by an option of its own; those of IPv4 are told of IPv4 packets, and so on."""

    PACKET_INFO = 1
    TTL = 2
    TOS = 4
    V6_PACKET_INFO = 8
    """Also of IPv4 packets to an IPv6 socket, with the IPv4-mapped address."""
    V6_HOP_LIMIT = 16
    V6_TRAFFIC_CLASS = 32


def _detail(bit: Detail) -> Option[Socket]:
    def put(socket: Socket, value: Value) -> None:
        details = socket.settings.details
        socket.settings.details = details | bit if flag(value) else details & ~bit

    return Option(lambda socket: int(bool(socket.settings.details & bit)), put)


ANCILLARY_OPTIONS: Final[OptionTable] = {
    (bsd.IPPROTO_IP, IP_PKTINFO): _detail(Detail.PACKET_INFO),
    (bsd.IPPROTO_IP, IP_RECVTTL): _detail(Detail.TTL),
    (bsd.IPPROTO_IP, IP_RECVTOS): _detail(Detail.TOS),
    (bsd.IPPROTO_IPV6, bsd.IPV6_RECVPKTINFO): _detail(Detail.V6_PACKET_INFO),
    (bsd.IPPROTO_IPV6, bsd.IPV6_RECVHOPLIMIT): _detail(Detail.V6_HOP_LIMIT),
    (bsd.IPPROTO_IPV6, bsd.IPV6_RECVTCLASS): _detail(Detail.V6_TRAFFIC_CLASS),
}


def describe(packet: Packet, details: int) -> Iterator[Control]:
    """The control messages for a packet, in the order of Linux."""
    index, destination = packet.interface.index, packet.destination
    v4 = len(destination) == 4
    if details & Detail.V6_PACKET_INFO:
        shown = map_v4(destination) if v4 else destination
        yield bsd.IPPROTO_IPV6, bsd.IPV6_PKTINFO, PACKET_INFO_V6.pack(shown, index)
    if v4:
        if details & Detail.PACKET_INFO:
            info = PACKET_INFO_V4.pack(index, _local_address(packet), destination)
            yield bsd.IPPROTO_IP, IP_PKTINFO, info
        if details & Detail.TTL:
            yield bsd.IPPROTO_IP, IP_TTL, _INT.pack(packet.hop_limit)
        if details & Detail.TOS:
            yield bsd.IPPROTO_IP, IP_TOS, _OCTET.pack(packet.traffic_class)
        return
    if details & Detail.V6_HOP_LIMIT:
        yield bsd.IPPROTO_IPV6, bsd.IPV6_HOPLIMIT, _INT.pack(packet.hop_limit)
    if details & Detail.V6_TRAFFIC_CLASS:
        yield bsd.IPPROTO_IPV6, bsd.IPV6_TCLASS, _INT.pack(packet.traffic_class)


def _local_address(packet: Packet) -> bytes:
    """Where an answer would come from: of a packet to many, the interface's address."""
    if not packet.broadcast:
        return packet.destination
    mine = (item.address for item in packet.interface.addresses if len(item.address) == 4)
    return next(mine, packet.destination)
