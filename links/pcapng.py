"""Capture files: pcapng (draft-ietf-opsawg-pcapng), written and read with nanoseconds.

A capture is a Section Header Block, an Interface Description Block for each side of each link, and an
Enhanced Packet Block for each frame, with its direction and, if there is something to tell, comments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from stack.link import Buffer, Medium

LINKTYPE_ETHERNET = 1
LINKTYPE_RAW = 101
_LINKTYPES = {Medium.ETHERNET: LINKTYPE_ETHERNET, Medium.IP: LINKTYPE_RAW}

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_VERSION = (1, 0)
_UNKNOWN_LENGTH = -1
_UNLIMITED = 0

_END = 0
_COMMENT = 1
_IF_NAME = 2
_IF_DESCRIPTION = 3
_IF_TSRESOL = 9
_SHB_USERAPPL = 4
_EPB_FLAGS = 2

_NANOSECONDS = 9
_MICROSECONDS = 6
_MAX_OPTION = 0xFFFF
_MAX_BLOCK = 1 << 26

_BLOCK = Struct("<II")
_LENGTH = Struct("<I")
_SECTION = Struct("<IHHq")
_INTERFACE = Struct("<HHI")
_PACKET = Struct("<IIIIIII")
_PACKET_END = Struct("<HHIHHI")
_OPTION = Struct("<HH")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Direction(Enum):
    """Which way a frame passed an interface, with the values of the flags word."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2


class PcapngError(ValueError):
    """A capture that cannot be read."""


class PcapngWriter:
    """Writes a capture to a binary file as it happens: one section, little-endian, in nanoseconds."""

    def __init__(self, file: BinaryIO, application: str = "UserNetStack") -> None:
        self._write = file.write
        self._interfaces = 0
        header = _SECTION.pack(_BYTE_ORDER_MAGIC, *_VERSION, _UNKNOWN_LENGTH)
        self._block(_SECTION_HEADER, header, (_SHB_USERAPPL, application.encode()))

    def add_interface(self, name: str, description: str = "", medium: Medium = Medium.ETHERNET) -> int:
        """Describe one more interface; returns the number that its packets are written under."""
        self._block(
            _INTERFACE_DESCRIPTION,
            _INTERFACE.pack(_LINKTYPES[medium], 0, _UNLIMITED),
            (_IF_NAME, name.encode()),
            (_IF_DESCRIPTION, description.encode()),
            (_IF_TSRESOL, bytes((_NANOSECONDS,))),
        )
        self._interfaces += 1
        return self._interfaces - 1

    def write(
        self,
        interface: int,
        time: int,
        data: Buffer,
        direction: Direction = Direction.UNKNOWN,
        comments: tuple[str, ...] = (),
    ) -> None:
        """One frame that passed ``interface`` at ``time`` (ns since 1970, or since a simulation's start)."""
        size = len(data)
        padding = _PADDING[size & 3]
        options = b"".join(_option(_COMMENT, comment.encode()) for comment in comments)
        total = _PACKET.size + size + len(padding) + len(options) + _PACKET_END.size
        high, low = divmod(time, 1 << 32)
        head = _PACKET.pack(_ENHANCED_PACKET, total, interface, high, low, size, size)
        end = _PACKET_END.pack(_EPB_FLAGS, 4, direction.value, _END, 0, total)
        self._write(b"".join((head, data, padding, options, end)))

    def _block(self, kind: int, body: bytes, *options: tuple[int, bytes]) -> None:
        body += b"".join(_option(code, value) for code, value in options) + _OPTION.pack(_END, 0)
        total = _BLOCK.size + len(body) + _LENGTH.size
        self._write(_BLOCK.pack(kind, total) + body + _LENGTH.pack(total))


def _option(code: int, value: bytes) -> bytes:
    value = value[:_MAX_OPTION]
    return _OPTION.pack(code, len(value)) + value + _PADDING[len(value) & 3]


@contextmanager
def create_pcapng(path: Path, application: str = "UserNetStack") -> Iterator[PcapngWriter]:
    """A capture file that appears under its name when it is complete, and not at all after an exception.

    Raises OSError if it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            yield PcapngWriter(file, application)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class CapturedInterface:
    """Where packets of a capture were seen."""

    name: str
    description: str
    linktype: int
    ticks_per_second: int


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One frame of a capture."""

    interface: CapturedInterface
    time: int
    """Nanoseconds; a finer resolution is rounded down."""
    data: bytes
    length: int
    """Bytes on the wire, of which ``data`` may be the beginning only."""
    direction: Direction
    comments: tuple[str, ...]


def read_pcapng(file: BinaryIO) -> Iterator[CapturedPacket]:
    """The packets of a capture of either byte order; blocks of other kinds are skipped.

    Raises :class:`PcapngError` where the capture is malformed or ends within a block.
    """
    reader = _Reader(file)
    while (block := reader.next_block()) is not None:
        kind, body = block
        if kind == _INTERFACE_DESCRIPTION:
            reader.add_interface(body)
        elif kind == _ENHANCED_PACKET:
            yield reader.packet(body)


class _Reader:
    """The state of a section: its byte order and its interfaces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._order = ""
        self._interfaces: list[CapturedInterface] = []

    def next_block(self) -> tuple[int, bytes] | None:
        """Type and body of the next block, or None at the end of the file."""
        head = self._file.read(8)
        if not head:
            return None
        if len(head) < 8:
            raise PcapngError("the capture ends within a block")
        start = b""
        if head[:4] == _LENGTH.pack(_SECTION_HEADER):
            start = self._file.read(4)
            self._start_section(start)
        elif not self._order:
            raise PcapngError("not a pcapng capture: it begins with no section header")
        kind, total = self._unpack("II", head)
        remaining = total - len(head) - len(start)
        if total % 4 or remaining < 4 or total > _MAX_BLOCK:
            raise PcapngError(f"a block cannot be {total} bytes long")
        rest = self._file.read(remaining)
        if len(rest) < remaining:
            raise PcapngError("the capture ends within a block")
        if self._unpack("I", rest[-4:]) != (total,):
            raise PcapngError("the two lengths of a block differ")
        return kind, rest[:-4]

    def _start_section(self, magic: bytes) -> None:
        for order in "<>":
            if magic == Struct(order + "I").pack(_BYTE_ORDER_MAGIC):
                self._order = order
                self._interfaces.clear()
                return
        raise PcapngError("a section header has no byte-order magic")

    def add_interface(self, body: bytes) -> None:
        """Read an Interface Description Block."""
        if len(body) < 8:
            raise PcapngError("an interface description is too short")
        (linktype,) = self._unpack("H", body[:2])
        options = dict(self._options(body[8:]))
        resolution = options.get(_IF_TSRESOL, bytes((_MICROSECONDS,)))
        if len(resolution) != 1:
            raise PcapngError("if_tsresol is not one byte long")
        base, exponent = (2, resolution[0] & 0x7F) if resolution[0] & 0x80 else (10, resolution[0])
        self._interfaces.append(
            CapturedInterface(
                _text(options.get(_IF_NAME, b"")),
                _text(options.get(_IF_DESCRIPTION, b"")),
                linktype,
                base**exponent,
            )
        )

    def packet(self, body: bytes) -> CapturedPacket:
        """Read an Enhanced Packet Block."""
        if len(body) < 20:
            raise PcapngError("a packet block is too short")
        number, high, low, captured, length = self._unpack("IIIII", body[:20])
        if captured > len(body) - 20:
            raise PcapngError("a packet is longer than its block")
        if number >= len(self._interfaces):
            raise PcapngError(f"a packet was seen on interface {number}, which is not described")
        interface = self._interfaces[number]
        direction = Direction.UNKNOWN
        comments = []
        for code, value in self._options(body[20 + captured + -captured % 4 :]):
            if code == _COMMENT:
                comments.append(_text(value))
            elif code == _EPB_FLAGS and len(value) == 4 and (flags := self._unpack("I", value)[0] & 3) < 3:
                direction = Direction(flags)
        return CapturedPacket(
            interface,
            (high << 32 | low) * 10**9 // interface.ticks_per_second,
            body[20 : 20 + captured],
            length,
            direction,
            tuple(comments),
        )

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        while len(data) >= 4:
            code, length = self._unpack("HH", data[:4])
            if code == _END:
                return
            if length > len(data) - 4:
                raise PcapngError("an option is longer than its block")
            yield code, data[4 : 4 + length]
            data = data[4 + length + -length % 4 :]

    def _unpack(self, fields: str, data: bytes) -> tuple[int, ...]:
        return Struct(self._order + fields).unpack(data)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
