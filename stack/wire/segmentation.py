"""Super-segments cut into the packets that they stand for: what a device does with TSO and USO, done here."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from stack.link import Checksum, Frame
from stack.wire.checksum import fold
from stack.wire.ipv6 import HEADER_LENGTH as IPV6_HEADER_LENGTH
from stack.wire.tcp import CHECKSUM_AT, CWR, FIN, FLAGS_AT, PSH
from stack.wire.udp import HEADER_LENGTH as UDP_HEADER_LENGTH

_FIELD: Final = Struct("!H")
_LONG: Final = Struct("!L")
_PARTIAL: Final = Checksum.PARTIAL

_TOTAL_LENGTH_AT: Final = 2
_IDENTIFICATION_AT: Final = 4
_IPV4_CHECKSUM_AT: Final = 10
_PAYLOAD_LENGTH_AT: Final = 4

_SEQUENCE_AT: Final = 4
_DATA_OFFSET_AT: Final = 12
_UDP_LENGTH_AT: Final = 4


def segments(frame: Frame, start: int) -> Iterator[Frame]:
    """The packets of a super-segment whose IP header is at ``frame.head[start]``; their checksums stay PARTIAL.

    IPv4 identifications count up from the first. PSH and FIN are of the last segment, CWR is of the first
    (RFC 3168 6.1.2), and everything else is of all.
    """
    head, transport, size = frame.head, frame.transport, frame.segment_size
    tcp = is_tcp(frame)
    end = transport_end(frame)
    data = memoryview(frame.payload if frame.payload else memoryview(head)[end:])
    (whole_sum,) = _FIELD.unpack_from(head, frame.checksum_at)
    headers = bytes(head[:end])
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        header = bytearray(headers)
        _set_ip_length(header, start, transport, end - start + len(piece), at // size)
        if tcp:
            (sequence,) = _LONG.unpack_from(header, transport + _SEQUENCE_AT)
            _LONG.pack_into(header, transport + _SEQUENCE_AT, sequence + at & 0xFFFFFFFF)
            if at:
                header[transport + FLAGS_AT] &= ~CWR
            if at + size < len(data):
                header[transport + FLAGS_AT] &= ~(PSH | FIN)
        else:
            _FIELD.pack_into(header, transport + _UDP_LENGTH_AT, UDP_HEADER_LENGTH + len(piece))
        _FIELD.pack_into(header, frame.checksum_at, fold(whole_sum + 0xFFFF * 2 - len(data) + len(piece)))
        yield Frame(bytes(header), piece, _PARTIAL, transport, frame.checksum_at)


def transport_end(frame: Frame) -> int:
    """Where in its head, or beyond, the transport header of a super-segment ends."""
    at = frame.transport
    return at + (frame.head[at + _DATA_OFFSET_AT] >> 4 << 2 if is_tcp(frame) else UDP_HEADER_LENGTH)


def is_tcp(frame: Frame) -> bool:
    """What else is cut into segments is UDP; each has its checksum elsewhere."""
    return frame.checksum_at - frame.transport == CHECKSUM_AT


def _set_ip_length(header: bytearray, start: int, transport: int, length: int, number: int) -> None:
    if header[start] >> 4 == 6:
        _FIELD.pack_into(header, start + _PAYLOAD_LENGTH_AT, length - IPV6_HEADER_LENGTH)
        return
    (identification,) = _FIELD.unpack_from(header, start + _IDENTIFICATION_AT)
    _FIELD.pack_into(header, start + _TOTAL_LENGTH_AT, length)
    _FIELD.pack_into(header, start + _IDENTIFICATION_AT, identification + number & 0xFFFF)
    _FIELD.pack_into(header, start + _IPV4_CHECKSUM_AT, 0)
    checksum = 0xFFFF - fold(int.from_bytes(header[start:transport]))
    _FIELD.pack_into(header, start + _IPV4_CHECKSUM_AT, checksum)
