"""How long it takes to send a frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left

from links.impairments.spec import OPPORTUNITY, Bandwidth
from stack.clock import MILLISECOND, SECOND

BYTE_TIME = 8 * SECOND
"""How long a byte takes, in nanoseconds times bit/s."""


class Pace(ABC):
    """Frames leave one after the other; each is asked about when the one before has left."""

    __slots__ = ()

    @abstractmethod
    def duration(self, size: int, now: int) -> int:
        """Nanoseconds until the last of ``size`` bytes has left that begin to leave now."""


class ConstantPace(Pace):
    """Bit after bit. What a whole number of nanoseconds is too much is taken off the next frame, so that
    in the long run the rate is exact."""

    __slots__ = ("carry", "rate")

    def __init__(self, rate: int) -> None:
        self.rate = rate
        """Bits per second."""
        self.carry = 0
        """What the frames until now were given too much, in nanoseconds times bit/s."""

    def duration(self, size: int, now: int) -> int:
        """The time since an arbitrary start does not matter."""
        duration, self.carry = divmod(size * BYTE_TIME + self.carry, self.rate)
        return duration

    def undo(self, size: int) -> int:
        """The duration of the last frame, which had ``size`` bytes; the frame before is now the last."""
        whole = size * BYTE_TIME - self.carry
        duration = -(-whole // self.rate)
        self.carry = duration * self.rate - whole
        return duration


class RecordedPace(Pace):
    """At the opportunities of a recorded link, as mahimahi's mm-link: each takes :data:`OPPORTUNITY` bytes.

    An opportunity that finds no frame is wasted; a frame that needs more waits for the following; what one
    leaves over can be used at the same instant. The record begins when this object is made, and repeats.
    """

    __slots__ = ("_left", "_next", "_start", "_times", "_used_at")

    def __init__(self, times: tuple[int, ...], now: int) -> None:
        self._times = times
        self._start = now
        self._next = 0
        """The first opportunity that was neither used nor wasted."""
        self._used_at = now
        self._left = 0
        """Bytes of the opportunity before that one, at the instant ``_used_at``."""

    def duration(self, size: int, now: int) -> int:
        """Until the opportunity that takes the last byte."""
        if self._used_at != now:
            self._left = 0
            self._next = max(self._next, self._first(now))
        while self._left < size:
            self._used_at = self._time(self._next)
            self._next += 1
            self._left += OPPORTUNITY
        self._left -= size
        return max(0, self._used_at - now)

    def _time(self, index: int) -> int:
        cycle, within = divmod(index, len(self._times))
        return self._start + (cycle * self._times[-1] + self._times[within]) * MILLISECOND

    def _first(self, now: int) -> int:
        """The first opportunity at or after ``now``."""
        elapsed = -(-(now - self._start) // MILLISECOND)
        # The end of one cycle is the start of the next; it counts to the one that ends, so as to miss nothing.
        cycle, within = divmod(elapsed - 1, self._times[-1])
        return cycle * len(self._times) + bisect_left(self._times, within + 1)


def make_pace(spec: Bandwidth, now: int) -> Pace:
    """What is asked for, beginning now."""
    if spec.trace is not None:
        return RecordedPace(spec.trace, now)
    return ConstantPace(spec.mean)
