"""What holds for every connection, whatever the line and the applications do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.clock import MILLISECOND, SECOND
from stack.tcp.state import State
from stack.wire.ipv4 import Ipv4Header
from stack.wire.tcp import TcpHeader
from tests.stack.tcp.invariants import check_sack_blocks
from tests.stack.tcp.pair import Line, Pair, Stream

LINES = st.builds(
    Line,
    delay=st.integers(0, 50 * MILLISECOND),
    loss=st.sampled_from((0.0, 0.01, 0.1, 0.3)),
    duplicate=st.sampled_from((0.0, 0.1)),
    reorder=st.sampled_from((0.0, 0.1, 0.5)),
)
KNOBS = st.fixed_dictionaries(
    {
        "sack": st.booleans(),
        "timestamps": st.booleans(),
        "window_scaling": st.booleans(),
        "nodelay": st.booleans(),
        "congestion": st.sampled_from(("cubic", "reno")),
        "initial_window": st.sampled_from((1, 2, 10)),
        "send_buffer": st.sampled_from((4096, 1 << 16, 1 << 22)),
        "receive_buffer": st.sampled_from((2048, 1 << 16)),
        "delayed_ack": st.sampled_from((0, 40 * MILLISECOND, 500 * MILLISECOND)),
    }
)


def _watch_sack_blocks(pair: Pair) -> None:
    """SACK blocks are disjoint and above the ACK (RFC 2018 4)."""

    def watch(packet: bytes) -> None:
        check_sack_blocks(TcpHeader.parse(packet, Ipv4Header.parse(packet).header_length))

    for link in pair.links:
        link.watch = watch


@pytest.mark.shows("RFC 2525 2.4")
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), LINES, LINES, KNOBS, st.integers(0, 60_000), st.integers(0, 60_000), st.data())
def test_every_byte_arrives_and_every_connection_ends(
    seed: int, there: Line, back: Line, knobs: dict[str, object], up: int, down: int, data: st.DataObject
) -> None:
    pair = Pair(seed, there, back, mtu=data.draw(st.sampled_from((576, 1500, 9000))), **knobs)
    _watch_sack_blocks(pair)
    chance = random.Random(seed)
    request, response = chance.randbytes(up), chance.randbytes(down)
    chunk = data.draw(st.sampled_from((1000, 1 << 16)))
    client = Stream(pair.client, request, chunk=chunk)
    for _ in range(600):
        pair.clock.advance(SECOND // 10)
        if pair.server is not None:
            break
    if pair.server is None:
        assert pair.client.error, "either it connects, or it says why not"
        return
    server = Stream(pair.server, response, chunk=chunk)
    server.step()
    for _ in range(10_000):
        pair.clock.advance(10 * SECOND)
        if pair.client.state is pair.server.state is State.CLOSED:
            break
    for mine, theirs in ((client.received, response), (server.received, request)):
        assert theirs.startswith(mine)
    if not (pair.client.error or pair.server.error):
        assert client.received == response
        assert server.received == request
    assert pair.client.state is State.CLOSED
    assert pair.server.state is State.CLOSED
    pair.close()
    assert pair.clock.pending == 0


@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_a_lossy_line_is_survived_at_a_decent_pace(congestion: str, sack: bool) -> None:
    pair = Pair(1, Line(loss=0.01), Line(loss=0.01), congestion=congestion, sack=sack)
    payload = random.Random(1).randbytes(2_000_000)
    Stream(pair.client, payload)
    pair.clock.advance(SECOND // 2)
    assert pair.server is not None
    server = Stream(pair.server, b"")
    server.step()
    start = pair.clock.now()
    while not server.at_end and pair.clock.now() < start + 120 * SECOND:
        pair.clock.advance(SECOND // 10)
    assert server.received == payload
    # Mathis at 1 % loss, RTT 20 ms, delayed ACKs: about 6.6 Mbit/s; half of it is the least.
    assert pair.clock.now() - start < 5 * SECOND


def test_an_overshoot_of_slow_start_does_not_stall() -> None:
    """Hundreds of segments lost at once, in a shallow buffer: recovery by SACK, not by one timeout per hole."""
    pair = Pair(3)
    payload = random.Random(3).randbytes(3_000_000)
    client = Stream(pair.client, payload)
    pair.clock.advance(SECOND // 20)
    assert pair.server is not None
    server = Stream(pair.server, b"")
    server.step()
    link = pair.links[0]
    line, count = link._line, 0
    while not server.at_end and pair.clock.now() < 60 * SECOND:
        pair.clock.advance(MILLISECOND)
        # Between two instants, drop every other segment of one flight.
        if link.frames > 400 and count < 60:
            line.loss, count = 0.5, count + 1
        else:
            line.loss = 0.0
    assert server.received == payload
    assert client.connection.info().tcpi_total_retrans > 50
    assert pair.clock.now() < 12 * SECOND
