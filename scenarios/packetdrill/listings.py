"""What the commands of scripts that list sockets print, and pipelines over it: assertions about states.

Known are FreeBSD's ``sockstat`` and ``netstat``, Linux's ``/proc/net/tcp``, and behind them ``grep`` and ``wc -l``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from stack.host import Host
from stack.sockets.stream import StreamSocket
from stack.tcp.state import LINUX_NUMBERS, State
from stack.wire.address import UNSPECIFIED_V4, UNSPECIFIED_V6, format_address, unmap_v4

_FREEBSD_NAMES: Final = {State.SYN_RECEIVED: "SYN_RCVD"}
_UNKNOWN: Final = "?"


class UnknownCommandError(Exception):
    """A command, or an option of one, that is not known."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A TCP socket, or a connection whose socket has gone."""

    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    state: State

    @property
    def v6(self) -> bool:
        return len(self.local) == 16


def is_listing(command: str) -> bool:
    """Whether a command is a pipeline over a listing."""
    first = PurePosixPath(command.split(maxsplit=1)[0]).name
    return first in ("sockstat", "netstat") or (first in ("grep", "cat") and "/proc/net/tcp" in command)


def run(command: str, host: Host) -> tuple[bool, list[str]]:
    """Run a pipeline; returns whether its last command succeeds, and the lines that went into the first filter.

    Raises UnknownCommandError.
    """
    first, *filters = ([*shlex.split(part)] for part in _pipeline(command))
    name = PurePosixPath(first[0]).name
    if name == "grep":
        files = [word for word in first[1:] if word.startswith("/proc/")]
        filters.insert(0, [word for word in first if word not in files])
    else:
        files = first[1:]
    if name in ("grep", "cat"):
        lines = list(_proc(host, files))
    else:
        ports = [int(word) for option, word in pairwise(first) if option == "-p" and word.isdecimal()]
        lines = list(_sockstat(host, ports, netstat=name == "netstat"))
    succeeds, passed = True, lines
    for words in filters:
        succeeds, passed = _filter(words, passed)
    return succeeds, lines


def _pipeline(command: str) -> list[str]:
    """At the bars that are not quoted."""
    parts = [""]
    for piece in re.findall(r"\"[^\"]*\"|'[^']*'|\||[^|\"']+", command):
        if piece == "|":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


# --- filters ----------------------------------------------------------------------------------------------------------


def _filter(words: Sequence[str], lines: list[str]) -> tuple[bool, list[str]]:
    name = PurePosixPath(words[0]).name if words else ""
    if name == "wc" and list(words[1:]) == ["-l"]:
        return True, [str(len(lines))]
    if name not in ("grep", "egrep"):
        raise UnknownCommandError(" ".join(words))
    return _grep(words[1:], lines)


def _grep(words: Sequence[str], lines: list[str]) -> tuple[bool, list[str]]:
    flags = "".join(word[1:] for word in words if word.startswith("-") and len(word) > 1)
    patterns = [word for word in words if not word.startswith("-") or len(word) == 1]
    if len(patterns) != 1 or not set(flags) <= set("cqvwiEF"):
        raise UnknownCommandError("grep " + " ".join(words))
    found = list(filter(_selector(patterns[0], flags), lines))
    return bool(found), [str(len(found))] if "c" in flags else found


def _selector(pattern: str, flags: str) -> Callable[[str], bool]:
    pattern = re.escape(pattern) if "F" in flags else pattern.replace(r"\|", "|")
    if "w" in flags:
        pattern = rf"\b(?:{pattern})\b"
    try:
        expression = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    except re.error:
        raise UnknownCommandError(f"grep {pattern}") from None
    wanted = "v" not in flags
    return lambda line: (expression.search(line) is not None) is wanted


# --- listings ---------------------------------------------------------------------------------------------------------


def _entries(host: Host) -> Iterator[_Entry]:
    for socket in host.sockets:
        if isinstance(socket, StreamSocket) and (socket.listening or socket.connection is None):
            address = UNSPECIFIED_V4 if socket.family == 2 else UNSPECIFIED_V6
            port = int(socket.getsockname()[1]) if socket.bound else 0
            yield _Entry(address, port, address, 0, State.LISTEN if socket.listening else State.CLOSED)
    for connection in host.tcp.connections:
        yield _Entry(
            connection.local,
            connection.local_port,
            connection.remote,
            connection.remote_port,
            connection.state,
        )


def _sockstat(host: Host, ports: Sequence[int], *, netstat: bool) -> Iterator[str]:
    """One line for each, or with these ports; the columns are FreeBSD's, but no process is named."""
    for entry in _entries(host):
        if ports and entry.local_port not in ports and entry.remote_port not in ports:
            continue
        protocol = "tcp6" if entry.v6 else "tcp4"
        local, remote = (_place(entry.local, entry.local_port), _place(entry.remote, entry.remote_port))
        lead = f"{protocol} 0 0" if netstat else f"{_UNKNOWN} {_UNKNOWN} {_UNKNOWN} {_UNKNOWN} {protocol}"
        yield f"{lead} {local} {remote} {_FREEBSD_NAMES.get(entry.state, entry.state.name)}"


def _place(address: bytes, port: int) -> str:
    text = format_address(address) if any(address) else "*"
    return f"{text}:{port or '*'}"


def _proc(host: Host, files: Sequence[str]) -> Iterator[str]:
    """``/proc/net/tcp`` and ``tcp6``, up to the state (Linux get_tcp4_sock): addresses as the words of the machine."""
    for index, entry in enumerate(_entries(host)):
        mapped = unmap_v4(entry.local) is not None
        if f"/proc/net/tcp{'6' if entry.v6 and not mapped else ''}" in files:
            local, remote = (_words(entry.local, entry.local_port), _words(entry.remote, entry.remote_port))
            yield f"{index:4}: {local} {remote} {LINUX_NUMBERS[entry.state]:02X} "


def _words(address: bytes, port: int) -> str:
    words = (address[at : at + 4][::-1] for at in range(0, len(address), 4))
    return f"{b''.join(words).hex().upper()}:{port:04X}"
