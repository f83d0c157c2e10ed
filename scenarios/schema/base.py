"""What the models of every section share."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from links.impairments.model import Model, Written, mistake
from scenarios.quantities import Comparison, Dimension, parse_comparison
from stack.wire.address import (
    InterfaceAddress,
    is_loopback,
    is_multicast,
    is_unspecified,
)

__all__ = [
    "GivenAddress", "Model", "Name", "OneOrMore", "comparable", "is_name", "mistake",
]  # fmt: skip

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_RESERVED = frozenset({"flow", "link", "host", "time", "and", "or", "not", "true", "false"})
"""Words of the expression language."""


def is_name(text: str) -> bool:
    """Whether something in a scenario may be called so."""
    return _NAME.fullmatch(text) is not None and text not in _RESERVED


def _parse_name(value: object) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a name: a letter, then letters, digits, `_` or `-`")
    if value in _RESERVED:
        raise ValueError(f"`{value}` has a meaning of its own in conditions; take another name")
    return value


Name: TypeAlias = Annotated[str, Written(_parse_name, {"type": "string", "pattern": f"^{_NAME.pattern}$"})]
"""What a node, a link or a flow is called."""


class _OneOrMore:
    @staticmethod
    def _read(value: object) -> object:
        return value if isinstance(value, list | tuple) else [value]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


OneOrMore = _OneOrMore()
"""Annotates a tuple: a single item stands for a tuple of one."""


def _parse_interface_address(value: object) -> InterfaceAddress:
    address = value if isinstance(value, InterfaceAddress) else InterfaceAddress.parse(str(value))
    packed = address.address
    if is_multicast(packed) or is_loopback(packed) or is_unspecified(packed):
        raise ValueError(f"{address} cannot be the address of an interface")
    if packed in (address.broadcast, address.prefix.address) and len(packed) == 4 and address.length < 31:
        raise ValueError(f"{address} is the address of the network itself or its broadcast address")
    return address


GivenAddress: TypeAlias = Annotated[
    InterfaceAddress,
    Written(_parse_interface_address, {"type": "string", "examples": ["10.0.0.2/24", "fd00::2/64"]}),
]
"""An address of an interface, and the length of its prefix."""


def comparable(dimension: Dimension) -> Any:
    """The type of a field that holds a :class:`Comparison` with a value of ``dimension``."""

    def parse(value: object) -> Comparison:
        if isinstance(value, Comparison):
            return value
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        return parse_comparison(text, dimension)

    return Annotated[Comparison, Written(parse, _comparison_schema(dimension))]


def _comparison_schema(dimension: Dimension) -> dict[str, Any]:
    if dimension is Dimension.FLAG:
        return {"type": "boolean"}
    examples = _EXAMPLES[dimension]
    return {"type": ["string", "integer"], "examples": [f">= {examples[0]}", f"{examples[0]}..{examples[1]}"]}


_EXAMPLES = {
    Dimension.COUNT: ("3", "10"),
    Dimension.SIZE: ("1MB", "10MB"),
    Dimension.RATE: ("5Mbit/s", "10Mbit/s"),
    Dimension.DURATION: ("20ms", "50ms"),
    Dimension.SHARE: ("1%", "5%"),
}
