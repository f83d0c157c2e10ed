"""The header that ICMPv4 (RFC 792) and ICMPv6 (RFC 4443 2.1) share."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final, Self

from stack.link import Buffer
from stack.wire.errors import Malformed

_HEADER: Final = Struct("!BBHI")
HEADER_LENGTH: Final = _HEADER.size
CHECKSUM_AT: Final = 2
"""Where in the header the checksum is."""


@dataclass(slots=True)
class IcmpHeader:
    """Type, code, checksum, and four bytes whose meaning is the type's."""

    NAME: ClassVar[str]

    type: int
    code: int = 0
    checksum: int = 0
    rest: int = 0
    """The second word; the properties say what it means."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> Self:
        """Raises Malformed ``icmpv4.truncated`` or ``icmpv6.truncated``. The checksum is not verified."""
        if (len(buffer) if end is None else end) - offset < HEADER_LENGTH:
            raise Malformed(f"{cls.NAME}.truncated")
        return cls(*_HEADER.unpack_from(buffer, offset))

    @classmethod
    def echo(cls, type: int, identifier: int, sequence: int, checksum: int = 0) -> Self:
        """The header of a message with identifier and sequence number, which a ``type`` of echo has."""
        return cls(type, 0, checksum, identifier << 16 | sequence)

    @property
    def identifier(self) -> int:
        """Of an echo or timestamp message."""
        return self.rest >> 16

    @property
    def sequence(self) -> int:
        """Of an echo or timestamp message."""
        return self.rest & 0xFFFF

    @property
    def header_length(self) -> int:
        """Always 8 bytes."""
        return HEADER_LENGTH

    def build(self) -> bytes:
        """The header's bytes."""
        return _HEADER.pack(self.type, self.code, self.checksum, self.rest)
