"""Heads: what RFC 9112 allows is read, what it forbids is refused with the status that it names."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.applications.http.bodies import ChunkedBody, RemainingBody, SizedBody
from scenarios.applications.http.errors import HttpError
from scenarios.applications.http.messages import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_START_LINE,
    HeadReader,
    Request,
    Response,
)


def request(*lines: str, first: str = "GET / HTTP/1.1") -> Request:
    return Request.parse("\r\n".join([first, "Host: x", *lines]).encode("latin-1"))


def status_of(*lines: str, first: str = "GET / HTTP/1.1") -> HTTPStatus:
    with pytest.raises(HttpError) as caught:
        request(*lines, first=first).body()
    return caught.value.status


# --- where a head ends

HEAD = b"GET / HTTP/1.1\r\nHost: x"


@given(st.lists(st.integers(1, 10)))
def test_a_head_may_come_in_pieces(sizes: list[int]) -> None:
    data = b"\r\n" + HEAD + b"\r\n\r\nbody"
    reader, found, position = HeadReader(), None, 0
    for size in [*sizes, len(data)]:
        found = reader.feed(data[position : position + size])
        position += size
        if found:
            break
    assert found is not None
    head, rest = found
    assert head == HEAD
    assert rest == b"body"[: len(rest)]


@pytest.mark.parametrize("ends", [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n"])
def test_a_line_may_end_in_lf_alone(ends: bytes) -> None:
    assert HeadReader().feed(HEAD + ends + b"rest") == (HEAD, b"rest")


def test_nothing_but_empty_lines_is_no_head() -> None:
    reader = HeadReader()
    assert reader.feed(b"\r\n\r\n\r\n") is None
    assert reader.empty
    assert reader.feed(HEAD + b"\r\n\r\n") == (HEAD, b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * MAX_START_LINE, HTTPStatus.REQUEST_URI_TOO_LONG),
        (b"GET /" + b"a" * MAX_START_LINE + b" HTTP/1.1\r\n\r\n", HTTPStatus.REQUEST_URI_TOO_LONG),
        (HEAD + b"\r\nX: " + b"a" * MAX_HEAD, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (HEAD + b"\r\nX: y" * MAX_HEAD, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_a_head_has_bounds(data: bytes, status: HTTPStatus) -> None:
    reader = HeadReader()

    def feed() -> None:
        for start in range(0, len(data), 1000):
            reader.feed(data[start : start + 1000])

    with pytest.raises(HttpError) as caught:
        feed()
    assert caught.value.status == status


def test_too_many_fields() -> None:
    assert status_of(*["X: y"] * MAX_FIELDS) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


# --- requests


def test_a_request() -> None:
    parsed = request("X-Both:  a b\t", "x-both: c", first="PUT /a%20b?c=d HTTP/1.1")
    assert (parsed.method, parsed.target, parsed.version) == ("PUT", "/a%20b?c=d", (1, 1))
    assert parsed.fields.get("X-BOTH") == "a b, c"
    assert parsed.fields.get("absent") is None


@pytest.mark.parametrize(
    "first",
    [
        "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET\t/\tHTTP/1.1", "GET / HTTP/1.10",
        "GET / http/1.1", "G(T / HTTP/1.1", "GET / a HTTP/1.1", "GET /\x00 HTTP/1.1", "", "GET",
    ],
)  # fmt: skip
def test_malformed_request_lines(first: str) -> None:
    assert status_of(first=first) == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "line",
    ["X : y", " folded", "\tfolded", "X", ": y", "X\x00: y", "X: a\rb", "X: a\x00b", "X: a\x7fb", "Ü: y", ""],
)
def test_malformed_fields(line: str) -> None:
    assert status_of("A: b", line) == HTTPStatus.BAD_REQUEST


def test_a_field_of_blanks_is_read_in_linear_time() -> None:
    with pytest.raises(HttpError):
        Request.parse(b"GET / HTTP/1.1\r\nX:" + b" " * 60_000 + b"\x00")


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_other_versions(version: str) -> None:
    assert status_of(first=f"GET / HTTP/{version}") == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED


def test_a_host_is_needed_once() -> None:
    assert status_of("Host: y") == HTTPStatus.BAD_REQUEST
    with pytest.raises(HttpError):
        Request.parse(b"GET / HTTP/1.1\r\nX: y")
    assert Request.parse(b"GET / HTTP/1.0").version == (1, 0)


@pytest.mark.parametrize(
    ("first", "option", "kept"),
    [
        ("GET / HTTP/1.1", None, True),
        ("GET / HTTP/1.1", "close", False),
        ("GET / HTTP/1.1", "x, CLOSE", False),
        ("GET / HTTP/1.0", None, False),
        ("GET / HTTP/1.0", "Keep-Alive", True),
    ],
)
def test_keeping_alive(first: str, option: str | None, kept: bool) -> None:
    lines = [] if option is None else [f"Connection: {option}"]
    assert request(*lines, first=first).keeps_alive is kept


# --- framing of requests


def test_bodies_of_requests() -> None:
    assert request().body().complete
    assert not request().declares_body
    sized = request("Content-Length: 5", "Content-Length: 5").body()
    assert isinstance(sized, SizedBody)
    assert sized.length == 5
    assert isinstance(request("Transfer-Encoding: Chunked").body(), ChunkedBody)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: 5", "Content-Length: 6"], HTTPStatus.BAD_REQUEST),
        (["Content-Length: -5"], HTTPStatus.BAD_REQUEST),
        (["Content-Length: +5"], HTTPStatus.BAD_REQUEST),
        (["Content-Length: 5 5"], HTTPStatus.BAD_REQUEST),
        (["Content-Length: 0x5"], HTTPStatus.BAD_REQUEST),
        (["Content-Length: ²"], HTTPStatus.BAD_REQUEST),
        (["Content-Length: " + "9" * 19], HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], HTTPStatus.BAD_REQUEST),
        (["Transfer-Encoding: gzip, chunked"], HTTPStatus.NOT_IMPLEMENTED),
        (["Transfer-Encoding: gzip"], HTTPStatus.NOT_IMPLEMENTED),
        (["Transfer-Encoding: chunked, chunked"], HTTPStatus.BAD_REQUEST),
    ],
)
def test_framing_that_can_be_read_in_two_ways_is_refused(lines: list[str], status: HTTPStatus) -> None:
    assert status_of(*lines) == status


def test_http_1_0_has_no_transfer_coding() -> None:
    assert status_of("Transfer-Encoding: chunked", first="PUT / HTTP/1.0") == HTTPStatus.BAD_REQUEST


# --- responses


def response(*lines: str, first: str = "HTTP/1.1 200 OK") -> Response:
    return Response.parse("\r\n".join([first, *lines]).encode())


@pytest.mark.parametrize(
    ("first", "status", "reason"),
    [("HTTP/1.1 404 Not Found", 404, "Not Found"), ("HTTP/1.0 200 ", 200, ""), ("HTTP/1.1 200", 200, "")],
)
def test_status_lines(first: str, status: int, reason: str) -> None:
    parsed = response(first=first)
    assert (parsed.status, parsed.reason) == (status, reason)


@pytest.mark.parametrize("first", ["HTTP/1.1 20 OK", "ICY 200 OK", "HTTP/1.1 2000", "HTTP/1.1  200 OK", ""])
def test_malformed_status_lines(first: str) -> None:
    with pytest.raises(HttpError):
        response(first=first)


def test_bodies_of_responses() -> None:
    assert isinstance(response().body("GET"), RemainingBody)
    assert isinstance(response("Transfer-Encoding: chunked").body("GET"), ChunkedBody)
    assert isinstance(response("Content-Length: 5").body("GET"), SizedBody)
    assert not response("Content-Length: 5").body("GET").complete
    assert response("Content-Length: 5").body("HEAD").complete
    assert response("Content-Length: 5", first="HTTP/1.1 304 Not Modified").body("GET").complete
    with pytest.raises(HttpError):
        response("Transfer-Encoding: gzip, chunked").body("GET")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    for head in (data, HEAD + b"\r\n" + data):
        with suppress(HttpError):
            Request.parse(head).body()
        with suppress(HttpError):
            Response.parse(head).body("GET")
