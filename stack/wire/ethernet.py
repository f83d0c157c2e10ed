"""Ethernet II frames, with any number of VLAN tags up to a bound (IEEE 802.3 3.1.1, 802.1Q 9)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_VLAN: Final = 0x8100
"""802.1Q customer tag."""
ETHERTYPE_SERVICE_VLAN: Final = 0x88A8
"""802.1ad service tag."""
ETHERTYPE_IPV6: Final = 0x86DD

MAX_TAGS: Final = 8
"""More tags than this are nobody's network; Linux's flow dissector stops at two."""

_HEADER: Final = Struct("!6s6sH")
_TAG: Final = Struct("!HH")
_TAGS: Final = (ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN)
HEADER_LENGTH: Final = _HEADER.size


@dataclass(slots=True)
class VlanTag:
    """One tag: who defined it, and its tag control information (802.1Q 9.6)."""

    identifier: int
    """VID, 0..4095; 0: the tag carries a priority only."""
    priority: int = 0
    """PCP, 0..7."""
    drop_eligible: bool = False
    """DEI."""
    protocol: int = ETHERTYPE_VLAN
    """TPID: :data:`ETHERTYPE_VLAN` or :data:`ETHERTYPE_SERVICE_VLAN`."""


@dataclass(slots=True)
class EthernetHeader:
    """Addresses and what comes next; ``tags`` from the outermost to the innermost."""

    destination: bytes
    source: bytes
    ethertype: int
    tags: tuple[VlanTag, ...] = ()

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> EthernetHeader:
        """Raises Malformed: ``ethernet.truncated``, ``ethernet.too_many_tags``."""
        if end is None:
            end = len(buffer)
        if end - offset < HEADER_LENGTH:
            raise Malformed("ethernet.truncated")
        destination, source, ethertype = _HEADER.unpack_from(buffer, offset)
        if ethertype not in _TAGS:
            return cls(destination, source, ethertype)
        tags: list[VlanTag] = []
        at = offset + HEADER_LENGTH
        while ethertype in _TAGS:
            if len(tags) == MAX_TAGS:
                raise Malformed("ethernet.too_many_tags")
            if end - at < _TAG.size:
                raise Malformed("ethernet.truncated")
            control, following = _TAG.unpack_from(buffer, at)
            tags.append(VlanTag(control & 0xFFF, control >> 13, bool(control & 0x1000), ethertype))
            ethertype = following
            at += _TAG.size
        return cls(destination, source, ethertype, tuple(tags))

    @property
    def header_length(self) -> int:
        """Bytes, tags included."""
        return HEADER_LENGTH + _TAG.size * len(self.tags)

    def build(self) -> bytes:
        """The header's bytes."""
        if not self.tags:
            return build_header(self.destination, self.source, self.ethertype)
        parts = [self.destination, self.source]
        for tag in self.tags:
            control = tag.priority << 13 | tag.drop_eligible << 12 | tag.identifier
            parts.append(_TAG.pack(tag.protocol, control))
        parts.append(self.ethertype.to_bytes(2))
        return b"".join(parts)


def build_header(destination: bytes, source: bytes, ethertype: int) -> bytes:
    """An untagged header without the detour through an object."""
    return _HEADER.pack(destination, source, ethertype)
