"""Content: any shift, loss, swap or stray is found."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scenarios.applications.content import CHUNK, PERIOD, Checker, Stream, Streams

STREAM = Stream("test")
SEGMENT = 1448


def content(length: int, position: int = 0, stream: Stream = STREAM) -> bytes:
    return b"".join(stream.chunks(position, length))


def test_the_period_is_prime() -> None:
    assert all(PERIOD % divisor for divisor in range(2, int(PERIOD**0.5) + 1))


@given(st.integers(0, 10 * PERIOD), st.integers(0, 3 * CHUNK))
def test_a_piece_of_the_stream_depends_on_its_position_only(position: int, length: int) -> None:
    start = max(0, position - 1000)
    assert content(length + position - start, start)[position - start :] == content(length, position)


def test_chunks_are_bounded_and_add_up() -> None:
    lengths = [len(chunk) for chunk in STREAM.chunks(PERIOD - 5, 3 * CHUNK + 7)]
    assert max(lengths) == CHUNK
    assert sum(lengths) == 3 * CHUNK + 7


def test_content_longer_than_a_period_matches_in_one_piece() -> None:
    assert STREAM.matches(77, content(2 * PERIOD + 5, 77))
    assert not STREAM.matches(77, content(2 * PERIOD + 5, 77) + b"?")


def test_the_same_key_is_the_same_stream_and_another_is_another() -> None:
    assert content(1000, stream=Stream("a")) == content(1000, stream=Stream("a"))
    assert content(1000, stream=Stream("a")) != content(1000, stream=Stream("b"))


def damaged(kind: str, data: bytes, at: int, length: int) -> bytes:
    match kind:
        case "loss":
            return data[:at] + data[at + length :]
        case "doubling":
            return data[: at + length] + data[at:]
        case "swap":
            return (
                data[:at]
                + data[at + length : at + 2 * length]
                + data[at : at + length]
                + data[at + 2 * length :]
            )
        case _:
            return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]


@pytest.mark.parametrize("kind", ["loss", "doubling", "swap", "zeros"])
@settings(max_examples=25)
@given(st.integers(0, 100), st.sampled_from([1, 8, SEGMENT, 4096, 65536, 1 << 20]))
def test_damage_is_found(kind: str, at: int, length: int) -> None:
    data = content(3 * length + 200 * SEGMENT)
    checker = Checker([STREAM])
    wrong = damaged(kind, data, at * SEGMENT, length)
    assume(wrong != data)  # single bytes that change places may be equal
    for start in range(0, len(wrong), CHUNK):
        checker.feed(wrong[start : start + CHUNK])
    assert not checker.intact


def test_checkers_find_out_which_stream_each_connection_carries() -> None:
    streams = Streams("flow", 3)
    checkers = [streams.checker() for _ in range(3)]
    for checker, number in zip(checkers, (2, 0, 1), strict=True):
        assert checker.feed(content(1, stream=streams[number]))
        assert checker.feed(content(SEGMENT, 1, stream=streams[number]))
    assert [checker.position for checker in checkers] == [1 + SEGMENT] * 3


def test_a_stream_that_comes_twice_is_damage() -> None:
    streams = Streams("flow", 2)
    first, second = streams.checker(), streams.checker()
    data = content(SEGMENT, stream=streams[0])
    assert first.feed(data)
    assert not second.feed(data)
    assert not streams.checker().feed(data)


def test_data_that_strays_to_another_connection_is_damage() -> None:
    streams = Streams("flow", 2)
    checker = streams.checker()
    assert checker.feed(content(SEGMENT, stream=streams[0]))
    assert not checker.feed(content(SEGMENT, SEGMENT, stream=streams[1]))
    assert not checker.feed(content(SEGMENT, 2 * SEGMENT, stream=streams[0])), "damage stays"
