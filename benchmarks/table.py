"""What a measurement gives, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of something per second; ``per_cpu``: per second of CPU of the stack's process."""

    what: str
    value: float
    unit: str
    per_cpu: float | None = None


def medians(runs: Iterable[list[Rate]]) -> list[Rate]:
    """The median of each row over several runs."""
    rows = []
    for row in zip(*runs, strict=True):
        per_cpu = [rate.per_cpu for rate in row if rate.per_cpu is not None]
        rows.append(
            Rate(
                row[0].what,
                median(rate.value for rate in row),
                row[0].unit,
                median(per_cpu) if per_cpu else None,
            )
        )
    return rows


def show(rates: list[Rate], runs: int) -> None:
    """Print the table."""
    table = Table(box=None, title=f"medians of {runs} runs", title_justify="left")
    table.add_column("measured")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("per CPU second", justify="right")
    for rate in rates:
        table.add_row(
            rate.what, _figure(rate.value), rate.unit, "" if rate.per_cpu is None else _figure(rate.per_cpu)
        )
    Console(width=120).print(table)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
