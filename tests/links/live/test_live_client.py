"""The stack as a client of servers on the kernel's side."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.links.live.command import (
    BOTH_ENDS,
    KERNEL_V4,
    KERNEL_V6,
    Live,
    checksum,
    content,
    devices,
    run,
    server,
    url,
)

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

KERNEL = pytest.mark.parametrize("address", [KERNEL_V4, KERNEL_V6])


def fetch(address: str, path: str, output: Path, *more: str, port: int = 8080) -> tuple[int, str]:
    """Let the stack fetch a file; returns exit status and errors."""
    with Live(*BOTH_ENDS, "--fetch", url(address, path, port), "--output", str(output), *more) as running:
        result = running.ended(60)
    assert any("fetched in " in line for line in running.lines) == (result[0] == 0)
    assert devices() == {"lo"}
    return result


@KERNEL
def test_the_stack_fetches_from_the_server_of_python(address: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "file", 20_000_000)
    command = (sys.executable, "-m", "http.server", "--bind", "::", "--directory", tmp_path, "8080")
    with server(*command, address="::1", port=8080):
        assert fetch(address, "file", tmp_path / "copy") == (0, "")
    assert checksum(tmp_path / "copy") == digest


@KERNEL
def test_the_stack_fetches_from_nginx(address: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "file", 20_000_000)
    with nginx(tmp_path):
        assert fetch(address, "file", tmp_path / "copy") == (0, "")
    assert checksum(tmp_path / "copy") == digest


@contextmanager
def nginx(root: Path) -> Iterator[None]:
    """nginx, serving a directory on port 8080."""
    configuration = root / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/nginx.log; user root;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
            uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
            server {{ listen [::]:8080 ipv6only=off; root {root}; }}
        }}
        """
    )
    with server("nginx", "-e", root / "nginx.log", "-c", configuration, address="::1", port=8080):
        yield


def test_a_server_beyond_the_gateway_is_reached(tmp_path: Path) -> None:
    content(tmp_path / "file", 10_000)
    run("ip", "address", "add", "198.51.100.1/32", "dev", "lo")
    command = (sys.executable, "-m", "http.server", "--bind", "198.51.100.1", "--directory", tmp_path, "8080")
    with server(*command, address="198.51.100.1", port=8080):
        assert fetch("198.51.100.1", "file", tmp_path / "copy", "--gateway", KERNEL_V4) == (0, "")
    assert checksum(tmp_path / "copy") == checksum(tmp_path / "file")


def test_a_pipe_takes_what_is_fetched_and_stays_a_pipe(tmp_path: Path) -> None:
    digest = content(tmp_path / "file", 300_000)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = (sys.executable, "-m", "http.server", "--bind", "::", "--directory", tmp_path, "8080")
    with (
        server(*command, address="::1", port=8080),
        subprocess.Popen(["sha256sum", pipe], stdout=subprocess.PIPE) as reader,
    ):
        assert fetch(KERNEL_V4, "file", pipe) == (0, "")
        assert reader.stdout is not None
        assert reader.stdout.read().decode().split()[0] == digest
    assert pipe.is_fifo()


def test_what_is_not_there_is_a_failure_and_no_file(tmp_path: Path) -> None:
    output = tmp_path / "copy"
    command = (sys.executable, "-m", "http.server", "--bind", "::", "--directory", tmp_path, "8080")
    with server(*command, address="::1", port=8080):
        assert fetch(KERNEL_V4, "none", output) == (
            1,
            "live: http://10.0.0.1:8080/none: 404 File not found\n",
        )
    assert fetch(KERNEL_V4, "none", output) == (
        1,
        "live: http://10.0.0.1:8080/none: [Errno 111] Connection refused\n",
    )
    assert os.listdir(tmp_path) == []


@contextmanager
def half_a_file(end: bool) -> Iterator[None]:
    """A server on port 8080 that promises 1000 bytes, sends 500, and then closes, or keeps the connection."""
    with socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        connections: list[socket.socket] = []

        def serve() -> None:
            connection, _ = listener.accept()
            connections.append(connection)
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(500))
            if end:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()
        for connection in connections:
            connection.close()


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("what was there before")
    with half_a_file(end=True):
        status, errors = fetch(KERNEL_V4, "file", tmp_path / "copy")
    assert status == 1
    assert errors.startswith("live: http://10.0.0.1:8080/file: ")
    assert os.listdir(tmp_path) == ["copy"]
    assert (tmp_path / "copy").read_text() == "what was there before"


def test_an_interrupted_fetch_leaves_no_file(tmp_path: Path) -> None:
    with half_a_file(end=False):
        arguments = ("--fetch", url(KERNEL_V4, "file", 8080), "--output", str(tmp_path / "copy"), "--verbose")
        with Live(*BOTH_ENDS, *arguments) as running:
            running.wait_for("connected")
            running.interrupt()
            assert running.ended() == (0, "")
    assert os.listdir(tmp_path) == []
    assert devices() == {"lo"}


def test_pings_that_nobody_answers_are_a_failure() -> None:
    with Live(*BOTH_ENDS, "--ping", "10.0.0.77") as running:
        status, errors = running.ended()
    assert status == 1
    assert errors.startswith("live: 0 of 4 echo requests to 10.0.0.77 answered")
