"""The shell commands of scripts: no shell, but what they mean for the stack."""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from scenarios.packetdrill.calls.process import Process
from scenarios.packetdrill.listings import UnknownCommandError, is_listing
from scenarios.packetdrill.listings import run as run_listing
from scenarios.packetdrill.parser import nanoseconds
from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.sysctls import changes
from scenarios.profiles import LINUX
from stack.clock import MILLISECOND, SECOND
from stack.config import ConfigError, TcpConfig
from stack.sockets.stream import StreamSocket

_SEPARATOR: Final = re.compile(r"\n|;|&&")
_REDIRECTION: Final = re.compile(r"\s*(?:2>&1|[12]?>>?\s*/dev/null|&>\s*/dev/null)")
_ARITHMETIC: Final = re.compile(r"\$\(\(([\d\s*+]+)\)\)")
_TO_FILE: Final = re.compile(r"echo\s+(.+?)\s*>\s*(/proc/sys/\S+)")
_IFCONFIG: Final = re.compile(r"(?:/sbin/)?ifconfig\s+tun0\s+([0-9.]+/\d+)")
_OF_NEW_SOCKETS: Final = frozenset({"receive_buffer", "receive_buffer_max", "send_buffer", "congestion"})
_HARMLESS: Final = frozenset(
    {
        "true", ":", "sync", "kldload", "kldstat", "kldunload", "modprobe", "ethtool", "tc", "echo", "set", "dd", "rm",
        "touch", "truncate", "setkey", "nstat",
    }
)  # fmt: skip
"""What has no counterpart here, and needs none: modules, offloads, queueing disciplines, files, the keys of MD5,
counters that nobody looks at."""
_RESTORE: Final = re.compile(r"\S*sysctl_restore_\S*\.sh")
"""What ``set_sysctls.py`` leaves behind, to undo it."""
_ROUTE: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "initcwnd": lambda value: {"initial_window": int(value)},
    "rto_min": lambda value: {"min_rto": _duration(value)},
    "congctl": lambda value: {"congestion": value},
    "quickack": lambda value: {"quick_acks": 1000 if value == "1" else LINUX.get("quick_acks", 16)},
}
"""What of ``ip route`` is a knob here."""
_WAY: Final = frozenset({"dev", "via", "src", "proto", "scope", "metric", "table", "initrwnd"})
"""What says where the only route goes, or has no counterpart."""


class WrongStateError(Exception):
    """A state assertion that does not hold."""


class Shell:
    """Runs the shell parts of one script."""

    def __init__(self, process: Process, pause: Callable[[int], None]) -> None:
        """``pause`` lets so many ns pass."""
        self._process = process
        self._pause = pause

    def run(self, text: str, line: int) -> None:
        """Run commands. Raises UnsupportedError, WrongStateError."""
        for command in _commands(text):
            self._command(command, line)

    def _command(self, command: str, line: int) -> None:
        if is_listing(command):
            self._check_listing(command, line)
            return
        to_file = _TO_FILE.fullmatch(command)
        if to_file:
            self._set(_dotted(to_file.group(2)), to_file.group(1).strip("\"'"), line)
            return
        if _RESTORE.fullmatch(command):
            return
        if "|" in command or "`" in command or "$" in command:
            raise UnsupportedError(line, f"shell: {command}")
        try:
            words = shlex.split(command, comments=True)
        except ValueError:
            raise UnsupportedError(line, f"shell: {command}") from None
        if words:
            self._words(words, command, line)

    def _words(self, words: list[str], command: str, line: int) -> None:
        name = PurePosixPath(words[0]).name
        if name == "defaults.sh":
            self._configure(dict(LINUX), line, command)
        elif name == "sysctl":
            for word in words[1:]:
                if not word.startswith("-") and "=" in word:
                    setting, _, value = word.partition("=")
                    self._set(_dotted(setting), value, line)
        elif name == "set_sysctls.py":
            for word in words[1:]:
                setting, _, value = word.partition("=")
                self._set(_dotted(setting), value, line)
        elif words[:2] in (["ip", "route"], ["ip", "ro"], ["ip", "r"]) and len(words) > 3:
            self._change_route(words[3:], command, line)
        elif name == "sleep" and len(words) == 2:
            self._pause(nanoseconds(words[1]))
        elif name == "ifconfig":
            self._change_address(command, line)
        elif name == "tcpdrop":
            self._drop()
        elif name not in _HARMLESS and words[:3] != ["ip", "tcp_metrics", "flush"]:
            raise UnsupportedError(line, f"shell: {command}")

    def _change_route(self, words: list[str], command: str, line: int) -> None:
        """``ip route change DESTINATION name value ...``: there is one route, so it is as good as a knob."""
        pairs = list(zip(words[1::2], words[2::2], strict=False))
        if len(words) % 2 == 0 or any(name not in _ROUTE and name not in _WAY for name, _ in pairs):
            raise UnsupportedError(line, f"shell: {command}")
        for name, value in pairs:
            if name in _ROUTE:
                try:
                    self._configure(_ROUTE[name](value), line, command)
                except ValueError:
                    raise UnsupportedError(line, f"shell: {command}") from None

    def _set(self, name: str, value: str, line: int) -> None:
        value = " ".join(value.split())
        try:
            self._configure(changes(name, value), line, f"{name}={value}")
        except KeyError as unknown:
            what = unknown.args[0]
            why = "" if what == name else f" (the stack has no {what})"
            raise UnsupportedError(line, f"sysctl {name}{why}") from None
        except ValueError:
            raise UnsupportedError(line, f"sysctl {name}={value}") from None

    def _configure(self, knobs: dict[str, Any], line: int, what: str) -> None:
        """Sockets are like this from now on, but for what they were told to be, and for sizes of buffers."""
        if not knobs:
            return
        host = self._process.host
        before = host.config.tcp
        try:
            config: TcpConfig = replace(before, **knobs)
        except ConfigError:
            raise UnsupportedError(line, what) from None
        host.config = replace(host.config, tcp=config)
        for socket in host.sockets:
            if isinstance(socket, StreamSocket):
                own = socket.config
                changed = {
                    name: value
                    for name, value in knobs.items()
                    if name not in _OF_NEW_SOCKETS and getattr(own, name) == getattr(before, name)
                }
                if changed:
                    socket.configure(**changed)

    def _check_listing(self, command: str, line: int) -> None:
        try:
            succeeds, listing = run_listing(command, self._process.host)
        except UnknownCommandError as unknown:
            raise UnsupportedError(line, f"shell: {unknown}") from None
        if not succeeds:
            raise WrongStateError(f"`{command}` finds nothing in: {'; '.join(listing) or 'no sockets'}")

    def _change_address(self, command: str, line: int) -> None:
        """``ifconfig tun0 ADDRESS/LENGTH`` in place of the address that it had."""
        found = _IFCONFIG.fullmatch(command)
        if found is None:
            raise UnsupportedError(line, f"shell: {command}")
        host = self._process.host
        interface = host.interfaces["tun0"]
        for address in list(interface.addresses):
            host.remove_address(interface, address)
        host.add_address(interface, found.group(1))

    def _drop(self) -> None:
        """FreeBSD's tcpdrop, of the connection under test."""
        flow = self._process.flow
        connection = None if flow is None else self._process.connection(flow)
        if connection is not None:
            connection.transmitter.send_reset()
            connection.fail(errno.ECONNABORTED)


def _commands(text: str) -> Iterator[str]:
    text = _REDIRECTION.sub("", text.replace("\\\n", " "))
    text = _ARITHMETIC.sub(lambda found: str(_product(found.group(1))), text)
    for command in _split(text):
        command = command.strip()
        if command and not command.startswith("#"):
            yield command


def _split(text: str) -> list[str]:
    """At separators that are not quoted."""
    parts, quoted = [""], ""
    for piece in re.split(r"([\"'])", text):
        if piece in ("'", '"'):
            quoted = "" if quoted == piece else quoted or piece
            parts[-1] += piece
        elif quoted:
            parts[-1] += piece
        else:
            first, *others = _SEPARATOR.split(piece)
            parts[-1] += first
            parts += others
    return parts


def _product(text: str) -> int:
    """Arithmetic of the kind 15*1024*1024."""
    total = 0
    for term in text.split("+"):
        value = 1
        for factor in term.split("*"):
            value *= int(factor)
        total += value
    return total


def _duration(text: str) -> int:
    """``5ms`` of iproute2, in ns; a bare number is milliseconds."""
    number = text.removesuffix("ms")
    return int(float(number.removesuffix("s")) * (SECOND if number.endswith("s") else MILLISECOND))


def _dotted(name: str) -> str:
    """``/proc/sys/net/ipv4/tcp_sack`` as ``net.ipv4.tcp_sack``."""
    return name.removeprefix("/proc/sys/").removeprefix("/").replace("/", ".")
