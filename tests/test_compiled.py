"""Which form is tested: the tree as it stands, or the compiled one (``make test-compiled``)."""

from __future__ import annotations

import os
from importlib import import_module

import pytest

ENDING = ".so" if "UNS_COMPILED" in os.environ else ".py"


@pytest.mark.parametrize(
    "module",
    [
        "stack.host",
        "stack.link",
        "stack.internet.ipv4",
        "stack.tcp.connection",
        "stack.tcp.congestion.cubic",
        "stack.wire.tcp",
        "links.impairments.channel",
        "links.simulated.clock",
    ],
)
def test_it_is_the_form_that_was_asked_for(module: str) -> None:
    assert str(import_module(module).__file__).endswith(ENDING)
