"""Congestion control: how much may be in the network."""

from __future__ import annotations

from stack.tcp.congestion.base import CongestionControl
from stack.tcp.congestion.cubic import Cubic
from stack.tcp.congestion.reno import Reno

ALGORITHMS: dict[str, type[CongestionControl]] = {algorithm.name: algorithm for algorithm in (Cubic, Reno)}
"""By the names that TCP_CONGESTION knows."""

__all__ = ["ALGORITHMS", "CongestionControl", "Cubic", "Reno"]
