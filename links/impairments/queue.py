"""The frames that wait for a rate."""

from __future__ import annotations

from collections import deque

from stack.clock import Clock
from stack.link import Frame


class FrameQueue:
    """First in, first out; remembers how long it was."""

    __slots__ = (
        "_byte_time", "_clock", "_frames", "_packet_time", "_since", "_start", "peak_bytes", "peak_packets", "size",
    )  # fmt: skip

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames: deque[tuple[Frame, int, int]] = deque()
        """With the time when each came, and its size."""
        self.size = 0
        """Bytes."""
        self.peak_packets = 0
        self.peak_bytes = 0
        self._start = self._since = clock.now()
        self._packet_time = 0
        self._byte_time = 0

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: Frame, size: int) -> None:
        """At the tail; ``size`` is its length."""
        now = self._account()
        self._frames.append((frame, now, size))
        self.size += size
        if len(self._frames) > self.peak_packets:
            self.peak_packets = len(self._frames)
        if self.size > self.peak_bytes:
            self.peak_bytes = self.size

    def pop(self) -> tuple[Frame, int]:
        """From the head, and how long it has waited (ns)."""
        now = self._account()
        frame, came, size = self._frames.popleft()
        self.size -= size
        return frame, now - came

    def pop_tail(self) -> Frame:
        """What came last."""
        self._account()
        frame, _, size = self._frames.pop()
        self.size -= size
        return frame

    @property
    def mean_packets(self) -> float:
        """Over the time since the queue was made."""
        return self._packet_time / max(1, self._account() - self._start)

    @property
    def mean_bytes(self) -> float:
        """Over the time since the queue was made."""
        return self._byte_time / max(1, self._account() - self._start)

    def _account(self) -> int:
        now = self._clock.now()
        elapsed = now - self._since
        self._packet_time += elapsed * len(self._frames)
        self._byte_time += elapsed * self.size
        self._since = now
        return now
