"""Loss recovery: when it begins, what is sent again, when it is over, and when it was for nothing.

RFC 6675 and RFC 8985 with SACK, RFC 6582 without; RFC 5682 (F-RTO), RFC 4015 (Eifel) and RFC 3708 (D-SACK) to find out
that nothing was lost. The states are those of Linux's tcp_fastretrans_alert().
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from stack.config import TcpConfig
from stack.tcp.congestion import CongestionControl
from stack.tcp.ecn import Ecn
from stack.tcp.loss import lost_frontier
from stack.tcp.prr import RateReduction
from stack.tcp.rack import Rack
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Delivery, Scoreboard, SentSegment, packets_of

if TYPE_CHECKING:
    from stack.tcp.plpmtud import MtuProbing


class Phase(IntEnum):
    """Where loss recovery stands; the values are Linux's ``tcpi_ca_state``."""

    OPEN = 0
    DISORDER = 1
    """Something arrived out of order; it may be a loss."""
    CWR = 2
    """The window is being reduced, and nothing was lost (RFC 3168)."""
    RECOVERY = 3
    LOSS = 4
    """After a retransmission timeout."""


class Recovery:
    """Loss recovery of one connection.

    Without SACK each duplicate ACK stands for one segment that has left the network, and a partial ACK shows that the
    next segment is lost (RFC 6582).
    """

    __slots__ = (
        "_board",
        "_config",
        "_ecn",
        "_first_echo",
        "_frto",
        "_mtu_probing",
        "_rack",
        "_rtts",
        "_undo_from",
        "_undo_left",
        "congestion",
        "duplicate_acks",
        "new_first",
        "phase",
        "point",
        "reduction",
        "sack",
        "undone",
    )

    def __init__(
        self,
        board: Scoreboard,
        congestion: CongestionControl,
        rack: Rack,
        rtts: RttEstimator,
        ecn: Ecn,
        mtu_probing: MtuProbing,
        config: TcpConfig,
        point: int,
    ) -> None:
        self._board = board
        self._rack = rack
        self._rtts = rtts
        self._ecn = ecn
        self._mtu_probing = mtu_probing
        self._config = config
        self.congestion = congestion
        self.sack = False
        """The peer sends SACK blocks."""
        self.phase = Phase.OPEN
        self.point = point
        """RecoveryPoint: SND.NXT when recovery began (RFC 6675 2), ``recover`` in RFC 6582."""
        self.duplicate_acks = 0
        self.new_first = False
        """F-RTO: what comes next is new data, if there are any, and not a retransmission (RFC 5682 3.1, step 2 b)."""
        self.undone = 0
        """Reductions that turned out to be for nothing."""
        self._frto = False
        self.reduction: RateReduction | None = None
        """It hears of every transmission, as long as there is one."""
        self._undo_from: int | None = None
        """SND.UNA when the window was reduced, as long as that may be undone."""
        self._undo_left = -1
        """Retransmissions since then that no D-SACK has reported as needless; -1 before the first."""
        self._first_echo: int | None = None
        """Timestamp of the first of them."""

    @property
    def pipe(self) -> int:
        """Octets believed to be in the network (RFC 6675 4)."""
        board = self._board
        pipe = board.outstanding - board.sacked_bytes - board.lost_bytes + board.retransmitted_bytes
        if self.duplicate_acks and not self.sack:
            pipe -= min(self.duplicate_acks * self.congestion.mss, pipe)
        return pipe

    @property
    def may_grow(self) -> bool:
        """The window grows by acknowledgments; otherwise it is being reduced."""
        return self.phase is not Phase.RECOVERY and self.phase is not Phase.CWR

    # -- what happens ------------------------------------------------------------------------------

    def sent_again(self, octets: int, packets: int, timestamp: int | None) -> None:
        """A segment has been retransmitted, as so many packets; ``timestamp`` is its TSval, unbounded."""
        if self.reduction is not None:
            self.reduction.sent(octets)
        # Each of the packets may be reported by a D-SACK.
        self._undo_left = max(self._undo_left, 0) + packets
        if self._first_echo is None:
            self._first_echo = timestamp

    def duplicate_reported(self, start: int, end: int) -> None:
        """A D-SACK: some retransmission was needless (RFC 2883, RFC 3708)."""
        if self._undo_from is not None and start >= self._undo_from and self._undo_left > 0:
            self._undo_left = max(self._undo_left - max((end - start) // self.congestion.mss, 1), 0)

    def acknowledged(
        self,
        snd_una: int,
        snd_nxt: int,
        delivery: Delivery,
        now: int,
        *,
        advanced: bool,
        duplicate: bool,
        echo: int | None,
        has_new_data: bool,
        marked: bool,
    ) -> bool:
        """An ACK has been taken into the scoreboard.

        ``duplicate``: it is a duplicate ACK by RFC 5681 2. ``echo``: the timestamp that it echoes, unbounded.
        ``marked``: the peer reports congestion marks. Returns
        whether the first lost segment is to be sent again at once, whatever cwnd says.
        """
        delivered = self._count_duplicates(delivery, snd_nxt, advanced=advanced, duplicate=duplicate)
        spurious = self._is_spurious(echo)
        if self.phase >= Phase.CWR and snd_una >= self.point:
            self._point_reached(snd_una, now, spurious=spurious)
        lost, at_once = 0, False
        if self.phase is Phase.LOSS:
            self._in_loss(snd_una, snd_nxt, now, delivery, advanced, duplicate, spurious, has_new_data)
            if self.phase is Phase.LOSS:
                self._detect(now, advanced=advanced)
        elif self.phase is Phase.RECOVERY:
            if spurious and (self._undo_left == 0 or (advanced and not self._board.retransmitted_bytes)):
                self._undo()
            else:
                lost = self._detect(now, advanced=advanced)
                at_once = lost > 0 and not self.sack
        if self.phase < Phase.RECOVERY:
            if self._undo_left == 0:
                self.undo_if_needless()
            lost = self._detect(now, advanced=advanced)
            at_once = self._begin_or_stay(lost, snd_una, snd_nxt, now)
            if marked and self.phase < Phase.CWR:
                self._begin_reduction(snd_una, snd_nxt)
                self._undo_from = None
                self.congestion.ecn_event(now)
                self.phase = Phase.CWR
        if self.reduction is not None and delivered and not self.congestion.controls_recovery:
            self.reduction.acknowledged(delivered, self.pipe, safe=advanced and not lost)
        return at_once

    def undo_if_needless(self) -> None:
        """After a recovery D-SACKs may still tell that all its retransmissions were needless (RFC 3708 4)."""
        if self.phase < Phase.CWR and self._undo_from is not None and self._undo_left == 0:
            self._undo()

    def detect_in_time(self, snd_una: int, snd_nxt: int, now: int) -> bool:
        """The reordering timer went off (RFC 8985 6.2, step 5); as for :meth:`acknowledged`."""
        lost = self._detect(now, advanced=False)
        return self.phase < Phase.RECOVERY and self._begin_or_stay(lost, snd_una, snd_nxt, now)

    def timeout(self, snd_una: int, snd_nxt: int, now: int, *, again: bool) -> None:
        """The retransmission timer went off (RFC 5681 3.1, RFC 8985 6.3); ``again``: not the first in a row."""
        board, congestion = self._board, self.congestion
        was_calm = self.phase < Phase.RECOVERY
        first = was_calm or self.point <= snd_una or (self.phase is Phase.LOSS and not again)
        if first:
            self._start_undo(snd_una)
        if not again:
            self._rtts.keep(snd_nxt)
        self._ecn.window_reduced()
        congestion.timeout(now, first=first)
        self.phase = Phase.LOSS
        self.point = snd_nxt
        self.reduction = None
        self.duplicate_acks = 0
        self._frto = self._config.frto and (was_calm or again)
        head = board.first
        if head.sacked:
            # The receiver has reneged (RFC 2018 8).
            board.forget_sacked()
        rack = self._rack if self.sack and self._config.rack else None
        board.lose(head)
        board.lose_if(lambda segment: rack is None or rack.outlived(segment, now))
        if not congestion.controls_recovery:
            congestion.cwnd = self.pipe + congestion.mss

    def reduce(self, snd_una: int, snd_nxt: int, now: int) -> None:
        """Congestion without a loss to repair: a tail loss probe did that already (RFC 8985 7.4.2)."""
        if self.phase < Phase.CWR:
            self._start_undo(snd_una)
            self._undo_from = None
            self._ecn.window_reduced()
            self.congestion.congestion_event(now)
            self.point = snd_nxt

    def next_retransmission(self) -> SentSegment | None:
        """What to send again first: a segment that is lost (RFC 6675 4 NextSeg, rule 1)."""
        return self._board.next_lost()

    def new_data_first(self, *, was_sent: bool) -> None:
        """What became of :attr:`new_first`; if nothing new could be sent, recovery is conventional."""
        self.new_first = False
        if not was_sent:
            self._frto = False

    # -- states ------------------------------------------------------------------------------------

    def _count_duplicates(self, delivery: Delivery, snd_nxt: int, *, advanced: bool, duplicate: bool) -> int:
        """Octets delivered; without SACK, a duplicate ACK is worth a segment.

        After a timeout only if F-RTO has sent new data: all the rest counts as lost already.
        """
        if self.sack:
            return delivery.octets
        mss = self.congestion.mss
        if advanced:
            counted = self.duplicate_acks * mss
            reducing = self.phase in (Phase.CWR, Phase.RECOVERY)
            packets = max(delivery.acknowledged, packets_of(delivery.octets, mss))
            left = max(self.duplicate_acks - (packets - 1), 0)
            self.duplicate_acks = left if reducing else 0
            return max(delivery.octets - counted, mss)
        if self.phase is Phase.LOSS and snd_nxt <= self.point:
            return 0
        if duplicate and self.duplicate_acks < self._board.packets - 1:
            self.duplicate_acks += 1
            return mss
        return 0

    def _begin_or_stay(self, lost: int, snd_una: int, snd_nxt: int, now: int) -> bool:
        if not lost:
            if self.phase < Phase.CWR:
                disorder = self._board.sacked_bytes > 0 or self.duplicate_acks > 0
                self.phase = Phase.DISORDER if disorder else Phase.OPEN
            return False
        if self.phase is not Phase.CWR:
            self._begin_reduction(snd_una, snd_nxt)
            self.congestion.congestion_event(now)
        self.phase = Phase.RECOVERY
        self.point = snd_nxt
        return True

    def _begin_reduction(self, snd_una: int, snd_nxt: int) -> None:
        self._start_undo(snd_una)
        self._ecn.window_reduced()
        self.reduction = RateReduction(self.congestion)
        self.point = snd_nxt

    def _point_reached(self, snd_una: int, now: int, *, spurious: bool) -> None:
        """SND.UNA has reached RecoveryPoint."""
        if spurious:
            self._undo()
            return
        if self.phase is Phase.LOSS or (self.phase is Phase.CWR and snd_una == self.point):
            return
        if not self.congestion.controls_recovery:
            self.congestion.cwnd = self.congestion.ssthresh
        self._recovered(now)

    def _in_loss(
        self,
        snd_una: int,
        snd_nxt: int,
        now: int,
        delivery: Delivery,
        advanced: bool,
        duplicate: bool,
        spurious: bool,
        has_new_data: bool,
    ) -> None:
        """RFC 5682 3.1 with SACK and 2.1 without, as Linux's tcp_process_loss()."""
        recovered = snd_una >= self.point
        if advanced and spurious:
            self._undo()
            return
        if self._frto:
            part = delivery.octets > 0 and not (delivery.segments or delivery.retransmitted or recovered)
            if part or (
                (self.sack or not delivery.retransmitted)
                and any(
                    segment.transmissions == 1 and segment.end <= self.point for segment in delivery.segments
                )
            ):
                # Step 3 b: what was sent only once has arrived, so the timeout was spurious. Without SACK, if the ACK
                # covers a retransmission, too, it may have been waiting for that.
                self._undo()
                if len(self._board):
                    # "recover" is SND.UNA: three duplicates may begin a recovery, for we have caused none.
                    self.point = self._board.first.start - 1
                return
            if snd_nxt > self.point:
                if duplicate or delivery.oldest_sacked is not None:
                    self._frto = False
                    if not self.sack:
                        # What is sent again now may cause duplicates, until the new data have been acknowledged, too.
                        self.point = snd_nxt
            elif not self.sack and (duplicate or not delivery.acknowledged):
                # 2.1, step 2 a: or the ACK does not even cover all that was sent again.
                self._frto = False
            elif advanced and not recovered:
                self.point = snd_nxt
                if has_new_data:
                    self.new_first = True
                    return
                self._frto = False
        if recovered:
            self._recovered(now)

    def _recovered(self, now: int) -> None:
        self.congestion.recovered(now)
        self._rack.recovered()
        self._end()

    def _end(self) -> None:
        self.phase = Phase.OPEN
        self.reduction = None
        self._frto = self.new_first = False
        if not self.sack:
            self.duplicate_acks = 0

    def _detect(self, now: int, *, advanced: bool) -> int:
        """Mark what is lost; returns the octets."""
        board = self._board
        if not board.segments:
            return 0
        threshold = self._config.duplicate_acks
        if not self.sack:
            if self.phase is Phase.RECOVERY:
                return self._lose_first() if advanced else 0
            if (
                self.duplicate_acks >= threshold
                and self.phase < Phase.RECOVERY
                and board.first.start > self.point
            ):
                # "Covers more than recover": duplicates that our own go-back-N caused begin nothing (RFC 6582 3.2).
                return self._lose_first()
            return 0
        mss = self.congestion.mss
        if self._config.rack:
            hurry = self.phase >= Phase.RECOVERY or board.sacked_bytes >= threshold * mss
            lost = self._rack.detect(now, hurry=hurry)
        else:
            frontier = lost_frontier(board, threshold, mss)
            lost = board.mark_lost_below(frontier, board.first.start) if frontier is not None else 0
        return self._mtu_probing.lost(board, lost, calm=self.phase < Phase.CWR)

    def _lose_first(self) -> int:
        """Without SACK nothing is known of what is behind the first packet."""
        board = self._board
        return board.lose(board.front(board.first, board.mss))

    # -- undo --------------------------------------------------------------------------------------

    def _start_undo(self, snd_una: int) -> None:
        self._undo_from = snd_una
        self._undo_left = -1
        self._first_echo = None

    def _is_spurious(self, echo: int | None) -> bool:
        """All retransmissions were needless: D-SACKs say so, or the ACK answers what was sent before them (Eifel)."""
        if self._undo_from is None:
            return False
        answers_original = echo is not None and self._first_echo is not None and echo < self._first_echo
        return self._undo_left == 0 or answers_original

    def _undo(self) -> None:
        self._undo_from = None
        self.undone += 1
        if self.phase is Phase.RECOVERY:
            # However it was found out: the reordering window was too small.
            self._rack.was_hasty(self.point)
        elif self.phase is Phase.LOSS:
            self._rtts.was_hasty()
        self._board.find_all()
        self.congestion.undo()
        self._end()
