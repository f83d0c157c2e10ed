"""Loss detection by counting: RFC 6675, for those who do not want RACK."""

from __future__ import annotations

from stack.tcp.scoreboard import Scoreboard


def lost_frontier(board: Scoreboard, duplicate_threshold: int, mss: int) -> int | None:
    """Everything un-SACKed below the returned sequence number is lost: IsLost() of RFC 6675 4.

    A segment is lost once ``duplicate_threshold`` separate ranges above it, or more than ``duplicate_threshold - 1``
    full segments' worth of octets above it, have been SACKed. Seen from the top, that is a single line.
    """
    octets = 0
    for count, (start, end) in enumerate(reversed(board.sacked), start=1):
        octets += end - start
        if count >= duplicate_threshold or octets > (duplicate_threshold - 1) * mss:
            return start
    return None
