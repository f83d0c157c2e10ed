"""``python``: coroutines of one's own as traffic."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from scenarios.applications.flow import Flow
from scenarios.applications.traffic import Traffic
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

    @field_validator("python", "python_server")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        if name is not None:
            _coroutine_function(name)
        return name

    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Run the coroutine ``python``."""
        with flow.running(host.clock):
            await _coroutine_function(self.python)(host, address, port, flow, **self.arguments)

    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Run the coroutine ``python_server``; without one, do nothing until cancelled."""
        if self.python_server is None:
            await asyncio.get_running_loop().create_future()
        else:
            with flow.enduring():
                await _coroutine_function(self.python_server)(host, port, flow, **self.arguments)


def _coroutine_function(name: str) -> Callable[..., Any]:
    """What ``module:name`` stands for; raises ValueError if that is no coroutine function."""
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(f"{name!r} is not of the form module:coroutine")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a module of the user's may do when it is imported
        raise ValueError(f"module {module_name!r} cannot be imported: {error}") from error
    function: Callable[..., Any] | None = getattr(module, attribute, None)
    if function is None or not inspect.iscoroutinefunction(function):
        raise ValueError(f"{name!r} is no coroutine function (async def)")
    return function
