"""What the internet layer hands up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.link import Buffer, Checksum, Frame
from stack.wire.segmentation import transport_end

if TYPE_CHECKING:
    from stack.internet.interface import Interface

_PARTIAL = Checksum.PARTIAL


class Packet:
    """One whole IP packet that arrived, seen from the transport above.

    The transport header starts at ``head[offset]``. If ``payload`` is not empty it holds everything behind that
    header and ``head`` ends where it begins; otherwise all is in ``head``. Nothing in here may be changed.
    """

    __slots__ = (
        "broadcast",
        "destination",
        "frame",
        "head",
        "hop_limit",
        "interface",
        "length",
        "offset",
        "payload",
        "protocol",
        "reassembled",
        "source",
        "start",
        "traffic_class",
        "verified",
    )

    def __init__(
        self,
        interface: Interface,
        frame: Frame,
        start: int,
        source: bytes,
        destination: bytes,
        protocol: int,
        hop_limit: int,
        traffic_class: int,
        head: Buffer,
        offset: int,
        payload: Buffer,
        length: int,
        verified: bool,
        broadcast: bool,
    ) -> None:
        self.interface = interface
        """Where it arrived."""
        self.frame = frame
        """The frame in which it arrived; of a reassembled packet, one that looks as if it had never been cut."""
        self.start = start
        """Where the IP header starts in ``head``."""
        self.source = source
        self.destination = destination
        self.protocol = protocol
        """Of the transport: IPv4's Protocol, or the last Next Header of IPv6."""
        self.hop_limit = hop_limit
        self.traffic_class = traffic_class
        """DSCP and ECN, 8 bits (IPv4: Type of Service)."""
        self.head = head
        self.offset = offset
        self.payload = payload
        self.length = length
        """Bytes of transport header and data, without the padding of the link."""
        self.verified = verified
        """A device, or the memory it never left, vouches for the transport checksum."""
        self.broadcast = broadcast
        """It came to many, by its link-layer or IP destination: never answered with an error (RFC 1122 3.2.2)."""
        self.reassembled = False
        """It came in fragments."""

    def contiguous(self) -> bytes:
        """Transport header and data in one piece, for whoever cannot use two."""
        if self.payload:
            return bytes(self.head[self.offset :]) + bytes(self.payload)
        return bytes(self.head[self.offset : self.offset + self.length])

    @property
    def largest_piece(self) -> int:
        """Bytes of the largest IP packet that it stands for: its own, unless it is a super-segment."""
        whole = self.offset - self.start + self.length
        frame = self.frame
        if not frame.segment_size:
            return whole
        return min(whole, transport_end(frame) - self.start + frame.segment_size)

    def onward(self, head: bytes) -> Frame:
        """The frame, without link header, in which the packet goes on under another IP header."""
        frame = self.frame
        # That a device has verified the checksum here is nothing to those who get it next.
        checksum = _PARTIAL if frame.checksum is _PARTIAL else Checksum.COMPLETE
        start = self.start
        return Frame(
            head,
            self.payload,
            checksum,
            frame.transport - start,
            frame.checksum_at - start,
            frame.segment_size,
        )

    def __repr__(self) -> str:
        return f"<Packet {self.source.hex()} > {self.destination.hex()} protocol {self.protocol} {self.length} bytes>"
