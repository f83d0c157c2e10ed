"""The servers of ``usernetstack live``."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.applications.http.server import serve_http
from scenarios.applications.small import serve_chargen, serve_discard, serve_echo
from scenarios.problems import did_you_mean
from stack.host import Host

SMALL: dict[str, Callable[[Host, int], Coroutine[Any, Any, None]]] = {
    "chargen": serve_chargen,
    "discard": serve_discard,
    "echo": serve_echo,
}
"""Those that need nothing but a port; over TCP and UDP."""
HTTP = "http"
KINDS = (*SMALL, HTTP)


@dataclass(frozen=True, slots=True)
class Service:
    """One server: what it serves, and on which port."""

    kind: str
    port: int
    directory: Path | None = None
    """What an http server serves and stores into."""

    @classmethod
    def parse(cls, text: str) -> Service:
        """From ``echo:7`` or ``http:80:DIRECTORY``. Raises ValueError."""
        kind, _, rest = text.partition(":")
        port, colon, directory = rest.partition(":")
        if kind not in KINDS:
            raise ValueError(f"there is no server {kind!r}{did_you_mean(kind, KINDS)}")
        if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
            raise ValueError(f"{text!r} needs a port within 1..65535, as in {kind}:8080")
        if kind != HTTP:
            if colon:
                raise ValueError(f"{text!r}: {kind} serves no directory")
            return cls(kind, int(port))
        if not directory:
            raise ValueError(f"{text!r} needs a directory, as in http:{port}:.")
        if not os.path.isdir(directory):
            raise ValueError(f"{text!r}: there is no directory {directory}")
        return cls(kind, int(port), Path(directory))

    async def run(self, host: Host) -> None:
        """Serve until cancelled. Raises OSError if the port is taken."""
        if self.directory is not None:
            await serve_http(host, self.port, self.directory)
        else:
            await SMALL[self.kind](host, self.port)

    def __str__(self) -> str:
        if self.directory is not None:
            return f"{self.kind} on port {self.port}: {self.directory}"
        return f"{self.kind} on port {self.port} (TCP and UDP)"
