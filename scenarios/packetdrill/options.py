"""TCP options between the script's notation and their bytes, one by one and in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scenarios.packetdrill.signature import INVALID, SIZE, VALID
from scenarios.packetdrill.syntax import Option
from stack.wire.tcp import MAX_OPTIONS_LENGTH

_PLAIN: Final = {"eol": b"\0", "nop": b"\1", "sackOK": b"\4\2"}
_MSS: Final = 2
_WINDOW_SCALE: Final = 3
_SACK_PERMITTED: Final = 4
_SACK: Final = 5
_TIMESTAMPS: Final = 8
_MD5: Final = 19
_FAST_OPEN: Final = 34
_EXPERIMENT: Final = 254
_FAST_OPEN_MAGIC: Final = b"\xf9\x89"
"""RFC 7413 4.1.1, as it was before the option had a number of its own."""
_ACCURATE_ECN: Final = {172: ("e0b", "ceb", "e1b"), 174: ("e1b", "ceb", "e0b")}
"""RFC 9768 3.2.3: which counters follow each kind."""


def encode(options: Sequence[Option]) -> bytes:
    """The bytes of options, padded with zeros to a multiple of 4. Raises ValueError above 40 bytes."""
    raw = b"".join(map(_encode, options))
    raw += bytes(-len(raw) % 4)
    if len(raw) > MAX_OPTIONS_LENGTH:
        raise ValueError(f"{len(raw)} bytes of TCP options")
    return raw


def _encode(option: Option) -> bytes:
    name, numbers = option.name, option.numbers
    if name in _PLAIN:
        return _PLAIN[name]
    written = name in ("FO", "FOEXP", "md5", "option") and not unsigned(option)
    data = bytes.fromhex(option.text) if written else b""
    if name == "mss":
        return _with_length(_MSS, numbers[0].to_bytes(2))
    if name == "wscale":
        return _with_length(_WINDOW_SCALE, numbers[0].to_bytes(1))
    if name == "sack":
        return _with_length(_SACK, _words(numbers))
    if name == "TS":
        return _with_length(_TIMESTAMPS, _words(numbers))
    if name == "FO":
        return _with_length(_FAST_OPEN, data)
    if name == "FOEXP":
        return _with_length(_EXPERIMENT, _FAST_OPEN_MAGIC + data)
    if name == "md5":
        return _with_length(_MD5, bytes(SIZE) if unsigned(option) else data)
    kind = 174 if option.text.startswith("e1b") else 172
    return _with_length(kind, b"".join(number.to_bytes(3) for number in numbers))


def unsigned(option: Option) -> bool:
    """It stands for a signature that depends on the whole segment, or for a wrong one: zeros."""
    return option.name == "md5" and option.text in (VALID, INVALID)


def _with_length(kind: int, data: bytes) -> bytes:
    return bytes((kind, 2 + len(data))) + data


def _words(numbers: Sequence[int]) -> bytes:
    return b"".join((number & 0xFFFFFFFF).to_bytes(4) for number in numbers)


def decode(raw: bytes) -> tuple[Option, ...]:
    """Every option, padding included; what does not parse becomes an option called ``malformed``."""
    options: list[Option] = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind < 2:
            options.append(Option("nop" if kind else "eol"))
            at += 1
            continue
        length = raw[at + 1] if at + 1 < len(raw) else 0
        if length < 2 or at + length > len(raw):
            options.append(Option("malformed", text=raw[at:].hex()))
            break
        options.append(_decode(kind, raw[at + 2 : at + length]))
        at += length
    return tuple(options)


def _decode(kind: int, data: bytes) -> Option:
    size = len(data)
    if kind == _MSS and size == 2:
        return Option("mss", (int.from_bytes(data),))
    if kind == _WINDOW_SCALE and size == 1:
        return Option("wscale", (data[0],))
    if kind == _SACK_PERMITTED and not size:
        return Option("sackOK")
    if (kind == _SACK and size % 8 == 0) or (kind == _TIMESTAMPS and size == 8):
        words = tuple(int.from_bytes(data[at : at + 4]) for at in range(0, size, 4))
        return Option("sack" if kind == _SACK else "TS", words)
    if kind == _FAST_OPEN:
        return Option("FO", text=data.hex())
    if kind == _EXPERIMENT and data[:2] == _FAST_OPEN_MAGIC:
        return Option("FOEXP", text=data[2:].hex())
    if kind == _MD5:
        return Option("md5", text=data.hex())
    if kind in _ACCURATE_ECN and size % 3 == 0 and size <= 9:
        numbers = tuple(int.from_bytes(data[at : at + 3]) for at in range(0, size, 3))
        return Option("ECN", numbers, " ".join(_ACCURATE_ECN[kind][: len(numbers)]))
    return Option("option", (kind,), data.hex())


def notation(options: Sequence[Option]) -> str:
    """Options as a script writes them."""
    return "<" + ",".join(map(_notation, options)) + ">"


def _notation(option: Option) -> str:
    name, numbers = option.name, option.numbers
    if name == "sack":
        return " ".join(["sack", *(f"{a}:{b}" for a, b in zip(numbers[::2], numbers[1::2], strict=True))])
    if name == "TS":
        return f"TS val {numbers[0]} ecr {numbers[1]}"
    if name == "ECN":
        counters = zip(option.text.split(), numbers, strict=True)
        return " ".join(["ECN", *(f"{counter} {number}" for counter, number in counters)])
    return " ".join([name, *map(str, numbers), *([option.text] if option.text else [])])
