"""Impairments as parts: what several parts together make is validated once they are together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from links.impairments.model import mistake
from links.impairments.spec import Impairments


class _Part:
    """Keeps a mapping as it is written; in the JSON schema it is what :class:`Impairments` is."""

    @staticmethod
    def _read(value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise mistake(f"{value!r} are no impairments; write a mapping such as {{delay: 20ms, loss: 1%}}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(Impairments.__pydantic_core_schema__)


PartialImpairments: TypeAlias = Annotated[Mapping[str, Any], _Part()]
"""Some keys of :class:`~links.impairments.spec.Impairments`, to be laid over others; null removes a key."""
