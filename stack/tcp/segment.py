"""A segment that has arrived."""

from __future__ import annotations

from typing import Final

from stack.link import Buffer
from stack.tcp.sequence import widen
from stack.wire.tcp import SYN, TcpHeader, TcpOptions

NOT_ECT: Final = 0
ECT_1: Final = 1
ECT_0: Final = 2
CE: Final = 3
"""The two ECN bits of the IP header (RFC 3168 5)."""


class Segment:
    """SEG of RFC 9293 3.3.1. ``window`` is not scaled yet."""

    __slots__ = (
        "accurate_ecn",
        "acknowledgment",
        "codepoint",
        "destination_port",
        "flags",
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

    def __init__(self, header: TcpHeader, options: TcpOptions, payload: Buffer, codepoint: int) -> None:
        self.codepoint = codepoint
        """ECN bits of the IP header (RFC 3168 5)."""
        self.source_port = header.source_port
        self.destination_port = header.destination_port
        self.sequence = header.sequence
        self.acknowledgment = header.acknowledgment
        self.flags = header.flags
        self.window = header.window
        self.urgent = header.urgent
        self.payload = payload
        self.length = len(payload)
        """Octets of data; SYN and FIN not counted."""
        self.timestamp = options.timestamp
        self.timestamp_echo = options.timestamp_echo
        self.sack = options.sack
        self.accurate_ecn = options.accurate_ecn
        self.options = options if header.flags & SYN else None
        """All of them, of a SYN: the only segment in which the others mean something."""

    def widen(self, rcv_nxt: int, snd_nxt: int) -> None:
        """Replace the 32-bit numbers by the unbounded ones close to the connection's."""
        self.sequence = widen(self.sequence, rcv_nxt)
        self.acknowledgment = widen(self.acknowledgment, snd_nxt)
        if self.sack:
            self.sack = tuple([(widen(start, snd_nxt), widen(end, snd_nxt)) for start, end in self.sack])
