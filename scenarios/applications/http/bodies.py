"""Bodies of HTTP messages: where they end (RFC 9112 6.3, 7.1). Nothing here does any I/O."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

from scenarios.applications.http.errors import bad_request
from stack.link import Buffer

MAX_LINE = 4096
"""Bytes of a line between chunks, extensions included."""
MAX_TRAILERS = 64 * 1024
"""Bytes of all trailer fields."""

Sink: TypeAlias = Callable[[Buffer], object]
"""Takes content, in pieces."""


class Body(ABC):
    """The body of one message, as it arrives."""

    __slots__ = ("complete",)

    def __init__(self, complete: bool = False) -> None:
        self.complete = complete
        """Whether all of it has come."""

    @abstractmethod
    def feed(self, data: bytes, sink: Sink) -> bytes:
        """Give the content in ``data`` to ``sink``; returns what follows the body. Raises :class:`HttpError`."""

    def end(self) -> None:
        """The connection has ended. Raises EOFError if the body has not."""
        if not self.complete:
            raise EOFError("the connection was closed in the middle of a message")


class SizedBody(Body):
    """As long as Content-Length says."""

    __slots__ = ("_missing", "length")

    def __init__(self, length: int) -> None:
        super().__init__(complete=length == 0)
        self.length = length
        self._missing = length

    def feed(self, data: bytes, sink: Sink) -> bytes:
        """See :meth:`Body.feed`."""
        content, rest = (data, b"") if len(data) <= self._missing else _split(data, self._missing)
        self._missing -= len(content)
        self.complete = self._missing == 0
        if content:
            sink(content)
        return rest


class RemainingBody(Body):
    """All until the connection ends: what HTTP/1.0 servers send."""

    __slots__ = ()

    def feed(self, data: bytes, sink: Sink) -> bytes:
        """See :meth:`Body.feed`."""
        sink(data)
        return b""

    def end(self) -> None:
        """That was all."""
        self.complete = True


class _Line(Enum):
    """What the next line is, between chunks."""

    SIZE = auto()
    END_OF_CHUNK = auto()
    TRAILER = auto()


class ChunkedBody(Body):
    """The chunked transfer coding (RFC 9112 7.1). Chunk extensions and trailers are read and forgotten."""

    __slots__ = ("_expected", "_line", "_missing", "_trailers")

    _SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")

    def __init__(self) -> None:
        super().__init__()
        self._expected = _Line.SIZE
        self._line = bytearray()
        self._missing = 0
        self._trailers = 0

    def feed(self, data: bytes, sink: Sink) -> bytes:
        """See :meth:`Body.feed`."""
        position = 0
        while position < len(data) and not self.complete:
            if self._missing:
                content = memoryview(data)[position : position + self._missing]
                self._missing -= len(content)
                position += len(content)
                sink(content)
            else:
                end = data.find(b"\n", position) + 1 or len(data)
                self._line += data[position:end]
                position = end
                if len(self._line) > MAX_LINE:
                    raise bad_request("a line between chunks is too long")
                if self._line.endswith(b"\n"):
                    self._take_line(bytes(self._line))
                    self._line.clear()
        return data[position:]

    def _take_line(self, line: bytes) -> None:
        match self._expected:
            case _Line.SIZE:
                found = self._SIZE_LINE.fullmatch(line)
                if found is None:
                    raise bad_request("malformed chunk size")
                self._missing = int(found[1], 16)
                self._expected = _Line.END_OF_CHUNK if self._missing else _Line.TRAILER
            case _Line.END_OF_CHUNK:
                if line != b"\r\n":
                    raise bad_request("a chunk is longer than its size")
                self._expected = _Line.SIZE
            case _Line.TRAILER:
                self._trailers += len(line)
                self.complete = line == b"\r\n"
                if self._trailers > MAX_TRAILERS:
                    raise bad_request("too many trailer fields")


def _split(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[:at], data[at:]
