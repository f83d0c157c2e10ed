"""Conditions over what a run measures: ``download.bytes > 1MB and not link.wire.up``.

A language of comparisons, ``and``, ``or``, ``not`` and parentheses over metrics (see
:mod:`scenarios.metrics`) and quantities with units. It is parsed and compiled to closures, each quantity
read in the dimension of the metric that it is compared with; nothing in it can do anything but look.

::

    condition   = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | "(" condition ")" | comparison
    comparison  = operand [ ( ">=" | "<=" | "==" | "!=" | ">" | "<" ) operand ]
    operand     = metric | quantity | "true" | "false"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from links.units import UnitError
from scenarios.quantities import OPERATORS, Dimension, Value

MAX_LENGTH = 1000
"""Characters of a condition; bounds the depth of its parser too."""

_TOKEN = re.compile(
    r"\s*(?:(?P<quantity>\d[\w.%/µ]*)|(?P<word>[A-Za-z_][\w.-]*)|(?P<operator>>=|<=|==|!=|>|<|=)|(?P<paren>[()]))"
)
_KEYWORDS = ("and", "or", "not")

Read: TypeAlias = Callable[[], Value | None]
"""Reads a metric as it is now."""
Condition: TypeAlias = Callable[[], bool]
"""A compiled condition."""


class ExpressionError(ValueError):
    """A condition that cannot be read; the message says where it breaks."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A metric, resolved: its dimension and how to read it."""

    dimension: Dimension
    read: Read


Resolve: TypeAlias = Callable[[str], Quantity]
"""Finds the metric of a dotted name. Raises ExpressionError, which says what was probably meant."""


class _Token(NamedTuple):
    kind: str
    text: str


def compile_condition(text: str, resolve: Resolve) -> Condition:
    """The function that tells whether ``text`` holds now. What is not measured yet holds in no comparison.

    Raises:
        ExpressionError: for bad syntax, an unknown metric, or a quantity in the wrong unit.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"a condition has at most {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text), resolve)
    condition = parser.condition()
    parser.finish()
    return condition


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise ExpressionError(f"{text[position:].strip()[0]!r} has no meaning in a condition")
        word = found[found.lastgroup]
        kind = "keyword" if word in _KEYWORDS else found.lastgroup
        tokens.append(_Token(kind, word))
        position = found.end()
    return tokens


class _Parser:
    """Recursive descent, one method per rule of the grammar above."""

    def __init__(self, tokens: list[_Token], resolve: Resolve) -> None:
        self._tokens = tokens
        self._resolve = resolve
        self._next = 0

    def condition(self) -> Condition:
        terms = [self._conjunction()]
        while self._take("or"):
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else lambda: any(term() for term in terms)

    def finish(self) -> None:
        if self._next < len(self._tokens):
            raise ExpressionError(f"{self._tokens[self._next].text!r} is unexpected")

    def _conjunction(self) -> Condition:
        terms = [self._negation()]
        while self._take("and"):
            terms.append(self._negation())
        return terms[0] if len(terms) == 1 else lambda: all(term() for term in terms)

    def _negation(self) -> Condition:
        if self._take("not"):
            inner = self._negation()
            return lambda: not inner()
        if self._take("("):
            inner = self.condition()
            if not self._take(")"):
                raise ExpressionError("a ) is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._operand()
        if self._next == len(self._tokens) or self._tokens[self._next].kind != "operator":
            return self._flag(left)
        sign = self._tokens[self._next].text
        self._next += 1
        if sign == "=":
            raise ExpressionError("equality is written ==")
        right = self._operand()
        metric = self._metric(left) or self._metric(right)
        if metric is None:
            raise ExpressionError(f"`{left.text} {sign} {right.text}` compares no metric")
        return self._compare(self._read(left, metric.dimension), sign, self._read(right, metric.dimension))

    @staticmethod
    def _compare(left: Read, sign: str, right: Read) -> Condition:
        compare = OPERATORS[sign]

        def holds() -> bool:
            one, other = left(), right()
            return one is not None and other is not None and compare(one, other)

        return holds

    def _flag(self, token: _Token) -> Condition:
        if token.text in ("true", "false"):
            value = token.text == "true"
            return lambda: value
        metric = self._metric(token)
        if metric is None or metric.dimension is not Dimension.FLAG:
            raise ExpressionError(f"{token.text!r} is compared with nothing; write `{token.text} > ...`")
        read = metric.read
        return lambda: read() is True

    def _operand(self) -> _Token:
        if self._next == len(self._tokens):
            raise ExpressionError("the condition ends too early")
        token = self._tokens[self._next]
        if token.kind not in ("quantity", "word"):
            raise ExpressionError(f"{token.text!r} is unexpected")
        self._next += 1
        return token

    def _metric(self, token: _Token) -> Quantity | None:
        if token.kind == "quantity" or token.text in ("true", "false"):
            return None
        return self._resolve(token.text)

    def _read(self, token: _Token, dimension: Dimension) -> Read:
        metric = self._metric(token)
        if metric is not None:
            if metric.dimension is not dimension:
                raise ExpressionError(f"{token.text} is a {metric.dimension.value}, not a {dimension.value}")
            return metric.read
        try:
            value = dimension.parse(token.text)
        except UnitError as error:
            raise ExpressionError(str(error)) from None
        return lambda: value

    def _take(self, text: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next].text == text:
            self._next += 1
            return True
        return False
