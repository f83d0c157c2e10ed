"""Is the packet that left the one that the script expects? Field by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from scenarios.packetdrill.flow import MASK, Flow, flag_letters
from scenarios.packetdrill.icmp import outbound_types
from scenarios.packetdrill.options import decode, notation, unsigned
from scenarios.packetdrill.packets import LivePacket
from scenarios.packetdrill.settings import Settings
from scenarios.packetdrill.signature import INVALID, VALID, digest
from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.syntax import Event, IcmpMessage, IpFields, Option, Packet, TcpSegment, UdpDatagram
from stack.wire.icmp import IcmpHeader
from stack.wire.protocols import ICMP, ICMPV6, TCP, UDP
from stack.wire.tcp import ACK, FIN, PSH, SYN, TcpHeader

SHARE: Final = 8
"""Times may be off by a part in so many of the time that has passed: 12.5 %."""
_NAMES: Final = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


Check: TypeAlias = Callable[[str, object, object], None]
"""Takes note if a field is not as expected: its name, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as expected."""

    field: str
    expected: str
    found: str


class Matcher:
    """Compares packets that leave with what a script says."""

    def __init__(self, settings: Settings, *, lax: bool, joined: bool) -> None:
        """``lax``: the order and padding of TCP options do not matter.

        ``joined``: the scripts are of a stack that leaves segmentation to the link and sets PSH on whatever that is to
        cut (Linux since 5.4), so the PSH of what the script writes as one packet and left as several says nothing.
        """
        self._settings = settings
        self._lax = lax
        self._joined = joined

    def protocol(self, packet: Packet) -> int:
        """What the IP header of an expected packet says it carries."""
        match packet.body:
            case TcpSegment():
                return TCP
            case UdpDatagram():
                return UDP
            case _:
                return ICMP if len(self._settings.local) == 4 else ICMPV6

    def compare(
        self, event: Event, expected: Packet, live: LivePacket, flow: Flow, begun: int
    ) -> list[Difference]:
        """What is different. ``begun`` octets of the expected segment have left already."""
        found = [Difference("packet", "a sound one", fault) for fault in live.faults]

        def check(field: str, wanted: object, got: object) -> None:
            if wanted != got:
                found.append(Difference(field, str(wanted), str(got)))

        wanted = self.protocol(expected)
        check("protocol", _NAMES[wanted], _NAMES.get(live.protocol, str(live.protocol)))
        self._compare_ip(expected.ip, live, check)
        if not found:
            match expected.body:
                case TcpSegment() as segment:
                    self._compare_tcp(segment, live, flow, begun, check)
                case UdpDatagram(length):
                    check("length", length, len(live.payload))
                case IcmpMessage() as message:
                    self._compare_icmp(event, message, live, check)
        return found

    @staticmethod
    def _compare_ip(fields: IpFields, live: LivePacket, check: Check) -> None:
        if fields.ecn is not None and live.traffic_class & 3 not in fields.ecn:
            check(
                "ECN",
                " or ".join(f"{code:02b}" for code in sorted(fields.ecn)),
                f"{live.traffic_class & 3:02b}",
            )
        if fields.traffic_class is not None:
            if fields.ecn is None:
                check("TOS", f"{fields.traffic_class:#04x}", f"{live.traffic_class:#04x}")
            else:
                check("DSCP", fields.traffic_class >> 2, live.traffic_class >> 2)
        if fields.hop_limit is not None:
            check("TTL", fields.hop_limit, live.hop_limit)
        if fields.flow_label is not None:
            check("flow label", f"{fields.flow_label:#x}", f"{live.flow_label:#x}")

    def _compare_tcp(
        self, segment: TcpSegment, live: LivePacket, flow: Flow, begun: int, check: Check
    ) -> None:
        header = live.header
        assert isinstance(header, TcpHeader)
        length = len(live.payload)
        partial = begun + length < segment.length and length > 0 and not self._settings.strict_segments
        ignored = PSH | FIN if partial else 0
        if self._joined and begun and segment.flags & PSH:
            ignored |= PSH
        check("flags", flag_letters(segment.flags & ~ignored), flag_letters(header.flags & ~ignored))
        syn = bool(header.flags & SYN)
        sequence = header.sequence
        if not segment.absolute_sequence:
            sequence = flow.relative(sequence, syn=syn)
        check("seq", (segment.sequence + begun) & MASK, sequence)
        if not partial:
            check("length", segment.length - begun, length)
        acknowledgment = header.acknowledgment
        if header.flags & ACK and not segment.absolute_acknowledgment:
            acknowledgment = flow.remote_relative(acknowledgment, syn=syn)
        check("ack", segment.acknowledgment or 0, acknowledgment)
        if segment.window is not None:
            check("win", segment.window, header.window)
        if segment.urgent is not None:
            check("urg", segment.urgent, header.urgent)
        if segment.options is not None:
            self._compare_options(segment.options, decode(header.options), live, flow, check)

    def _compare_options(
        self, wanted: tuple[Option, ...], got: tuple[Option, ...], live: LivePacket, flow: Flow, check: Check
    ) -> None:
        if self._lax:
            wanted, got = _significant(wanted), _significant(got)
        adjusted = []
        for index, option in enumerate(flow.outbound_options(got)):
            other = wanted[index] if index < len(wanted) else None
            if option.name == "TS":
                value = option.numbers[0]
                if other is not None and other.name == "TS" and self._close(other.numbers[0], value, flow):
                    value = other.numbers[0]
                option = Option("TS", (value, option.numbers[1]))
            elif option.name == "md5" and other is not None and unsigned(other):
                option = Option("md5", text=self._judged(live, option))
            adjusted.append(option)
        check("options", notation(wanted), notation(adjusted))

    def _judged(self, live: LivePacket, signature: Option) -> str:
        assert isinstance(live.header, TcpHeader)
        secret = self._settings.md5_secret
        if secret is None:
            return "of an unknown secret"
        wanted = digest(live.source, live.destination, live.header, live.payload, secret)
        return VALID if signature.text == wanted.hex() else INVALID

    def _close(self, wanted: int, got: int, flow: Flow) -> bool:
        """RFC 7323's clock may differ by as much as times may, over the time since the first."""
        tick = self._settings.tick
        if not tick or flow.clock is None:
            return True
        elapsed = ((wanted - flow.clock[0]) & MASK) * tick
        difference = min((got - wanted) & MASK, (wanted - got) & MASK) * tick
        return difference <= max(self._settings.tolerance, elapsed // SHARE)

    def _compare_icmp(self, event: Event, message: IcmpMessage, live: LivePacket, check: Check) -> None:
        header = live.header
        assert isinstance(header, IcmpHeader)
        numbers = outbound_types(message, len(self._settings.local) == 16)
        if numbers is None:
            raise UnsupportedError(event.line, f"icmp {message.type} {message.code}".rstrip())
        if message.quoted is not None:
            raise UnsupportedError(event.line, "what an ICMP message that leaves quotes")
        check("type", numbers[0], header.type)
        check("code", numbers[1], header.code)
        if message.mtu:
            check("mtu", message.mtu, header.rest & 0xFFFF)


def _significant(options: tuple[Option, ...]) -> tuple[Option, ...]:
    """Options without padding, in an order of no meaning."""
    kept = [option for option in options if option.name not in ("nop", "eol")]
    return tuple(sorted(kept, key=lambda option: option.name))


def stream_offset(header: TcpHeader, sequence: int) -> int:
    """Where in the stream the data of a segment begins; ``sequence`` counts from the initial one."""
    return sequence if header.flags & SYN else sequence - 1
