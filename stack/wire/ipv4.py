"""The IPv4 header (RFC 791 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed

_HEADER: Final = Struct("!BBHHHBBH4s4s")
MIN_HEADER_LENGTH: Final = _HEADER.size
MAX_OPTIONS_LENGTH: Final = 40
_RESERVED: Final = 0x8000
_DONT_FRAGMENT: Final = 0x4000
_MORE_FRAGMENTS: Final = 0x2000


@dataclass(slots=True)
class Ipv4Header:
    """The header, options included."""

    source: bytes
    destination: bytes
    protocol: int
    total_length: int
    """Bytes of header and data together."""
    identification: int = 0
    dont_fragment: bool = False
    more_fragments: bool = False
    fragment_offset: int = 0
    """Bytes, a multiple of 8."""
    hop_limit: int = 64
    """Time to Live, under IPv6's name."""
    traffic_class: int = 0
    """Type of Service: DSCP and ECN (RFC 2474 3, RFC 3168 5)."""
    options: bytes = b""
    """As on the wire, a multiple of 4 bytes: see :mod:`stack.wire.ipv4_options`."""
    checksum: int | None = None
    """None: :meth:`build` computes it."""
    reserved: bool = False
    """The first flag, "must be zero"; carried, because nobody rejects it."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> Ipv4Header:
        """Read and verify a header.

        Raises Malformed: ``ipv4.truncated``, ``ipv4.bad_version``, ``ipv4.bad_length`` (a header length below
        20 or a total length below the header's), ``ipv4.bad_checksum``. Whether the data is all there is for
        the caller to compare, who knows where it is.
        """
        if end is None:
            end = len(buffer)
        if end - offset < MIN_HEADER_LENGTH:
            raise Malformed("ipv4.truncated")
        (
            version_length,
            traffic_class,
            total_length,
            identification,
            flags_offset,
            hop_limit,
            protocol,
            checksum,
            source,
            destination,
        ) = _HEADER.unpack_from(buffer, offset)
        if version_length == 0x45:
            options = b""
            header_end = offset + MIN_HEADER_LENGTH
        else:
            if version_length >> 4 != 4:
                raise Malformed("ipv4.bad_version")
            header_end = offset + 4 * (version_length & 0xF)
            if header_end < offset + MIN_HEADER_LENGTH:
                raise Malformed("ipv4.bad_length")
            if header_end > end:
                raise Malformed("ipv4.truncated")
            options = bytes(buffer[offset + MIN_HEADER_LENGTH : header_end])
        if offset + total_length < header_end:
            raise Malformed("ipv4.bad_length")
        # The sum of a header that holds its checksum is all ones (RFC 1071 1), which is 0 modulo 2^16 - 1.
        if int.from_bytes(buffer[offset:header_end]) % 0xFFFF:
            raise Malformed("ipv4.bad_checksum")
        return cls(
            source,
            destination,
            protocol,
            total_length,
            identification,
            flags_offset & _DONT_FRAGMENT != 0,
            flags_offset & _MORE_FRAGMENTS != 0,
            (flags_offset & 0x1FFF) << 3,
            hop_limit,
            traffic_class,
            options,
            checksum,
            flags_offset & _RESERVED != 0,
        )

    @property
    def header_length(self) -> int:
        """Bytes, options included."""
        return MIN_HEADER_LENGTH + len(self.options)

    def build(self) -> bytes:
        """The header's bytes. Raises ValueError if the options are above 40 bytes or no multiple of 4."""
        options = self.options
        if len(options) & 3 or len(options) > MAX_OPTIONS_LENGTH:
            raise ValueError(f"{len(options)} bytes of IPv4 options")
        fields = (
            0x45 + (len(options) >> 2),
            self.traffic_class,
            self.total_length,
            self.identification,
            self.reserved << 15
            | self.dont_fragment << 14
            | self.more_fragments << 13
            | self.fragment_offset >> 3,
            self.hop_limit,
            self.protocol,
        )
        checksum = self.checksum
        if checksum is None:
            header = _HEADER.pack(*fields, 0, self.source, self.destination) + options
            checksum = -int.from_bytes(header) % 0xFFFF
        return _HEADER.pack(*fields, checksum, self.source, self.destination) + options
