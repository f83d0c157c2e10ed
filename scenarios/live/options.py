"""The options of ``usernetstack live``: text from a command line in, a plan or a list of mistakes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from links.impairments.spec import Impairments
from links.impairments.text import parse_settings
from links.live.tap import MTU_MAX
from scenarios.live.services import Service
from scenarios.problems import Problem, ScenarioError
from scenarios.validation import mistakes
from stack.link import Medium
from stack.wire.address import (
    BROADCAST_V4,
    InterfaceAddress,
    format_address,
    is_link_local,
    is_loopback,
    is_multicast,
    is_unspecified,
    parse_address,
    parse_mac,
)

MTU_MIN_V4 = 68
"""RFC 791 3.2: every link carries this much."""
MTU_MIN_V6 = 1280
"""RFC 8200 5."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What the operator typed, one field per option."""

    tap: str | None = None
    """Name of a TAP device: the stack is a machine on its Ethernet."""
    tun: str | None = None
    """Name of a TUN device: the stack is a machine at the end of a cable that carries bare IP."""
    address: tuple[str, ...] = ()
    """The stack's addresses with prefix length, ``10.0.0.2/24``."""
    gateway: tuple[str, ...] = ()
    """Next hops of the stack's default routes, at most one per address family."""
    peer: tuple[str, ...] = ()
    """Addresses with prefix length that the kernel's end is given."""
    mac: str | None = None
    """The stack's MAC address; without it one is drawn."""
    mtu: int = 1500
    """Bytes of IP packet, for both ends."""
    offload: bool = True
    """Let checksums and super-segments pass the device as they are, if it can."""
    impair: str | None = None
    """Impairments of both directions, ``loss=1%, delay=20ms``."""
    pcap: Path | None = None
    """Write what passes to this pcapng file."""
    serve: tuple[str, ...] = ()
    """Servers, ``KIND:PORT`` or ``http:PORT:DIRECTORY``."""
    fetch: str | None = None
    """Fetch this ``http://`` URL from the other side, then exit."""
    output: Path | None = None
    """Where to put what was fetched."""
    ping: str | None = None
    """Ping this address a few times, then exit."""
    seed: int | None = None
    """Of every random stream; without it one is drawn that nobody can guess."""
    quiet: bool = False
    """Print nothing but errors."""
    verbose: bool = False
    """Also print the TCP connections that come and go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options understood: every value parsed, and found to fit the others."""

    options: LiveOptions
    """Those that need no parsing are taken from here."""
    medium: Medium
    device: str
    addresses: list[InterfaceAddress]
    gateways: list[bytes]
    peers: list[InterfaceAddress]
    mac: bytes | None
    impairments: Impairments | None
    services: list[Service]

    @property
    def strays(self) -> list[bytes]:
        """Our addresses that are in no network of a peer: the kernel needs a route to each."""
        prefixes = [peer.prefix for peer in self.peers]
        ours = (address.address for address in self.addresses)
        return [address for address in ours if not any(prefix.contains(address) for prefix in prefixes)]


def plan(options: LiveOptions) -> Plan:
    """Understand the options. Raises ScenarioError with every mistake that shows before anything is done."""
    reader = _Reader()
    result = reader.read(options)
    if reader.problems:
        raise ScenarioError(reader.problems)
    return result


class _Reader:
    """Reads the options one by one; what is wrong is noted, and left out of the result."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, options: LiveOptions) -> Plan:
        if (options.tap is None) == (options.tun is None):
            self.wrong("--tap", "give one of --tap NAME and --tun NAME")
        for option, name in (("--tap", options.tap), ("--tun", options.tun)):
            if name is not None and (not name or "%" in name):
                self.wrong(option, f"{name!r} is no name of a device")
        if options.quiet and options.verbose:
            self.wrong("--quiet", "contradicts --verbose")
        addresses = self.each("--address", options.address, InterfaceAddress.parse)
        gateways = self.gateways(options.gateway, addresses)
        if not options.address:
            self.wrong("--address", "the stack needs at least one, such as 10.0.0.2/24")
        peers = self.each("--peer", options.peer, InterfaceAddress.parse)
        self.check_addresses(addresses, peers)
        self.check_mtu(options.mtu, addresses)
        self.check_files(options)
        for option, text, parse in (
            ("--ping", options.ping, parse_address),
            ("--fetch", options.fetch, _address_in),
        ):
            if text is not None:
                for destination in self.each(option, [text], parse):
                    self.check_reachable(option, destination, addresses, gateways)
        return Plan(
            options=options,
            medium=Medium.ETHERNET if options.tun is None else Medium.IP,
            device=options.tap or options.tun or "",
            addresses=addresses,
            gateways=gateways,
            peers=peers,
            mac=self.mac(options),
            impairments=self.impairments(options.impair),
            services=self.services(options.serve),
        )

    def wrong(self, option: str, message: str) -> None:
        self.problems.append(Problem(option, message))

    def each(self, option: str, texts: Iterable[str], parse: Callable[[str], T]) -> list[T]:
        """What the texts stand for, as far as they stand for anything."""
        values = []
        for text in texts:
            try:
                values.append(parse(text))
            except ValueError as error:
                self.wrong(option, str(error))
        return values

    def check_addresses(self, ours: list[InterfaceAddress], peers: list[InterfaceAddress]) -> None:
        taken: set[bytes] = set()
        for option, addresses in (("--address", ours), ("--peer", peers)):
            for address in addresses:
                if address.address in taken:
                    self.wrong(option, f"{address} is given twice")
                taken.add(address.address)
                if not _is_unicast(address):
                    self.wrong(option, f"{address} is no address that a machine can have")

    def check_mtu(self, mtu: int, addresses: list[InterfaceAddress]) -> None:
        least = MTU_MIN_V6 if any(len(address.address) == 16 for address in addresses) else MTU_MIN_V4
        if not least <= mtu <= MTU_MAX:
            self.wrong("--mtu", f"{mtu} is not within {least}..{MTU_MAX} bytes")

    def check_files(self, options: LiveOptions) -> None:
        if options.pcap is not None:
            self.check_writable("--pcap", options.pcap)
        if options.fetch is not None and options.output is None:
            self.wrong("--fetch", "needs --output FILE")
        if options.output is not None:
            self.check_writable("--output", options.output)
            if options.fetch is None:
                self.wrong("--output", "needs --fetch URL")

    def check_writable(self, option: str, path: Path) -> None:
        directory = path.parent
        if os.path.isdir(path):
            self.wrong(option, f"{path} is a directory")
        elif not os.path.isdir(directory):
            self.wrong(option, f"there is no directory {directory}")
        elif not os.access(path if os.path.exists(path) else directory, os.W_OK, effective_ids=True):
            self.wrong(option, f"no permission to write {path}")

    def gateways(self, texts: tuple[str, ...], addresses: list[InterfaceAddress]) -> list[bytes]:
        gateways = self.each("--gateway", texts, parse_address)
        if len({len(gateway) for gateway in gateways}) < len(gateways):
            self.wrong("--gateway", "give at most one for IPv4 and one for IPv6")
        for gateway in gateways:
            if any(address.address == gateway for address in addresses):
                self.wrong("--gateway", f"{format_address(gateway)} is the stack itself")
            elif not is_link_local(gateway) and not any(
                address.prefix.contains(gateway) for address in addresses
            ):
                self.wrong("--gateway", f"{format_address(gateway)} is in no network of an --address")
        return gateways

    def check_reachable(
        self, option: str, destination: bytes, ours: list[InterfaceAddress], gateways: list[bytes]
    ) -> None:
        on_link = any(address.prefix.contains(destination) for address in ours)
        if not on_link and all(len(gateway) != len(destination) for gateway in gateways):
            self.wrong(option, f"there is no way to {format_address(destination)} without a --gateway")

    def mac(self, options: LiveOptions) -> bytes | None:
        if options.mac is None:
            return None
        if options.tun is not None:
            self.wrong("--mac", "a TUN device has none")
        for mac in self.each("--mac", [options.mac], parse_mac):
            if mac[0] & 1 or mac == bytes(6):
                self.wrong("--mac", f"{options.mac} is no address that a machine can have")
            return mac
        return None

    def impairments(self, text: str | None) -> Impairments | None:
        if text is None:
            return None
        try:
            return Impairments.parse_text(text)
        except ValidationError as error:
            settings = parse_settings(text) if "=" in text else {}
            for mistake in mistakes(error, Impairments, settings):
                place = "" if mistake.of_key else "".join(f"{step}: " for step in mistake.place)
                self.wrong("--impair", f"{place}{mistake.message}")
        except ValueError as error:
            self.wrong("--impair", str(error))
        return None

    def services(self, texts: tuple[str, ...]) -> list[Service]:
        services = self.each("--serve", texts, Service.parse)
        ports = [service.port for service in services]
        for port in sorted({port for port in ports if ports.count(port) > 1}):
            self.wrong("--serve", f"port {port} is in use by another --serve")
        return services


def _address_in(url: str) -> bytes:
    """The address in an http URL; the stack knows no names. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.port == 0:
        raise ValueError(f"{url!r} is not an http URL")
    return parse_address(parts.hostname)


def _is_unicast(address: InterfaceAddress) -> bool:
    """Whether a machine on a network with others can have it."""
    packed = address.address
    if address.broadcast is not None and packed in (address.broadcast, address.prefix.address):
        return False  # RFC 1122 3.2.1.3: all ones, and the zeros of old
    return not (
        is_multicast(packed) or is_unspecified(packed) or is_loopback(packed) or packed == BROADCAST_V4
    )
