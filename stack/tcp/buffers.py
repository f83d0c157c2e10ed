"""The bytes between the application and the segments."""

from __future__ import annotations

from collections import deque

from stack.link import Buffer

_COALESCE = 4096


class ByteQueue:
    """A queue of bytes that is filled and emptied in pieces of any size without copying large ones.

    Small pieces are joined as they come, so that a stream of one-byte writes costs bytes and not objects.
    """

    __slots__ = ("_pieces", "length")

    def __init__(self) -> None:
        self._pieces: deque[Buffer] = deque()
        self.length = 0

    def __len__(self) -> int:
        return self.length

    def append(self, data: Buffer) -> None:
        """Add bytes that nobody will change any more."""
        size = len(data)
        if not size:
            return
        self.length += size
        pieces = self._pieces
        if pieces and len(pieces[-1]) + size <= _COALESCE:
            pieces[-1] = b"".join((pieces[-1], data))
        else:
            pieces.append(data)

    def take(self, limit: int) -> Buffer:
        """Remove and return up to ``limit`` bytes, by reference where they lie in one piece."""
        limit = min(limit, self.length)
        if limit == 0:
            return b""
        pieces = self._pieces
        self.length -= limit
        first = pieces[0]
        if len(first) == limit:
            return pieces.popleft()
        if len(first) > limit:
            view = memoryview(first)
            pieces[0] = view[limit:]
            return view[:limit]
        taken = []
        while limit:
            piece = pieces[0]
            if len(piece) <= limit:
                taken.append(pieces.popleft())
                limit -= len(piece)
            else:
                view = memoryview(piece)
                taken.append(view[:limit])
                pieces[0] = view[limit:]
                limit = 0
        return b"".join(taken)

    def peek(self, limit: int) -> bytes:
        """A copy of up to ``limit`` bytes from the front, which stay."""
        copied = []
        for piece in self._pieces:
            if limit <= 0:
                break
            copied.append(bytes(piece[:limit]))
            limit -= len(copied[-1])
        return b"".join(copied)

    def clear(self) -> None:
        """Throw everything away."""
        self._pieces.clear()
        self.length = 0
