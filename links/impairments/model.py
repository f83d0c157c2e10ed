"""What the models of this package share: strictness, short forms, values written as text, one-line errors."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Documented(BaseModel):
    """In its JSON schema, the docstrings below the fields are their descriptions.

    As with pydantic's ``use_attribute_docstrings``, but they are read when a schema is asked for; to read them from
    all sources at import takes a fifth of a second.
    """

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        properties = handler.resolve_ref_schema(described).get("properties", {})
        for name, field in cls.model_fields.items():
            if field.description is None and (text := _docstring(cls, name)):
                properties[field.alias or name]["description"] = text
        return described


def _docstring(model: type[BaseModel], field: str) -> str | None:
    owner = next((base for base in model.__mro__ if field in inspect.get_annotations(base)), model)
    return _docstrings(owner).get(field)


@cache
def _docstrings(owner: type) -> dict[str, str]:
    """What is written below each attribute of a class."""
    try:
        source = inspect.getsource(owner)
    except (OSError, TypeError):  # made by a program
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    return {
        attribute.id: inspect.cleandoc(text)
        for above, below in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ())
        if isinstance(above, ast.AnnAssign) and isinstance(attribute := above.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(text := below.value.value, str)
    }


class Model(Documented):
    """Unknown keys are refused, and a model never changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def set_apart(self, *names: str) -> str:
        """Those of these fields that differ from their defaults, as words for a message."""
        fields = type(self).model_fields
        return " and ".join(name for name in names if getattr(self, name) != fields[name].default)


class ShortModel(Model):
    """A model that can also be written as the value of one of its fields: ``loss: 1%``."""

    short: ClassVar[str]
    """The name of that field."""

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: object) -> object:
        return value if isinstance(value, (Mapping, cls)) else {cls.short: value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        long = handler.resolve_ref_schema(super().__get_pydantic_json_schema__(schema, handler))
        alternatives = [long["properties"][cls.short], dict(long)]
        long.clear()
        long["anyOf"] = alternatives
        return long


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Annotates a field whose value is dumped as ``str()``, and read from that or what else ``parse`` takes."""

    parse: Callable[[object], Any]
    """Raises ValueError."""
    schema: dict[str, Any]
    """JSON schema of what is written."""

    def read(self, value: object) -> Any:
        """What pydantic calls."""
        try:
            return self.parse(value)
        except ValueError as error:
            raise mistake(str(error)) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        writer = core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema())
        return core_schema.no_info_plain_validator_function(self.read, serialization=writer)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema)


def mistake(text: str) -> PydanticCustomError:
    """An error whose message is ``text`` and nothing else."""
    return PydanticCustomError("impairment", "{text}", {"text": text})
