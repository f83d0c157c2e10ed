"""The TCP header and its options (RFC 9293 3.1, RFC 7323, RFC 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed
from stack.wire.options import NO_OPERATION, iterate_options, pad
from stack.wire.options import Option as Option
from stack.wire.options import build_options as build_options

FIN: Final = 0x001
SYN: Final = 0x002
RST: Final = 0x004
PSH: Final = 0x008
ACK: Final = 0x010
URG: Final = 0x020
ECE: Final = 0x040
CWR: Final = 0x080
AE: Final = 0x100
"""Accurate ECN, once the Nonce Sum (RFC 3540, RFC 8311 3.1)."""

MAX_SEGMENT_SIZE: Final = 2
WINDOW_SCALE: Final = 3
SACK_PERMITTED: Final = 4
SACK: Final = 5
TIMESTAMPS: Final = 8
MD5_SIGNATURE: Final = 19
AUTHENTICATION: Final = 29
ACCURATE_ECN_0: Final = 172
ACCURATE_ECN_1: Final = 174
"""RFC 9768 3.2.3: the counters of ECT(0), CE and ECT(1), in this order or the reverse."""

_HEADER: Final = Struct("!HHIIHHHH")
MIN_HEADER_LENGTH: Final = _HEADER.size
MAX_OPTIONS_LENGTH: Final = 40
CHECKSUM_AT: Final = 16
"""Where in the header the checksum is."""
FLAGS_AT: Final = 13
"""Where the low eight of the flags are."""

unpack_header: Final = _HEADER.unpack_from
"""Ports, sequence and acknowledgment number, data offset and flags, window, checksum, urgent pointer."""
_WITH_TIMESTAMPS: Final = Struct("!HHIIHHHHIII")
LENGTH_WITH_TIMESTAMPS: Final = _WITH_TIMESTAMPS.size
"""Of a header with nothing but the option of two NOPs and timestamps."""
unpack_with_timestamps: Final = _WITH_TIMESTAMPS.unpack_from
"""The same, and what stands there if the options are two NOPs and timestamps: :data:`NOP_NOP_TIMESTAMPS` first."""
pack_with_timestamps: Final = _WITH_TIMESTAMPS.pack

_WORDS: Final = Struct("!II")
_ALIGNED_TIMESTAMPS: Final = Struct("!III")
NOP_NOP_TIMESTAMPS: Final = 0x0101080A
_NOP_NOP: Final = bytes((NO_OPERATION, NO_OPERATION))
_SACK_PERMITTED: Final = bytes((SACK_PERMITTED, 2))
_INTERPRETED: Final = (MAX_SEGMENT_SIZE, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS)


@dataclass(slots=True)
class TcpHeader:
    """The header, options included and not interpreted."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    """:data:`FIN` to :data:`AE`, nine bits."""
    window: int
    checksum: int = 0
    urgent: int = 0
    options: bytes = b""
    """As on the wire, a multiple of 4 bytes: see :class:`TcpOptions`."""
    reserved: int = 0
    """Three bits."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> TcpHeader:
        """Raises Malformed: ``tcp.truncated``, ``tcp.bad_length`` if the data offset is below five."""
        if end is None:
            end = len(buffer)
        if end - offset < MIN_HEADER_LENGTH:
            raise Malformed("tcp.truncated")
        source_port, destination_port, sequence, acknowledgment, bits, window, checksum, urgent = (
            _HEADER.unpack_from(buffer, offset)
        )
        length = bits >> 10 & 0x3C
        if length == MIN_HEADER_LENGTH:
            options = b""
        elif length < MIN_HEADER_LENGTH:
            raise Malformed("tcp.bad_length")
        elif end - offset < length:
            raise Malformed("tcp.truncated")
        else:
            options = bytes(buffer[offset + MIN_HEADER_LENGTH : offset + length])
        return cls(
            source_port,
            destination_port,
            sequence,
            acknowledgment,
            bits & 0x1FF,
            window,
            checksum,
            urgent,
            options,
            bits >> 9 & 7,
        )

    @property
    def header_length(self) -> int:
        """Bytes, options included."""
        return MIN_HEADER_LENGTH + len(self.options)

    def build(self) -> bytes:
        """The header's bytes. Raises ValueError if the options are above 40 bytes or no multiple of 4."""
        if len(self.options) & 3 or len(self.options) > MAX_OPTIONS_LENGTH:
            raise ValueError(f"{len(self.options)} bytes of TCP options")
        return build_header(
            self.source_port,
            self.destination_port,
            self.sequence,
            self.acknowledgment,
            self.reserved << 9 | self.flags,
            self.window,
            self.checksum,
            self.urgent,
            self.options,
        )


def build_header(
    source_port: int,
    destination_port: int,
    sequence: int,
    acknowledgment: int,
    flags: int,
    window: int,
    checksum: int,
    urgent: int,
    options: bytes,
) -> bytes:
    """A header without the detour through an object; ``options`` are a multiple of 4 bytes, at most 40."""
    return (
        _HEADER.pack(
            source_port,
            destination_port,
            sequence,
            acknowledgment,
            0x5000 + (len(options) << 10) | flags,
            window,
            checksum,
            urgent,
        )
        + options
    )


def parse_options(raw: bytes) -> tuple[Option, ...]:
    """Every option as it stands; :func:`build_options` gives back the same bytes.

    Raises Malformed ``tcp.bad_option`` if a length is below 2 or reaches past the end (RFC 9293 3.1, MUST-7).
    """
    return tuple([Option(kind, data) for _, kind, data in iterate_options(raw, "tcp.bad_option")])


@dataclass(slots=True)
class TcpOptions:
    """What the options of one header say."""

    mss: int | None = None
    """Maximum Segment Size (RFC 9293 3.7.1)."""
    window_scale: int | None = None
    """Shift count as received, which may be above 14 (RFC 7323 2.3)."""
    sack_permitted: bool = False
    """RFC 2018 2."""
    sack: tuple[tuple[int, int], ...] = ()
    """Blocks: left edge, right edge, in the order of the option (RFC 2018 3)."""
    timestamp: int | None = None
    """TSval (RFC 7323 3.2)."""
    timestamp_echo: int = 0
    """TSecr."""
    unknown: tuple[Option, ...] = ()
    """All others, in order, without padding."""
    accurate_ecn: tuple[int | None, int | None, int | None] | None = None
    """AccECN: octets that arrived with ECT(0), CE and ECT(1), modulo 2**24, as far as it tells (RFC 9768 3.2.3)."""

    @classmethod
    def parse(cls, raw: bytes) -> TcpOptions:
        """Read the options; of two of the same kind the last counts, as in Linux.

        Raises Malformed ``tcp.bad_option`` if a length is illegal (RFC 9293 3.1, MUST-7).
        """
        options = cls()
        if len(raw) == _ALIGNED_TIMESTAMPS.size:
            # Nearly all segments of nearly all connections (RFC 7323 appendix A).
            marker, value, echo = _ALIGNED_TIMESTAMPS.unpack(raw)
            if marker == NOP_NOP_TIMESTAMPS:
                options.timestamp = value
                options.timestamp_echo = echo
                return options
        for at, kind, data in iterate_options(raw, "tcp.bad_option"):
            if kind > NO_OPERATION:
                options._take(at, kind, data)
        return options

    def _take(self, at: int, kind: int, data: bytes) -> None:
        size = len(data)
        if kind == TIMESTAMPS and size == 8:
            self.timestamp, self.timestamp_echo = _WORDS.unpack(data)
        elif kind == SACK and size and size % 8 == 0:
            self.sack = tuple(_WORDS.iter_unpack(data))
        elif kind == MAX_SEGMENT_SIZE and size == 2:
            self.mss = int.from_bytes(data)
        elif kind == WINDOW_SCALE and size == 1:
            self.window_scale = data[0]
        elif kind == SACK_PERMITTED and size == 0:
            self.sack_permitted = True
        elif kind in (ACCURATE_ECN_0, ACCURATE_ECN_1):
            first, second, third = [
                int.from_bytes(data[at : at + 3]) if at + 3 <= size else None for at in (0, 3, 6)
            ]
            self.accurate_ecn = (first, second, third) if kind == ACCURATE_ECN_0 else (third, second, first)
        elif kind in _INTERPRETED:
            raise Malformed("tcp.bad_option", at + 1)
        else:
            self.unknown += (Option(kind, data),)

    def build(self) -> bytes:
        """Bytes, padded to a multiple of 4, in the order and alignment of Linux's tcp_options_write.

        Raises ValueError if they are more than 40 bytes.
        """
        parts = []
        if self.mss is not None:
            parts.append(bytes((MAX_SEGMENT_SIZE, 4)) + self.mss.to_bytes(2))
        if self.timestamp is not None:
            aligned = timestamp_option(self.timestamp, self.timestamp_echo)
            parts.append(_SACK_PERMITTED + aligned[2:] if self.sack_permitted else aligned)
        if self.accurate_ecn is not None:
            parts.append(accurate_ecn_option(*self.accurate_ecn))
        if self.sack_permitted and self.timestamp is None:
            parts.append(_NOP_NOP + _SACK_PERMITTED)
        if self.window_scale is not None:
            parts.append(bytes((NO_OPERATION, WINDOW_SCALE, 3, self.window_scale)))
        if self.sack:
            parts.append(sack_option(self.sack))
        return self._padded(b"".join(parts))

    def build_as_freebsd(self, signature: bytes = b"") -> bytes:
        """As :meth:`build`, in the order and alignment of FreeBSD's tcp_addoptions; without SACK blocks.

        ``signature`` is an MD5 option, kind and length included.
        """
        raw = bytearray()
        if self.mss is not None:
            raw += bytes((MAX_SEGMENT_SIZE, 4)) + self.mss.to_bytes(2)
        if self.window_scale is not None:
            raw += bytes((NO_OPERATION,)) * (~len(raw) % 2) + bytes((WINDOW_SCALE, 3, self.window_scale))
        if self.sack_permitted:
            raw += bytes((NO_OPERATION,)) * (len(raw) % 2) + _SACK_PERMITTED
        if self.timestamp is not None:
            raw += bytes((NO_OPERATION,)) * ((2 - len(raw)) % 4)
            raw += timestamp_option(self.timestamp, self.timestamp_echo)[2:]
        if signature:
            raw += bytes((NO_OPERATION,)) * ((2 - len(raw)) % 4) + signature
        return self._padded(bytes(raw))

    def _padded(self, raw: bytes) -> bytes:
        raw = pad(raw + build_options(self.unknown))
        if len(raw) > MAX_OPTIONS_LENGTH:
            raise ValueError(f"{len(raw)} bytes of TCP options")
        return raw


def timestamp_option(value: int, echo: int) -> bytes:
    """The 12 bytes of a Timestamps option aligned by two NOPs (RFC 7323 appendix A)."""
    return _ALIGNED_TIMESTAMPS.pack(NOP_NOP_TIMESTAMPS, value, echo)


def sack_option(blocks: Sequence[tuple[int, int]]) -> bytes:
    """A SACK option aligned by two NOPs: 4 bytes and 8 for each block (RFC 2018 3)."""
    edges = b"".join([_WORDS.pack(left, right) for left, right in blocks])
    return _NOP_NOP + bytes((SACK, 2 + len(edges))) + edges


def accurate_ecn_option(e0b: int | None, ceb: int | None, e1b: int | None) -> bytes:
    """An AccECN option aligned by NOPs behind it, in the second order if the last counter allows (RFC 9768 3.2.3).

    Counters at the end may be left out: None.
    """
    counters = (e0b, ceb, e1b) if e1b is None else (e1b, ceb, e0b)
    kind = ACCURATE_ECN_0 if e1b is None and e0b is not None else ACCURATE_ECN_1
    data = b"".join([counter.to_bytes(3) for counter in counters if counter is not None])
    raw = bytes((kind, 2 + len(data))) + data
    return raw + bytes((NO_OPERATION,)) * (-len(raw) % 4)
