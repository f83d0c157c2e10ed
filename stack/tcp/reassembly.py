"""Data that arrived out of order (RFC 9293 3.10.7.4, RFC 2018)."""

from __future__ import annotations

from bisect import insort

from stack.link import Buffer
from stack.tcp.ranges import RangeSet

_RECENT = 4


class Reassembly:
    """The out-of-order queue, and the SACK blocks that describe it.

    Pieces never overlap: of octets that arrive twice, the first stay. Their number is bounded; what they hold lies
    within the receive window and is bounded by it.
    """

    __slots__ = ("_limit", "_pieces", "_recent", "ranges", "starts")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.starts: list[int] = []
        """Where the pieces begin, in ascending order."""
        self._pieces: dict[int, Buffer] = {}
        self._recent: list[tuple[int, int]] = []
        self.ranges = RangeSet()

    def __len__(self) -> int:
        return len(self.starts)

    def insert(self, start: int, data: Buffer) -> bool:
        """Keep ``data``; False if there are too many pieces already, and it was not kept."""
        end = start + len(data)
        gaps = self.ranges.gaps(start, end)
        if gaps and len(self.starts) + len(gaps) > self._limit:
            return False
        for gap_start, gap_end in gaps:
            piece = memoryview(data)[gap_start - start : gap_end - start]
            # A small piece must not keep the whole of a large frame alive.
            self._pieces[gap_start] = piece if 2 * len(piece) >= len(data) else bytes(piece)
            insort(self.starts, gap_start)
        self._report(self.ranges.add(start, end))
        return True

    def take(self, rcv_nxt: int) -> list[Buffer]:
        """Remove and return what continues at ``rcv_nxt``; what lies below it is dropped."""
        starts = self.starts
        ready: list[Buffer] = []
        count = 0
        for start in starts:
            if start > rcv_nxt:
                break
            piece = self._pieces.pop(start)
            count += 1
            end = start + len(piece)
            if end > rcv_nxt:
                ready.append(piece if start == rcv_nxt else memoryview(piece)[rcv_nxt - start :])
                rcv_nxt = end
        if count:
            del starts[:count]
        self.ranges.remove_below(rcv_nxt)
        self._recent = [block for block in self._recent if block[0] > rcv_nxt]
        return ready

    def blocks(self, most: int) -> list[tuple[int, int]]:
        """SACK blocks, that of the latest segment first (RFC 2018 4)."""
        return self._recent[:most]

    def clear(self) -> None:
        """Throw everything away."""
        self.starts.clear()
        self._pieces.clear()
        self._recent.clear()
        self.ranges.clear()

    def _report(self, block: tuple[int, int]) -> None:
        start, end = block
        others = [other for other in self._recent if other[1] < start or other[0] > end]
        self._recent = [block, *others][:_RECENT]
