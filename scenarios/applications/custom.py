"""``python``: coroutines of one's own as traffic."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from scenarios.applications.flow import Flow
from scenarios.applications.traffic import Traffic
from scenarios.functions import find_coroutine
from stack.host import Host


class Python(Traffic):
    """Coroutines of one's own, named as ``module:coroutine``.

    The client is called as ``coroutine(host, address, port, flow, **arguments)``, the server as
    ``coroutine(host, port, flow, **arguments)``. They count in ``flow`` what they want to be seen, ``flow.complete``
    included. ``OSError`` and ``EOFError`` are recorded there; anything else that they raise is a mistake of theirs,
    and is raised.
    """

    kind: Literal["python"] = "python"
    default_port: ClassVar[int] = 9999
    python: str
    """The client."""
    python_server: str | None = None
    """The server, if the client needs one."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments for both."""

    @property
    def datagrams(self) -> None:
        """What coroutines of one's own do is their affair."""
        return None

    @field_validator("python", "python_server")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        if name is not None:
            find_coroutine(name)
        return name

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Run the coroutine ``python``."""
        with flow.running(host.clock):
            await find_coroutine(self.python)(host, address, port, flow, **self.arguments)

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Run the coroutine ``python_server``; without one, do nothing until cancelled."""
        if self.python_server is None:
            await asyncio.get_running_loop().create_future()
        else:
            with flow.enduring():
                await find_coroutine(self.python_server)(host, port, flow, **self.arguments)
