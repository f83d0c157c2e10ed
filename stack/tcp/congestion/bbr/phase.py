"""The states of BBR, and how much above or below its estimates each runs (draft-ietf-ccwg-bbr 5.1.1)."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """A state, with its gains in per cent."""

    STARTUP = ("startup", 277, 200)
    """Doubles each round trip, until the bandwidth grows no more: 4 ln 2."""
    DRAIN = ("drain", 50, 200)
    """Empties the queue that Startup left."""
    DOWN = ("down", 90, 200)
    """After a probe: drains what it queued, and leaves room for others."""
    CRUISE = ("cruise", 100, 200)
    """Uses what is known to be there."""
    REFILL = ("refill", 100, 200)
    """Fills the pipe for one round trip, so that the probe does not measure the emptiness before it."""
    UP = ("up", 125, 225)
    """Probes for more."""
    PROBE_RTT = ("probe rtt", 100, 50)
    """Empties the pipe, to see the propagation delay."""

    def __init__(self, label: str, pacing_gain: int, cwnd_gain: int) -> None:
        self.label = label
        self.pacing_gain = pacing_gain
        self.cwnd_gain = cwnd_gain
        self.probes_bandwidth = label in ("startup", "refill", "up")
        """Losses are a price that this state pays."""
        self.is_cycle = label in ("down", "cruise", "refill", "up")
        """One of the four states of ProbeBW."""
        self.leaves_headroom = label in ("cruise", "probe rtt")
        """Stays clear of the long-term bound, so that flows that come find room."""
