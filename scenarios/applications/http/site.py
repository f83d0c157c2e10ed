"""What an HTTP server serves: anything that can open and store paths, and a directory that does."""

from __future__ import annotations

import errno
import html
import mimetypes
import os
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from scenarios.applications.content import CHUNK
from scenarios.applications.http.errors import HttpError, bad_request
from stack.link import Buffer

INDEX = "index.html"
"""Served for a directory that has one; for another there is a list of its files."""


class Resource(ABC):
    """Something that can be read, at any position; a context manager that closes it."""

    media_type: str
    length: int

    @abstractmethod
    def read(self, position: int, limit: int) -> Buffer:
        """Up to ``limit`` bytes from ``position``; empty only if there are none any more."""

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Upload(ABC):
    """Something that is being stored. It takes the place of what was there before when it is whole, or never."""

    @abstractmethod
    def write(self, data: Buffer) -> None:
        """Append. Raises :class:`HttpError` if there is no room."""

    @abstractmethod
    def commit(self) -> bool:
        """It is whole; whether there was nothing at its place before."""


class Site(ABC):
    """What is served. Paths are absolute and have been percent-decoded."""

    @abstractmethod
    def open(self, path: str) -> Resource:
        """Raises :class:`HttpError` if there is nothing at ``path``, or it is elsewhere."""

    def store(self, path: str) -> AbstractContextManager[Upload]:
        """An upload to ``path``, undone unless it is committed. Raises :class:`HttpError` if it cannot be."""
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "read only", {"Allow": "GET, HEAD"})


class Text(Resource):
    """A page that was made for the occasion."""

    def __init__(self, text: str, media_type: str = "text/html; charset=utf-8") -> None:
        self._data = text.encode("utf-8", "surrogateescape")
        self.media_type = media_type
        self.length = len(self._data)

    def read(self, position: int, limit: int) -> Buffer:
        """See :meth:`Resource.read`."""
        return self._data[position : position + limit]

    def close(self) -> None:
        """There is nothing to give back."""


class File(Resource):
    """An open file."""

    def __init__(self, descriptor: int, length: int, media_type: str) -> None:
        self._descriptor = descriptor
        self.length = length
        self.media_type = media_type

    def read(self, position: int, limit: int) -> Buffer:
        """See :meth:`Resource.read`."""
        return os.pread(self._descriptor, min(limit, CHUNK), position)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class Directory(Site):
    """The regular files below a directory. Nothing outside is read or written, wherever dots and links may lead."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Raises OSError if there is no such directory."""
        self._root = Path(root).resolve(strict=True)
        if not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))

    def open(self, path: str) -> Resource:
        """A file, or for a directory its index; a directory's path without a slash at its end is redirected."""
        place = self._place(path)
        with _refusing():
            if not place.is_dir():
                if path.endswith("/"):
                    raise HttpError(HTTPStatus.NOT_FOUND)
                return _open(place)
            if not path.endswith("/"):
                raise HttpError(HTTPStatus.MOVED_PERMANENTLY, fields={"Location": _reference(path) + "/"})
            if (place / INDEX).exists():
                return _open(self._place(path + INDEX))
            return _listing(place, path)

    @contextmanager
    def store(self, path: str) -> Iterator[Upload]:
        """A file in a directory that exists; it is written beside its place under another name first."""
        place = self._place(path)
        with _refusing():
            if path.endswith("/") or place.is_dir():
                raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "a directory", {"Allow": "GET, HEAD"})
            upload = _FileUpload(place)
        try:
            yield upload
        finally:
            upload.discard()

    def _place(self, path: str) -> Path:
        """Where ``path`` leads when all dots and symbolic links are followed, if that is below the root."""
        if "\0" in path:
            raise bad_request("a path cannot contain NUL")
        place = Path(os.path.realpath(self._root / path.lstrip("/")))
        if not place.is_relative_to(self._root):
            raise HttpError(HTTPStatus.NOT_FOUND)
        return place


class _FileUpload(Upload):
    def __init__(self, place: Path) -> None:
        self._place = place
        descriptor, self._temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=place.parent)
        self._file = os.fdopen(descriptor, "wb")
        os.fchmod(descriptor, 0o644)

    def write(self, data: Buffer) -> None:
        """See :meth:`Upload.write`."""
        with _refusing():
            self._file.write(data)

    def commit(self) -> bool:
        """See :meth:`Upload.commit`."""
        with _refusing():
            self._file.close()
            created = not self._place.exists()
            os.replace(self._temporary, self._place)
        return created

    def discard(self) -> None:
        """Leave nothing behind; does nothing after :meth:`commit`."""
        with suppress(OSError):
            self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._temporary)


_ANSWERS = {
    errno.EACCES: HTTPStatus.FORBIDDEN,
    errno.EPERM: HTTPStatus.FORBIDDEN,
    errno.EROFS: HTTPStatus.FORBIDDEN,
    errno.ENOENT: HTTPStatus.NOT_FOUND,
    errno.ENOTDIR: HTTPStatus.NOT_FOUND,
    errno.ENAMETOOLONG: HTTPStatus.NOT_FOUND,
    errno.ELOOP: HTTPStatus.NOT_FOUND,
    errno.ENXIO: HTTPStatus.NOT_FOUND,
    errno.ENOSPC: HTTPStatus.INSUFFICIENT_STORAGE,
    errno.EDQUOT: HTTPStatus.INSUFFICIENT_STORAGE,
}


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the file system says into what HTTP says."""
    try:
        yield
    except OSError as error:
        raise HttpError(
            _ANSWERS.get(error.errno or 0, HTTPStatus.INTERNAL_SERVER_ERROR), error.strerror or ""
        ) from error


def _open(place: Path) -> File:
    """A regular file; whatever else there is (a FIFO would never end) is not there."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise HttpError(HTTPStatus.NOT_FOUND)
    media_type, encoding = mimetypes.guess_type(place.name)
    known = media_type is not None and encoding is None
    return File(
        descriptor, status.st_size, media_type if known and media_type else "application/octet-stream"
    )


def _listing(place: Path, path: str) -> Text:
    title = f"Index of {html.escape(path)}"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(place))
    lines = (f'<li><a href="./{_quote(name)}">{html.escape(name)}</a></li>\n' for name in names)
    return Text(
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1>\n<ul>\n{''.join(lines)}</ul></body></html>\n"
    )


def _quote(path: str) -> str:
    return quote(os.fsencode(path))


def _reference(path: str) -> str:
    """``path`` in a Location; with two slashes in front it would name another host (RFC 3986 4.2)."""
    return "/" + _quote(path.lstrip("/"))
