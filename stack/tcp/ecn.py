"""Explicit congestion notification: RFC 3168, and more accurate feedback by RFC 9768 (AccECN)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from stack.tcp.accecn import MarkCounter, MarkReader, Octets
from stack.tcp.scoreboard import Delivery
from stack.tcp.segment import CE, ECT_0, ECT_1, NOT_ECT, Segment
from stack.wire.tcp import AE, CWR, ECE, SYN

_FLAGS: Final = AE | CWR | ECE
_HANDSHAKE: Final = {NOT_ECT: CWR, ECT_1: CWR | ECE, ECT_0: AE, CE: AE | CWR}
"""How a SYN/ACK says with which codepoint the SYN arrived, and the ACK of it (RFC 9768 3.1.1, 3.2.2.1)."""
_ARRIVED_AS: Final = {flags: codepoint for codepoint, flags in _HANDSHAKE.items()}


class Feedback(Enum):
    """What was agreed upon in the handshake."""

    NONE = "none"
    CLASSIC = "RFC 3168"
    ACCURATE = "AccECN"


class Ecn:
    """ECN of one connection, both halves: what is marked, what is echoed, what the echo means.

    ``request``: ask for it when opening; ``accept``: agree when asked; ``accurate``: prefer AccECN, ``octets``: with
    its option. ``each``: without AccECN, echo marks one by one, as DCTCP's receiver does (RFC 8257 3.2), instead of
    until CWR.
    """

    __slots__ = (
        "_accept", "_accurate", "_capable", "_codepoint_of_syn", "_each", "_echo", "_handshake_ack",
        "_must_say_reduced", "_octets", "_plain", "_request", "counter", "feedback", "reader", "seen",
    )  # fmt: skip

    def __init__(
        self, *, request: bool, accept: bool, accurate: bool, each: bool, octets: bool = True
    ) -> None:
        self._request = request
        self._accept = accept
        self._accurate = accurate
        self._octets = octets
        self._each = each
        self.feedback = Feedback.NONE
        self.seen = False
        """An ECN-capable segment has arrived."""
        self.counter: MarkCounter | None = None
        """With AccECN: what has arrived marked."""
        self.reader: MarkReader | None = None
        """With AccECN, once the handshake is over: what the peer reports."""
        self._capable = True
        """Nothing has shown that the path or the peer mishandles ECN: data are sent as ECN-capable."""
        self._codepoint_of_syn = NOT_ECT
        self._plain = False
        """The peer's SYN came again and did not ask."""
        self._handshake_ack = 0
        """Flags of the next pure ACK, which is that of the SYN/ACK."""
        self._echo = False
        self._must_say_reduced = False

    # -- handshake ---------------------------------------------------------------------------------

    def in_syn(self, timeouts: int) -> int:
        """Flags of our SYN, after so many expiries of the timer.

        What drops a SYN that asks may take one that does not (RFC 3168 6.1.1.1, Linux tcp_ecn_fallback); for AccECN a
        second attempt is made (RFC 9768 3.1.4.1).
        """
        if not self._request:
            return 0
        if timeouts > self._accurate:
            # Whatever the answer is to, no data may be ECN-capable then (RFC 3168 6.1.1, RFC 9768 3.1.5).
            self._capable = False
            return 0
        return _FLAGS if self._accurate else ECE | CWR

    def syn_arrives(self, flags: int, codepoint: int) -> None:
        """The peer's SYN asks, or does not."""
        asked = flags & _FLAGS
        if not self._accept:
            return
        if self._accurate and asked not in (0, ECE | CWR):
            # Whatever else it says is for a future version, which understands this one (RFC 9768 3.1.3).
            self._agree()
            self._codepoint_of_syn = codepoint
        elif asked in (_FLAGS, ECE | CWR):
            self.feedback = Feedback.CLASSIC

    def syn_arrives_again(self, flags: int, codepoint: int) -> None:
        """Our SYN/ACK was lost; what was agreed upon remains, but this SYN is answered as it asks."""
        self._plain = not flags & _FLAGS
        self._codepoint_of_syn = codepoint

    def _agree(self) -> None:
        self.feedback = Feedback.ACCURATE
        self.counter = MarkCounter(tells_octets=self._octets)

    def in_syn_ack(self, timeouts: int) -> int:
        """Flags of our SYN/ACK, after so many expiries of the timer: what we agree to.

        Without them none of our data may be ECN-capable, but the feedback remains what it is (RFC 3168 6.1.1,
        RFC 9768 3.1.4.2, 3.1.5).
        """
        accurate = self.feedback is Feedback.ACCURATE
        if self._plain or (accurate and timeouts > 1):
            self._capable = False
            return 0
        if accurate:
            return _HANDSHAKE[self._codepoint_of_syn]
        return ECE if self.feedback is Feedback.CLASSIC else 0

    @property
    def in_syn_ack_option(self) -> Octets | None:
        """The counters of the AccECN option in our first SYN/ACK (RFC 9768 3.2.3.2.1)."""
        return self.counter.octets if self.counter is not None and self.counter.tells_octets else None

    def syn_ack_arrives(self, flags: int, codepoint: int, octets: Octets | None = None) -> None:
        """What the peer agreed to, if we asked; then a pure ACK is due, that tells how this one arrived.

        No SYN of ours is ECN-capable: if one arrived as such, the path mangles the field, and must not be shown
        more of it (RFC 9768 3.2.2.3).
        """
        answer = flags & _FLAGS
        if not self._request:
            return
        if self._accurate and answer in _ARRIVED_AS:
            self._agree()
            self._capable = self._capable and _ARRIVED_AS[answer] == NOT_ECT
            self.acknowledge_syn_ack(codepoint)
            self.reader = MarkReader(handshake_marked=False)
            if octets is not None:
                self.reader.take(octets)
        elif answer & (ECE | CWR) == ECE:
            self.feedback = Feedback.CLASSIC

    def acknowledge_syn_ack(self, codepoint: int) -> None:
        """A SYN/ACK has come, maybe again: the pure ACK that follows tells how (RFC 9768 3.2.2.1)."""
        if self.counter is not None:
            self._handshake_ack = _HANDSHAKE[codepoint]
            if codepoint == CE:
                self.counter.handshake_marked()

    def handshake_over(self, flags: int, *, pure: bool) -> None:
        """Our SYN/ACK was acknowledged; ``pure``: by nothing but an ACK, which tells how it arrived.

        It was not ECN-capable, so anything else shows that the path mangles the field, and zero that the peer or the
        path does not know it at all (RFC 9768 3.2.2.1, table 4; 3.2.2.3).
        """
        if self.feedback is not Feedback.ACCURATE:
            return
        answer = flags & _FLAGS
        arrived_as = NOT_ECT
        if pure and not flags & SYN:
            arrived_as = _ARRIVED_AS.get(answer, NOT_ECT)
            self._capable = self._capable and bool(answer) and arrived_as == NOT_ECT
        self.reader = MarkReader(handshake_marked=arrived_as == CE)

    def restored(self, flags: int) -> int:
        """Flags of the SYN of a connection with ECN that a SYN cookie has kept: its ACK shows which (RFC 9768 5.1)."""
        accurate = self._accurate and flags & _FLAGS not in (0, ECE)
        return _FLAGS if accurate else ECE | CWR

    # -- what we send ------------------------------------------------------------------------------

    @property
    def codepoint(self) -> int:
        """For a segment with new data; others are not ECN-capable (RFC 3168 6.1.4, 6.1.5)."""
        return ECT_0 if self.feedback is not Feedback.NONE and self._capable else NOT_ECT

    def flags(self, *, new_data: bool) -> int:
        """ECE, CWR and AE of a segment without SYN."""
        if self.feedback is Feedback.NONE:
            return 0
        if self.counter is not None:
            field = self.counter.field()
            if self._handshake_ack and not new_data:
                field, self._handshake_ack = self._handshake_ack, 0
            return field
        flags = ECE if self._echo else 0
        if new_data and self._must_say_reduced:
            self._must_say_reduced = False
            flags |= CWR
        return flags

    def window_reduced(self) -> None:
        """The congestion window was reduced: the next new data say so (RFC 3168 6.1.2)."""
        self._must_say_reduced = self.feedback is Feedback.CLASSIC

    # -- what arrives ------------------------------------------------------------------------------

    @property
    def counts(self) -> bool:
        """Every mark, or change of the mark, is told; no ACK that does so may wait for later segments."""
        return self.counter is not None or self._each

    def segment_arrives(self, flags: int, codepoint: int, length: int, mss: int) -> bool:
        """Note a mark on an acceptable segment; returns whether it calls for an ACK at once.

        What is larger than ``mss``, a link has joined: it is several segments.
        """
        if self.feedback is Feedback.NONE or flags & SYN:
            return False
        if codepoint:
            self.seen = True
        if self.counter is not None:
            self._handshake_ack = 0
            return self.counter.arrives(codepoint, length, -(-length // mss) or 1)
        marked = codepoint == CE
        if flags & CWR and not self._each:
            self._echo = False
        if self._each:
            changed = bool(length) and marked is not self._echo
            if length:
                self._echo = marked
            return changed
        if marked:
            self._echo = True
        return marked

    def marks(self, segment: Segment, delivery: Delivery, mss: int) -> int:
        """How many segments the peer reports as newly marked, in an ACK that is no older than the last.

        With RFC 3168 feedback, all that it newly delivers or none: it only tells that there was a mark.
        """
        flags = segment.flags
        if flags & SYN:
            # There it answers the question whether ECN is known.
            return 0
        segments = max(len(delivery.segments), -(-delivery.octets // mss))
        if self.feedback is Feedback.CLASSIC:
            return max(segments, 1) if flags & ECE else 0
        reader = self.reader
        if reader is None:
            return 0
        if reader.is_wiped(flags, segments):
            self._capable = False
        if not self._capable:
            # What is reported cannot be about what we sent (RFC 9768 3.2.2.3, 3.2.2.4).
            return 0
        return reader.marks(flags, segments, delivery.octets, segment.accurate_ecn, mss)
