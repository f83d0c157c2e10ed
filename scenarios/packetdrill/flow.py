"""The connection under test: how its numbers on the wire and those in the script belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from scenarios.packetdrill.options import decode, notation
from scenarios.packetdrill.packets import LivePacket
from scenarios.packetdrill.syntax import Option, TcpSegment
from stack.wire.icmp import IcmpHeader
from stack.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG, TcpHeader

MASK: Final = 0xFFFFFFFF
_LETTERS: Final = (
    (SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (URG, "U"), (ECE, "E"), (CWR, "W"), (AE, "A"), (ACK, "."),
)  # fmt: skip


def flag_letters(flags: int) -> str:
    """Flags as a script writes them."""
    return "".join(letter for bit, letter in _LETTERS if flags & bit) or "-"


@dataclass(slots=True)
class Flow:
    """One 4-tuple.

    Numbers in a SYN are the script's own; all others count from the SYN's, in either direction. On the wire, the
    peer's are the script's, and ours are whatever the stack chose.
    """

    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    local_start: int = 0
    """Our initial sequence number in the script."""
    offset: int | None = None
    """Our initial sequence number on the wire, less the one in the script; None until it is known."""
    remote_start: int = 0
    """The peer's initial sequence number."""
    opened: bool = False
    """There has been a SYN of the peer's."""
    clock: tuple[int, int] | None = None
    """The first timestamp that left: in the script, and in fact."""
    echoes: dict[int, int] = field(default_factory=dict)
    """What the timestamps that left were in fact, by what they are in the script."""

    def owns(self, packet: LivePacket) -> bool:
        """Whether a packet that leaves, or an error about that, belongs to it."""
        return packet.ports == (self.local_port, self.remote_port) and packet.destination == self.remote

    # --- what leaves

    def meets(self, packet: LivePacket, expected: TcpSegment) -> None:
        """Learn from a packet where the numbers are anchored, if it is the first to tell."""
        header = packet.header
        assert isinstance(header, TcpHeader)
        if self.offset is None and header.flags & SYN:
            self.offset = (header.sequence - expected.sequence) & MASK
            self.local_start = expected.sequence
        live, wanted = timestamps(decode(header.options)), timestamps(expected.options or ())
        if live is not None and wanted is not None:
            if self.clock is None:
                self.clock = wanted[0], live[0]
            self.echoes[wanted[0]] = live[0]

    def relative(self, number: int, *, syn: bool = False) -> int:
        """One of our sequence numbers, as the script has it in a SYN or elsewhere."""
        return (number - (self.offset or 0) - (0 if syn else self.local_start)) & MASK

    def absolute(self, number: int, *, syn: bool = False) -> int:
        """One of the script's numbers for our sequence space, as on the wire."""
        return (number + (self.offset or 0) + (0 if syn else self.local_start)) & MASK

    def remote_relative(self, number: int, *, syn: bool = False) -> int:
        """As :meth:`relative`, of the peer's sequence space."""
        return number if syn else (number - self.remote_start) & MASK

    def remote_absolute(self, number: int, *, syn: bool = False) -> int:
        """As :meth:`absolute`, of the peer's sequence space."""
        return number if syn else (number + self.remote_start) & MASK

    def script_time(self, value: int) -> int:
        """A timestamp of ours as the script has it."""
        if self.clock is None:
            return value
        return (value - self.clock[1] + self.clock[0]) & MASK

    # --- what arrives

    def inbound_options(self, options: tuple[Option, ...]) -> tuple[Option, ...]:
        """The options of a segment that arrives, in numbers of the wire."""
        changed = []
        for option in options:
            if option.name == "sack":
                numbers = tuple(map(self.absolute, option.numbers))
                changed.append(Option("sack", numbers))
            elif option.name == "TS":
                value, echo = option.numbers
                changed.append(Option("TS", (value, self.echoes.get(echo, echo))))
            else:
                changed.append(option)
        return tuple(changed)

    # --- to show

    def describe(self, packet: LivePacket) -> str:
        """A packet in the notation and numbers of the script."""
        header = packet.header
        arrow = "<" if packet.inbound else ">"
        if isinstance(header, IcmpHeader):
            return f"{arrow} icmp type {header.type} code {header.code} ({len(packet.payload)})"
        if not isinstance(header, TcpHeader):
            return f"{arrow} protocol {packet.protocol} ({len(packet.payload)})"
        options = decode(header.options)
        sequence, acknowledgment = header.sequence, header.acknowledgment
        syn = bool(header.flags & SYN)
        if packet.inbound:
            sequence = self.remote_relative(sequence, syn=syn)
            acknowledgment = self.relative(acknowledgment, syn=syn)
            options = tuple(
                Option("sack", tuple(map(self.relative, option.numbers))) if option.name == "sack" else option
                for option in options
            )
        else:
            sequence = self.relative(sequence, syn=syn)
            acknowledgment = self.remote_relative(acknowledgment, syn=syn)
            options = self.outbound_options(options)
        length = len(packet.payload)
        text = f"{arrow} {flag_letters(header.flags)} {sequence}:{(sequence + length) & MASK}({length})"
        if header.flags & ACK:
            text += f" ack {acknowledgment}"
        text += f" win {header.window}"
        if header.flags & URG:
            text += f" urg {header.urgent}"
        return f"{text} {notation(options)}" if options else text

    def outbound_options(self, options: tuple[Option, ...]) -> tuple[Option, ...]:
        """The options of a segment that leaves, in numbers of the script."""
        changed = []
        for option in options:
            if option.name == "sack":
                changed.append(Option("sack", tuple(map(self.remote_relative, option.numbers))))
            elif option.name == "TS":
                value, echo = option.numbers
                changed.append(Option("TS", (self.script_time(value), echo)))
            else:
                changed.append(option)
        return tuple(changed)


def timestamps(options: tuple[Option, ...]) -> tuple[int, int] | None:
    """TSval and TSecr, if there are."""
    for option in options:
        if option.name == "TS":
            return option.numbers[0], option.numbers[1]
    return None
