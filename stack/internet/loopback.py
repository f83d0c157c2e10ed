"""The loopback link: what goes in comes out, a moment later."""

from __future__ import annotations

from collections.abc import Callable

from stack.clock import Clock, Timer
from stack.link import Frame, Link, Medium, Offload


class Loopback(Link):
    """Frames come back at the same instant, but only after the sender has finished, and in order.

    They never leave memory: checksums stay partial, and the payload is the sender's own bytes.
    """

    def __init__(self, clock: Clock) -> None:
        self.medium = Medium.IP
        self.mtu = 65536
        self.offload = Offload(checksum=True)
        self._clock = clock
        self._receive: Callable[[Frame], None] | None = None
        self._frames: list[Frame] = []
        self._pending: Timer | None = None

    def transmit(self, frame: Frame) -> None:
        """Send one frame to ourselves."""
        if self._receive is None:
            return
        self._frames.append(frame)
        if self._pending is None:
            self._pending = self._clock.call_later(0, self._deliver)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Hand every frame to ``receive``."""
        self._receive = receive

    def close(self) -> None:
        """Drop what is under way."""
        self._receive = None
        self._frames.clear()
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _deliver(self) -> None:
        self._pending = None
        frames, self._frames = self._frames, []
        for frame in frames:
            if self._receive is not None:
                self._receive(frame)
