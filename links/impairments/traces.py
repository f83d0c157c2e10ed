"""Recorded behaviour of real links, from files or given in place.

A file is looked for relative to the directory under the key ``directory`` of pydantic's validation context (that
of the scenario), and read at once: a validated specification needs no file any more.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic.json_schema import WithJsonSchema

from links.impairments.model import mistake

MAX_TRACE_BYTES = 256 * 1024 * 1024


def _read(name: str, info: ValidationInfo) -> list[str]:
    path = Path((info.context or {}).get("directory", ".")) / name
    try:
        if path.stat().st_size > MAX_TRACE_BYTES:
            raise mistake(f"the trace {name} is larger than {MAX_TRACE_BYTES} bytes")
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise mistake(f"cannot read the trace {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise mistake(f"the trace {name} is not a text file") from None
    return [line.partition("#")[0].strip() for line in text.splitlines()]


def _delivery(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    times = []
    for number, line in enumerate(_read(value, info), start=1):
        if line and not line.isdecimal():
            raise mistake(
                f"line {number} of the trace {value} is not a whole number of milliseconds: {line!r}"
            )
        if line:
            times.append(int(line))
    return times


def _losses(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    losses = []
    for number, line in enumerate(_read(value, info), start=1):
        if line.strip("01 \t"):
            raise mistake(f"line {number} of the trace {value} has other characters than 0 and 1: {line!r}")
        losses += [mark == "1" for mark in line if mark in "01"]
    return losses


def _opportunities(times: tuple[int, ...]) -> tuple[int, ...]:
    if any(later < earlier for earlier, later in pairwise(times)):
        raise mistake("the times of a delivery trace must not go backwards")
    if times[-1] == 0:
        raise mistake("a delivery trace must end later than at 0 ms, for that is its period")
    return times


DeliveryTrace: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(min_length=1),
    BeforeValidator(_delivery),
    AfterValidator(_opportunities),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer", "minimum": 0}}]}
    ),
]
"""Mahimahi's packet-delivery trace: a file with one line for each opportunity to send a frame of full size, in
ms since the start; the time of the last is also the period after which it repeats."""

LossTrace: TypeAlias = Annotated[
    tuple[bool, ...],
    Field(min_length=1),
    BeforeValidator(_losses),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"enum": [0, 1]}}]}),
]
"""A file of ``0`` (arrives) and ``1`` (is lost), one for each frame, blanks and line ends ignored; at its end
it starts again."""
