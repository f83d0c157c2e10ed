"""What happened on all links, in one number."""

from __future__ import annotations

import hashlib
from struct import Struct
from zlib import crc32

from links.impairments.channel import ChannelObserver
from stack.clock import Clock
from stack.link import Frame

_RECORD = Struct("<QIcI")
"""Time, number of the direction, what happened, and a length or a CRC-32."""


class Digest:
    """SHA-256 over each frame on each link direction, in order, with its time.

    A frame counts with all its bytes when it is sent, and with their CRC when it is delivered or dropped: two
    runs with the same digest have seen the same frames meet the same fate in the same nanosecond. A checksum
    that is left to the link (:attr:`~stack.link.Checksum.PARTIAL`) counts as it stands in the frame.

    Frames are hashed as they come: collecting them first saves nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.hash = hashlib.sha256()
        self._directions = 0

    def observe(self, name: str) -> ChannelObserver:
        """What makes a link direction count, when it observes its channel; the name counts too."""
        tap = _Tap(self, self._directions)
        self._directions += 1
        tap.add_text(b"=", name)
        return tap

    def hexdigest(self) -> str:
        """The digest of all that has happened until now."""
        return self.hash.hexdigest()


class _Tap(ChannelObserver):
    """Writes down what happens in one direction."""

    __slots__ = ("_now", "_number", "_update")

    def __init__(self, digest: Digest, number: int) -> None:
        self._now = digest.clock.now
        self._number = number
        self._update = digest.hash.update

    def sent(self, frame: Frame) -> None:
        head, payload = frame.head, frame.payload
        self._update(_RECORD.pack(self._now(), self._number, b"s", len(head) + len(payload)) + head)
        self._update(payload)

    def delivered(self, frame: Frame) -> None:
        crc = crc32(frame.payload, crc32(frame.head))
        self._update(_RECORD.pack(self._now(), self._number, b"d", crc))

    def dropped(self, frame: Frame, reason: str) -> None:
        self.delivered(frame)
        self.add_text(b"x", reason)

    def note(self, frame: Frame, text: str) -> None:
        self.add_text(b"n", text)

    def add_text(self, kind: bytes, text: str) -> None:
        encoded = text.encode()
        self._update(_RECORD.pack(self._now(), self._number, kind, len(encoded)) + encoded)
