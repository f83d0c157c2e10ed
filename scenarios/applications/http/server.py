"""An HTTP/1.1 server (RFC 9110, RFC 9112): GET, HEAD and PUT."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from contextlib import suppress
from http import HTTPMethod, HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

from scenarios.applications.content import CHUNK
from scenarios.applications.http.bodies import Body, Sink, SizedBody
from scenarios.applications.http.errors import HttpError, bad_request
from scenarios.applications.http.messages import Request
from scenarios.applications.http.reply import Reply
from scenarios.applications.http.site import Directory, Site
from scenarios.applications.http.stream import MessageStream
from scenarios.applications.servers import serve_connections
from stack.host import Host
from stack.link import Buffer
from stack.sockets.asynchronous import AsyncSocket

PATIENCE: Final = 75
"""Seconds that the server waits for a peer: for a request on an idle connection, for more of a request, and for room
to send (nginx keepalive_timeout)."""
LINGER: Final = 2
"""Seconds that it goes on reading a request that it has refused, so that the peer can read why (RFC 9112 9.6)."""
MAX_UPLOAD: Final = 16 * 1024**3
"""Bytes of one PUT."""
MAX_IGNORED: Final = 1024**2
"""Bytes of a body that a method has no use for, and of what is read while lingering."""

_ALLOW: Final = "GET, HEAD, PUT"
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]+(/[^?#]*)?(?:\?[^#]*)?", re.IGNORECASE)
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


async def serve_http(host: Host, port: int, directory: str | os.PathLike[str]) -> None:
    """Serve the files below ``directory``, and store what is PUT there, until cancelled.

    Raises OSError if there is no such directory or the port is taken.
    """
    site = Directory(directory)

    async def handle(connection: AsyncSocket) -> None:
        await converse(connection, site)

    await serve_connections(host, port, handle)


async def converse(connection: AsyncSocket, site: Site) -> None:
    """Answer the requests on one connection, one after the other, until either side has had enough.

    Raises OSError and EOFError for what the network does to it.
    """
    # The last segment of a response shall not wait for the ACK of the one before it.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = MessageStream(connection, PATIENCE)
    keep_alive = True
    while keep_alive:
        try:
            head = await stream.head()
        except TimeoutError:
            return
        except HttpError as refusal:
            keep_alive = False
            await Reply.to(refusal).send(stream, keep_alive=False, head_only=False)
        else:
            if head is None:
                return
            keep_alive = await _answer(stream, site, head)
    await _linger(connection)


async def _linger(connection: AsyncSocket) -> None:
    """Close our half, and read what is still under way: to close over it would reset the connection, and the peer might
    lose the response (RFC 9112 9.6)."""
    connection.shutdown(socket.SHUT_WR)
    ignored = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while ignored < MAX_IGNORED and (data := await connection.recv(CHUNK)):
                ignored += len(data)


async def _answer(stream: MessageStream, site: Site, head: bytes) -> bool:
    """Answer one request; whether the connection may be used for another."""
    keep_alive = head_only = False
    body: Body | None = None
    try:
        request = Request.parse(head)
        head_only = request.method == HTTPMethod.HEAD
        body = request.body()
        keep_alive = request.keeps_alive
        reply = await _perform(stream, site, request, body)
    except HttpError as refusal:
        reply = Reply.to(refusal)
        keep_alive = keep_alive and body is not None and body.complete
    await reply.send(stream, keep_alive=keep_alive, head_only=head_only)
    return keep_alive


async def _perform(stream: MessageStream, site: Site, request: Request, body: Body) -> Reply:
    """Do what the request asks for."""
    match request.method:
        case HTTPMethod.GET | HTTPMethod.HEAD:
            await _read(stream, request, body, lambda data: None, MAX_IGNORED)
            return _get(site, request)
        case HTTPMethod.PUT:
            return await _put(stream, site, request, body)
        case method if method in HTTPMethod.__members__:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, method, {"Allow": _ALLOW})
        case method:
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, method)


def _get(site: Site, request: Request) -> Reply:
    resource = site.open(_path(request.target))
    fields = {"Accept-Ranges": "bytes"}
    try:
        part = _part(request, resource.length)
    except HttpError:
        resource.close()
        raise
    if part is None:
        return Reply(HTTPStatus.OK, resource, fields)
    fields["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{resource.length}"
    return Reply(HTTPStatus.PARTIAL_CONTENT, resource, fields, part)


async def _put(stream: MessageStream, site: Site, request: Request, body: Body) -> Reply:
    if not request.declares_body:
        raise HttpError(HTTPStatus.LENGTH_REQUIRED)
    if request.fields.all("content-range"):  # RFC 9110 14.4: it would be taken for the whole
        raise bad_request("a PUT of a part")
    with site.store(_path(request.target)) as upload:
        await _read(stream, request, body, upload.write, MAX_UPLOAD)
        created = upload.commit()
    return Reply(HTTPStatus.CREATED if created else HTTPStatus.NO_CONTENT)


async def _read(stream: MessageStream, request: Request, body: Body, sink: Sink, limit: int) -> None:
    """Read a body of at most ``limit`` bytes, when the client has been told to send it if it waits for that."""
    too_large = HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {limit} bytes")
    if isinstance(body, SizedBody) and body.length > limit:
        raise too_large
    expectations = request.fields.tokens("expect")
    if expectations and expectations != ["100-continue"]:
        raise HttpError(HTTPStatus.EXPECTATION_FAILED)
    if expectations and request.version >= (1, 1) and not body.complete:
        await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = 0

    def limited(data: Buffer) -> None:
        nonlocal length
        length += len(data)
        if length > limit:
            raise too_large
        sink(data)

    await stream.body(body, limited)


def _path(target: str) -> str:
    """The path in an origin-form or absolute-form target (RFC 9112 3.2), percent-decoded."""
    if not target.startswith("/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise bad_request("malformed target")
        target = absolute[1] or "/"
    return os.fsdecode(unquote_to_bytes(target.partition("?")[0].encode("latin-1")))


def _part(request: Request, length: int) -> slice | None:
    """The part that is asked for (RFC 9110 14.2); None for all of it.

    Several ranges at once and If-Range, which needs a validator, are answered with all, as they may be. Raises
    :class:`HttpError` for a part that is not there.
    """
    wanted = request.fields.get("range")
    if request.method != HTTPMethod.GET or wanted is None or request.fields.get("if-range") is not None:
        return None
    found = _RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, last = max(0, length - int(found[2])), length - 1
    else:
        first, last = int(found[1]), min(int(found[2] or length), length - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first > last:
        raise HttpError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, fields={"Content-Range": f"bytes */{length}"}
        )
    return slice(first, last + 1)
