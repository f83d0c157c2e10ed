"""The options of neighbour discovery messages (RFC 4861 4.6).

An option of a known kind but of another length than RFC 4861 gives it is kept as it stands, like one of an
unknown kind, and so comes to be ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from stack.link import Buffer
from stack.wire.errors import Malformed

SOURCE_LINK_LAYER_ADDRESS: Final = 1
TARGET_LINK_LAYER_ADDRESS: Final = 2
PREFIX_INFORMATION: Final = 3
REDIRECTED_HEADER: Final = 4
MTU: Final = 5

_PREFIX: Final = Struct("!BBBBIII16s")
_MTU: Final = Struct("!BBHI")


@dataclass(frozen=True, slots=True)
class RawOption:
    """An option that is not interpreted."""

    kind: int
    data: bytes
    """What follows kind and length: 6 modulo 8 bytes."""

    def build(self) -> bytes:
        """The option's bytes. Raises ValueError if the data does not fill a multiple of 8 bytes."""
        if len(self.data) % 8 != 6:
            raise ValueError(f"{len(self.data)} bytes do not make an option: 6 modulo 8")
        return bytes((self.kind, (2 + len(self.data)) >> 3)) + self.data


@dataclass(frozen=True, slots=True)
class LinkLayerAddress:
    """Source or Target Link-layer Address (RFC 4861 4.6.1)."""

    kind: int
    address: bytes
    """Six bytes on Ethernet (RFC 2464 6); only addresses that need no padding, 6 modulo 8 bytes."""

    def build(self) -> bytes:
        """The option's bytes. Raises ValueError if the address does not fill a multiple of 8 bytes."""
        return RawOption(self.kind, self.address).build()


@dataclass(frozen=True, slots=True)
class PrefixInformation:
    """RFC 4861 4.6.2."""

    prefix: bytes
    """An address; the bits past ``length`` are to be ignored."""
    length: int
    """In bits, as received: it may be above 128."""
    on_link: bool
    """L."""
    autonomous: bool
    """A: for stateless address configuration."""
    valid_lifetime: int
    """Seconds; 0xFFFFFFFF: for ever."""
    preferred_lifetime: int
    """Seconds; 0xFFFFFFFF: for ever."""
    reserved: int = 0
    """Both reserved fields: 6 bits and 32."""

    @property
    def kind(self) -> int:
        """:data:`PREFIX_INFORMATION`."""
        return PREFIX_INFORMATION

    def build(self) -> bytes:
        """The option's bytes."""
        return _PREFIX.pack(
            PREFIX_INFORMATION,
            4,
            self.length,
            self.on_link << 7 | self.autonomous << 6 | self.reserved >> 32,
            self.valid_lifetime,
            self.preferred_lifetime,
            self.reserved & 0xFFFFFFFF,
            self.prefix,
        )


@dataclass(frozen=True, slots=True)
class RedirectedHeader:
    """RFC 4861 4.6.3."""

    packet: bytes
    """The IP packet that was redirected, truncated, and padded to a multiple of 8 bytes."""
    reserved: bytes = bytes(6)

    @property
    def kind(self) -> int:
        """:data:`REDIRECTED_HEADER`."""
        return REDIRECTED_HEADER

    def build(self) -> bytes:
        """The option's bytes. Raises ValueError if the packet is no multiple of 8 bytes."""
        return RawOption(REDIRECTED_HEADER, self.reserved + self.packet).build()


@dataclass(frozen=True, slots=True)
class MtuOption:
    """RFC 4861 4.6.4."""

    mtu: int
    """Bytes."""
    reserved: int = 0

    @property
    def kind(self) -> int:
        """:data:`MTU`."""
        return MTU

    def build(self) -> bytes:
        """The option's bytes."""
        return _MTU.pack(MTU, 1, self.reserved, self.mtu)


NdpOption: TypeAlias = RawOption | LinkLayerAddress | PrefixInformation | RedirectedHeader | MtuOption


def parse_options(buffer: Buffer, offset: int = 0, end: int | None = None) -> tuple[NdpOption, ...]:
    """Every option, unknown ones included.

    Raises Malformed ``ndp.bad_option`` if one has length zero, for which RFC 4861 4.6 discards the packet, or
    reaches past the end.
    """
    end = len(buffer) if end is None else end
    options = []
    while offset < end:
        following = offset + 8 * buffer[offset + 1] if offset + 1 < end else offset
        if not offset < following <= end:
            raise Malformed("ndp.bad_option")
        options.append(_parse_option(buffer[offset], bytes(buffer[offset:following])))
        offset = following
    return tuple(options)


def _parse_option(kind: int, raw: bytes) -> NdpOption:
    if kind in (SOURCE_LINK_LAYER_ADDRESS, TARGET_LINK_LAYER_ADDRESS):
        return LinkLayerAddress(kind, raw[2:])
    if kind == PREFIX_INFORMATION and len(raw) == _PREFIX.size:
        _, _, length, flags, valid, preferred, reserved, prefix = _PREFIX.unpack(raw)
        on_link, autonomous = flags & 0x80 != 0, flags & 0x40 != 0
        return PrefixInformation(
            prefix, length, on_link, autonomous, valid, preferred, (flags & 0x3F) << 32 | reserved
        )
    if kind == REDIRECTED_HEADER:
        return RedirectedHeader(raw[8:], raw[2:8])
    if kind == MTU and len(raw) == _MTU.size:
        _, _, reserved, mtu = _MTU.unpack(raw)
        return MtuOption(mtu, reserved)
    return RawOption(kind, raw[2:])


def build_options(options: Iterable[NdpOption]) -> bytes:
    """The exact reverse of parsing."""
    return b"".join([option.build() for option in options])


def link_layer_address(options: Iterable[NdpOption], kind: int) -> bytes | None:
    """The MAC in the last Link-layer Address option of a kind (Source or Target); None if there is none."""
    found = None
    for option in options:
        if isinstance(option, LinkLayerAddress) and option.kind == kind and len(option.address) == 6:
            found = option.address
    return found
