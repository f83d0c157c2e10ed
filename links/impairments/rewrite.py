"""Changes that a link makes to a frame: always a new one, for a frame never changes once it was sent."""

from __future__ import annotations

from random import Random
from struct import Struct

from links.impairments.dissect import packet_offset
from stack.link import Checksum, Frame, Medium
from stack.wire.checksum import complete
from stack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6

_FIELD = Struct("!H")
_IPV4_CHECKSUM_AT = 10
_IP_ETHERTYPES = (ETHERTYPE_IPV4.to_bytes(2), ETHERTYPE_IPV6.to_bytes(2))
_CE = 0b11


def flip_bit(frame: Frame, random: Random) -> tuple[Frame, int]:
    """The frame with one bit flipped, as netem's corrupt does, and which (0: the first bit on the wire).

    What the frame's checksum covers is what the sender had in mind, so a PARTIAL one is completed before. One
    draw. An empty frame stays as it is.
    """
    data = bytearray(bytes(complete(frame)))
    at = random.getrandbits(32) * 8 * len(data) >> 32
    if data:
        data[at >> 3] ^= 0x80 >> (at & 7)
    return Frame(bytes(data), checksum=Checksum.COMPLETE), at


def mark_congestion(frame: Frame, medium: Medium) -> Frame | None:
    """The frame with Congestion Experienced set (RFC 3168 5), or None if it is not ECN-capable."""
    head = frame.head
    at = packet_offset(head, medium)
    if medium is Medium.ETHERNET and bytes(head[at - 2 : at]) not in _IP_ETHERTYPES:
        return None
    if len(head) < at + 20:
        return None
    version = head[at] >> 4
    # ECN is the low end of IPv4's second octet, and in IPv6's it comes before the flow label.
    shift = {4: 0, 6: 4}.get(version)
    if shift is None or not head[at + 1] >> shift & _CE:
        return None
    marked = bytearray(head)
    marked[at + 1] |= _CE << shift
    if version == 4:
        _update_checksum(marked, at + _IPV4_CHECKSUM_AT, marked[at + 1] - head[at + 1])
    return Frame(
        bytes(marked),
        frame.payload,
        frame.checksum,
        frame.transport,
        frame.checksum_at,
        frame.segment_size,
    )


def _update_checksum(head: bytearray, at: int, increase: int) -> None:
    """After a word that it covers has grown (RFC 1624 3)."""
    (checksum,) = _FIELD.unpack_from(head, at)
    _FIELD.pack_into(head, at, (checksum - increase) % 0xFFFF)
