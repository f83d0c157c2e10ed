"""Quantities as people write them: ``20ms``, ``10Mbit/s``, ``1500B``, ``1%``; and back.

Inside, durations are ``int`` nanoseconds, rates ``int`` bit/s, sizes ``int`` bytes, probabilities floats from
0 to 1. Reading is exact: the text is taken as a fraction, and a value that is no whole number of nanoseconds,
bit/s or bytes is refused instead of rounded. The parsers raise :class:`UnitError`; the annotated types at the
end (:data:`Duration`, :data:`Rate`, :data:`Size`, :data:`Probability`) are the same for pydantic models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_DURATION = 100 * 365 * 24 * 3600 * 10**9
"""A hundred years, in ns."""
MAX_RATE = 10**15
"""1 Pbit/s."""
MAX_SIZE = 10**15
"""1 PB."""

_QUANTITY = re.compile(r"([+-]?)(\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})(?:[eE]([+-]?\d{1,3}))?\s*(\S*)")

_DURATIONS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "sec": 10**9,
    "min": 60 * 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 24 * 3600 * 10**9,
}

_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_BINARY_PREFIXES = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}

_RATE_UNIT = re.compile(r"([kmgt]i?|)(bits?|b)(?:/s|/sec|ps|)", re.IGNORECASE)
_SIZE_UNIT = re.compile(r"([kmgt]i?|)(bytes?|b)", re.IGNORECASE)


class UnitError(ValueError):
    """A quantity that cannot be read; the message says what would have been."""


def _quantity(text: str, what: str, example: str) -> tuple[Fraction, str]:
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        raise UnitError(f"{text!r} is not a {what}; write it like {example}")
    sign, digits, exponent, unit = found.groups()
    if sign == "-":
        raise UnitError(f"a {what} cannot be negative, but {text!r} is")
    return Fraction(digits) * Fraction(10) ** int(exponent or 0), unit


def _whole(value: Fraction, text: str, unit: str, limit: int, limit_text: str) -> int:
    if value > limit:
        raise UnitError(f"{text!r} is more than {limit_text}")
    if value.denominator != 1:
        raise UnitError(f"{text!r} is not a whole number of {unit}")
    return value.numerator


def parse_duration(text: str) -> int:
    """Nanoseconds from text such as ``20ms``, ``1.5 s``, ``100us``, ``2min``, ``1h``; a bare ``0`` is 0."""
    value, unit = _quantity(text, "duration", "20ms, 1.5s or 2min")
    if unit == "" and value == 0:
        return 0
    scale = _DURATIONS.get(unit)
    if scale is None:
        if unit == "":
            raise UnitError(f"{text!r} needs a unit: {text.strip()}ms or {text.strip()}s?")
        raise UnitError(f"{unit!r} in {text!r} is no unit of time; use ns, us, ms, s, min, h or d")
    return _whole(value * scale, text, "nanoseconds", MAX_DURATION, "100 years")


def parse_rate(text: str) -> int:
    """Bits per second from text such as ``10Mbit/s``, ``1.5 Gbit``, ``64kbps``, ``1MB/s``; a bare ``0`` is 0.

    Prefixes are decimal (k, M, G, T) or binary (Ki, Mi, Gi, Ti). ``Mbps`` is megabit per second, as people
    mean it (in tc it is megabyte: see :mod:`links.impairments.netem`). A capital ``B`` is bytes.
    """
    value, unit = _quantity(text, "rate", "10Mbit/s")
    if unit == "":
        if value == 0:
            return 0
        raise UnitError(f"{text!r} needs a unit: {text.strip()}Mbit/s or {text.strip()}kbit/s?")
    found = _RATE_UNIT.fullmatch(unit)
    if found is None:
        raise UnitError(f"{unit!r} in {text!r} is no unit of rate; use bit/s, kbit/s, Mbit/s or Gbit/s")
    prefix, base = found.groups()
    per_second = found.end(2) < len(unit)
    if base in ("b", "B") and not per_second:
        raise UnitError(f"{text!r} is no rate: {text.strip()}/s? Use bit/s, kbit/s, Mbit/s or Gbit/s")
    bits = 8 if base == "B" else 1
    return _whole(value * _scale(prefix) * bits, text, "bit/s", MAX_RATE, "1 Pbit/s")


def parse_size(text: str) -> int:
    """Bytes from text such as ``1500B``, ``10MB``, ``64KiB``, ``1500``; kB is 1000 bytes, KiB 1024."""
    value, unit = _quantity(text, "size", "1500B, 10MB or 64KiB")
    if unit == "":
        return _whole(value, text, "bytes", MAX_SIZE, "1 PB")
    found = _SIZE_UNIT.fullmatch(unit)
    if found is None:
        if unit.lower() in _PREFIXES:
            raise UnitError(f"{text!r} needs a unit: {text.strip()}B (decimal) or {text.strip()}iB (binary)?")
        raise UnitError(f"{unit!r} in {text!r} is no unit of size; use B, kB, MB, GB, KiB, MiB or GiB")
    prefix, base = found.groups()
    if base == "b":
        raise UnitError(f"{text!r}: b stands for bits, and sizes are in bytes; {text.strip()[:-1].upper()}B?")
    return _whole(value * _scale(prefix), text, "bytes", MAX_SIZE, "1 PB")


def _scale(prefix: str) -> int:
    prefix = prefix.lower()
    return _BINARY_PREFIXES[prefix] if prefix.endswith("i") else _PREFIXES[prefix]


def parse_probability(text: str) -> float:
    """A float from 0 to 1 from text such as ``1%`` or ``0.01``; a bare 1 or more surely lacks its ``%``."""
    value, unit = _quantity(text, "probability", "1% or 0.01")
    if unit not in ("", "%"):
        raise UnitError(f"{unit!r} in {text!r} is no unit of probability; write 1% or 0.01")
    if unit == "" and value >= 1:
        raise UnitError(f"{text!r} is ambiguous: {text.strip()}%? Write a percentage, or a fraction below 1")
    probability = value / 100 if unit == "%" else value
    if probability > 1:
        raise UnitError(f"{text!r} is more than 100%")
    return float(probability)


def format_duration(nanoseconds: int, digits: int | None = None) -> str:
    """Text that :func:`parse_duration` reads back to the same value; ``digits`` rounds it for people."""
    units = (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
    return _format(nanoseconds, units, digits)


def format_rate(bits_per_second: int, digits: int | None = None) -> str:
    """Text that :func:`parse_rate` reads back to the same value; ``digits`` rounds it for people."""
    units = (("Gbit/s", 10**9), ("Mbit/s", 10**6), ("kbit/s", 10**3), ("bit/s", 1))
    return _format(bits_per_second, units, digits)


def format_size(size: int, digits: int | None = None) -> str:
    """Text that :func:`parse_size` reads back to the same value; ``digits`` rounds it for people."""
    units = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1))
    return _format(size, units, digits)


def format_probability(probability: float) -> str:
    """Text that :func:`parse_probability` reads back to the same value; a percentage where that is exact."""
    text = f"{probability * 100:.15g}%"
    return text if "e" not in text and parse_probability(text) == probability else repr(probability)


def _format(value: int, units: tuple[tuple[str, int], ...], digits: int | None) -> str:
    """In the largest unit that is not above the value; at most ``digits`` significant ones, or all."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    if digits is not None:
        value = round(value, min(0, digits - len(str(value))))
    unit, scale = next((entry for entry in units if value >= entry[1]), units[-1])
    whole, rest = divmod(value, scale)
    decimals = f".{rest:0{len(str(scale)) - 1}}".rstrip("0") if rest else ""
    return f"{sign}{whole}{decimals}{unit}"


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """What pydantic needs to know of a quantity: how to read and write it, and its JSON schema."""

    parse: Callable[[str], Any]
    write: Callable[[Any], str]
    pattern: str
    number: dict[str, Any]
    examples: tuple[Any, ...]

    def read(self, value: object) -> Any:
        plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        try:
            return self.parse(str(value) if plain else repr(value))
        except UnitError as error:
            raise PydanticCustomError("unit", "{text}", {"text": str(error)}) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        writer = core_schema.plain_serializer_function_ser_schema(
            self.write, return_schema=core_schema.str_schema()
        )
        return core_schema.no_info_before_validator_function(self.read, handler(source), serialization=writer)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        pattern = rf"^\s*([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*{self.pattern}\s*$"
        return {
            "anyOf": [{"type": "string", "pattern": pattern}, self.number],
            "examples": list(self.examples),
        }


Duration: TypeAlias = Annotated[
    int,
    _Unit(
        parse_duration,
        format_duration,
        "(ns|us|µs|ms|s|sec|min|m|h|d)",
        {"const": 0},
        ("20ms", "1.5s", "2min"),
    ),
]
"""Nanoseconds; text with a unit outside, a bare 0 allowed."""

Rate: TypeAlias = Annotated[
    int,
    _Unit(
        parse_rate,
        format_rate,
        "([kKmMgGtT]i?)?([bB]its?(/s|ps)?|[bB](/s|ps))",
        {"const": 0},
        ("10Mbit/s", "64kbit/s", "1Gbit/s"),
    ),
]
"""Bits per second; text with a unit outside, a bare 0 allowed."""

Size: TypeAlias = Annotated[
    int,
    _Unit(
        parse_size,
        format_size,
        "(([kKmMgGtT]i?)?(B|[bB]ytes?))?",
        {"type": "integer", "minimum": 0},
        ("1500B", "10MB", "64KiB"),
    ),
]
"""Bytes; text with a unit outside, or a bare number of bytes."""

Probability: TypeAlias = Annotated[
    float,
    _Unit(
        parse_probability,
        format_probability,
        "%?",
        {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        ("1%", "0.5%", 0.01),
    ),
]
"""From 0 to 1; a percentage outside, or a bare fraction below 1."""
