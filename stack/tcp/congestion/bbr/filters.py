"""What BBR remembers of its measurements (draft-ietf-ccwg-bbr 5.5)."""

from __future__ import annotations

from stack.clock import SECOND

_MIN_RTT_FILTER = 10 * SECOND
_PROBE_RTT_INTERVAL = 5 * SECOND
_EXTRA_ACKED_ROUNDS = 5


class MaxBandwidth:
    """The largest delivery rate of this probing cycle and the one before (BBR.MaxBwFilter)."""

    __slots__ = ("_before", "_now", "value")

    def __init__(self) -> None:
        self.value = 0
        """Octets per second."""
        self._before = 0
        self._now = 0

    def update(self, rate: int) -> None:
        """Take in one sample."""
        if rate > self._now:
            self._now = rate
            self.value = max(rate, self._before)

    def advance(self) -> None:
        """A new cycle; one without any sample does not count."""
        if self._now:
            self._before, self._now = self._now, 0
            self.value = self._before


class MinRtt:
    """The smallest RTT of the last ten seconds, and whether it is time to look for a smaller one."""

    __slots__ = ("_probed_at", "_recent", "_since", "expired", "value")

    def __init__(self) -> None:
        self.value = 0
        """BBR.min_rtt (ns); 0 before the first sample."""
        self._since = 0
        self._recent = 0
        """BBR.probe_rtt_min_delay: the smallest since the last probe or since it was last matched."""
        self._probed_at = 0
        self.expired = False
        """Nothing has come near the minimum for five seconds."""

    def update(self, rtt: int, now: int) -> None:
        """Take in one sample; ``rtt`` is 0 if the acknowledgment measured none."""
        self.expired = now > self._probed_at + _PROBE_RTT_INTERVAL and self.value > 0
        if rtt and (rtt < self._recent or not self._recent or self.expired):
            self._recent = rtt
            self._probed_at = now
        if self._recent and (
            not self.value or self._recent < self.value or now > self._since + _MIN_RTT_FILTER
        ):
            self.value = self._recent
            self._since = self._probed_at

    def probed(self, now: int) -> None:
        """The pipe has been empty for long enough to measure."""
        self._probed_at = now


class Aggregation:
    """How much more is acknowledged at times than the bandwidth explains (BBR.extra_acked).

    Acknowledgments come in clumps from receivers and links that collect them; between two clumps the window has to
    last. The largest excess of the last five to ten round trips.
    """

    __slots__ = ("_acknowledged", "_before", "_now", "_rounds", "_since")

    def __init__(self) -> None:
        self._since = 0
        self._acknowledged = 0
        self._before = 0
        self._now = 0
        self._rounds = 0

    @property
    def value(self) -> int:
        """Octets."""
        return max(self._before, self._now)

    def round_ended(self, *, forget: bool) -> None:
        """A round trip is over; ``forget``: do not look further back than one."""
        self._rounds += 1
        if self._rounds >= (1 if forget else _EXTRA_ACKED_ROUNDS):
            self._rounds = 0
            self._before, self._now = self._now, 0

    def update(self, delivered: int, bandwidth: int, limit: int, now: int) -> None:
        """``delivered`` octets were acknowledged now; an excess above ``limit`` octets is not believed."""
        expected = bandwidth * (now - self._since) // SECOND
        if self._acknowledged <= expected:
            self._since = now
            self._acknowledged = expected = 0
        self._acknowledged += delivered
        excess = self._acknowledged - expected
        if excess > self._now:
            self._now = min(excess, max(limit, self._now))

    def restart(self, now: int) -> None:
        """What is acknowledged is counted from now."""
        self._since = now
        self._acknowledged = 0
