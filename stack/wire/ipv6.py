"""The IPv6 header (RFC 8200 3)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed

_HEADER: Final = Struct("!IHBB16s16s")
HEADER_LENGTH: Final = _HEADER.size
NEXT_HEADER_AT: Final = 6
"""Where in the header the Next Header field is."""


@dataclass(slots=True)
class Ipv6Header:
    """The fixed header; what may follow it is in :mod:`stack.wire.ipv6_extensions`."""

    source: bytes
    destination: bytes
    next_header: int
    payload_length: int
    """Bytes after this header, extension headers included."""
    hop_limit: int = 64
    traffic_class: int = 0
    """DSCP and ECN (RFC 2474 3, RFC 3168 5)."""
    flow_label: int = 0

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> Ipv6Header:
        """Raises Malformed: ``ipv6.truncated``, ``ipv6.bad_version``.

        Whether the payload is all there is for the caller to compare, who knows where it is.
        """
        if (len(buffer) if end is None else end) - offset < HEADER_LENGTH:
            raise Malformed("ipv6.truncated")
        first, payload_length, next_header, hop_limit, source, destination = _HEADER.unpack_from(
            buffer, offset
        )
        if first >> 28 != 6:
            raise Malformed("ipv6.bad_version")
        return cls(
            source,
            destination,
            next_header,
            payload_length,
            hop_limit,
            first >> 20 & 0xFF,
            first & 0xFFFFF,
        )

    @property
    def header_length(self) -> int:
        """Always 40 bytes."""
        return HEADER_LENGTH

    def build(self) -> bytes:
        """The header's bytes."""
        return _HEADER.pack(
            6 << 28 | self.traffic_class << 20 | self.flow_label,
            self.payload_length,
            self.next_header,
            self.hop_limit,
            self.source,
            self.destination,
        )
