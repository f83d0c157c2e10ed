"""Explicit congestion notification: RFC 3168, and more accurate feedback by RFC 9768 (AccECN)."""

from __future__ import annotations

from enum import Enum

from stack.wire.tcp import ACK, AE, CWR, ECE, SYN

NOT_ECT = 0
ECT_1 = 1
ECT_0 = 2
CE = 3
"""The two bits of the IP header (RFC 3168 5)."""

_FLAGS = AE | CWR | ECE
_ACE_SHIFT = {AE: 2, CWR: 1, ECE: 0}
_FIRST_COUNT = 5
"""r.cep and s.cep begin here, so that a counter that was wiped to zero is noticed (RFC 9768 3.2.1)."""
_HANDSHAKE = {NOT_ECT: CWR, ECT_1: CWR | ECE, ECT_0: AE, CE: AE | CWR}
"""How a SYN/ACK says with which codepoint the SYN arrived (RFC 9768 3.1.1, table 2)."""


class Feedback(Enum):
    """What was agreed upon in the handshake."""

    NONE = "none"
    CLASSIC = "RFC 3168"
    ACCURATE = "AccECN"


class Ecn:
    """ECN of one connection, both halves: what is marked, what is echoed, what the echo means.

    ``request``: ask for it when opening; ``accept``: agree when asked; ``accurate``: prefer AccECN. ``each``: without
    AccECN, echo marks one by one, as DCTCP's receiver does (RFC 8257 3.2), instead of until CWR.
    """

    __slots__ = (
        "_accept", "_accurate", "_codepoint_of_syn", "_counted", "_each", "_echo", "_must_say_reduced", "_received",
        "_request", "feedback",
    )  # fmt: skip

    def __init__(self, *, request: bool, accept: bool, accurate: bool, each: bool) -> None:
        self._request = request
        self._accept = accept
        self._accurate = accurate
        self._each = each
        self.feedback = Feedback.NONE
        self._codepoint_of_syn = NOT_ECT
        self._echo = False
        self._must_say_reduced = False
        self._received = _FIRST_COUNT
        """r.cep: segments that arrived with CE."""
        self._counted = _FIRST_COUNT
        """s.cep: what we know of the peer's r.cep."""

    # -- handshake ---------------------------------------------------------------------------------

    def in_syn(self) -> int:
        """Flags of our SYN."""
        if not self._request:
            return 0
        return _FLAGS if self._accurate else ECE | CWR

    def syn_arrives(self, flags: int, codepoint: int) -> None:
        """The peer's SYN asks, or does not."""
        asked = flags & _FLAGS
        if not self._accept or asked not in (_FLAGS, ECE | CWR):
            return
        accurate = asked == _FLAGS and self._accurate
        self.feedback = Feedback.ACCURATE if accurate else Feedback.CLASSIC
        self._codepoint_of_syn = codepoint

    def in_syn_ack(self) -> int:
        """Flags of our SYN/ACK: what we agree to."""
        if self.feedback is Feedback.ACCURATE:
            return _HANDSHAKE[self._codepoint_of_syn]
        return ECE if self.feedback is Feedback.CLASSIC else 0

    def syn_ack_arrives(self, flags: int, codepoint: int) -> None:
        """What the peer agreed to, if we asked."""
        answer = flags & _FLAGS
        if not self._request:
            return
        if self._accurate and answer in _HANDSHAKE.values():
            self.feedback = Feedback.ACCURATE
            if answer == _HANDSHAKE[CE]:
                # Our SYN was marked: it counts (RFC 9768 3.2.2.1).
                self._counted += 1
        elif answer == ECE:
            self.feedback = Feedback.CLASSIC
        if codepoint == CE:
            self._received += 1

    # -- what we send ------------------------------------------------------------------------------

    @property
    def codepoint(self) -> int:
        """For a segment with new data; others are not ECN-capable (RFC 3168 6.1.4, 6.1.5)."""
        return NOT_ECT if self.feedback is Feedback.NONE else ECT_0

    def flags(self, *, new_data: bool) -> int:
        """ECE, CWR and AE of a segment without SYN."""
        if self.feedback is Feedback.NONE:
            return 0
        if self.feedback is Feedback.ACCURATE:
            count = self._received
            return (AE if count & 4 else 0) | (CWR if count & 2 else 0) | (ECE if count & 1 else 0)
        flags = ECE if self._echo else 0
        if new_data and self._must_say_reduced:
            self._must_say_reduced = False
            flags |= CWR
        return flags

    def window_reduced(self) -> None:
        """The congestion window was reduced: the next new data say so (RFC 3168 6.1.2)."""
        self._must_say_reduced = self.feedback is Feedback.CLASSIC

    # -- what arrives ------------------------------------------------------------------------------

    def segment_arrives(self, flags: int, codepoint: int, length: int) -> bool:
        """Note a mark on an acceptable segment; returns whether it calls for an ACK at once."""
        if self.feedback is Feedback.NONE or flags & SYN:
            return False
        marked = codepoint == CE
        if self.feedback is Feedback.ACCURATE:
            self._received += marked
            return marked
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

    def marks(self, flags: int, segments: int) -> int:
        """How many segments the peer reports as newly marked, in an ACK that newly delivers ``segments``.

        With RFC 3168 feedback, all of them or none: it only tells that there was a mark. The three bits of AccECN wrap
        after eight; if more were delivered, the larger of the possible numbers is taken (RFC 9768 3.2.2.5.2).
        """
        if self.feedback is Feedback.CLASSIC:
            return max(segments, 1) if flags & ECE else 0
        if self.feedback is Feedback.NONE or not flags & ACK:
            return 0
        field = sum(bool(flags & bit) << shift for bit, shift in _ACE_SHIFT.items())
        marked = (field - self._counted) & 7
        if segments > 7:
            marked = segments - ((segments - marked) & 7)
        self._counted += marked
        return marked
