"""Links: what carries frames between the stack and the world."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from stack.compiled import mypyc_attr

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes that nobody changes any more; a payload travels by reference."""


class Medium(Enum):
    """What the frames of a link begin with."""

    ETHERNET = "ethernet"
    """An Ethernet II header (TAP, simulated wires)."""
    IP = "ip"
    """An IPv4 or IPv6 header (TUN, loopback, tunnels)."""


class Checksum(Enum):
    """What is known about the transport checksum of a frame."""

    COMPLETE = 0
    """It is in its field; the receiver verifies it."""
    PARTIAL = 1
    """The field holds the folded sum of the pseudo-header only, as in a virtio-net header with
    NEEDS_CSUM; whoever needs the rest calls :func:`stack.wire.checksum.complete`. The bytes have not left memory
    that is trusted, so a receiver has nothing to verify."""
    VERIFIED = 2
    """It is in its field, and a device has verified it."""


class Frame:
    """One frame. ``bytes(head) + bytes(payload)`` is what is on the wire.

    ``head`` holds at least the headers up to and including the transport's; if ``payload`` is not empty, it is
    exactly the transport's payload (or, in a fragment, the fragment's), so that it is carried by reference from
    the sender's buffer to the receiver's. A frame is never changed once it was transmitted: whoever
    wants other bytes makes another frame.
    """

    __slots__ = ("checksum", "checksum_at", "head", "payload", "segment_size", "transport")

    def __init__(
        self,
        head: Buffer,
        payload: Buffer = b"",
        checksum: Checksum = Checksum.COMPLETE,
        transport: int = 0,
        checksum_at: int = 0,
        segment_size: int = 0,
    ) -> None:
        self.head = head
        self.payload = payload
        self.checksum = checksum
        self.transport = transport
        """While PARTIAL: where in ``head`` the sum begins (the transport header)."""
        self.checksum_at = checksum_at
        """While PARTIAL: where in ``head`` the checksum field is."""
        self.segment_size = segment_size
        """Not 0: a super-segment, whose payload stands for several packets with so many bytes each, the last with the
        rest; it is PARTIAL, and whoever needs them calls :func:`stack.wire.segmentation.segments`."""

    def __len__(self) -> int:
        return len(self.head) + len(self.payload)

    def __bytes__(self) -> bytes:
        return bytes(self.head) + bytes(self.payload)

    def __repr__(self) -> str:
        return f"<Frame {len(self)} bytes, checksum {self.checksum.name.lower()}>"


@dataclass(frozen=True, slots=True)
class Offload:
    """Work that a link takes over from the stack."""

    checksum: bool = False
    """The link accepts frames whose transport checksum is :attr:`Checksum.PARTIAL`."""
    segmentation: int = 0
    """The link accepts super-segments of TCP and UDP whose IP packets have up to so many bytes; 0: none."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Link(ABC):
    """One attachment to a network."""

    medium: Medium
    mtu: int
    """Bytes of IP packet that one frame can carry."""
    offload: Offload

    @abstractmethod
    def transmit(self, frame: Frame) -> None:
        """Send one frame. What cannot be sent is dropped and counted by the link, as on a real wire."""

    @abstractmethod
    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Hand every frame that arrives to ``receive``."""

    def attach_batches(self, receive: Callable[[Iterable[Frame]], None]) -> None:  # noqa: B027
        """Hand frames that are there at the same time to ``receive``, so that what they call for is decided once.

        A link to which they come one by one has no use for it.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what the link holds. Frames in either direction are dropped from now on."""
