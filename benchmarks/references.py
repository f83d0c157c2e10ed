"""Goodput that others measured over the paths of ``benchmarks/topologies``, in Mbit/s."""

from __future__ import annotations

from typing import TypeAlias

Control: TypeAlias = str
Loss: TypeAlias = float

CONTROLS: tuple[Control, ...] = ("bbr", "cubic", "reno")
LOSSES: tuple[Loss, ...] = (0, 0.001, 0.01, 0.03)

LINUX: dict[Control, tuple[float, ...]] = {
    "bbr": (47.8, 47.8, 47.2, 46.0),
    "cubic": (47.8, 25.7, 6.5, 2.5),
    "reno": (46.3, 22.6, 6.6, 3.0),
}
"""Two Linux 6.18 kernels over an emulated path (emulated_path.yaml), by :data:`LOSSES`: medians of three flows of 6 s,
the first 0.5 s left out."""

NS3: dict[int, dict[Control, tuple[float, ...]]] = {
    10: {
        "bbr": (9.409, 9.393, 9.315, 9.113),
        "cubic": (9.623, 9.509, 6.147, 3.183),
        "reno": (9.077, 9.082, 7.202, 4.327),
    },
    100: {
        "bbr": (94.182, 96.297, 93.849, 85.843),
        "cubic": (96.382, 23.384, 6.931, 3.501),
        "reno": (96.403, 25.384, 8.382, 4.719),
    },
}
"""ns-3.43 (bottleneck.yaml), by Mbit/s of the bottleneck and :data:`LOSSES`; TcpBbr, TcpCubic and TcpLinuxReno with a
minimum RTO of 200 ms and ACKs delayed by 40 ms. The figures without loss are from runs with 1 s and 200 ms, which makes
no difference there."""
