"""How long a sender was busy, and what held it back meanwhile (Linux ``tcp_chrono``)."""

from __future__ import annotations

from typing import Final

IDLE: Final = 0
"""There is nothing to send or to be acknowledged."""
BUSY: Final = 1
RECEIVE_WINDOW: Final = 2
"""Data wait, and the peer's window has no room for a segment of them."""
SEND_BUFFER: Final = 3
"""All is sent, and the application, which has more, waits for space."""


class Chronograph:
    """Time in each condition; it costs something only when that changes. Times are ns."""

    __slots__ = ("_since", "_times", "condition")

    def __init__(self) -> None:
        self.condition = IDLE
        self._since = 0
        self._times = [0, 0, 0, 0]

    def change(self, condition: int, now: int) -> None:
        """From now on it is like this."""
        self._times[self.condition] += now - self._since
        self.condition, self._since = condition, now

    def busy(self, now: int) -> int:
        """With data in the queue or in the network, for whatever reason."""
        return sum(self.time(condition, now) for condition in (BUSY, RECEIVE_WINDOW, SEND_BUFFER))

    def time(self, condition: int, now: int) -> int:
        """In one condition."""
        passed = now - self._since if condition == self.condition else 0
        return self._times[condition] + passed
