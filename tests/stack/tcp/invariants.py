"""What holds at every instant of every connection, by brute force."""

from __future__ import annotations

from itertools import pairwise

from stack.tcp.connection import Connection
from stack.tcp.sequence import widen
from stack.tcp.state import State
from stack.wire.tcp import TcpHeader, TcpOptions


def check_sack_blocks(header: TcpHeader) -> None:
    """Disjoint, apart from one another, and above RCV.NXT, but for a D-SACK in the first place (RFC 2018 4)."""
    edges = []
    for left, right in TcpOptions.parse(header.options).sack:
        edges.append((widen(left - header.acknowledgment, 0), widen(right - header.acknowledgment, 0)))
        assert edges[-1][0] < edges[-1][1], "a SACK block that is empty"
    # The first may be a D-SACK (RFC 2883 4): below the ACK, or within the second.
    if edges and (edges[0][1] <= 0 or (len(edges) > 1 and edges[1][0] <= edges[0][0] < edges[1][1])):
        del edges[0]
    assert all(left > 0 for left, _ in edges), "a SACK block that begins at RCV.NXT or below"
    edges.sort()
    assert all(a[1] < b[0] for a, b in pairwise(edges)), "SACK blocks that touch"


def check_scoreboard(connection: Connection) -> None:
    """Its sums are those of its segments, and what is to be sent next is what a search from the front finds."""
    sender = connection.sender
    board = sender.board
    if connection.state is State.CLOSED or not len(board):
        return
    segments = board.segments[board._head :]
    assert segments[0].start == sender.snd_una, "the queue does not begin at SND.UNA"
    assert segments[-1].end == sender.snd_nxt, "the queue does not end at SND.NXT"
    assert all(a.end == b.start for a, b in pairwise(segments)), "a gap in the queue"
    sacked = lost = retransmitted = pipe = 0
    covered = list(board.sacked)
    for segment in segments:
        size = segment.end - segment.start
        by_blocks = any(start <= segment.start and segment.end <= end for start, end in covered)
        assert segment.sacked == by_blocks, "a segment and the SACK blocks do not agree"
        assert not (segment.sacked and (segment.lost or segment.retransmitted)), "it is lost, and has arrived"
        sacked += size * segment.sacked
        lost += size * segment.lost
        retransmitted += size * segment.retransmitted
        pipe += size * (not segment.sacked and not segment.lost) + size * segment.retransmitted
    assert (board.sacked_bytes, board.lost_bytes, board.retransmitted_bytes) == (sacked, lost, retransmitted)
    assert board.in_flight == pipe, "the pipe of RFC 6675"
    first = next((each for each in segments if each.lost and not each.retransmitted), None)
    assert board.next_lost() is first, "NextSeg of RFC 6675"


def check_against_peer(connection: Connection, peer: Connection) -> None:
    """What is SACKed is there: nothing was made up, and nothing was dropped afterwards."""
    if State.CLOSED in (connection.state, peer.state) or not peer.synchronized:
        return
    receiver = peer.receiver
    shift = receiver.irs - connection.sender.iss
    for start, end in connection.sender.board.sacked:
        held = receiver.out_of_order.ranges.around(start + shift)
        there = receiver.rcv_nxt if held is None else held[1]
        assert end + shift <= there + (there == receiver.fin_at), "SACKed, and not there"
