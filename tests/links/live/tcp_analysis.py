"""What tshark makes of a capture, and whether each retransmission in it can be justified by what its sender saw."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from stack.tcp.ranges import RangeSet

_CHECKED = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
_OPAQUE = ("-d", "tcp.port==1-65535,data")
"""What the segments carry is not to be read as what some protocol with such a port would send."""
_BROKEN = (
    '_ws.malformed or _ws.short or _ws.expert.group == "Malformed" or ip.checksum.status == "Bad"'
    ' or (tcp.checksum.status == "Bad" and tcp.checksum != 0xffff) or udp.checksum.status == "Bad"'
    ' or icmp.checksum.status == "Bad" or icmpv6.checksum.status == "Bad"'
)
"""0xFFFF is how Linux writes a TCP checksum of 0, and tshark's one complaint that the sums do not share."""
_FIELDS = (
    "frame.time_epoch", "tcp.stream", "ip.src", "tcp.seq", "tcp.nxtseq", "tcp.ack", "tcp.len",
    "tcp.options.sack_le", "tcp.options.sack_re",
)  # fmt: skip


def broken_packets(capture: Path) -> list[str]:
    """Packets that are malformed or have a bad checksum."""
    return _tshark(capture, "-Y", _BROKEN)


def needless_retransmissions(capture: Path, senders: Collection[str]) -> list[str]:
    """What ``senders`` sent again after the capture had shown that it had arrived: tshark's verdict."""
    return _tshark(
        capture, "-Y", f"tcp.analysis.spurious_retransmission and ip.src in {{{', '.join(senders)}}}"
    )


def unjustified_retransmissions(capture: Path, senders: Collection[str], round_trip: float) -> list[str]:
    """What ``senders``, beside whom the capture was taken, had no reason to send again.

    They have one if the data are neither acknowledged nor SACKed, and if either something that was sent after them has
    been delivered, or they have been on their way for two round trips, the least time after which a probe goes out
    (RFC 8985 7.2). ``round_trip`` is the least there can be (s).
    """
    streams: dict[str, _Stream] = {}
    columns = [argument for name in _FIELDS for argument in ("-e", name)]
    reasons = []
    for line in _tshark(capture, "-Y", "tcp", "-T", "fields", *columns):
        time, number, source, sequence, end, ack, length, lefts, rights = line.split("\t")
        stream = streams.setdefault(number, _Stream(round_trip))
        if source not in senders:
            stream.acknowledge(float(time), int(ack or 0), _blocks(lefts, rights), empty=length == "0")
        elif int(length):
            reason = stream.transmit(float(time), int(sequence), int(end))
            if reason:
                reasons.append(f"{source}, stream {number} at {time}: {sequence} to {end} again, {reason}")
    return reasons


@dataclass(slots=True)
class _Transmission:
    start: int
    end: int
    time: float
    ordinal: int


@dataclass(slots=True)
class _Stream:
    """What the sender of one direction knows."""

    round_trip: float
    una: int = 0
    sacked: RangeSet = field(default_factory=RangeSet)
    outstanding: dict[int, _Transmission] = field(default_factory=dict)
    """By the first octet; a later transmission takes the place of an earlier one."""
    transmissions: int = 0
    delivered: int = 0
    """The latest transmission that has got through."""
    duplicate_at: float = 0.0
    """When the latest ACK came that tells of an arrival, but not of which."""

    def acknowledge(self, time: float, ack: int, blocks: list[tuple[int, int]], *, empty: bool) -> None:
        if ack > self.una or (empty and ack == self.una and not blocks):
            self.duplicate_at = time
        self.una = max(self.una, ack)
        for start, end in blocks:
            if start >= self.una:
                self.sacked.add(start, end)
        self.sacked.remove_below(self.una)
        for each in [each for each in self.outstanding.values() if self._arrived(each.start, each.end)]:
            self.delivered = max(self.delivered, each.ordinal)
            if each.end <= self.una:
                del self.outstanding[each.start]

    def transmit(self, time: float, start: int, end: int) -> str | None:
        """Returns what is wrong with it."""
        wrong = None
        before = self.outstanding.get(start)
        if end <= self.una:
            wrong = "which was acknowledged"
        elif before is not None:
            if self._arrived(start, end):
                wrong = "which was SACKed"
            elif (
                before.ordinal >= self.delivered
                and self.duplicate_at < before.time + self.round_trip
                and time < before.time + 2 * self.round_trip
            ):
                wrong = (
                    f"{time - before.time:.6f} s after the last time, with nothing to say that it was lost"
                )
        self.transmissions += 1
        self.outstanding[start] = _Transmission(start, end, time, self.transmissions)
        return wrong

    def _arrived(self, start: int, end: int) -> bool:
        if end <= self.una:
            return True
        around = self.sacked.around(max(start, self.una))
        return around is not None and end <= around[1]


def _blocks(lefts: str, rights: str) -> list[tuple[int, int]]:
    if not lefts:
        return []
    return list(zip(map(int, lefts.split(",")), map(int, rights.split(",")), strict=True))


def _tshark(capture: Path, *arguments: str) -> list[str]:
    result = subprocess.run(
        ["tshark", "-n", *_CHECKED, *_OPAQUE, "-r", capture, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.splitlines()
