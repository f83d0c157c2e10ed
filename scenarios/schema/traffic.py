"""``traffic``: every kind of :mod:`scenarios.applications`, with the ends and the start that a scenario adds."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Field, create_model

from links.units import Duration
from scenarios.applications import KINDS
from scenarios.applications.traffic import Traffic
from scenarios.schema.base import Model, Name
from scenarios.schema.topology import Family


class Ends(Model):
    """What every entry of ``traffic`` has, whatever its kind."""

    source: Name = Field(alias="from")
    """The node on which the client runs, which begins."""
    target: Name = Field(alias="to")
    """The node on which the server runs."""
    start: Duration = 0
    """When the client begins."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Of the server; without it, the usual one or the next that is free on that node."""
    family: Family | None = None
    """Which address of the server is used; without it IPv4, if it has one."""


class _Flow(Traffic, Ends):
    """One entry of ``traffic``: the parameters of its kind, and its ends."""


def _flow_models() -> list[Any]:
    return [
        create_model(f"{kind.__name__}Flow", __base__=(kind, Ends), __module__=__name__, __doc__=kind.__doc__)
        for kind in KINDS.values()
    ]


if TYPE_CHECKING:
    AnyFlow: TypeAlias = _Flow
else:
    AnyFlow = Annotated[functools.reduce(operator.or_, _flow_models()), Field(discriminator="kind")]
