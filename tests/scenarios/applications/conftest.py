"""Two machines on one wire in virtual time, for applications to talk over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from links.impairments.spec import PERFECT, Impairments
from links.simulated.simulation import Simulation
from scenarios.applications import KINDS, Flow
from stack.clock import SECOND
from stack.host import Host

T = TypeVar("T")

PORT = 5000


class Lab:
    """A client and a server, 10 ms apart."""

    def __init__(self) -> None:
        self.addresses = {4: "10.0.0.2", 6: "fd00::2"}
        self.simulation = Simulation(seed=1)
        self.client = self.simulation.host("client")
        self.server = self.simulation.host("server")
        self.wire = self.simulation.connect(
            self.client, self.server, name="wire",
            addresses=(["10.0.0.1/24", "fd00::1/64"], ["10.0.0.2/24", "fd00::2/64"]),
        )  # fmt: skip
        self.impair("delay=10ms")

    def impair(self, forward: str, backward: str | None = None) -> None:
        """What frames to the server meet, and those from it (the same if left out)."""
        for channel, text in zip(self.wire.channels, (forward, backward or forward), strict=True):
            channel.configure(Impairments.parse_text(text) if text else PERFECT)

    def spawn(self, host: Host, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.simulation.spawn(host, coroutine)

    def run(self, coroutine: Coroutine[Any, Any, T], *, within: int = 1000 * SECOND) -> T:
        """What a coroutine on the client returns, which it does within some virtual time."""
        task = self.spawn(self.client, coroutine)
        task.add_done_callback(lambda _: self.simulation.stop())
        self.simulation.run(until=self.simulation.clock.now() + within)
        return task.result()

    def flow(
        self,
        kind: str,
        *,
        family: int = 4,
        within: int = 1000 * SECOND,
        served: bool = True,
        **parameters: Any,
    ) -> Flow:
        """Some traffic from the client to the server, when it has ended."""
        traffic = KINDS[kind].model_validate({"kind": kind, **parameters})
        flow = Flow(kind, kind)
        server = self.spawn(self.server, traffic.server(self.server, PORT, flow)) if served else None
        self.run(traffic.client(self.client, self.addresses[family], PORT, flow), within=within)
        if server is not None:
            server.cancel()
            self.simulation.run(until=self.simulation.clock.now())
            assert server.cancelled()
        return flow


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.simulation.close()


@pytest.fixture
def make_lab() -> type[Lab]:
    return Lab
