"""Pacing: when the next segment may leave (RFC 9002 7.7 says why; as Linux's internal pacing)."""

from __future__ import annotations

from collections.abc import Callable

from stack.clock import MILLISECOND, SECOND, Alarm, Clock

_BURST = MILLISECOND
"""How far ahead of the rate a burst may run, so that there is a timer for each burst and not for each segment."""
_LARGEST_BURST = 64 * 1024


def burst(rate: int) -> int:
    """Octets that leave together at ``rate`` octets per second: a millisecond's worth, at most 64 KiB."""
    return min(rate * _BURST // SECOND, _LARGEST_BURST)


class Pacer:
    """Spreads segments over time.

    A bucket that refills at the pacing rate and holds one burst. What a late timer missed is made up for, as far as
    one burst goes; a longer silence earns nothing.
    """

    __slots__ = ("_alarm", "_departure", "_lead")

    def __init__(self, clock: Clock, output: Callable[[], None]) -> None:
        self._alarm = Alarm(clock, output)
        self._departure = 0
        """When all that was sent has left, at the pacing rate (ns)."""
        self._lead = 0
        """How far ahead of that the next segment may go (ns)."""

    def may_send(self, now: int) -> bool:
        """Whether a segment may go now; if not, ``output`` will be called when it may."""
        if self._departure <= now + self._lead:
            return True
        self._alarm.set(self._departure)
        return False

    def sent(self, octets: int, rate: int, now: int) -> None:
        """``octets`` of data went out; ``rate`` (octets per second) is what congestion control allows, 0 all of it."""
        if not rate:
            self._departure = now
            self._lead = 0
            return
        self._lead = burst(rate) * SECOND // rate
        self._departure = max(self._departure, now - self._lead) + octets * SECOND // rate

    @property
    def waiting(self) -> bool:
        """A segment was held back and the time for it has not come."""
        return self._alarm.deadline is not None

    def cancel(self) -> None:
        """The connection is over: leave nothing behind at the clock."""
        self._alarm.cancel()
