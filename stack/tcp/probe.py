"""Tail loss probe (RFC 8985 7): the end of a flight has nothing behind it whose delivery could show that it is lost."""

from __future__ import annotations

from stack.clock import MILLISECOND
from stack.config import TcpConfig
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import SentSegment

_LEAST = 2 * MILLISECOND


class TailLossProbe:
    """One probe per tail: a new segment if there is one, else the last one again, before the timer has to do it."""

    __slots__ = ("_data", "_rtt", "end", "retransmission", "samples")

    def __init__(self, rtt: RttEstimator) -> None:
        self._rtt = rtt
        self.samples = 0
        """Measurements of the RTT when the last probe was sent: there is none before another (7.3)."""
        self._data = (0, 0)
        self.end: int | None = None
        """TLP.end_seq: SND.NXT when a probe was sent that is not accounted for yet."""
        self.retransmission = False
        """TLP.is_retrans."""

    def timeout(self, config: TcpConfig, *, alone: bool) -> int:
        """PTO (RFC 8985 7.2): two round trips, and for a lone segment the peer's delayed ACK."""
        return 2 * self._rtt.srtt + (config.min_rto if alone else _LEAST)

    def sent(self, probe: SentSegment, *, retransmission: bool) -> None:
        """A probe has left; it ends at SND.NXT."""
        self._data = (probe.start, probe.start + len(probe.payload))
        self.samples = self._rtt.samples
        self.end = probe.end
        self.retransmission = retransmission

    def reset(self) -> None:
        """Recovery has begun: what the probe was for, that finds out (7.1)."""
        self.end = None

    def acknowledged(self, ack: int, *, reported: tuple[int, int] | None, pure_duplicate: bool) -> bool:
        """TLP_process_ack (7.4.2). True if the probe has repaired a loss, of which congestion control must hear.

        ``reported``: what a D-SACK in the ACK says has come twice; only if that is the probe's data, it is about it.
        """
        if self.end is None or ack < self.end:
            return False
        start, end = self._data
        twice = reported is not None and reported[0] <= start and end <= reported[1]
        if not self.retransmission or twice:
            # New data, or original and probe have both arrived: nothing was lost.
            self.end = None
        elif ack > self.end:
            self.end = None
            return True
        elif pure_duplicate:
            self.end = None
        return False
