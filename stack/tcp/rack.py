"""RACK: loss detection by time (RFC 8985 6).

A segment is lost if one that was sent later has been delivered, and it has had the time of a round trip and of a
little reordering since.
"""

from __future__ import annotations

from stack.clock import MILLISECOND
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Delivery, Scoreboard, SentSegment

_PERSIST = 16
"""Recoveries for which a reordering window that D-SACKs have widened is kept (RFC 8985 6.2, step 4)."""


class Rack:
    """State of RFC 8985 5.3. Each transmission is looked at once, in the order in which they were sent."""

    __slots__ = (
        "_board",
        "_dsack_round",
        "_fack",
        "_latest",
        "_multiplier",
        "_persist",
        "_rtt",
        "_rtts",
        "deadline",
        "extent",
        "reorderings",
    )

    def __init__(self, board: Scoreboard, rtts: RttEstimator) -> None:
        self._board = board
        self._rtts = rtts
        self._latest = 0
        """The most recent transmission that has been delivered: RACK.xmit_ts and RACK.end_seq in one."""
        self._rtt = 0
        self._fack = 0
        self.reorderings = 0
        """ACKs that showed that something had been overtaken."""
        self.extent = 0
        """By how much at most, octets (Linux's metric of reordering)."""
        self._multiplier = 1
        self._persist = 0
        self._dsack_round: int | None = None
        self.deadline: int | None = None
        """When the reordering timer is to look again (ns)."""

    def delivered(self, delivery: Delivery, now: int, echo_age: int | None) -> None:
        """Steps 2 and 3: the most recent transmission that got through, and whether anything came out of order.

        ``echo_age`` is the time since the timestamp was sent that the peer echoes, whose grain is a millisecond.
        """
        newest = overtaken = 0
        for segment in (
            sorted(delivery.segments, key=_end_of) if len(delivery.segments) > 1 else delivery.segments
        ):
            age = now - segment.sent_at
            if segment.transmissions > 1 and (
                (echo_age is not None and echo_age > age + MILLISECOND) or age < self._rtts.minimum
            ):
                # The ACK is for an earlier transmission.
                continue
            if segment.ordinal > newest:
                # Also if something that was sent later has arrived before: then that was fast, and this is the rule.
                newest, self._rtt = segment.ordinal, age
                if newest > self._latest:
                    self._latest = newest
            if segment.end > self._fack:
                self._fack = segment.end
            elif segment.transmissions == 1 and not overtaken:
                overtaken = self._fack - segment.start
        if overtaken:
            self.reorderings += 1
            self.extent = max(self.extent, overtaken)

    @property
    def reordering_seen(self) -> bool:
        """RACK.reordering_seen (RFC 8985 5.3)."""
        return self.reorderings > 0

    def delivered_in_order(self, newest: SentSegment, now: int) -> None:
        """The same where everything was sent once and arrives in order; ``newest`` is the last of it."""
        self._latest, self._rtt, self._fack = newest.ordinal, now - newest.sent_at, newest.end
        self.deadline = None

    def was_hasty(self, snd_nxt: int) -> None:
        """A D-SACK, or an undone recovery: the reordering window was too small.

        It becomes wider by a quarter of the least RTT, once per round trip (step 4).
        """
        if self._dsack_round is None:
            self._dsack_round = snd_nxt
            self._multiplier += 1
            self._persist = _PERSIST

    def acknowledged(self, snd_una: int) -> None:
        """The round trip in which a D-SACK came may be over."""
        if self._dsack_round is not None and snd_una >= self._dsack_round:
            self._dsack_round = None

    def recovered(self) -> None:
        """A recovery has ended: a widened window is forgotten after some of them (step 4)."""
        if self._persist:
            self._persist -= 1
            if not self._persist:
                self._multiplier = 1

    def window(self, *, hurry: bool) -> int:
        """RACK_update_reo_wnd (ns). ``hurry``: recovery is under way, or as good as (DupThresh segments SACKed)."""
        if hurry and not self.reordering_seen:
            return 0
        return min(self._multiplier * self._rtts.minimum // 4, self._rtts.srtt)

    def detect(self, now: int, *, hurry: bool) -> int:
        """RACK_detect_loss: mark what is lost; returns the octets, and sets :attr:`deadline`."""
        self.deadline = None
        if not self._latest:
            return 0
        sent, lost = self._board.sent, 0
        patience = self._rtt + self.window(hurry=hurry)
        while sent:
            segment, number = sent[0]
            if segment.ordinal == number and not segment.delivered:
                if segment.ordinal >= self._latest:
                    break
                if segment.sent_at + patience > now:
                    self.deadline = segment.sent_at + patience
                    break
                lost += self._board.lose(segment)
            sent.popleft()
        return lost

    def outlived(self, segment: SentSegment, now: int) -> bool:
        """Whether a segment has had its round trip when the retransmission timer goes off (RFC 8985 6.3)."""
        return segment.sent_at + self._rtt + self.window(hurry=False) <= now

    def clear(self) -> None:
        """Nothing is out any more."""
        self.deadline = None


def _end_of(segment: SentSegment) -> int:
    return segment.end
