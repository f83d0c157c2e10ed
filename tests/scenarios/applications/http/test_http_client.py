"""The client, against servers that are not ours."""

from __future__ import annotations

import asyncio
import errno
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.applications.http import fetch, serve_http
from scenarios.applications.http.client import Client
from scenarios.applications.http.messages import Response
from scenarios.applications.servers import serve_connections
from stack.sockets.asynchronous import AsyncSocket

if TYPE_CHECKING:
    from conftest import Lab


class Scripted:
    """A server that answers each connection with the next of its answers, and closes."""

    def __init__(self, lab: Lab, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        lab.spawn(lab.server, serve_connections(lab.server, 80, self.handle))

    async def handle(self, connection: AsyncSocket) -> None:
        self.requests.append(await connection.recv(10_000))
        for byte in self.answers.pop(0):
            await connection.sendall(bytes([byte]))


def fetched(lab: Lab, url: str) -> tuple[Response, bytes]:
    output = io.BytesIO()
    return lab.run(fetch(lab.client, url, output)), output.getvalue()


@pytest.mark.parametrize("host", ["10.0.0.2", "[fd00::2]"])
def test_a_file_of_our_server(lab: Lab, tmp_path: Path, host: str) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "a file").write_bytes(content)
    lab.impair("delay=10ms, loss=2%")
    lab.spawn(lab.server, serve_http(lab.server, 80, tmp_path))
    response, got = fetched(lab, f"http://{host}/a%20file")
    assert (response.status, got == content) == (200, True)
    assert fetched(lab, f"http://{host}:80/none")[0].status == 404


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200\nContent-Length: 5\n\nhello",
    ],
)
def test_bodies(lab: Lab, answer: bytes) -> None:
    Scripted(lab, answer)
    response, content = fetched(lab, "http://10.0.0.2/")
    assert (response.status, content) == (200, b"hello")


def test_what_is_asked(lab: Lab) -> None:
    server = Scripted(lab, b"HTTP/1.1 204 No Content\r\n\r\n")
    fetched(lab, "http://user@10.0.0.2:80/a?b=c#d")
    assert server.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 10.0.0.2:80\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_server_that_closes_too_early(lab: Lab, answer: bytes) -> None:
    Scripted(lab, answer)
    with pytest.raises(EOFError):
        fetched(lab, "http://10.0.0.2/")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
    ],
)
def test_a_server_that_does_not_speak_http(lab: Lab, answer: bytes) -> None:
    Scripted(lab, answer)
    with pytest.raises(OSError, match=r".+") as caught:
        fetched(lab, "http://10.0.0.2/")
    assert caught.value.errno == errno.EPROTO


@pytest.mark.parametrize(
    "url",
    ["https://10.0.0.2/", "10.0.0.2", "http://example.com/", "http:///", "http://10.0.0.2/ü", "http://10.0.0.2/a b",
     "http://10.0.0.2:99999/", "http://[fd00::2/"],
)  # fmt: skip
def test_urls_that_cannot_be_fetched(lab: Lab, url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fetched(lab, url)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_connection_is_used_again(lab: Lab) -> None:
    connections = 0

    async def handle(connection: AsyncSocket) -> None:
        nonlocal connections
        connections += 1
        while await connection.recv(10_000):
            await connection.sendall(OK)

    lab.spawn(lab.server, serve_connections(lab.server, 80, handle))
    assert lab.run(bodies(lab, 5)) == [b"ok"] * 5
    assert connections == 1


def test_a_new_connection_follows_one_that_has_failed(lab: Lab) -> None:
    """Closed as announced; in the middle of a response; without a word while it was idle."""
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    server = Scripted(lab, closing, OK.replace(b"2", b"9"), OK, closing)
    assert lab.run(bodies(lab, 5)) == [b"ok", b"ok...", b"ok", b"...", b"ok"]
    assert len(server.requests) == 4


async def bodies(lab: Lab, count: int) -> list[bytes]:
    """What so many requests give; dots where the server closes too early."""
    received = []
    with Client(lab.client, "10.0.0.2", 80) as client:
        for _ in range(count):
            output = io.BytesIO()
            try:
                await client.get("/", output.write)
            except EOFError:
                output.write(b"...")
            received.append(output.getvalue())
            await asyncio.sleep(1)
    return received
