"""What a stack must be like to speak as another system does: data, and nothing else.

A profile is a set of knobs of :class:`~stack.config.TcpConfig`, so any host can be told to be like it, in a scenario
by ``stack: {profile: freebsd}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from stack.clock import MILLISECOND, SECOND
from stack.config import KIB, MINUTE, HostConfig

LINUX: Final[Mapping[str, Any]] = {
    "receive_buffer": 540_000 // 2,
    "receive_buffer_max": 15 * 1024 * KIB,
    "syn_retries": 5,
    "syn_linear_timeouts": 4,
    "slow_start_after_idle": False,
    "ecn": "off",
    "abe": False,
    "mtu_probing": "off",
    "answer_unsent_ack": False,
    "fast_open": "both",
    "fast_open_listeners": True,
    "fast_open_key": "a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4",
}
"""As ``defaults.sh`` of Google's suite and of the kernel's selftests leaves it (tcp_rmem 4096 540000 15728640)."""

FREEBSD: Final[Mapping[str, Any]] = {
    "option_order": "freebsd",
    "receive_buffer": 64 * KIB,
    "receive_buffer_max": 2 * 1024 * KIB,
    "moderate_receive_buffer": False,
    "send_buffer": 32 * KIB,
    "exact_window": True,
    "require_timestamps": True,
    "quick_acks": 0,
    "delay_one_segment": True,
    "delayed_ack": 40 * MILLISECOND,
    "initial_rto": SECOND,
    "min_rto": 30 * MILLISECOND,
    "rto_floor": "sum",
    "rto_slop": 200 * MILLISECOND,
    "max_rto": 64 * SECOND,
    "retries": 12,
    "orphan_retries": 12,
    "syn_retries": 12,
    "synack_retries": 3,
    "persist_min": 5 * SECOND,
    "persist_max": MINUTE,
    "probe_with_data": True,
    "keepalive_probes": 8,
    "reset_unread": False,
    "rack": False,
    "tail_loss_probe": False,
    "frto": False,
    "hystart": False,
    "abe": False,
    "mtu_probing": "off",
    "validation": "freebsd",
    "open_timeout": 75 * SECOND,
    "fin_wait_2_as_keepalive": True,
    "keepalive": True,
    "challenge_acks": 1_000_000,
    "invalid_ack_interval": SECOND,
    "invalid_ack_count": 5,
}
"""As a FreeBSD of today with its own TCP: net.inet.tcp.* as tcp(4) gives the defaults."""

RFC: Final[Mapping[str, Any]] = {
    "quick_acks": 0,
    "min_rto": SECOND,
    "rto_floor": "sum",
    "receive_buffer": 65_535,
    "require_timestamps": True,
    "probe_with_data": True,
}
"""By the letter: RFC 6298's minimum RTO of a second, every second segment acknowledged from the start, window probes
with an octet of data."""

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {"linux": LINUX, "freebsd": FREEBSD, "rfc": RFC}


def apply_profile(name: str, config: HostConfig) -> HostConfig:
    """``config`` with the knobs of a profile in place of its own. Raises KeyError if there is no such profile."""
    return replace(config, tcp=replace(config.tcp, **PROFILES[name]))
