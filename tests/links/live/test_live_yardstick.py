"""The stack beside the kernel: the same loss for both, and the kernel at the other end of both."""

from __future__ import annotations

import asyncio

import pytest

from links.impairments.spec import Impairments
from tests.links.live.kernel_peer import Settings, goodputs, mean_goodput

pytestmark = pytest.mark.live

FLOWS = 16
SIZE = 600_000
LEAST = 0.8
"""Of what two kernels get. Measured: 1.03 to 1.10 with Reno, 1.12 to 1.22 with CUBIC."""


@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_at_three_percent_loss_the_stack_keeps_up_with_the_kernel(congestion: str) -> None:
    impairments = Impairments.parse_text("delay=20ms, loss=3%")
    ours, kernels = asyncio.run(goodputs(Settings(congestion=congestion), impairments, FLOWS, SIZE))
    ratio = mean_goodput(ours) / mean_goodput(kernels)
    assert ratio >= LEAST
