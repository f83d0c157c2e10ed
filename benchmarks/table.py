"""What a measurement gives, what several of them come to, and the table of that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of something per second."""

    what: str
    value: float
    unit: str
    per_cpu: float | None = None
    """The same per second of CPU of the process that does it, if that is not what ``value`` is."""
    segment_cpu: float | None = None
    """Microseconds of CPU for each TCP segment: data or ACK in a simulation, a full one on a TAP."""
    yardstick: str = ""
    """The row that this one is compared with, in the same round."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: medians over the rounds."""

    what: str
    value: float
    unit: str
    per_cpu: float | None
    segment_cpu: float | None
    yardstick: str
    of_yardstick: float | None
    """``per_cpu``, or ``value`` where there is none, by that of the yardstick."""
    base: float | None
    of_base: float | None
    """What is compared with the yardstick, by the same of the base."""


def rows(rounds: Sequence[Sequence[Rate]], base: Sequence[Sequence[Rate]] = ()) -> list[Row]:
    """The medians of what was measured in each round, here and at the base."""
    here = [{rate.what: rate for rate in each} for each in rounds]
    there = [{rate.what: rate for rate in each} for each in base]
    result = []
    for what, first in here[0].items():
        rates = [each[what] for each in here if what in each]
        ratios = [
            _compared(each[what]) / _compared(each[each[what].yardstick])
            for each in here
            if what in each and each[what].yardstick in each
        ]
        before = [each[what] for each in there if what in each]
        was = _middle([_compared(rate) for rate in before])
        now = median(_compared(rate) for rate in rates)
        result.append(
            Row(
                what,
                median(rate.value for rate in rates),
                first.unit,
                _middle([rate.per_cpu for rate in rates]),
                _middle([rate.segment_cpu for rate in rates]),
                first.yardstick,
                median(ratios) if ratios else None,
                _middle([rate.value for rate in before]),
                None if was is None else now / was,
            )
        )
    return result


def show(table_rows: Sequence[Row], rounds: int, base: str = "") -> None:
    """Print the table."""
    table = Table(box=None, title=f"medians of {rounds} rounds", title_justify="left")
    table.add_column("measured")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("per CPU second", justify="right")
    table.add_column("µs per segment", justify="right")
    table.add_column("of its yardstick", justify="right")
    if base:
        table.add_column(base, justify="right")
        table.add_column(f"of {base}", justify="right")
    for row in table_rows:
        cells = [
            row.what,
            _figure(row.value),
            row.unit,
            _figure(row.per_cpu),
            _figure(row.segment_cpu),
            _ratio(row.of_yardstick),
        ]
        table.add_row(*cells, *([_figure(row.base), _ratio(row.of_base)] if base else []))
    Console(width=160).print(table)


def save(path: Path, table_rows: Sequence[Row], rounds: int, base: str = "") -> None:
    """The same as JSON. Raises OSError."""
    text = json.dumps(
        {"rounds": rounds, "base": base or None, "rows": [asdict(row) for row in table_rows]}, indent=2
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def _compared(rate: Rate) -> float:
    return rate.value if rate.per_cpu is None else rate.per_cpu


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
