"""Two flows of the same kind share a bottleneck, wherever the second comes in."""

from __future__ import annotations

from random import Random

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion import Settings, find
from tests.stack.tcp.congestion.path import Flow, Path
from tests.support import FakeClock

MSS = 1000
RATE = 1_250_000


def jain(shares: list[int]) -> float:
    """1 if all are equal, 1 / n if one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def shares(name: str, flows: int, rtt: int) -> list[int]:
    """Octets of each flow in half a minute; they began a second apart, ten seconds before."""
    clock = FakeClock()
    bdp = RATE * rtt // SECOND
    path = Path(clock, rate=RATE, rtt=rtt, buffer=bdp, mark=bdp // 4 if name == "dctcp" else None)
    control = find(name)
    those = [
        Flow(path, control(MSS, 10, Settings(random=Random(index))), start=index * SECOND)
        for index in range(flows)
    ]
    clock.advance(10 * SECOND)
    before = [flow.delivered for flow in those]
    clock.advance(30 * SECOND)
    assert path.free_at > clock.now() - rtt, "the line is idle"
    return [flow.delivered - start for flow, start in zip(those, before, strict=True)]


@pytest.mark.parametrize("rtt", [20 * MILLISECOND, 50 * MILLISECOND])
@pytest.mark.parametrize("name", ["bbr", "cubic", "dctcp", "reno", "vegas"])
def test_two_flows_of_the_same_kind_share_a_bottleneck(name: str, rtt: int) -> None:
    assert jain(shares(name, 2, rtt)) > 0.95


@pytest.mark.parametrize("flows", [3, 4])
def test_several_bbr_flows_share_a_queue_that_overflows(flows: int) -> None:
    """What one of them loses from a queue is its due, not chance: it gives way."""
    assert jain(shares("bbr", flows, 50 * MILLISECOND)) > 0.95
