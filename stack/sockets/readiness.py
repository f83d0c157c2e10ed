"""What poll(2) tells of a TCP connection, and when Linux would wake those who sleep on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.sockets.poll import (
    ANYTHING,
    ARRIVAL,
    POLLERR,
    POLLHUP,
    POLLPRI,
    POLLRDHUP,
    READABLE,
    SPACE,
    WRITABLE,
)
from stack.tcp.state import State
from stack.tcp.urgent import Urgent

if TYPE_CHECKING:
    from stack.sockets.settings import Settings
    from stack.tcp.connection import Connection


class Readiness:
    """The readiness of a connection for a socket with these settings."""

    __slots__ = ("_arrived", "_connection", "_settings", "_state", "_without_space")

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._state = connection.state
        self._arrived = connection.arrived
        self._without_space = False
        """Somebody found no space to write, and wants to know when there is (Linux SOCK_NOSPACE)."""

    @property
    def has_space(self) -> bool:
        """A third of the send buffer is free, and less than half of TCP_NOTSENT_LOWAT is unsent.

        As on Linux (``sk_stream_is_writeable``), so that not every ACK wakes a writer.
        """
        connection = self._connection
        return (
            3 * connection.space >= connection.config.send_buffer
            and 2 * connection.unsent < self.unsent_low_water
        )

    @property
    def unsent_low_water(self) -> int:
        """TCP_NOTSENT_LOWAT, in bytes."""
        return self._settings.unsent_low_water or self._connection.config.notsent_lowat

    def lacks_space(self) -> None:
        """A writer was sent away."""
        self._without_space = True

    @property
    def has_enough(self) -> bool:
        """SO_RCVLOWAT bytes wait to be read, or some, and there is no room for more (``tcp_epollin_ready``)."""
        return self._reaches(self._settings.receive_low_water)

    def _reaches(self, target: int) -> bool:
        unread = self._connection.unread
        return unread >= target or (unread > 0 and self._connection.choked)

    def events(self, *, hears: bool, speaks: bool, failed: bool) -> int:
        """Linux's ``tcp_poll``, for a socket that was shut down in neither, one or both directions.

        Who finds no POLLOUT is told when there is space.
        """
        connection = self._connection
        over = connection.state is State.CLOSED
        hears = hears and not connection.finished and not over
        speaks = speaks and not over
        events = 0 if hears else READABLE | POLLRDHUP
        if not (hears or speaks):
            events |= POLLHUP
        if failed:
            events |= POLLERR
        if connection.opening:
            return events
        urgent = connection.urgent
        apart = connection.at_mark and not urgent.in_line
        if self._reaches(self._settings.receive_low_water + apart):
            events |= READABLE
        if urgent.state is Urgent.HERE:
            events |= POLLPRI
        if not speaks or self.has_space:
            events |= WRITABLE
        else:
            self.lacks_space()
        return events

    def news(self) -> int:
        """The events for which Linux would wake a sleeper, after the connection has changed; 0: none."""
        connection = self._connection
        events = 0
        if connection.state is not self._state:
            self._state = connection.state
            events = ANYTHING
        if connection.arrived != self._arrived:
            self._arrived = connection.arrived
            if self.has_enough or connection.urgent.state is Urgent.HERE:
                events |= ARRIVAL
        if self._without_space and self.has_space:
            self._without_space = False
            events |= SPACE
        return events
