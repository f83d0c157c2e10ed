"""``usernetstack live`` as an operator runs it: a process of its own, here in the test's namespace."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "scenarios", "live"]
OURS_V4, OURS_V6 = "10.0.0.2", "fd00::2"
KERNEL_V4, KERNEL_V6 = "10.0.0.1", "fd00::1"
BOTH_ENDS = (
    "--tap", "tap0", "--address", f"{OURS_V4}/24", "--address", f"{OURS_V6}/64",
    "--peer", f"{KERNEL_V4}/24", "--peer", f"{KERNEL_V6}/64",
)  # fmt: skip
BOTH_ENDS_OF_TUN = ("--tun", "tun0", *BOTH_ENDS[2:])
PATIENCE = 20
"""Seconds until the command must be up, and until it must be down; far more than it needs."""


class Live:
    """A running ``usernetstack live``; a context manager that kills it in the end, if it is still running."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        """What it has printed so far."""
        self._said = threading.Condition()
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._output, self._errors = self._process.stdout, self._process.stderr
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        print(*self.lines, self._errors.read(), sep="\n")  # for the report, if the test fails
        self._errors.close()

    def _read(self) -> None:
        with self._output as output:
            for line in output:
                with self._said:
                    self.lines.append(line.rstrip("\n"))
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()

    def wait_for(self, text: str) -> str:
        """The first line with ``text`` in it, when it has been printed."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self._said:
            self._said.wait_for(lambda: found() or not self._reader.is_alive(), PATIENCE)
            line = found()
        assert line is not None, f"never said: {text}"
        return line

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(number)

    def ended(self, patience: float = PATIENCE) -> tuple[int, str]:
        """Wait for its end; returns exit status and errors."""
        status = self._process.wait(patience)
        self._reader.join()
        return status, self._errors.read()


@contextmanager
def live(*arguments: str, ends: tuple[str, ...] = BOTH_ENDS) -> Iterator[Live]:
    """The command, from when it is up and serves until Ctrl-C; it must end well and leave no device."""
    with Live(*ends, *arguments) as running:
        running.wait_for("is up")
        for option, service in pairwise(arguments):
            if option == "--serve":
                running.wait_for(f"serving {service.split(':')[0]}")
        yield running
        running.interrupt()
        assert running.ended() == (0, "")
        assert devices() == {"lo"}


def devices() -> set[str]:
    """Network devices of the namespace."""
    return {name for _, name in socket.if_nameindex()}


def run(*command: str | Path, text: str = "") -> str:
    """Run another program with ``text`` as its input to its end, which must be a good one; returns its output."""
    result = subprocess.run(list(map(str, command)), input=text, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


def content(path: Path, size: int) -> str:
    """Fill a file with bytes that do not repeat; returns their checksum."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(0, size, 1 << 20):
            block = os.urandom(min(1 << 20, size - file.tell()))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def url(address: str, path: str = "", port: int = 80) -> str:
    """An http URL of an address of either family."""
    return f"http://[{address}]:{port}/{path}" if ":" in address else f"http://{address}:{port}/{path}"


@contextmanager
def server(*command: str | Path, address: str, port: int) -> Iterator[None]:
    """A server on the kernel's side, from when it listens."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_listening(process, address, port)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_until_listening(process: subprocess.Popen[bytes], address: str, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} has ended"
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError(f"{process.args!r} does not listen")
