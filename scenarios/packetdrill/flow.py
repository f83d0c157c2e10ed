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

    The peer's initial sequence number is the script's own; ours is whatever the stack chose, so that is added to what
    arrives and taken from what leaves.
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

    def relative(self, number: int) -> int:
        """One of our sequence numbers, as the script has it."""
        return (number - (self.offset or 0)) & MASK

    def sequence_from_start(self, number: int) -> int:
        """How far one of our sequence numbers is from the initial one."""
        return (self.relative(number) - self.local_start) & MASK

    def absolute(self, number: int) -> int:
        """One of the script's numbers for our sequence space, as on the wire."""
        return (number + (self.offset or 0)) & MASK

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
        if packet.inbound:
            acknowledgment = self.relative(acknowledgment)
            options = tuple(
                Option("sack", tuple(map(self.relative, option.numbers))) if option.name == "sack" else option
                for option in options
            )
        else:
            sequence = self.relative(sequence)
            options = self._in_script_time(options)
        length = len(packet.payload)
        text = f"{arrow} {flag_letters(header.flags)} {sequence}:{(sequence + length) & MASK}({length})"
        if header.flags & ACK:
            text += f" ack {acknowledgment}"
        text += f" win {header.window}"
        if header.flags & URG:
            text += f" urg {header.urgent}"
        return f"{text} {notation(options)}" if options else text

    def _in_script_time(self, options: tuple[Option, ...]) -> tuple[Option, ...]:
        return tuple(
            Option("TS", (self.script_time(option.numbers[0]), option.numbers[1]))
            if option.name == "TS"
            else option
            for option in options
        )


def timestamps(options: tuple[Option, ...]) -> tuple[int, int] | None:
    """TSval and TSecr, if there are."""
    for option in options:
        if option.name == "TS":
            return option.numbers[0], option.numbers[1]
    return None
