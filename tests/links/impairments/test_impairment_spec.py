from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from links.impairments.aim import Aim
from links.impairments.limit import QueueLimit
from links.impairments.ordinals import OrdinalSet
from links.impairments.spec import Bandwidth, Impairments, Queue

GOOD: list[dict[str, Any]] = [
    {},
    {"delay": "20ms"},
    {
        "delay": {
            "time": "20ms",
            "jitter": "5ms",
            "correlation": "25%",
            "distribution": "pareto",
            "keep_order": True,
        }
    },
    {"rate": "10Mbit/s", "queue": "100 packets"},
    {"rate": "10Mbit/s", "queue": {"limit": "1.5bdp", "rtt": "40ms", "ce_threshold": "30kB"}},
    {"rate": {"constant": "1Gbit/s"}, "queue": {"discipline": "codel", "ecn": True, "target": "1ms"}},
    {"rate": {"trace": [0, 5, 10]}, "queue": "20ms"},
    {"loss": "1%"},
    {"loss": {"probability": 0.01, "correlation": "25%", "ecn": True}},
    {"loss": {"gemodel": {"p": "1%", "r": "10%", "1-h": "70%", "1-k": "0.1%"}}},
    {"loss": {"state": {"p13": "1%", "p31": "20%", "p32": "30%", "p23": "40%", "p14": "2%"}}},
    {"loss": {"every": 10}},
    {"loss": {"ordinals": [3, "7-9"]}},
    {"loss": {"trace": [0, 0, 1]}},
    {"delay": "1ms", "reorder": {"probability": "25%", "correlation": "50%", "gap": 5}},
    {"duplicate": "1%", "corrupt": {"probability": "2%", "correlation": "10%"}},
    {"mtu": 1400, "up": False, "limit": 500},
    {"drop": {"match": "tcp and syn", "nth": 1}},
    {"drop": ["tcp and rst", {"match": "udp", "every": 3, "times": 2}]},
    {"delay": {"match": "tcp and data", "nth": "3-5", "time": "1s"}},
    {"delay": ["20ms", {"nth": 1, "time": "1s"}], "corrupt": {"match": "udp"}, "duplicate": {"nth": [1, 4]}},
    {"faults": [{"drop": "syn"}, {"delay": {"match": "fin", "time": "1s"}}]},
    {"netem": "delay 20ms 5ms 25% loss gemodel 1% 10%"},
]


@pytest.mark.parametrize("written", GOOD)
def test_dumps_to_what_it_reads(written: dict[str, Any]) -> None:
    spec = Impairments.model_validate(written)
    assert Impairments.model_validate(spec.model_dump()) == spec
    assert Impairments.model_validate(json.loads(spec.model_dump_json(exclude_unset=True))) == spec


@pytest.mark.parametrize(
    ("written", "place", "meant"),
    [
        ({"rate": 0}, ("rate", "constant"), "'up: false'"),
        ({"rate": "10"}, ("rate", "constant"), "10Mbit/s"),
        ({"rate": {"constant": "1Mbit/s", "trace": [1]}}, ("rate",), "either as a constant or as a trace"),
        ({"rate": {"trace": [5, 3]}}, ("rate", "trace"), "go backwards"),
        ({"rate": {"trace": [0]}}, ("rate", "trace"), "its period"),
        ({"rate": {"trace": "no.such.file"}}, ("rate", "trace"), "cannot read the trace no.such.file"),
        ({"loss": "101%"}, ("loss", "probability"), "more than 100%"),
        ({"loss": 5}, ("loss", "probability"), "5%?"),
        ({"loss": {"every": 3, "gemodel": "1%"}}, ("loss",), "not gemodel and every"),
        ({"loss": {}}, ("loss",), "not none"),
        ({"loss": {"every": 3, "correlation": "5%"}}, ("loss",), "belongs to a probability"),
        ({"loss": {"ordinals": 0}}, ("loss", "ordinals"), "number 1"),
        ({"loss": {"ordinals": "9-3"}}, ("loss", "ordinals"), "3-9?"),
        ({"loss": {"ordinals": "some"}}, ("loss", "ordinals"), "3-7"),
        ({"loss": {"ordinals": []}}, ("loss", "ordinals"), "no number"),
        ({"loss": {"state": {"p13": "60%", "p14": "50%"}}}, ("loss", "state"), "at most 100%"),
        ({"loss": {"gemodel": {"r": "1%"}}}, ("loss", "gemodel", "p"), "required"),
        ({"delay": "-1ms"}, ("delay", "time"), "negative"),
        ({"delay": {"time": "1ms", "distribution": "normal"}}, ("delay",), "add jitter"),
        ({"delay": ["1ms", "2ms"]}, ("delay", "time"), "not a duration"),
        ({"reorder": "1%"}, (), "needs a delay"),
        ({"queue": "5 packets"}, (), "add a rate"),
        ({"rate": "1Mbit/s", "queue": 100}, ("queue", "limit"), "'100 packets'"),
        ({"rate": "1Mbit/s", "queue": "5 apples"}, ("queue", "limit"), "'1bdp'"),
        ({"rate": "1Mbit/s", "queue": "1bdp"}, (), "a round trip"),
        ({"rate": "1Mbit/s", "queue": {"target": "1ms"}}, ("queue",), "'discipline: codel'"),
        ({"rate": "1Mbit/s", "queue": {"ecn": True}}, ("queue",), "ce_threshold"),
        ({"rate": "1Mbit/s", "queue": {"discipline": "codel", "interval": 0}}, ("queue",), "100ms"),
        ({"mtu": 20}, ("mtu",), "68"),
        ({"drop": {"match": "tcp and sny"}}, ("drop", 0, "match"), "column 9"),
        ({"drop": {"nth": 1, "every": 2}}, ("drop", 0), "leave out every and times"),
        ({"drop": 5}, ("drop", 0, "match"), "'tcp and syn and not ack'"),
        ({"delay": {"match": "tcp"}}, ("faults", 0, "delay", "time"), "required"),
        ({"faults": [{"drop": "syn", "corrupt": "syn"}]}, ("faults", 0), "one of drop"),
        ({"speed": 3}, ("speed",), "not permitted"),
    ],
)
def test_mistakes_are_named_in_their_place(
    written: dict[str, Any], place: tuple[str, ...], meant: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        Impairments.model_validate(written)
    (error,) = raised.value.errors()
    assert error["loc"] == place
    assert meant in error["msg"]


def test_every_field_is_documented_in_the_json_schema() -> None:
    schema = Impairments.model_json_schema()
    models = {"Impairments": schema, **schema["$defs"]}
    for name, model in models.items():
        long = next((form for form in model.get("anyOf", []) if "properties" in form), model)
        for key, field in long["properties"].items():
            assert field.get("description"), f"{name}.{key}"


def test_netems_defaults_of_the_markov_models() -> None:
    loss = Impairments.model_validate({"loss": {"gemodel": "1%"}}).loss
    assert loss is not None
    assert loss.gemodel is not None
    assert (loss.gemodel.r, loss.gemodel.loss_bad, loss.gemodel.loss_good) == (0.99, 1.0, 0.0)
    loss = Impairments.model_validate({"loss": {"state": "5%"}}).loss
    assert loss is not None
    assert loss.state is not None
    assert (loss.state.p31, loss.state.p32, loss.state.p23, loss.state.p14) == (0.95, 0.0, 1.0, 0.0)


def test_values_can_be_given_as_objects_too() -> None:
    queue = Queue(limit=QueueLimit(packets=5))
    aim = Aim(nth=OrdinalSet(((1, 1), (3, 4))))
    written = {"rate": {"trace": [1]}, "queue": "5 packets", "drop": {"nth": [1, 3, 4]}}
    assert Impairments(rate=Bandwidth(trace=(1,)), queue=queue, drop=(aim,)) == Impairments.model_validate(
        written
    )


def test_a_bdp_is_the_rate_times_the_round_trip() -> None:
    spec = Impairments.model_validate({"rate": "10Mbit/s", "delay": "20ms", "queue": "1bdp"})
    assert spec.capacity(spec.queue.limit).size == 50_000
    spec = spec.changed({"queue": {"limit": "2bdp", "rtt": "10ms"}})
    assert spec.capacity(spec.queue.limit).size == 25_000


def test_a_queue_in_time_is_what_leaves_in_that_time() -> None:
    spec = Impairments.model_validate({"rate": "8Mbit/s", "queue": "20ms"})
    assert spec.capacity(spec.queue.limit).size == 20_000


def test_changes_are_laid_over_what_there_is() -> None:
    spec = Impairments.model_validate({"delay": "20ms", "loss": "1%", "reorder": "2%"})
    changed = spec.changed({"loss": None, "delay": "5ms"})
    assert changed == Impairments.model_validate({"delay": "5ms", "reorder": "2%"})
    with pytest.raises(ValidationError, match="needs a delay"):
        spec.changed({"delay": None})


def test_a_netem_string_can_be_a_change() -> None:
    spec = Impairments.model_validate({"delay": "20ms", "rate": "1Mbit/s"})
    changed = spec.changed({"netem": "loss 1% limit 5"})
    assert changed == Impairments.model_validate(
        {"delay": "20ms", "rate": "1Mbit/s", "loss": "1%", "limit": 5}
    )


def test_the_text_of_a_command_line() -> None:
    assert Impairments.parse_text("loss=1%, delay=20ms, reorder=2%") == Impairments.model_validate(
        {"loss": "1%", "delay": "20ms", "reorder": "2%"}
    )
    assert Impairments.parse_text(
        "delay.time=20ms, delay.jitter=5ms, rate=1Mbit/s, queue.limit=1bdp, drop.match=tcp and syn, drop.nth=1"
    ) == Impairments.model_validate(
        {
            "delay": {"time": "20ms", "jitter": "5ms"},
            "rate": "1Mbit/s",
            "queue": "1bdp",
            "drop": {"match": "tcp and syn", "nth": 1},
        }
    )
    assert Impairments.parse_text("delay 20ms loss 1%") == Impairments.model_validate(
        {"netem": "delay 20ms loss 1%"}
    )
    assert Impairments.parse_text("up=false").up is False


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("loss=1%, delay", "key=value"),
        ("=1%", "key=value"),
        ("loss=1%, loss=2%", "set twice"),
        ("delay=20ms, delay.jitter=5ms", "delay is 20ms already"),
        ("loss=200%", "more than 100%"),
        ("colour=blue", "colour"),
    ],
)
def test_mistakes_in_the_text_of_a_command_line(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=meant):
        Impairments.parse_text(text)


def test_traces_are_read_from_the_directory_of_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "cell.trace").write_text("0\n# a comment\n5\n5\n10\n")
    (tmp_path / "loss.trace").write_text("0010 1\n\n0\n")
    spec = Impairments.model_validate(
        {"rate": {"trace": "cell.trace"}, "loss": {"trace": "loss.trace"}}, context={"directory": tmp_path}
    )
    assert spec.rate is not None
    assert spec.rate.trace == (0, 5, 5, 10)
    assert spec.loss is not None
    assert spec.loss.trace == (False, False, True, False, True, False)


@pytest.mark.parametrize(
    ("content", "meant"),
    [(b"0\nfive\n", "line 2"), (b"\xff\xfe", "not a text file"), (b"", "at least 1 item")],
)
def test_a_trace_that_makes_no_sense(tmp_path: Path, content: bytes, meant: str) -> None:
    (tmp_path / "t").write_bytes(content)
    for written in ({"rate": {"trace": "t"}}, {"loss": {"trace": "t"}}):
        with pytest.raises(ValidationError, match=meant):
            Impairments.model_validate(written, context={"directory": tmp_path})
