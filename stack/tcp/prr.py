"""Proportional rate reduction (RFC 6937, and RFC 9937 which follows it)."""

from __future__ import annotations

from stack.tcp.congestion import CongestionControl


class RateReduction:
    """Brings cwnd down to ssthresh over a round trip, as octets are delivered, instead of at one stroke."""

    __slots__ = ("_congestion", "_delivered", "_out", "_prior")

    def __init__(self, congestion: CongestionControl) -> None:
        """Begin; ``congestion`` has not been told of the event yet, so its cwnd is the prior one."""
        self._congestion = congestion
        self._prior = max(congestion.cwnd, congestion.mss)
        self._delivered = 0
        self._out = 0

    def sent(self, octets: int) -> None:
        """Something was transmitted, new or again."""
        self._out += octets

    def acknowledged(self, delivered: int, pipe: int, *, safe: bool) -> None:
        """Set cwnd for the ACK that reported ``delivered`` octets.

        ``safe`` is SafeACK (RFC 9937 5): SND.UNA has moved and no new loss was found; only then may the window be
        rebuilt as fast as in slow start.
        """
        congestion = self._congestion
        mss, ssthresh = congestion.mss, congestion.ssthresh
        self._delivered += delivered
        spare = ssthresh - pipe
        if spare < 0:
            # Rounded up to a segment, which is what is sent or not sent.
            allowed = -(-ssthresh * self._delivered // (self._prior * mss)) * mss - self._out
        else:
            allowed = min(spare, max(self._delivered - self._out, delivered) + (mss if safe else 0))
        # The first retransmission goes whatever the rest says.
        congestion.cwnd = pipe + max(allowed, 0 if self._out else mss)
