"""What ICMPv4 and ICMPv6 have in common: RFC 792, RFC 1122 3.2.2, RFC 4443."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from stack.internet.protocol import ErrorKind, ErrorReport, Protocol
from stack.link import Buffer
from stack.wire.address import is_link_local
from stack.wire.checksum import fold, ones_sum
from stack.wire.errors import Malformed
from stack.wire.icmp import CHECKSUM_AT, HEADER_LENGTH, IcmpHeader
from stack.wire.protocols import TCP

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.icmp import Icmp
    from stack.internet.packet import Packet
    from stack.internet.path import Path

_ECN = 0b11


class IcmpFamily(Protocol):
    """ICMP of one family on one host."""

    NUMBER: ClassVar[int]
    """Its own protocol number."""
    HEADER: ClassVar[type[IcmpHeader]]
    ECHO_REQUEST: ClassVar[int]
    ECHO_REPLY: ClassVar[int]
    QUOTE: ClassVar[int]
    """How many bytes of the packet that caused it an error message quotes."""
    ERROR_TRAFFIC_CLASS: ClassVar[int]

    def __init__(self, host: Host, icmp: Icmp) -> None:
        self._host = host
        self._icmp = icmp
        self._name = self.HEADER.NAME

    # --- input ----------------------------------------------------------------------------------------------------

    def packet_arrives(self, packet: Packet) -> None:
        """Verify a message and do what it asks for."""
        message = packet.contiguous()
        if not packet.verified:
            pseudo_header = self._pseudo_header_sum(packet.source, packet.destination, len(message))
            if fold(ones_sum(message) + pseudo_header) != 0xFFFF:
                self._drop("bad_checksum", packet)
                return
        try:
            header = self.HEADER.parse(message)
        except Malformed as malformed:
            self._host.drop(malformed.reason, packet.frame)
            return
        self._host.counters[f"{self._name}.received"] += 1
        if header.type == self.ECHO_REQUEST:
            self._answer_echo(packet, header, message)
        elif header.type == self.ECHO_REPLY:
            user = self._icmp.echo_user(header.identifier)
            if user is None:
                self._drop("echo_unexpected", packet)
            else:
                user.reply_arrives(packet, header.sequence, message[HEADER_LENGTH:])
        else:
            self._message_arrives(packet, header, message)

    def error_arrives(self, report: ErrorReport) -> None:
        """An error about a message of this protocol: of an echo request, its user wants to know."""
        if len(report.quoted) < HEADER_LENGTH:
            return
        header = self.HEADER.parse(report.quoted)
        user = self._icmp.echo_user(header.identifier)
        if user is not None and header.type == self.ECHO_REQUEST:
            user.error_arrives(report)

    @abstractmethod
    def _message_arrives(self, packet: Packet, header: IcmpHeader, message: bytes) -> None:
        """A message that is no echo; ``message`` includes the header."""

    def _answer_echo(self, packet: Packet, request: IcmpHeader, message: bytes) -> None:
        """RFC 1122 3.2.2.6, RFC 4443 4.2."""
        config = self._host.config.icmp
        to_many = not self._host.is_local(packet.destination)
        answers_many = config.echo_broadcast if len(packet.destination) == 4 else config.echo_multicast_v6
        if not config.echo or (to_many and not answers_many):
            self._drop("echo_ignored", packet)
            return
        path = self._path_back(packet)
        if path is not None:
            reply = self.HEADER(self.ECHO_REPLY, rest=request.rest)
            traffic_class = packet.traffic_class & ~_ECN
            self._send(path, reply, message[HEADER_LENGTH:], traffic_class=traffic_class)

    def _report(self, report: ErrorReport, packet: Packet, *, first: bool) -> None:
        """Hand an error to the protocol concerned; ``first``: the quoted packet shows its transport header."""
        host = self._host
        if report.kind is ErrorKind.PACKET_TOO_BIG and report.protocol != TCP:
            try:
                host.path(report.destination, source=report.source).learn_mtu(report.mtu)
            except OSError:
                self._drop("no_path", packet)
                return
        protocol = host.protocols.get(report.protocol)
        if protocol is None or not first:
            self._drop("quote_without_user", packet)
        else:
            protocol.error_arrives(report)

    # --- output ---------------------------------------------------------------------------------------------------

    def error(self, packet: Packet, type: int, code: int, rest: int = 0) -> None:
        """Send an error message about a packet that cannot be delivered or forwarded, unless that must not be.

        ``rest`` is the second word of the ICMP header: the pointer, the MTU. Counted if it is held back.
        """
        if not self._may_answer(packet, type, code):
            return
        path = self._path_back(packet)
        if path is None:
            return
        # What stays here cannot flood anybody; Linux leaves its loopback out as well.
        if path.interface is not self._host.loopback and not self._icmp.limiter.take():
            self._drop("rate_limited", packet)
            return
        message = self.HEADER(type, code, rest=rest)
        self._send(path, message, self._quote(packet), traffic_class=self.ERROR_TRAFFIC_CLASS)

    @abstractmethod
    def port_unreachable(self, packet: Packet) -> None:
        """Tell the sender of a packet that nobody listens at its port."""

    def send_echo(
        self, path: Path, identifier: int, sequence: int, data: bytes, hop_limit: int, traffic_class: int
    ) -> None:
        """Send an echo request."""
        request = self.HEADER.echo(self.ECHO_REQUEST, identifier, sequence)
        self._send(path, request, data, hop_limit=hop_limit, traffic_class=traffic_class)

    @abstractmethod
    def _may_answer(self, packet: Packet, type: int, code: int) -> bool:
        """Whether an error of this type about this packet is allowed at all."""

    @abstractmethod
    def _pseudo_header_sum(self, source: bytes, destination: bytes, length: int) -> int:
        """What the checksum covers beside the message."""

    def _path_back(self, packet: Packet) -> Path | None:
        """The way to the sender of a packet, from the address that it was for if that is ours (RFC 4443 2.2)."""
        destination, source = packet.source, packet.destination
        try:
            return self._host.path(
                destination,
                source=source if self._host.is_local(source) else None,
                interface=packet.interface if is_link_local(destination) else None,
            )
        except OSError:
            self._drop("no_path", packet)
            return None

    def _send(
        self, path: Path, header: IcmpHeader, data: Buffer, *, hop_limit: int = 0, traffic_class: int = 0
    ) -> None:
        length = HEADER_LENGTH + len(data)
        header.checksum = self._pseudo_header_sum(path.source, path.destination, length)
        self._host.counters[f"{self._name}.sent"] += 1
        path.send(
            self.NUMBER,
            header.build(),
            data,
            checksum_at=CHECKSUM_AT,
            hop_limit=hop_limit,
            traffic_class=traffic_class,
            dont_fragment=False,
        )

    def _quote(self, packet: Packet) -> bytes:
        """As much of a packet, from its IP header on, as an error message has room for."""
        end = packet.offset + packet.length - len(packet.payload)
        head = bytes(packet.head[packet.start : min(end, packet.start + self.QUOTE)])
        return head + packet.payload[: self.QUOTE - len(head)]

    def _drop(self, reason: str, packet: Packet) -> None:
        self._host.drop(f"{self._name}.{reason}", packet.frame)
