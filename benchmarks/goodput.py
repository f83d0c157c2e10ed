"""Goodput of one bulk flow under each congestion control, beside Linux, ns-3 and theory."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from benchmarks.references import CONTROLS, LINUX, LOSSES, NS3
from scenarios.loading import load_scenario
from scenarios.world import World
from stack.clock import MILLISECOND, SECOND

DOCUMENT = Path("docs/goodput.md")
_TOPOLOGIES = Path(__file__).parent / "topologies"
_PROCESSES = 2
_MSS = 1448
_FRAME = 1514
_RTT = 0.020
_INTERVAL = 50 * MILLISECOND
"""How often the round-trip time is looked at."""
_VOLUME = 300
"""Mbit that a long run carries, more or less: hundreds of losses where there are any, and bearable where the
line is full."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: what is run, and for how long (seconds)."""

    control: str
    rate: int
    """Of the bottleneck, in Mbit/s."""
    loss: float
    reference: float
    """Mbit/s that others measured."""
    topology: str
    settings: dict[str, str] = field(hash=False)
    warm: float
    """Left out at the start."""
    duration: float
    seeds: int

    @property
    def line(self) -> float:
        """Mbit/s of payload that the bottleneck carries."""
        return self.rate * _MSS / _FRAME

    def theory(self, rtt: float) -> float:
        """Mbit/s by the square root of 1.5 / p, capped by the line; for BBR what gets through of a full line.

        Mathis et al., "The macroscopic behavior of the TCP congestion avoidance algorithm" (1997), an ACK for each
        segment, which is what counting octets comes to. At 20 ms and these losses CUBIC is in its Reno-friendly region,
        for which RFC 9438 4.3 chose alpha so that the response function is the same.
        """
        most = self.line * (1 - self.loss)
        if self.control == "bbr" or not self.loss:
            return most
        return min(_MSS * 8 / rtt * math.sqrt(1.5 / self.loss) / 1e6, most)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the runs of one cell came to."""

    cell: Cell
    goodputs: tuple[float, ...]
    """Mbit/s, by seed."""
    rtt: float
    """Mean smoothed round-trip time in seconds."""

    @property
    def goodput(self) -> float:
        """The median."""
        return median(self.goodputs)


def linux_cells() -> Iterator[Cell]:
    """The emulated path; short flows differ a lot where window follows loss, so more of them than Linux had."""
    for control in CONTROLS:
        for loss, reference in zip(LOSSES, LINUX[control], strict=True):
            settings = {
                "topology.nodes.sender.stack.tcp.congestion": control,
                "topology.links.path.forward.loss": f"{loss:%}",
                "topology.links.path.backward.loss": f"{loss:%}",
            }
            seeds = _seeds(5 if control == "bbr" else 40, loss)
            yield Cell(control, 50, loss, reference, "emulated_path", settings, 0.5, 6, seeds)


def ns3_cells() -> Iterator[Cell]:
    """The bottleneck between routers; long flows."""
    for rate, queue in ((10, 17), (100, 167)):
        for loss_at, loss in enumerate(LOSSES):
            for control in CONTROLS:
                reference = NS3[rate][control][loss_at]
                duration = min(max(round(_VOLUME / reference), 10), 60)
                settings = {
                    "topology.nodes.sender.stack.tcp.congestion": control,
                    "topology.links.bottleneck.forward.rate": f"{rate}Mbit/s",
                    "topology.links.bottleneck.backward.rate": f"{rate}Mbit/s",
                    "topology.links.bottleneck.forward.queue": f"{queue} packets",
                    "topology.links.bottleneck.forward.loss": f"{loss:%}",
                    "traffic.bulk.duration": f"{duration}s",
                    "duration": f"{duration}s",
                }
                seeds = _seeds(3, loss)
                yield Cell(
                    control, rate, loss, reference, "bottleneck", settings, duration / 6, duration, seeds
                )


def _seeds(wanted: int, loss: float) -> int:
    """Without loss there is next to no chance: one run is enough."""
    return wanted if loss else 1


def measure() -> dict[str, str]:
    """Run all cells; returns the tables by their names."""
    linux, ns3 = list(linux_cells()), list(ns3_cells())
    jobs = [(cell, seed) for cell in (*ns3, *linux) for seed in range(1, cell.seeds + 1)]
    with multiprocessing.Pool(_PROCESSES) as pool:
        results = dict(zip(jobs, pool.starmap(_run, jobs, chunksize=1), strict=True))

    def measured(cell: Cell) -> Measured:
        runs = [results[cell, seed] for seed in range(1, cell.seeds + 1)]
        return Measured(cell, tuple(goodput for goodput, _ in runs), mean(rtt for _, rtt in runs))

    return {
        "linux": _table([measured(cell) for cell in linux], "Linux 6.18"),
        "ns-3": _table([measured(cell) for cell in ns3], "ns-3.43"),
    }


def write(tables: dict[str, str], document: Path = DOCUMENT) -> None:
    """Put the tables in their places in the document; what is written around them stays."""
    text = document.read_text()
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{document}: no place for the table {name!r}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    document.write_text(text)


def _run(cell: Cell, seed: int) -> tuple[float, float]:
    """One flow: its goodput after the warm-up (Mbit/s), and its mean round-trip time (seconds)."""
    world = World(load_scenario(_TOPOLOGIES / f"{cell.topology}.yaml", cell.settings), seed)
    flow = world.flows["bulk"]
    with world.simulation as simulation:
        world.start_traffic()
        simulation.run(until=round(cell.warm * SECOND))
        before, rtts = flow.bytes, []
        for time in range(simulation.clock.now(), round(cell.duration * SECOND), _INTERVAL):
            simulation.run(until=time + _INTERVAL)
            rtts.append(flow.rtt or 0)
        elapsed = simulation.clock.now() / SECOND - cell.warm
        return (flow.bytes - before) * 8 / elapsed / 1e6, mean(rtts) / SECOND


def _table(rows: list[Measured], peer: str) -> str:
    lines = [
        f"| Mbit/s | loss | control | goodput | of the runs | {peer} | ratio | RTT | theory at 20 ms | ratio "
        "| theory at that RTT | ratio |",
        "|---:|---:|:---|---:|:---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_row(row) for row in rows]
    return "\n".join(lines) + "\n"


def _row(row: Measured) -> str:
    cell, goodput = row.cell, row.goodput
    spread = f"{_figure(min(row.goodputs))} to {_figure(max(row.goodputs))}" if cell.seeds > 1 else ""
    texts = [f"{cell.rate}", f"{cell.loss:.1%}", cell.control, f"**{_figure(goodput)}**", spread]
    texts += [_figure(cell.reference), f"{goodput / cell.reference:.2f}", f"{row.rtt * 1000:.1f} ms"]
    for theory in (cell.theory(_RTT), cell.theory(row.rtt)):
        texts += [_figure(theory), f"{goodput / theory:.2f}"]
    return f"| {' | '.join(texts)} |"


def _figure(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
