"""Routes as they are written down, by addresses or by the names of nodes."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from links.impairments.model import Written
from scenarios.schema.base import Model, is_name
from stack.wire.address import Prefix, parse_address


def _parse_destination(value: object) -> Prefix | str:
    if isinstance(value, Prefix):
        return value
    text = str(value)
    return text if is_name(text) else Prefix.parse(text)


def _parse_gateway(value: object) -> bytes | str:
    if isinstance(value, bytes):
        return value
    text = str(value)
    return text if is_name(text) else parse_address(text)


Destination: TypeAlias = Annotated[
    Prefix | str,
    Written(_parse_destination, {"type": "string", "examples": ["10.0.2.0/24", "0.0.0.0/0", "server"]}),
]
"""A network, or the name of a node for all its addresses."""

Gateway: TypeAlias = Annotated[
    bytes | str, Written(_parse_gateway, {"type": "string", "examples": ["10.0.0.1", "r1"]})
]
"""An address of a router, or its name."""


class Route(Model):
    """Packets for ``to`` go by ``via``."""

    to: Destination
    via: Gateway
