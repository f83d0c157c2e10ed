from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from links.units import (
    MAX_DURATION,
    MAX_RATE,
    MAX_SIZE,
    Duration,
    Probability,
    Rate,
    Size,
    UnitError,
    format_duration,
    format_probability,
    format_rate,
    format_size,
    parse_duration,
    parse_probability,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("20ms", 20_000_000),
        ("1.5 s", 1_500_000_000),
        ("100us", 100_000),
        ("100µs", 100_000),
        ("7ns", 7),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("1d", 86_400_000_000_000),
        ("1e-3s", 1_000_000),
        (" .5ms ", 500_000),
        ("0", 0),
        ("0.1s", 100_000_000),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "bits_per_second"),
    [
        ("10Mbit/s", 10_000_000),
        ("10mbit", 10_000_000),
        ("10 Mbps", 10_000_000),
        ("10Mb/s", 10_000_000),
        ("1.5Gbit/s", 1_500_000_000),
        ("64kbit", 64_000),
        ("100bit/s", 100),
        ("1MB/s", 8_000_000),
        ("1KiB/s", 8192),
        ("1Mibit/s", 1 << 20),
        ("0", 0),
    ],
)
def test_rates(text: str, bits_per_second: int) -> None:
    assert parse_rate(text) == bits_per_second


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1500B", 1500),
        ("1500", 1500),
        ("1500 bytes", 1500),
        ("10MB", 10_000_000),
        ("64KiB", 65536),
        ("1.5kB", 1500),
        ("2GB", 2_000_000_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "value"), [("1%", 0.01), ("0.3%", 0.003), ("0.25", 0.25), ("100%", 1.0), ("0", 0)]
)
def test_probabilities(text: str, value: float) -> None:
    assert parse_probability(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "meant"),
    [
        (parse_duration, "20", "20ms or 20s"),
        (parse_duration, "-5ms", "negative"),
        (parse_duration, "5 parsec", "use ns, us, ms"),
        (parse_duration, "1.5ns", "whole number of nanoseconds"),
        (parse_duration, "200000d", "100 years"),
        (parse_duration, "soon", "write it like 20ms"),
        (parse_duration, "", "write it like 20ms"),
        (parse_rate, "10", "10Mbit/s"),
        (parse_rate, "10MB", "10MB/s"),
        (parse_rate, "10Mfoo", "use bit/s"),
        (parse_rate, "1e99bit", "1 Pbit/s"),
        (parse_size, "10mb", "10MB"),
        (parse_size, "64k", "64kB"),
        (parse_size, "3 apples", "use B, kB"),
        (parse_size, "0.5B", "whole number of bytes"),
        (parse_probability, "101%", "more than 100%"),
        (parse_probability, "5", "5%"),
        (parse_probability, "1", "1%"),
        (parse_probability, "1ms", "1% or 0.01"),
        (parse_probability, "-1%", "negative"),
    ],
)
def test_errors_say_what_was_meant(parse: Callable[[str], object], text: str, meant: str) -> None:
    with pytest.raises(UnitError) as raised:
        parse(text)
    assert meant in str(raised.value)


@given(st.integers(0, MAX_DURATION))
def test_durations_survive_the_round_trip(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@given(st.integers(0, MAX_RATE))
def test_rates_survive_the_round_trip(rate: int) -> None:
    assert parse_rate(format_rate(rate)) == rate


@given(st.integers(0, MAX_SIZE))
def test_sizes_survive_the_round_trip(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.floats(0, 1))
def test_probabilities_survive_the_round_trip(probability: float) -> None:
    assert parse_probability(format_probability(probability)) == probability


@given(st.text(max_size=20), st.sampled_from([parse_duration, parse_rate, parse_size, parse_probability]))
def test_any_text_is_read_or_refused(text: str, parse: Callable[[str], float]) -> None:
    with suppress(UnitError):
        assert parse(text) >= 0


def test_values_are_written_in_the_unit_that_suits_them() -> None:
    assert format_duration(20_000_000) == "20ms"
    assert format_duration(1_234_567_891) == "1.234567891s"
    assert format_duration(0) == "0ns"
    assert format_duration(-1_500) == "-1.5us"
    assert format_rate(9_460_000) == "9.46Mbit/s"
    assert format_size(10_000_000) == "10MB"
    assert format_probability(0.003) == "0.3%"


def test_digits_round_for_people() -> None:
    assert format_duration(1_234_567_891, 3) == "1.23s"
    assert format_duration(999_999, 2) == "1ms"
    assert format_rate(9_463_712, 3) == "9.46Mbit/s"
    assert format_duration(5, 3) == "5ns"


class Settings(BaseModel):
    delay: Duration = 0
    rate: Rate = 1
    size: Size = 1
    loss: Probability = 0.0


def test_models_take_text_and_dump_what_they_take() -> None:
    settings = Settings.model_validate({"delay": "20ms", "rate": "10Mbit/s", "size": 1500, "loss": "1%"})
    assert (settings.delay, settings.rate, settings.size, settings.loss) == (
        20_000_000,
        10_000_000,
        1500,
        0.01,
    )
    dumped = settings.model_dump()
    assert dumped == {"delay": "20ms", "rate": "10Mbit/s", "size": "1.5kB", "loss": "1%"}
    assert Settings.model_validate(dumped) == settings


@pytest.mark.parametrize(
    ("key", "value"),
    [("delay", 20), ("rate", 10.0), ("loss", 1), ("delay", True), ("size", [1]), ("rate", None)],
)
def test_models_refuse_bare_numbers_that_need_a_unit(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({key: value})
    (error,) = raised.value.errors()
    assert error["loc"] == (key,)
    assert str(value) in error["msg"]


def test_models_take_zero_and_fractions_without_a_unit() -> None:
    settings = Settings.model_validate({"delay": 0, "loss": 0.25})
    assert (settings.delay, settings.loss) == (0, 0.25)


def test_json_schema_has_a_pattern_that_fits_its_examples() -> None:
    for field in Settings.model_json_schema()["properties"].values():
        pattern = field["anyOf"][0]["pattern"]
        assert field["examples"]
        for example in field["examples"]:
            assert not isinstance(example, str) or re.match(pattern, example)
