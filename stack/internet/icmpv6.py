"""ICMP for IPv6: RFC 4443, RFC 8201. Neighbour discovery is in :mod:`stack.internet.ndp`."""

from __future__ import annotations

import errno

from stack.internet.icmp_family import IcmpFamily
from stack.internet.ipv6_path import IPV6_MINIMUM_MTU
from stack.internet.packet import Packet
from stack.internet.protocol import ErrorKind, ErrorReport
from stack.wire.address import UNSPECIFIED_V6, is_multicast
from stack.wire.checksum import pseudo_header_sum
from stack.wire.errors import Malformed
from stack.wire.icmp import HEADER_LENGTH, IcmpHeader
from stack.wire.icmpv6 import (
    DESTINATION_UNREACHABLE,
    ECHO_REPLY,
    ECHO_REQUEST,
    PACKET_TOO_BIG,
    PARAMETER_PROBLEM,
    REDIRECT,
    TIME_EXCEEDED,
    Icmpv6Header,
    ParameterProblemCode,
    TimeExceededCode,
    UnreachableCode,
)
from stack.wire.ipv6 import HEADER_LENGTH as IPV6_HEADER_LENGTH
from stack.wire.ipv6 import NEXT_HEADER_AT
from stack.wire.ipv6_extensions import HeaderChain, walk
from stack.wire.ndp import MESSAGES
from stack.wire.protocols import ICMPV6

_UNREACHABLE: dict[int, tuple[ErrorKind, int, bool]] = {
    UnreachableCode.NO_ROUTE: (ErrorKind.NO_ROUTE, errno.ENETUNREACH, False),
    UnreachableCode.PROHIBITED: (ErrorKind.PROHIBITED, errno.EACCES, True),
    UnreachableCode.BEYOND_SCOPE: (ErrorKind.HOST, errno.EHOSTUNREACH, False),
    UnreachableCode.ADDRESS: (ErrorKind.HOST, errno.EHOSTUNREACH, False),
    UnreachableCode.PORT: (ErrorKind.PORT, errno.ECONNREFUSED, True),
    UnreachableCode.SOURCE_POLICY: (ErrorKind.PROHIBITED, errno.EACCES, True),
    UnreachableCode.REJECT_ROUTE: (ErrorKind.PROHIBITED, errno.EACCES, True),
}
"""What each code is and becomes, as in Linux's tab_unreach."""


class Icmpv6(IcmpFamily):
    """ICMPv6 of one host."""

    NUMBER = ICMPV6
    HEADER = Icmpv6Header
    ECHO_REQUEST = ECHO_REQUEST
    ECHO_REPLY = ECHO_REPLY
    QUOTE = IPV6_MINIMUM_MTU - IPV6_HEADER_LENGTH - HEADER_LENGTH
    """So that the message fits the minimum MTU (RFC 4443 2.4 c)."""
    ERROR_TRAFFIC_CLASS = 0

    def port_unreachable(self, packet: Packet) -> None:
        """Tell the sender of a packet that nobody listens at its port (RFC 4443 3.1)."""
        self.error(packet, DESTINATION_UNREACHABLE, UnreachableCode.PORT)

    def _message_arrives(self, packet: Packet, header: IcmpHeader, message: bytes) -> None:
        assert isinstance(header, Icmpv6Header)
        if header.type in MESSAGES:
            self._host.ndp.message_arrives(packet, message)
        elif header.is_error:
            self._error_message_arrives(packet, header, message[HEADER_LENGTH:])
        else:
            self._drop("unknown_type", packet)  # RFC 4443 2.4 b

    def _error_message_arrives(self, packet: Packet, header: Icmpv6Header, quote: bytes) -> None:
        """An error about something that we are to have sent, of which ``quote`` is the beginning."""
        chain = _chain(quote)
        if chain is None:
            self._drop("bad_quote", packet)
            return
        source, destination = quote[8:24], quote[24:40]
        if not self._host.is_local(source):
            self._drop("quote_not_ours", packet)
            return
        mtu = 0
        if header.type == PACKET_TOO_BIG:
            mtu = header.mtu
            if mtu < IPV6_MINIMUM_MTU:  # RFC 8201 4
                self._drop("bad_mtu", packet)
                return
            kind, number, hard = ErrorKind.PACKET_TOO_BIG, errno.EMSGSIZE, False
        elif header.type == TIME_EXCEEDED:
            reassembly = header.code == TimeExceededCode.REASSEMBLY
            kind = ErrorKind.REASSEMBLY if reassembly else ErrorKind.TIME_EXCEEDED
            number, hard = errno.EHOSTUNREACH, False
        elif header.type == PARAMETER_PROBLEM:
            unknown = header.code == ParameterProblemCode.UNRECOGNIZED_NEXT_HEADER
            kind = ErrorKind.PROTOCOL if unknown else ErrorKind.PARAMETER
            number, hard = errno.EPROTO, True
        elif header.type == DESTINATION_UNREACHABLE and header.code in _UNREACHABLE:
            kind, number, hard = _UNREACHABLE[header.code]
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
            chain.protocol,
            quote[chain.offset :],
            mtu,
            header.type,
            header.code,
        )
        later_fragment = chain.fragment is not None and chain.fragment.fragment_offset > 0
        self._report(report, packet, first=not later_fragment)

    def _may_answer(self, packet: Packet, type: int, code: int) -> bool:
        """RFC 4443 2.4 e."""
        if packet.source == UNSPECIFIED_V6 or is_multicast(packet.source):
            return False
        if packet.broadcast or is_multicast(packet.destination):
            unknown_option = type == PARAMETER_PROBLEM and code == ParameterProblemCode.UNRECOGNIZED_OPTION
            if type != PACKET_TOO_BIG and not unknown_option:
                return False
        quote = self._quote(packet)
        chain = _chain(quote)
        if chain is None or chain.protocol != ICMPV6 or len(quote) <= chain.offset:
            return True
        kind = quote[chain.offset]
        return kind != REDIRECT and not Icmpv6Header(kind).is_error

    def _pseudo_header_sum(self, source: bytes, destination: bytes, length: int) -> int:
        return pseudo_header_sum(source, destination, ICMPV6, length)


def _chain(quote: bytes) -> HeaderChain | None:
    """The header chain of a quoted packet, or None if it is none or ends before its upper layer begins."""
    if len(quote) < IPV6_HEADER_LENGTH or quote[0] >> 4 != 6:
        return None
    try:
        return walk(quote, IPV6_HEADER_LENGTH, len(quote), quote[NEXT_HEADER_AT], NEXT_HEADER_AT)
    except Malformed:
        return None
