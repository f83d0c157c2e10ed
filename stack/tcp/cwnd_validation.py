"""Congestion window validation: a window that is not used says nothing about the path (RFC 2861, RFC 7661)."""

from __future__ import annotations

from stack.config import TcpConfig
from stack.tcp.congestion import CongestionControl


class CwndValidation:
    """Whether cwnd may grow by an ACK, and what is left of it after a silence."""

    __slots__ = ("_flight", "_round_end", "limited")

    def __init__(self, point: int) -> None:
        self.limited = False
        """In the last round trip cwnd was what held us back."""
        self._flight = 0
        """The most that was in flight in it."""
        self._round_end = point

    def note(self, limited: bool, flight: int, snd_una: int, snd_nxt: int) -> None:
        """Remember for a round trip whether cwnd was what held us back (RFC 7661, as Linux's tcp_cwnd_validate)."""
        if snd_una >= self._round_end or limited or (not self.limited and flight > self._flight):
            self.limited = limited
            self._flight = flight
            self._round_end = snd_nxt

    def may_grow(self, congestion: CongestionControl) -> bool:
        """The window was used; in slow start, half of it is enough (Linux tcp_is_cwnd_limited)."""
        if self.limited:
            return True
        return congestion.in_slow_start and congestion.cwnd < 2 * self._flight

    @staticmethod
    def after_silence(congestion: CongestionControl, config: TcpConfig, silence: int, rto: int) -> bool:
        """The window is halved for each RTO of ``silence`` (ns), down to the restart window of RFC 5681 4.1.

        That is RFC 2861 3.1 and Linux's tcp_cwnd_restart(): a short pause does not cost all that is known of the path.
        True if the silence was long enough.
        """
        if not config.slow_start_after_idle or silence <= rto:
            return False
        mss = congestion.mss
        left = congestion.cwnd // mss >> (silence - 1) // rto
        congestion.restart(max(left, config.initial_window) * mss)
        return True
