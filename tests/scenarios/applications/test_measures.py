"""Percentiles are exact; loss, duplicates, reordering and jitter are those of the RFCs."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.applications.measures import Datagrams, Samples
from stack.clock import MILLISECOND


def samples(values: list[int]) -> Samples:
    result = Samples()
    for value in values:
        result.add(value)
    return result


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(1, 1000))
def test_a_percentile_is_the_least_value_that_covers_its_share(values: list[int], per_mille: int) -> None:
    value = samples(values).percentile(per_mille / 10)
    assert value in values
    share = Fraction(per_mille, 1000) * len(values)
    assert sum(v <= value for v in values) >= share
    assert sum(v < value for v in values) < share


def test_percentiles_by_decimal_digits() -> None:
    thousand = samples(list(range(1, 1001)))
    assert [thousand.percentile(p) for p in (0, 0.1, 50, 99, 99.9, 100)] == [1, 1, 500, 990, 999, 1000]


def test_percentiles_follow_later_samples() -> None:
    series = samples([5])
    assert series.percentile(100) == 5
    series.add(7)
    assert series.percentile(100) == 7


@pytest.mark.parametrize("percent", [-1, 100.1])
def test_no_percentile_outside_of_100_percent(percent: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        samples([1]).percentile(percent)


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no measurement"):
        Samples().percentile(50)


def test_summary() -> None:
    summary = samples([40, 10, 30, 25]).summary()
    assert summary is not None
    assert (summary.count, summary.minimum, summary.mean, summary.maximum) == (4, 10, 26, 40)
    assert (summary.p50, summary.p90, summary.p99) == (25, 40, 40)
    assert Samples().summary() is None


def arrivals(*numbers: int, capacity: int = 100) -> Datagrams:
    datagrams = Datagrams(capacity)
    datagrams.sent = capacity
    for number in numbers:
        datagrams.arrives(number, 0)
    return datagrams


def test_in_order() -> None:
    datagrams = arrivals(*range(100))
    assert (datagrams.received, datagrams.lost, datagrams.duplicates, datagrams.reordered) == (100, 0, 0, 0)


def test_loss_is_not_reordering() -> None:
    datagrams = arrivals(0, 1, 5, 6, capacity=8)
    assert (datagrams.received, datagrams.lost, datagrams.reordered) == (4, 4, 0)


def test_reordering_as_in_rfc_4737() -> None:
    """The example of RFC 4737 7.1: only the late packet is reordered, not those that it let pass."""
    datagrams = arrivals(0, 1, 2, 4, 5, 6, 7, 8, 3, 9)
    assert (datagrams.reordered, datagrams.displacement) == (1, 5)


def test_a_duplicate_is_neither_received_twice_nor_reordered() -> None:
    datagrams = arrivals(0, 1, 1, 2, 0, capacity=3)
    assert (datagrams.received, datagrams.duplicates, datagrams.reordered, datagrams.lost) == (3, 2, 0, 0)
    assert not datagrams.arrives(2, 0)


@given(st.permutations(range(30)))
def test_reordering_counts_those_below_the_highest_before_them(order: list[int]) -> None:
    late = [max([*order[:i], -1]) - n for i, n in enumerate(order) if n < max([*order[:i], -1])]
    datagrams = arrivals(*order, capacity=30)
    assert (datagrams.reordered, datagrams.displacement) == (len(late), max(late, default=0))


def test_jitter_of_a_steady_path_is_zero_whatever_the_clocks() -> None:
    datagrams = Datagrams(100)
    for number in range(100):
        datagrams.arrives(number, -(10**18))
    assert datagrams.jitter == 0


def test_jitter_follows_rfc_3550() -> None:
    transits = [20, 25, 21, 21, 40, 20, 22, 30, 20, 20, 21]
    datagrams, expected = Datagrams(100), 0.0
    for number, transit in enumerate(transits):
        datagrams.arrives(number, transit * MILLISECOND)
        if number:
            expected += (abs(transit - transits[number - 1]) * MILLISECOND - expected) / 16
    assert math.isclose(datagrams.jitter, expected, rel_tol=1e-6)
