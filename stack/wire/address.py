"""Addresses: packed ``bytes`` of length 4 or 16 (6 for a MAC) inside the stack, text only at the edges."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

UNSPECIFIED_V4: Final = bytes(4)
UNSPECIFIED_V6: Final = bytes(16)
BROADCAST_V4: Final = b"\xff\xff\xff\xff"
BROADCAST_MAC: Final = b"\xff\xff\xff\xff\xff\xff"
LOOPBACK_V4: Final = b"\x7f\x00\x00\x01"
LOOPBACK_V6: Final = bytes(15) + b"\x01"
ALL_NODES_V4: Final = b"\xe0\x00\x00\x01"
"""224.0.0.1, all systems on this subnet (RFC 1112 4)."""
ALL_NODES_V6: Final = b"\xff\x02" + bytes(13) + b"\x01"
"""ff02::1 (RFC 4291 2.7.1)."""
ALL_ROUTERS_V6: Final = b"\xff\x02" + bytes(13) + b"\x02"
"""ff02::2 (RFC 4291 2.7.1)."""

_MAPPED: Final = bytes(10) + b"\xff\xff"
_SOLICITED_NODE: Final = b"\xff\x02" + bytes(9) + b"\x01\xff"
_MAC: Final = re.compile(r"[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})", re.ASCII | re.IGNORECASE)


def parse_address(text: str) -> bytes:
    """Packed form of an IPv4 or IPv6 address. Raises ValueError, also for a zone (``%eth0``)."""
    address = ipaddress.ip_address(text)
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return address.packed


def format_address(address: bytes) -> str:
    """Text of a packed address, IPv6 in the canonical form of RFC 5952 (5 for IPv4-mapped ones)."""
    if len(address) == 4:
        return ".".join(map(str, address))
    mapped = unmap_v4(address)
    if mapped is not None:
        return f"::ffff:{format_address(mapped)}"
    return str(ipaddress.IPv6Address(address))


def parse_mac(text: str) -> bytes:
    """Six octets from ``02:00:00:00:00:01`` or with hyphens. Raises ValueError."""
    if not _MAC.fullmatch(text):
        raise ValueError(f"{text!r} does not appear to be a MAC address")
    return bytes.fromhex(text.replace(":", "").replace("-", ""))


def format_mac(mac: bytes) -> str:
    """Lower case, with colons."""
    return mac.hex(":")


def is_multicast(address: bytes) -> bool:
    """224.0.0.0/4 (RFC 1112 4) or ff00::/8 (RFC 4291 2.7)."""
    return address[0] == 0xFF if len(address) == 16 else address[0] >> 4 == 0xE


def is_loopback(address: bytes) -> bool:
    """127.0.0.0/8 (RFC 1122 3.2.1.3) or ::1 (RFC 4291 2.5.3)."""
    return address == LOOPBACK_V6 if len(address) == 16 else address[0] == 127


def is_link_local(address: bytes) -> bool:
    """169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291 2.5.6); unicast only."""
    if len(address) == 16:
        return address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return address[0] == 169 and address[1] == 254


def is_unspecified(address: bytes) -> bool:
    """0.0.0.0 or ``::``."""
    return address in (UNSPECIFIED_V4, UNSPECIFIED_V6)


def solicited_node(address: bytes) -> bytes:
    """The solicited-node multicast address of an IPv6 address (RFC 4291 2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def multicast_mac(address: bytes) -> bytes:
    """The Ethernet group address for an IP group (RFC 1112 6.4, RFC 2464 7)."""
    if len(address) == 16:
        return b"\x33\x33" + address[12:]
    return bytes((0x01, 0x00, 0x5E, address[1] & 0x7F)) + address[2:]


def map_v4(address: bytes) -> bytes:
    """The IPv4-mapped IPv6 address (RFC 4291 2.5.5.2)."""
    return _MAPPED + address


def unmap_v4(address: bytes) -> bytes | None:
    """The IPv4 address in an IPv4-mapped IPv6 address; None if it is another one."""
    return address[12:] if len(address) == 16 and address.startswith(_MAPPED) else None


def _split(text: str) -> tuple[bytes, int]:
    address, slash, length = text.partition("/")
    if not slash or not (length.isascii() and length.isdecimal()):
        raise ValueError(f"{text!r} needs a prefix length, as in 10.0.0.0/8")
    return parse_address(address), int(length)


def _check(address: bytes, length: int) -> None:
    if len(address) not in (4, 16):
        raise ValueError(f"an address has 4 or 16 bytes, not {len(address)}")
    if not 0 <= length <= 8 * len(address):
        raise ValueError(f"prefix length {length} is not within 0..{8 * len(address)}")


@dataclass(frozen=True, slots=True)
class Prefix:
    """A network: an address with no host bits set, and how many bits of it count (RFC 4632 3.1)."""

    address: bytes
    length: int

    def __post_init__(self) -> None:
        _check(self.address, self.length)
        if int.from_bytes(self.address) & self._host_mask:
            raise ValueError(f"{self} has host bits set")

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """From ``10.0.0.0/8``. Raises ValueError, also if host bits are set."""
        return cls(*_split(text))

    @property
    def _host_mask(self) -> int:
        return (1 << 8 * len(self.address) - self.length) - 1

    def contains(self, address: bytes) -> bool:
        """Whether the address is within; one of the other family never is."""
        mine = self.address
        return (
            len(address) == len(mine)
            and (int.from_bytes(address) ^ int.from_bytes(mine)) >> 8 * len(mine) - self.length == 0
        )

    def __str__(self) -> str:
        return f"{format_address(self.address)}/{self.length}"


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of an interface, with the length of the prefix that is on-link."""

    address: bytes
    length: int

    def __post_init__(self) -> None:
        _check(self.address, self.length)

    @classmethod
    def parse(cls, text: str) -> InterfaceAddress:
        """From ``10.0.0.2/24``. Raises ValueError."""
        return cls(*_split(text))

    @property
    def prefix(self) -> Prefix:
        """The network that the address is in."""
        size = len(self.address)
        shift = 8 * size - self.length
        return Prefix((int.from_bytes(self.address) >> shift << shift).to_bytes(size), self.length)

    @property
    def broadcast(self) -> bytes | None:
        """The directed broadcast address; None for IPv6, and on a /31 or /32 (RFC 3021)."""
        if len(self.address) != 4 or self.length > 30:
            return None
        return (int.from_bytes(self.address) | (1 << 32 - self.length) - 1).to_bytes(4)

    def __str__(self) -> str:
        return f"{format_address(self.address)}/{self.length}"
