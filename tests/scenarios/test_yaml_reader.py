"""YAML 1.2 in, plain data with places out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scenarios.problems import Mark, ScenarioError
from scenarios.yaml_reader import (
    MAX_BYTES,
    MAX_DEPTH,
    Mapping,
    copy_plain,
    mark_at,
    put_at,
    read_value,
    read_yaml,
    remove_at,
    resolve_scalar,
)


def read(text: str) -> Mapping:
    return read_yaml(text.encode(), "s.yaml")


def mistake(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("y", "y"), ("Off", "Off"),  # words, whatever YAML 1.1 thought
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("-2", -2), ("+3", 3), ("6.", 6.0), (".inf", float("inf")),
        ("0o17", 15), ("017", 17), ("0x1F", 31), ("1_000", "1_000"), ("12:30", "12:30"), ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"), ("10.0.0.1", "10.0.0.1"), ("0b1", "0b1"),
    ],
)  # fmt: skip
def test_scalars_of_the_core_schema(text: str, value: Any) -> None:
    found = resolve_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_quotes_and_tags_make_text() -> None:
    assert read("a: '1'\nb: \"true\"\nc: !!str 5\nd: ! 6\ne: |\n  no\n") == {
        "a": "1", "b": "true", "c": "5", "d": "6", "e": "no\n",
    }  # fmt: skip


def test_tags_are_checked() -> None:
    assert read("a: !!float 1\nb: !!int 0x10") == {"a": 1.0, "b": 16}
    assert mistake("a: !!int one") == "s.yaml:1:4: 'one' is not what its tag says, !!int"
    assert (
        mistake("a: !python/object:os.system x")
        == "s.yaml:1:4: the tag !python/object:os.system is not known here"
    )


def test_keys_are_taken_as_they_are_written() -> None:
    assert list(read("no: 1\n010: 2\n1.50: 3\nnull: 4")) == ["no", "010", "1.50", "null"]


def test_every_duplicate_key_is_told_with_its_place() -> None:
    assert mistake("a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n") == (
        "s.yaml:2:17: `c` is given twice, first in line 2\ns.yaml:3:1: `a` is given twice, first in line 1"
    )


def test_aliases_and_merge_keys() -> None:
    document = read(
        "base: &base {rate: 1, delay: 2}\n"
        "more: &more {loss: 3}\n"
        "a: *base\n"
        "b: {<<: *base, delay: 5}\n"
        "c: {<<: [*base, *more], rate: 9}\n"
    )
    assert document["a"] == {"rate": 1, "delay": 2}
    assert document["b"] == {"rate": 1, "delay": 5}
    assert document["c"] == {"rate": 9, "delay": 2, "loss": 3}
    document["a"]["rate"] = 100
    assert document["base"]["rate"] == 1, "what an alias repeats is a copy"


def test_a_merge_key_takes_mappings() -> None:
    assert (
        mistake("a: {<<: 3}") == "s.yaml:1:9: `<<` takes a mapping or a list of mappings, such as `<<: *base`"
    )


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read("a: {'<<': 3}") == {"a": {"<<": 3}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "s.yaml:1:1: the file is empty"),
        ("# nothing\n", "s.yaml:1:1: the file is empty"),
        ("- a", "s.yaml:1:1: the top of a scenario is a mapping, such as `name: ...`"),
        ("a: 1\n---\nb: 2", "s.yaml:2:1: a file holds one document"),
        ("a: *b", "s.yaml:1:4: no anchor &b comes before this alias"),
        ("a: &a [*a]", "s.yaml:1:8: the anchor &a contains itself"),
        ("a: \x07", "s.yaml:1:4: the character '\\x07' is not allowed"),
        (
            "a: {b: 1",
            "s.yaml:1:9: this is not YAML: while parsing a flow mapping, expected ',' or '}', but got",
        ),
        ("a: [1]]", "s.yaml:1:7: this is not YAML: "),
        ("a:\n\t- b", "s.yaml:2:1: this is not YAML: "),
        ("? [a]\n: b", "s.yaml:1:3: a key is a name, such as `client:`"),
        ("a: " + "[" * (MAX_DEPTH + 1), f"s.yaml:1:{3 + MAX_DEPTH}: more than {MAX_DEPTH} levels"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, expected: str) -> None:
    assert mistake(text).startswith(expected)


def test_other_encodings_than_utf_8() -> None:
    with pytest.raises(ScenarioError, match=r"^s.yaml:2:1: this is not UTF-8 text$"):
        read_yaml(b"a: 1\nb: \xff\n", "s.yaml")
    assert read_yaml("\ufeffa: ü".encode(), "s.yaml") == {"a": "ü"}


def test_a_small_file_cannot_become_a_large_one() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "has more than 200000 values, its aliases expanded" in mistake("\n".join(lines))
    assert mistake("a: " + "x" * MAX_BYTES) == "s.yaml:1:1: the file is larger than 1 MiB"


def test_places() -> None:
    document = read("a: 1\nb:\n  - x\n  - {c: 2}\n")
    assert mark_at(document, ("b", 1, "c")) == Mark("s.yaml", 4, 9)
    assert mark_at(document, ("b", 1, "c"), of_key=True) == Mark("s.yaml", 4, 6)
    assert mark_at(document, ("b", 7)) == Mark("s.yaml", 3, 3), "of what is not there, where it would be"
    assert str(mark_at(document, ())) == "s.yaml:1:1"
    copy = copy_plain(document)
    remove_at(copy, ("b", 0))
    assert mark_at(copy, ("b", 0)) == Mark("s.yaml", 4, 5), "places go with their values"
    assert document["b"] == ["x", {"c": 2}]


def test_values_are_put_in_place() -> None:
    document = read("a: {b: 1}\nl: [1, 2]\n")
    mark = Mark("--set", 0, 0)
    assert put_at(document, ("a", "c", "d"), 5, mark)
    assert put_at(document, ("l", 1), 7, mark)
    assert document == {"a": {"b": 1, "c": {"d": 5}}, "l": [1, 7]}
    assert str(mark_at(document, ("a", "c", "d"))) == "--set"
    assert not put_at(document, ("l", 2), 7, mark)
    assert not put_at(document, ("l", "x"), 7, mark)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ScenarioError):
        read_yaml(data, "s.yaml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abc: -#&*!|>'\"%@`{}[],?~\n", max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_what_others_write_is_read(value: Any) -> None:
    assert read_value(yaml.safe_dump(value), "s.yaml") == value
