"""What one direction of a link has to tell about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from stack.clock import Clock


class DropReason(StrEnum):
    """Why a frame did not arrive: the key in :attr:`ChannelStatistics.drops`, and the comment in a capture."""

    DOWN = "link down"
    MTU = "larger than mtu"
    AIMED = "aimed fault"
    LIMIT = "limit reached"
    QUEUE = "queue full"
    CODEL = "codel"
    LOSS = "lost"


@dataclass(slots=True)
class ChannelStatistics:
    """Counts since the channel was made. Bytes are those of whole frames."""

    clock: Clock
    sent: int = 0
    """Frames that were handed in."""
    sent_bytes: int = 0
    delivered: int = 0
    """Frames that came out, duplicates and corrupted ones included."""
    delivered_bytes: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    """Frames that did not, by :class:`DropReason`."""
    duplicated: int = 0
    corrupted: int = 0
    reordered: int = 0
    """Frames that were sent ahead of delayed ones by ``reorder``."""
    marked: int = 0
    """Frames that got Congestion Experienced."""
    reckoned: int = 0
    """Nanoseconds in which a frame was or will be sent at the rate, as far as that is known."""
    busy_until: int = 0
    """When the last of it ends."""

    @property
    def busy(self) -> int:
        """Nanoseconds in which a frame was being sent at the rate: divided by the time, the utilisation."""
        return self.reckoned - max(0, self.busy_until - self.clock.now())

    @property
    def dropped(self) -> int:
        """Frames that did not come out, for any reason."""
        return sum(self.drops.values())
