"""ICMP for IPv4: RFC 792, RFC 1122 3.2.2, RFC 1191, RFC 1812 4.3."""

from __future__ import annotations

import errno

from stack.internet.icmp_family import IcmpFamily
from stack.internet.packet import Packet
from stack.internet.protocol import ErrorKind, ErrorReport
from stack.wire.address import BROADCAST_V4, UNSPECIFIED_V4, is_multicast
from stack.wire.icmp import HEADER_LENGTH, IcmpHeader
from stack.wire.icmpv4 import (
    DESTINATION_UNREACHABLE,
    ECHO_REPLY,
    ECHO_REQUEST,
    PARAMETER_PROBLEM,
    REDIRECT,
    SOURCE_QUENCH,
    TIME_EXCEEDED,
    Icmpv4Header,
    TimeExceededCode,
    UnreachableCode,
)
from stack.wire.ipv4 import MIN_HEADER_LENGTH
from stack.wire.protocols import ICMP

_UNREACHABLE: dict[int, tuple[ErrorKind, int, bool]] = {
    UnreachableCode.NETWORK: (ErrorKind.NO_ROUTE, errno.ENETUNREACH, False),
    UnreachableCode.HOST: (ErrorKind.HOST, errno.EHOSTUNREACH, False),
    UnreachableCode.PROTOCOL: (ErrorKind.PROTOCOL, errno.ENOPROTOOPT, True),
    UnreachableCode.PORT: (ErrorKind.PORT, errno.ECONNREFUSED, True),
    UnreachableCode.FRAGMENTATION_NEEDED: (ErrorKind.PACKET_TOO_BIG, errno.EMSGSIZE, False),
    UnreachableCode.SOURCE_ROUTE_FAILED: (ErrorKind.SOURCE_ROUTE, errno.EOPNOTSUPP, False),
    UnreachableCode.NETWORK_UNKNOWN: (ErrorKind.NO_ROUTE, errno.ENETUNREACH, True),
    UnreachableCode.HOST_UNKNOWN: (ErrorKind.HOST, errno.EHOSTDOWN, True),
    UnreachableCode.SOURCE_HOST_ISOLATED: (ErrorKind.HOST, errno.ENONET, True),
    UnreachableCode.NETWORK_PROHIBITED: (ErrorKind.PROHIBITED, errno.ENETUNREACH, True),
    UnreachableCode.HOST_PROHIBITED: (ErrorKind.PROHIBITED, errno.EHOSTUNREACH, True),
    UnreachableCode.NETWORK_TYPE_OF_SERVICE: (ErrorKind.NO_ROUTE, errno.ENETUNREACH, False),
    UnreachableCode.HOST_TYPE_OF_SERVICE: (ErrorKind.HOST, errno.EHOSTUNREACH, False),
    UnreachableCode.PROHIBITED: (ErrorKind.PROHIBITED, errno.EHOSTUNREACH, True),
    UnreachableCode.HOST_PRECEDENCE_VIOLATION: (ErrorKind.PROHIBITED, errno.EHOSTUNREACH, True),
    UnreachableCode.PRECEDENCE_CUTOFF: (ErrorKind.PROHIBITED, errno.EHOSTUNREACH, True),
}
"""What each code is and becomes, as in Linux's icmp_err_convert."""

_PLATEAUS = (32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)
"""MTUs worth trying when a router does not say (RFC 1191 table 7-1)."""


class Icmpv4(IcmpFamily):
    """ICMPv4 of one host."""

    NUMBER = ICMP
    HEADER = Icmpv4Header
    ECHO_REQUEST = ECHO_REQUEST
    ECHO_REPLY = ECHO_REPLY
    QUOTE = 576 - MIN_HEADER_LENGTH - HEADER_LENGTH
    """So that the message is no longer than 576 bytes (RFC 1812 4.3.2.3)."""
    ERROR_TRAFFIC_CLASS = 0xC0
    """Precedence 6, internetwork control (RFC 1812 4.3.2.5)."""

    def port_unreachable(self, packet: Packet) -> None:
        """Tell the sender of a packet that nobody listens at its port (RFC 1122 3.2.2.1)."""
        self.error(packet, DESTINATION_UNREACHABLE, UnreachableCode.PORT)

    def _message_arrives(self, packet: Packet, header: IcmpHeader, message: bytes) -> None:
        assert isinstance(header, Icmpv4Header)
        if header.type == SOURCE_QUENCH:
            self._drop("source_quench", packet)  # RFC 6633 3
        elif header.is_error:
            self._error_message_arrives(packet, header, message[HEADER_LENGTH:])
        else:
            self._drop("unknown_type", packet)  # RFC 1122 3.2.2

    def _error_message_arrives(self, packet: Packet, header: Icmpv4Header, quote: bytes) -> None:
        """An error about something that we are to have sent, of which ``quote`` is the beginning."""
        header_length = 4 * (quote[0] & 0xF) if quote else 0
        if header_length < MIN_HEADER_LENGTH or len(quote) < header_length or quote[0] >> 4 != 4:
            self._drop("bad_quote", packet)
            return
        source, destination = quote[12:16], quote[16:20]
        if not self._host.is_local(source) or packet.broadcast:
            self._drop("quote_not_ours", packet)
            return
        if header.type == REDIRECT:
            self._redirect_arrives(packet, destination, header.gateway)
            return
        mtu = 0
        if header.type == TIME_EXCEEDED:
            reassembly = header.code == TimeExceededCode.REASSEMBLY
            kind = ErrorKind.REASSEMBLY if reassembly else ErrorKind.TIME_EXCEEDED
            number, hard = errno.EHOSTUNREACH, False
        elif header.type == PARAMETER_PROBLEM:
            kind, number, hard = ErrorKind.PARAMETER, errno.EPROTO, True
        elif header.code in _UNREACHABLE:
            kind, number, hard = _UNREACHABLE[header.code]
            if kind is ErrorKind.PACKET_TOO_BIG:
                mtu = header.next_hop_mtu or _plateau_below(int.from_bytes(quote[2:4]))
        else:
            self._drop("unknown_code", packet)
            return
        report = ErrorReport(
            kind,
            number,
            hard,
            packet.source,
            source,
            destination,
            quote[9],
            quote[header_length:],
            mtu,
            header.type,
            header.code,
        )
        self._report(report, packet, first=not _is_later_fragment(quote))

    def _redirect_arrives(self, packet: Packet, destination: bytes, gateway: bytes) -> None:
        """A router knows a better first hop (RFC 1122 3.2.2.2)."""
        interface = packet.interface
        neighbour = not self._host.is_local(gateway) and any(
            address.prefix.contains(gateway) for address in interface.addresses
        )
        if not neighbour or not self._host.paths.redirect(interface, packet.source, destination, gateway):
            self._drop("redirect_ignored", packet)

    def _may_answer(self, packet: Packet, type: int, code: int) -> bool:
        """RFC 1122 3.2.2, RFC 1812 4.3.2.7."""
        source = packet.source
        if packet.broadcast or is_multicast(packet.destination) or source in (UNSPECIFIED_V4, BROADCAST_V4):
            return False
        head = packet.head
        if _is_later_fragment(head[packet.start : packet.offset]):
            return False
        if packet.protocol != ICMP or packet.length == 0:
            return True
        kind = head[packet.offset] if len(head) > packet.offset else packet.payload[0]
        return not Icmpv4Header(kind).is_error

    def _pseudo_header_sum(self, source: bytes, destination: bytes, length: int) -> int:
        return 0


def _is_later_fragment(header: bytes | bytearray | memoryview) -> bool:
    """Whether a datagram is a fragment that does not begin with the transport header."""
    return (header[6] << 8 | header[7]) & 0x1FFF != 0


def _plateau_below(total_length: int) -> int:
    """What to try after a router without RFC 1191 refused a datagram of this length (RFC 1191 5)."""
    return next((plateau for plateau in _PLATEAUS if plateau < total_length), _PLATEAUS[-1])
