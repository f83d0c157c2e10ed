"""What the stack carries on a real TAP, with the Linux kernel at the other end, in network namespaces of its own.

The kernel's end asks for CUBIC by socket option: where BBR without fq is the default, any stack receives half as much.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from random import Random

from benchmarks import raw_tap
from benchmarks.table import Rate
from stack.sockets import open_connection

_NAMESPACES = ("usernetstack-bench", "usernetstack-bench-peer")
_ADDRESS = "10.98.0.2"
_KERNEL = "10.98.0.1"
_VETH = ("10.97.0.1", "10.97.0.2")
_CHUNK = bytes(1 << 18)
_BYTES = 1500 * len(_CHUNK)
_PLAIN_BYTES = 200 * len(_CHUNK)
_WARM_UP = 100 * len(_CHUNK)
_MSS = 1448
_CONNECTIONS = 1_000
_REQUESTS = 10_000
_REQUEST = bytes(64)
_TICKS = os.sysconf("SC_CLK_TCK")

_VETH_ROW = "kernel to kernel over veth"
_RAW_READ = "raw loop on the TAP: reads and acknowledges"
_RAW_WRITE = "raw loop on the TAP: writes 64 KB frames"


def available() -> str:
    """Why this cannot be measured here; empty if it can."""
    if os.geteuid() != 0:
        return "needs root"
    return "" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "needs /dev/net/tun"


def measure() -> list[Rate]:
    """All that is measured on the TAP, and its yardsticks."""
    with _namespaces():
        rates = [_veth(), *asyncio.run(_raw())]
        with tempfile.TemporaryDirectory() as folder:
            with (Path(folder) / "data").open("wb") as file:
                for _ in range(_BYTES // len(_CHUNK)):
                    file.write(_CHUNK)  # not a hole: the first to read it would pay for its pages
            with _stack(Path(folder)) as process:
                rates += [
                    _bulk(
                        process,
                        "TAP with offload, stack receives",
                        lambda: _upload(_BYTES),
                        _BYTES,
                        _RAW_READ,
                    ),
                    _bulk(
                        process,
                        "TAP with offload, stack sends",
                        lambda: _download(_BYTES),
                        _BYTES,
                        _RAW_WRITE,
                    ),
                    _rate(process, "TAP, 64-byte request and response", _ask, _REQUESTS, "per second"),
                    _rate(process, "TAP, kernel opens, echo, close", _connect, _CONNECTIONS, "connections/s"),
                ]
            with _stack(Path(folder), "--no-offload") as process:
                size = _PLAIN_BYTES
                rates += [
                    _bulk(
                        process, "TAP without offload, stack receives", lambda: _upload(size), size, _RAW_READ
                    ),
                    _bulk(
                        process, "TAP without offload, stack sends", lambda: _download(size), size, _RAW_WRITE
                    ),
                ]
        rates.append(asyncio.run(_open()))
    return rates


# --- rooms


@contextmanager
def _namespaces() -> Iterator[None]:
    """Two namespaces, joined by a veth pair; this process is in the first of them."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    first, second = _NAMESPACES
    try:
        for name in _NAMESPACES:
            subprocess.run(["ip", "netns", "add", name], check=True)
        _enter(first)
        commands = (
            f"link add veth0 type veth peer name veth1 netns {second}",
            f"address add {_VETH[0]}/24 dev veth0",
            "link set veth0 up",
            "link set lo up",
        )
        for command in commands:
            subprocess.run(["ip", *command.split()], check=True)
        for command in (f"address add {_VETH[1]}/24 dev veth1", "link set veth1 up", "link set lo up"):
            subprocess.run(["ip", "-n", second, *command.split()], check=True)
        yield
    finally:
        _set_namespace(own)
        os.close(own)
        for name in _NAMESPACES:
            subprocess.run(["ip", "netns", "del", name], check=False)


def _enter(name: str) -> None:
    with open(f"/run/netns/{name}", "rb") as namespace:
        _set_namespace(namespace.fileno())


def _set_namespace(descriptor: int) -> None:
    """``os.setns`` of Python 3.12, by the C library on 3.11."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def _stack(folder: Path, *options: str) -> Iterator[int]:
    """``usernetstack live`` in the namespace of this process; yields its process id."""
    command = [sys.executable, "-m", "scenarios", "live", "--quiet", "--tap", "bench0", *options]
    command += ["--address", f"{_ADDRESS}/24", "--peer", f"{_KERNEL}/24"]
    command += ["--serve", f"http:80:{folder}", "--serve", "discard:9", "--serve", "echo:7"]
    with subprocess.Popen(command) as process:
        try:
            _wait_for_service()
            for _ in range(2):  # what a process does for the first time is not what is measured
                _upload(_WARM_UP)
                _download(_WARM_UP)
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


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


# --- what is measured


def _cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rate(process: int, what: str, work: Callable[[], None], amount: float, unit: str) -> Rate:
    cpu, start = _cpu(process), time.monotonic()
    work()
    elapsed, spent = time.monotonic() - start, _cpu(process) - cpu
    return Rate(what, amount / elapsed, unit, amount / max(spent, 1 / _TICKS))


def _bulk(process: int, what: str, work: Callable[[], None], octets: int, yardstick: str) -> Rate:
    cpu, start = _cpu(process), time.monotonic()
    work()
    return _bulk_rate(what, octets, time.monotonic() - start, _cpu(process) - cpu, yardstick)


def _bulk_rate(what: str, octets: int, elapsed: float, cpu: float, yardstick: str = "") -> Rate:
    gigabits = octets * 8 / 1e9
    return Rate(what, gigabits / elapsed, "Gbit/s", gigabits / cpu, cpu * 1e6 * _MSS / octets, yardstick)


def _connection(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.connect((_ADDRESS, port))
    return connection


def _download(octets: int) -> None:
    with _connection(80) as connection:
        connection.sendall(b"GET /data HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        received = 0
        buffer = bytearray(1 << 18)
        while received < octets and (size := connection.recv_into(buffer)):
            received += size
    assert received >= octets


def _upload(octets: int) -> None:
    with _connection(9) as connection:
        for _ in range(octets // len(_CHUNK)):
            connection.sendall(_CHUNK)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def _ask() -> None:
    with _connection(7) as connection:
        for _ in range(_REQUESTS):
            connection.sendall(_REQUEST)
            assert len(connection.recv(len(_REQUEST), socket.MSG_WAITALL)) == len(_REQUEST)


def _connect() -> None:
    for _ in range(_CONNECTIONS):
        with _connection(7) as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"


# --- the stack opens


def _echo(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data)


async def _open() -> Rate:
    """The stack, in this process, opens connections to the kernel."""
    from links.live.clock import AsyncioClock
    from links.live.netlink import KernelEnd
    from links.live.tap import TapLink
    from stack.host import Host
    from stack.wire.address import InterfaceAddress

    async with AsyncExitStack() as down:
        tap = down.enter_context(closing(TapLink("bench1")))
        kernel = await down.enter_async_context(KernelEnd("bench1"))
        await kernel.bring_up()
        await kernel.add_address(InterfaceAddress.parse(f"{_KERNEL}/24"))
        host = Host("bench", AsyncioClock(), Random(1))
        down.callback(host.close)
        host.add_interface("bench1", tap, addresses=[f"{_ADDRESS}/24"])
        listener = down.enter_context(socket.create_server((_KERNEL, 0), backlog=128))
        server = multiprocessing.get_context("fork").Process(target=_echo, args=(listener,), daemon=True)
        server.start()
        down.callback(server.terminate)
        port = listener.getsockname()[1]
        cpu, start = time.process_time(), time.monotonic()
        for _ in range(_CONNECTIONS):
            with await open_connection(host, _KERNEL, port) as connection:
                await connection.send(b"x")
                await connection.recv(1)
        elapsed, spent = time.monotonic() - start, time.process_time() - cpu
    return Rate(
        "TAP, stack opens, echo, close", _CONNECTIONS / elapsed, "connections/s", _CONNECTIONS / spent
    )


# --- yardsticks


def _veth() -> Rate:
    """A kernel sends to another; the CPU is the receiver's."""
    with socket.create_server((_VETH[0], 0)) as listener:
        port = listener.getsockname()[1]
        _enter(_NAMESPACES[1])
        try:
            sender = socket.socket()
        finally:
            _enter(_NAMESPACES[0])
        process = multiprocessing.get_context("fork").Process(
            target=_send_all, args=(sender, port), daemon=True
        )
        process.start()
        sender.close()
        connection, _ = listener.accept()
        buffer = bytearray(1 << 18)
        received = 0
        cpu, start = time.process_time(), time.monotonic()
        with connection:
            while size := connection.recv_into(buffer):
                received += size
        elapsed, spent = time.monotonic() - start, time.process_time() - cpu
        process.join()
    return _bulk_rate(_VETH_ROW, received, elapsed, spent)


def _send_all(sender: socket.socket, port: int) -> None:
    with sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        sender.connect((_VETH[0], port))
        for _ in range(2 * _BYTES // len(_CHUNK)):
            sender.sendall(_CHUNK)


async def _raw() -> list[Rate]:
    """What a loop that does next to nothing gets out of the device."""
    received = await raw_tap.read(_KERNEL, _ADDRESS, lambda: _upload(_BYTES))
    written = await raw_tap.write(_BYTES)
    return [_bulk_rate(_RAW_READ, *received), _bulk_rate(_RAW_WRITE, *written)]
