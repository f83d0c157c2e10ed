"""The LISTEN state: connections that come in, and the queue in which they wait for accept()."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from stack.config import TcpConfig
from stack.internet.packet import Packet
from stack.tcp.connection import Connection
from stack.tcp.segment import Segment
from stack.tcp.state import State
from stack.wire.tcp import ACK, RST, SYN

if TYPE_CHECKING:
    from stack.tcp.protocol import Tcp


def _nobody() -> None:
    """Stands in for a callback that nobody has set."""


class Listener:
    """A passive open: an address (or all of a family, or all) and a port.

    ``notify`` is called when a connection is ready to be accepted. Its ``config``, ``hop_limit`` and ``traffic_class``
    are those of the connections that come in from now on.
    """

    __slots__ = (
        "_accept_queue", "_half_open", "_tcp", "address", "backlog", "config", "dual_stack", "hop_limit", "notify",
        "port", "traffic_class",
    )  # fmt: skip

    def __init__(
        self, tcp: Tcp, address: bytes, port: int, backlog: int, config: TcpConfig, *, dual_stack: bool
    ) -> None:
        self._tcp = tcp
        self.address = address
        self.port = port
        self.backlog = backlog
        """Connections that may wait for accept() (RFC 9293 leaves it open; Linux admits one more)."""
        self.config = config
        self.dual_stack = dual_stack
        self.hop_limit = 0
        self.traffic_class = 0
        self.notify: Callable[[], None] = _nobody
        self._accept_queue: deque[Connection] = deque()
        self._half_open: dict[tuple[bytes, int, bytes, int], Connection] = {}

    @property
    def pending(self) -> int:
        """Connections that wait for accept()."""
        return len(self._accept_queue)

    def accept(self) -> Connection | None:
        """The connection that has waited longest, or None."""
        return self._accept_queue.popleft() if self._accept_queue else None

    def segment_arrives(self, segment: Segment, packet: Packet, after: int | None) -> None:
        """RFC 9293 3.10.7.2; ``after`` as for :meth:`Tcp.create <stack.tcp.protocol.Tcp.create>`."""
        tcp = self._tcp
        if segment.flags & RST:
            tcp.host.drop("tcp.reset_to_listener", packet.frame)
        elif segment.flags & ACK:
            tcp.reset(segment, packet)
        elif not segment.flags & SYN or segment.options is None or packet.broadcast:
            tcp.host.drop("tcp.no_syn", packet.frame)
        elif self._is_full:
            tcp.host.drop("tcp.listen_overflow", packet.frame)
        elif len(self._half_open) >= self.config.syn_backlog:
            tcp.host.drop("tcp.syn_overflow", packet.frame)
        else:
            self._receive_syn(segment, packet, after)

    def _receive_syn(self, segment: Segment, packet: Packet, after: int | None) -> None:
        assert segment.options is not None
        key = (packet.destination, self.port, packet.source, segment.source_port)
        connection = self._tcp.create(key, self.config, packet.interface, after)
        if connection is None:
            return
        connection.listener = self
        connection.hop_limit = self.hop_limit
        connection.traffic_class = self.traffic_class
        self._half_open[key] = connection
        connection.negotiate(segment.options, segment)
        connection.enter(State.SYN_RECEIVED)
        connection.sender.send_syn(SYN | ACK)

    @property
    def _is_full(self) -> bool:
        return len(self._accept_queue) > self.backlog

    def admit(self, connection: Connection) -> bool:
        """The handshake would be complete: is there room? If not, the ACK is ignored; our SYN/ACK will come again."""
        if self._is_full:
            self._tcp.host.drop("tcp.listen_overflow")
            return False
        return True

    def established(self, connection: Connection) -> None:
        """The handshake of a connection that came in here is complete."""
        self._half_open.pop(connection.key, None)
        self._accept_queue.append(connection)
        self.notify()

    def abandoned(self, connection: Connection) -> None:
        """A connection ended in SYN-RECEIVED."""
        self._half_open.pop(connection.key, None)

    def close(self) -> None:
        """Stop listening; whoever has not been accepted gets a RST."""
        self._tcp.stop_listening(self)
        for connection in [*self._half_open.values(), *self._accept_queue]:
            connection.abort()
        self._half_open.clear()
        self._accept_queue.clear()
