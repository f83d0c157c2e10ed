"""Goodput of the stack beside that of the kernel, over the same bad links.

Ours to a kernel over a TAP, and kernel to kernel over two TAPs with the same impairments between them, at once.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.live import available
from links.impairments.spec import Impairments
from tests.links.live.kernel_peer import Settings, congestion_controls, goodputs, mean_goodput

_LINKS = ("delay=20ms", "delay=20ms, loss=1%", "delay=20ms, loss=3%", "delay=20ms, reorder=5%")
_FLOWS = {"cubic": 12, "reno": 12, "bbr": 2}
"""Side by side, each way of joining; few enough that this process is not what limits them."""
_SIZE = 2_000_000


def main(runs: int) -> None:
    """Measure all, print the medians over the runs."""
    if reason := available():
        sys.exit(f"not measured: {reason}")
    table = Table(box=None, title=f"Mbit/s, medians of {runs} runs", title_justify="left")
    for heading in ("congestion control", "link", "ours to kernel", "kernel to kernel", "ratio"):
        table.add_column(heading, justify="left" if heading in ("congestion control", "link") else "right")
    for congestion, flows in _FLOWS.items():
        if congestion not in congestion_controls():
            print(f"{congestion}: not measured, the kernel lacks it", file=sys.stderr)
            continue
        for link in _LINKS:
            ours, kernels = _measure(congestion, link, flows, runs)
            table.add_row(congestion, link, f"{ours:.2f}", f"{kernels:.2f}", f"{ours / kernels:.2f}")
    Console(width=120).print(table)


def _measure(congestion: str, link: str, flows: int, runs: int) -> tuple[float, float]:
    settings, impairments = Settings(congestion=congestion), Impairments.parse_text(link)
    results = [asyncio.run(goodputs(settings, impairments, flows, _SIZE)) for _ in range(runs)]
    ours, kernels = (median(mean_goodput(each[side]) for each in results) for side in (0, 1))
    return ours / 1e6, kernels / 1e6
