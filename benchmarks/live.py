"""What the stack carries on a real TAP, with the Linux kernel at the other end, in a network namespace of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Rate

_NAMESPACE = "usernetstack-bench"
_ADDRESS = "10.98.0.2"
_CHUNK = bytes(1 << 18)
_BYTES = 1500 * len(_CHUNK)
_GIGABITS = _BYTES * 8 / 1e9
_CONNECTIONS = 300
_TICKS = os.sysconf("SC_CLK_TCK")


def available() -> str:
    """Why this cannot be measured here; empty if it can."""
    if os.geteuid() != 0:
        return "needs root"
    return "" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "needs /dev/net/tun"


def measure() -> list[Rate]:
    """All that is measured on the TAP."""
    with tempfile.TemporaryDirectory() as folder, _stack(Path(folder)) as process:
        return [
            _rate(process, "live TCP, stack sends", _download, _GIGABITS, "Gbit/s"),
            _rate(process, "live TCP, stack receives", _upload, _GIGABITS, "Gbit/s"),
            _rate(process, "live TCP, open, echo, close", _connect, _CONNECTIONS, "connections per second"),
        ]


@contextmanager
def _stack(folder: Path) -> Iterator[int]:
    """``usernetstack live`` in a namespace that this process is in as well; yields its process id."""
    with (folder / "data").open("wb") as file:
        for _ in range(_BYTES // len(_CHUNK)):
            file.write(_CHUNK)  # not a hole: the first to read it would pay for its pages
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    subprocess.run(["ip", "netns", "add", _NAMESPACE], check=True)
    try:
        with open(f"/run/netns/{_NAMESPACE}", "rb") as namespace:
            _enter(namespace.fileno())
        command = [sys.executable, "-m", "scenarios", "live", "--quiet", "--tap", "bench0"]
        command += ["--address", f"{_ADDRESS}/24", "--peer", "10.98.0.1/24"]
        command += ["--serve", f"http:80:{folder}", "--serve", "discard:9", "--serve", "echo:7"]
        with subprocess.Popen(command) as process:
            try:
                _wait_for_service()
                yield process.pid
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()
    finally:
        _enter(own)
        os.close(own)
        subprocess.run(["ip", "netns", "del", _NAMESPACE], check=True)


def _enter(namespace: int) -> None:
    """``os.setns`` of Python 3.12, by the C library on 3.11."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _wait_for_service() -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((_ADDRESS, 7), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rate(process: int, what: str, work: Callable[[], None], amount: float, unit: str) -> Rate:
    cpu, start = _cpu(process), time.monotonic()
    work()
    elapsed, spent = time.monotonic() - start, _cpu(process) - cpu
    return Rate(what, amount / elapsed, unit, amount / spent)


def _connection(port: int) -> socket.socket:
    """The kernel asks for CUBIC: where BBR without fq is its default, any stack receives half as much."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    connection.connect((_ADDRESS, port))
    return connection


def _download() -> None:
    with _connection(80) as connection:
        connection.sendall(b"GET /data HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        received = 0
        while data := connection.recv(1 << 18):
            received += len(data)
    assert received > _BYTES


def _upload() -> None:
    with _connection(9) as connection:
        for _ in range(_BYTES // len(_CHUNK)):
            connection.sendall(_CHUNK)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def _connect() -> None:
    for _ in range(_CONNECTIONS):
        with _connection(7) as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
