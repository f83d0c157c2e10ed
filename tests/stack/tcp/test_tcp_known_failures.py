"""What other stacks have got wrong, each as the symptom by which it was known.

The other symptoms have tests of their names elsewhere: data dropped by PAWS after they were SACKed, SACK blocks that
are never merged, SYN and neighbour queues without bounds, cookies that lose the options, the stall after an overshoot.
"""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from stack.clock import MICROSECOND, MILLISECOND, SECOND
from stack.tcp.state import State
from tests.stack.tcp.pair import Line, Pair, Stream
from tests.stack.tcp.scripted import Script

MSS = 1460


@pytest.mark.shows("RFC 9293 SHLD-7")
def test_nagle_does_not_take_a_full_segment_for_a_partial_one_once_timestamps_shrink_it() -> None:
    """The symptom: bulk data at 30 kB/s, a segment per delayed ACK."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1)
    for _ in range(5):
        connection.send(bytes(1448))
    assert [segment.length for segment in script.sent()] == [1448] * 5


def test_a_peer_that_falls_silent_does_not_keep_a_socket_in_closing() -> None:
    script = Script(orphan_retries=3, max_rto=SECOND)
    connection = script.accept()
    connection.shutdown()
    script.send("F.", 1, 1)
    assert connection.state is State.CLOSING
    connection.close()
    script.after(10 * SECOND)
    assert connection.state is State.CLOSED
    assert script.host.tcp.connections == ()


def test_a_burst_is_taken_at_one_instant_and_not_a_segment_per_tick() -> None:
    script = Script(receive_buffer=1 << 20)
    connection = script.accept()
    for number in range(40):
        script.send(".", 1 + number * MSS, 1, bytes(MSS))
    assert connection.available == 40 * MSS
    assert script.sent()[-1].ack == 1 + 40 * MSS


def test_strangers_cannot_fill_memory_with_pieces_out_of_order() -> None:
    script = Script(out_of_order_segments=10)
    connection = script.accept()
    for number in range(1000):
        script.send(".", 3 + 2 * number, 1, b"x")
    assert len(connection.receiver.out_of_order) == 10


@pytest.mark.parametrize("knobs", [{}, {"moderate_receive_buffer": False}, {"window_scaling": False}])
def test_a_reader_that_stops_stops_the_sender(knobs: dict[str, bool]) -> None:
    """A window that never shrinks is no flow control."""
    pair = Pair(1, send_buffer=1 << 22, receive_buffer=1 << 16, receive_buffer_max=1 << 17, **knobs)
    client = Stream(pair.client, random.Random(1).randbytes(1 << 20))
    pair.clock.advance(10 * SECOND)
    assert pair.server is not None
    held = pair.server.available
    assert 30_000 < held <= 1 << 17
    assert pair.server.info().tcpi_rcv_wnd < MSS
    pair.clock.advance(SECOND)
    assert pair.server.available == held
    server = Stream(pair.server, b"")
    server.step()
    pair.clock.advance(30 * SECOND)
    assert server.received == client.data


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rack", [True, False])
def test_recovery_sends_the_holes_again_and_nothing_else(rack: bool, seed: int) -> None:
    chance = random.Random(seed)
    script = Script(initial_window=40, rack=rack)
    connection = script.accept(window=65535)
    script.after(10 * MILLISECOND)
    connection.send(bytes(40 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    lost = sorted(chance.sample(range(35), 6))
    edges = [*lost, 40]
    resent = []
    blocks: list[tuple[int, int]] = []
    for hole, following in pairwise(edges):
        for end in range(hole + 2, following + 1):
            blocks = [(hole + 1, end), *(block for block in blocks if block[0] != hole + 1)]
            sack = tuple(
                ((script.iss or 0) + 1 + a * MSS & 0xFFFFFFFF, (script.iss or 0) + 1 + b * MSS & 0xFFFFFFFF)
                for a, b in blocks[:4]
            )
            script.send(".", 1, 1 + lost[0] * MSS, sack=sack)
            resent += [segment.sequence for segment in script.sent()]
            script.after(MILLISECOND // 10)
    script.after(15 * MILLISECOND)
    resent += [segment.sequence for segment in script.sent()]
    assert set(resent) <= {1 + hole * MSS for hole in lost}
    assert len(set(resent)) == len(resent)
    assert 1 + lost[0] * MSS in resent


def test_a_lost_segment_on_a_local_link_does_not_cost_a_second() -> None:
    """The minimum of the retransmission timeout is 200 ms, and the probe comes before."""
    pair = Pair(1, Line(delay=50 * MICROSECOND), Line(delay=50 * MICROSECOND))
    pair.clock.advance(10 * MILLISECOND)
    assert pair.server is not None
    server = Stream(pair.server, b"")
    line = pair.links[0]._line
    line.loss = 1.0
    pair.client.send(b"lost")
    pair.clock.advance(MILLISECOND)
    line.loss = 0.0
    pair.clock.advance(250 * MILLISECOND)
    assert server.received == b"lost"
