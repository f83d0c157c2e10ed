"""Congestion control: how much may be in the network, and how fast it goes there."""

from __future__ import annotations

from stack.tcp.congestion.base import CongestionControl, Settings
from stack.tcp.congestion.registry import ALGORITHMS, find

__all__ = ["ALGORITHMS", "CongestionControl", "Settings", "find"]
