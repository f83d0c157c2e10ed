"""Network namespaces: each a kernel's TCP of its own, all within reach of one process.

A socket and a TAP device belong for good to the namespace in which they were made, whoever uses them later.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)  # os.unshare and os.setns are as young as Python 3.12


class Namespace:
    """A fresh network namespace; it vanishes when it is closed and nothing that was made in it is left."""

    def __init__(self) -> None:
        outside = _current()
        try:
            _check(_LIBC.unshare(_CLONE_NEWNET), "unshare")
            self._descriptor = _current()
        finally:
            _check(_LIBC.setns(outside, _CLONE_NEWNET), "setns")
            os.close(outside)
        self.ip("link set lo up")

    def close(self) -> None:
        os.close(self._descriptor)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The thread, and what it makes and starts, is in the namespace."""
        outside = _current()
        try:
            _check(_LIBC.setns(self._descriptor, _CLONE_NEWNET), "setns")
            yield
        finally:
            _check(_LIBC.setns(outside, _CLONE_NEWNET), "setns")
            os.close(outside)

    def ip(self, *commands: str) -> None:
        """Run commands of iproute2's ``ip``."""
        with self.entered():
            subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)

    def sysctl(self, name: str, value: int) -> None:
        """Set one, such as ``net.ipv4.tcp_sack``."""
        with self.entered():
            Path("/proc/sys", *name.split(".")).write_text(f"{value:d}")

    def counters(self) -> dict[str, int]:
        """What the kernel has counted: the names are those of ``nstat`` without the first word."""
        with self.entered():
            lines = [
                line
                for file in ("snmp", "netstat")
                for line in Path("/proc/thread-self/net", file).read_text().splitlines()
            ]
        pairs = zip(lines[::2], lines[1::2], strict=True)
        return {
            name: int(value)
            for names, values in pairs
            for name, value in zip(names.split()[1:], values.split()[1:], strict=True)
        }


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _check(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), call)
