"""Conditions: a language in which one can only look."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.expression import MAX_LENGTH, ExpressionError, Quantity, compile_condition
from scenarios.quantities import Dimension, Value

METRICS: dict[str, tuple[Dimension, Value | None]] = {
    "a.bytes": (Dimension.SIZE, 2_000_000),
    "b.bytes": (Dimension.SIZE, 1_000_000),
    "a.goodput": (Dimension.RATE, 5_000_000),
    "link.n0-n1.loss": (Dimension.SHARE, 0.25),
    "a.rtt": (Dimension.DURATION, None),
    "a.done": (Dimension.FLAG, True),
    "host.h.tcp.bad_checksum": (Dimension.COUNT, 3),
}


def resolve(path: str) -> Quantity:
    if path not in METRICS:
        raise ExpressionError(f"unknown {path}")
    dimension, value = METRICS[path]
    return Quantity(dimension, lambda: value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a.bytes > 1MB", True),
        ("a.bytes>1MB", True),
        ("1MB < a.bytes", True),
        ("a.bytes >= b.bytes", True),
        ("a.bytes == 2MB and b.bytes != 1MB", False),
        ("a.bytes < 1MB or b.bytes <= 1MB", True),
        ("not a.bytes > 1MB", False),
        ("not (a.bytes < 1MB or b.bytes < 1MB)", True),
        ("a.bytes < 1MB and a.bytes > 0 or a.done", True),  # and binds closer
        ("a.bytes < 1MB and (a.bytes > 0 or a.done)", False),
        ("link.n0-n1.loss >= 25%", True),
        ("a.goodput > 4.5Mbit/s", True),
        ("host.h.tcp.bad_checksum == 3", True),
        ("a.done", True),
        ("not a.done", False),
        ("a.done == false", False),
        ("true", True),
        ("a.rtt > 1ms", False),  # nothing is measured yet,
        ("a.rtt <= 1ms", False),  # so nothing can be said
        ("not a.rtt > 1ms", True),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    assert compile_condition(text, resolve)() is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the condition ends too early"),
        ("a.bytes >", "the condition ends too early"),
        ("a.bytes", "'a.bytes' is compared with nothing; write `a.bytes > ...`"),
        ("5MB", "'5MB' is compared with nothing; write `5MB > ...`"),
        ("1 < 2", "`1 < 2` compares no metric"),
        ("a.bytes = 1MB", "equality is written =="),
        ("a.bytes > 1s", "'s' in '1s' is no unit of size; use B, kB, MB, GB, KiB, MiB or GiB"),
        ("a.bytes > a.goodput", "a.goodput is a rate, not a size"),
        ("(a.done", "a ) is missing"),
        ("a.done)", "')' is unexpected"),
        ("a.done a.done", "'a.done' is unexpected"),
        ("a.done; import os", "';' has no meaning in a condition"),
        ("__import__('os')", '"\'" has no meaning in a condition'),
        ("nothing.bytes > 1MB", "unknown nothing.bytes"),
        ("(" * (MAX_LENGTH + 1), f"a condition has at most {MAX_LENGTH} characters"),
    ],
)
def test_what_is_no_condition(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text, resolve)
    assert str(caught.value) == message


def test_a_condition_looks_anew_each_time() -> None:
    value = 0
    condition = compile_condition("x > 1", lambda path: Quantity(Dimension.COUNT, lambda: value))
    assert not condition()
    value = 2
    assert condition()


@given(st.text("ab.>=<!() \tandornt1%MBs;é", max_size=40) | st.text(max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with suppress(ExpressionError):
        compile_condition(text, resolve)()
