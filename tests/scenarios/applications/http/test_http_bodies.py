"""Bodies end where RFC 9112 says, however they are cut on the way."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.applications.http.bodies import (
    MAX_LINE,
    MAX_TRAILERS,
    Body,
    ChunkedBody,
    RemainingBody,
    SizedBody,
)
from scenarios.applications.http.errors import HttpError


def feed(body: Body, data: bytes, size: int) -> tuple[bytes, bytes]:
    """The content of ``data``, fed in pieces of ``size``, and what follows the body."""
    content = bytearray()
    for start in range(0, len(data), size):
        rest = body.feed(data[start : start + size], lambda piece: content.extend(piece))
        if body.complete:
            return bytes(content), rest + data[start + size :]
        assert not rest
    return bytes(content), b""


@given(st.binary(max_size=100), st.integers(1, 20), st.binary(max_size=10))
def test_a_sized_body(content: bytes, size: int, rest: bytes) -> None:
    body = SizedBody(len(content))
    if content:
        assert feed(body, content + rest, size) == (content, rest)
    assert body.complete
    body.end()


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 20), st.binary(max_size=10))
def test_a_chunked_body(chunks: list[bytes], size: int, rest: bytes) -> None:
    coded = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    coded += b"0\r\nTrailer: ignored\r\n\r\n"
    body = ChunkedBody()
    assert feed(body, coded + rest, size) == (b"".join(chunks), rest)
    assert body.complete


def test_a_body_until_the_end() -> None:
    body = RemainingBody()
    assert feed(body, b"all of it", 4) == (b"all of it", b"")
    assert not body.complete
    body.end()
    assert body.complete


@pytest.mark.parametrize("body", [SizedBody(5), ChunkedBody()])
def test_an_early_end_is_an_error(body: Body) -> None:
    feed(body, b"1\r\n", 10)
    with pytest.raises(EOFError):
        body.end()


@pytest.mark.parametrize(
    "coded",
    [
        b"g\r\n", b"\r\n", b"-1\r\n", b"0x1\r\n", b"1 1\r\n", b"1\n", b"1;\x00\r\n", b"1" * 16 + b"\r\n",
        b"1\r\nab\r\n", b"1\r\na\n", b"2\r\nabX\r\n", b"1" * (MAX_LINE + 1), b"1;" + b"x" * MAX_LINE,
        b"0\r\n" + b"A: b\r\n" * MAX_TRAILERS,
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 5000])
def test_malformed_chunks(coded: bytes, size: int) -> None:
    with pytest.raises(HttpError):
        feed(ChunkedBody(), coded, size)


@given(st.binary(max_size=200))
def test_any_bytes_are_chunks_or_refused(data: bytes) -> None:
    content = bytearray()
    with suppress(HttpError):
        ChunkedBody().feed(data, content.extend)
    assert len(content) <= len(data)
