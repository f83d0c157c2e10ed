"""UDP (RFC 768)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed

_HEADER: Final = Struct("!HHHH")
HEADER_LENGTH: Final = _HEADER.size
CHECKSUM_AT: Final = 6
"""Where in the header the checksum is."""


@dataclass(slots=True)
class UdpHeader:
    """Ports, length and checksum, as on the wire."""

    source_port: int
    destination_port: int
    length: int
    """Bytes of header and data together."""
    checksum: int = 0
    """0: the sender computed none (RFC 768; forbidden over IPv6, RFC 8200 8.1)."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> UdpHeader:
        """Raises Malformed: ``udp.truncated``, ``udp.bad_length`` if the length is below the header's own.

        Whether the data is all there is for the caller to compare, who knows where it is.
        """
        if (len(buffer) if end is None else end) - offset < HEADER_LENGTH:
            raise Malformed("udp.truncated")
        header = cls(*_HEADER.unpack_from(buffer, offset))
        if header.length < HEADER_LENGTH:
            raise Malformed("udp.bad_length")
        return header

    @property
    def header_length(self) -> int:
        """Always 8 bytes."""
        return HEADER_LENGTH

    def build(self) -> bytes:
        """The header's bytes."""
        return _HEADER.pack(self.source_port, self.destination_port, self.length, self.checksum)
