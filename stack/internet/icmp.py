"""ICMP of a host, both families together: what the layers above and below ask of it."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from stack.clock import SECOND
from stack.errors import os_error
from stack.internet.icmpv4 import Icmpv4
from stack.internet.icmpv6 import Icmpv6

if TYPE_CHECKING:
    from stack.clock import Clock
    from stack.host import Host
    from stack.internet.packet import Packet
    from stack.internet.path import Path
    from stack.internet.protocol import ErrorReport


class EchoUser(ABC):
    """Who sends echo requests, such as a ping socket."""

    __slots__ = ()

    @abstractmethod
    def reply_arrives(self, packet: Packet, sequence: int, data: bytes) -> None:
        """Take an echo reply with this user's identifier."""

    @abstractmethod
    def error_arrives(self, report: ErrorReport) -> None:
        """Take an ICMP error about one of this user's requests."""


class TokenBucket:
    """So many at once, so many per second (RFC 4443 2.4 f)."""

    __slots__ = ("_burst", "_clock", "_full_at", "_rate")

    def __init__(self, clock: Clock, rate: int, burst: int) -> None:
        """``rate`` per second; 0: none ever."""
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._full_at = clock.now() * rate
        """When the bucket will be full again, in ns times the rate, so that nothing is rounded."""

    def take(self) -> bool:
        """Take one, if there is one."""
        now = self._clock.now() * self._rate
        full_at = max(self._full_at, now) + SECOND
        if self._rate == 0 or full_at - now > self._burst * SECOND:
            return False
        self._full_at = full_at
        return True


class Icmp:
    """ICMP of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._users: dict[int, EchoUser] = {}
        self.limiter = TokenBucket(host.clock, host.config.icmp.error_rate, host.config.icmp.error_burst)
        """For error messages that leave the host."""
        self.v4 = Icmpv4(host, self)
        self.v6 = Icmpv6(host, self)

    def port_unreachable(self, packet: Packet) -> None:
        """Tell the sender of a packet that nobody listens at its port (RFC 1122 4.1.3.1, RFC 4443 3.1)."""
        (self.v4 if len(packet.source) == 4 else self.v6).port_unreachable(packet)

    def open_echo(self, user: EchoUser, identifier: int = 0) -> int:
        """Give ``user`` the replies that bear ``identifier``; 0: one that is free. Returns it.

        Raises ``OSError``: EADDRINUSE if it, or every one, is taken.
        """
        if identifier == 0:
            start = self._host.random.randrange(0xFFFF)
            free = (1 + (start + step) % 0xFFFF for step in range(0xFFFF))
            identifier = next((number for number in free if number not in self._users), 0)
        if identifier == 0 or identifier in self._users:
            raise os_error(errno.EADDRINUSE)
        self._users[identifier] = user
        return identifier

    def close_echo(self, identifier: int) -> None:
        """Give an identifier back."""
        del self._users[identifier]

    def echo_user(self, identifier: int) -> EchoUser | None:
        """Who has opened an identifier."""
        return self._users.get(identifier)

    def send_echo(
        self,
        identifier: int,
        sequence: int,
        data: bytes,
        path: Path,
        *,
        hop_limit: int = 0,
        traffic_class: int = 0,
    ) -> None:
        """Send an echo request, in fragments if need be. Raises ``OSError`` as :meth:`Path.send` does."""
        family = self.v4 if len(path.destination) == 4 else self.v6
        family.send_echo(path, identifier, sequence, data, hop_limit, traffic_class)
