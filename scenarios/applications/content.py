"""Content that can be checked byte for byte at the far end, without keeping a copy of it.

A :class:`Stream` is endless and repeats one pseudo-random block whose length is a prime. What a network or a stack
does wrong moves data by whole segments, buffers or windows. For the damage to go unseen, the distance would have to
be a multiple of the block's length; as that is a prime above any segment size, ``k`` lost, doubled or swapped segments
of any one size look right only if ``k`` itself is a multiple of it: more than a million segments. A block of 2**20
bytes would be blind to a lost window of just 1 MiB.

Slicing a block and comparing against it is memory copying, many GB/s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

from stack.link import Buffer

PERIOD = 1_048_573
"""Bytes after which a stream repeats: the largest prime below 2**20."""
CHUNK = 256 * 1024
"""Bytes that are sent or read at once: large, as each call costs, and far below :data:`PERIOD`."""


@cache
def _block() -> bytes:
    """Two periods, so that a period starts at any offset of the first."""
    return hashlib.shake_128(b"usernetstack").digest(PERIOD) * 2


class Stream:
    """An endless stream of bytes, the same for the same key. Streams of different keys differ everywhere."""

    __slots__ = ("_block", "_phase", "_view")

    def __init__(self, key: str) -> None:
        self._block = _block()
        self._view = memoryview(self._block)
        self._phase = int.from_bytes(hashlib.shake_128(key.encode()).digest(8), "big") % PERIOD

    def chunk(self, position: int, limit: int) -> memoryview:
        """The bytes from ``position``, ``limit`` of them but at most :data:`CHUNK`."""
        start = (self._phase + position) % PERIOD
        return self._view[start : start + min(limit, CHUNK)]

    def chunks(self, position: int, length: int) -> Iterator[memoryview]:
        """The ``length`` bytes from ``position``, in chunks."""
        end = position + length
        while position < end:
            chunk = self.chunk(position, end - position)
            yield chunk
            position += len(chunk)

    def matches(self, position: int, data: Buffer) -> bool:
        """Whether ``data`` is what stands at ``position``."""
        if len(data) > PERIOD:
            view = memoryview(data)
            return self.matches(position, view[:PERIOD]) and self.matches(position, view[PERIOD:])
        return self._block.startswith(data, (self._phase + position) % PERIOD)


class Streams:
    """The streams of several parallel connections, one each.

    Whoever receives a connection cannot know which stream it carries: a :class:`Checker` tells by the first bytes, so
    nothing but the content has to travel, and data that strays from one connection to another is found.
    """

    __slots__ = ("_streams", "_unclaimed")

    def __init__(self, key: str, count: int) -> None:
        self._streams = [Stream(f"{key}/{number}") for number in range(count)]
        self._unclaimed = list(self._streams)

    def __getitem__(self, number: int) -> Stream:
        return self._streams[number]

    def checker(self) -> Checker:
        """A checker for one connection, which may carry any stream that no other connection has carried."""
        return Checker(self._unclaimed)


class Checker:
    """Compares what one connection delivers with the stream that it turns out to carry."""

    __slots__ = ("_candidates", "_claimed", "_unclaimed", "intact", "position")

    def __init__(self, unclaimed: list[Stream]) -> None:
        self._unclaimed = unclaimed
        self._candidates = list(unclaimed)
        self._claimed = False
        self.position = 0
        """Bytes seen so far."""
        self.intact = True
        """Whether they were all right."""

    def feed(self, data: Buffer) -> bool:
        """Compare the next bytes; returns :attr:`intact`, which stays False once it is."""
        if self.intact:
            position = self.position
            self._candidates = [stream for stream in self._candidates if stream.matches(position, data)]
            self.intact = bool(self._candidates)
            if len(self._candidates) == 1 and not self._claimed:
                self._claim(self._candidates[0])
        self.position += len(data)
        return self.intact

    def _claim(self, stream: Stream) -> None:
        self._claimed = True
        if stream in self._unclaimed:
            self._unclaimed.remove(stream)
        else:
            self.intact = False
