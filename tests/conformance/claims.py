"""What tests claim to show.

A claim is made by ``@pytest.mark.shows("RFC 9293 MUST-14", "RFC 5961 3.2")``. A packetdrill script makes it by its
first line, ``// RFC 9293 3.7.1, MUST-14, RFC 5961 3.2: what it is about``, for what is a requirement of the table.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from tests.conformance.table import read_documents

_CITED = re.compile(r"(RFC \d+)|([A-Z]+-\d+|[\dA-Z](?:[\w.-]*\w)?)")


def test_name(node: str) -> str:
    """``file::test``, whatever its class and parameters; a script is a test by itself."""
    path, _, rest = node.partition("::")
    return path if path.endswith(".pkt") else f"{path}::{rest.partition('[')[0].rpartition('::')[2]}"


def claims_of(items: list[pytest.Item]) -> dict[str, set[str]]:
    """For each requirement the tests that claim to show it."""
    claims: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        for marker in item.iter_markers("shows"):
            for requirement in marker.args:
                claims[requirement].add(test_name(item.nodeid))
    return dict(claims)


def claims_of_script(text: str) -> Iterator[str]:
    """Requirements that a packetdrill script cites before the first colon of its first line."""
    document = ""
    for name, identifier in _CITED.findall(text.partition("\n")[0].partition(": ")[0]):
        document = name or document
        if f"{document} {identifier}" in _known():
            yield f"{document} {identifier}"


@cache
def _known() -> frozenset[str]:
    return frozenset(requirement.name for document in read_documents() for requirement in document)
