"""Two hosts, and coroutines on them, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from links.simulated.loop import SimulatedLoop
from stack.clock import SECOND
from stack.config import HostConfig
from stack.sockets import AsyncSocket, listen, open_connection
from tests.stack.sockets.network import Network

T = TypeVar("T")


class AsyncNetwork(Network):
    """The two hosts, and one loop for what runs on both."""

    def __init__(self, config: HostConfig | None = None) -> None:
        super().__init__(config)
        self.loop = SimulatedLoop(self.clock)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin, and run until it waits for the network."""
        task = self.loop.create_task(coroutine)
        self.settle(0)
        return task

    def run(self, coroutine: Coroutine[Any, Any, T], limit: int = 10 * SECOND) -> T:
        """Run to the end, which has to come within ``limit`` ns."""
        task = self.loop.create_task(coroutine)
        self.settle(limit)
        assert task.done(), "still waiting"
        return task.result()

    async def connected(self) -> tuple[AsyncSocket, AsyncSocket]:
        """A connection from ``a`` to ``b``: both ends."""
        async with listen(self.b, 80) as listener:
            client = await open_connection(self.a, "10.0.0.2", 80)
            server, _ = await listener.accept()
        return client, server
