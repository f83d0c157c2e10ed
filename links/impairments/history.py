"""Which TCP segments were sent before: what a match on ``retransmission`` has to remember."""

from __future__ import annotations

from links.impairments.dissect import Dissection
from stack.wire.protocols import TCP
from stack.wire.tcp import FIN, SYN

MAX_FLOWS = 1024
"""Flows that are remembered; beyond it the one that began first goes."""

_HALF = 1 << 31
_MASK = (1 << 32) - 1


class History:
    """The sequence numbers that each TCP flow has sent through one direction of a link."""

    __slots__ = ("_flows",)

    def __init__(self) -> None:
        self._flows: dict[tuple[bytes, int, bytes, int], tuple[int, int]] = {}
        """Of each flow, where it began, and the end of what it has sent."""

    def repeats(self, segment: Dissection) -> bool:
        """Whether the segment occupies sequence numbers and begins with ones that were sent before.

        It is remembered from now on. A SYN with another sequence number begins a new connection.
        """
        occupied = segment.length + (segment.flags & SYN != 0) + (segment.flags & FIN != 0)
        if segment.protocol != TCP or not segment.source_port or not occupied:
            return False
        key = (segment.source, segment.source_port, segment.destination, segment.destination_port)
        first = segment.sequence
        end = first + occupied & _MASK
        known = self._flows.get(key)
        if known is None or (segment.flags & SYN and first != known[0]):
            self._flows.pop(key, None)
            if len(self._flows) >= MAX_FLOWS:
                del self._flows[next(iter(self._flows))]
            self._flows[key] = first, end
            return False
        began, highest = known
        if (end - highest) & _MASK < _HALF:
            self._flows[key] = began, end
        return (first - highest) & _MASK >= _HALF
