"""What has been sent and not yet acknowledged: the retransmission queue, with its SACK marks (RFC 6675 3)."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable

from stack.link import Buffer
from stack.tcp.ranges import RangeSet
from stack.tcp.rate import Snapshot

_COMPACT = 256
_FEW = 64
"""Ranges that may be SACKed however few packets are outstanding."""
_NOTHING_SACKED = RangeSet()
_NOTHING_SENT: deque[tuple[SentSegment, int]] = deque()
"""Of every scoreboard of which it is true; nobody changes them, and an idle connection needs none of its own."""


class SentSegment:
    """One segment in the retransmission queue; SYN and FIN count one octet each.

    It may be a super-segment of many times the MSS; it is cut when something happens to a part of it.
    """

    __slots__ = (
        "delivered",
        "end",
        "first_sent_at",
        "flags",
        "flight",
        "lost",
        "ordinal",
        "payload",
        "retransmitted",
        "sacked",
        "sent_at",
        "snapshot",
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
        self.delivered = False
        """It is known to have arrived, by ACK or SACK."""
        self.lost = False
        self.snapshot: Snapshot | None = None
        """Where delivery stood when it was sent (:mod:`stack.tcp.rate`)."""
        self.ordinal = 0
        """Octets that had been transmitted when its last was: tells apart what was sent at one instant."""
        self.flight = 0
        """Octets in the network when it was sent last, itself included."""
        self.retransmitted = False
        """A retransmission of it is in flight, as far as we know."""

    def __repr__(self) -> str:
        marks = "".join(
            mark for mark, on in (("S", self.sacked), ("L", self.lost), ("R", self.retransmitted)) if on
        )
        return f"<{self.start}:{self.end} {marks} x{self.transmissions}>"


class Delivery:
    """What one ACK reports as newly delivered, cumulatively or by SACK."""

    __slots__ = ("acknowledged", "octets", "oldest", "oldest_sacked", "retransmitted", "segments")

    def __init__(self) -> None:
        self.segments: list[SentSegment] = []
        """Each once, whichever way it was reported first."""
        self.octets = 0
        self.acknowledged = 0
        """Segments that the cumulative ACK took off the queue, those that were SACKed before included."""
        self.retransmitted = False
        """The cumulative ACK covers something that had been sent more than once."""
        self.oldest: SentSegment | None = None
        """Of those that the cumulative ACK reports, the first that was sent only once: an RTT sample (Karn's rule)."""
        self.oldest_sacked: SentSegment | None = None
        """The same of those that SACK blocks report."""

    def packets(self, mss: int) -> int:
        """How many packets it reports, at least: a super-segment is as many as it has pieces."""
        return max(len(self.segments), packets_of(self.octets, mss))


class Scoreboard:
    """The retransmission queue from SND.UNA to SND.NXT.

    Everything costs by what changes: an ACK by the segments that it acknowledges, a SACK block by the segments that it
    newly covers, marking losses by what is newly lost.
    """

    __slots__ = (
        "_head",
        "_lost_from",
        "frontier",
        "lost_bytes",
        "mss",
        "newly_lost",
        "outstanding",
        "retransmitted_bytes",
        "sacked",
        "sacked_bytes",
        "segments",
        "sent",
        "transmitted",
    )

    def __init__(self, mss: int) -> None:
        self.mss = mss
        """The size of the pieces of a super-segment."""
        self.sent = _NOTHING_SENT
        """Transmissions, with their ordinals, in the order of time; what has been acknowledged is taken out, and by
        :mod:`stack.tcp.rack` what else is settled."""
        self.transmitted = 0
        """Octets, all transmissions counted."""
        self.segments: list[SentSegment] = []
        """Empty if nothing is outstanding; the first of them may have been acknowledged already."""
        self._head = 0
        self.outstanding = 0
        """Octets from the first segment to the last."""
        self._lost_from = 0
        """No lost segment below this one waits for retransmission; kept as a sequence number."""
        self.frontier = 0
        """Everything below that was not SACKed has been marked lost."""
        self.sacked = _NOTHING_SACKED
        self.sacked_bytes = 0
        self.newly_lost: list[SentSegment] = []
        """What has been marked lost since somebody emptied the list."""
        self.lost_bytes = 0
        self.retransmitted_bytes = 0

    def __len__(self) -> int:
        return len(self.segments) - self._head

    @property
    def first(self) -> SentSegment:
        """The oldest segment; there must be one."""
        return self.segments[self._head]

    @property
    def last(self) -> SentSegment:
        """The newest segment; there must be one."""
        return self.segments[-1]

    @property
    def packets(self) -> int:
        """How many packets are outstanding, at least: a super-segment is as many as it has pieces."""
        return max(len(self), packets_of(self.outstanding, self.mss))

    @property
    def in_flight(self) -> int:
        """Octets believed to be in the network: ``pipe`` (RFC 6675 4)."""
        return self.outstanding - self.sacked_bytes - self.lost_bytes + self.retransmitted_bytes

    @property
    def calm(self) -> bool:
        """Everything outstanding was sent once, and nothing says that it did not arrive."""
        return not (self.sacked_bytes or self.lost_bytes or self.retransmitted_bytes)

    def append(self, segment: SentSegment) -> None:
        """A new segment was sent."""
        self.segments.append(segment)
        self.outstanding += segment.end - segment.start
        self._note_transmission(segment)

    def _note_transmission(self, segment: SentSegment) -> None:
        self.transmitted += segment.end - segment.start
        segment.ordinal = self.transmitted
        if self.sent:
            self.sent.append((segment, segment.ordinal))
        else:
            self.sent = deque(((segment, segment.ordinal),))

    def mark_retransmitted(self, segment: SentSegment, now: int) -> None:
        """``segment`` was sent again."""
        segment.sent_at = now
        segment.transmissions += 1
        if not segment.retransmitted:
            segment.retransmitted = True
            self.retransmitted_bytes += segment.end - segment.start
        self._note_transmission(segment)

    def acknowledge(self, snd_una: int, delivery: Delivery) -> None:
        """Drop what a cumulative ACK covers."""
        segments = self.segments
        head = self._head
        end = len(segments)
        while head < end:
            segment = segments[head]
            if segment.end > snd_una:
                if segment.start >= snd_una:
                    break
                whole = (snd_una - segment.start) // self.mss * self.mss
                if not 0 < whole < len(segment.payload):
                    self._trim(segment, snd_una, delivery)
                    break
                segment = self._cut(head, whole)
                end += 1
            head += 1
            size = segment.end - segment.start
            self.outstanding -= size
            segment.delivered = True
            delivery.acknowledged += 1
            if segment.transmissions > 1:
                delivery.retransmitted = True
            elif delivery.oldest is None and not segment.sacked:
                delivery.oldest = segment
            if segment.sacked:
                self.sacked_bytes -= size
                continue
            delivery.octets += size
            delivery.segments.append(segment)
            if segment.lost:
                self.lost_bytes -= size
            if segment.retransmitted:
                self.retransmitted_bytes -= size
        self._head = head
        if head == end:
            segments.clear()
            self.sent = _NOTHING_SENT
            self._head = 0
        else:
            sent = self.sent
            while sent and sent[0][0].end <= snd_una:
                sent.popleft()
            if head >= _COMPACT and head * 2 >= end:
                del segments[:head]
                self._head = 0
        if self.sacked is not _NOTHING_SACKED:
            self.sacked.remove_below(snd_una)
            if not len(self.sacked):
                self.sacked = _NOTHING_SACKED

    def select_acknowledge(
        self, blocks: tuple[tuple[int, int], ...], snd_una: int, snd_nxt: int, delivery: Delivery
    ) -> None:
        """Mark what SACK blocks cover (RFC 2018 4).

        A block that is not within what is outstanding says nothing about it: old, a D-SACK, or a lie. Nor is it heeded
        where there are more of them, with holes between, than packets: those have been cut by nobody but the peer.
        """
        for start, end in blocks:
            if start < snd_una or end > snd_nxt or start >= end:
                continue
            if self.sacked is _NOTHING_SACKED:
                self.sacked = RangeSet()
            elif len(self.sacked) > _FEW and len(self.sacked) > self.packets:
                continue
            for gap_start, gap_end in self.sacked.gaps(start, end):
                covered_start, covered_end = self.sacked.add(gap_start, gap_end)
                self._mark_sacked(gap_start, gap_end, covered_start, covered_end, delivery)

    def mark_lost_below(self, frontier: int, snd_una: int) -> int:
        """Mark every segment that ends at or below ``frontier`` and was not SACKed as lost; returns the octets.

        What was below an earlier frontier has been marked then, and is not looked at again.
        """
        newly = 0
        segments = self.segments
        for start, end in self.sacked.gaps(max(snd_una, self.frontier), frontier):
            index = self._index_at(start)
            while index < len(segments) and segments[index].end <= end:
                if not segments[index].lost:
                    newly += self.lose(segments[index])
                index += 1
        self.frontier = max(self.frontier, frontier)
        return newly

    def lose(self, segment: SentSegment) -> int:
        """Mark one segment as lost, or its retransmission if it was marked before; returns the octets.

        Nothing if it has been SACKed, or is marked and waits to be sent again.
        """
        if segment.sacked or (segment.lost and not segment.retransmitted):
            return 0
        size = segment.end - segment.start
        if segment.retransmitted:
            segment.retransmitted = False
            self.retransmitted_bytes -= size
        if not segment.lost:
            segment.lost = True
            self.lost_bytes += size
        self.newly_lost.append(segment)
        self._lost_from = min(self._lost_from, segment.start)
        return size

    def lose_if(self, condition: Callable[[SentSegment], bool]) -> None:
        """Mark every outstanding segment as lost for which the condition holds."""
        for index in range(self._head, len(self.segments)):
            if condition(self.segments[index]):
                self.lose(self.segments[index])

    def find_all(self) -> None:
        """Nothing was lost after all: what was marked is in flight, or will be acknowledged."""
        for index in range(self._head, len(self.segments)):
            self.segments[index].lost = False
        self.lost_bytes = 0

    def forget_sacked(self) -> None:
        """The receiver has reneged (RFC 2018 8): no SACK mark counts any more."""
        self.sacked = _NOTHING_SACKED
        self.sacked_bytes = self.frontier = 0
        for index in range(self._head, len(self.segments)):
            self.segments[index].sacked = self.segments[index].delivered = False

    def next_lost(self) -> SentSegment | None:
        """The first lost segment that has not been sent again (RFC 6675 4 NextSeg, rule 1)."""
        if not self.lost_bytes:
            return None
        segments = self.segments
        for index in range(self._index(self._lost_from), len(segments)):
            segment = segments[index]
            if segment.lost and not segment.retransmitted:
                self._lost_from = segment.start
                return segment
        self._lost_from = segments[-1].end
        return None

    def split(self, limit: int) -> None:
        """The path takes only ``limit`` bytes of payload now: cut what is larger, and count it as lost.

        But for pieces that have been SACKed while the whole has not, as data have whose FIN is missing.
        """
        self.mss = limit
        index = self._head
        while index < len(self.segments):
            segment = self.segments[index]
            pieces = 1
            while len(segment.payload) > limit:
                self._cut(index, limit)
                index += 1
                pieces += 1
            if pieces > 1 and not segment.sacked:
                for piece in self.segments[index - pieces + 1 : index + 1]:
                    covered = self.sacked.around(piece.start)
                    if covered is not None and covered[1] >= piece.end:
                        self._sack(piece)
                    else:
                        self.lose(piece)
            index += 1

    def front(self, segment: SentSegment, limit: int) -> SentSegment:
        """``segment``; of a longer super-segment, as many pieces as have at most ``limit`` octets, cut off in front."""
        pieces = limit // self.mss
        if len(segment.payload) <= limit or pieces <= 0:
            return segment
        return self._cut(self._index(segment.start), pieces * self.mss)

    def last_piece(self) -> SentSegment:
        """The newest segment, cut off if it is a piece of a super-segment."""
        segment = self.segments[-1]
        size = len(segment.payload)
        if size > self.mss:
            self._cut(len(self.segments) - 1, (size - 1) // self.mss * self.mss)
        return segment

    def _cut(self, index: int, octets: int) -> SentSegment:
        """Cut so much off the front of a segment, which remains as the rest of itself."""
        segment = self.segments[index]
        view = memoryview(segment.payload)
        middle = segment.start + octets
        front = SentSegment(
            segment.start, middle, view[:octets], segment.flags & ~_LAST_ONLY, segment.sent_at
        )
        front.first_sent_at = segment.first_sent_at
        front.transmissions = segment.transmissions
        front.sacked, front.lost, front.retransmitted = segment.sacked, segment.lost, segment.retransmitted
        front.delivered = segment.delivered
        front.snapshot = segment.snapshot
        rest = segment.end - middle
        front.flight = segment.flight - rest
        front.ordinal = segment.ordinal - rest
        segment.start = middle
        segment.payload = view[octets:]
        self.segments.insert(index, front)
        place = bisect_left(self.sent, segment.ordinal, key=_ordinal_of)
        if place < len(self.sent) and self.sent[place][0] is segment:
            self.sent.insert(place, (front, front.ordinal))
        return front

    def _index(self, sequence: int) -> int:
        """The first segment that starts at or above ``sequence``."""
        return bisect_left(self.segments, sequence, lo=self._head, key=_start_of)

    def _index_at(self, sequence: int) -> int:
        """The segment that holds ``sequence``, or the first behind it."""
        index = self._index(sequence)
        if index > self._head and self.segments[index - 1].end > sequence:
            index -= 1
        return index

    def _mark_sacked(
        self, gap_start: int, gap_end: int, covered_start: int, covered_end: int, delivery: Delivery
    ) -> None:
        segments = self.segments
        # A segment may have been covered in part by an earlier block: begin at the one that holds gap_start. A piece
        # of a super-segment counts once it is covered whole; smaller cuts would be a stranger's to make.
        index = self._index_at(gap_start)
        while index < len(segments) and segments[index].start < gap_end:
            segment = segments[index]
            index += 1
            if segment.sacked:
                continue
            start, end = segment.start, segment.end
            if start < covered_start:
                start -= (start - covered_start) // self.mss * self.mss
            if end > covered_end:
                end = start + (covered_end - start) // self.mss * self.mss
            if start >= end:
                continue
            if start > segment.start:
                self._cut(index - 1, start - segment.start)
                index += 1
            if end < segment.end:
                segment = self._cut(index - 1, end - start)
            self._sack(segment)
            delivery.segments.append(segment)
            delivery.octets += segment.end - segment.start
            if segment.transmissions == 1 and delivery.oldest_sacked is None:
                delivery.oldest_sacked = segment

    def _sack(self, segment: SentSegment) -> None:
        size = segment.end - segment.start
        self._uncount(segment, size)
        segment.lost = segment.retransmitted = False
        segment.sacked = segment.delivered = True
        self.sacked_bytes += size

    def _uncount(self, segment: SentSegment, size: int) -> None:
        if segment.sacked:
            self.sacked_bytes -= size
        if segment.lost:
            self.lost_bytes -= size
        if segment.retransmitted:
            self.retransmitted_bytes -= size

    def _trim(self, segment: SentSegment, snd_una: int, delivery: Delivery) -> None:
        size = snd_una - segment.start
        self.outstanding -= size
        if not segment.sacked:
            delivery.octets += size
        if segment.transmissions > 1:
            delivery.retransmitted = True
        self._uncount(segment, size)
        skipped = min(size, len(segment.payload))
        segment.payload = memoryview(segment.payload)[skipped:]
        segment.start = snd_una
        covered = self.sacked.around(snd_una)
        if covered is not None and covered[1] >= segment.end and not segment.sacked:
            self._sack(segment)
            delivery.octets += segment.end - snd_una
            delivery.segments.append(segment)


def packets_of(octets: int, mss: int) -> int:
    """How many packets it takes at least to carry them; one of the octets may be a FIN, which takes no room."""
    return (octets - 2) // mss + 1


_LAST_ONLY = 0x09
"""FIN and PSH stay with the last part of a segment that is cut."""


def _start_of(segment: SentSegment) -> int:
    return segment.start


def _ordinal_of(transmission: tuple[SentSegment, int]) -> int:
    return transmission[1]
