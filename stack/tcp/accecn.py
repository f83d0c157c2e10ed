"""More accurate ECN feedback (RFC 9768): each end counts what arrives marked, and reads what the other has counted."""

from __future__ import annotations

from typing import Final

from stack.tcp.segment import CE, ECT_0
from stack.wire.tcp import AE, CWR, ECE, accurate_ecn_option

Octets = tuple[int | None, int | None, int | None]
"""Of payload that arrived with ECT(0), CE and ECT(1), as far as an option tells."""

_FIRST_COUNT: Final = 5
"""r.cep and s.cep begin here, so that a counter that was wiped to zero is noticed (3.2.1)."""
_FIELD: Final = tuple(AE * (n >> 2) | CWR * (n >> 1 & 1) | ECE * (n & 1) for n in range(8))
_NUMBER: Final = {flags: number for number, flags in enumerate(_FIELD)}
_ACE: Final = AE | CWR | ECE
_WRAP: Final = 8
_OCTETS_MASK: Final = 0xFFFFFF
_UNTOLD_OF_DATA: Final = 2
_UNTOLD_OF_ACKS: Final = 3
"""So many marks call for an ACK (3.2.2.5.1): more if it was only ACKs that were marked, or two ends would acknowledge
each other's acknowledgments for ever."""
_THINNED: Final = 4
"""ACKs that cover more segments than this as a rule are so by design and not by loss (Linux ACK_COMP_THRESH)."""
_EWMA_SHIFT: Final = 6


class MarkCounter:
    """The Data Receiver's half: r.cep, r.e0b, r.ceb and r.e1b (3.2.1), and when the peer has to be told."""

    __slots__ = ("_again", "_changed", "_e0b", "_e1b", "_last", "_untold", "ceb", "cep", "tells_octets")

    def __init__(self, *, tells_octets: bool) -> None:
        self.tells_octets = tells_octets
        """The AccECN option is sent (3.2.3)."""
        self.cep = _FIRST_COUNT
        """Segments that arrived with CE."""
        self.ceb = 0
        """Octets of payload that did."""
        self._e0b = self._e1b = 1
        self._last: int | None = None
        """With which codepoint the last data came."""
        self._untold = 0
        """Marks since the last ACK."""
        self._changed = True
        """No data have left with the option since the counters changed."""
        self._again: int | None = None

    def handshake_marked(self) -> None:
        """A SYN/ACK arrived with CE; it counts, a SYN does not (3.2.2.1)."""
        self.cep += 1

    def arrives(self, codepoint: int, length: int, segments: int = 1) -> bool:
        """Count an acceptable segment, or several; returns whether an ACK is due at once (3.2.2.5.1, 3.2.3.3)."""
        marked = codepoint == CE
        if marked:
            self.cep += segments
            self._untold += segments
        if not length:
            return marked and self._untold >= _UNTOLD_OF_ACKS
        if codepoint:
            self._changed = True
            if marked:
                self.ceb += length
            elif codepoint == ECT_0:
                self._e0b += length
            else:
                self._e1b += length
        last, self._last = self._last, codepoint
        if codepoint != last and (marked or (self.tells_octets and last is not None and codepoint > 0)):
            return True
        return marked and self._untold >= _UNTOLD_OF_DATA

    def field(self) -> int:
        """ACE, the last three bits of r.cep, for a segment that leaves now (3.2.2)."""
        self._untold = 0
        return _FIELD[self.cep & 7]

    @property
    def octets(self) -> Octets:
        """All three byte counters."""
        return self._e0b & _OCTETS_MASK, self.ceb & _OCTETS_MASK, self._e1b & _OCTETS_MASK

    def option(self, room: int, *, data: bool) -> bytes:
        """The option for a segment that leaves now, at most ``room`` octets long; empty if it is not worth it.

        Every pure ACK has it, ``data`` only if there is news. A counter that has never changed may be left out (3.2.3).
        """
        if data and not self._changed:
            return b""
        e0b, ceb, e1b = self.octets
        if room >= 12:
            option = accurate_ecn_option(e0b, ceb, e1b)
        elif room >= 8 and self._e1b == 1:
            option = accurate_ecn_option(e0b, ceb, None)
        elif room >= 8 and self._e0b == 1:
            option = accurate_ecn_option(None, ceb, e1b)
        else:
            return b""
        if data:
            self._changed = False
        return option

    def arrived_again(self, start: int) -> None:
        """Data from ``start`` have come once more that are here already.

        If they do so after that has been acknowledged twice, something may not like the option (3.2.3.2.2).
        """
        if self._again == start:
            self.tells_octets = False
        self._again = start


class MarkReader:
    """The Data Sender's half: s.cep and s.ceb, what it knows of the peer's counters."""

    __slots__ = ("_at_once", "_checked", "_reads_octets", "ceb", "cep")

    def __init__(self, *, handshake_marked: bool) -> None:
        self.cep = _FIRST_COUNT + handshake_marked
        self.ceb = 0
        self._at_once = 0
        """Segments that an ACK covers on average, shifted."""
        self._reads_octets: bool | None = None
        """The option can be relied upon; None before the first."""
        self._checked = False

    def is_wiped(self, flags: int, segments: int) -> bool:
        """The first ACE field after the handshake is zero, although the peer cannot have counted that far (3.2.2.4)."""
        checked, self._checked = self._checked, True
        return not checked and not flags & _ACE and segments < _WRAP - _FIRST_COUNT

    def take(self, octets: Octets) -> None:
        """The option of a SYN/ACK, which must not be all zero (3.2.3.2.4)."""
        self._reads_octets = octets[0] != 0 and octets[2] != 0

    def marks(self, flags: int, segments: int, delivered: int, octets: Octets | None, mss: int) -> int:
        """How many segments the peer has newly received with CE, by an ACK that makes progress.

        It newly delivers ``segments`` with ``delivered`` octets. ACE wraps after eight: the option tells how often it
        did; without it, if more than seven segments arrived, it is taken for the worse unless ACKs are few by design
        (3.2.2.5.2, appendix A.2, Linux ``__tcp_accecn_process``).
        """
        few_by_design = self._at_once > _THINNED << _EWMA_SHIFT
        if segments:
            average = self._at_once
            self._at_once += segments - (average >> _EWMA_SHIFT) if average else segments << _EWMA_SHIFT
        new_octets = self._read(octets, delivered)
        least = (_NUMBER[flags & _ACE] - self.cep) % _WRAP
        if new_octets is not None:
            needed = -(-new_octets // mss)
            marked = least if least >= needed else needed + (least - needed) % _WRAP
            if marked > max(segments, least):
                # The two contradict each other: a mark is a mark, whoever reports it (3.2.3.2.5).
                self.cep += least
                return needed
        elif segments < _WRAP or few_by_design:
            marked = least
        else:
            marked = segments - (segments - least) % _WRAP
        self.cep += marked
        return marked

    def _read(self, octets: Octets | None, delivered: int) -> int | None:
        """Newly marked octets; None if we cannot know (3.2.3.1, appendix A.1)."""
        if octets is None:
            return None
        e0b, ceb, e1b = octets
        if self._reads_octets is None:
            self._reads_octets = e0b != 0 and e1b != 0
        if not self._reads_octets or ceb is None:
            return None
        new = (ceb - self.ceb) & _OCTETS_MASK
        if new > _OCTETS_MASK >> 1:
            # It is older than what we know.
            return None
        self.ceb += new
        return min(new, delivered)
