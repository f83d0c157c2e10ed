"""The timestamps option (RFC 7323 3 to 5)."""

from __future__ import annotations

from stack.clock import MILLISECOND
from stack.tcp.sequence import MASK, widen
from stack.wire.tcp import timestamp_option

_TICK = MILLISECOND
_HALF = 1 << 31
_OUTDATED = 24 * 24 * 3600 * 10**9
"""RFC 7323 5.5: TS.Recent of a connection idle for over 24 days says nothing."""


class Timestamps:
    """One connection's timestamp clock (1 ms, from a random start: RFC 7323 5.4 and 7) and TS.Recent."""

    __slots__ = ("_offset", "_recent_at", "recent")

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self.recent = 0
        """TS.Recent, unbounded."""
        self._recent_at: int | None = None

    def value(self, now: int) -> int:
        """What our clock shows, unbounded."""
        return now // _TICK + self._offset

    def show(self, value: int, now: int) -> None:
        """Set our clock."""
        self._offset = value - now // _TICK

    def option(self, now: int) -> bytes:
        """The option for a segment that leaves now, with two NOPs before it."""
        return timestamp_option((now // _TICK + self._offset) & MASK, self.recent & MASK)

    def elapsed(self, echo: int, now: int) -> int:
        """Time in ns since we sent ``echo`` (RFC 7323 4.1); the grain is a millisecond."""
        value = self.value(now)
        return (value - widen(echo, value)) * _TICK

    def ahead(self, value: int) -> int:
        """How far a peer's timestamp is ahead of TS.Recent: negative if it is older."""
        return (value - self.recent + _HALF & MASK) - _HALF

    def is_old(self, value: int, now: int) -> bool:
        """PAWS: the segment is from before what we have seen already (RFC 7323 5.3 R1)."""
        return self.ahead(value) < 0 and not self._is_outdated(now)

    def is_newer(self, value: int) -> bool:
        """The peer sent this one after the last that it was remembered for."""
        return widen(value, self.recent) > self.recent

    def remember(self, value: int, now: int) -> None:
        """Take over a peer's timestamp, unless it is older than what we have (RFC 7323 4.3 (2))."""
        ahead = self.ahead(value)
        if ahead >= 0:
            self.recent += ahead
        elif self._is_outdated(now):
            self.recent = value
        else:
            return
        self._recent_at = now

    def _is_outdated(self, now: int) -> bool:
        return self._recent_at is None or now - self._recent_at > _OUTDATED
