"""What a segment costs, counted in function calls: seconds depend on the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from links.impairments.spec import Impairments
from links.simulated.simulation import Simulation
from stack.host import Host
from stack.sockets import AsyncSocket, listen, open_connection

PORT = 7000
MOST_CALLS = 105
"""Calls of Python functions for one segment, data or ACK, from one application to the other, with all that belongs
to it: sockets, TCP, IP, the wire, the clock, the event loops. To be lowered when it becomes possible."""


class Calls:
    """How many Python functions were called."""

    count = 0

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.count += 1


@contextmanager
def counted() -> Iterator[Calls]:
    """Count within this block; whoever profiled before goes on afterwards."""
    calls, before = Calls(), sys.getprofile()
    sys.setprofile(calls.profile)
    try:
        yield calls
    finally:
        sys.setprofile(before)


async def accept(host: Host, count: int, accepted: list[AsyncSocket]) -> None:
    with listen(host, PORT) as listener:
        while len(accepted) < count:
            connection, _ = await listener.accept()
            accepted.append(connection)


async def connect(host: Host, count: int, opened: list[AsyncSocket]) -> None:
    opened += [await open_connection(host, "10.0.0.2", PORT) for _ in range(count)]


def calls_per_segment(wire: str, size: int, *, active: int = 1, idle: int = 0) -> float:
    """While ``active`` connections carry ``size`` bytes each and others carry nothing."""
    with Simulation(seed=1, digest=False) as simulation:
        client, server = simulation.host("client"), simulation.host("server")
        cable = simulation.connect(
            client,
            server,
            forward=Impairments.parse_text(wire),
            addresses=(["10.0.0.1/24"], ["10.0.0.2/24"]),
        )
        accepted: list[AsyncSocket] = []
        opened: list[AsyncSocket] = []
        simulation.spawn(server, accept(server, active + idle, accepted))
        simulation.spawn(client, connect(client, active + idle, opened))
        simulation.run()
        for sender, receiver in list(zip(opened, accepted, strict=True))[:active]:
            simulation.spawn(client, sender.sendall(bytes(size)))
            simulation.spawn(server, receiver.recv_exactly(size))
        before = sum(channel.statistics.sent for channel in cable.channels)
        with counted() as calls:
            simulation.run()
        return calls.count / (sum(channel.statistics.sent for channel in cable.channels) - before)


def test_a_segment_takes_a_bounded_number_of_calls() -> None:
    assert calls_per_segment("rate=1Gbit/s, delay=1ms", 2_000_000) < MOST_CALLS


def test_not_more_with_a_large_window() -> None:
    small = calls_per_segment("rate=20Mbit/s, delay=1ms, queue=10 packets", 1_000_000)
    large = calls_per_segment("rate=1Gbit/s, delay=20ms", 4_000_000)
    assert large < 1.1 * small


def test_not_more_with_many_connections() -> None:
    alone = calls_per_segment("delay=5ms", 400_000)
    among_idle = calls_per_segment("delay=5ms", 400_000, idle=400)
    together = calls_per_segment("delay=5ms", 20_000, active=20)
    crowd = calls_per_segment("delay=5ms", 20_000, active=200)
    assert among_idle < 1.02 * alone
    assert crowd < 1.02 * together
