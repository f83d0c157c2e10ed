"""IPv4: RFC 791, RFC 1122 section 3, RFC 1812."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, ClassVar

from stack.internet.fragments import FragmentKey
from stack.internet.ipv4_path import Ipv4Path, fragments
from stack.internet.packet import Packet
from stack.internet.path import LARGEST_PACKET
from stack.link import Checksum, Frame
from stack.wire import icmpv4
from stack.wire.address import UNSPECIFIED_V4, is_link_local
from stack.wire.checksum import complete
from stack.wire.errors import Malformed
from stack.wire.icmpv4 import ParameterProblemCode, TimeExceededCode, UnreachableCode
from stack.wire.ipv4 import MIN_HEADER_LENGTH, Ipv4Header
from stack.wire.ipv4_options import LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE, iterate_options
from stack.wire.protocols import ICMPV6
from stack.wire.segmentation import segments

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

_HEADER = Struct("!BBHHHBBH4s4s")
_CHECKSUM_AT = 10
_LIFETIME = Struct("!BBH")
_DONT_FRAGMENT = 0x4000
_MORE_FRAGMENTS = 0x2000
_FRAGMENT = 0x3FFF
"""More Fragments and the offset: all zero in a whole datagram."""
_COMPLETE = Checksum.COMPLETE


class Ipv4:
    """IPv4 of one host: input and forwarding. Output is :class:`~stack.internet.ipv4_path.Ipv4Path`."""

    path_type: ClassVar[type[Ipv4Path]] = Ipv4Path

    def __init__(self, host: Host) -> None:
        self._host = host
        self._addresses = host.addresses
        self._protocols = host.protocols
        self._counters = host.counters
        self._forwarding = host.config.ip.forwarding

    def receive(self, interface: Interface, frame: Frame, start: int, to_many: bool) -> None:
        """Take the packet that starts at ``frame.head[start]``; ``to_many``: its link destination is a group or all."""
        head, payload = frame.head, frame.payload
        offset = start + MIN_HEADER_LENGTH
        if len(head) < offset:
            self._host.drop("ipv4.truncated", frame)
            return
        (
            version_length,
            traffic_class,
            total_length,
            identification,
            fragment,
            hop_limit,
            protocol,
            _,
            source,
            destination,
        ) = _HEADER.unpack_from(head, start)
        if version_length != 0x45:
            if version_length >> 4 != 4:
                self._host.drop("ipv4.bad_version", frame)
                return
            offset = start + 4 * (version_length & 0xF)
        length = start + total_length - offset
        padding = len(head) + len(payload) - offset - length
        if length < 0 or padding < 0 or offset < start + MIN_HEADER_LENGTH:
            self._host.drop("ipv4.truncated" if padding < 0 else "ipv4.bad_length", frame)
            return
        if int.from_bytes(head[start:offset]) % 0xFFFF:
            self._host.drop("ipv4.bad_checksum", frame)
            return
        if padding and payload:
            payload = memoryview(payload)[: max(0, len(payload) - padding)]
        packet = Packet(
            interface,
            frame,
            start,
            source,
            destination,
            protocol,
            hop_limit,
            traffic_class,
            head,
            offset,
            payload,
            length,
            frame.checksum is not _COMPLETE,
            to_many,
        )
        suspect = not 0 < source[0] < 224 or source[0] == 127 or source in interface.broadcasts
        if (suspect or source in self._addresses) and self._is_martian(packet):
            self._host.drop("ipv4.martian_source", frame)
            return
        if destination in self._addresses:
            if to_many:  # RFC 1122 3.3.6
                self._host.drop("ipv4.unicast_in_broadcast", frame)
                return
        elif destination in interface.broadcasts or destination in interface.groups:
            packet.broadcast = True
        elif destination[0] != 127 or interface is not self._host.loopback:
            self._forward(packet, fragment)
            return
        if version_length != 0x45 and not self._options_allow(packet):
            return
        if fragment & _FRAGMENT:
            self._fragment_arrives(packet, identification, fragment)
        else:
            self._deliver(packet)

    def _deliver(self, packet: Packet) -> None:
        """Hand a whole packet for this host to its protocol."""
        protocol = self._protocols.get(packet.protocol)
        if protocol is None or packet.protocol == ICMPV6:
            self._unknown_protocol(packet)
        else:
            self._counters["ipv4.received"] += 1
            protocol.packet_arrives(packet)

    def _unknown_protocol(self, packet: Packet) -> None:
        """Nobody here speaks the packet's protocol (RFC 1122 3.2.2.1)."""
        self._host.drop("ipv4.unknown_protocol", packet.frame)
        self._host.icmp.v4.error(packet, icmpv4.DESTINATION_UNREACHABLE, UnreachableCode.PROTOCOL)

    def unresolved(self, interface: Interface, frame: Frame) -> None:
        """The next hop of a packet that was about to leave does not answer (RFC 1122 2.3.2.2, RFC 1812 3.3.2)."""
        header = Ipv4Header.parse(frame.head)
        packet = Packet(
            interface,
            frame,
            0,
            header.source,
            header.destination,
            header.protocol,
            header.hop_limit,
            header.traffic_class,
            frame.head,
            header.header_length,
            frame.payload,
            header.total_length - header.header_length,
            True,
            False,
        )
        self._host.drop("ipv4.unresolved", frame)
        self._host.icmp.v4.error(packet, icmpv4.DESTINATION_UNREACHABLE, UnreachableCode.HOST)

    def reassembly_expired(self, first: Packet) -> None:
        """The rest of a datagram did not come in time (RFC 792, RFC 1122 3.3.2)."""
        self._host.icmp.v4.error(first, icmpv4.TIME_EXCEEDED, TimeExceededCode.REASSEMBLY)

    def _is_martian(self, packet: Packet) -> bool:
        """Whether a source address that looks wrong is (RFC 1122 3.2.1.3, RFC 1812 5.3.7)."""
        if packet.interface is self._host.loopback:
            return False
        # Who has no address yet may ask everybody for one.
        return packet.source != UNSPECIFIED_V4 or packet.destination not in packet.interface.broadcasts

    def _options_allow(self, packet: Packet) -> bool:
        """Look at the options of a packet to deliver or forward; False if that was its end.

        Source routes are refused, as Linux does by default and RFC 6814 has it for the rest of them; the others ask
        for nothing that a host must do.
        """
        at = packet.start + MIN_HEADER_LENGTH
        try:
            for _, option in iterate_options(bytes(packet.head[at : packet.offset])):
                if option.kind in (LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE):
                    self._host.drop("ipv4.source_route", packet.frame)
                    return False
        except Malformed as malformed:
            self._host.drop(malformed.reason, packet.frame)
            pointer = MIN_HEADER_LENGTH + malformed.pointer
            self._host.icmp.v4.error(
                packet, icmpv4.PARAMETER_PROBLEM, ParameterProblemCode.POINTER, pointer << 24
            )
            return False
        return True

    def _fragment_arrives(self, packet: Packet, identification: int, fragment: int) -> None:
        place = (fragment & 0x1FFF) * 8
        more = bool(fragment & _MORE_FRAGMENTS)
        if packet.length == 0 or (more and packet.length % 8) or place + packet.length > LARGEST_PACKET:
            self._host.drop("ipv4.bad_fragment", packet.frame)
            return
        key = FragmentKey(packet.source, packet.destination, identification, packet.protocol)
        whole = self._host.reassembler.add(key, packet, place, more)
        if whole is None:
            return
        first = whole.first
        header = Ipv4Header.parse(first.head, first.start)
        header.more_fragments = False
        header.traffic_class = whole.traffic_class
        header.total_length = header.header_length + len(whole.data)
        header.checksum = None
        if header.total_length > LARGEST_PACKET:
            self._host.drop("ipv4.bad_fragment", packet.frame)
            return
        head = header.build() + whole.data
        self._counters["ipv4.reassembled"] += 1
        datagram = Packet(
            packet.interface,
            Frame(head),
            0,
            packet.source,
            packet.destination,
            packet.protocol,
            first.hop_limit,
            whole.traffic_class,
            head,
            header.header_length,
            b"",
            len(whole.data),
            False,
            packet.broadcast,
        )
        datagram.reassembled = True
        self._deliver(datagram)

    # --- forwarding -----------------------------------------------------------------------------------------------

    def _forward(self, packet: Packet, fragment: int) -> None:
        """A packet for somebody else (RFC 1812 5.2)."""
        host, frame, destination = self._host, packet.frame, packet.destination
        if not self._forwarding or packet.broadcast:
            host.drop("ipv4.not_for_us", frame)
            return
        if not (_may_cross(packet.source) and _may_cross(destination)):
            host.drop("ipv4.not_forwardable", frame)
            return
        if packet.hop_limit <= 1:
            host.drop("ipv4.hop_limit_exceeded", frame)
            host.icmp.v4.error(packet, icmpv4.TIME_EXCEEDED, TimeExceededCode.TRANSIT)
            return
        route = host.routes.lookup(destination)
        if route is None:
            host.drop("ipv4.no_route", frame)
            host.icmp.v4.error(packet, icmpv4.DESTINATION_UNREACHABLE, UnreachableCode.NETWORK)
            return
        interface = route.interface
        if destination in interface.broadcasts:  # RFC 2644
            host.drop("ipv4.not_forwardable", frame)
            return
        if packet.offset - packet.start > MIN_HEADER_LENGTH and not self._options_allow(packet):
            return
        hop = interface.next_hop(destination if route.via is None else route.via, False)
        if packet.offset - packet.start + packet.length > interface.mtu < packet.largest_piece:
            if frame.segment_size:
                for segment in segments(frame, packet.start):
                    self.receive(packet.interface, segment, packet.start, False)
                return
            if fragment & _DONT_FRAGMENT:
                host.drop("ipv4.too_big", frame)
                code = UnreachableCode.FRAGMENTATION_NEEDED
                host.icmp.v4.error(packet, icmpv4.DESTINATION_UNREACHABLE, code, interface.mtu)
                return
            self._counters["ipv4.forwarded"] += 1
            self._counters["ipv4.fragmented"] += 1
            for piece in self._cut(packet, interface.mtu):
                hop.send(piece)
            return
        self._counters["ipv4.forwarded"] += 1
        head, start = packet.head, packet.start
        at = start + _CHECKSUM_AT
        # RFC 1624: one less in the high byte of a word is 0x100 more in the checksum.
        checksum = ((head[at] << 8 | head[at + 1]) + 0x100) % 0xFFFF
        head = b"".join(
            (
                head[start : start + 8],
                _LIFETIME.pack(packet.hop_limit - 1, packet.protocol, checksum),
                head[start + 12 : packet.offset + packet.length - len(packet.payload)],
            )
        )
        hop.send(packet.onward(head))

    def _cut(self, packet: Packet, mtu: int) -> Iterator[Frame]:
        header = Ipv4Header.parse(packet.head, packet.start)
        header.hop_limit -= 1
        done = complete(packet.frame)
        end = packet.offset + packet.length - len(packet.payload)
        return fragments(header, bytes(done.head[packet.offset : end]) + bytes(packet.payload), mtu)


def _may_cross(address: bytes) -> bool:
    """Whether a router passes packets from and to it: RFC 1812 5.3.7, RFC 3927 7, RFC 1112 (no multicast routing)."""
    return 0 < address[0] < 224 and address[0] != 127 and not is_link_local(address)
