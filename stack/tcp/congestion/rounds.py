"""Round trips, counted by packets rather than by time."""

from __future__ import annotations

from stack.tcp.rate import RateSample


class Rounds:
    """A round trip ends when a segment is delivered that was sent after it began (draft-ietf-ccwg-bbr 5.5.1)."""

    __slots__ = ("_end", "count")

    def __init__(self) -> None:
        self.count = 0
        """Round trips that have ended."""
        self._end = 0

    def begin(self, delivered: int) -> None:
        """A round trip begins now, with ``delivered`` octets delivered so far."""
        self._end = delivered

    def ended(self, sample: RateSample) -> bool:
        """Whether a round trip ends with this sample; the next has then begun."""
        if sample.prior_delivered < self._end:
            return False
        self._end = sample.delivered
        self.count += 1
        return True
