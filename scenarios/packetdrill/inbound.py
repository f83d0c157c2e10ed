"""Packets that arrive: from the script's numbers to bytes, and to which connection."""

from __future__ import annotations

from typing import Final

from scenarios.packetdrill.calls.process import Process
from scenarios.packetdrill.flow import MASK, Flow
from scenarios.packetdrill.icmp import outbound_types
from scenarios.packetdrill.matching import stream_offset
from scenarios.packetdrill.options import encode
from scenarios.packetdrill.packets import build_icmp, build_tcp, build_udp, pattern, quote
from scenarios.packetdrill.signature import VALID, sign
from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.syntax import IcmpMessage, IpFields, Option, Packet, TcpSegment, UdpDatagram
from stack.tcp.connection import Connection
from stack.tcp.state import State
from stack.wire.icmpv4 import Icmpv4Header
from stack.wire.icmpv6 import Icmpv6Header
from stack.wire.protocols import TCP, UDP
from stack.wire.tcp import ACK, SYN, URG, TcpHeader

_OVER: Final = (State.TIME_WAIT, State.CLOSED)
_FIRST_PORT: Final = 50_000
"""Of the peer, when it connects."""


class Inbound:
    """Builds what the script lets arrive, and knows the flows by their ports."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._settings = process.settings
        self._flows: dict[tuple[int, int], Flow] = {}
        self._next_port = _FIRST_PORT
        self._again: tuple[Flow, int, Connection | None] | None = None
        """Where a SYN may have begun another connection, at which number, in place of which."""

    def build(self, packet: Packet, line: int) -> bytes:
        """The bytes of a packet. Raises UnsupportedError."""
        match packet.body:
            case TcpSegment() as segment:
                return self._tcp(segment, packet.ip, line)
            case UdpDatagram() as datagram:
                return self._udp(datagram, packet.ip)
            case IcmpMessage() as message:
                return self._icmp(message, packet.ip, line)

    # --- flows

    def flow(self, ports: tuple[int, int]) -> Flow:
        """The flow with these ports, remote and local, which from now on is the one under test."""
        remote, local = ports
        current = self._process.flow
        if current is not None and (current.remote_port, current.local_port) == ports:
            self._flows[ports] = current
        if ports not in self._flows:
            self._flows[ports] = Flow(self._settings.local, local, self._settings.remote, remote)
        self._process.flow = self._flows[ports]
        return self._process.flow

    def _flow_for(self, segment: TcpSegment) -> Flow:
        process = self._process
        current = process.flow
        if segment.ports is not None:
            return self.flow(segment.ports)
        opens = segment.flags & (SYN | ACK) == SYN and process.listen_port is not None
        if current is None or (opens and (current.local_port, current.remote_port) in process.closed):
            self._next_port += 1
            local_port = process.listen_port or self._settings.listen_port
            current = process.flow = Flow(
                self._settings.local, local_port, self._settings.remote, self._next_port
            )
        return current

    def delivered(self) -> None:
        """The stack has seen the packet: a SYN that began another connection says where that one's numbers begin."""
        again, self._again = self._again, None
        if again is not None:
            flow, sequence, before = again
            connection = self._process.connection(flow)
            if connection is not None and connection is not before:
                flow.remote_start = sequence

    def _opens(self, flow: Flow, segment: TcpSegment) -> bool:
        """The first SYN of a connection, not one that strays into it, as far as can be told before it arrives."""
        if not segment.flags & SYN:
            return False
        connection = self._process.connection(flow)
        if not flow.opened or (connection is not None and connection.state is State.SYN_SENT):
            flow.remote_start, flow.opened = segment.sequence, True
            return True
        self._again = flow, segment.sequence, connection
        return connection is None or connection.state in _OVER

    # --- TCP

    def _tcp(self, segment: TcpSegment, fields: IpFields, line: int) -> bytes:
        flow = self._flow_for(segment)
        syn = bool(segment.flags & SYN)
        opens = self._opens(flow, segment)
        sequence = segment.sequence
        if not segment.absolute_sequence:
            sequence = flow.remote_absolute(sequence, syn=syn)
        if segment.flags & URG:
            self._process.pattern_holds = False
        acknowledgment = segment.acknowledgment or 0
        if segment.acknowledgment is not None and not segment.absolute_acknowledgment:
            acknowledgment = flow.absolute(acknowledgment, syn=syn)
        if segment.options is None:
            raise UnsupportedError(line, "<...> in a packet that arrives")
        try:
            options = encode(flow.inbound_options(segment.options))
        except (ValueError, OverflowError) as error:
            raise UnsupportedError(line, str(error)) from None
        header = TcpHeader(
            flow.remote_port,
            flow.local_port,
            sequence,
            acknowledgment,
            segment.flags,
            segment.window or 0,
            urgent=segment.urgent or 0,
            options=options,
        )
        start = stream_offset(header, 0 if opens else (sequence - flow.remote_start) & MASK)
        payload = pattern(start, segment.length)
        if Option("md5", text=VALID) in segment.options:
            if self._settings.md5_secret is None:
                raise UnsupportedError(line, "<md5 valid> without --tcp_md5_secret")
            sign(flow.remote, flow.local, header, payload, self._settings.md5_secret)
        return build_tcp(flow.remote, flow.local, header, payload, fields)

    # --- others

    def _udp(self, datagram: UdpDatagram, fields: IpFields) -> bytes:
        settings = self._settings
        ports = datagram.ports
        if ports is None:
            flow = self._process.flow
            ports = (
                (settings.connect_port, settings.listen_port)
                if flow is None
                else (flow.remote_port, flow.local_port)
            )
        return build_udp(settings.remote, settings.local, ports, pattern(0, datagram.length), fields)

    def _icmp(self, message: IcmpMessage, fields: IpFields, line: int) -> bytes:
        settings = self._settings
        v6 = len(settings.local) == 16
        numbers = outbound_types(message, v6)
        if numbers is None:
            raise UnsupportedError(line, f"icmp {message.type} {message.code}".rstrip())
        header = (Icmpv6Header if v6 else Icmpv4Header)(*numbers, rest=message.mtu)
        return build_icmp(settings.remote, settings.local, header, self._quoted(message), fields)

    def _quoted(self, message: IcmpMessage) -> bytes:
        settings, flow = self._settings, self._process.flow
        local, remote = settings.local, settings.remote
        ports = (flow.local_port, flow.remote_port) if flow else (settings.listen_port, settings.connect_port)
        match message.quoted:
            case UdpDatagram(length, explicit):
                return quote(local, remote, UDP, explicit or ports, 0, length)
            case int(length):
                return quote(local, remote, 0xFF, ports, 0, length)
            case TcpSegment() as segment:
                sequence = segment.sequence
                if flow is not None and not segment.absolute_sequence:
                    sequence = flow.absolute(sequence)
                return quote(local, remote, TCP, segment.ports or ports, sequence, segment.length)
            case None:
                return quote(local, remote, TCP, ports, flow.absolute(0) if flow else 0, 0)
