"""Heads of HTTP messages: bytes to requests and responses, and the way in which their bodies are framed.

Nothing here does any I/O. The parser is as strict as RFC 9112 lets it be: two readings of the same bytes are how
requests are smuggled past a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from scenarios.applications.http.bodies import Body, ChunkedBody, RemainingBody, SizedBody
from scenarios.applications.http.errors import HttpError, bad_request

MAX_HEAD = 64 * 1024
"""Bytes of a head, all lines together; nginx takes 32 KiB, Apache httpd 100 lines of 8 KiB."""
MAX_START_LINE = 8 * 1024
"""Bytes of a request line; RFC 9112 3 recommends 8000 at least."""
MAX_FIELDS = 100
"""Header fields of a message, as in Apache httpd."""
MAX_DIGITS = 18
"""Digits of a Content-Length: more than 2**59 bytes nobody means."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/(\d)\.(\d)")
_STATUS_LINE = re.compile(rb"HTTP/(\d)\.(\d) (\d{3})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD_LINE = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")

Version = tuple[int, int]


class HeadReader:
    """Finds where a head ends, in bytes that come in pieces."""

    __slots__ = ("_buffer", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    @property
    def empty(self) -> bool:
        """Whether nothing of a message has come yet."""
        return not self._buffer

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The head without the empty line at its end, and what comes after it; None until it is complete.

        Empty lines in front of it are skipped (RFC 9112 2.2). Raises :class:`HttpError` when it becomes too long.
        """
        buffer = self._buffer
        buffer += data
        if self._searched == 0:
            del buffer[: len(buffer) - len(buffer.lstrip(b"\r\n"))]
        end = _END_OF_HEAD.search(buffer, max(0, self._searched - 3))
        self._searched = len(buffer)
        length = end.start() if end else len(buffer)
        if buffer.find(b"\n", 0, MAX_START_LINE) < 0 and length > MAX_START_LINE:
            raise HttpError(HTTPStatus.REQUEST_URI_TOO_LONG, f"the first line is over {MAX_START_LINE} bytes")
        if length > MAX_HEAD:
            raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head is over {MAX_HEAD} bytes")
        if end is None:
            return None
        head, rest = bytes(buffer[: end.start()]), bytes(buffer[end.end() :])
        buffer.clear()
        self._searched = 0
        return head, rest


class Fields:
    """Header fields; names are compared without case (RFC 9110 5.1)."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = [(name.lower(), value) for name, value in items]

    @classmethod
    def parse(cls, lines: list[bytes]) -> Fields:
        """Raises :class:`HttpError` if there are too many, or a line is no field, as one that is folded."""
        if len(lines) > MAX_FIELDS:
            raise HttpError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"{len(lines)} fields, over {MAX_FIELDS}"
            )
        items = []
        for line in lines:
            match = _FIELD_LINE.fullmatch(line)
            if match is None:
                raise bad_request(f"{line[:80]!r} is no header field")
            items.append((match[1].decode("ascii"), match[2].strip(b"\t ").decode("latin-1")))
        return cls(items)

    def all(self, name: str) -> list[str]:
        """The values of every line of that name."""
        name = name.lower()
        return [value for key, value in self._items if key == name]

    def get(self, name: str) -> str | None:
        """The value, those of several lines joined by commas (RFC 9110 5.3); None if there is no such field."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def tokens(self, name: str) -> list[str]:
        """The elements of a comma-separated list, in lower case."""
        elements = (element.strip().lower() for value in self.all(name) for element in value.split(","))
        return [element for element in elements if element]


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request."""

    method: str
    target: str
    version: Version
    fields: Fields

    @classmethod
    def parse(cls, head: bytes) -> Request:
        """Raises :class:`HttpError`."""
        first, *lines = _lines(head)
        match = _REQUEST_LINE.fullmatch(first)
        if match is None:
            raise bad_request("malformed request line")
        version = int(match[3]), int(match[4])
        if version[0] != 1:
            raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        request = cls(match[1].decode("ascii"), match[2].decode("latin-1"), version, Fields.parse(lines))
        hosts = request.fields.all("host")
        if len(hosts) > 1 or (not hosts and version >= (1, 1)):  # RFC 9112 3.2
            raise bad_request("one Host field is needed")
        return request

    @property
    def keeps_alive(self) -> bool:
        """Whether the client would go on with the connection."""
        return _keeps_alive(self.version, self.fields)

    @property
    def declares_body(self) -> bool:
        """Whether the client says where its body ends; without that there is none (RFC 9112 6.3, case 7)."""
        return bool(self.fields.all("content-length") or self.fields.all("transfer-encoding"))

    def body(self) -> Body:
        """A reader for the body. Raises :class:`HttpError` (RFC 9112 6.1, 6.3)."""
        codings = self.fields.tokens("transfer-encoding")
        length = _content_length(self.fields)
        if not codings:
            return SizedBody(length or 0)
        if length is not None:
            raise bad_request("both Content-Length and Transfer-Encoding")
        if self.version < (1, 1):
            raise bad_request("Transfer-Encoding in HTTP/1.0")
        if any(coding != "chunked" for coding in codings):
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, "the only transfer coding here is chunked")
        if len(codings) > 1:
            raise bad_request("chunked twice")
        return ChunkedBody()


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response."""

    status: int
    reason: str
    version: Version
    fields: Fields

    @classmethod
    def parse(cls, head: bytes) -> Response:
        """Raises :class:`HttpError`."""
        first, *lines = _lines(head)
        match = _STATUS_LINE.fullmatch(first)
        if match is None:
            raise bad_request("malformed status line")
        version = int(match[1]), int(match[2])
        reason = (match[4] or b"").decode("latin-1")
        return cls(int(match[3]), reason, version, Fields.parse(lines))

    @property
    def keeps_alive(self) -> bool:
        """Whether the server would go on with the connection."""
        return _keeps_alive(self.version, self.fields)

    def body(self, method: str) -> Body:
        """A reader for the body of the response to ``method``. Raises :class:`HttpError` (RFC 9112 6.3)."""
        if method == "HEAD" or self.status < 200 or self.status in (204, 304):
            return SizedBody(0)
        codings = self.fields.tokens("transfer-encoding")
        if codings == ["chunked"]:
            return ChunkedBody()
        if codings:
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, f"transfer coding {', '.join(codings)}")
        length = _content_length(self.fields)
        return RemainingBody() if length is None else SizedBody(length)


def _lines(head: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in head.split(b"\n")]


def _keeps_alive(version: Version, fields: Fields) -> bool:
    """Whether the connection may be used again after this message (RFC 9112 9.3)."""
    options = fields.tokens("connection")
    return "close" not in options and (version >= (1, 1) or "keep-alive" in options)


def _content_length(fields: Fields) -> int | None:
    """None without the field. Raises :class:`HttpError` for what is no number, or several that differ."""
    values = dict.fromkeys(fields.tokens("content-length"))
    if not values:
        return None
    text, *others = values
    if others or not (text.isascii() and text.isdigit()):
        raise bad_request("invalid Content-Length")
    if len(text) > MAX_DIGITS:
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(text)
