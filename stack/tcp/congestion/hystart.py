"""HyStart++: leaving slow start before it overshoots (RFC 9406)."""

from __future__ import annotations

from stack.clock import MILLISECOND
from stack.tcp.congestion.rounds import Rounds
from stack.tcp.rate import RateSample

_MIN_RTT_THRESH = 4 * MILLISECOND
_MAX_RTT_THRESH = 16 * MILLISECOND
_MIN_RTT_DIVISOR = 8
_N_RTT_SAMPLE = 8
_CSS_GROWTH_DIVISOR = 4
_CSS_ROUNDS = 5
"""The constants of RFC 9406 4.3."""
_INFINITE = 1 << 62


class HyStart:
    """Watches the RTT during the first slow start of a connection (RFC 9406 4.2).

    When the smallest RTT of a round trip is clearly above that of the one before, a queue builds: conservative slow
    start (CSS) grows at a quarter of the pace. If the RTT falls again the rise was not the queue, and slow start goes
    on; after five round trips slow start is over.
    """

    __slots__ = ("_baseline", "_css_rounds", "_current", "_last", "_rounds", "_samples")

    def __init__(self) -> None:
        self._rounds = Rounds()
        self._last = _INFINITE
        self._current = _INFINITE
        self._samples = 0
        self._baseline = _INFINITE
        """cssBaselineMinRtt; infinite outside of CSS."""
        self._css_rounds = 0

    @property
    def divisor(self) -> int:
        """The window grows by what is acknowledged, divided by this."""
        return 1 if self._baseline == _INFINITE else _CSS_GROWTH_DIVISOR

    def sample(self, sample: RateSample) -> bool:
        """Take in one acknowledgment; whether slow start is over."""
        if self._rounds.ended(sample):
            if self._baseline != _INFINITE:
                self._css_rounds += 1
                if self._css_rounds >= _CSS_ROUNDS:
                    return True
            self._last = self._current
            self._current = _INFINITE
            self._samples = 0
        if not sample.rtt:
            return False
        self._current = min(self._current, sample.rtt)
        self._samples += 1
        if self._samples < _N_RTT_SAMPLE:
            return False
        if self._baseline != _INFINITE:
            if self._current < self._baseline:
                self._baseline = _INFINITE
        elif self._last != _INFINITE:
            threshold = max(_MIN_RTT_THRESH, min(self._last // _MIN_RTT_DIVISOR, _MAX_RTT_THRESH))
            if self._current >= self._last + threshold:
                self._baseline = self._current
                self._css_rounds = 0
        return False
