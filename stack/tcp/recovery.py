"""Loss recovery: when it begins, what is sent again, when it is over (RFC 6675, RFC 6582, RFC 6298 5)."""

from __future__ import annotations

from enum import Enum

from stack.config import TcpConfig
from stack.tcp.congestion import CongestionControl
from stack.tcp.loss import lost_frontier
from stack.tcp.scoreboard import Scoreboard, SentSegment


class Phase(Enum):
    """Where loss recovery stands; the values are Linux's ``tcpi_ca_state``."""

    OPEN = 0
    RECOVERY = 3
    LOSS = 4


class Recovery:
    """Loss recovery of one connection.

    With SACK it is RFC 6675; without, NewReno (RFC 6582) in the same terms: each duplicate ACK stands for one
    segment that has left the network, and a partial ACK shows that the next segment is lost.
    """

    __slots__ = (
        "_board",
        "_config",
        "_rescued",
        "_searched",
        "congestion",
        "duplicate_acks",
        "phase",
        "point",
        "sack",
    )

    def __init__(self, board: Scoreboard, congestion: CongestionControl, config: TcpConfig) -> None:
        self._board = board
        self.congestion = congestion
        self._config = config
        self.sack = False
        """The peer sends SACK blocks."""
        self.phase = Phase.OPEN
        self.point = 0
        """RecoveryPoint: SND.NXT when recovery began (RFC 6675 2), ``recover`` in RFC 6582."""
        self.duplicate_acks = 0
        self._searched = 0
        """NextSeg rule 3 has nothing below (HighRxt of RFC 6675 2, for what it sends)."""
        self._rescued = False

    @property
    def pipe(self) -> int:
        """Octets believed to be in the network (RFC 6675 4)."""
        pipe = self._board.in_flight
        if self.duplicate_acks and not self.sack:
            pipe -= min(self.duplicate_acks * self.congestion.mss, pipe)
        return pipe

    def duplicate_ack(self) -> None:
        """A duplicate ACK arrived (RFC 5681 2). No more of them count than segments are out."""
        self.duplicate_acks = min(self.duplicate_acks + 1, max(len(self._board) - 1, 0))

    def acknowledged(self, snd_una: int, snd_nxt: int, segments: int, now: int) -> bool:
        """An ACK has been taken into the scoreboard, ``segments`` of it cumulatively.

        Returns whether the first lost segment is to be sent again at once, whatever cwnd says: recovery begins, or
        NewReno learnt of the next hole from a partial ACK.
        """
        if segments:
            self.duplicate_acks = 0 if self.sack else max(self.duplicate_acks - (segments - 1), 0)
            if self.phase is Phase.OPEN or snd_una >= self.point:
                self.duplicate_acks = 0
        if self.phase is not Phase.OPEN and snd_una >= self.point:
            self.phase = Phase.OPEN
        newly_lost = self._detect(snd_una, partial_ack=segments > 0)
        if self.phase is Phase.OPEN and newly_lost:
            self.phase = Phase.RECOVERY
            self.point = snd_nxt
            self._searched = 0
            self._rescued = False
            self.congestion.congestion_event(now)
            return True
        return newly_lost > 0 and not self.sack

    def timeout(self, snd_nxt: int, now: int, *, first: bool) -> None:
        """The retransmission timer went off: everything out there is lost (RFC 5681 3.1, RFC 6675 5.1)."""
        self.congestion.timeout(now, first=first)
        self.phase = Phase.LOSS
        self.point = snd_nxt
        self.duplicate_acks = 0
        board = self._board
        if board.first.sacked:
            board.forget_sacked()
        board.mark_all_lost()

    def next_retransmission(self) -> SentSegment | None:
        """What to send again first: a segment that is lost (RFC 6675 4 NextSeg, rule 1)."""
        return self._board.next_lost()

    def last_resort(self) -> SentSegment | None:
        """What to send again when there is no new data either (RFC 6675 4 NextSeg, rules 3 and 4)."""
        board = self._board
        if self.phase is not Phase.RECOVERY or not self.sack or not len(board):
            return None
        highest = board.sacked.highest
        if highest is not None:
            start = max(board.first.start, board.frontier, self._searched)
            segment = board.next_unsacked(start, highest)
            self._searched = highest if segment is None else segment.end
            if segment is not None:
                return segment
        if self._rescued or board.last.retransmitted or board.last.sacked:
            return None
        self._rescued = True
        return board.last

    def _detect(self, snd_una: int, *, partial_ack: bool) -> int:
        board = self._board
        if not len(board):
            return 0
        threshold = self._config.duplicate_acks
        if self.sack:
            frontier = lost_frontier(board, threshold, self.congestion.mss)
            return board.mark_lost_below(frontier, snd_una) if frontier is not None else 0
        if self.phase is Phase.RECOVERY:
            return board.mark_lost(board.first) if partial_ack else 0
        if self.duplicate_acks >= threshold and self.phase is Phase.OPEN and snd_una > self.point:
            # "Covers more than recover": duplicates that our own go-back-N caused begin nothing (RFC 6582 3.2).
            return board.mark_lost(board.first)
        return 0
