"""Readiness as Linux tells it: poll(2) and epoll(7), for those who wait for several sockets."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from stack.errors import os_error

if TYPE_CHECKING:
    from stack.sockets.socket import Socket

POLLIN: Final = 0x001
POLLPRI: Final = 0x002
"""There is urgent data."""
POLLOUT: Final = 0x004
POLLERR: Final = 0x008
POLLHUP: Final = 0x010
"""Neither side will send any more."""
POLLNVAL: Final = 0x020
"""The socket is closed."""
POLLRDNORM: Final = 0x040
POLLRDBAND: Final = 0x080
POLLWRNORM: Final = 0x100
POLLWRBAND: Final = 0x200
POLLRDHUP: Final = 0x2000
"""The peer will not send any more, or nobody will hear it."""
EPOLLONESHOT: Final = 1 << 30
EPOLLET: Final = 1 << 31
"""The other constants of epoll are those of poll."""

READABLE: Final = POLLIN | POLLRDNORM
WRITABLE: Final = POLLOUT | POLLWRNORM
ARRIVAL: Final = READABLE | POLLPRI | POLLRDBAND
"""What Linux wakes sleepers for when something arrives (``sock_def_readable``)."""
SPACE: Final = WRITABLE | POLLWRBAND
"""What Linux wakes sleepers for when there is space again (``sk_stream_write_space``)."""
ANYTHING: Final = 0x7FFF
"""What a change of state wakes sleepers for."""

_ALWAYS: Final = POLLERR | POLLHUP
_MODES: Final = EPOLLET | EPOLLONESHOT


def poll(wanted: Iterable[tuple[Socket, int]]) -> list[int]:
    """poll(2) without waiting: for each socket and the events that are wanted of it, those that are there.

    POLLERR, POLLHUP and POLLNVAL are told even if nobody wants them.
    """
    return [POLLNVAL if socket.closed else socket.poll() & (events | _ALWAYS) for socket, events in wanted]


class _Interest:
    """What somebody wants to know of one socket."""

    __slots__ = ("callback", "data", "events", "modes", "socket")

    def __init__(self, socket: Socket, callback: Callable[[], None]) -> None:
        self.socket = socket
        self.callback = callback
        self.events = self.modes = 0
        self.data: Any = None

    def want(self, events: int, data: Any) -> None:
        self.modes = events & _MODES
        self.events = events & ~_MODES | _ALWAYS
        self.data = data


class Epoll:
    """epoll(7): sockets that are ready queue up, and whoever asks gets them in turn.

    Level-triggered, a socket stays in the queue as long as it is ready. With EPOLLET it enters the queue when
    Linux would wake a sleeper: when something arrives, be there data unread or not; when there is space again,
    after there was none; when the state changes. With EPOLLONESHOT it is told once, until :meth:`modify`.
    """

    __slots__ = ("_interests", "_ready", "_watchers")

    def __init__(self) -> None:
        self._interests: dict[Socket, _Interest] = {}
        self._ready: dict[_Interest, None] = {}
        self._watchers: tuple[Callable[[], None], ...] = ()

    def add(self, socket: Socket, events: int, data: Any = None) -> None:
        """EPOLL_CTL_ADD: wait for ``events``; ``data`` is given back with them, by default the descriptor.

        Raises OSError: EEXIST, EBADF if the socket is closed.
        """
        if socket.closed:
            raise os_error(errno.EBADF)
        if socket in self._interests:
            raise os_error(errno.EEXIST)
        interest = _Interest(socket, partial(self._wake, socket))
        self._interests[socket] = interest
        socket.watch(interest.callback)
        self._set(interest, events, data)

    def modify(self, socket: Socket, events: int, data: Any = None) -> None:
        """EPOLL_CTL_MOD: wait for other events; after EPOLLONESHOT, wait again. Raises OSError: ENOENT."""
        self._set(self._find(socket), events, data)

    def remove(self, socket: Socket) -> None:
        """EPOLL_CTL_DEL, which closing the socket does by itself. Raises OSError: ENOENT."""
        interest = self._find(socket)
        del self._interests[socket]
        self._ready.pop(interest, None)
        socket.unwatch(interest.callback)

    def wait(self, limit: int) -> list[tuple[Any, int]]:
        """epoll_wait(2) without waiting: data and events of up to ``limit`` sockets; none if none is ready.

        Raises OSError: EINVAL for a limit that is not positive.
        """
        if limit <= 0:
            raise os_error(errno.EINVAL)
        found: list[tuple[Any, int]] = []
        again: list[_Interest] = []
        while self._ready and len(found) < limit:
            interest = next(iter(self._ready))
            del self._ready[interest]
            events = interest.socket.poll() & interest.events
            if not events:
                continue
            found.append((interest.data, events))
            if interest.modes & EPOLLONESHOT:
                interest.events = 0
            elif not interest.modes & EPOLLET:
                again.append(interest)
        self._ready.update(dict.fromkeys(again))
        return found

    @property
    def readable(self) -> bool:
        """Whether :meth:`wait` would give something, as when an epoll descriptor is itself polled."""
        return any(interest.socket.poll() & interest.events for interest in self._ready)

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever :meth:`wait` may have something to give; not to act, but to schedule."""
        self._watchers += (callback,)

    def close(self) -> None:
        """Wait for nothing any more."""
        for socket in list(self._interests):
            self.remove(socket)
        self._watchers = ()

    def _find(self, socket: Socket) -> _Interest:
        interest = self._interests.get(socket)
        if interest is None:
            raise os_error(errno.ENOENT)
        return interest

    def _set(self, interest: _Interest, events: int, data: Any) -> None:
        interest.want(events, interest.socket.descriptor if data is None else data)
        if interest.socket.poll() & interest.events:
            self._queue(interest)

    def _wake(self, socket: Socket) -> None:
        interest = self._interests[socket]
        if socket.closed:
            self.remove(socket)
        elif socket.cause & interest.events:
            self._queue(interest)

    def _queue(self, interest: _Interest) -> None:
        self._ready[interest] = None
        for watcher in self._watchers:
            watcher()
