"""Each model of loss against what theory says, with fixed seeds and bounds of four standard errors or more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from random import Random
from typing import Any

import pytest

from links.impairments.loss import loss_model
from links.impairments.spec import Impairments
from tests.links.impairments.frames import CE, ECT0, Bench, plain, tcp

FRAMES = 100_000


def losses(spec: object, count: int = FRAMES, seed: int = 7) -> list[bool]:
    model = loss_model(Impairments.model_validate({"loss": spec}).loss, Random(seed))
    assert model is not None
    return [model.loses() for _ in range(count)]


def mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


def bursts(values: Sequence[bool]) -> list[int]:
    return [len(list(run)) for lost, run in groupby(values) if lost]


def autocorrelation(values: Sequence[float]) -> float:
    """Of each value with the next."""
    average = sum(values) / len(values)
    deviations = [value - average for value in values]
    products = sum(a * b for a, b in pairwise(deviations))
    return products / sum(deviation**2 for deviation in deviations)


@pytest.mark.parametrize("probability", ["0.5%", "10%", "50%"])
def test_independent_loss(probability: str) -> None:
    p = float(probability.rstrip("%")) / 100
    lost = losses(probability)
    assert mean(lost) == pytest.approx(p, abs=4 * (p * (1 - p) / FRAMES) ** 0.5)
    assert mean(bursts(lost)) == pytest.approx(1 / (1 - p), rel=0.03)
    assert abs(autocorrelation(lost)) < 0.015


def test_all_and_nothing() -> None:
    assert all(losses("100%", 1000))
    assert loss_model(Impairments.model_validate({"loss": 0}).loss, Random(1)) is None


def test_correlated_loss_comes_in_bursts() -> None:
    """netem draws each number towards the last one, x' = 75 % u + 25 % x, so losses follow losses."""
    lost = losses({"probability": "40%", "correlation": "25%"})
    after_loss = [now for before, now in pairwise(lost) if before]
    assert mean(after_loss) > mean(lost) + 0.05
    assert autocorrelation(lost) > 0.1


def test_correlation_narrows_the_numbers_as_in_netem() -> None:
    """Below the lower end of what the average of fresh and last can reach, nothing is lost any more."""
    assert mean(losses({"probability": "1%", "correlation": "90%"})) == 0


@pytest.mark.parametrize(
    ("p", "r", "loss_bad", "loss_good"), [(1, 10, 100, 0), (1, 10, 70, 0.1), (5, 25, 50, 1), (20, 20, 90, 10)]
)
def test_gilbert_elliott(p: float, r: float, loss_bad: float, loss_good: float) -> None:
    lost = losses({"gemodel": {"p": f"{p}%", "r": f"{r}%", "1-h": f"{loss_bad}%", "1-k": f"{loss_good}%"}})
    expected = (p * loss_bad + r * loss_good) / (p + r) / 100
    assert mean(lost) == pytest.approx(expected, rel=0.08)


def test_simple_gilbert_has_bursts_of_mean_length_one_over_r() -> None:
    lengths = bursts(losses({"gemodel": {"p": "1%", "r": "10%"}}))
    assert sum(lengths) / len(lengths) == pytest.approx(10, rel=0.1)


def test_gilbert_elliott_with_p_alone_is_independent_loss() -> None:
    lost = losses({"gemodel": "10%"})
    assert mean(lost) == pytest.approx(0.1, rel=0.05)
    assert abs(autocorrelation(lost)) < 0.015


def stationary(p13: float, p31: float, p32: float, p23: float, p14: float) -> list[float]:
    """The long-run shares of the four states, by power iteration."""
    matrix = [
        [1 - p13 - p14, 0, p13, p14],
        [0, 1 - p23, p23, 0],
        [p31, p32, 1 - p31 - p32, 0],
        [1, 0, 0, 0],
    ]
    share = [1.0, 0.0, 0.0, 0.0]
    for _ in range(5000):
        share = [sum(share[i] * matrix[i][j] for i in range(4)) for j in range(4)]
    return share


@pytest.mark.parametrize(
    ("p13", "p31", "p32", "p23", "p14"),
    [(0.01, 0.2, 0.1, 0.4, 0.02), (0.05, 0.5, 0, 1, 0), (0.02, 0.1, 0.3, 0.3, 0), (0, 1, 0, 1, 0.1)],
)
def test_four_states(p13: float, p31: float, p32: float, p23: float, p14: float) -> None:
    state = {"p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}
    written = {key: f"{value * 100}%" for key, value in state.items()}
    share = stationary(**state)
    assert mean(losses({"state": written})) == pytest.approx(share[2] + share[3], rel=0.08)


def test_four_states_with_p13_alone_is_independent_loss() -> None:
    lost = losses({"state": "10%"})
    assert mean(lost) == pytest.approx(0.1, rel=0.05)
    assert abs(autocorrelation(lost)) < 0.015


def test_a_single_loss_of_the_four_state_model_is_followed_by_a_reception() -> None:
    lost = losses({"state": {"p13": "0%", "p14": "50%"}})
    assert set(bursts(lost)) == {1}


def test_every_nth() -> None:
    assert [index for index, lost in enumerate(losses({"every": 4}, 13), 1) if lost] == [4, 8, 12]


def test_ordinals() -> None:
    assert [index for index, lost in enumerate(losses({"ordinals": [3, "7-9"]}, 20), 1) if lost] == [
        3,
        7,
        8,
        9,
    ]


def test_a_recorded_loss_repeats() -> None:
    assert losses({"trace": [0, 1, 1]}, 7) == [False, True, True, False, True, True, False]


@pytest.mark.parametrize("spec", [{"every": 2}, {"ordinals": [1]}, {"trace": [0, 1]}])
def test_deterministic_models_draw_nothing(spec: dict[str, Any]) -> None:
    random = Random(3)
    state = random.getstate()
    model = loss_model(Impairments.model_validate({"loss": spec}).loss, random)
    assert model is not None
    for _ in range(10):
        model.loses()
    assert random.getstate() == state


def test_a_channel_drops_what_is_lost() -> None:
    bench = Bench(loss={"ordinals": [2, 3]})
    frames = [plain(60) for _ in range(4)]
    bench.send(*frames)
    bench.clock.run()
    assert bench.frames == [frames[0], frames[3]]
    assert bench.drops == {"lost": 2}


def test_with_ecn_capable_frames_are_marked_instead() -> None:
    bench = Bench(loss={"probability": "100%", "ecn": True})
    bench.send(tcp(b"x", traffic_class=ECT0), tcp(b"x"))
    bench.clock.run()
    (frame,) = bench.frames
    assert len(frame) == 55
    assert bytes(frame)[15] & CE == CE
    assert bench.drops == {"lost": 1}
    assert bench.channel.statistics.marked == 1
