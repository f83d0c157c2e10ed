"""What has been sent and not yet acknowledged: the retransmission queue, with its SACK marks (RFC 6675 3)."""

from __future__ import annotations

from bisect import bisect_left

from stack.link import Buffer
from stack.tcp.ranges import RangeSet

_COMPACT = 256


class SentSegment:
    """One segment in the retransmission queue; SYN and FIN count one octet each."""

    __slots__ = (
        "end",
        "first_sent_at",
        "flags",
        "lost",
        "payload",
        "retransmitted",
        "sacked",
        "sent_at",
        "start",
        "transmissions",
    )

    def __init__(self, start: int, end: int, payload: Buffer, flags: int, now: int) -> None:
        self.start = start
        self.end = end
        self.payload = payload
        self.flags = flags
        self.first_sent_at = now
        self.sent_at = now
        self.transmissions = 1
        self.sacked = False
        self.lost = False
        self.retransmitted = False
        """A retransmission of it is in flight, as far as we know."""

    def __repr__(self) -> str:
        marks = "".join(
            mark for mark, on in (("S", self.sacked), ("L", self.lost), ("R", self.retransmitted)) if on
        )
        return f"<{self.start}:{self.end} {marks} x{self.transmissions}>"


class Acknowledged:
    """What one cumulative ACK took off the queue."""

    __slots__ = ("delivered", "newest", "retransmitted", "segments")

    def __init__(self) -> None:
        self.segments = 0
        self.delivered = 0
        """Octets that no SACK had reported before."""
        self.newest: SentSegment | None = None
        """The one acknowledged segment that was sent last, if it was sent only once: an RTT sample (Karn's rule)."""
        self.retransmitted = False
        """Some octet had been sent more than once, so the ACK may be for either transmission."""


class Scoreboard:
    """The retransmission queue from SND.UNA to SND.NXT.

    Everything costs by what changes: an ACK by the segments that it acknowledges, a SACK block by the segments that it
    newly covers, marking losses by what is newly lost.
    """

    __slots__ = (
        "_head",
        "_lost_from",
        "_segments",
        "frontier",
        "lost_bytes",
        "retransmitted_bytes",
        "sacked",
        "sacked_bytes",
    )

    def __init__(self) -> None:
        self._segments: list[SentSegment] = []
        self._head = 0
        self._lost_from = 0
        """No lost segment below this one waits for retransmission; kept as a sequence number."""
        self.frontier = 0
        """Everything below that was not SACKed has been marked lost."""
        self.sacked = RangeSet()
        self.sacked_bytes = 0
        self.lost_bytes = 0
        self.retransmitted_bytes = 0

    def __len__(self) -> int:
        return len(self._segments) - self._head

    @property
    def first(self) -> SentSegment:
        """The oldest segment; there must be one."""
        return self._segments[self._head]

    @property
    def last(self) -> SentSegment:
        """The newest segment; there must be one."""
        return self._segments[-1]

    @property
    def in_flight(self) -> int:
        """Octets believed to be in the network: ``pipe`` (RFC 6675 4)."""
        if not len(self):
            return 0
        flight = self._segments[-1].end - self._segments[self._head].start
        return flight - self.sacked_bytes - self.lost_bytes + self.retransmitted_bytes

    def append(self, segment: SentSegment) -> None:
        """A new segment was sent."""
        self._segments.append(segment)

    def mark_retransmitted(self, segment: SentSegment, now: int) -> None:
        """``segment`` was sent again."""
        segment.sent_at = now
        segment.transmissions += 1
        if not segment.retransmitted:
            segment.retransmitted = True
            self.retransmitted_bytes += segment.end - segment.start

    def acknowledge(self, snd_una: int) -> Acknowledged:
        """Drop what a cumulative ACK covers."""
        result = Acknowledged()
        segments = self._segments
        head = self._head
        newest = None
        while head < len(segments) and segments[head].start < snd_una:
            segment = segments[head]
            if segment.end > snd_una:
                self._trim(segment, snd_una, result)
                break
            if not segment.sacked:
                result.delivered += segment.end - segment.start
            self._uncount(segment, segment.end - segment.start)
            if segment.transmissions > 1:
                result.retransmitted = True
            if newest is None or segment.sent_at >= newest.sent_at:
                newest = segment
            result.segments += 1
            head += 1
        if newest is not None and newest.transmissions == 1:
            result.newest = newest
        self._head = head
        if head == len(segments):
            segments.clear()
            self._head = 0
        elif head >= _COMPACT and head * 2 >= len(segments):
            del segments[:head]
            self._head = 0
        if self.sacked_bytes or len(self.sacked):
            self.sacked.remove_below(snd_una)
        return result

    def select_acknowledge(self, blocks: tuple[tuple[int, int], ...], snd_una: int, snd_nxt: int) -> int:
        """Mark what SACK blocks cover (RFC 2018 4); returns the octets that are newly marked.

        A block that is not within what is outstanding says nothing about it: old, a D-SACK, or a lie.
        """
        newly = 0
        for start, end in blocks:
            if start < snd_una or end > snd_nxt or start >= end:
                continue
            for gap_start, gap_end in self.sacked.gaps(start, end):
                covered_start, covered_end = self.sacked.add(gap_start, gap_end)
                newly += self._mark_sacked(gap_start, gap_end, covered_start, covered_end)
        return newly

    def mark_lost_below(self, frontier: int, snd_una: int) -> int:
        """Mark every segment that ends at or below ``frontier`` and was not SACKed as lost; returns the octets.

        What was below an earlier frontier has been marked then, and is not looked at again.
        """
        newly = 0
        segments = self._segments
        for start, end in self.sacked.gaps(max(snd_una, self.frontier), frontier):
            index = self._index_at(start)
            while index < len(segments) and segments[index].end <= end:
                newly += self.mark_lost(segments[index])
                index += 1
        self.frontier = max(self.frontier, frontier)
        return newly

    def mark_lost(self, segment: SentSegment) -> int:
        """Mark one segment; returns its octets if it was not marked or SACKed before."""
        if segment.lost or segment.sacked:
            return 0
        size = segment.end - segment.start
        segment.lost = True
        self.lost_bytes += size
        self._lost_from = min(self._lost_from, segment.start)
        return size

    def mark_all_lost(self) -> None:
        """After a retransmission timeout: nothing is in flight any more (RFC 6675 5.1)."""
        for index in range(self._head, len(self._segments)):
            segment = self._segments[index]
            segment.retransmitted = False
            self.mark_lost(segment)
        self.retransmitted_bytes = 0
        if len(self):
            self._lost_from = self.first.start

    def forget_sacked(self) -> None:
        """The receiver has reneged (RFC 2018 8): no SACK mark counts any more."""
        self.sacked.clear()
        self.sacked_bytes = self.frontier = 0
        for index in range(self._head, len(self._segments)):
            self._segments[index].sacked = False

    def next_lost(self) -> SentSegment | None:
        """The first lost segment that has not been sent again (RFC 6675 4 NextSeg, rule 1)."""
        if not self.lost_bytes:
            return None
        segments = self._segments
        for index in range(self._index(self._lost_from), len(segments)):
            segment = segments[index]
            if segment.lost and not segment.retransmitted:
                self._lost_from = segment.start
                return segment
        self._lost_from = segments[-1].end
        return None

    def next_unsacked(self, start: int, end: int) -> SentSegment | None:
        """The first segment from ``start`` to below ``end`` that is neither SACKed nor sent again (NextSeg, rule 3)."""
        segments = self._segments
        for gap_start, gap_end in self.sacked.gaps(start, end):
            index = self._index(gap_start)
            while index < len(segments) and segments[index].start < gap_end:
                segment = segments[index]
                if not segment.sacked and not segment.retransmitted:
                    return segment
                index += 1
        return None

    def split(self, limit: int) -> None:
        """The path takes only ``limit`` bytes of payload now: cut what is larger, and count it as lost."""
        result: list[SentSegment] = []
        for segment in self._segments[self._head :]:
            pieces = [segment]
            while len(segment.payload) > limit:
                pieces.insert(-1, self._cut(segment, limit))
            if len(pieces) > 1 and not segment.sacked:
                for piece in pieces:
                    self._lose_again(piece)
            result += pieces
        self._segments = result
        self._head = 0

    def _lose_again(self, segment: SentSegment) -> None:
        if segment.retransmitted:
            segment.retransmitted = False
            self.retransmitted_bytes -= segment.end - segment.start
        self.mark_lost(segment)
        self._lost_from = min(self._lost_from, segment.start)

    @staticmethod
    def _cut(segment: SentSegment, limit: int) -> SentSegment:
        view = memoryview(segment.payload)
        middle = segment.start + limit
        front = SentSegment(segment.start, middle, view[:limit], segment.flags & ~_LAST_ONLY, segment.sent_at)
        front.first_sent_at = segment.first_sent_at
        front.transmissions = segment.transmissions
        front.sacked, front.lost, front.retransmitted = segment.sacked, segment.lost, segment.retransmitted
        segment.start = middle
        segment.payload = view[limit:]
        return front

    def _index(self, sequence: int) -> int:
        """The first segment that starts at or above ``sequence``."""
        return bisect_left(self._segments, sequence, lo=self._head, key=_start_of)

    def _index_at(self, sequence: int) -> int:
        """The segment that holds ``sequence``, or the first behind it."""
        index = self._index(sequence)
        if index > self._head and self._segments[index - 1].end > sequence:
            index -= 1
        return index

    def _mark_sacked(self, gap_start: int, gap_end: int, covered_start: int, covered_end: int) -> int:
        segments = self._segments
        newly = 0
        # A segment may have been covered in part by an earlier block: begin at the one that holds gap_start.
        index = self._index_at(gap_start)
        while index < len(segments) and segments[index].start < gap_end:
            segment = segments[index]
            index += 1
            if segment.sacked or segment.start < covered_start or segment.end > covered_end:
                continue
            newly += self._sack(segment)
        return newly

    def _sack(self, segment: SentSegment) -> int:
        size = segment.end - segment.start
        self._uncount(segment, size)
        segment.lost = segment.retransmitted = False
        segment.sacked = True
        self.sacked_bytes += size
        return size

    def _uncount(self, segment: SentSegment, size: int) -> None:
        if segment.sacked:
            self.sacked_bytes -= size
        if segment.lost:
            self.lost_bytes -= size
        if segment.retransmitted:
            self.retransmitted_bytes -= size

    def _trim(self, segment: SentSegment, snd_una: int, result: Acknowledged) -> None:
        size = snd_una - segment.start
        if not segment.sacked:
            result.delivered += size
        if segment.transmissions > 1:
            result.retransmitted = True
        self._uncount(segment, size)
        skipped = min(size, len(segment.payload))
        segment.payload = memoryview(segment.payload)[skipped:]
        segment.start = snd_una
        covered = self.sacked.around(snd_una)
        if covered is not None and covered[1] >= segment.end and not segment.sacked:
            self._sack(segment)


_LAST_ONLY = 0x09
"""FIN and PSH stay with the last part of a segment that is cut."""


def _start_of(segment: SentSegment) -> int:
    return segment.start
