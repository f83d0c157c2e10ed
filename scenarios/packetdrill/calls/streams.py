"""Descriptors that are no sockets: pipes and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_PIPE_SIZE: Final = 65_536
"""Bytes in a pipe (Linux pipe(7))."""


@dataclass(slots=True, eq=False)
class PipeEnd:
    """One end of a pipe; both ends share the buffer."""

    buffer: bytearray

    @property
    def room(self) -> int:
        """Bytes that can be written."""
        return _PIPE_SIZE - len(self.buffer)


@dataclass(slots=True, eq=False)
class DataFile:
    """A file full of the pattern."""

    position: int = 0
