"""Learning switches (IEEE 802.1D-2004 clause 7, without the spanning tree)."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from stack.clock import SECOND, Clock
from stack.link import Buffer, Frame, Link

AGEING_TIME = 300 * SECOND
"""An address that has sent nothing for so long is forgotten (802.1D table 7-5)."""
TABLE_SIZE = 8192
"""Addresses that are remembered; beyond it the one that has been silent longest goes."""
HEADER = 14
"""Destination, source and Ethertype."""
TAG = 4
"""A VLAN tag, which may come on top of what a link's MTU counts."""


class _Port:
    """Where a link is plugged in."""

    __slots__ = ("largest", "link")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.largest = HEADER + TAG + link.mtu


class _Entry:
    """Behind which port an address is, and since when it has been silent."""

    __slots__ = ("heard", "port")

    def __init__(self, port: _Port, heard: int) -> None:
        self.port = port
        self.heard = heard


class Switch:
    """Takes frames in on each port, and sends them out where their destination is, or everywhere else.

    It takes no time, has no queue of its own (the links have), no address, and looks at no VLAN tag. There is no
    spanning tree: links that form a loop of switches carry a broadcast round for ever, and
    :meth:`Simulation.connect <links.simulated.simulation.Simulation.connect>` refuses them.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.counters: defaultdict[str, int] = defaultdict(int)
        """Frames by what became of them: forwarded, flooded, filtered, truncated, too_big."""
        self._clock = clock
        self._ports: list[_Port] = []
        self._table: dict[bytes, _Entry] = {}

    def __repr__(self) -> str:
        return f"<Switch {self.name}>"

    def add_port(self, link: Link) -> None:
        """Plug a link in."""
        port = _Port(link)
        self._ports.append(port)
        link.attach(partial(self._receive, port))

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The MAC addresses that it remembers; the one that has been silent longest comes first."""
        return tuple(self._table)

    def _receive(self, port: _Port, frame: Frame) -> None:
        head = frame.head
        if len(head) < HEADER:
            self.counters["truncated"] += 1
            return
        self._learn(bytes(head[6:12]), port)
        found = self._port_of(head)
        if found is None:
            self.counters["flooded"] += 1
            for other in self._ports:
                if other is not port:
                    self._send(other, frame)
        elif found is port:
            self.counters["filtered"] += 1
        else:
            self.counters["forwarded"] += 1
            self._send(found, frame)

    def _send(self, port: _Port, frame: Frame) -> None:
        if len(frame) > port.largest:
            self.counters["too_big"] += 1
        else:
            port.link.transmit(frame)

    def _learn(self, source: bytes, port: _Port) -> None:
        """802.1D 7.8; the table stays in the order in which its addresses were last heard."""
        if source[0] & 1:
            return
        table = self._table
        entry = table.pop(source, None)
        if entry is None:
            if len(table) >= TABLE_SIZE:
                del table[next(iter(table))]
            entry = _Entry(port, 0)
        entry.port = port
        entry.heard = self._clock.now()
        table[source] = entry

    def _port_of(self, head: Buffer) -> _Port | None:
        """Where a frame's destination is, if it is a station that is known."""
        if head[0] & 1:
            return None
        destination = bytes(head[:6])
        entry = self._table.get(destination)
        if entry is None:
            return None
        if self._clock.now() - entry.heard > AGEING_TIME:
            del self._table[destination]
            return None
        return entry.port
