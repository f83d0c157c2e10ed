"""The server, as a client sees it byte by byte."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.applications.http.server import MAX_IGNORED, MAX_UPLOAD, PATIENCE, serve_http
from stack.clock import MILLISECOND, SECOND

if TYPE_CHECKING:
    from conftest import Lab

PAGE = bytes(range(256)) * 4000


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Path:
    (tmp_path / "page").write_bytes(PAGE)
    (tmp_path / "sub").mkdir()
    lab.spawn(lab.server, serve_http(lab.server, 80, tmp_path))
    return tmp_path


def ask(lab: Lab, *parts: bytes, end: bool = False, pause: float = 0.1) -> bytes:
    """All that the server sends until it closes, when ``parts`` are sent with pauses between them."""

    async def conversation() -> bytes:
        with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            await connection.connect(("10.0.0.2", 80))
            for part in parts:
                await connection.sendall(part)
                await asyncio.sleep(pause)
            if end:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while data := await connection.recv(1 << 16):
                received += data
            return received

    return lab.run(conversation())


def request(line: str, *fields: str, close: bool = True) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: x", *fields, *(["Connection: close"] if close else []), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def split(response: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def test_get(lab: Lab, site: Path) -> None:
    status, fields, body = split(ask(lab, request("GET /page?query")))
    assert (status, body) == (200, PAGE)
    assert fields["Content-Length"] == str(len(PAGE))
    assert fields["Connection"] == "close"
    assert "Date" not in fields


def test_head_is_get_without_content(lab: Lab, site: Path) -> None:
    got = split(ask(lab, request("GET /page")))
    assert split(ask(lab, request("HEAD /page"))) == (*got[:2], b"")
    assert split(ask(lab, request("HEAD /none")))[::2] == (404, b"")


@pytest.mark.parametrize(
    "target", ["http://elsewhere/page", "HTTP://x:81/page?q", "/%70age", "/sub/../page", "//page"]
)
def test_targets_for_the_same_page(lab: Lab, site: Path, target: str) -> None:
    assert split(ask(lab, request(f"GET {target}")))[0] == 200


@pytest.mark.parametrize("target", ["*", "page", "ftp://x/page", "http:///page"])
def test_targets_for_nothing(lab: Lab, site: Path, target: str) -> None:
    assert split(ask(lab, request(f"GET {target}")))[0] == 400


def test_requests_follow_each_other_on_one_connection(lab: Lab, site: Path) -> None:
    """In one segment or cut anywhere, and after errors that leave no doubt where the next request begins."""
    requests = request("GET /none", close=False) + request("PATCH /page", close=False) + request("GET /page")
    for parts in ([requests], [requests[:50], requests[50:51], requests[51:]]):
        responses = ask(lab, *parts)
        assert [responses.count(b"HTTP/1.1 %d" % status) for status in (404, 405, 200)] == [1, 1, 1]
        assert responses.endswith(PAGE)


def test_responses_do_not_wait_for_each_others_acks(lab: Lab, site: Path) -> None:
    async def round_trip() -> int:
        with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            await connection.connect(("10.0.0.2", 80))
            start = lab.client.clock.now()
            await connection.sendall(request("GET /sub/", close=False) * 2)
            received = b""
            while received.count(b"</html>") < 2:
                received += await connection.recv(1 << 16)
            return lab.client.clock.now() - start

    assert lab.run(round_trip()) == 20 * MILLISECOND


def test_an_idle_connection_is_closed(lab: Lab, site: Path) -> None:
    start = lab.simulation.clock.now()
    assert split(ask(lab, request("GET /page", close=False)))[2] == PAGE
    assert PATIENCE * SECOND < lab.simulation.clock.now() - start < (PATIENCE + 2) * SECOND


def test_http_1_0_is_closed_unless_it_asks_otherwise(lab: Lab, site: Path) -> None:
    assert split(ask(lab, b"GET /sub/ HTTP/1.0\r\n\r\n"))[1]["Connection"] == "close"
    kept = ask(lab, b"GET /sub/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + request("GET /page"))
    assert split(kept)[1]["Connection"] == "keep-alive"
    assert kept.endswith(PAGE)


# --- ranges


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=1000000-", 1_000_000, len(PAGE)),
        ("bytes=-10", len(PAGE) - 10, len(PAGE)),
        ("bytes=5-99999999", 5, len(PAGE)),
        ("bytes=-99999999", 0, len(PAGE)),
    ],
)
def test_a_range(lab: Lab, site: Path, asked: str, first: int, end: int) -> None:
    status, fields, body = split(ask(lab, request("GET /page", f"Range: {asked}")))
    assert (status, body) == (206, PAGE[first:end])
    assert fields["Content-Range"] == f"bytes {first}-{end - 1}/{len(PAGE)}"
    assert fields["Content-Length"] == str(end - first)


@pytest.mark.parametrize("asked", ["bytes=1024000-", "bytes=9999999-99999999", "bytes=-0"])
def test_a_range_that_is_not_there(lab: Lab, site: Path, asked: str) -> None:
    status, fields, _ = split(ask(lab, request("GET /page", f"Range: {asked}")))
    assert (status, fields["Content-Range"]) == (416, f"bytes */{len(PAGE)}")


@pytest.mark.parametrize(
    "fields",
    [["Range: bytes=5-4"], ["Range: bytes=0-1,3-4"], ["Range: bytes=-"], ["Range: lines=1-2"],
     ["Range: bytes=0-1", 'If-Range: "tag"']],
)  # fmt: skip
def test_what_is_no_usable_range_is_ignored(lab: Lab, site: Path, fields: list[str]) -> None:
    assert split(ask(lab, request("GET /page", *fields)))[::2] == (200, PAGE)


# --- PUT


def test_put_and_replace(lab: Lab, site: Path) -> None:
    status, _, body = split(ask(lab, request("PUT /new", "Content-Length: 5"), b"hel", b"lo"))
    assert (status, body) == (201, b"")
    status, fields, body = split(ask(lab, request("PUT /new", "Content-Length: 0")))
    assert (status, body) == (204, b"")
    assert "Content-Length" not in fields
    assert (site / "new").read_bytes() == b""


def test_put_of_chunks(lab: Lab, site: Path) -> None:
    chunks = b"5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n"
    asked = request("PUT /new", "Transfer-Encoding: chunked", close=False) + chunks + request("GET /page")
    responses = ask(lab, asked[:120], asked[120:])
    assert responses.startswith(b"HTTP/1.1 201 Created")
    assert responses.endswith(PAGE)
    assert (site / "new").read_bytes() == b"hello!"


def test_the_client_is_told_to_continue_only_if_it_may(lab: Lab, site: Path) -> None:
    expecting = ("Content-Length: 5", "Expect: 100-Continue")
    answer = ask(lab, request("PUT /new", *expecting), b"hello")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")
    assert split(ask(lab, request("PUT /none/new", *expecting)))[0] == 404
    assert split(ask(lab, request("PUT /new", "Content-Length: 5", "Expect: miracles")))[0] == 417


def test_half_an_upload_leaves_nothing(lab: Lab, site: Path) -> None:
    before = sorted(site.iterdir())
    assert ask(lab, request("PUT /new", "Content-Length: 5"), b"hell", end=True) == b""
    assert sorted(site.iterdir()) == before


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("PUT /new"), 411),
        (request("PUT /new", f"Content-Length: {MAX_UPLOAD + 1}", close=False), 413),
        (request("GET /page", f"Content-Length: {MAX_IGNORED + 1}", close=False), 413),
        (request("PUT /new", "Content-Length: 5", "Content-Range: bytes 0-4/9", close=False), 400),
        (request("PUT /sub", "Content-Length: 5", close=False), 405),
        (request("PUT /new", "Transfer-Encoding: chunked", close=False) + b"nonsense\r\n", 400),
        (request("POST /page", "Content-Length: 5", close=False), 405),
        (request("BREW /page"), 501),
        (request("GET /page", "Transfer-Encoding: gzip, chunked", close=False), 501),
        (b"GET /page HTTP/2.0\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /page HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 10_000, 414),
        (b"GET / HTTP/1.1\r\n" + b"Field: value\r\n" * 10_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"Field: value\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_refused_is_answered_and_the_connection_ends(
    lab: Lab, site: Path, asked: bytes, status: int
) -> None:
    answer = split(ask(lab, asked))
    assert answer[0] == status
    assert answer[1]["Connection"] == "close"
    if status == 405:
        assert "GET, HEAD" in answer[1]["Allow"]


def test_an_answer_is_not_lost_when_the_request_is_still_being_sent(lab: Lab, site: Path) -> None:
    """The server must not close over data that it has not read: that would be a reset (RFC 9112 9.6)."""
    asked = request("PUT /sub", "Content-Length: 500000", close=False)
    assert split(ask(lab, asked, bytes(500_000)))[0] == 405
    assert lab.server.counters["tcp.data_after_close"] == 0


def test_a_body_that_nobody_needs_is_read_away(lab: Lab, site: Path) -> None:
    asked = request("GET /sub/", "Content-Length: 5", close=False) + b"hello" + request("GET /page")
    responses = ask(lab, asked)
    assert responses.count(b"HTTP/1.1 200 OK") == 2
    assert responses.endswith(PAGE)


def test_a_client_that_goes_away_harms_nobody(lab: Lab, site: Path) -> None:
    async def rude() -> None:
        with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            await connection.connect(("10.0.0.2", 80))
            await connection.sendall(request("GET /page") * 3)
            await connection.recv(1)

    for _ in range(3):
        lab.run(rude())
    assert ask(lab, b"half a head", end=True) == b""
    assert split(ask(lab, request("GET /page")))[0] == 200
