"""Comparisons with measured values."""

from __future__ import annotations

import pytest

from links.units import UnitError
from scenarios.quantities import Dimension, Value, parse_comparison


@pytest.mark.parametrize(
    ("text", "dimension", "holding", "failing"),
    [
        (">= 5Mbit/s", Dimension.RATE, 5_000_000, 4_999_999),
        ("> 5Mbit/s", Dimension.RATE, 5_000_001, 5_000_000),
        ("<=20ms", Dimension.DURATION, 20_000_000, 20_000_001),
        ("< 20 ms", Dimension.DURATION, 19_999_999, 20_000_000),
        ("3", Dimension.COUNT, 3, 4),
        ("== 3", Dimension.COUNT, 3, 2),
        ("= 3", Dimension.COUNT, 3, 2),
        ("!= 3", Dimension.COUNT, 2, 3),
        ("10ms..30ms", Dimension.DURATION, 30_000_000, 30_000_001),
        ("10ms .. 30ms", Dimension.DURATION, 10_000_000, 9_999_999),
        ("1.5%..2%", Dimension.SHARE, 0.015, 0.0149),
        ("10MB", Dimension.SIZE, 10_000_000, 9_999_999),
        ("0", Dimension.DURATION, 0, 1),
        ("true", Dimension.FLAG, True, False),
        ("!= false", Dimension.FLAG, True, False),
    ],
)
def test_comparisons(text: str, dimension: Dimension, holding: Value, failing: Value) -> None:
    comparison = parse_comparison(text, dimension)
    assert comparison.holds(holding)
    assert not comparison.holds(failing)
    assert not comparison.holds(None), "what was not measured is not as expected"
    assert parse_comparison(str(comparison), dimension).holds(holding), "it is written as it is read"


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        ("", Dimension.COUNT, "'' is not a comparison; write one like '>= 5', or a range like '2..5'"),
        (">=", Dimension.COUNT, "'>=' is not a comparison; write one like '>= 5', or a range like '2..5'"),
        ("many", Dimension.COUNT, "'many' is not a count; write a whole number"),
        ("5..2", Dimension.COUNT, "'5..2': the range is empty, its lower end comes first"),
        (">= 2..5", Dimension.COUNT, "'>= 2..5': a range takes no >="),
        ("5s", Dimension.DURATION, "'5s' would have to be met exactly; write '>= 5s', '<= 5s' or a range"),
        ("yes", Dimension.FLAG, "'yes' is neither true nor false"),
        ("> 101%", Dimension.SHARE, "'101%' is more than 100%"),
    ],
)  # fmt: skip
def test_what_is_no_comparison(text: str, dimension: Dimension, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_comparison(text, dimension)
    assert str(caught.value) == message


def test_values_are_written_for_people() -> None:
    assert Dimension.RATE.format(7_642_034) == "7.642Mbit/s"
    assert Dimension.DURATION.format(1_046_841_600) == "1.047s"
    assert Dimension.SIZE.format(999_999) == "999.999kB"
    assert Dimension.SHARE.format(0.861488118) == "86.15%"
    assert Dimension.FLAG.format(False) == "false"
    assert Dimension.COUNT.format(3) == "3"
    assert Dimension.COUNT.format(None) == "nothing measured"
