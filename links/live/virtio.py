"""The virtio-net header: what the kernel and we leave undone for each other (virtio 1.2, 5.1.6; linux/virtio_net.h)."""

from __future__ import annotations

from struct import Struct
from typing import Final

from stack.link import Buffer, Checksum, Frame
from stack.wire.segmentation import is_tcp, transport_end
from stack.wire.tcp import CWR, FLAGS_AT

_HEADER: Final = Struct("=BBHHHH")
"""Flags, kind of segmentation, bytes of all headers, segment size, where the sum begins, and from there its field."""
HEADER_LENGTH: Final = _HEADER.size

_NEEDS_CHECKSUM: Final = 1
_DATA_VALID: Final = 2

_WHOLE: Final = 0
_TCP_IPV4: Final = 1
_TCP_IPV6: Final = 4
_UDP: Final = 5
_ECN: Final = 0x80
"""With either of TCP's: CWR is set, so that a device which would repeat it in each packet leaves the frame alone."""

_FIELD_LENGTH: Final = 2
_SMALL: Final = 2048
"""Bytes up to which a frame is cheaper to copy than to look at through a view."""

_PARTIAL: Final = Checksum.PARTIAL
_VERIFIED: Final = Checksum.VERIFIED

NOTHING_TO_DO: Final = bytes(HEADER_LENGTH)
"""The header of a frame that is complete."""


def header_of(frame: Frame, start: int) -> bytes:
    """The header in front of a frame that goes to the kernel; its IP header is at ``frame.head[start]``."""
    if frame.checksum is not _PARTIAL:
        return NOTHING_TO_DO
    transport = frame.transport
    offset = frame.checksum_at - transport
    size = frame.segment_size
    if not size:
        return _HEADER.pack(_NEEDS_CHECKSUM, _WHOLE, 0, 0, transport, offset)
    if not is_tcp(frame):
        kind = _UDP
    else:
        kind = _TCP_IPV4 if frame.head[start] >> 4 == 4 else _TCP_IPV6
        if frame.head[transport + FLAGS_AT] & CWR:
            kind |= _ECN
    return _HEADER.pack(_NEEDS_CHECKSUM, kind, transport_end(frame), size, transport, offset)


def parse(data: bytes) -> Frame:
    """The frame behind a header from the kernel, which may have it from a guest: what lies outside the frame, or says
    that no data are behind its headers, is not believed."""
    flags, kind, _, size, transport, offset = _HEADER.unpack_from(data)
    head: Buffer = (data if len(data) <= _SMALL else memoryview(data))[HEADER_LENGTH:]
    field_end = transport + offset + _FIELD_LENGTH
    if not flags & _NEEDS_CHECKSUM or field_end > len(head):
        return Frame(head, b"", _VERIFIED if flags & _DATA_VALID else Checksum.COMPLETE)
    frame = Frame(head, b"", _PARTIAL, transport, transport + offset)
    if kind != _WHOLE:
        end = transport_end(frame)
        if field_end <= end < len(head):
            frame.segment_size = size
            end += HEADER_LENGTH
            frame.head, frame.payload = data[HEADER_LENGTH:end], memoryview(data)[end:]
    return frame
