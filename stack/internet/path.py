"""The destination cache: for each destination, the way there (RFC 4861 5.1)."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from stack.clock import Alarm
from stack.errors import os_error
from stack.internet.neighbours import NextHop
from stack.internet.source import select_source
from stack.link import Buffer, Checksum, Frame
from stack.wire.address import is_multicast, is_unspecified
from stack.wire.checksum import complete

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

LARGEST_PACKET = 65535
"""What the length field of IPv4 can say; IPv6 gets no more, so that both behave alike."""


class Path(ABC):
    """The way to one destination from one source address, shared by all who go there.

    Made by :meth:`Host.path() <stack.host.Host.path>`; each family has its own :meth:`send`.
    """

    __slots__ = (
        "_counters",
        "_hop",
        "_host",
        "_identification",
        "broadcast",
        "destination",
        "hop_limit",
        "interface",
        "mtu",
        "next_hop",
        "offload",
        "source",
        "valid",
    )

    MINIMUM_MTU: ClassVar[int]
    """No path MTU below this is believed, in bytes."""

    def __init__(
        self,
        host: Host,
        destination: bytes,
        source: bytes,
        interface: Interface,
        next_hop: bytes,
        broadcast: bool,
    ) -> None:
        self._host = host
        self._counters = host.counters
        self.destination = destination
        self.source = source
        self.interface = interface
        self.next_hop = next_hop
        """The neighbour that takes the packets: the destination or a router."""
        self.broadcast = broadcast
        """The destination is an IPv4 broadcast address."""
        self.mtu = min(interface.mtu, LARGEST_PACKET)
        """Path MTU: bytes of IP packet that get there in one piece, as far as is known. It changes."""
        self.valid = True
        """False once routes or addresses have changed: ask the host for the path again."""
        self.hop_limit = 1 if is_multicast(destination) else host.config.ip.hop_limit
        self.offload = interface.link.offload
        self._identification = host.random.getrandbits(32)
        self._hop: NextHop = interface.next_hop(next_hop, broadcast)

    @abstractmethod
    def send(
        self,
        protocol: int,
        header: bytes,
        payload: Buffer = b"",
        *,
        source: bytes | None = None,
        checksum_at: int = -1,
        hop_limit: int = 0,
        traffic_class: int = 0,
        dont_fragment: bool = True,
        segment_size: int = 0,
    ) -> None:
        """Send one IP packet; ``header`` is the transport's, of an even length.

        The transport has put the folded sum of the pseudo-header into its checksum field, ``header[checksum_at]``;
        the rest is done here or by the link. With ``checksum_at=-1`` there is nothing to do. ``hop_limit=0`` is the
        path's. Without ``dont_fragment``, IPv4 routers may cut the packet, and it is cut here if it is larger than
        the path MTU. With ``segment_size`` it is a super-segment (:attr:`Frame.segment_size`), of which each piece has
        to fit into the path MTU, and no longer than :attr:`offload` allows. Raises ``OSError``: EMSGSIZE if it is
        larger and must not be, or larger than IP can carry; EADDRNOTAVAIL if ``source`` is no address of this host.
        """

    def learn_mtu(self, mtu: int) -> None:
        """Believe that packets larger than ``mtu`` bytes do not get there (RFC 1191 6.3, RFC 8201 4).

        Only ever lowers the path MTU, and not below :attr:`MINIMUM_MTU`; it is forgotten after
        ``IpConfig.path_mtu_expiry``.
        """
        self._host.paths.learn_mtu(self.destination, max(mtu, self.MINIMUM_MTU))

    def confirm(self, now: int) -> None:
        """The transport has made forward progress on this path: its first hop works (RFC 4861 7.3.1)."""
        self._hop.confirm(now)

    def doubt(self) -> None:
        """The transport gets no answer (RFC 9293 3.8.3, MUST-20a): does the first hop still work?

        If not, another router takes its place, if there is one (RFC 1122 3.3.1.4, 3.3.1.5).
        """
        self._hop.doubt()

    def redirect(self, next_hop: bytes) -> None:
        """Take another first hop from now on (RFC 4861 8.3, RFC 1122 3.2.2.2)."""
        self.next_hop = next_hop
        self._hop = self.interface.next_hop(next_hop, False)

    def next_identification(self) -> int:
        """For a packet that may be fragmented; 32 bits, of which IPv4 takes 16.

        A counter per destination from a random start: it comes back later than fragments live (RFC 6864 4.3),
        and tells nobody else anything (RFC 7739 5.1).
        """
        self._identification = self._identification + 1 & 0xFFFFFFFF
        return self._identification

    def sibling(self, source: bytes) -> Path:
        """The path from another of this host's addresses. Raises ``OSError`` EADDRNOTAVAIL if it has no such."""
        return self._host.path(self.destination, source=source, interface=self.interface)

    def _resolve(self, frame: Frame) -> None:
        """Send a packet, given without link header, whose next hop has first to be found or checked."""
        if not self.interface.up:  # Nothing may begin to wait for an answer.
            self._host.drop("interface.down", frame)
            return
        self._hop = self.interface.next_hop(self.next_hop, self.broadcast)
        self._hop.send(frame)

    def _send_all(self, packets: Iterator[Frame]) -> None:
        for packet in packets:
            self._resolve(packet)

    @staticmethod
    def _joined(header: bytes, payload: Buffer, checksum_at: int) -> bytes:
        """Transport header and data in one piece and with its checksum, to be cut into fragments."""
        if checksum_at < 0:
            return header + payload
        return bytes(complete(Frame(header, payload, Checksum.PARTIAL, 0, checksum_at)))


class _Destination:
    """All paths to one destination, and what is known about it whichever path is taken."""

    __slots__ = ("expires", "mtu", "paths")

    def __init__(self) -> None:
        self.paths: dict[tuple[bytes | None, Interface | None], Path] = {}
        self.mtu = LARGEST_PACKET
        self.expires = 0


class PathCache:
    """The destination cache of one host: bounded, and emptied when routes or addresses change."""

    __slots__ = ("_destinations", "_expiry", "_failed", "_failures", "_host", "_learnt", "_redirected")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._destinations: dict[bytes, _Destination] = {}
        self._learnt: dict[bytes, _Destination] = {}
        """Those with a path MTU of their own, the first to expire first."""
        self._redirected: dict[bytes, _Destination] = {}
        """Those whose next hop is not what the routes say."""
        self._failed: dict[tuple[Interface, bytes], int] = {}
        """Routers that do not answer, and the how-manieth failure of all that was."""
        self._failures = 0
        self._expiry = Alarm(host.clock, self._expire)

    def __len__(self) -> int:
        return len(self._destinations)

    def get(self, destination: bytes, source: bytes | None, interface: Interface | None) -> Path:
        """See :meth:`Host.path() <stack.host.Host.path>`."""
        known = self._destinations.get(destination)
        if known is not None:
            path = known.paths.get((source, interface))
            if path is not None:
                return path
        path = self._determine(destination, source, interface)
        if known is None:
            known = self._remember(destination)
        # Whoever left the choice to us shares the path with whoever chose the same.
        path = known.paths.setdefault((path.source, path.interface), path)
        known.paths[source, interface] = path
        path.mtu = min(path.mtu, known.mtu)
        return path

    def learn_mtu(self, destination: bytes, mtu: int) -> None:
        """See :meth:`Path.learn_mtu`."""
        known = self._destinations.get(destination)
        if known is None or mtu >= max([path.mtu for path in known.paths.values()], default=0):
            return
        known.mtu = mtu
        known.expires = self._host.clock.now() + self._host.config.ip.path_mtu_expiry
        self._learnt.pop(destination, None)
        self._learnt[destination] = known
        if self._expiry.deadline is None:
            self._expiry.set(known.expires)
        for path in known.paths.values():
            path.mtu = min(path.mtu, mtu)

    def redirect(self, interface: Interface, router: bytes, destination: bytes, target: bytes) -> bool:
        """Go to ``destination`` by ``target`` from now on, as ``router`` says (RFC 4861 8.3, RFC 1122 3.2.2.2).

        Believed only of the router that is now the first hop, and by hosts only; returns whether it was.
        """
        known = self._destinations.get(destination)
        if known is None or self._host.config.ip.forwarding:
            return False
        redirected = False
        for path in known.paths.values():
            if path.interface is interface and path.next_hop == router:
                path.redirect(target)
                redirected = True
        if redirected:
            self._redirected[destination] = known
        return redirected

    def next_hop_failed(self, interface: Interface, next_hop: bytes) -> None:
        """A neighbour does not answer: who goes by it must find another way (RFC 4861 7.3.3, RFC 1122 3.3.1.5)."""
        concerned = self._redirected
        if any(route.via == next_hop and route.interface is interface for route in self._host.routes):
            self._failures += 1
            self._failed[interface, next_hop] = self._failures
            concerned = self._destinations
        for destination, known in list(concerned.items()):
            if any(
                path.interface is interface and path.next_hop == next_hop for path in known.paths.values()
            ):
                self._reroute(destination)

    def next_hop_found(self, interface: Interface, next_hop: bytes) -> None:
        """A neighbour is there; if that is news of a router, it may be a better way than those taken instead."""
        if self._failed and self._failed.pop((interface, next_hop), None) is not None:
            for destination in self._destinations:
                self._reroute(destination)

    def flush(self) -> None:
        """Routes, addresses or interfaces have changed: every path must be asked for again."""
        for known in self._destinations.values():
            _invalidate(known)
        self._destinations.clear()
        self._learnt.clear()
        self._redirected.clear()
        self._expiry.stop()

    def close(self) -> None:
        """Forget all, and leave nothing at the clock."""
        self.flush()
        self._expiry.cancel()

    def _remember(self, destination: bytes) -> _Destination:
        if len(self._destinations) >= self._host.config.ip.paths:
            self._forget(next(iter(self._destinations)))
        known = self._destinations[destination] = _Destination()
        return known

    def _reroute(self, destination: bytes) -> None:
        """Every path to a destination must be asked for again, but what is known about it remains."""
        known = self._destinations[destination]
        _invalidate(known)
        known.paths.clear()
        self._redirected.pop(destination, None)

    def _forget(self, destination: bytes) -> None:
        _invalidate(self._destinations.pop(destination))
        self._learnt.pop(destination, None)
        self._redirected.pop(destination, None)

    def _expire(self) -> None:
        now = self._host.clock.now()
        while self._learnt:
            destination, known = next(iter(self._learnt.items()))
            if known.expires > now:
                self._expiry.set(known.expires)
                return
            del self._learnt[destination]
            known.mtu = LARGEST_PACKET
            for path in known.paths.values():
                path.mtu = min(path.interface.mtu, LARGEST_PACKET)

    def _determine(self, destination: bytes, source: bytes | None, interface: Interface | None) -> Path:
        """Next-hop determination (RFC 4861 5.2), then the choice of a source address (RFC 6724)."""
        host = self._host
        if source is not None:
            if len(source) != len(destination):
                raise os_error(errno.EINVAL)
            if not host.is_local(source):
                raise os_error(errno.EADDRNOTAVAIL)
        broadcast = False
        next_hop = destination
        if host.is_local(destination):
            interface = host.loopback
            chosen = source or destination
        else:
            if is_unspecified(destination):
                raise os_error(errno.ENETUNREACH)
            broadcast = host.is_broadcast(destination)
            if broadcast or is_multicast(destination):
                interface = interface or self._group_interface(destination)
            else:
                interface, next_hop = self._route(destination, source, interface)
            if not interface.up:
                raise os_error(errno.ENETDOWN)
            chosen = source or select_source(host, destination, interface, next_hop)
        return host.ip(destination).path_type(host, destination, chosen, interface, next_hop, broadcast)

    def _route(
        self, destination: bytes, source: bytes | None, interface: Interface | None
    ) -> tuple[Interface, bytes]:
        """The best route; of equally good ones, one through the interface that has the source address.

        Of the routers to one prefix, one that answers; if none does, each is tried in turn (RFC 4861 6.3.6).
        """
        best, merit = None, (0, 0, False)
        for route in self._host.routes.candidates(destination):
            if interface is not None and route.interface is not interface:
                continue
            if best is not None and route.prefix.length != best.prefix.length:
                break
            failure = self._failed.get((route.interface, route.via), 0) if route.via is not None else 0
            foreign = source is not None and not route.interface.has_address(source)
            if best is None or (failure, route.metric, foreign) < merit:
                best, merit = route, (failure, route.metric, foreign)
        if best is None:
            raise os_error(errno.ENETUNREACH)
        return best.interface, best.via if best.via is not None else destination

    def _group_interface(self, destination: bytes) -> Interface:
        """Where a broadcast or multicast leaves if nobody says: by its route, or else the first interface."""
        route = self._host.routes.lookup(destination)
        if route is not None:
            return route.interface
        for interface in self._host.interfaces.values():
            if interface.up and interface is not self._host.loopback:
                for address in interface.addresses:
                    if len(address.address) == len(destination):
                        return interface
        raise os_error(errno.ENETUNREACH)


def _invalidate(known: _Destination) -> None:
    for path in known.paths.values():
        path.valid = False
