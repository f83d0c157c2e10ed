"""The retransmission queue with super-segments in it, against a model that knows only packets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.clock import MILLISECOND
from stack.config import TcpConfig
from stack.tcp.loss import lost_frontier
from stack.tcp.rack import Rack
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Delivery, Scoreboard, SentSegment
from stack.wire.tcp import ACK, FIN, PSH

MSS = 4
STREAM = bytes(range(256)) * 40


def alive(board: Scoreboard) -> list[SentSegment]:
    return board.segments[board._head :]


def send(board: Scoreboard, start: int, size: int, now: int = 0, flags: int = ACK) -> SentSegment:
    segment = SentSegment(start, start + size, STREAM[start : start + size], flags, now)
    board.append(segment)
    return segment


@dataclass
class Piece:
    """One packet."""

    start: int
    end: int
    order: int
    """Which transmission of all it was last."""
    sacked: bool = False
    lost: bool = False
    retransmitted: bool = False

    @property
    def size(self) -> int:
        return self.end - self.start


class Model:
    """The same operations, packet by packet."""

    def __init__(self) -> None:
        self.board = Scoreboard(MSS)
        self.pieces: list[Piece] = []
        self.una = self.nxt = self.transmissions = 0
        self.reported: set[int] = set()

    def of(self, segment: SentSegment) -> list[Piece]:
        """The packets of an entry, whose edges are edges of packets."""
        pieces = [piece for piece in self.pieces if segment.start <= piece.start < segment.end]
        assert pieces[0].start == segment.start
        assert pieces[-1].end == segment.end
        return pieces

    def send(self, size: int) -> None:
        send(self.board, self.nxt, size)
        for start in range(self.nxt, self.nxt + size, MSS):
            self.transmissions += 1
            self.pieces.append(Piece(start, min(start + MSS, self.nxt + size), self.transmissions))
        self.nxt += size

    def acknowledge(self, una: int) -> None:
        delivery = Delivery()
        self.board.acknowledge(una, delivery)
        gone = [piece for piece in self.pieces if piece.end <= una]
        self.pieces = self.pieces[len(gone) :]
        self.una = una
        self.check_delivery(delivery, [piece for piece in gone if not piece.sacked])

    def select(self, start: int, end: int) -> None:
        delivery = Delivery()
        self.board.select_acknowledge(((start, end),), self.una, self.nxt, delivery)
        if self.una <= start:
            self.reported |= set(range(start, end))
        fresh = [
            piece
            for piece in self.pieces
            if not piece.sacked and self.reported.issuperset(range(piece.start, piece.end))
        ]
        for piece in fresh:
            piece.sacked, piece.lost, piece.retransmitted = True, False, False
        self.check_delivery(delivery, fresh)

    def check_delivery(self, delivery: Delivery, pieces: list[Piece]) -> None:
        """What is newly delivered is told once, and all of it."""
        assert delivery.octets == sum(piece.size for piece in pieces)
        spans = sorted((segment.start, segment.end) for segment in delivery.segments)
        told = {octet for start, end in spans for octet in range(start, end)}
        assert len(told) == delivery.octets
        assert told == {octet for piece in pieces for octet in range(piece.start, piece.end)}
        assert all(segment.delivered for segment in delivery.segments)

    def lose(self, segment: SentSegment) -> None:
        self.board.lose(segment)
        for piece in self.of(segment):
            if not piece.sacked:
                piece.lost, piece.retransmitted = True, False

    def retransmit(self, segment: SentSegment, now: int = 0) -> None:
        self.board.mark_retransmitted(segment, now)
        for piece in self.of(segment):
            self.transmissions += 1
            piece.retransmitted, piece.order = True, self.transmissions

    def check(self) -> None:
        board, entries = self.board, alive(self.board)
        if entries:
            assert (entries[0].start, entries[-1].end) == (self.una, self.nxt)
        for segment in entries:
            assert bytes(segment.payload) == STREAM[segment.start : segment.end]
            for piece in self.of(segment):
                assert (piece.sacked, piece.lost, piece.retransmitted) == (
                    segment.sacked,
                    segment.lost,
                    segment.retransmitted,
                )
        assert sum(len(self.of(segment)) for segment in entries) == len(self.pieces)
        assert board.sacked_bytes == sum(piece.size for piece in self.pieces if piece.sacked)
        assert board.lost_bytes == sum(piece.size for piece in self.pieces if piece.lost)
        assert board.retransmitted_bytes == sum(piece.size for piece in self.pieces if piece.retransmitted)
        assert board.in_flight == sum(
            piece.size * ((not piece.sacked and not piece.lost) + piece.retransmitted)
            for piece in self.pieces
        )
        assert len(entries) <= board.packets + sum(piece.size < MSS for piece in self.pieces)
        self.check_order(entries)

    def check_order(self, entries: list[SentSegment]) -> None:
        """By ordinals, the entries are in the order of their last transmissions; and so they are queued for RACK."""
        by_time = sorted(entries, key=lambda segment: self.of(segment)[-1].order)
        assert sorted(entries, key=lambda segment: segment.ordinal) == by_time
        assert len({segment.ordinal for segment in entries}) == len(entries)
        numbers = [number for _, number in self.board.sent]
        assert numbers == sorted(set(numbers))
        current = [segment for segment, number in self.board.sent if segment.ordinal == number]
        assert [segment for segment in current if segment.start >= self.una and segment in entries] == by_time


SIZES = st.integers(1, 6).map(lambda packets: packets * MSS) | st.integers(1, 6 * MSS)


@pytest.mark.shows("RFC 6675 3", "RFC 2018 5")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_super_segments_are_what_their_packets_are(data: st.DataObject) -> None:
    model = Model()
    for _ in range(data.draw(st.integers(1, 25))):
        step = data.draw(st.sampled_from(("send", "send", "ack", "sack", "sack", "lose", "again", "probe")))
        if step == "send":
            model.send(data.draw(SIZES))
        elif step == "ack" and model.pieces:
            model.acknowledge(data.draw(st.sampled_from([piece.end for piece in model.pieces])))
        elif step == "sack" and model.pieces:
            start = data.draw(st.integers(model.una, model.nxt - 1))
            model.select(start, data.draw(st.integers(start + 1, model.nxt)))
        elif step == "lose" and model.pieces:
            model.lose(data.draw(st.sampled_from(alive(model.board))))
        elif step == "again" and (lost := model.board.next_lost()) is not None:
            waiting = next(piece for piece in model.pieces if piece.lost and not piece.retransmitted)
            assert lost.start == waiting.start
            limit = data.draw(st.integers(0, 5 * MSS))
            front = model.board.front(lost, limit)
            assert front.start == lost.start if front is lost else front.end == lost.start
            if limit >= MSS:
                assert front.end - front.start <= max(limit, MSS)
            model.retransmit(front)
        elif step == "probe" and model.pieces:
            last = model.board.last_piece()
            assert last.end == model.nxt
            assert last.end - last.start <= MSS
            if not last.sacked:
                model.retransmit(last)
        model.check()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_acknowledgment_inside_a_packet_takes_off_what_it_covers(data: st.DataObject) -> None:
    """No peer that is honest sends one; the sums are right all the same, and no entry is made of it."""
    board, una, nxt, delivered = Scoreboard(MSS), 0, 0, 0
    for _ in range(data.draw(st.integers(1, 25))):
        step = data.draw(st.sampled_from(("send", "ack", "sack", "lose")))
        delivery = Delivery()
        if step == "send":
            size = data.draw(SIZES)
            send(board, nxt, size)
            nxt += size
        elif step == "ack":
            una = data.draw(st.integers(una, nxt))
            board.acknowledge(una, delivery)
        elif step == "sack" and una < nxt:
            start = data.draw(st.integers(una, nxt - 1))
            board.select_acknowledge(((start, data.draw(st.integers(start + 1, nxt))),), una, nxt, delivery)
        elif len(board):
            board.lose(board.first)
        delivered += delivery.octets
        entries = alive(board)
        assert board.sacked_bytes == sum(s.end - s.start for s in entries if s.sacked)
        assert board.lost_bytes == sum(s.end - s.start for s in entries if s.lost)
        assert delivered == una + board.sacked_bytes
        for segment in entries:
            assert bytes(segment.payload) == STREAM[segment.start : segment.end]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.data())
def test_rack_finds_the_holes_in_super_segments(sizes: list[int], data: st.DataObject) -> None:
    """RFC 8985 6.2: lost is what was sent before something that has arrived, and nothing else."""
    board = Scoreboard(MSS)
    rtts = RttEstimator(TcpConfig())
    rack = Rack(board, rtts)
    nxt = 0
    for size in sizes:
        send(board, nxt, size * MSS)
        nxt += size * MSS
    packets = nxt // MSS
    arrived = data.draw(st.sets(st.integers(1, packets - 1), min_size=1) if packets > 1 else st.just(set()))
    now = 20 * MILLISECOND
    rtts.sample(now, 0, nxt, now)
    delivery = Delivery()
    for packet in data.draw(st.permutations(sorted(arrived))):
        board.select_acknowledge(((packet * MSS, (packet + 1) * MSS),), 0, nxt, delivery)
    if arrived:
        rack.delivered(delivery, now, None)
    rack.detect(now + 1, hurry=True)
    lost = {
        octet // MSS
        for segment in alive(board)
        if segment.lost
        for octet in range(segment.start, segment.end)
    }
    assert lost == {packet for packet in range(max(arrived, default=0)) if packet not in arrived}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.data())
def test_below_three_packets_that_have_arrived_all_others_are_lost(
    sizes: list[int], data: st.DataObject
) -> None:
    """RFC 6675 4 IsLost, without RACK."""
    board = Scoreboard(MSS)
    for size in sizes:
        send(board, board.last.end if len(board) else 0, size * MSS)
    packets = board.last.end // MSS
    arrived = data.draw(st.sets(st.integers(0, packets - 1)))
    for packet in data.draw(st.permutations(sorted(arrived))):
        board.select_acknowledge(((packet * MSS, (packet + 1) * MSS),), 0, packets * MSS, Delivery())
        frontier = lost_frontier(board, 3, MSS)
        if frontier is not None:
            board.mark_lost_below(frontier, 0)
    lost = {
        octet // MSS
        for segment in alive(board)
        if segment.lost
        for octet in range(segment.start, segment.end)
    }
    assert lost == {
        packet
        for packet in range(packets)
        if packet not in arrived and len([other for other in arrived if other > packet]) >= 3
    }


@pytest.mark.parametrize("step", [2, 3, 5, 7])
def test_odd_sack_edges_make_no_more_entries_than_there_are_packets(step: int) -> None:
    board = Scoreboard(MSS)
    send(board, 0, 1000 * MSS)
    for start in range(1, 1000 * MSS - step, step):
        board.select_acknowledge(((start, start + step - 1),), 0, 1000 * MSS, Delivery())
    assert len(board) <= 1000
    assert board.sacked_bytes % MSS == 0
    for una in range(1, 400 * MSS):
        board.acknowledge(una, Delivery())
    assert len(board) <= 1000 - 400 + 1


def test_a_peer_cannot_report_more_ranges_than_there_are_packets() -> None:
    """It could report every other octet, and each report would cost more than the one before."""
    board = Scoreboard(MSS)
    send(board, 0, 200 * MSS)
    for start in range(200 * MSS - 1, 0, -2):
        board.select_acknowledge(((start, start + 1),), 0, 200 * MSS, Delivery())
    assert len(board.sacked) == 200 + 1
    board.acknowledge(100 * MSS, Delivery())
    assert board.outstanding == 100 * MSS
    board.acknowledge(200 * MSS - 10 * MSS, Delivery())
    delivery = Delivery()
    board.select_acknowledge(((191 * MSS, 192 * MSS),), 190 * MSS, 200 * MSS, delivery)
    assert delivery.octets == MSS, "with few ranges left, it is heard again"


def test_sack_edges_inside_packets_cut_nothing() -> None:
    board = Scoreboard(MSS)
    send(board, 0, 10 * MSS)
    board.select_acknowledge(((1, MSS + 3),), 0, 10 * MSS, Delivery())
    assert len(board) == 1
    assert board.sacked_bytes == 0
    board.select_acknowledge(((MSS - 1, 2 * MSS + 1),), 0, 10 * MSS, Delivery())
    assert [(segment.start, segment.end, segment.sacked) for segment in alive(board)] == [
        (0, MSS, False),
        (MSS, 2 * MSS, True),
        (2 * MSS, 10 * MSS, False),
    ]


def test_a_cut_leaves_fin_and_push_at_the_end_and_both_parts_remember_their_transmission() -> None:
    board = Scoreboard(MSS)
    segment = send(board, 0, 4 * MSS, now=7, flags=ACK | PSH | FIN)
    board.mark_retransmitted(segment, 9)
    front = board.front(segment, 2 * MSS + 1)
    assert (front.start, front.end, segment.start, segment.end) == (0, 2 * MSS, 2 * MSS, 4 * MSS)
    assert (front.flags, segment.flags) == (ACK, ACK | PSH | FIN)
    for part in (front, segment):
        assert (part.first_sent_at, part.sent_at, part.transmissions, part.retransmitted) == (7, 9, 2, True)
    assert board.retransmitted_bytes == 4 * MSS


class Transmissions(deque[tuple[SentSegment, int]]):
    """Counts how many of them are looked at."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[tuple[SentSegment, int]]:
        raise AssertionError("all of them")


@pytest.mark.parametrize("packets", [1000, 16_000])
def test_a_cut_costs_the_logarithm_of_what_is_out(packets: int) -> None:
    board = Scoreboard(MSS)
    board.sent = sent = Transmissions()
    for start in range(0, packets, 40):
        board.append(SentSegment(start * MSS, (start + 40) * MSS, bytes(40 * MSS), ACK, 0))
    for packet in range(1, packets, 2):
        board.select_acknowledge(((packet * MSS, (packet + 1) * MSS),), 0, packets * MSS, Delivery())
    assert len(board) == packets
    assert sent.looks / packets < 2 + packets.bit_length()


def test_what_has_been_acknowledged_is_not_kept() -> None:
    """Without RACK, too, and although something is outstanding all the time: else a stream would be kept whole."""
    board = Scoreboard(MSS)
    for number in range(100):
        segment = send(board, number * MSS, MSS)
        if number % 10 == 0:
            board.mark_retransmitted(segment, number)
        if number:
            board.acknowledge(number * MSS, Delivery())
        assert [sent for sent, _ in board.sent] == alive(board) * (2 if number % 10 == 0 else 1)
