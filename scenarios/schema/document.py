"""The JSON Schema of scenarios, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from scenarios.schema.scenario import Scenario


class _WithWrittenDefaults(GenerateJsonSchema):
    """Gives defaults as a file would: ``40ms``, where the model has nanoseconds; and no null for what is absent."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        inner: Any = schema
        while "serialization" not in inner and "schema" in inner:
            inner = inner["schema"]
        writer = inner.get("serialization", {}).get("function")
        default = schema.get("default")
        if default is None:
            described.pop("default", None)
        elif writer is not None:
            described["default"] = writer(default)
        return described


def json_schema() -> dict[str, Any]:
    """What a scenario may contain, with the documentation of every key."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Scenario.model_json_schema(schema_generator=_WithWrittenDefaults),
        "title": "UserNetStack scenario",
    }
