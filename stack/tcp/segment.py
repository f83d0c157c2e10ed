"""A segment that has arrived."""

from __future__ import annotations

from typing import Final

from stack.internet.packet import Packet
from stack.link import Buffer
from stack.tcp.sequence import MASK, widen
from stack.wire.errors import Malformed
from stack.wire.tcp import (
    LENGTH_WITH_TIMESTAMPS,
    MIN_HEADER_LENGTH,
    NOP_NOP_TIMESTAMPS,
    SYN,
    TcpOptions,
    unpack_header,
    unpack_with_timestamps,
)

_HALF: Final = 1 << 31

NOT_ECT: Final = 0
ECT_1: Final = 1
ECT_0: Final = 2
CE: Final = 3
"""The two ECN bits of the IP header (RFC 3168 5)."""


class Segment:
    """SEG of RFC 9293 3.3.1. ``window`` is not scaled yet."""

    __slots__ = (
        "acknowledgment",
        "codepoint",
        "destination_port",
        "flags",
        "header_length",
        "length",
        "options",
        "payload",
        "sack",
        "sequence",
        "source_port",
        "timestamp",
        "timestamp_echo",
        "urgent",
        "window",
    )

    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    urgent: int
    timestamp: int | None
    timestamp_echo: int
    sack: tuple[tuple[int, int], ...]
    options: TcpOptions | None
    """All of them; None stands for timestamps alone."""

    def __init__(self, packet: Packet) -> None:
        """Raises Malformed: ``tcp.truncated``, ``tcp.bad_length``, ``tcp.bad_option``."""
        head, offset = packet.head, packet.offset
        payload = packet.payload
        size = packet.length - len(payload)
        if size >= LENGTH_WITH_TIMESTAMPS:
            # Nearly all segments of nearly all connections (RFC 7323 appendix A).
            (
                self.source_port,
                self.destination_port,
                self.sequence,
                self.acknowledgment,
                bits,
                self.window,
                _,
                self.urgent,
                marker,
                timestamp,
                echo,
            ) = unpack_with_timestamps(head, offset)
        elif size >= MIN_HEADER_LENGTH:
            (
                self.source_port,
                self.destination_port,
                self.sequence,
                self.acknowledgment,
                bits,
                self.window,
                _,
                self.urgent,
            ) = unpack_header(head, offset)
            marker = timestamp = echo = 0
        else:
            raise Malformed("tcp.truncated")
        self.flags = flags = bits & 0x1FF
        length = bits >> 10 & 0x3C
        if length == LENGTH_WITH_TIMESTAMPS <= size and marker == NOP_NOP_TIMESTAMPS and not flags & SYN:
            self.timestamp = timestamp
            self.timestamp_echo = echo
            self.sack = ()
            self.options = None
        elif length < MIN_HEADER_LENGTH:
            raise Malformed("tcp.bad_length")
        elif length > size:
            raise Malformed("tcp.truncated")
        else:
            self.take(TcpOptions.parse(bytes(head[offset + MIN_HEADER_LENGTH : offset + length])))
        self.header_length = length
        self.codepoint = packet.traffic_class & 3
        """ECN bits of the IP header (RFC 3168 5)."""
        self.payload: Buffer = payload or memoryview(head)[offset + length : offset + size]
        self.length = packet.length - length
        """Octets of data; SYN and FIN not counted."""

    def take(self, options: TcpOptions) -> None:
        """What the options say."""
        self.options = options
        self.timestamp = options.timestamp
        self.timestamp_echo = options.timestamp_echo
        self.sack = options.sack

    @classmethod
    def syn_before(cls, packet: Packet, sequence: int, flags: int, options: TcpOptions) -> Segment:
        """The SYN before the segment in ``packet``, put together again from what a SYN cookie has kept."""
        syn = cls(packet)
        syn.sequence, syn.flags, syn.codepoint = sequence, flags, NOT_ECT
        syn.payload, syn.length = b"", 0
        syn.take(options)
        return syn

    @property
    def accurate_ecn(self) -> tuple[int | None, int | None, int | None] | None:
        """The counters of an AccECN option: :attr:`TcpOptions.accurate_ecn`."""
        return None if self.options is None else self.options.accurate_ecn

    def widen(self, rcv_nxt: int, snd_nxt: int) -> None:
        """Replace the 32-bit numbers by the unbounded ones close to the connection's.

        As :func:`~stack.tcp.sequence.widen` does; written out, for it is done for every segment.
        """
        self.sequence = rcv_nxt + ((self.sequence - rcv_nxt + _HALF) & MASK) - _HALF
        self.acknowledgment = snd_nxt + ((self.acknowledgment - snd_nxt + _HALF) & MASK) - _HALF
        if self.sack:
            self.sack = tuple([(widen(start, snd_nxt), widen(end, snd_nxt)) for start, end in self.sack])
