"""The command line of ``tc qdisc ... netem`` (tc-netem(8)), read as it is.

The units are tc's own, which differ from those of the rest: a bare time is in microseconds, a percentage needs
no ``%``, and ``bps`` is bytes per second.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from links.units import UnitError, format_duration, format_rate, parse_probability

DEFAULT_LIMIT = 1000
"""Frames that netem holds when no limit is given."""

_DISTRIBUTIONS = ("uniform", "normal", "pareto", "paretonormal")

_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})([a-zA-Z]*)")
_TIMES = {
    **dict.fromkeys(("s", "sec", "secs"), 10**9),
    **dict.fromkeys(("ms", "msec", "msecs"), 10**6),
    **dict.fromkeys(("", "us", "usec", "usecs"), 10**3),
    **dict.fromkeys(("ns", "nsec", "nsecs"), 1),
}
_PREFIXES = dict(zip(("", "k", "m", "g", "t"), (1000**power for power in range(5)), strict=True))
_PREFIXES |= dict(zip(("ki", "mi", "gi", "ti"), (1024**power for power in range(1, 5)), strict=True))
_RATES = {
    "": 1,
    **{f"{prefix}bit": scale for prefix, scale in _PREFIXES.items()},
    **{f"{prefix}bps": 8 * scale for prefix, scale in _PREFIXES.items()},
}


class NetemError(ValueError):
    """The text is no netem command line, or asks for what there is not; the message names the column."""


def parse_netem(text: str) -> dict[str, Any]:
    """The keys of :class:`links.impairments.spec.Impairments` that it sets. Raises NetemError."""
    return _Parser(text).parse()


class _Parser:
    """Takes one word after the other, as tc does; options may be abbreviated as there."""

    def __init__(self, text: str) -> None:
        self._words = [(found.group(), found.start() + 1) for found in re.finditer(r"\S+", text)]
        self._words.append(("", len(text) + 1))
        names = [word for word, _ in self._words]
        self._at = names.index("netem") + 1 if "netem" in names else 0
        self._readers = {
            "limit": self._count,
            "latency": self._delay,
            "delay": self._delay,
            "loss": self._loss,
            "drop": self._loss,
            "ecn": lambda: True,
            "reorder": self._chance,
            "corrupt": self._chance,
            "gap": self._count,
            "duplicate": self._chance,
            "distribution": self._distribution,
            "rate": self._rate,
            "seed": self._count,
        }

    def parse(self) -> dict[str, Any]:
        """All options, and what they say together."""
        found: dict[str, Any] = {}
        while self._word:
            option = self._option()
            self._at += 1
            if option in found:
                raise self._error(f"{option} is given twice", -1)
            found[option] = self._readers[option]()
        if not found:
            raise self._error("nothing is asked for; write for example 'delay 20ms loss 1%'")
        return self._combine(found)

    def _combine(self, found: dict[str, Any]) -> dict[str, Any]:
        distribution, gap, ecn = (found.pop(option, None) for option in ("distribution", "gap", "ecn"))
        # tc prints one of its own; here all chance comes from whoever hands it in.
        found.pop("seed", None)
        if distribution is not None:
            if "jitter" not in found.get("delay", {}):
                raise self._error("a distribution needs a delay with jitter")
            found["delay"]["distribution"] = distribution
        if gap is not None:
            # Without a probability each gap-th frame is sent at once, as in the first versions of netem.
            found.setdefault("reorder", {"probability": "100%"})["gap"] = gap
        if "reorder" in found and "delay" not in found:
            raise self._error("reordering needs a delay")
        if ecn is not None:
            if "loss" not in found:
                raise self._error("ecn marks what would be lost: it needs a loss")
            found["loss"]["ecn"] = True
        return found

    @property
    def _word(self) -> str:
        return self._words[self._at][0]

    def _error(self, text: str, offset: int = 0) -> NetemError:
        return NetemError(f"column {self._words[self._at + offset][1]}: {text}")

    def _option(self) -> str:
        option = next((name for name in (*self._readers, "slot") if name.startswith(self._word)), None)
        if option is None:
            raise self._error(f"{self._word!r} is no option of netem; these are {', '.join(self._readers)}")
        if option not in self._readers:
            raise self._error(f"{option} is not supported here")
        return {"latency": "delay", "drop": "loss"}.get(option, option)

    def _has_number(self) -> bool:
        return self._word[:1].isdecimal() or self._word[:1] == "."

    def _number(self, what: str) -> tuple[Fraction, str]:
        parts = _NUMBER.fullmatch(self._word)
        if parts is None:
            raise self._error(
                f"{what} is missing here" if not self._word else f"{self._word!r} is not {what}"
            )
        return Fraction(parts[1]), parts[2].lower()

    def _scaled(self, units: dict[str, int], what: str) -> int:
        value, unit = self._number(what)
        if unit not in units:
            raise self._error(
                f"{self._word!r} is not {what}: its unit is one of {', '.join(filter(None, units))}"
            )
        self._at += 1
        return int(value * units[unit])

    def _time(self) -> str:
        return format_duration(self._scaled(_TIMES, "a time"))

    def _percentage(self) -> str:
        text = self._word if self._word.endswith("%") else f"{self._word}%"
        try:
            parse_probability(text)
        except UnitError as error:
            raise self._error(str(error) if self._word else "a percentage is missing here") from None
        self._at += 1
        return text

    def _count(self) -> int:
        value, unit = self._number("a whole number")
        if unit or value.denominator != 1 or value < 1:
            raise self._error(f"{self._word!r} is not a whole number from 1")
        self._at += 1
        return value.numerator

    def _chance(self) -> dict[str, Any]:
        chance = {"probability": self._percentage()}
        if self._has_number():
            chance["correlation"] = self._percentage()
        return chance

    def _delay(self) -> dict[str, Any]:
        delay = {"time": self._time()}
        if self._has_number():
            delay["jitter"] = self._time()
            if self._has_number():
                delay["correlation"] = self._percentage()
        return delay

    def _loss(self) -> dict[str, Any]:
        models = {"state": ("p13", "p31", "p32", "p23", "p14"), "gemodel": ("p", "r", "1-h", "1-k")}
        model = self._word
        if model not in models:
            self._at += model == "random"
            return self._chance()
        self._at += 1
        first, *others = models[model]
        values = {first: self._percentage()}
        for name in others:
            if not self._has_number():
                break
            values[name] = self._percentage()
        return {model: values}

    def _distribution(self) -> str:
        name = self._word
        if name not in _DISTRIBUTIONS:
            raise self._error(f"{name!r} is no distribution; these are {', '.join(_DISTRIBUTIONS)}")
        self._at += 1
        return name

    def _rate(self) -> str:
        rate = self._scaled(_RATES, "a rate")
        if self._has_number() or self._word.startswith("-"):
            raise self._error("packet overhead and cells of a rate are not supported here")
        return format_rate(rate)
