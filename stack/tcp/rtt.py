"""The retransmission timeout (RFC 6298)."""

from __future__ import annotations

from typing import Final

from stack.clock import MILLISECOND, SECOND
from stack.config import TcpConfig

R1: Final = 3
"""Retransmissions of one segment after which something is wrong with the path (RFC 9293 3.8.3, Linux tcp_retries1)."""
_MINIMUM_AGE = 300 * SECOND


class RttEstimator:
    """Smoothed round-trip time and RTO, in ns.

    RFC 6298 2 with Linux's two refinements. The floor (``min_rto``) is under the variance and not under the sum:
    RTO = SRTT + max(floor, 4 * RTTVAR), so that a path with a steady RTT above the floor has a margin as well; with
    ``rto_floor`` "sum" it is under both.
    And since every ACK gives a sample, the variance may only decay once per round trip (RFC 7323 appendix G names the
    problem): it follows the largest deviation of the last one.
    """

    __slots__ = (
        "_config",
        "_deviation",
        "_floor",
        "_kept",
        "_least",
        "_minimum_at",
        "_peak",
        "_round_end",
        "_spurious",
        "backoff",
        "initial",
        "latest",
        "minimum",
        "samples",
        "srtt",
        "variance",
    )

    def __init__(self, config: TcpConfig) -> None:
        self._config = config
        by_variance = config.rto_floor == "variance"
        self._floor, self._least = (config.min_rto, 0) if by_variance else (0, config.min_rto)
        self.initial = config.initial_rto
        """The RTO before the first sample (ns)."""
        self.srtt = 0
        """SRTT; 0 before the first sample."""
        self.variance = 0
        """What is added to SRTT: four times RTTVAR, or the floor."""
        self.latest = 0
        self.minimum = 0
        """RACK.min_RTT: of the last five minutes (Linux tcp_min_rtt_wlen)."""
        self._minimum_at = 0
        self.backoff = 0
        """How many times the RTO is doubled (RFC 6298 5.5)."""
        self.samples = 0
        self._deviation = 0
        self._peak = 0
        self._round_end = 0
        self._kept = (0, 0, 0)
        """SRTT_prev, RTTVAR_prev times four, and SND.NXT when the timer went off."""
        self._spurious = False

    @property
    def rto(self) -> int:
        """The retransmission timeout, backed off."""
        config = self._config
        if self.srtt:
            base, slop = max(self.srtt + self.variance, self._least), config.rto_slop
        else:
            base, slop = self.initial, config.rto_slop if self.backoff else 0
        return min((base << min(self.backoff, 40)) + slop, config.max_rto)

    def sample(self, rtt: int, snd_una: int, snd_nxt: int, now: int) -> None:
        """One measurement, of a segment that was sent once or whose echo tells which transmission.

        Only that ends the backoff, too: both halves of Karn's rule (RFC 6298 3 and 5).
        """
        rtt = max(rtt, 1)
        self.backoff = 0
        self.samples += 1
        floor = self._floor
        self.latest = rtt
        if not self.minimum or rtt <= self.minimum or now - self._minimum_at > _MINIMUM_AGE:
            self.minimum, self._minimum_at = rtt, now
        if not self.srtt:
            self.srtt = rtt
            self._deviation = 2 * rtt
            self._peak = self.variance = max(self._deviation, floor)
            self._round_end = snd_nxt
            return
        if self._spurious and snd_una > self._kept[2]:
            self._relearn(rtt, snd_nxt)
            return
        error = rtt - self.srtt
        self.srtt += error // 8
        # _deviation is 4 * RTTVAR. A shrinking RTT moves it up eight times more slowly.
        change = abs(error) - self._deviation // 4
        if error < 0 < change:
            change //= 8
        self._deviation += change
        if self._deviation > self._peak:
            self._peak = self._deviation
            self.variance = max(self.variance, self._peak)
        if snd_una > self._round_end:
            if self._peak < self.variance:
                self.variance -= (self.variance - self._peak) // 4
            self._round_end = snd_nxt
            self._peak = floor

    def keep(self, snd_nxt: int) -> None:
        """The timer goes off, maybe too early: remember what it was set by (RFC 4015 3, step 0)."""
        self._kept = (self.srtt + 2 * MILLISECOND, self._deviation, snd_nxt)
        self._spurious = False

    def was_hasty(self) -> None:
        """It went off too early, so the first sample of data that were unsent then counts for more (step 11)."""
        self._spurious = True

    def _relearn(self, rtt: int, snd_nxt: int) -> None:
        """RFC 4015 3.6: the delay may stay what it has become, and the RTO is in any case longer than it was."""
        srtt, deviation, _ = self._kept
        self._spurious = False
        self.srtt = max(srtt, rtt)
        self._deviation = max(deviation, 2 * rtt)
        self._peak = self.variance = max(self._deviation, self._config.min_rto)
        self._round_end = snd_nxt
