"""Port numbers: who holds which, and the choice of one when the application does not care (RFC 6056).

A table per transport protocol maps each port to its bindings. Which bindings can share a port follows Linux
(``inet_csk_bind_conflict``, ``udp_lib_get_port``), whose rules programs rely on.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Final

from stack.config import PortConfig
from stack.errors import os_error
from stack.wire.address import UNSPECIFIED_V4, UNSPECIFIED_V6

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

TABLE_LENGTH: Final = 256
"""Counters of the double-hash algorithm: the more, the harder are ports to guess (RFC 6056 3.3.4)."""


class Binding:
    """One claim on a port, from :meth:`PortTable.bind` or its sisters to :meth:`PortTable.release`."""

    __slots__ = ("address", "automatic", "dual_stack", "interface", "listening", "port", "reuse", "table")

    def __init__(
        self,
        address: bytes,
        port: int,
        *,
        reuse: bool = False,
        dual_stack: bool = False,
        interface: Interface | None = None,
        automatic: bool = False,
    ) -> None:
        self.address = address
        self.port = port
        self.reuse = reuse
        """SO_REUSEADDR of the socket, as it is now."""
        self.dual_stack = dual_stack
        """The address is ``::`` and stands for all IPv4 addresses too (RFC 3493 5.3)."""
        self.interface = interface
        """Not None: the address has its meaning on this interface only (link-local, RFC 4007)."""
        self.automatic = automatic
        """Chosen for one connection: other connections may use the port to get elsewhere."""
        self.table: PortTable | None = None
        """Where it is claimed."""
        self.listening = False
        """A TCP listener has it: not to be shared, whatever ``reuse`` says."""

    def release(self) -> None:
        """Give it back: :meth:`PortTable.release`."""
        if self.table is not None:
            self.table.release(self)

    def overlaps(self, other: Binding) -> bool:
        """Whether some packet could be meant for both."""
        if (
            self.interface is not None
            and other.interface is not None
            and self.interface is not other.interface
        ):
            return False
        return self.address == other.address or self._covers(other.address) or other._covers(self.address)

    def _covers(self, address: bytes) -> bool:
        if self.address == UNSPECIFIED_V6:
            return self.dual_stack or len(address) == 16
        return self.address == UNSPECIFIED_V4 and len(address) == 4


class PortTable:
    """The ports of one transport protocol on one host."""

    def __init__(self, random: Random, config: PortConfig) -> None:
        self._random = random
        self._low = config.ephemeral_low
        self._count = config.ephemeral_high - config.ephemeral_low + 1
        self._bindings: dict[int, dict[Binding, None]] = {}
        self._secret = random.randbytes(16)
        self._table = [random.randrange(65536) for _ in range(TABLE_LENGTH)]

    def bind(
        self,
        address: bytes,
        port: int,
        *,
        reuse: bool = False,
        dual_stack: bool = False,
        interface: Interface | None = None,
    ) -> Binding:
        """Claim ``port``; 0: an ephemeral one that nobody else has, at random (RFC 6056 3.3.1).

        That is also what UDP connects from, as on Linux: increasing ports towards one server would let its
        answers be forged, and datagrams have no TIME-WAIT to collide with.
        Raises OSError: EADDRINUSE if the port, or every ephemeral port, is taken.
        """
        binding = Binding(address, port, reuse=reuse, dual_stack=dual_stack, interface=interface)
        if port == 0:
            binding.port = self._random_port(binding)
        elif any(self._conflict(binding, other) for other in self._bindings.get(port, ())):
            raise os_error(errno.EADDRINUSE)
        return self._add(binding)

    def connect(
        self, source: bytes, destination: bytes, destination_port: int, taken: Callable[[int], bool]
    ) -> Binding:
        """Claim an ephemeral port for one connection, by double hash (RFC 6056 3.3.4).

        ``taken`` tells whether a connection to that destination has the port already. A port that anybody has
        bound is passed over: it could get a listener any time (RFC 6056 3.1). Raises OSError: EADDRNOTAVAIL
        if no port is left.
        """
        index, start = self._double_hash(source, destination, destination_port)
        for step in range(self._count):
            port = self._low + (start + step) % self._count
            self._table[index] += 1
            if all(other.automatic for other in self._bindings.get(port, ())) and not taken(port):
                return self._add(Binding(source, port, automatic=True))
        raise os_error(errno.EADDRNOTAVAIL)

    def share(self, binding: Binding, address: bytes) -> Binding:
        """A claim for a connection of the socket that has ``binding``, which the connection may outlive.

        Until TIME-WAIT is over it keeps the port from others, but for SO_REUSEADDR, as on Linux.
        """
        return self._add(Binding(address, binding.port, reuse=binding.reuse, interface=binding.interface))

    def listen(self, binding: Binding) -> None:
        """Keep the port from being shared. Raises OSError: EADDRINUSE if it is, and another listens."""
        for other in self._bindings[binding.port]:
            if other is not binding and self._conflict(binding, other):
                raise os_error(errno.EADDRINUSE)
        binding.listening = True

    def release(self, binding: Binding) -> None:
        """Give a claim up."""
        bindings = self._bindings[binding.port]
        del bindings[binding]
        if not bindings:
            del self._bindings[binding.port]

    @staticmethod
    def _conflict(binding: Binding, other: Binding) -> bool:
        shared = binding.reuse and other.reuse and not other.listening
        return not shared and binding.overlaps(other)

    def _add(self, binding: Binding) -> Binding:
        self._bindings.setdefault(binding.port, {})[binding] = None
        binding.table = self
        return binding

    def _random_port(self, binding: Binding) -> int:
        start = self._random.randrange(self._count)
        for step in range(self._count):
            port = self._low + (start + step) % self._count
            if not any(binding.overlaps(other) for other in self._bindings.get(port, ())):
                return port
        raise os_error(errno.EADDRINUSE)

    def _double_hash(self, source: bytes, destination: bytes, destination_port: int) -> tuple[int, int]:
        """F and G of RFC 6056 3.3.4 from one keyed hash: the counter's index, and where to begin."""
        digest = blake2b(
            source + destination + destination_port.to_bytes(2), digest_size=8, key=self._secret
        ).digest()
        index = int.from_bytes(digest[4:]) % TABLE_LENGTH
        return index, int.from_bytes(digest[:4]) + self._table[index]


class Ports:
    """The port tables of one host."""

    def __init__(self, host: Host) -> None:
        self.tcp = PortTable(host.random, host.config.ports)
        self.udp = PortTable(host.random, host.config.ports)
