"""Reassembly, of both families: RFC 791 3.2, RFC 8200 4.5, RFC 5722."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from stack.clock import Alarm
from stack.internet.packet import Packet

if TYPE_CHECKING:
    from stack.host import Host

OVERHEAD = 256
"""Bytes that one fragment or datagram is charged beside its data, so that many tiny ones are not free."""

_ECN = 0b11
_NOT_ECT, _CE = 0b00, 0b11


class FragmentKey(NamedTuple):
    """What fragments of one datagram have in common (RFC 791 3.2; RFC 8200 4.5, where the protocol is no part)."""

    source: bytes
    destination: bytes
    identification: int
    protocol: int


class Datagram:
    """One datagram under reassembly."""

    __slots__ = (
        "_codepoints",
        "_pieces",
        "_received",
        "_starts",
        "expires",
        "first",
        "length",
        "memory",
        "rejected",
    )

    def __init__(self, expires: int) -> None:
        self.expires = expires
        self.first: Packet | None = None
        """The fragment that came from the start of the datagram."""
        self.length = -1
        """Bytes of data in all; -1 until the last fragment has shown it."""
        self.memory = OVERHEAD
        self.rejected = False
        """Overlapping fragments came: all others are discarded too, those still to come included (RFC 5722 4)."""
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self._received = 0
        self._codepoints = 0

    def add(self, packet: Packet, start: int, data: bytes, more: bool) -> bool:
        """Put a fragment in its place; False if it contradicts what came before."""
        end = start + len(data)
        at = bisect_left(self._starts, start)
        if at < len(self._starts) and self._starts[at] == start and self._pieces[at] == data:
            return more == (end != self.length)  # An exact duplicate, which networks do make.
        if at > 0 and self._starts[at - 1] + len(self._pieces[at - 1]) > start:
            return False
        if at < len(self._starts) and self._starts[at] < end:
            return False
        if not more:
            if self.length not in (-1, end) or (at < len(self._starts)):
                return False
            self.length = end
        elif self.length != -1 and end > self.length:
            return False
        if start == 0:
            self.first = packet
        self._starts.insert(at, start)
        self._pieces.insert(at, data)
        self._received += len(data)
        self._codepoints |= 1 << (packet.traffic_class & _ECN)
        self.memory += len(data) + OVERHEAD
        return True

    def reject(self) -> None:
        """Discard what came, and what will come."""
        self.rejected = True
        self.memory = OVERHEAD
        self.first = None
        self._starts.clear()
        self._pieces.clear()
        self._received, self.length = 0, -1

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self._received == self.length

    @property
    def data(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)

    def congestion(self) -> int | None:
        """The ECN field of the whole, CE if any fragment had it; None if some fragments are ECN-capable and others
        are not, so that a mark may have been lost (RFC 3168 5.3, and Linux's ip_frag_ecn_table).
        """
        if self._codepoints == 1 << _NOT_ECT:
            return _NOT_ECT
        if self._codepoints & 1 << _NOT_ECT:
            return None
        if self._codepoints & 1 << _CE:
            return _CE
        assert self.first is not None
        return self.first.traffic_class & _ECN


class Reassembled(NamedTuple):
    """What has become of the fragments."""

    first: Packet
    """The fragment from the start, whose headers are those of the whole."""
    data: bytes
    traffic_class: int


class Reassembler:
    """All datagrams under reassembly on one host: bounded in number, bytes and time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._config = host.config.ip
        self._datagrams: dict[FragmentKey, Datagram] = {}
        self._alarm = Alarm(host.clock, self._expire)
        self.memory = 0
        """Bytes held, overhead included."""

    def __len__(self) -> int:
        return len(self._datagrams)

    def add(self, key: FragmentKey, packet: Packet, start: int, more: bool) -> Reassembled | None:
        """Take a fragment, whose data is what ``packet`` has as its transport header and payload.

        ``start`` is its place in the datagram in bytes, ``more`` whether it is not the last. Returns the whole if it
        was the last one missing. The caller has checked what can be seen from the fragment alone.
        """
        datagram = self._datagrams.get(key)
        if datagram is None:
            datagram = self._begin(key)
        held = datagram.memory
        if datagram.rejected:
            self._host.drop("fragments.overlap", packet.frame)
            return None
        if not datagram.add(packet, start, packet.contiguous(), more):
            datagram.reject()
            self._host.drop("fragments.overlap", packet.frame)
        elif datagram.memory == held:
            self._host.drop("fragments.duplicate", packet.frame)
        self.memory += datagram.memory - held
        if datagram.complete:
            self._forget(key)
            return self._finish(datagram)
        while self.memory > self._config.fragment_memory:
            self._drop_oldest("fragments.memory_full")
        return None

    def close(self) -> None:
        """Forget all, and leave nothing at the clock."""
        self._datagrams.clear()
        self.memory = 0
        self._alarm.cancel()

    def _begin(self, key: FragmentKey) -> Datagram:
        if len(self._datagrams) >= self._config.fragment_datagrams:
            self._drop_oldest("fragments.too_many_datagrams")
        datagram = Datagram(self._host.clock.now() + self._config.fragment_timeout)
        self._datagrams[key] = datagram
        self.memory += datagram.memory
        if self._alarm.deadline is None:
            self._alarm.set(datagram.expires)
        return datagram

    def _finish(self, datagram: Datagram) -> Reassembled | None:
        first = datagram.first
        assert first is not None
        congestion = datagram.congestion()
        if congestion is None:
            self._host.drop("fragments.ecn_mismatch", first.frame)
            return None
        return Reassembled(first, datagram.data, first.traffic_class & ~_ECN | congestion)

    def _forget(self, key: FragmentKey) -> Datagram:
        datagram = self._datagrams.pop(key)
        self.memory -= datagram.memory
        return datagram

    def _drop_oldest(self, reason: str) -> None:
        datagram = self._forget(next(iter(self._datagrams)))
        self._host.drop(reason, None if datagram.first is None else datagram.first.frame)

    def _expire(self) -> None:
        # All wait equally long, so the first in the table is the first to expire.
        now = self._host.clock.now()
        while self._datagrams:
            key, datagram = next(iter(self._datagrams.items()))
            if datagram.expires > now:
                self._alarm.set(datagram.expires)
                return
            self._forget(key)
            self._host.drop("fragments.timeout", None if datagram.first is None else datagram.first.frame)
            if datagram.first is not None:
                self._host.ip(key.source).reassembly_expired(datagram.first)
