"""The grammar of tc-netem(8), by the examples of its manual page and of iproute2's own tests."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from links.impairments.netem import NetemError, parse_netem
from links.impairments.spec import Impairments


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("delay 100ms", {"delay": "100ms"}),
        ("delay 100ms 10ms", {"delay": {"time": "100ms", "jitter": "10ms"}}),
        (
            "delay 100ms 20ms distribution normal",
            {"delay": {"time": "100ms", "jitter": "20ms", "distribution": "normal"}},
        ),
        (
            "delay 100ms 10ms 25% distribution paretonormal",
            {
                "delay": {
                    "time": "100ms",
                    "jitter": "10ms",
                    "correlation": "25%",
                    "distribution": "paretonormal",
                }
            },
        ),
        ("latency 1500", {"delay": "1500us"}),
        ("delay 1.5sec 2msecs", {"delay": {"time": "1.5s", "jitter": "2ms"}}),
        ("delay 10ms 0ms", {"delay": {"time": "10ms", "jitter": 0}}),
        ("loss 0.1%", {"loss": "0.1%"}),
        ("loss 5", {"loss": "5%"}),
        ("drop 1%", {"loss": "1%"}),
        ("loss random 0.3% 25%", {"loss": {"probability": "0.3%", "correlation": "25%"}}),
        ("loss 1% ecn", {"loss": {"probability": "1%", "ecn": True}}),
        ("loss state 2%", {"loss": {"state": "2%"}}),
        (
            "loss state 0.3% 38% 22% 50% 1%",
            {"loss": {"state": {"p13": "0.3%", "p31": "38%", "p32": "22%", "p23": "50%", "p14": "1%"}}},
        ),
        ("loss gemodel 1%", {"loss": {"gemodel": "1%"}}),
        (
            "loss gemodel 1% 10% 70% 0.1%",
            {"loss": {"gemodel": {"p": "1%", "r": "10%", "1-h": "70%", "1-k": "0.1%"}}},
        ),
        ("corrupt 0.1%", {"corrupt": "0.1%"}),
        ("corrupt 0.1% 10%", {"corrupt": {"probability": "0.1%", "correlation": "10%"}}),
        ("duplicate 1%", {"duplicate": "1%"}),
        (
            "delay 10ms reorder 25% 50%",
            {"delay": "10ms", "reorder": {"probability": "25%", "correlation": "50%"}},
        ),
        (
            "gap 5 delay 10ms reorder 25% 50%",
            {"delay": "10ms", "reorder": {"probability": "25%", "correlation": "50%", "gap": 5}},
        ),
        ("gap 5 delay 10ms", {"delay": "10ms", "reorder": {"probability": "100%", "gap": 5}}),
        ("rate 5kbit", {"rate": "5kbit/s"}),
        ("rate 10mbit", {"rate": "10Mbit/s"}),
        ("rate 1Gbit", {"rate": "1Gbit/s"}),
        ("rate 1mibit", {"rate": "1048576bit/s"}),
        ("rate 10kbps", {"rate": "80kbit/s"}),
        ("rate 2000", {"rate": "2kbit/s"}),
        ("limit 50 delay 1ms", {"limit": 50, "delay": "1ms"}),
        ("tc qdisc add dev eth0 root netem delay 1ms dup 2%", {"delay": "1ms", "duplicate": "2%"}),
    ],
)
def test_examples(text: str, long: dict[str, Any]) -> None:
    expected = Impairments.model_validate({"limit": 1000, **long})
    assert Impairments.model_validate({"netem": text}) == expected


@pytest.mark.parametrize(
    ("text", "column", "meant"),
    [
        ("", 1, "nothing is asked for"),
        ("delay", 6, "a time is missing"),
        ("delay 20ms foo 3", 12, "'foo' is no option"),
        ("delay 20 apples", 10, "'apples' is no option"),
        ("delay 20parsec", 7, "its unit is one of s, sec"),
        ("delay 20ms loss", 16, "a percentage is missing"),
        ("loss 101%", 6, "more than 100%"),
        ("loss 1% loss 2%", 9, "given twice"),
        ("latency 1ms delay 1ms", 13, "given twice"),
        ("loss state", 11, "a percentage is missing"),
        ("reorder 25%", 12, "reordering needs a delay"),
        ("gap 5", 6, "reordering needs a delay"),
        ("gap 0 delay 1ms", 5, "whole number from 1"),
        ("limit 1.5", 7, "whole number from 1"),
        ("delay 1ms distribution normal", 30, "a delay with jitter"),
        ("delay 1ms 1ms distribution experimental", 28, "these are uniform, normal"),
        ("ecn", 4, "it needs a loss"),
        ("rate 1mbit 20", 12, "not supported"),
        ("rate 1mbit -20", 12, "not supported"),
        ("rate 10%", 6, "'10%' is not a rate"),
        ("slot 20ms", 1, "slot is not supported"),
    ],
)
def test_errors_name_the_column(text: str, column: int, meant: str) -> None:
    with pytest.raises(NetemError) as raised:
        parse_netem(text)
    assert str(raised.value).startswith(f"column {column}:")
    assert meant in str(raised.value)


def test_an_error_has_the_place_of_the_text_in_the_model() -> None:
    with pytest.raises(ValidationError) as raised:
        Impairments.model_validate({"netem": "delay soon"})
    (error,) = raised.value.errors()
    assert error["loc"] == ("netem",)
    assert error["msg"] == "column 7: 'soon' is not a time"


def test_what_it_says_cannot_be_said_again_beside_it() -> None:
    with pytest.raises(ValidationError, match="delay: set by netem, and again beside it"):
        Impairments.model_validate({"netem": "delay 1ms", "delay": "2ms"})
    both = Impairments.model_validate({"netem": "delay 1ms", "rate": "1Mbit/s", "limit": 7})
    assert both.limit == 7


WORDS = (
    "delay",
    "20ms",
    "5ms",
    "25%",
    "loss",
    "random",
    "state",
    "gemodel",
    "1%",
    "reorder",
    "gap",
    "5",
    "rate",
    "ecn",
)


@given(st.lists(st.sampled_from(WORDS)))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    with suppress(NetemError):
        assert parse_netem(" ".join(words))


def test_the_seed_that_tc_prints_is_read_and_means_nothing_here() -> None:
    """All chance comes from the stream that a channel is handed."""
    assert parse_netem("seed 4711 loss 1%") == parse_netem("loss 1%")
