"""YAML in, plain data out, with the line and column of everything.

The YAML is that of version 1.2's core schema (YAML 1.2.2, 10.3): ``no`` and ``on`` are text, ``1e3`` is a
number, ``0o17`` is fifteen and ``017`` seventeen. Two equal keys in one mapping are an error. Anchors,
aliases and the merge key ``<<`` work; what they expand to is bounded, so a small file cannot become a large
one.

The result is made of ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``; the containers
are of the subclasses :class:`Mapping` and :class:`Sequence`, which know where their parts stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from scenarios.problems import Mark, Problem, ScenarioError

MAX_BYTES = 1 << 20
"""Size of a file."""
MAX_NODES = 200_000
"""Values in a file after its aliases are expanded; a repetition bomb stops here."""
MAX_DEPTH = 50
"""Containers in each other."""

Plain: TypeAlias = Any
"""Plain data as above; pydantic decides what it should be."""
Place: TypeAlias = tuple[str | int, ...]
"""Where something stands in the data: keys and indices from the top."""


class Mapping(dict[str, Plain]):
    """A mapping that knows where it, its keys and its values began."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}

    def put(self, key: str, value: Plain, key_mark: Mark, value_mark: Mark) -> None:
        """Set an item together with its places."""
        self[key] = value
        self.key_marks[key] = key_mark
        self.value_marks[key] = value_mark


class Sequence(list[Plain]):
    """A sequence that knows where it and its items began."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.item_marks: list[Mark] = []

    def put(self, value: Plain, mark: Mark) -> None:
        """Append an item together with its place."""
        self.append(value)
        self.item_marks.append(mark)

    def take_out(self, index: int) -> None:
        """Remove an item together with its place."""
        del self[index]
        del self.item_marks[index]


_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_MAX_DIGITS = 1000

_PREFIX = "tag:yaml.org,2002:"
_TAGS = {_PREFIX + "int": int, _PREFIX + "float": float, _PREFIX + "bool": bool, _PREFIX + "null": type(None)}


def resolve_scalar(text: str) -> str | int | float | bool | None:
    """What a plain (unquoted) scalar means in the core schema (YAML 1.2.2, 10.3.2)."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if len(text) <= _MAX_DIGITS:
        if _INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def read_yaml(source: bytes, file: str) -> Mapping:
    """Read one UTF-8 document whose top is a mapping. ``file`` is the name for messages.

    Raises:
        ScenarioError: with the one place where the text stops being readable, or with every duplicate key.
    """
    if len(source) > MAX_BYTES:
        raise ScenarioError([Problem(Mark(file, 1, 1), f"the file is larger than {MAX_BYTES >> 20} MiB")])
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ScenarioError([Problem(Mark(file, line, 1), "this is not UTF-8 text")]) from None
    document = read_value(text, file)
    if not isinstance(document, Mapping):
        top = "the top of a scenario is a mapping, such as `name: ...`"
        raise ScenarioError([Problem(Mark(file, 1, 1), top)])
    return document


def read_value(text: str, file: str) -> Plain:
    """Read one document of any kind. Raises ScenarioError like :func:`read_yaml`."""
    composer = _Composer(text, file)
    try:
        document = composer.document()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise ScenarioError(
            [Problem(mark, f"the character {chr(error.character)!r} is not allowed")]
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = _mark(file, error.problem_mark or error.context_mark)
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise ScenarioError([Problem(mark, f"this is not YAML: {reason}")]) from None
    if composer.problems:
        raise ScenarioError(composer.problems)
    return document


def _mark(file: str, place: yaml.error.Mark | yaml._yaml.Mark | None) -> Mark:
    return Mark(file, place.line + 1, place.column + 1) if place is not None else Mark(file, 1, 1)


@dataclass(slots=True)
class _Anchor:
    """What an alias will repeat."""

    value: Plain
    size: int
    complete: bool


class _Composer:
    """Builds the data from PyYAML's parser events; a stack machine would do, the depth is bounded."""

    def __init__(self, source: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._events: Iterator[yaml.Event] = yaml.parse(source, Loader=yaml.SafeLoader)
        self._anchors: dict[str, _Anchor] = {}
        self._count = 0
        self._depth = 0

    def document(self) -> Plain:
        event = next(self._events)
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise self._error("the file is empty", Mark(self._file, 1, 1))
        top = self._value(event)
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error("a file holds one document", self._mark(event))
        return top

    def _mark(self, event: yaml.Event) -> Mark:
        return _mark(self._file, event.start_mark)

    @staticmethod
    def _error(message: str, mark: Mark) -> ScenarioError:
        return ScenarioError([Problem(mark, message)])

    def _grow(self, nodes: int, mark: Mark) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            raise self._error(f"the file has more than {MAX_NODES} values, its aliases expanded", mark)

    def _value(self, event: yaml.Event) -> Plain:
        mark = self._mark(event)
        if isinstance(event, yaml.AliasEvent):
            return self._repeat(str(event.anchor), mark)
        name = event.anchor if isinstance(event, yaml.NodeEvent) else None
        if name is not None:
            self._anchors[name] = _Anchor(None, 0, complete=False)
        before = self._count
        self._grow(1, mark)
        value: Plain
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, mark)
        else:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._error(f"more than {MAX_DEPTH} levels", mark)
            value = (
                self._sequence(event) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(event)
            )
            self._depth -= 1
        if name is not None:
            self._anchors[name] = _Anchor(value, self._count - before, complete=True)
        return value

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> str | int | float | bool | None:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None:
            return resolve_scalar(text) if event.implicit[0] else text
        if tag in ("!", _PREFIX + "str"):
            return text
        kind = _TAGS.get(tag)
        if kind is None:
            raise self._unknown_tag(event)
        value = resolve_scalar(text)
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise self._error(f"{text!r} is not what its tag says, !!{tag.removeprefix(_PREFIX)}", mark)
        return value

    def _unknown_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> ScenarioError:
        return self._error(f"the tag {event.tag} is not known here", self._mark(event))

    def _sequence(self, start: yaml.SequenceStartEvent) -> Sequence:
        if start.tag not in (None, "!", _PREFIX + "seq"):
            raise self._unknown_tag(start)
        result = Sequence(self._mark(start))
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            result.put(self._value(event), self._mark(event))
        return result

    def _mapping(self, start: yaml.Event) -> Mapping:
        if isinstance(start, yaml.MappingStartEvent) and start.tag not in (None, "!", _PREFIX + "map"):
            raise self._unknown_tag(start)
        result = Mapping(self._mark(start))
        merged: list[Mapping] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_mark = self._mark(event)
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._key(event)
            event = next(self._events)
            value = self._value(event)
            if is_merge:
                merged.extend(self._merge_sources(value, self._mark(event)))
            elif key in result:
                first = result.key_marks[key]
                self.problems.append(Problem(key_mark, f"`{key}` is given twice, first in line {first.line}"))
            else:
                result.put(key, value, key_mark, self._mark(event))
        for source in merged:
            for key, value in source.items():
                if key not in result:
                    result.put(key, value, source.key_marks[key], source.value_marks[key])
        return result

    def _key(self, event: yaml.Event) -> str:
        """Keys are names: a number, or a word that stands for a value elsewhere, is taken as written."""
        value = self._value(event)
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        if isinstance(value, str):
            return value
        raise self._error("a key is a name, such as `client:`", self._mark(event))

    def _merge_sources(self, value: Plain, mark: Mark) -> list[Mapping]:
        sources = value if isinstance(value, Sequence) else [value]
        if not all(isinstance(source, Mapping) for source in sources):
            raise self._error("`<<` takes a mapping or a list of mappings, such as `<<: *base`", mark)
        return list(sources)

    def _repeat(self, name: str, mark: Mark) -> Plain:
        anchor = self._anchors.get(name)
        if anchor is None:
            raise self._error(f"no anchor &{name} comes before this alias", mark)
        if not anchor.complete:
            raise self._error(f"the anchor &{name} contains itself", mark)
        self._grow(anchor.size, mark)
        return copy_plain(anchor.value)


def copy_plain(value: Plain) -> Plain:
    """A deep copy that keeps the places."""
    if isinstance(value, Mapping):
        mapping = Mapping(value.mark)
        for key, item in value.items():
            mapping.put(key, copy_plain(item), value.key_marks[key], value.value_marks[key])
        return mapping
    if isinstance(value, Sequence):
        sequence = Sequence(value.mark)
        for item, mark in zip(value, value.item_marks, strict=True):
            sequence.put(copy_plain(item), mark)
        return sequence
    return value


def mark_at(top: Mapping, place: Place, *, of_key: bool = False) -> Mark:
    """Where the value at ``place`` begins in its file, or its key; of what is not there, where it would be."""
    data: Plain = top
    mark = top.mark
    for step in place:
        if isinstance(data, Mapping) and step in data:
            mark = (data.key_marks if of_key else data.value_marks)[str(step)]
        elif isinstance(data, Sequence) and isinstance(step, int) and step < len(data):
            mark = data.item_marks[step]
        else:
            break
        data = data[step]
    return mark


def put_at(top: Mapping, place: Place, value: Plain, mark: Mark) -> bool:
    """Set the value at ``place``, with the mappings on the way to it; False if there is no such way."""
    data: Plain = top
    for step in place[:-1]:
        if isinstance(data, Mapping):
            if not isinstance(data.get(str(step)), list | dict):
                data.put(str(step), Mapping(mark), mark, mark)
            data = data[str(step)]
        elif isinstance(data, Sequence) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return False
    last = place[-1]
    if isinstance(data, Mapping):
        data.put(str(last), value, mark, mark)
        return True
    if isinstance(data, Sequence) and isinstance(last, int) and last < len(data):
        data[last], data.item_marks[last] = value, mark
        return True
    return False


def remove_at(top: Mapping, place: Place) -> None:
    """Take the value at ``place`` out of its container."""
    data: Plain = top
    for step in place[:-1]:
        data = data[step]
    if isinstance(data, Sequence):
        data.take_out(int(place[-1]))
    else:
        del data[place[-1]]
