"""What the options of a script, and of the command, come to: addresses, tolerances, symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from scenarios.packetdrill.profiles import Profile
from scenarios.packetdrill.source import Source, UnsupportedError
from scenarios.packetdrill.syntax import Script
from stack.clock import MICROSECOND, MILLISECOND
from stack.wire.address import parse_address


class Family(Enum):
    """Over what a script runs; the values are those of ``--ip_version``."""

    IPV4 = "ipv4"
    IPV4_MAPPED = "ipv4-mapped-ipv6"
    IPV6 = "ipv6"


@dataclass(frozen=True, slots=True)
class _World:
    local: str
    remote: str
    symbols: Mapping[str, str]


_MTU: Final = 1500
"""Of the link over IPv4, in bytes."""
_V4_SYMBOLS: Final = {"TFO_COOKIE": "3021b9d889017eeb", "TFO_COOKIE_ZERO": "b7c12350a90dc8f5"}
_WORLDS: Final = {
    Family.IPV4: _World(
        "192.168.0.1", "192.0.2.1",
        {**_V4_SYMBOLS, "CMSG_LEVEL_IP": "SOL_IP", "CMSG_TYPE_RECVERR": "IP_RECVERR"},
    ),
    Family.IPV4_MAPPED: _World(
        "192.168.0.1", "192.0.2.1",
        {**_V4_SYMBOLS, "CMSG_LEVEL_IP": "SOL_IPV6", "CMSG_TYPE_RECVERR": "IPV6_RECVERR"},
    ),
    Family.IPV6: _World(
        "fd3d:a0b:17d6::1", "fd3d:fa7b:d17d::1",
        {
            "TFO_COOKIE": "c1d1e9742a47a9bc", "TFO_COOKIE_ZERO": "82af1a8f9a205c34",
            "CMSG_LEVEL_IP": "SOL_IPV6", "CMSG_TYPE_RECVERR": "IPV6_RECVERR",
        },
    ),
}  # fmt: skip
"""As the runners of the public suites set them; the cookies are those of tcp_fastopen_key=a1a1a1a1-b2b2b2b2-..."""

_IGNORED: Final = frozenset({
    "wire_client", "wire_server", "wire_server_ip", "wire_server_port", "wire_client_dev", "wire_server_dev",
    "persistent_tun_dev", "gateway_ip", "netmask_ip", "speed", "init_scripts", "verbose", "dry_run", "fm", "debug",
    "non_fatal", "send_omit_free", "no_cleanup", "so_filename", "so_flags", "link_layer", "local_linkaddr",
    "remote_linkaddr", "hexdump", "alarm", "initscripts", "mss",
})  # fmt: skip
"""About how Google's program runs. ``non_fatal`` too: what would be forgiven there is a failure here."""


@dataclass(slots=True)
class Settings:
    """For one run of one script."""

    family: Family
    mtu: int
    local: bytes
    remote: bytes
    symbols: dict[str, str]
    tolerance: int = 4 * MILLISECOND
    """Of times, in ns."""
    tick: int = MILLISECOND
    """Of the timestamp clock, in ns; 0: timestamps are not compared."""
    strict_segments: bool = False
    bsd: bool = False
    """Sockets are as in BSD."""
    md5_secret: bytes | None = None
    """What ``<md5 valid>`` is signed with."""
    listen_port: int = 8080
    connect_port: int = 8080


def family_symbols(family: Family) -> Mapping[str, str]:
    """The symbols that are defined for a family."""
    return _WORLDS[family].symbols


def fixed_family(source: Source, script: Script) -> Family | None:
    """The family that the script insists on. Raises ScenarioError if there is no such."""
    for line, name, value in script.options:
        if name == "ip_version":
            try:
                return Family(value)
            except ValueError:
                source.refuse_line(line, f"--ip_version={value}: ipv4, ipv4-mapped-ipv6 or ipv6")
    return None


def read_settings(
    source: Source, script: Script, family: Family, symbols: Mapping[str, str], profile: Profile
) -> Settings:
    """The settings of one run. ``symbols`` win over the script's, the script's over those of the profile.

    Raises ScenarioError, UnsupportedError.
    """
    world = _WORLDS[family]
    mtu = profile.mtu_v6 if family is Family.IPV6 else _MTU
    settings = Settings(
        family, mtu, parse_address(world.local), parse_address(world.remote), dict(world.symbols)
    )
    for line, name, value in script.options:
        try:
            _apply(settings, line, name, value)
        except ValueError:
            source.refuse_line(line, f"--{name}={value}: bad value")
    settings.symbols |= symbols
    settings.bsd = profile.bsd
    return settings


def _apply(settings: Settings, line: int, name: str, value: str) -> None:
    if name == "define":
        key, _, meaning = value.partition("=")
        settings.symbols[key] = meaning
    elif name == "tolerance_usecs":
        settings.tolerance = int(value) * MICROSECOND
    elif name == "tcp_ts_tick_usecs":
        settings.tick = int(value) * MICROSECOND
    elif name == "mtu":
        settings.mtu = int(value)
    elif name == "strict_segments":
        settings.strict_segments = True
    elif name == "tcp_md5_secret":
        settings.md5_secret = value.encode()
    elif name == "bind_port":
        settings.listen_port = int(value)
    elif name == "connect_port":
        settings.connect_port = int(value)
    elif name in ("local_ip", "remote_ip"):
        address = parse_address(value)
        if len(address) == len(settings.local):
            setattr(settings, name.removesuffix("_ip"), address)
    elif name not in _IGNORED and name != "ip_version":
        raise UnsupportedError(line, f"option --{name}")
