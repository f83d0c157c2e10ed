"""Packetization-layer path MTU discovery (RFC 4821): the search that needs no ICMP, as Linux's ``tcp_mtu_probing``.

What gets through is found out with real data: now and then a segment is larger than the others. If it is acknowledged,
all may be that large; if it alone is lost, it was too large, and that is no sign of congestion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import SECOND
from stack.tcp.recovery import Phase
from stack.tcp.rtt import R1
from stack.tcp.scoreboard import Scoreboard, SentSegment

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_CONVERGED = 8
"""A range smaller than this (octets) is not worth a probe (Linux tcp_probe_threshold)."""
_REST = 600 * SECOND
"""From the end of a search to the next, should the path have become wider (RFC 4821 7.3, Linux tcp_probe_interval)."""
_LEAST_WINDOW = 11
"""Segments of congestion window without which there is no probe, as in Linux: its loss must show in duplicate ACKs."""
_FLOOR = 48
"""Octets of data below which no segment size is tried (Linux tcp_mtu_probe_floor)."""
_AFTER_TIMEOUT = 5
"""How much longer than after a failed probe the next one waits after one that cost a timeout (RFC 4821 7.6.3)."""


class MtuProbing:
    """RFC 4821 7 for one connection: what it finds, others do not share.

    Sizes are octets of data in a segment, which are the packet's less what is the same for all: headers and timestamps.
    Until it is :attr:`active`, segments are as large as ICMP (RFC 1191, RFC 8201) lets them be; from then on as large
    as has been proven. A probe needs SACK, for one loss must be told from several.
    """

    __slots__ = (
        "_connection",
        "_from_top",
        "_limit",
        "_next_at",
        "_probe",
        "_rest_until",
        "_size",
        "active",
        "search_high",
        "search_low",
    )

    def __init__(self, connection: Connection) -> None:
        config = connection.config
        self._connection = connection
        self.active = config.mtu_probing == "always"
        self.search_low = config.base_mss
        """The largest size that is known to arrive, and so Eff.snd.MSS."""
        self.search_high = 0
        """The largest size that may arrive."""
        self._limit = 0
        self._from_top = True
        """Most paths carry what their first link does, so a search begins with that (RFC 4821 7.3)."""
        self._probe: SentSegment | None = None
        self._size = 0
        self._next_at = 0
        self._rest_until = 0

    def segment_size(self, limit: int) -> int:
        """Eff.snd.MSS, where the peer and the path MTU as ICMP tells it allow ``limit``."""
        if limit > self._limit or limit < self.search_high:
            self.search_high = limit
            self._from_top = True
        self._limit = limit
        if not self.active:
            return limit
        self.search_low = min(self.search_low, limit)
        return self.search_low

    # -- probes ------------------------------------------------------------------------------------

    def next_size(self, window: int) -> int:
        """How large the next segment is, if there are data for a full one; -1: wait until there is room for a probe.

        ``window`` is what the peer has left. The preconditions are those of RFC 4821 7.4 and Linux's tcp_mtu_probe():
        nothing is lost, and enough follows the probe for its loss to be seen.
        """
        connection = self._connection
        sender, mss = connection.sender, connection.sender.mss
        if self._probe is not None or sender.recovery.phase is not Phase.OPEN or not connection.sack:
            return mss
        if sender.congestion.cwnd < _LEAST_WINDOW * mss:
            return mss
        size = self._candidate(connection.clock.now())
        if not size:
            return mss
        needed = size + (connection.config.duplicate_acks + 1) * mss
        if min(sender.unsent, sender.snd_wnd, sender.congestion.cwnd) < needed:
            return mss
        return size if needed <= window else -1

    def sent(self, segment: SentSegment) -> None:
        """``segment`` was larger than the MSS: the probe."""
        self._probe = segment
        self._size = segment.end - segment.start

    def acknowledged(self) -> None:
        """Something was acknowledged; was it the probe? (RFC 4821 7.6.1)."""
        if self._probe is None or not self._probe.delivered:
            return
        self._probe = None
        self.search_low = self._size
        self._rest_until = self._connection.clock.now() + _REST
        sender = self._connection.sender
        congestion = sender.congestion
        window = congestion.cwnd, congestion.ssthresh
        sender.change_mss(self.segment_size(self._limit))
        # Larger segments, but not more octets at a time.
        congestion.cwnd, congestion.ssthresh = window

    def lost(self, board: Scoreboard, octets: int, *, calm: bool) -> int:
        """``octets`` have been marked lost; returns those that are a sign of congestion.

        The probe, if it is among them, is cut, so that it is sent again in segments that fit. If nothing else is lost,
        and before it nothing was (``calm``), it was too large (RFC 4821 7.6.2); else that remains open (7.6.4).
        """
        if self._probe is None or not self._probe.lost:
            return octets
        alone = calm and board.lost_bytes == self._size
        self._withdraw(board)
        if not alone:
            return octets
        self._too_large(1)
        return 0

    def forget(self) -> None:
        """The probe has been cut, for the path MTU has changed."""
        self._probe = None

    # -- timeouts ----------------------------------------------------------------------------------

    def timed_out(self, retries: int) -> None:
        """The retransmission timer has gone off for the ``retries``-th time in a row (RFC 4821 7.6.3, 7.7)."""
        connection = self._connection
        sender = connection.sender
        if self._probe is not None:
            if self._probe is sender.board.first:
                self._too_large(_AFTER_TIMEOUT)
            self._withdraw(sender.board)
        if retries <= R1 or connection.config.mtu_probing == "off":
            return
        base = connection.config.base_mss
        size = base if sender.mss > base else max(sender.mss // 2, _FLOOR)
        if len(sender.board.first.payload) <= size:
            # It would not have been smaller: it is not its size that is to blame.
            return
        self.active = self._from_top = True
        self.search_low = size
        sender.change_mss(self.segment_size(self._limit))

    # -- the search --------------------------------------------------------------------------------

    def _candidate(self, now: int) -> int:
        """The size to try next; 0: none, for now."""
        if self.search_high - self.search_low < _CONVERGED:
            if now < self._rest_until or self._limit - self.search_low < _CONVERGED:
                return 0
            self.search_high = self._limit
            self._from_top = True
        if now < self._next_at:
            return 0
        return self.search_high if self._from_top else (self.search_low + self.search_high + 1) // 2

    def _too_large(self, intervals: int) -> None:
        """The next probe waits for as many round trips as the window has segments: the longest that losses which are
        ignored may lie apart (RFC 4821 7.6.2)."""
        sender, now = self._connection.sender, self._connection.clock.now()
        self.search_high = min(self.search_high, self._size - 1)
        self._from_top = False
        self._rest_until = now + _REST
        self._next_at = now + intervals * sender.congestion.cwnd // sender.mss * sender.rtt.srtt

    def _withdraw(self, board: Scoreboard) -> None:
        self._probe = None
        board.split(self._connection.sender.mss)
