"""What an observer can see. With no observer, each event costs one ``is None``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.link import Frame
    from stack.tcp.connection import Connection


class Observer:
    """Receives the events of one host (``host.observer = ...``); override what is of interest.

    An observer looks and does not touch: it must not change what it is shown.
    """

    def dropped(self, reason: str, frame: Frame | None) -> None:
        """A packet was discarded by the stack, for the reason that the host also counts."""

    def state_changed(self, connection: Connection, old: str, new: str) -> None:
        """A TCP connection moved between the states of RFC 9293 3.3.2."""

    def segment_sent(
        self, connection: Connection, sequence: int, length: int, flags: int, retransmission: bool
    ) -> None:
        """A TCP segment left: ``sequence`` is unbounded and relative to nothing, ``length`` counts payload bytes."""

    def segment_received(self, connection: Connection, sequence: int, length: int, flags: int) -> None:
        """A TCP segment arrived at a connection, before it is judged."""

    def window_changed(self, connection: Connection) -> None:
        """An ACK or a timeout was processed, which may have changed the window: read ``connection.info()``."""
