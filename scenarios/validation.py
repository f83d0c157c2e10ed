"""Pydantic's errors in a user's words, each with the place in the data that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scenarios.problems import did_you_mean
from scenarios.yaml_reader import Place, Plain


class Mistake(NamedTuple):
    """What is wrong at a place; if it is about a key and not about its value, ``of_key`` is true."""

    place: Place
    message: str
    of_key: bool = False


def mistakes(error: ValidationError, model: type[BaseModel], data: Plain) -> Iterator[Mistake]:
    """The mistakes in ``data`` that ``model`` found."""
    for details in error.errors(include_url=False):
        if details["type"] == "default_factory_not_called":
            continue  # the field that it would follow from is wrong, and has its own mistake
        place = _locate(details["loc"], data)
        of_key = details["type"] in _OF_KEY or details["loc"][-1:] == ("[key]",)
        yield Mistake(place, _describe(details, place, model, data), of_key)


_OF_KEY = ("missing", "extra_forbidden", "union_tag_not_found")


def _locate(loc: Iterable[str | int], data: Plain) -> Place:
    """Follow a location of pydantic through the data.

    A location also names the members of unions (by their tags, the values of ``kind``) and keys that a
    short form left out; what is not in the data is passed over.
    """
    place: list[str | int] = []
    tagged = False
    for step in loc:
        if isinstance(data, dict):
            if not tagged and step == data.get("kind"):
                tagged = True
                continue
            if step not in data:
                continue
        elif not (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            continue
        data = data[step]
        place.append(step)
        tagged = False
    return tuple(place)


def _describe(details: ErrorDetails, place: Place, model: type[BaseModel], data: Plain) -> str:
    kind = details["type"]
    context = details.get("ctx", {})
    value = details["input"]
    if kind == "missing":
        return f"`{details['loc'][-1]}` is missing"
    if kind == "extra_forbidden":
        return f"unknown key `{place[-1]}`{did_you_mean(str(place[-1]), _keys(model, place[:-1], data))}"
    if kind == "union_tag_not_found":
        return f"`kind` is missing; one of {_listed(_kinds(model, place, data))}"
    if kind == "union_tag_invalid":
        return f"unknown kind `{context['tag']}`{did_you_mean(context['tag'], _kinds(model, place, data))}"
    if value is None:
        return "a value is missing"
    if kind == "literal_error":
        known = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{_written(value)} is not one of {_listed(known)}{_close(value, known)}"
    for words, text in _KINDS_OF_VALUES.items():
        if kind.startswith(words):
            return f"{_written(value)} is {text}"
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return f"{_written(value)} is {text} {context[name]}"
    if kind == "too_short":
        return f"at least {context['min_length']} needed"
    return str(details["msg"]).removeprefix("Value error, ")


_KINDS_OF_VALUES = {
    "int_": "not a whole number",
    "float_": "not a number",
    "finite_": "not a number",
    "bool_": "neither true nor false",
    "string_": "not text",
    "model_": "not a mapping",
    "dict_": "not a mapping",
    "mapping_": "not a mapping",
    "tuple_": "not a list",
    "list_": "not a list",
}
_BOUNDS = {
    "greater_than": ("gt", "not more than"),
    "greater_than_equal": ("ge", "less than"),
    "less_than": ("lt", "not less than"),
    "less_than_equal": ("le", "more than"),
}


def _written(value: Plain) -> str:
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = ("true" if value else "false") if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _close(value: Plain, known: list[str]) -> str:
    tail = did_you_mean(str(value), known)
    return tail if "did you mean" in tail else ""


def _keys(model: type[BaseModel], place: Place, data: Plain) -> list[str]:
    """The keys that the mapping at ``place`` may have."""
    keys: dict[str, None] = {}
    for branch in _branches(model, place, data):
        keys.update(dict.fromkeys(branch.get("properties", {})))
    return list(keys)


def _kinds(model: type[BaseModel], place: Place, data: Plain) -> list[str]:
    """The values that ``kind`` may have in the mapping at ``place``."""
    kinds = [branch.get("properties", {}).get("kind", {}).get("const") for branch in _branches(model, place)]
    return [kind for kind in kinds if kind is not None]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _branches(model: type[BaseModel], place: Place, data: Plain = None) -> list[dict[str, Any]]:
    """The JSON schemas that may apply at ``place``; those of another ``kind`` than the data's are left out."""
    root = _schema(model)
    branches = list(_alternatives(root, root, data))
    for step in place:
        data = data[step] if data is not None else None
        inner = [schema for branch in branches if (schema := _step(branch, step)) is not None]
        branches = [branch for schema in inner for branch in _alternatives(schema, root, data)]
    return branches


def _step(schema: dict[str, Any], step: str | int) -> dict[str, Any] | None:
    if isinstance(step, int):
        items = schema.get("items")
        return items if isinstance(items, dict) else None
    maps = (*schema.get("patternProperties", {}).values(), schema.get("additionalProperties"))
    found = schema.get("properties", {}).get(step, maps[0])
    return found if isinstance(found, dict) else None


def _alternatives(schema: dict[str, Any], root: dict[str, Any], data: Plain) -> Iterator[dict[str, Any]]:
    """A schema without references and unions, or several."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _alternatives(root["$defs"][name], root, data)
        return
    for branch in schema.get("anyOf", schema.get("oneOf", ())):
        yield from _alternatives(branch, root, data)
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    if kind is None or not isinstance(data, dict) or data.get("kind", kind) == kind:
        yield schema
