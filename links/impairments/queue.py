"""The frames that wait for a rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from stack.clock import Clock
from stack.link import Frame


class FrameQueue:
    """First in, first out; remembers how long it was.

    Either it keeps the frames, or a :class:`~links.impairments.line.Line` does and tells it beforehand until when
    each one waits.
    """

    __slots__ = (
        "_byte_time", "_clock", "_frames", "_packet_time", "_promised", "_size", "_start", "peak_bytes",
        "peak_packets",
    )  # fmt: skip

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames: deque[tuple[Frame, int, int]] = deque()
        """With the time when each came, and its size."""
        self._promised: deque[tuple[int, int, int]] = deque()
        """For frames that are elsewhere: until when each waits, when it came, and its size."""
        self._size = 0
        self.peak_packets = 0
        self.peak_bytes = 0
        self._start = clock.now()
        self._packet_time = 0
        """The sum of the times for which those waited that have left."""
        self._byte_time = 0

    def __len__(self) -> int:
        return len(self._frames) + len(self._waiting(self._clock.now()))

    @property
    def size(self) -> int:
        """Bytes."""
        self._waiting(self._clock.now())
        return self._size

    def push(self, frame: Frame, size: int) -> None:
        """At the tail; ``size`` is its length."""
        self._frames.append((frame, self._clock.now(), size))
        self._size += size
        if len(self._frames) > self.peak_packets:
            self.peak_packets = len(self._frames)
        if self._size > self.peak_bytes:
            self.peak_bytes = self._size

    def pop(self) -> tuple[Frame, int]:
        """From the head, and how long it has waited (ns)."""
        return self._left(*self._frames.popleft())

    def pop_tail(self) -> Frame:
        """What came last."""
        return self._left(*self._frames.pop())[0]

    def promise(self, size: int, now: int, until: int, max_packets: int, max_bytes: int) -> bool:
        """Count a frame that comes now and waits ``until`` then, unless that would make the queue too long."""
        promised = self._promised
        if promised and promised[0][0] <= now:
            self._waiting(now)
        length, total = len(promised) + 1, self._size + size
        if length > max_packets or total > max_bytes:
            return False
        promised.append((until, now, size))
        self._size = total
        if length > self.peak_packets:
            self.peak_packets = length
        if total > self.peak_bytes:
            self.peak_bytes = total
        return True

    def keep(self, frames: Iterable[Frame]) -> None:
        """Keep the frames that were promised and wait still; nobody knows any more until when."""
        promised = self._waiting(self._clock.now())
        self._frames.extend(
            (frame, came, size) for frame, (_, came, size) in zip(frames, promised, strict=True)
        )
        promised.clear()

    @property
    def mean_packets(self) -> float:
        """Over the time since the queue was made."""
        now = self._clock.now()
        waiting = sum(now - came for came, _ in self._inside(now))
        return (self._packet_time + waiting) / max(1, now - self._start)

    @property
    def mean_bytes(self) -> float:
        """Over the time since the queue was made."""
        now = self._clock.now()
        waiting = sum((now - came) * size for came, size in self._inside(now))
        return (self._byte_time + waiting) / max(1, now - self._start)

    def _left(self, frame: Frame, came: int, size: int) -> tuple[Frame, int]:
        waited = self._clock.now() - came
        self._size -= size
        self._packet_time += waited
        self._byte_time += waited * size
        return frame, waited

    def _waiting(self, now: int) -> deque[tuple[int, int, int]]:
        """The promised ones, without those that have left."""
        promised = self._promised
        while promised and promised[0][0] <= now:
            until, came, size = promised.popleft()
            self._size -= size
            self._packet_time += until - came
            self._byte_time += (until - came) * size
        return promised

    def _inside(self, now: int) -> Iterator[tuple[int, int]]:
        """When each frame came, and its size."""
        for _, came, size in self._waiting(now):
            yield came, size
        for _, came, size in self._frames:
            yield came, size
