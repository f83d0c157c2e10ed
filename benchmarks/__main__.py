"""``python -m benchmarks [RUNS]``: all measurements, their medians over so many runs (of what is large, one run)."""

from __future__ import annotations

import sys

from benchmarks import live, scale, simulated
from benchmarks.table import medians, show


def main() -> None:
    """Measure everything in turn, so that the machine's moods fall on all rows alike."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rates = medians([simulated.measure() for _ in range(runs)]) + scale.measure()
    if reason := live.available():
        print(f"live: not measured, {reason}", file=sys.stderr)
    else:
        rates += medians([live.measure() for _ in range(runs)])
    show(rates, runs)


main()
