"""The dialects of scripts, each written for one kind of stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scenarios import profiles
from scenarios.profiles import apply_profile
from stack.config import HostConfig


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of stack, and how scripts for it are written."""

    name: str
    """Also of its knobs, in :mod:`scenarios.profiles`."""
    defines: frozenset[str]
    """What ``#ifdef`` finds defined."""
    mtu_v6: int = 1520
    """Of the link over IPv6, in bytes: Google's runner wants the MSS to be that of IPv4, nplab's does not."""
    joined: bool = False
    """Segmentation offload: what leaves at once leaves as one packet, whose PSH says nothing of the data."""

    bsd: bool = False
    """Sockets are as in BSD."""

    @property
    def knobs(self) -> Mapping[str, Any]:
        """The knobs of :class:`~stack.config.TcpConfig` that differ from the defaults."""
        return profiles.PROFILES[self.name]

    def host_config(self) -> HostConfig:
        """The configuration of a host that is like this."""
        return apply_profile(self.name, HostConfig())


LINUX: Final = Profile("linux", frozenset({"linux", "Linux"}), joined=True)
FREEBSD: Final = Profile("freebsd", frozenset({"FreeBSD"}), mtu_v6=1500, bsd=True)
RFC: Final = Profile("rfc", frozenset({"STANDARD"}))

PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in (LINUX, FREEBSD, RFC)}


def profile_for(path: Path) -> Profile:
    """The profile that a folder on the way to a script is named after, the last if there are several; else Linux."""
    named = [PROFILES[part] for part in path.parts[:-1] if part in PROFILES]
    return named[-1] if named else LINUX
