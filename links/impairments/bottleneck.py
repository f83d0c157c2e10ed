"""Where frames leave one after the other at a rate, and wait for that in a queue."""

from __future__ import annotations

from collections.abc import Callable

from links.impairments.codel import CoDel
from links.impairments.limit import Capacity
from links.impairments.pace import ConstantPace, Pace, make_pace
from links.impairments.queue import FrameQueue
from links.impairments.spec import PERFECT, Impairments
from links.impairments.statistics import ChannelStatistics, DropReason
from stack.clock import Clock, Timer
from stack.link import Frame


class Bottleneck:
    """A queue and a sender. The frame that is being sent is in the sender, and no longer in the queue."""

    __slots__ = (
        "_capacity", "_ce_threshold", "_clock", "_codel", "_drop", "_finish", "_idle", "_left", "_mark", "_out",
        "_pace", "_sending", "_spec", "_start", "_statistics", "_timer", "queue",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        statistics: ChannelStatistics,
        out: Callable[[Frame], None],
        drop: Callable[[Frame, DropReason], None],
        mark: Callable[[Frame], Frame | None],
        idle: Callable[[], None],
    ) -> None:
        """Sent frames go to ``out``, and what the queue does not want to ``drop``; ``mark`` sets CE; ``idle`` is
        called when nothing is left to send."""
        self._clock = clock
        self._statistics = statistics
        self._out = out
        self._drop = drop
        self._mark = mark
        self._idle = idle
        self.queue = FrameQueue(clock)
        self._spec = PERFECT
        self._capacity = PERFECT.capacity(PERFECT.queue.limit)
        self._ce_threshold: Capacity | None = None
        self._codel: CoDel | None = None
        self._pace: Pace | None = None
        self._sending: Frame | None = None
        self._left = 0
        """Bytes of it that remained at ``_start``."""
        self._start = 0
        self._finish = 0
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self.queue) + (self._sending is not None)

    @property
    def constant_pace(self) -> ConstantPace | None:
        """The pace, if it is of that kind."""
        return self._pace if isinstance(self._pace, ConstantPace) else None

    @property
    def drop_tail(self) -> Capacity | None:
        """How much the queue holds, if it drops what is more, and nothing else happens to frames in it."""
        return self._capacity if self._codel is None and self._ce_threshold is None else None

    @property
    def is_open(self) -> bool:
        """Whether a frame would be through in no time."""
        return self._pace is None and self._sending is None

    def configure(self, spec: Impairments) -> None:
        """Take over rate and queue. What waits goes on waiting; what is too much now is dropped at the tail.

        A frame that is half sent sends its other half at the new rate.
        """
        old, self._spec = self._spec, spec
        self._capacity = spec.capacity(spec.queue.limit)
        threshold = spec.queue.ce_threshold
        self._ce_threshold = None if threshold is None else spec.capacity(threshold)
        if spec.queue != old.queue:
            codel = spec.queue.discipline == "codel"
            self._codel = CoDel(spec.queue, self.queue, self._clock) if codel else None
        while self.queue and not self._capacity.admits(len(self.queue), self.queue.size):
            self._drop(self.queue.pop_tail(), DropReason.QUEUE)
        if spec.rate != old.rate:
            self._pace = None if spec.rate is None else make_pace(spec.rate, self._clock.now())
            self._change_pace()

    def enqueue(self, frame: Frame) -> None:
        """Send it, or let it wait, or drop it if the queue is full."""
        if self._sending is None:
            self._send(frame)
            return
        size = len(frame)
        length = len(self.queue) + 1, self.queue.size + size
        if not self._capacity.admits(*length):
            self._drop(frame, DropReason.QUEUE)
            return
        if self._ce_threshold is not None and not self._ce_threshold.admits(*length):
            frame = self._mark(frame) or frame
        self.queue.push(frame, size)

    def go_on(self, frame: Frame, start: int, finish: int) -> None:
        """Send the rest of a frame whose first byte left at ``start``; the last one will at ``finish``."""
        self._sending = frame
        self._left = len(frame)
        self._start = start
        self._finish = finish
        self._timer = self._clock.call_at(finish, self._sent)

    def clear(self) -> list[Frame]:
        """Stop, and give back all frames, the one that is being sent first."""
        frames = []
        if self._sending is not None and self._timer is not None:
            frames.append(self._sending)
            self._sending = None
            self._timer.cancel()
        while self.queue:
            frames.append(self.queue.pop()[0])
        return frames

    def _send(self, frame: Frame) -> None:
        self._sending = frame
        self._send_rest(len(frame), self._clock.now())

    def _send_rest(self, size: int, now: int) -> None:
        self._left = size
        self._start = now
        self._finish = now if self._pace is None else now + self._pace.duration(size, now)
        self._timer = self._clock.call_at(self._finish, self._sent)

    def _change_pace(self) -> None:
        if self._sending is None or self._timer is None:
            return
        self._timer.cancel()
        now = self._clock.now()
        total = self._finish - self._start
        remaining = max(0, self._finish - now)
        self._statistics.reckoned += total - remaining
        self._send_rest(-(-self._left * remaining // total) if total else 0, now)

    def _sent(self) -> None:
        frame = self._sending
        self._sending = None
        self._statistics.reckoned += self._finish - self._start
        if frame is not None:
            self._out(frame)
        following = self._next()
        if following is None:
            self._idle()
        else:
            self._send(following)

    def _next(self) -> Frame | None:
        if self._codel is not None:
            return self._codel.dequeue(self._drop_head, self._mark)
        return self.queue.pop()[0] if self.queue else None

    def _drop_head(self, frame: Frame) -> None:
        self._drop(frame, DropReason.CODEL)
