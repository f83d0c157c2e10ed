"""IPv6 extension headers and the chain that they form (RFC 8200 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from stack.link import Buffer
from stack.wire.errors import Malformed
from stack.wire.protocols import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    ICMPV6,
    NO_NEXT_HEADER,
    ROUTING,
    TCP,
    UDP,
)

MAX_EXTENSIONS: Final = 8
"""Extension headers in one packet. RFC 8200 4.1 has use for seven; RFC 8504 5.3 lets a host set a limit."""
EXTENSION_HEADERS: Final = frozenset((HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS))
"""The Next Header values that :func:`walk` steps over."""

_FRAGMENT: Final = Struct("!BBHI")
FRAGMENT_HEADER_LENGTH: Final = _FRAGMENT.size

_UPPER_LAYER_LENGTHS: Final = {TCP: 20, UDP: 8, ICMPV6: 8, NO_NEXT_HEADER: 0}
"""Least a first fragment holds of these, and one byte of any other (Linux ipv6frag_thdr_truncated)."""

PAD1: Final = 0
PADN: Final = 1
ROUTER_ALERT: Final = 5


class UnrecognizedAction(IntEnum):
    """What to do with a packet that has an unknown option: the option type's top bits (RFC 8200 4.2)."""

    SKIP = 0
    DISCARD = 1
    REPORT = 2
    """Discard, and send a Parameter Problem, Code 2, that points at the option type."""
    REPORT_UNLESS_MULTICAST = 3
    """The same, unless the destination was a multicast address."""


@dataclass(frozen=True, slots=True)
class Ipv6Option:
    """One option of a Hop-by-Hop or Destination Options header; of a kind that nobody knows, it survives."""

    kind: int
    data: bytes = b""

    @property
    def unrecognized_action(self) -> UnrecognizedAction:
        """What to do if this option is not known."""
        return UnrecognizedAction(self.kind >> 6)

    def build(self) -> bytes:
        """The option's bytes."""
        return b"\x00" if self.kind == PAD1 else bytes((self.kind, len(self.data))) + self.data


def iterate_options(raw: bytes) -> Iterator[tuple[int, Ipv6Option]]:
    """Each option with its place in ``raw``, padding included.

    Raises Malformed ``ipv6.bad_option`` with a pointer into ``raw``, if an option reaches past the end.
    """
    at = 0
    end = len(raw)
    while at < end:
        kind = raw[at]
        if kind == PAD1:
            yield at, Ipv6Option(kind)
            at += 1
            continue
        following = at + 2 + raw[at + 1] if at + 1 < end else end + 1
        if following > end:
            raise Malformed("ipv6.bad_option", min(at + 1, end - 1))
        yield at, Ipv6Option(kind, raw[at + 2 : following])
        at = following


def build_options(options: Iterable[Ipv6Option]) -> bytes:
    """The exact reverse of iterating; pads nothing."""
    return b"".join([option.build() for option in options])


def pad_options(raw: bytes) -> bytes:
    """With Pad1 or PadN, up to a length that makes a whole options header (6 modulo 8)."""
    missing = (6 - len(raw)) % 8
    if missing == 0:
        return raw
    if missing == 1:
        return raw + b"\x00"
    return raw + bytes((PADN, missing - 2)) + bytes(missing - 2)


def _extent(buffer: Buffer, offset: int, end: int | None, cut: str = "ipv6.truncated") -> int:
    """Where the extension header at ``offset`` ends, if it says so in its second octet, in units of 8.

    Raises Malformed with the reason ``cut`` if that is past the end.
    """
    if end is None:
        end = len(buffer)
    following = offset + 8 + 8 * buffer[offset + 1] if end - offset >= 8 else end + 1
    if following > end:
        raise Malformed(cut)
    return following


def _check_size(raw: bytes) -> None:
    if len(raw) % 8 != 6 or len(raw) > 8 * 256 - 2:
        raise ValueError(f"{len(raw)} bytes do not make an extension header: 6 modulo 8, at most 2046")


@dataclass(slots=True)
class OptionsHeader:
    """A Hop-by-Hop Options or a Destination Options header, which have the same form (RFC 8200 4.3, 4.6)."""

    next_header: int
    options: bytes
    """As on the wire, padding included: see :func:`iterate_options` and :func:`pad_options`."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> OptionsHeader:
        """Raises Malformed ``ipv6.truncated``; the options are not looked at."""
        following = _extent(buffer, offset, end)
        return cls(buffer[offset], bytes(buffer[offset + 2 : following]))

    @property
    def header_length(self) -> int:
        """Bytes, a multiple of 8."""
        return 2 + len(self.options)

    def build(self) -> bytes:
        """The header's bytes. Raises ValueError if the options do not fill a multiple of 8 bytes."""
        _check_size(self.options)
        return bytes((self.next_header, len(self.options) >> 3)) + self.options


@dataclass(slots=True)
class RoutingHeader:
    """A Routing header of any type (RFC 8200 4.4)."""

    next_header: int
    routing_type: int
    segments_left: int
    data: bytes
    """Type-specific, 4 modulo 8 bytes."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> RoutingHeader:
        """Raises Malformed ``ipv6.truncated``."""
        following = _extent(buffer, offset, end)
        return cls(
            buffer[offset], buffer[offset + 2], buffer[offset + 3], bytes(buffer[offset + 4 : following])
        )

    @property
    def header_length(self) -> int:
        """Bytes, a multiple of 8."""
        return 4 + len(self.data)

    def build(self) -> bytes:
        """The header's bytes. Raises ValueError if the data does not fill a multiple of 8 bytes."""
        rest = bytes((self.routing_type, self.segments_left)) + self.data
        _check_size(rest)
        return bytes((self.next_header, len(rest) >> 3)) + rest


@dataclass(slots=True)
class FragmentHeader:
    """A Fragment header (RFC 8200 4.5)."""

    next_header: int
    fragment_offset: int
    """Bytes from the start of the Fragmentable Part, a multiple of 8."""
    more_fragments: bool
    identification: int
    reserved: int = 0
    """Both reserved fields, 8 bits and 2: ignored on reception."""

    @classmethod
    def parse(cls, buffer: Buffer, offset: int = 0, end: int | None = None) -> FragmentHeader:
        """Raises Malformed ``ipv6.truncated``."""
        if (len(buffer) if end is None else end) - offset < FRAGMENT_HEADER_LENGTH:
            raise Malformed("ipv6.truncated")
        next_header, reserved, offset_flags, identification = _FRAGMENT.unpack_from(buffer, offset)
        return cls(
            next_header,
            offset_flags & 0xFFF8,
            bool(offset_flags & 1),
            identification,
            reserved << 2 | offset_flags >> 1 & 3,
        )

    @property
    def header_length(self) -> int:
        """Always 8 bytes."""
        return FRAGMENT_HEADER_LENGTH

    @property
    def is_atomic(self) -> bool:
        """Whether it is the only fragment of its packet (RFC 6946)."""
        return self.fragment_offset == 0 and not self.more_fragments

    def build(self) -> bytes:
        """The header's bytes."""
        offset_flags = self.fragment_offset | (self.reserved & 3) << 1 | self.more_fragments
        return _FRAGMENT.pack(self.next_header, self.reserved >> 2, offset_flags, self.identification)


@dataclass(slots=True)
class Extension:
    """Where one extension header stands in the buffer."""

    protocol: int
    """Which one: the Next Header value that announced it."""
    start: int
    end: int


@dataclass(slots=True)
class HeaderChain:
    """What :func:`walk` found between the IPv6 header and the upper layer. Places are in the buffer."""

    extensions: tuple[Extension, ...]
    protocol: int
    """The first Next Header value that is no extension header: the upper layer's, or an unknown one."""
    protocol_at: int
    """Where the Next Header field is that holds ``protocol``: what a Parameter Problem, Code 1, points at."""
    offset: int
    """Where the header that ``protocol`` announces starts. In a fragment that is not the first there is none,
    and this is where the fragment's data starts."""
    fragment: FragmentHeader | None = None
    fragment_at: int = -1
    """Where the Fragment header starts; its data is the 8 bytes after it."""
    fragment_named_at: int = -1
    """Where the Next Header field is that announces the Fragment header, and that reassembly rewrites."""


def walk(buffer: Buffer, offset: int, end: int, next_header: int, next_header_at: int) -> HeaderChain:
    """Step over the extension headers that begin at ``offset`` with the one that ``next_header`` names.

    ``next_header_at`` is where that value was read: 6 into the IPv6 header. The chain ends at the first value
    that is no extension header; at a Hop-by-Hop Options header in any place but the first, which RFC 8200 4
    wants treated like an unknown value; at a second Fragment header; and behind the Fragment header of a
    fragment that is not the first. Only the headers' lengths are looked at, not what they ask for. The buffer
    holds the whole packet: of a first fragment also what a frame may carry apart.

    Raises Malformed: ``ipv6.truncated`` if the packet ends within the chain, ``ipv6.incomplete_chain`` if it
    is a first fragment that does (RFC 7112 5), ``ipv6.too_many_extensions``.
    """
    extensions: list[Extension] = []
    fragment: FragmentHeader | None = None
    fragment_at = fragment_named_at = -1
    cut = "ipv6.truncated"
    while next_header in EXTENSION_HEADERS:
        if len(extensions) == MAX_EXTENSIONS:
            raise Malformed("ipv6.too_many_extensions")
        if next_header == FRAGMENT:
            if fragment is not None:
                break
            fragment = FragmentHeader.parse(buffer, offset, end)
            fragment_at, fragment_named_at = offset, next_header_at
            following = offset + FRAGMENT_HEADER_LENGTH
            if fragment.more_fragments:
                cut = "ipv6.incomplete_chain"
        elif next_header == HOP_BY_HOP and extensions:
            break
        else:
            following = _extent(buffer, offset, end, cut)
        extensions.append(Extension(next_header, offset, following))
        next_header, next_header_at, offset = buffer[offset], offset, following
        if fragment is not None and fragment.fragment_offset:
            break
    else:
        if fragment is not None and end - offset < _UPPER_LAYER_LENGTHS.get(next_header, 1):
            raise Malformed(cut)
    return HeaderChain(
        tuple(extensions), next_header, next_header_at, offset, fragment, fragment_at, fragment_named_at
    )
