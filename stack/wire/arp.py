"""ARP for IPv4 on Ethernet (RFC 826)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed
from stack.wire.ethernet import ETHERTYPE_IPV4

REQUEST: Final = 1
REPLY: Final = 2

_PACKET: Final = Struct("!HHBBH6s4s6s4s")
PACKET_LENGTH: Final = _PACKET.size
_HARDWARE_ETHERNET: Final = 1


@dataclass(slots=True)
class ArpPacket:
    """Who asks or tells, and about whom."""

    operation: int
    """:data:`REQUEST`, :data:`REPLY`, or another, which RFC 826 lets a receiver ignore."""
    sender_mac: bytes
    sender_address: bytes
    target_mac: bytes
    target_address: bytes

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> ArpPacket:
        """Read a packet.

        Raises Malformed: ``arp.truncated``; ``arp.bad_hardware``, ``arp.bad_protocol``, ``arp.bad_length`` if
        it is not for IPv4 on Ethernet.
        """
        if (len(buffer) if end is None else end) - offset < PACKET_LENGTH:
            raise Malformed("arp.truncated")
        (
            hardware,
            protocol,
            hardware_length,
            protocol_length,
            operation,
            sender_mac,
            sender_address,
            target_mac,
            target_address,
        ) = _PACKET.unpack_from(buffer, offset)
        if hardware != _HARDWARE_ETHERNET:
            raise Malformed("arp.bad_hardware")
        if protocol != ETHERTYPE_IPV4:
            raise Malformed("arp.bad_protocol")
        if hardware_length != 6 or protocol_length != 4:
            raise Malformed("arp.bad_length")
        return cls(operation, sender_mac, sender_address, target_mac, target_address)

    @property
    def header_length(self) -> int:
        """Always 28 bytes; nothing but padding follows."""
        return PACKET_LENGTH

    def build(self) -> bytes:
        """The packet's bytes."""
        return _PACKET.pack(
            _HARDWARE_ETHERNET,
            ETHERTYPE_IPV4,
            6,
            4,
            self.operation,
            self.sender_mac,
            self.sender_address,
            self.target_mac,
            self.target_address,
        )
