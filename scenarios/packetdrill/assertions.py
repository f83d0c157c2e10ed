"""The Python in a script: assertions about TCP_INFO, read as expressions and never executed as code."""

from __future__ import annotations

import ast
import operator
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, Final

from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.symbols import CONSTANTS

_BINARY: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
    ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip
_UNARY: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
}  # fmt: skip
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": abs, "min": min, "max": max, "int": int, "float": float, "round": round, "len": len, "bool": bool,
}  # fmt: skip
_MOST_BITS: Final = 128
"""Of a number that is shifted by: a script cannot fill memory."""


class FailedAssertionError(Exception):
    """An ``assert`` that does not hold; ``text`` is what it says, with the values of its names."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class Code:
    """The statements of one script: they share their variables.

    Known: ``assert``, assignments, ``if``, ``print`` (says nothing), expressions of names, numbers, strings, lists,
    comparisons, arithmetic and a few functions. Anything else is UnsupportedError.
    """

    def __init__(self) -> None:
        self._variables: dict[str, Any] = {}

    def run(self, text: str, line: int, info: Mapping[str, Any]) -> None:
        """Run statements that begin at ``line``, with the fields of TCP_INFO as variables.

        Raises FailedAssertionError, UnsupportedError.
        """
        body = textwrap.dedent(text.expandtabs()).strip("\n ")
        lead = text[: len(text) - len(text.lstrip())].count("\n")
        try:
            tree = ast.parse(body)
        except SyntaxError as error:
            raise UnsupportedError(line + lead + (error.lineno or 1) - 1, f"code: {error.msg}") from None
        run = _Run(self._variables, info, line + lead)
        for statement in tree.body:
            run.statement(statement)


class _Run:
    def __init__(self, variables: dict[str, Any], info: Mapping[str, Any], line: int) -> None:
        self.variables = variables
        self.info = info
        self.first_line = line

    def line(self, node: ast.stmt | ast.expr) -> int:
        return self.first_line + node.lineno - 1

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assert(test, message):
                if not self.value(test):
                    raise FailedAssertionError(self.line(node), self._explain(test, message))
            case ast.Assign([ast.Name(name)], value):
                self.variables[name] = self.value(value)
            case ast.AugAssign(ast.Name(name) as target, operation, value):
                old = self.value(ast.copy_location(ast.Name(target.id, ast.Load()), node))
                self.variables[name] = self._binary(node, operation, old, self.value(value))
            case ast.If(test, body, otherwise):
                for inner in body if self.value(test) else otherwise:
                    self.statement(inner)
            case ast.Expr(ast.Call(ast.Name("print"))) | ast.Pass():
                pass
            case _:
                raise UnsupportedError(self.line(node), f"code: `{ast.unparse(node).splitlines()[0]}`")

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value) if isinstance(value, (int, float, str)):
                return value
            case ast.Name(name):
                return self._look_up(node, name)
            case ast.Tuple(items) | ast.List(items):
                return [self.value(item) for item in items]
            case ast.BoolOp(ast.And(), values):
                return all(self.value(value) for value in values)
            case ast.BoolOp(_, values):
                return any(self.value(value) for value in values)
            case ast.UnaryOp(operation, operand):
                return _UNARY[type(operation)](self.value(operand))
            case ast.BinOp(left, operation, right):
                return self._binary(node, operation, self.value(left), self.value(right))
            case ast.Compare(left, operations, comparators):
                return self._compare(node, left, operations, comparators)
            case ast.IfExp(test, body, otherwise):
                return self.value(body if self.value(test) else otherwise)
            case ast.Call(ast.Name(function), arguments, []) if function in _FUNCTIONS:
                return _FUNCTIONS[function](*[self.value(argument) for argument in arguments])
            case _:
                raise UnsupportedError(self.line(node), f"code: `{ast.unparse(node)}`")

    def _look_up(self, node: ast.expr, name: str) -> Any:
        for names in (self.variables, self.info, CONSTANTS):
            if name in names:
                return names[name]
        what = "TCP_INFO has no" if name.startswith("tcpi_") else "code: unknown name"
        raise UnsupportedError(self.line(node), f"{what} {name}")

    def _binary(self, node: ast.stmt | ast.expr, operation: ast.operator, left: Any, right: Any) -> Any:
        function = _BINARY.get(type(operation))
        shifts = isinstance(operation, (ast.LShift, ast.RShift)) and right > _MOST_BITS
        if function is None or shifts or isinstance(left, str) or isinstance(right, str):
            raise UnsupportedError(self.line(node), f"code: `{ast.unparse(node)}`")
        return function(left, right)

    def _compare(
        self, node: ast.expr, left: ast.expr, operations: list[ast.cmpop], comparators: list[ast.expr]
    ) -> bool:
        value = self.value(left)
        for operation, comparator in zip(operations, comparators, strict=True):
            compare = _COMPARISONS.get(type(operation))
            if compare is None:
                raise UnsupportedError(self.line(node), f"code: `{ast.unparse(node)}`")
            other = self.value(comparator)
            if not compare(value, other):
                return False
            value = other
        return True

    def _explain(self, test: ast.expr, message: ast.expr | None) -> str:
        """The assertion, its message if that adds something, and what its names stand for."""
        names = dict.fromkeys(node.id for node in ast.walk(test) if isinstance(node, ast.Name))
        values = [
            f"{name} = {self.value(ast.copy_location(ast.Name(name, ast.Load()), test))}"
            for name in names
            if name not in _FUNCTIONS and name not in CONSTANTS
        ]
        if isinstance(message, ast.Constant):
            values.append(str(message.value))
        return f"assert {ast.unparse(test)}: {', '.join(values)}"
