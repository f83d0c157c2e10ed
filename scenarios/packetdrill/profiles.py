"""How a stack must be for the scripts that were written for it: data, and nothing else.

A profile is a set of knobs of :class:`~stack.config.TcpConfig`, so any host can be told to be like it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from stack.clock import MILLISECOND, SECOND
from stack.config import KIB, HostConfig, TcpConfig


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of stack."""

    name: str
    defines: frozenset[str]
    """What ``#ifdef`` finds defined."""
    knobs: Mapping[str, Any]
    """Knobs of :class:`~stack.config.TcpConfig` that differ from the defaults."""
    sysctls: str
    """Which names of settings the scripts use: ``linux`` or ``freebsd``."""

    def host_config(self) -> HostConfig:
        """The configuration of a host that is like this."""
        return replace(HostConfig(), tcp=TcpConfig(**self.knobs))


LINUX: Final = Profile(
    "linux",
    frozenset({"linux", "Linux"}),
    {
        "receive_buffer": 540_000 // 2,
        "receive_buffer_max": 15 * 1024 * KIB,
        "syn_retries": 5,
        "slow_start_after_idle": False,
        "ecn": "off",
        "abe": False,
        "mtu_probing": "off",
        "fast_open": "both",
        "fast_open_listeners": True,
        "fast_open_key": "a1a1a1a1b2b2b2b2c3c3c3c3d4d4d4d4",
    },
    "linux",
)
"""As ``defaults.sh`` of Google's suite and of the kernel's selftests leaves it (tcp_rmem 4096 540000 15728640)."""

FREEBSD: Final = Profile(
    "freebsd",
    frozenset({"FreeBSD"}),
    {
        "receive_buffer": 65_536,
        "receive_buffer_max": 2 * 1024 * KIB,
        "quick_acks": 0,
        "min_rto": 230 * MILLISECOND,
        "initial_rto": SECOND,
        "max_rto": 64 * SECOND,
        "retries": 12,
        "syn_retries": 3,
        "synack_retries": 3,
        "abe": False,
        "mtu_probing": "off",
    },
    "freebsd",
)
"""As a FreeBSD of today: a window of 65535, a scale of 6, delayed ACKs of 40 ms from the first segment on."""

RFC: Final = Profile(
    "rfc",
    frozenset({"STANDARD"}),
    {"quick_acks": 0, "min_rto": SECOND, "receive_buffer": 65_535},
    "linux",
)
"""By the letter: RFC 6298's minimum RTO of a second, every second segment acknowledged from the start."""

PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in (LINUX, FREEBSD, RFC)}


def profile_for(path: Path) -> Profile:
    """The profile that a folder on the way to a script is named after, the last if there are several; else Linux."""
    named = [PROFILES[part] for part in path.parts[:-1] if part in PROFILES]
    return named[-1] if named else LINUX
