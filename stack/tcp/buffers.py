"""The bytes between the application and the segments."""

from __future__ import annotations

from collections import deque

from stack.link import Buffer

_SMALL = 512
"""Bytes below which a piece is joined to the one before: a piece of its own costs about as much."""
_COALESCE = 4096
_NONE: deque[Buffer] = deque()
"""The pieces of every empty queue, which nobody changes: an idle connection needs none of its own."""


class ByteQueue:
    """A queue of bytes that is filled and emptied in pieces of any size without copying large ones.

    Small pieces are joined as they come, so that a stream of one-byte writes costs bytes and not objects.
    """

    __slots__ = ("_at", "_pieces", "length")

    def __init__(self) -> None:
        self._pieces = _NONE
        self._at = 0
        """What has been taken of the first piece."""
        self.length = 0

    def __len__(self) -> int:
        return self.length

    def append(self, data: Buffer) -> None:
        """Add bytes that nobody will change any more."""
        size = len(data)
        if not size:
            return
        pieces = self._pieces
        if not self.length:
            self._pieces = deque((data,))
        elif size < _SMALL and len(pieces[-1]) + size <= _COALESCE:
            pieces[-1] = b"".join((pieces[-1], data))
        else:
            pieces.append(data)
        self.length += size

    def take(self, limit: int) -> Buffer:
        """Remove and return up to ``limit`` bytes, by reference where they lie in one piece."""
        if limit >= self.length:
            limit = self.length
            if not limit:
                return b""
        pieces, at = self._pieces, self._at
        first = pieces[0]
        end = at + limit
        size = len(first)
        self.length -= limit
        if end < size:
            self._at = end
            return memoryview(first)[at:end]
        if end == size:
            self._discard(1)
            return first if not at else memoryview(first)[at:]
        taken: list[Buffer] = [memoryview(first)[at:]]
        limit -= size - at
        whole = 1
        while limit:
            piece = pieces[whole]
            if len(piece) > limit:
                taken.append(memoryview(piece)[:limit])
                break
            taken.append(piece)
            limit -= len(piece)
            whole += 1
        self._discard(whole)
        self._at = limit
        return b"".join(taken)

    def _discard(self, pieces: int) -> None:
        self._at = 0
        if not self.length:
            self._pieces = _NONE
            return
        for _ in range(pieces):
            self._pieces.popleft()

    def peek(self, limit: int) -> bytes:
        """A copy of up to ``limit`` bytes from the front, which stay."""
        copied = []
        at = self._at
        for piece in self._pieces:
            if limit <= 0:
                break
            copied.append(bytes(piece[at : at + limit]))
            limit -= len(copied[-1])
            at = 0
        return b"".join(copied)

    def clear(self) -> None:
        """Throw everything away."""
        self._pieces = _NONE
        self._at = self.length = 0
