"""What all sockets have in common: identity, addresses, options, readiness, closing."""

from __future__ import annotations

import errno
import socket as bsd
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self, TypeAlias

from stack.errors import os_error
from stack.link import Buffer
from stack.sockets.address import Address, SocketAddress, needs_zone, parse, unparse
from stack.sockets.error_queue import ErrorQueue
from stack.sockets.options import Option, OptionTable, Value, as_bytes, as_int
from stack.sockets.poll import ANYTHING
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
MSG_CTRUNC: Final = int(bsd.MSG_CTRUNC)
MSG_DONTWAIT: Final = int(bsd.MSG_DONTWAIT)
MSG_WAITALL: Final = int(bsd.MSG_WAITALL)
MSG_MORE: Final = int(bsd.MSG_MORE)
MSG_EOR: Final = int(bsd.MSG_EOR)
MSG_ERRQUEUE: Final = int(bsd.MSG_ERRQUEUE)
MSG_FASTOPEN: Final = 0x20000000
"""Plain integers: the arithmetic of the ``socket`` module's enumeration costs more than a whole ``recv``."""
FIONREAD: Final = 0x541B
"""Also SIOCINQ."""
SIOCOUTQ: Final = 0x5411
SIOCATMARK: Final = 0x8905
SIOCOUTQNSD: Final = 0x894B

_CONTROL_HEADER: Final = 16
"""``struct cmsghdr`` where a ``size_t`` has eight bytes, which is also what it is aligned to."""

Control: TypeAlias = tuple[int, int, bytes]
"""A control message: level, type, data."""


class Received(NamedTuple):
    """What one ``recvmsg`` gives."""

    data: bytes
    address: Address | None = None
    flags: int = 0
    """``msg_flags``."""
    control: tuple[Control, ...] = ()


Request: TypeAlias = Callable[[Any], int]
"""What an ioctl does."""


class Socket(ABC):
    """A non-blocking BSD socket.

    Methods, constants and errors are those of the ``socket`` module with ``setblocking(False)``: what would
    have to wait raises BlockingIOError (EAGAIN). Where POSIX leaves a choice, or Linux departs from it, it is
    as on Linux. There are no signals: writing to a closed connection is EPIPE. Flags that make no difference
    here (MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, which never waits on a non-blocking socket) are accepted.
    """

    __slots__ = ("_watchers", "cause", "descriptor", "errors", "family", "host", "protocol", "settings")

    type: ClassVar[int]
    """SOCK_STREAM or SOCK_DGRAM."""
    options: ClassVar[OptionTable]
    requests: ClassVar[Mapping[int, Request]]
    """By the numbers of :meth:`ioctl`."""

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings) -> None:
        self.host = host
        self.family = family
        self.protocol = protocol
        self.settings = settings
        self.descriptor = -1
        """Given by the :class:`~stack.sockets.manager.SocketManager`; -1 when closed."""
        self._watchers: tuple[Callable[[], None], ...] = ()
        self.cause = 0
        """While watchers are called: the events of poll(2) that may have come true."""
        self.errors = ErrorQueue()
        """For MSG_ERRQUEUE."""

    # --- readiness

    @property
    @abstractmethod
    def readable(self) -> bool:
        """``recv`` (``accept``) would not raise EAGAIN: data, an end, an error; so is a closed socket."""

    @property
    @abstractmethod
    def writable(self) -> bool:
        """``send`` (``connect``) would not raise EAGAIN; so is a socket with an error, or a closed one."""

    @abstractmethod
    def poll(self) -> int:
        """The events of poll(2) that are there: those of :mod:`stack.sockets.poll`."""

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

    def _changed(self, events: int = ANYTHING) -> None:
        self.cause = events
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

    def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancillary: Iterable[Control] = (),
        flags: int = 0,
        address: Address | None = None,
    ) -> int:
        """Send what is in ``buffers`` as one, to the peer or to ``address``; returns how many bytes were taken.

        Raises OSError: EINVAL for control messages of IP or of the socket level, of which none is understood
        (those of strange levels are ignored, as on Linux), and the same as :meth:`send` and :meth:`sendto`.
        """
        if any(level in (bsd.IPPROTO_IP, bsd.IPPROTO_IPV6, bsd.SOL_SOCKET) for level, _, _ in ancillary):
            raise os_error(errno.EINVAL)
        data = b"".join(buffers)
        return self.send(data, flags) if address is None else self.sendto(data, address, flags)

    def recvmsg(
        self, limit: int, ancillary_limit: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Control], int, Address | None]:
        """What arrived, up to ``limit`` bytes, with its control messages, flags and sender.

        The flags are MSG_TRUNC, if the rest of a datagram is lost; MSG_CTRUNC, if the control messages do not fit
        ``ancillary_limit`` bytes (each takes ``CMSG_SPACE`` of its length); MSG_OOB and MSG_ERRQUEUE. With
        MSG_ERRQUEUE it is the oldest entry of the error queue, an IP_RECVERR or IPV6_RECVERR message with a
        ``struct sock_extended_err``, and where the packet had been sent to.
        """
        self._require_open()
        received = self._receive_error(limit) if flags & MSG_ERRQUEUE else self._receive(limit, flags)
        control, truncated = _fitting(received.control, ancillary_limit)
        return received.data, control, received.flags | truncated, received.address

    @abstractmethod
    def _receive(self, limit: int, flags: int) -> Received:
        """``recvmsg`` of an open socket, but for errors."""

    def _receive_error(self, limit: int) -> Received:
        error = self.errors.take()
        if error is None:
            raise os_error(errno.EAGAIN)
        pending = self.errors.pending
        if pending or error.offender:
            self._set_error(pending)
        return Received(
            error.payload[:limit],
            unparse(self.family, error.destination),
            MSG_ERRQUEUE | (MSG_TRUNC if len(error.payload) > limit else 0),
            error.control_messages(self.family),
        )

    @abstractmethod
    def _set_error(self, number: int) -> None:
        """SO_ERROR becomes that of the next entry in the error queue, or 0."""

    def ioctl(self, request: int) -> int:
        """The number that ioctl(2) would store: FIONREAD, SIOCOUTQ; of TCP also SIOCOUTQNSD and SIOCATMARK.

        Raises OSError: ENOTTY for a request that there is not, EINVAL while listening.
        """
        self._require_open()
        action = self.requests.get(request)
        if action is None:
            raise os_error(errno.ENOTTY)
        return action(self)

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
        forced = self.settings.interface_to(remote.address, multicast=is_multicast(remote.address))
        interface = remote.interface or forced or local.interface
        return self.host.path(remote.address, source=source, interface=interface)

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


def _fitting(control: Iterable[Control], room: int) -> tuple[list[Control], int]:
    """The control messages that fit ``room`` bytes, the last perhaps cut, and MSG_CTRUNC if not all do."""
    fitting: list[Control] = []
    for level, kind, data in control:
        if room < _CONTROL_HEADER:
            return fitting, MSG_CTRUNC
        space = room - _CONTROL_HEADER
        fitting.append((level, kind, data[:space]))
        if space < len(data):
            return fitting, MSG_CTRUNC
        room -= -(-(_CONTROL_HEADER + len(data)) // 8) * 8
    return fitting, 0
