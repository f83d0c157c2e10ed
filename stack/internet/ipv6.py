"""IPv6: RFC 8200."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, ClassVar

from stack.internet.fragments import FragmentKey
from stack.internet.ipv6_path import Ipv6Path
from stack.internet.packet import Packet
from stack.internet.path import LARGEST_PACKET
from stack.link import Checksum, Frame
from stack.wire import icmpv6
from stack.wire.address import LOOPBACK_V6, UNSPECIFIED_V6, is_link_local, is_multicast, unmap_v4
from stack.wire.errors import Malformed
from stack.wire.icmpv6 import ParameterProblemCode, TimeExceededCode, UnreachableCode
from stack.wire.ipv6 import HEADER_LENGTH, NEXT_HEADER_AT, Ipv6Header
from stack.wire.ipv6_extensions import (
    EXTENSION_HEADERS,
    PAD1,
    PADN,
    ROUTER_ALERT,
    Extension,
    HeaderChain,
    OptionsHeader,
    RoutingHeader,
    UnrecognizedAction,
    iterate_options,
    walk,
)
from stack.wire.protocols import FRAGMENT, ICMP, ICMPV6, NO_NEXT_HEADER, ROUTING

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

_HEADER = Struct("!IHBB16s16s")
_PAYLOAD_LENGTH_AT = 4
_KNOWN_OPTIONS = frozenset((PAD1, PADN, ROUTER_ALERT))
_COMPLETE = Checksum.COMPLETE


class Ipv6:
    """IPv6 of one host: input and forwarding. Output is :class:`~stack.internet.ipv6_path.Ipv6Path`."""

    path_type: ClassVar[type[Ipv6Path]] = Ipv6Path

    def __init__(self, host: Host) -> None:
        self._host = host
        self._addresses = host.addresses
        self._protocols = host.protocols
        self._counters = host.counters
        self._forwarding = host.config.ip.forwarding

    def receive(self, interface: Interface, frame: Frame, start: int, to_many: bool) -> None:
        """Take the packet that starts at ``frame.head[start]``; ``to_many``: its link destination is a group or all."""
        head, payload = frame.head, frame.payload
        offset = start + HEADER_LENGTH
        if len(head) < offset:
            self._host.drop("ipv6.truncated", frame)
            return
        first, length, next_header, hop_limit, source, destination = _HEADER.unpack_from(head, start)
        if first >> 28 != 6:
            self._host.drop("ipv6.bad_version", frame)
            return
        padding = len(head) + len(payload) - offset - length
        if padding:
            if padding < 0:
                self._host.drop("ipv6.truncated", frame)
                return
            if payload:
                payload = memoryview(payload)[: max(0, len(payload) - padding)]
        packet = Packet(
            interface,
            frame,
            start,
            source,
            destination,
            next_header,
            hop_limit,
            first >> 20 & 0xFF,
            head,
            offset,
            payload,
            length,
            frame.checksum is not _COMPLETE,
            to_many,
        )
        if (source[0] == 0 or source[0] == 0xFF or source in self._addresses) and self._is_martian(packet):
            self._host.drop("ipv6.martian_source", frame)
            return
        if destination not in self._addresses:
            if destination in interface.groups:
                packet.broadcast = True
            elif destination != LOOPBACK_V6 or interface is not self._host.loopback:
                self._forward(packet)
                return
        protocol = self._protocols.get(next_header)
        if protocol is None or source == UNSPECIFIED_V6 or next_header == ICMP:
            self._look_closer(packet)
        else:
            self._counters["ipv6.received"] += 1
            protocol.packet_arrives(packet)

    def _unknown_protocol(self, packet: Packet, at: int) -> None:
        """Nobody here knows what a Next Header field, ``at`` so many bytes into the packet, names (RFC 8200 4)."""
        self._host.drop("ipv6.unknown_next_header", packet.frame)
        self._problem(packet, ParameterProblemCode.UNRECOGNIZED_NEXT_HEADER, at)

    def unresolved(self, interface: Interface, frame: Frame) -> None:
        """The next hop of a packet that was about to leave does not answer (RFC 4861 7.2.2)."""
        header = Ipv6Header.parse(frame.head)
        packet = Packet(
            interface,
            frame,
            0,
            header.source,
            header.destination,
            header.next_header,
            header.hop_limit,
            header.traffic_class,
            frame.head,
            HEADER_LENGTH,
            frame.payload,
            header.payload_length,
            True,
            False,
        )
        self._host.drop("ipv6.unresolved", frame)
        self._host.icmp.v6.error(packet, icmpv6.DESTINATION_UNREACHABLE, UnreachableCode.ADDRESS)

    def reassembly_expired(self, first: Packet) -> None:
        """The rest of a packet did not come in time (RFC 8200 4.5)."""
        self._host.icmp.v6.error(first, icmpv6.TIME_EXCEEDED, TimeExceededCode.REASSEMBLY)

    def _is_martian(self, packet: Packet) -> bool:
        """Whether a source address that looks wrong is (RFC 4291 2.5.2, 2.5.3, 2.7; RFC 8200 3)."""
        source = packet.source
        if packet.interface is self._host.loopback:
            return False
        return (
            is_multicast(source)
            or source == LOOPBACK_V6
            or unmap_v4(source) is not None
            or source in self._addresses
        )

    # --- extension headers ----------------------------------------------------------------------------------------

    def _look_closer(self, packet: Packet) -> None:
        """A packet for this host whose header does not name one of its protocols."""
        # Its headers may reach beyond those that the sender of the frame knew.
        head = packet.head = bytes(packet.head[packet.start : packet.offset]) + packet.contiguous()
        packet.start, packet.offset, packet.payload = 0, HEADER_LENGTH, b""
        try:
            chain = walk(head, HEADER_LENGTH, len(head), packet.protocol, NEXT_HEADER_AT)
        except Malformed as malformed:
            self._host.drop(malformed.reason, packet.frame)
            if malformed.reason == "ipv6.incomplete_chain":
                self._problem(packet, ParameterProblemCode.INCOMPLETE_CHAIN, 0)
            return
        fragment = chain.fragment
        if fragment is not None and fragment.fragment_offset == 0 and chain.protocol in EXTENSION_HEADERS:
            # A header that may not stand there, and must not come to the front by taking the others away.
            self._unknown_protocol(packet, chain.protocol_at)
            return
        for extension in chain.extensions:
            if extension.protocol == FRAGMENT:
                self._fragment_arrives(packet, chain)
                return
            if not self._extension_allows(packet, extension):
                return
        self._deliver(packet, chain)

    def _deliver(self, packet: Packet, chain: HeaderChain) -> None:
        packet.protocol = chain.protocol
        packet.length -= chain.offset - packet.offset
        packet.offset = chain.offset
        protocol = self._protocols.get(chain.protocol)
        if protocol is None or chain.protocol == ICMP:
            if chain.protocol == NO_NEXT_HEADER:
                self._host.drop("ipv6.no_next_header", packet.frame)
            else:
                self._unknown_protocol(packet, chain.protocol_at)
        elif packet.source == UNSPECIFIED_V6 and chain.protocol != ICMPV6:
            self._host.drop("ipv6.martian_source", packet.frame)
        else:
            self._counters["ipv6.received"] += 1
            protocol.packet_arrives(packet)

    def _extension_allows(self, packet: Packet, extension: Extension) -> bool:
        """Do what an extension header asks for; False if that was the end of the packet."""
        if extension.protocol == ROUTING:
            header = RoutingHeader.parse(packet.head, extension.start, extension.end)
            if header.segments_left:
                # No type is spoken here; type 0 may not be (RFC 5095 3).
                self._host.drop("ipv6.routing_header", packet.frame)
                self._problem(packet, ParameterProblemCode.ERRONEOUS_FIELD, extension.start + 2)
                return False
            return True
        options = OptionsHeader.parse(packet.head, extension.start, extension.end).options
        try:
            for at, option in iterate_options(options):
                if option.kind in _KNOWN_OPTIONS or option.unrecognized_action is UnrecognizedAction.SKIP:
                    continue
                self._host.drop("ipv6.unknown_option", packet.frame)
                action = option.unrecognized_action
                if action is UnrecognizedAction.REPORT or (
                    action is UnrecognizedAction.REPORT_UNLESS_MULTICAST
                    and not is_multicast(packet.destination)
                ):
                    at += extension.start + 2
                    self._problem(packet, ParameterProblemCode.UNRECOGNIZED_OPTION, at)
                return False
        except Malformed as malformed:
            self._host.drop(malformed.reason, packet.frame)
            at = extension.start + 2 + malformed.pointer
            self._problem(packet, ParameterProblemCode.ERRONEOUS_FIELD, at)
            return False
        return True

    def _fragment_arrives(self, packet: Packet, chain: HeaderChain) -> None:
        """RFC 8200 4.5; the chain has come as far as the Fragment header, or, in a first fragment, further."""
        fragment = chain.fragment
        assert fragment is not None
        at = chain.fragment_at
        packet.length -= at + fragment.header_length - packet.offset
        packet.offset = at + fragment.header_length
        place, more = fragment.fragment_offset, fragment.more_fragments
        if more and packet.length % 8:
            self._host.drop("ipv6.bad_fragment", packet.frame)
            self._problem(packet, ParameterProblemCode.ERRONEOUS_FIELD, _PAYLOAD_LENGTH_AT)
            return
        if place + packet.length + at - HEADER_LENGTH > LARGEST_PACKET:
            self._host.drop("ipv6.bad_fragment", packet.frame)
            self._problem(packet, ParameterProblemCode.ERRONEOUS_FIELD, at + 2)
            return
        if packet.length == 0 and not fragment.is_atomic:
            self._host.drop("ipv6.bad_fragment", packet.frame)
            return
        if fragment.is_atomic:
            # Whole by itself, whatever other fragments bear its identification (RFC 6946 4).
            self._reassembled(packet, chain, packet.contiguous(), packet.traffic_class)
            return
        key = FragmentKey(packet.source, packet.destination, fragment.identification, FRAGMENT)
        whole = self._host.reassembler.add(key, packet, place, more)
        if whole is None:
            return
        self._counters["ipv6.reassembled"] += 1
        first = whole.first
        chain = walk(first.head, HEADER_LENGTH, len(first.head), first.protocol, NEXT_HEADER_AT)
        self._reassembled(first, chain, whole.data, whole.traffic_class)

    def _reassembled(self, first: Packet, chain: HeaderChain, data: bytes, traffic_class: int) -> None:
        """Go on with a packet that is as if it had never been cut."""
        assert chain.fragment is not None
        unfragmentable = bytearray(first.head[: chain.fragment_at])
        unfragmentable[chain.fragment_named_at] = chain.fragment.next_header
        header = Ipv6Header.parse(unfragmentable)
        header.traffic_class = traffic_class
        header.payload_length = len(unfragmentable) - HEADER_LENGTH + len(data)
        if header.payload_length > LARGEST_PACKET:
            self._host.drop("ipv6.bad_fragment", first.frame)
            return
        head = header.build() + bytes(unfragmentable[HEADER_LENGTH:]) + data
        packet = Packet(
            first.interface,
            Frame(head),
            0,
            header.source,
            header.destination,
            header.next_header,
            header.hop_limit,
            traffic_class,
            head,
            HEADER_LENGTH,
            b"",
            header.payload_length,
            False,
            first.broadcast,
        )
        packet.reassembled = True
        self._look_closer(packet)

    def _problem(self, packet: Packet, code: ParameterProblemCode, pointer: int) -> None:
        self._host.icmp.v6.error(packet, icmpv6.PARAMETER_PROBLEM, code, pointer)

    # --- forwarding -----------------------------------------------------------------------------------------------

    def _forward(self, packet: Packet) -> None:
        """A packet for somebody else (RFC 8200 3, RFC 4291 2.5)."""
        host, frame, destination = self._host, packet.frame, packet.destination
        if not self._forwarding or packet.broadcast:
            host.drop("ipv6.not_for_us", frame)
            return
        if not _may_cross(destination) or packet.source == UNSPECIFIED_V6:
            host.drop("ipv6.not_forwardable", frame)
            return
        if is_link_local(packet.source):
            host.drop("ipv6.not_forwardable", frame)
            host.icmp.v6.error(packet, icmpv6.DESTINATION_UNREACHABLE, UnreachableCode.BEYOND_SCOPE)
            return
        if packet.hop_limit <= 1:
            host.drop("ipv6.hop_limit_exceeded", frame)
            host.icmp.v6.error(packet, icmpv6.TIME_EXCEEDED, TimeExceededCode.TRANSIT)
            return
        route = host.routes.lookup(destination)
        if route is None:
            host.drop("ipv6.no_route", frame)
            host.icmp.v6.error(packet, icmpv6.DESTINATION_UNREACHABLE, UnreachableCode.NO_ROUTE)
            return
        interface = route.interface
        if HEADER_LENGTH + packet.length > interface.mtu < packet.largest_piece:
            host.drop("ipv6.too_big", frame)
            host.icmp.v6.error(packet, icmpv6.PACKET_TOO_BIG, 0, interface.mtu)
            return
        self._counters["ipv6.forwarded"] += 1
        hop = interface.next_hop(destination if route.via is None else route.via, False)
        head, start = packet.head, packet.start
        head = b"".join(
            (
                head[start : start + 7],
                (packet.hop_limit - 1).to_bytes(1),
                head[start + 8 : packet.offset + packet.length - len(packet.payload)],
            )
        )
        hop.send(packet.onward(head))


def _may_cross(address: bytes) -> bool:
    """Whether a router passes packets to it (RFC 4291 2.5.2, 2.5.3, 2.5.6; no multicast routing)."""
    return not (
        is_multicast(address)
        or is_link_local(address)
        or address in (UNSPECIFIED_V6, LOOPBACK_V6)
        or unmap_v4(address) is not None
    )
