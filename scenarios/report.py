"""Results for people: tables of flows and expectations, and a progress bar over virtual time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from links.units import format_duration, format_size
from scenarios.files import STANDARD_OUTPUT, Output
from scenarios.metrics import FLOW_METRICS
from scenarios.quantities import Value
from scenarios.result import FlowOutcome, Result, write_errors
from scenarios.runner import Tell

WIDTH = 140
"""Columns, where there is no terminal that says how many it has."""
_COLUMNS = {
    "bytes": "bytes",
    "completion_time": "time",
    "goodput": "goodput",
    "retransmissions": "resent",
    "rtt": "RTT",
    "latency_p50": "latency p50",
    "latency_p99": "p99",
    "loss": "loss",
}
"""Of the table of flows; a column in which nothing was measured is left out."""
_MEANINGLESS = {"bulk": ("latency_p50", "latency_p99")}
"""By kind of traffic: of one or a few long transfers there are no percentiles to speak of."""


def console(*, error: bool = False) -> Console:
    """Standard output, or standard error; raises ScenarioError where it cannot be written."""
    stream, name = (sys.stderr, "standard error") if error else (sys.stdout, STANDARD_OUTPUT)
    return Console(
        file=cast(TextIO, Output(stream, name)), width=None if stream.isatty() else WIDTH, highlight=False
    )


@contextmanager
def progress_bar(target: Console, title: str) -> Iterator[Tell]:
    """A bar over the virtual time of one run."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[now]}")
    )  # fmt: skip
    with Progress(*columns, console=target) as progress:
        task = progress.add_task(escape(title), total=None, now="")

        def tell(now: int, end: int) -> None:
            text = f"{format_duration(now, 4)} of at most {format_duration(end)}"
            progress.update(task, completed=now, total=end, now=text)

        yield tell
        progress.update(task, total=1, completed=1)


def print_result(target: Console, result: Result) -> None:
    """The flows of a run, and its expectations."""
    target.print(
        f"[bold]{escape(result.scenario)}[/], seed {result.seed}: "
        f"{format_duration(result.elapsed, 4)} of virtual time, digest {result.digest[:16]}..."
    )
    if result.flows:
        target.print(_flow_table(result))
    if result.verdicts:
        target.print(_verdict_table(result))
    print_failures(target, result)


def print_failures(target: Console, result: Result) -> None:
    """Each expectation that did not hold, and the command that replays the run."""
    failed = [verdict for verdict in result.verdicts if not verdict.held]
    for verdict in failed:
        target.print(f"[bold red]failed[/] {escape(f'{verdict.where}: {verdict}')}", soft_wrap=True)
    if failed:
        target.print(f"replay: {escape(result.replay)}", soft_wrap=True)


def _flow_table(result: Result) -> Table:
    shown = [
        metric
        for metric in _COLUMNS
        if any(_value(flow, metric) is not None for flow in result.flows.values())
    ]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("flow", "kind", "from", "to"):
        table.add_column(title, no_wrap=title in ("flow", "kind"))
    for metric in shown:
        table.add_column(_COLUMNS[metric], justify="right", no_wrap=True)
    with_errors = any(flow.errors for flow in result.flows.values())
    if with_errors:
        table.add_column("errors")
    table.add_column("held", justify="right")
    for name, flow in result.flows.items():
        cells = [_cell(flow, metric) for metric in shown]
        if with_errors:
            cells.append(escape(write_errors(flow.errors)) or "-")
        table.add_row(name, flow.kind, flow.client, flow.server, *cells, _held(result, f"flow {name}"))
    return table


def _value(flow: FlowOutcome, metric: str) -> Value | None:
    return None if metric in _MEANINGLESS.get(flow.kind, ()) else flow.metrics[metric]


def _cell(flow: FlowOutcome, metric: str) -> str:
    value = _value(flow, metric)
    if metric == "bytes" and value is not None:
        return format_size(int(value), 4)
    return "-" if value is None else FLOW_METRICS[metric].dimension.format(value)


def _held(result: Result, subject: str) -> str:
    held = [verdict.held for verdict in result.verdicts if verdict.subject == subject]
    if not held:
        return "-"
    colour = "green" if all(held) else "red"
    return f"[{colour}]{sum(held)} of {len(held)}[/]"


def _verdict_table(result: Result) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "expectation", "expected", "actual"):
        table.add_column(title)
    for verdict in result.verdicts:
        mark = "[green]✓[/]" if verdict.held else "[red]✗[/]"
        table.add_row(
            mark,
            escape(f"{verdict.subject}: {verdict.what}"),
            escape(verdict.expected),
            escape(verdict.actual),
        )
    return table
