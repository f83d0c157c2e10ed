"""The timer of a connection on which nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import Alarm
from stack.tcp.state import State

if TYPE_CHECKING:
    from stack.tcp.connection import Connection


class IdleTimer:
    """Keep-alive (RFC 9293 3.8.4); the end of TIME-WAIT, of FIN-WAIT-2 once the application has gone, and of an attempt
    to connect.

    They exclude each other, so one timer does, as in Linux (``tcp_keepalive_timer``).
    """

    __slots__ = ("_connection", "alarm", "probes")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.alarm = Alarm(connection.clock, self._alarm_goes_off)
        self.probes = 0
        """Unanswered keep-alive probes."""

    def keep_alive(self) -> None:
        """Probe the peer when it has been silent for long enough."""
        connection = self._connection
        self.alarm.set(connection.last_heard + connection.config.keepalive_idle)

    def _alarm_goes_off(self) -> None:
        connection = self._connection
        if connection.state is State.TIME_WAIT or (
            connection.state is State.FIN_WAIT_2 and connection.orphaned
        ):
            connection.forget()
        elif connection.opening:
            connection.timed_out()
        elif connection.config.keepalive:
            self._probe()

    def _probe(self) -> None:
        """Only an idle connection is probed; data in flight have their own timer."""
        connection, config = self._connection, self._connection.config
        now = connection.clock.now()
        due = connection.last_heard + config.keepalive_idle
        if due > now or connection.sender.queued:
            self.alarm.set(due if due > now else now + config.keepalive_idle)
        elif self.probes >= config.keepalive_probes or (
            self.probes and connection.user_timeout_passed(now - connection.last_heard)
        ):
            connection.transmitter.send_reset()
            connection.timed_out()
        else:
            self.probes += 1
            connection.receiver.window.will_answer()
            connection.transmitter.send_probe()
            self.alarm.set_later(config.keepalive_interval)
