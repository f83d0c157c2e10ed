"""A whole scenario file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from links.units import Duration
from scenarios.schema.base import Model, Name
from scenarios.schema.events import Event
from scenarios.schema.expect import Expect
from scenarios.schema.settings import StackSettings
from scenarios.schema.topology import Topology
from scenarios.schema.traffic import AnyFlow
from stack.clock import SECOND


class Outputs(Model):
    """Files that ``usernetstack run`` writes, relative to the current directory."""

    pcap: str | None = None
    """A capture of every link, in pcapng."""
    json_: str | None = Field(default=None, alias="json")
    """The result."""


class Scenario(Model):
    """A network, what happens on it, and what is expected of it."""

    name: Name | None = None
    """Without it, the name of the file."""
    description: str = ""
    seed: Annotated[int, Field(ge=0)] = 1
    """Decides all chance; ``--seed`` goes before it."""
    duration: Annotated[Duration, Field(gt=0)] = 60 * SECOND
    """The run ends when all traffic has ended, but not later than this (of virtual time)."""
    topology: Topology
    stack: StackSettings = StackSettings()
    """Settings of every host and router; those of a node go before them."""
    traffic: dict[Name, AnyFlow] = Field(default_factory=dict)
    events: tuple[Event, ...] = ()
    expect: Expect = Expect()
    outputs: Outputs = Outputs()
