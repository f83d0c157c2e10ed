"""The list of counters against the source: what the stack counts is in it, and what is in it is counted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stack
from stack.counters import COUNTERS

STACK = Path(stack.__file__).parent
SOURCES = [path for path in sorted(STACK.rglob("*.py")) if path.name != "counters.py"]
NAME = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*")
PREFIXES = {
    "internet/icmp_family.py": ("icmpv4", "icmpv6"),
    "internet/icmpv4.py": ("icmpv4",),
    "internet/icmpv6.py": ("icmpv6",),
    "internet/ndp.py": ("ndp",),
    "wire/icmp.py": ("icmpv4", "icmpv6"),
}
"""What is put before the names that these modules give without a protocol."""


def names_in(source: str, prefixes: tuple[str, ...] = ()) -> Iterator[str]:
    """The counters that a module names, in whatever way: whole, after a protocol, or for ``_drop`` to complete."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
            yield node.value
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[-1], ast.Constant):
            tail = str(node.values[-1].value)
            if len(node.values) == 2 and re.fullmatch(r"\.[a-z][a-z0-9_]*", tail):
                assert prefixes, f"{ast.unparse(node)}: of which protocol?"
                yield from (prefix + tail for prefix in prefixes)
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_drop"
        ):
            reason = node.args[0]
            assert prefixes, f"{ast.unparse(node)}: of which protocol?"
            assert isinstance(reason, ast.Constant), f"{ast.unparse(node)}: which reason?"
            yield from (f"{prefix}.{reason.value}" for prefix in prefixes)


def all_names() -> set[str]:
    return {
        name
        for path in SOURCES
        for name in names_in(path.read_text(), PREFIXES.get(path.relative_to(STACK).as_posix(), ()))
    }


def test_every_name_that_is_counted_is_in_the_list() -> None:
    assert sorted(all_names() - COUNTERS) == []


def test_every_name_in_the_list_is_counted() -> None:
    assert sorted(COUNTERS - all_names()) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("host.drop('udp.new')", {"udp.new"}),
        ("raise Malformed('ipv4.a' if x else 'ipv4.b')", {"ipv4.a", "ipv4.b"}),
        ("self.counters[f'{self._name}.sent'] += 1", {"icmpv4.sent", "icmpv6.sent"}),
        ("self._drop('no_path', packet)", {"icmpv4.no_path", "icmpv6.no_path"}),
    ],
)
def test_names_are_found_however_they_are_given(source: str, expected: set[str]) -> None:
    assert set(names_in(source, ("icmpv4", "icmpv6"))) == expected
