"""``python -m benchmarks [RUNS]``: how fast the code is, medians over so many runs (of what is large, one run).

``python -m benchmarks goodput``: how fast TCP is over lossy paths; writes the tables of docs/goodput.md.
"""

from __future__ import annotations

import sys

from benchmarks import goodput, live, scale, simulated
from benchmarks.table import medians, show


def main() -> None:
    """Measure everything in turn, so that the machine's moods fall on all rows alike."""
    if sys.argv[1:] == ["goodput"]:
        goodput.write(goodput.measure())
        return
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rates = medians([simulated.measure() for _ in range(runs)]) + scale.measure()
    if reason := live.available():
        print(f"live: not measured, {reason}", file=sys.stderr)
    else:
        rates += medians([live.measure() for _ in range(runs)])
    show(rates, runs)


if __name__ == "__main__":
    main()
