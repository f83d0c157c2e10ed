"""The files that a command writes, standard output among them.

Whether they can be written is looked at before anything runs, as far as that can be known; a file is written whole or
not at all; and what goes wrong is a :class:`~scenarios.problems.ScenarioError` about that file.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from scenarios.problems import Problem, ScenarioError

STANDARD_OUTPUT = "standard output"


@contextmanager
def writing(where: str) -> Iterator[None]:
    """What is done in here writes ``where``: an OSError becomes a ScenarioError about it."""
    try:
        yield
    except OSError as error:
        raise ScenarioError([Problem(where, f"cannot be written: {error.strerror}")]) from None


def obstacle(name: str | Path) -> str | None:
    """Why no file can be written under this name; None if it seems that one can. Missing directories can be made."""
    if not str(name):
        return "the name of a file is missing"
    if "\0" in str(name):
        return f"{str(name)!r} is not the name of a file"
    path = Path(name)
    try:
        return f"{path} is a directory" if path.is_dir() else directory_obstacle(path.absolute().parent)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"


def directory_obstacle(path: Path) -> str | None:
    """Why no file can be made in this directory, or the directory itself not be made."""
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not nearest.is_dir():
        return f"{nearest} is not a directory"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"nothing can be written in {nearest}: {os.strerror(errno.EACCES)}"
    return None


@contextmanager
def directory_for(path: Path) -> Iterator[None]:
    """A directory for a file that is written meanwhile; after an exception, those that were made and have remained
    empty are taken away again.
    """
    missing = [parent for parent in path.parents if not parent.exists()]
    with writing(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for parent in missing:
                parent.rmdir()
        raise


def to_json(data: dict[str, Any]) -> str:
    """JSON for people to read as well."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a file whole, or not at all. Raises ScenarioError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(str(path)):
        try:
            partial.write_text(to_json(data) + "\n", encoding="utf-8")
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def put_out(text: str) -> None:
    """Print a line on standard output. Raises ScenarioError."""
    with writing(STANDARD_OUTPUT):
        print(text, flush=True)


class Output:
    """A standard stream that raises ScenarioError where it cannot be written."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        """See :meth:`io.TextIOBase.write`."""
        with writing(self._name):
            return self._stream.write(text)

    def flush(self) -> None:
        """See :meth:`io.IOBase.flush`."""
        with writing(self._name):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def give_up_what_cannot_be_flushed() -> None:
    """Let the program end without another word about a standard output of which it is known that it is full."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
