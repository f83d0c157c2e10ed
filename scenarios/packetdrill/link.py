"""The interpreter's end of the only link that the host has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from stack.clock import Clock
from stack.link import Frame, Link, Medium, Offload


class PlayedLink(Link):
    """Bare IP. What the host sends is queued with its time; what arrives, the interpreter says."""

    def __init__(self, clock: Clock, mtu: int) -> None:
        self.medium = Medium.IP
        self.mtu = mtu
        self.offload = Offload()
        self.sent: deque[tuple[int, bytes]] = deque()
        """Time in ns, and packet."""
        self.notify: Callable[[], None] = _nobody
        """Called when a packet was queued."""
        self._clock = clock
        self._receive: Callable[[Frame], None] | None = None

    def transmit(self, frame: Frame) -> None:
        """The host sends."""
        self.sent.append((self._clock.now(), bytes(frame)))
        self.notify()

    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Where packets go that arrive."""
        self._receive = receive

    def deliver(self, packet: bytes) -> None:
        """A packet arrives."""
        if self._receive is not None:
            self._receive(Frame(packet))

    def close(self) -> None:
        """Nothing arrives any more."""
        self._receive = None


def _nobody() -> None:
    """Stands in for a callback that nobody has set."""
