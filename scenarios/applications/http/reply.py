"""Responses as the server sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from scenarios.applications.content import CHUNK
from scenarios.applications.http.errors import HttpError
from scenarios.applications.http.site import Resource, Text
from scenarios.applications.http.stream import MessageStream


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: a status, and the content of a resource or a part of it."""

    status: HTTPStatus
    resource: Resource = field(default_factory=lambda: Text("", "text/plain"))
    fields: Mapping[str, str] = field(default_factory=dict)
    part: slice | None = None
    """From where up to where; None: all."""

    @classmethod
    def to(cls, refusal: HttpError) -> Reply:
        """The response to what was refused, with a line that says why."""
        return cls(refusal.status, Text(f"{refusal}\n", "text/plain; charset=utf-8"), refusal.fields)

    async def send(self, stream: MessageStream, *, keep_alive: bool, head_only: bool) -> None:
        """Send it, without the content if it is the response to HEAD; then close the resource.

        Raises EOFError if the resource turns out to be shorter than it was: then there is no way to end the response
        but to end the connection.
        """
        with self.resource as resource:
            position, end = (self.part.start, self.part.stop) if self.part else (0, resource.length)
            data = self._head(end - position, keep_alive)
            if head_only:
                end = position
            while position < end:
                content = resource.read(position, min(end - position, CHUNK))
                if not content:
                    raise EOFError("the resource has become shorter")
                position += len(content)
                await stream.send(data + content if data else content, more=position < end)
                data = b""
            await stream.send(data)

    def _head(self, length: int, keep_alive: bool) -> bytes:
        """There is no Date: that takes a clock that knows the time of day (RFC 9110 6.6.1)."""
        fields = {"Server": "usernetstack", **self.fields}
        if self.status != HTTPStatus.NO_CONTENT:
            fields["Content-Length"] = str(length)
        if length:
            fields["Content-Type"] = self.resource.media_type
        fields["Connection"] = "keep-alive" if keep_alive else "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n{lines}\r\n".encode("latin-1")
