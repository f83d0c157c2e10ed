"""The data structures of TCP: ranges, byte queues, reassembly, scoreboard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.tcp.buffers import ByteQueue
from stack.tcp.ranges import RangeSet
from stack.tcp.reassembly import Reassembly
from stack.tcp.scoreboard import Delivery, Scoreboard, SentSegment
from stack.tcp.sequence import widen
from stack.wire.tcp import ACK, FIN

SPANS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40)), max_size=30)


@given(st.integers(0, 2**40), st.integers(-(2**31), 2**31 - 1))
def test_widening_finds_the_number_that_was_meant(near: int, distance: int) -> None:
    value = near + distance
    assert widen(value & 0xFFFFFFFF, near) == value


@given(SPANS, st.integers(0, 250))
def test_a_range_set_is_the_set_of_its_members(spans: list[tuple[int, int]], floor: int) -> None:
    ranges, model = RangeSet(), set()
    for start, size in spans:
        gaps = ranges.gaps(start, start + size)
        fresh = set(range(start, start + size)) - model
        assert {member for a, b in gaps for member in range(a, b)} == fresh
        merged = ranges.add(start, start + size)
        model |= set(range(start, start + size))
        assert set(range(*merged)) <= model
        assert merged[0] - 1 not in model
        assert merged[1] not in model
    ranges.remove_below(floor)
    model = {member for member in model if member >= floor}
    assert {member for a, b in ranges for member in range(a, b)} == model
    edges = [edge for pair in ranges for edge in pair]
    assert edges == sorted(set(edges)), "disjoint, ascending, touching ranges joined"
    for probe in range(0, 250, 7):
        found = ranges.around(probe)
        assert (found is not None) == (probe in model)


@given(st.lists(st.one_of(st.binary(max_size=6000), st.integers(0, 9000)), max_size=20))
def test_a_byte_queue_gives_back_what_was_put_in(steps: list[bytes | int]) -> None:
    queue, model = ByteQueue(), b""
    for step in steps:
        if isinstance(step, bytes):
            queue.append(step)
            model += step
        else:
            assert queue.peek(step) == model[:step]
            assert bytes(queue.take(step)) == model[:step]
            model = model[step:]
        assert len(queue) == len(model)


def test_one_byte_writes_do_not_cost_an_object_each() -> None:
    queue = ByteQueue()
    for _ in range(4096):
        queue.append(b"x")
    assert len(queue._pieces) == 1


@pytest.mark.shows("RFC 9293 SHLD-31")
@given(st.binary(min_size=1, max_size=120), st.data())
def test_reassembly_restores_the_stream_from_any_pieces(stream: bytes, data: st.DataObject) -> None:
    queue = Reassembly(limit=1000)
    rcv_nxt, out = 0, b""
    for _ in range(data.draw(st.integers(0, 40))):
        start = data.draw(st.integers(rcv_nxt, len(stream)))
        end = data.draw(st.integers(start, len(stream)))
        if start == end:
            continue
        if start > rcv_nxt:
            assert queue.insert(start, stream[start:end])
            blocks = queue.blocks(4)
            assert blocks[0][0] <= start < end <= blocks[0][1], "the latest segment is in the first block"
        else:
            out += stream[start:end]
            rcv_nxt = end
            for piece in queue.take(rcv_nxt):
                out += bytes(piece)
                rcv_nxt += len(piece)
        for left, right in queue.blocks(4):
            assert rcv_nxt < left < right
        assert len(set(queue.blocks(4))) == len(queue.blocks(4))
    assert out == stream[: len(out)]
    for piece in [stream[rcv_nxt:], *queue.take(len(stream))][:1]:
        out += piece
    assert out == stream


@pytest.mark.shows("RFC 2018 4-1")
def test_sack_blocks_are_merged_and_the_most_recent_comes_first() -> None:
    queue = Reassembly(limit=100)
    for start in (10, 30, 50, 70, 90):
        queue.insert(start, b"x" * 5)
    assert queue.blocks(3) == [(90, 95), (70, 75), (50, 55)]
    queue.insert(35, b"x" * 15)
    assert queue.blocks(3) == [(30, 55), (90, 95), (70, 75)]


def test_the_number_of_pieces_is_bounded() -> None:
    queue = Reassembly(limit=3)
    assert [queue.insert(start, b"x") for start in (10, 20, 30, 40)] == [True, True, True, False]
    assert queue.insert(30, b"x"), "what is there already needs no new piece"


class _Model:
    """The scoreboard by brute force, octet by octet."""

    def __init__(self) -> None:
        self.sacked: set[int] = set()
        self.una = 0
        self.nxt = 0

    def sacked_segments(self, segments: list[tuple[int, int]]) -> int:
        return sum(
            end - max(start, self.una)
            for start, end in segments
            if end > self.una and all(octet in self.sacked for octet in range(max(start, self.una), end))
        )


@pytest.mark.shows("RFC 6675 3", "RFC 2018 5")
@given(st.data())
def test_the_scoreboard_counts_as_a_model_does(data: st.DataObject) -> None:
    board, model = Scoreboard(1000), _Model()
    segments: list[tuple[int, int]] = []
    for _ in range(data.draw(st.integers(1, 30))):
        step = data.draw(st.sampled_from(("send", "ack", "sack", "lose", "lose one", "find", "again")))
        if step == "send":
            size = data.draw(st.integers(1, 5))
            board.append(SentSegment(model.nxt, model.nxt + size, b"x" * size, ACK, 0))
            segments.append((model.nxt, model.nxt + size))
            model.nxt += size
        elif step == "ack":
            model.una = data.draw(st.integers(model.una, model.nxt))
            board.acknowledge(model.una, Delivery())
        elif step == "sack":
            start = data.draw(st.integers(0, model.nxt))
            end = data.draw(st.integers(start, model.nxt))
            board.select_acknowledge(((start, end),), model.una, model.nxt, Delivery())
            if model.una <= start < end:
                model.sacked |= set(range(start, end))
        elif step == "lose":
            board.mark_lost_below(data.draw(st.integers(model.una, model.nxt)), model.una)
        elif step == "lose one" and len(board):
            board.lose(board.first)
        elif step == "find":
            board.find_all()
        elif (lost := board.next_lost()) is not None:
            board.mark_retransmitted(lost, 0)
        alive = board.segments[board._head :]
        assert board.sacked_bytes == sum(s.end - s.start for s in alive if s.sacked)
        assert board.lost_bytes == sum(s.end - s.start for s in alive if s.lost)
        assert board.retransmitted_bytes == sum(s.end - s.start for s in alive if s.retransmitted)
        assert board.sacked_bytes == model.sacked_segments(segments)
        assert not any(s.sacked and s.lost for s in alive)
        waiting = [s for s in alive if s.lost and not s.retransmitted]
        assert board.next_lost() is (waiting[0] if waiting else None)
        if alive:
            assert (alive[0].start, alive[-1].end) == (model.una, model.nxt)
        in_flight = sum((s.end - s.start) * ((not s.sacked and not s.lost) + s.retransmitted) for s in alive)
        assert board.in_flight == in_flight


def test_splitting_keeps_the_fin_at_the_end_and_loses_all_parts() -> None:
    board = Scoreboard(1000)
    board.append(SentSegment(0, 3001, bytes(3000), ACK | FIN, 0))
    board.split(1000)
    parts = board.segments
    assert [(part.start, part.end, len(part.payload)) for part in parts] == [
        (0, 1000, 1000),
        (1000, 2000, 1000),
        (2000, 3001, 1000),
    ]
    assert [bool(part.flags & FIN) for part in parts] == [False, False, True]
    assert board.next_lost() is parts[0]
    assert board.lost_bytes == 3001


def test_splitting_does_not_lose_the_part_that_was_sacked_before_the_whole() -> None:
    board = Scoreboard(4000)
    board.append(SentSegment(0, 3000, bytes(3000), ACK, 0))
    board.append(SentSegment(3000, 6001, bytes(3000), ACK | FIN, 0))
    board.select_acknowledge(((3000, 6000),), 0, 6001, Delivery())
    assert board.sacked_bytes == 0
    board.split(1500)
    assert [(part.start, part.sacked, part.lost) for part in board.segments] == [
        (0, False, True),
        (1500, False, True),
        (3000, True, False),
        (4500, False, True),
    ]
    assert board.in_flight == 0
