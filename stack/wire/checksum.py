"""The Internet checksum (RFC 1071).

The ones' complement sum of 16-bit words is the data, read as one big-endian number, modulo 2^16 - 1: the
weight of each word, a power of 2^16, is congruent to 1. Python divides a big number by a small one faster
than it adds small ones, so that is how it is done here. Modulo gives 0 where ones' complement has two zeros;
a sum is +0 only if all words are zero, and 0xFFFF otherwise (RFC 1071 2, "carries").
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from stack.link import Buffer, Checksum, Frame

_FIELD: Final = Struct("!H")
_UDP_CHECKSUM_AT: Final = 6
"""Where in a header UDP, and no other protocol of ours, has its checksum."""
_LONG: Final = 1024
"""Bytes from which it pays to add the quarters before dividing: a tenth is saved at 1460, four at 65535."""


def ones_sum(data: Buffer) -> int:
    """A partial sum, unfolded: partial sums may be added, then folded. Zero only if all the data is zero.

    Data of odd length counts as padded with a zero octet.
    """
    size = len(data)
    if size < _LONG:
        return int.from_bytes(data) << 8 if size & 1 else int.from_bytes(data)
    quarter = size >> 2 & ~1
    rest = int.from_bytes(data[3 * quarter :])
    return (
        int.from_bytes(data[:quarter])
        + int.from_bytes(data[quarter : 2 * quarter])
        + int.from_bytes(data[2 * quarter : 3 * quarter])
        + (rest << 8 if size & 1 else rest)
    )


def fold(total: int) -> int:
    """A partial sum as 16 bits, with end-around carry; 0 only if ``total`` is 0."""
    return total % 0xFFFF or (0xFFFF if total else 0)


def internet_checksum(*buffers: Buffer) -> int:
    """The checksum of the buffers one after the other; all but the last have an even length.

    It is 0 over data that holds its own correct checksum.
    """
    total = 0
    for buffer in buffers:
        total += ones_sum(buffer)
    return 0xFFFF - fold(total)


def pseudo_header_sum(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """The folded sum of the pseudo-header (RFC 9293 3.1, RFC 768, RFC 8200 8.1).

    ``length`` counts the transport's header and data. IPv6's fields are wider, which is nothing to the sum.
    """
    return (int.from_bytes(source) + int.from_bytes(destination) + protocol + length) % 0xFFFF or 0xFFFF


def complete(frame: Frame) -> Frame:
    """The frame with its transport checksum in place: a new one if that is still to do, otherwise the same.

    UDP's checksum of 0 is written as 0xFFFF, its other representation: there 0 means "none" (RFC 768). For other
    protocols 0 is what comes out, and 0xFFFF an error to those who compute it again (RFC 1624 3).
    """
    if frame.checksum is not Checksum.PARTIAL:
        return frame
    head = bytearray(frame.head)
    total = ones_sum(head[frame.transport :]) + ones_sum(frame.payload)
    checksum = 0xFFFF - fold(total)
    if not checksum and frame.checksum_at - frame.transport == _UDP_CHECKSUM_AT:
        checksum = 0xFFFF
    _FIELD.pack_into(head, frame.checksum_at, checksum)
    return Frame(bytes(head), frame.payload)
