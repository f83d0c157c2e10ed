"""What all sockets have in common: identity, addresses, options, readiness, closing."""

from __future__ import annotations

import errno
import socket as bsd
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, Self

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress, needs_zone, parse, unparse
from stack.sockets.options import Option, OptionTable, Value, as_bytes, as_int
from stack.sockets.settings import Settings
from stack.wire.address import (
    LOOPBACK_V4,
    LOOPBACK_V6,
    UNSPECIFIED_V4,
    UNSPECIFIED_V6,
    is_multicast,
    is_unspecified,
)

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.path import Path


MSG_OOB: Final = int(bsd.MSG_OOB)
MSG_PEEK: Final = int(bsd.MSG_PEEK)
MSG_TRUNC: Final = int(bsd.MSG_TRUNC)
"""Plain integers: the arithmetic of the ``socket`` module's enumeration costs more than a whole ``recv``."""


class Socket(ABC):
    """A non-blocking BSD socket.

    Methods, constants and errors are those of the ``socket`` module with ``setblocking(False)``: what would
    have to wait raises BlockingIOError (EAGAIN). Where POSIX leaves a choice, or Linux departs from it, it is
    as on Linux. There are no signals: writing to a closed connection is EPIPE. Flags that make no difference
    here (MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, which never waits on a non-blocking socket) are accepted;
    MSG_OOB is EOPNOTSUPP.
    """

    __slots__ = ("_watchers", "descriptor", "family", "host", "protocol", "settings")

    type: ClassVar[int]
    """SOCK_STREAM or SOCK_DGRAM."""
    options: ClassVar[OptionTable]

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        self.host = host
        self.family = family
        self.protocol = protocol
        self.settings = settings
        self.descriptor = -1
        """Given by the :class:`~stack.sockets.manager.SocketManager`; -1 when closed."""
        self._watchers: tuple[Callable[[], None], ...] = ()

    # --- readiness

    @property
    @abstractmethod
    def readable(self) -> bool:
        """``recv`` (``accept``) would not raise EAGAIN: data, an end, an error; so is a closed socket."""

    @property
    @abstractmethod
    def writable(self) -> bool:
        """``send`` (``connect``) would not raise EAGAIN; so is a socket with an error, or a closed one."""

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever :attr:`readable` or :attr:`writable` may have become true, closing included.

        It is called from within the stack: it should look and schedule, not act. There can be several.
        """
        self._watchers += (callback,)

    def unwatch(self, callback: Callable[[], None]) -> None:
        """Undo one :meth:`watch`."""
        watchers = list(self._watchers)
        watchers.remove(callback)
        self._watchers = tuple(watchers)

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher()

    # --- life

    def fileno(self) -> int:
        """The descriptor, by which :attr:`Host.sockets` knows it; -1 when closed."""
        return self.descriptor

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called, or the machine is off."""
        return self.descriptor < 0

    def close(self) -> None:
        """Give everything back, without waiting; who waits gets EBADF. Closing twice does nothing."""
        if not self.closed:
            self.host.sockets.forget(self)
            self._release()
            self._changed()

    def vanish(self) -> None:
        """Close without a word to anybody, as when the machine loses power."""
        self.host.sockets.forget(self)
        self._changed()

    @abstractmethod
    def _release(self) -> None:
        """Let go of ports, connections, queues."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _require_open(self) -> None:
        if self.descriptor < 0:
            raise os_error(errno.EBADF)

    @property
    def lingering(self) -> bool:
        """After :meth:`close`: the peer has not acknowledged everything yet, which SO_LINGER waits for."""
        return False

    # --- what each kind of socket does in its own way

    @abstractmethod
    def connect(self, address: Address) -> None:
        """Set the peer."""

    @abstractmethod
    def listen(self, backlog: int = 128) -> None:
        """Let peers connect."""

    @abstractmethod
    def accept(self) -> tuple[Socket, Address]:
        """The next connection, and its peer's address."""

    @abstractmethod
    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send to the peer; returns how many bytes were taken."""

    @abstractmethod
    def sendto(self, data: Buffer, address: Address, flags: int = 0) -> int:
        """Send to ``address``; returns how many bytes were taken."""

    @abstractmethod
    def recv(self, limit: int, flags: int = 0) -> bytes:
        """What arrived, up to ``limit`` bytes."""

    @abstractmethod
    def recvfrom(self, limit: int, flags: int = 0) -> tuple[bytes, Address | None]:
        """What arrived, up to ``limit`` bytes, and where it came from."""

    @abstractmethod
    def shutdown(self, how: int) -> None:
        """Close one half, or both."""

    # --- addresses

    @property
    @abstractmethod
    def bound(self) -> bool:
        """Whether it has a local port."""

    @abstractmethod
    def bind(self, address: Address) -> None:
        """Take a local address and port (port 0: any)."""

    @abstractmethod
    def _local(self) -> SocketAddress:
        """The local address as far as it is known."""

    @abstractmethod
    def _remote(self) -> SocketAddress | None:
        """The peer, or None while not connected."""

    def getsockname(self) -> Address:
        """The local address; unspecified as long as it was neither bound nor connected."""
        self._require_open()
        return unparse(self.family, self._local())

    def getpeername(self) -> Address:
        """The peer's address. Raises OSError: ENOTCONN."""
        self._require_open()
        remote = self._remote()
        if remote is None:
            raise os_error(errno.ENOTCONN)
        return unparse(self.family, remote)

    @property
    def dual_stack(self) -> bool:
        """IPv4 passes through this IPv6 socket as IPv4-mapped addresses (RFC 3493 5.3, 3.7)."""
        return self.family == bsd.AF_INET6 and not self.settings.v6_only

    def _unspecified(self) -> SocketAddress:
        return SocketAddress(UNSPECIFIED_V4 if self.family == bsd.AF_INET else UNSPECIFIED_V6, 0)

    def _parse_local(self, address: Address, *, groups: bool) -> SocketAddress:
        """The argument of ``bind``; ``groups``: multicast and broadcast addresses will do.

        Raises OSError: EINVAL (a second bind, a zone is missing, IPv4-mapped on an IPv6-only socket),
        EADDRNOTAVAIL.
        """
        self._require_open()
        if self.bound:
            raise os_error(errno.EINVAL)
        wanted = parse(self.host, self.family, address)
        packed = wanted.address
        if self.settings.v6_only and len(packed) == 4:
            raise os_error(errno.EINVAL)
        if needs_zone(packed) and wanted.interface is None:
            raise os_error(errno.EINVAL)
        group = groups and self._is_group(packed)
        if not (group or is_unspecified(packed) or self.host.is_local(packed)):
            raise os_error(errno.EADDRNOTAVAIL)
        return wanted

    def _parse_remote(self, address: Address) -> SocketAddress:
        """An address to send to; the unspecified one means this host, as on Linux.

        Raises OSError: EINVAL (a zone is missing), ENETUNREACH (IPv4-mapped on an IPv6-only socket).
        """
        wanted = parse(self.host, self.family, address)
        if is_unspecified(wanted.address):
            loopback = LOOPBACK_V4 if len(wanted.address) == 4 else LOOPBACK_V6
            wanted = wanted._replace(address=loopback)
        if needs_zone(wanted.address) and wanted.interface is None:
            raise os_error(errno.EINVAL)
        if self.settings.v6_only and len(wanted.address) == 4:
            raise os_error(errno.ENETUNREACH)
        return wanted

    def _path(self, local: SocketAddress, remote: SocketAddress) -> Path:
        """The way from ``local``, which may be a wildcard or a group, to ``remote``.

        Raises OSError: ENETUNREACH, also if the two are of different families.
        """
        source: bytes | None = local.address
        if len(local.address) != len(remote.address) and local.address != UNSPECIFIED_V6:
            raise os_error(errno.ENETUNREACH)
        if is_unspecified(local.address) or (
            not self.host.is_local(local.address) and self._is_group(local.address)
        ):
            source = None
        return self.host.path(remote.address, source=source, interface=remote.interface or local.interface)

    def _is_group(self, address: bytes) -> bool:
        """Whether it stands for many: multicast or broadcast."""
        return is_multicast(address) or self.host.is_broadcast(address)

    # --- options

    @property
    def listening(self) -> bool:
        """Whether ``accept`` can be called."""
        return False

    @abstractmethod
    def take_error(self) -> int:
        """SO_ERROR: the pending errno, which is cleared by reading it; 0 if there is none."""

    @abstractmethod
    def settings_changed(self) -> None:
        """Pass on what a new value in :attr:`settings` means below."""

    def setsockopt(self, level: int, option: int, value: Value) -> None:
        """Set an option, to an int or the bytes of what C takes.

        Raises OSError: ENOPROTOOPT for an option that does not exist or cannot be set, EINVAL for a value
        that it does not take.
        """
        put = self._option(level, option).set
        if put is None:
            raise os_error(errno.ENOPROTOOPT)
        put(self, value)

    def getsockopt(self, level: int, option: int, length: int = 0) -> Value:
        """Read an option: an int, or with a ``length`` the first bytes of what C gives.

        Raises OSError: ENOPROTOOPT for an option that does not exist.
        """
        value = self._option(level, option).get(self)
        return as_bytes(value, length) if length else as_int(value)

    def _option(self, level: int, option: int) -> Option[Socket]:
        self._require_open()
        found = self.options.get((level, option))
        if found is None or (level == bsd.IPPROTO_IPV6 and self.family != bsd.AF_INET6):
            raise os_error(errno.ENOPROTOOPT)
        return found
