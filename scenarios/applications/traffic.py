"""What every kind of traffic is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import ConfigDict

from links.impairments.model import Documented
from scenarios.applications.flow import Flow
from stack.host import Host


class Traffic(Documented, ABC):
    """The parameters of one kind of traffic, and the two applications that make it.

    Both record what happens in ``flow``. The network's doings never raise out of them: they are results.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_port: ClassVar[int]
    """The port that people would expect; 0 if there are none in this kind of traffic."""
    kind: str

    @property
    def datagrams(self) -> bool | None:
        """Whether it consists of numbered datagrams, and not of connections; None if only its author knows."""
        return False

    @abstractmethod
    async def client(self, host: Host, address: str, port: int, flow: Flow) -> None:
        """Talk to the server at ``address``; return when all is done or nothing more can be."""

    @abstractmethod
    async def server(self, host: Host, port: int, flow: Flow) -> None:
        """Serve on ``port``, over IPv4 and IPv6, until cancelled; then close everything."""
