"""``events``: what happens to the network while it runs, at a time or when a condition becomes true."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from links.units import Duration, Probability
from scenarios.schema.base import GivenAddress, Model, Name, OneOrMore, mistake
from scenarios.schema.impairments import PartialImpairments
from scenarios.schema.routes import Route

Direction: TypeAlias = Literal["forward", "backward", "both"]


class _Event(Model):
    """When it happens: ``at`` a time, or once when a condition holds for the first time."""

    at: Duration | None = None
    """After the start of the run."""
    when: str | None = None
    """A condition such as ``download.bytes > 1MB``, looked at every millisecond of the run."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.at is None) == (self.when is None):
            raise mistake("an event has either `at`, a time, or `when`, a condition")
        return self


class LinkEvent(_Event):
    """Something happens to a link."""

    link: Name
    direction: Direction = "both"
    """Forward is from the first node of the link to the second."""

    @property
    def directions(self) -> tuple[Literal["forward", "backward"], ...]:
        """Which directions are meant."""
        return ("forward", "backward") if self.direction == "both" else (self.direction,)


class HostEvent(_Event):
    """Something happens to a machine."""

    host: Name
    """A host or a router."""


class Impair(LinkEvent):
    """Change impairments of a link; frames on their way are not touched."""

    kind: Literal["impair"]
    change: PartialImpairments
    """Keys to set anew; null removes one."""


class Down(LinkEvent):
    """The link carries nothing any more."""

    kind: Literal["down"]


class Up(LinkEvent):
    """The link carries frames again."""

    kind: Literal["up"]


class Flap(LinkEvent):
    """The link goes up and down, beginning with down, and is up in the end."""

    kind: Literal["flap"]
    period: Annotated[Duration, Field(gt=0)]
    """From one going down to the next."""
    duty: Annotated[Probability, Field(gt=0, lt=1)] = 0.5
    """The share of the period in which the link is up."""
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many times it goes down."""


class Partition(_Event):
    """Cut every link between nodes of different groups.

    The nodes that no group names belong to the first one; if there is only one, they make the other."""

    kind: Literal["partition"]
    groups: Annotated[tuple[Annotated[tuple[Name, ...], OneOrMore], ...], Field(min_length=1)]
    """For example ``[[a, b], [c]]``."""


class Heal(_Event):
    """Undo every partition; links that are down for another reason stay so."""

    kind: Literal["heal"]


class Pause(HostEvent):
    """The machine stands still, as when it is suspended: no timer, no program; what arrives is lost."""

    kind: Literal["pause"]
    duration: Annotated[Duration, Field(gt=0)] | None = Field(default=None, alias="for")
    """How long; without it, until a ``resume``."""


class Resume(HostEvent):
    """The machine goes on; timers that fell due meanwhile go off at once."""

    kind: Literal["resume"]


class Reboot(HostEvent):
    """The machine loses power: its connections and learnt state are gone, without a word to anybody.

    Servers of the scenario's traffic start again with it; clients do not.
    """

    kind: Literal["reboot"]
    down_for: Duration = 0
    """Until it is back, with the addresses and routes of the scenario."""


class AddressEvent(HostEvent):
    """An address of a machine changes."""

    link: Name | None = None
    """The link whose interface is meant, of a machine with several."""
    address: GivenAddress


class AddAddress(AddressEvent):
    """An interface gets a further address."""

    kind: Literal["add_address"]


class RemoveAddress(AddressEvent):
    """An interface loses an address."""

    kind: Literal["remove_address"]


class RouteEvent(HostEvent, Route):
    """A route of a machine changes."""


class AddRoute(RouteEvent):
    """A machine gets a route, in place of those to the same destinations."""

    kind: Literal["add_route"]


class RemoveRoute(RouteEvent):
    """A machine loses a route."""

    kind: Literal["remove_route"]


Event: TypeAlias = Annotated[
    Impair | Down | Up | Flap | Partition | Heal | Pause | Resume | Reboot
    | AddAddress | RemoveAddress | AddRoute | RemoveRoute,
    Field(discriminator="kind"),
]  # fmt: skip
