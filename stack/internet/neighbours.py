"""The neighbour cache: one table and one state machine for ARP and neighbour discovery.

The states are those of RFC 4861 7.3.2, which RFC 1122 2.3.2.1 leaves room for in ARP's cache too, and FAILED, in
which a resolution that came to nothing is remembered for a moment so that it is not repeated for every packet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from stack.clock import Alarm
from stack.link import Buffer, Frame

if TYPE_CHECKING:
    from stack.internet.interface import Interface


class State(Enum):
    """Of one neighbour: RFC 4861 7.3.2."""

    INCOMPLETE = "incomplete"
    REACHABLE = "reachable"
    STALE = "stale"
    DELAY = "delay"
    PROBE = "probe"
    FAILED = "failed"


_USEFULNESS = {
    State.FAILED: 0,
    State.STALE: 1,
    State.INCOMPLETE: 2,
    State.PROBE: 3,
    State.DELAY: 4,
    State.REACHABLE: 5,
}
"""Which entry a full table parts with first: one that works is kept before one that is hoped for (RFC 6583 7.1)."""

_USABLE = frozenset((State.REACHABLE, State.STALE, State.DELAY, State.PROBE))


class NextHop(ABC):
    """Where a packet goes next, on one interface."""

    __slots__ = ("header",)

    header: bytes | None
    """The link header for it, while putting it in front of a packet is all there is to do; otherwise None."""

    @abstractmethod
    def send(self, frame: Frame) -> None:
        """Send a packet, given without link header, whatever has to be done first."""

    @abstractmethod
    def confirm(self, now: int) -> None:
        """The transport has made forward progress through here (RFC 4861 7.3.1)."""

    @abstractmethod
    def doubt(self) -> None:
        """The transport gets no answer, and it may be because of this (RFC 1122 3.3.1.4)."""


class FixedHop(NextHop):
    """A next hop that needs no resolution: a bare IP link, a broadcast or a multicast address."""

    __slots__ = ("_header", "_interface")

    def __init__(self, interface: Interface, header: bytes) -> None:
        self._interface = interface
        self._header = header
        self.header = header

    def send(self, frame: Frame) -> None:
        """Send a packet, given without link header."""
        self._interface.transmit(prepend(self._header, frame))

    def confirm(self, now: int) -> None:
        """Nothing that could be in doubt."""

    def doubt(self) -> None:
        """Nothing that could be asked."""


class Solicitor(ABC):
    """Asks for link-layer addresses: ARP or neighbour discovery."""

    __slots__ = ()

    ethertype: ClassVar[int]
    """Of the packets that go to the neighbours it finds."""

    @abstractmethod
    def solicit(self, interface: Interface, target: bytes, mac: bytes | None, source: bytes | None) -> None:
        """Ask for ``target``: all neighbours, or only the one at ``mac`` whether it is still there.

        ``source`` is where the packet that waits comes from, which is the sender's address to prefer if it is the
        interface's (RFC 4861 7.2.2).
        """


class Neighbour(NextHop):
    """One entry of the cache."""

    __slots__ = ("_alarm", "_queue", "_solicits", "_table", "address", "mac", "state", "touched")

    def __init__(self, table: NeighbourTable, address: bytes) -> None:
        self._table = table
        self._alarm = Alarm(table.clock, self._timeout)
        self._queue: deque[Frame] = deque()
        self._solicits = 0
        self.address = address
        self.mac: bytes | None = None
        self.state = State.INCOMPLETE
        self.touched = table.clock.now()
        """When it last changed its state (ns)."""
        self.header = None

    # --- what the sender does -----------------------------------------------------------------------------------

    def send(self, frame: Frame) -> None:
        """Send a packet, given without link header, now or when the neighbour has been found.

        If it cannot be found, the packet's sender is told by ICMP (RFC 4861 7.2.2, RFC 1122 2.3.2.2).
        """
        if self.state is State.STALE:
            self._enter(State.DELAY, self._table.config.delay_first_probe)
        if self.header is not None:
            self._table.interface.transmit(prepend(self.header, frame))
        elif (
            self.state is State.FAILED
            and self.touched + self._table.config.failed_time > self._table.clock.now()
        ):
            self._table.unreachable(frame)
        else:
            self._wait(frame)

    def confirm(self, now: int) -> None:
        """The transport has made forward progress through here (RFC 4861 7.3.1)."""
        if self.state is State.REACHABLE:
            self._alarm.set(now + self._table.reachable_time)
        elif self.state in _USABLE:
            self._enter(State.REACHABLE, self._table.reachable_time)

    def doubt(self) -> None:
        """The transport gets no answer: ask at once whether it is still there (RFC 1122 3.3.1.4)."""
        if self.state in _USABLE and self.state is not State.PROBE:
            self._begin_probing()

    def _wait(self, frame: Frame) -> None:
        self._queue.append(frame)
        if len(self._queue) > self._table.config.queue:
            self._table.drop("neighbour.queue_full", self._queue.popleft())
        if self._solicits == 0:
            self._enter(State.INCOMPLETE)
            self._solicit()

    @property
    def asked(self) -> bool:
        """Whether a solicitation is waiting for an answer."""
        return self._solicits > 0 and (self.state is State.INCOMPLETE or self.state is State.PROBE)

    # --- what the neighbour says --------------------------------------------------------------------------------

    def heard(self, mac: bytes) -> None:
        """It sent something that shows its link-layer address, but not that it hears us (RFC 4861 7.2.3)."""
        if mac != self.mac or self.state not in _USABLE:
            self.mac = mac
            self._enter(State.STALE)
            self._flush()

    def advertised(self, mac: bytes | None, *, solicited: bool, override: bool) -> None:
        """It advertised itself (RFC 4861 7.2.5); ``mac`` is None if the advertisement did not show it."""
        if self.state not in _USABLE:
            if mac is None:
                return
            self.mac = mac
            self._enter_known(solicited)
            self._flush()
            return
        changed = mac is not None and mac != self.mac
        if changed and not override:
            if self.state is State.REACHABLE:
                self._enter(State.STALE)
            return
        if changed:
            self.mac = mac
        if changed or solicited:
            self._enter_known(solicited)

    def _enter_known(self, solicited: bool) -> None:
        if solicited:
            self._enter(State.REACHABLE, self._table.new_reachable_time())
        else:
            self._enter(State.STALE)

    def _flush(self) -> None:
        """It is known where to send what waits."""
        self._table.found(self)
        waiting, self._queue = self._queue, deque()
        for frame in waiting:
            self.send(frame)

    # --- time ---------------------------------------------------------------------------------------------------

    def _enter(self, state: State, delay: int | None = None) -> None:
        """Change the state; without a delay (ns) it lasts until something happens."""
        self.state = state
        self.touched = self._table.clock.now()
        if state is State.REACHABLE or state is State.DELAY or state is State.PROBE:
            assert self.mac is not None
            self.header = self._table.header(self.address, self.mac)
        else:
            self.header = None
        if delay is None:
            self._alarm.stop()
        else:
            self._alarm.set(self.touched + delay)

    def _timeout(self) -> None:
        config = self._table.config
        if self.state is State.REACHABLE:
            self._enter(State.STALE)
        elif self.state is State.DELAY:
            self._begin_probing()
        elif self.state is State.PROBE:
            self._probe()
        elif self._solicits < config.multicast_solicits:
            self._solicit()
        else:
            self._fail()

    def _begin_probing(self) -> None:
        self._solicits = 0
        self._enter(State.PROBE)
        self._probe()

    def _probe(self) -> None:
        if self._solicits < self._table.config.unicast_solicits:
            self._solicit()
        else:
            # RFC 4861 7.3.3: forget it, so that the next packet begins a resolution from nothing.
            self._table.remove(self)
            self._table.failed(self)

    def _solicit(self) -> None:
        self._solicits += 1
        self._alarm.set_later(self._table.config.retrans_timer)
        source = _source_of(self._queue[0].head) if self._queue else None
        self._table.solicit(self.address, self.mac, source)

    def _fail(self) -> None:
        self._enter(State.FAILED)
        self._solicits = 0
        self._table.failed(self)
        waiting, self._queue = self._queue, deque()
        for frame in waiting:
            self._table.unreachable(frame)

    def forget(self) -> None:
        """Leave the table: nothing stays at the clock, what waits is dropped."""
        self._alarm.cancel()
        self.state = State.FAILED
        self.header = None
        for frame in self._queue:
            self._table.drop("neighbour.forgotten", frame)
        self._queue.clear()


class NeighbourTable:
    """The neighbours of one interface, of both families."""

    __slots__ = ("_entries", "_random", "_solicitors", "clock", "config", "interface", "reachable_time")

    def __init__(self, interface: Interface, arp: Solicitor, ndp: Solicitor) -> None:
        host = interface.host
        self.interface = interface
        self.clock = host.clock
        self.config = host.config.neighbour
        self._random = host.random
        self._solicitors = {4: arp, 16: ndp}
        self._entries: dict[bytes, Neighbour] = {}
        self.reachable_time = self.new_reachable_time()
        """How long a confirmation is good for (ns): ReachableTime of RFC 4861 6.3.2."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, address: bytes) -> Neighbour | None:
        """The entry for an address, if there is one."""
        return self._entries.get(address)

    def entry(self, address: bytes) -> Neighbour:
        """The entry for an address; a new one has yet to be resolved."""
        neighbour = self._entries.get(address)
        if neighbour is None:
            if len(self._entries) >= self.config.entries:
                self.remove(min(self._entries.values(), key=_usefulness))
            neighbour = self._entries[address] = Neighbour(self, address)
        return neighbour

    def remove(self, neighbour: Neighbour) -> None:
        """Forget a neighbour."""
        del self._entries[neighbour.address]
        neighbour.forget()

    def clear(self) -> None:
        """Forget all neighbours."""
        for neighbour in list(self._entries.values()):
            self.remove(neighbour)

    def new_reachable_time(self) -> int:
        """Draw ReachableTime anew: 0.5 to 1.5 of its base (RFC 4861 10)."""
        base = self.config.reachable_time
        self.reachable_time = self._random.randint(base // 2, base * 3 // 2)
        return self.reachable_time

    def header(self, address: bytes, mac: bytes) -> bytes:
        """The link header in front of packets to a neighbour."""
        return self.interface.link_header(mac, self._solicitors[len(address)].ethertype)

    def solicit(self, address: bytes, mac: bytes | None, source: bytes | None) -> None:
        """Ask for a neighbour: see :meth:`Solicitor.solicit`."""
        self._solicitors[len(address)].solicit(self.interface, address, mac, source)

    def failed(self, neighbour: Neighbour) -> None:
        """A neighbour does not answer."""
        self.interface.host.paths.next_hop_failed(self.interface, neighbour.address)

    def found(self, neighbour: Neighbour) -> None:
        """A neighbour has shown where it is."""
        self.interface.host.paths.next_hop_found(self.interface, neighbour.address)

    def unreachable(self, frame: Frame) -> None:
        """A packet had to be given up: tell its sender."""
        self.interface.host.unresolved(self.interface, frame)

    def drop(self, reason: str, frame: Frame) -> None:
        """Count a packet that is dropped."""
        self.interface.host.drop(reason, frame)


def prepend(header: bytes, frame: Frame) -> Frame:
    """A frame with a link header in front of the packet."""
    if not header:
        return frame
    shift = len(header)
    return Frame(
        header + frame.head,
        frame.payload,
        frame.checksum,
        frame.transport + shift,
        frame.checksum_at + shift,
        frame.segment_size,
    )


def _usefulness(neighbour: Neighbour) -> tuple[int, int]:
    return _USEFULNESS[neighbour.state], neighbour.touched


def _source_of(head: Buffer) -> bytes:
    """The source address of an IP packet of either family."""
    return bytes(head[12:16]) if head[0] >> 4 == 4 else bytes(head[8:24])
