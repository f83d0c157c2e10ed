"""Host: one machine on the network."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterable
from random import Random

from stack.clock import Clock
from stack.config import HostConfig
from stack.errors import os_error
from stack.internet.arp import Arp
from stack.internet.fragments import Reassembler
from stack.internet.icmp import Icmp
from stack.internet.interface import Interface, link_local_address
from stack.internet.ipv4 import Ipv4
from stack.internet.ipv6 import Ipv6
from stack.internet.ipv6_path import IPV6_MINIMUM_MTU
from stack.internet.loopback import Loopback
from stack.internet.ndp import NeighbourDiscovery
from stack.internet.path import Path, PathCache
from stack.internet.protocol import Protocol
from stack.internet.route import Route
from stack.internet.routes import RoutingTable
from stack.link import Frame, Link, Medium
from stack.ports import Ports
from stack.sockets.asynchronous import AsyncSocket
from stack.sockets.manager import SocketManager
from stack.tcp.protocol import Tcp
from stack.trace import Observer
from stack.udp import Udp
from stack.wire.address import InterfaceAddress, Prefix, is_loopback, parse_address
from stack.wire.protocols import ICMP, ICMPV6, TCP, UDP

IPV4_MINIMUM_MTU = 68
"""A link that carries less carries no IP (RFC 791 3.2)."""
LOOPBACK_ADDRESSES = ("127.0.0.1/8", "::1/128")


class Host:
    """One machine: interfaces, routes, protocols, sockets. Any number of them live in a process.

    All that it knows of the world outside are its clock, its links and its random stream.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        random: Random,
        config: HostConfig | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.random = random
        self.config = config or HostConfig()
        self.observer = observer
        self.counters: defaultdict[str, int] = defaultdict(int)
        """How often what happened: packets by protocol, and everything that was dropped by its reason."""
        self.addresses: dict[bytes, int] = {}
        """The unicast addresses of all interfaces but those of loopback, each with how many interfaces have it."""
        self.protocols: dict[int, Protocol] = {}
        self.interfaces: dict[str, Interface] = {}
        self.routes = RoutingTable(self.config.ip.paths)
        self.paths = PathCache(self)
        self.reassembler = Reassembler(self)
        self.arp = Arp(self)
        self.ndp = NeighbourDiscovery(self)
        self.ipv4 = Ipv4(self)
        self.ipv6 = Ipv6(self)
        self.icmp = Icmp(self)
        self.ports = Ports(self)
        self.udp = Udp(self)
        self.tcp = Tcp(self)
        self.protocols.update({ICMP: self.icmp.v4, ICMPV6: self.icmp.v6, UDP: self.udp, TCP: self.tcp})
        self.sockets = SocketManager(self)
        self.loopback = self.add_interface("lo", Loopback(clock), addresses=LOOPBACK_ADDRESSES)

    def __repr__(self) -> str:
        return f"<Host {self.name}>"

    # --- interfaces, addresses, routes ------------------------------------------------------------------------------

    def add_interface(
        self,
        name: str,
        link: Link,
        *,
        mac: bytes | None = None,
        addresses: Iterable[InterfaceAddress | str] = (),
    ) -> Interface:
        """Attach the host to a link.

        On Ethernet, a MAC that is not given is drawn at random, and an IPv6 link-local address follows from it.
        Raises ``ValueError`` if the name is taken, the MAC is none of a single station, or the link's MTU is below
        68 bytes; and what :meth:`add_address` does.
        """
        if name in self.interfaces:
            raise ValueError(f"{self.name} has an interface {name} already")
        if link.mtu < IPV4_MINIMUM_MTU:
            raise ValueError(f"an MTU of {link.mtu} bytes is less than IPv4's minimum of {IPV4_MINIMUM_MTU}")
        if link.medium is Medium.ETHERNET:
            if mac is None:
                # Locally administered, and not a group (IEEE 802 8.2).
                mac = bytes((self.random.getrandbits(8) & 0xFC | 0x02,)) + self.random.randbytes(5)
            if len(mac) != 6 or mac[0] & 0x01 or not any(mac):
                raise ValueError(f"{mac.hex(':')} is not the MAC of a station")
        elif mac is not None:
            raise ValueError(f"{name} has no use for a MAC")
        interface = Interface(self, name, link, mac or b"", len(self.interfaces) + 1)
        self.interfaces[name] = interface
        if mac and link.mtu >= IPV6_MINIMUM_MTU:
            self._add_address(interface, link_local_address(mac))
        for address in addresses:
            self.add_address(interface, address)
        return interface

    def add_address(self, interface: Interface, address: InterfaceAddress | str) -> None:
        """Give an interface an address, and the neighbours the news; what is in its prefix is on the link from now on.

        Raises ``OSError``: EEXIST if it has it already, EADDRNOTAVAIL if no host can have it, EINVAL if it is an
        IPv6 address and the MTU is below IPv6's minimum. ``ValueError`` if the text is no address with a length.
        """
        if isinstance(address, str):
            address = InterfaceAddress.parse(address)
        self._add_address(interface, address)
        interface.announce(address.address)

    def remove_address(self, interface: Interface, address: InterfaceAddress | str) -> None:
        """Take an address away; connections that use it are not told.

        Raises ``OSError`` EADDRNOTAVAIL if the interface does not have it.
        """
        if isinstance(address, str):
            address = InterfaceAddress.parse(address)
        interface.remove_address(address)
        packed = address.address
        if packed in self.addresses:
            self.addresses[packed] -= 1
            if not self.addresses[packed]:
                del self.addresses[packed]
        self.routes_changed()

    def add_route(
        self,
        prefix: Prefix | str,
        *,
        via: bytes | str | None = None,
        interface: str | None = None,
        metric: int = 0,
    ) -> Route:
        """Send packets for ``prefix`` to the router ``via``, or without one straight onto the link of ``interface``.

        Raises ``OSError``: EINVAL if neither is given, the families differ, or the router is this host; ENODEV if
        there is no such interface; ENETUNREACH if the router is not on a link of this host; EEXIST if the route is
        there already.
        ``ValueError`` if a text is no prefix or address.
        """
        prefix = Prefix.parse(prefix) if isinstance(prefix, str) else prefix
        via = parse_address(via) if isinstance(via, str) else via
        if via is None and interface is None:
            raise os_error(errno.EINVAL)
        if via is not None and (len(via) != len(prefix.address) or self.is_local(via)):
            raise os_error(errno.EINVAL)
        if interface is not None and interface not in self.interfaces:
            raise os_error(errno.ENODEV)
        leaving = self.interfaces[interface] if interface is not None else None
        if via is not None:
            leaving = self._link_of(via, leaving)
        assert leaving is not None
        route = Route(prefix, leaving, via, metric)
        if route in self.routes:
            raise os_error(errno.EEXIST)
        self.routes.add(route)
        self.routes_changed()
        return route

    def remove_route(
        self, prefix: Prefix | str, *, via: bytes | str | None = None, interface: str | None = None
    ) -> None:
        """Remove the best route for exactly ``prefix`` that was added, through ``via`` or ``interface`` if given.

        Raises ``OSError`` ESRCH if there is none, ``ValueError`` if a text is no prefix or address.
        """
        prefix = Prefix.parse(prefix) if isinstance(prefix, str) else prefix
        via = parse_address(via) if isinstance(via, str) else via
        found = [
            route
            for route in self.routes
            if route.prefix == prefix
            and not route.connected
            and via in (None, route.via)
            and interface in (None, route.interface.name)
        ]
        if not found:
            raise os_error(errno.ESRCH)
        self.routes.remove(min(found, key=lambda route: route.metric))
        self.routes_changed()

    def routes_changed(self) -> None:
        """Routes, addresses or interfaces are not what they were: what was concluded from them is forgotten."""
        self.routes.refresh()
        self.paths.flush()

    def path(
        self, destination: bytes, *, source: bytes | None = None, interface: Interface | None = None
    ) -> Path:
        """The way to ``destination``, from ``source`` and through ``interface`` if given, as now known.

        Raises ``OSError``: ENETUNREACH without a route, ENETDOWN if the interface is down, EADDRNOTAVAIL if
        ``source`` is not an address of this host or there is none to send from, EINVAL if the families differ.
        """
        return self.paths.get(destination, source, interface)

    def is_local(self, address: bytes) -> bool:
        """Whether packets for a unicast address stay on this host."""
        return address in self.addresses or is_loopback(address)

    def is_broadcast(self, address: bytes) -> bool:
        """Whether an address means everybody on a link of this host."""
        return any(address in interface.broadcasts for interface in self.interfaces.values())

    def ip(self, address: bytes) -> Ipv4 | Ipv6:
        """The protocol of an address."""
        return self.ipv4 if len(address) == 4 else self.ipv6

    # --- packets ----------------------------------------------------------------------------------------------------

    def drop(self, reason: str, frame: Frame | None = None) -> None:
        """Count what was discarded, and show it to the observer."""
        self.counters[reason] += 1
        if self.observer is not None:
            self.observer.dropped(reason, frame)

    def unresolved(self, interface: Interface, frame: Frame) -> None:
        """A packet, without link header, was given up because its next hop on ``interface`` does not answer."""
        (self.ipv4 if frame.head[0] >> 4 == 4 else self.ipv6).unresolved(interface, frame)

    # --- applications -----------------------------------------------------------------------------------------------

    def socket(self, family: int, type: int, proto: int = 0) -> AsyncSocket:
        """A socket for coroutines, of the families, types and protocols that ``sockets`` has; with its errors."""
        return AsyncSocket(self.sockets.socket(family, type, proto))

    def close(self) -> None:
        """Stop abruptly, as when the machine loses power: nothing is sent, nothing is left at the clock."""
        self.sockets.close()
        self.tcp.close()
        self.paths.close()
        self.reassembler.close()
        for interface in self.interfaces.values():
            interface.close()

    def _add_address(self, interface: Interface, address: InterfaceAddress) -> None:
        interface.add_address(address)
        if not is_loopback(address.address):
            self.addresses[address.address] = self.addresses.get(address.address, 0) + 1
        self.routes_changed()

    def _link_of(self, router: bytes, interface: Interface | None) -> Interface:
        """The interface on whose link a router is."""
        links = [
            route
            for route in self.routes
            if route.connected and route.prefix.contains(router) and interface in (None, route.interface)
        ]
        if not links:
            raise os_error(errno.ENETUNREACH)
        return max(links, key=lambda route: route.prefix.length).interface
