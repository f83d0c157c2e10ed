"""Tail loss probe (RFC 8985 7): the end of a flight has nothing behind it whose delivery could show that it is lost."""

from __future__ import annotations

from stack.clock import MILLISECOND
from stack.config import TcpConfig
from stack.tcp.rtt import RttEstimator

_LEAST = 2 * MILLISECOND


class TailLossProbe:
    """One probe per tail: a new segment if there is one, else the last one again, before the timer has to do it."""

    __slots__ = ("end", "retransmission")

    def __init__(self) -> None:
        self.end: int | None = None
        """TLP.end_seq: SND.NXT when a probe was sent that is not accounted for yet."""
        self.retransmission = False
        """TLP.is_retrans."""

    @staticmethod
    def timeout(rtt: RttEstimator, config: TcpConfig, *, alone: bool) -> int:
        """PTO (RFC 8985 7.2): two round trips, and for a lone segment the peer's delayed ACK."""
        if not rtt.srtt:
            return config.initial_rto
        return 2 * rtt.srtt + (config.min_rto if alone else _LEAST)

    def sent(self, snd_nxt: int, *, retransmission: bool) -> None:
        """A probe has left."""
        self.end = snd_nxt
        self.retransmission = retransmission

    def acknowledged(self, ack: int, *, duplicate_reported: bool, pure_duplicate: bool) -> bool:
        """TLP_process_ack (7.4.2). True if the probe has repaired a loss, of which congestion control must hear."""
        if self.end is None or ack < self.end:
            return False
        if not self.retransmission or duplicate_reported:
            # New data, or original and probe have both arrived: nothing was lost.
            self.end = None
        elif ack > self.end:
            self.end = None
            return True
        elif pure_duplicate:
            self.end = None
        return False
