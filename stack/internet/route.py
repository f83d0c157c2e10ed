"""A route: where to send what is not here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stack.wire.address import Prefix

if TYPE_CHECKING:
    from stack.internet.interface import Interface


@dataclass(frozen=True, slots=True)
class Route:
    """Packets to ``prefix`` leave by ``interface``, to the router ``via`` or, without one, to whom they are for."""

    prefix: Prefix
    interface: Interface
    via: bytes | None = None
    metric: int = 0
    """Of several routes to one prefix, the one with the lowest is taken."""
    connected: bool = False
    """It follows from an address of the interface, and goes with it."""
