"""From text to :mod:`~scenarios.packetdrill.syntax`: options, times, calls, shell and code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from scenarios.packetdrill.packet_parser import parse_packet
from scenarios.packetdrill.source import Scanner, Source
from scenarios.packetdrill.syntax import (
    Anything,
    Apply,
    Call,
    Code,
    Combined,
    Direction,
    Event,
    Expression,
    Integer,
    Listing,
    Name,
    Packet,
    Script,
    Shell,
    Structure,
    Text,
    TimeKind,
    When,
)

_OPTION: Final = re.compile(r"--([A-Za-z0-9_]+)")
_DEFINITION: Final = re.compile(r"\s*([A-Za-z_]\w*)=(\"[^\"\n]*\"|`[^`]*`|[^\s]+)")
_VALUE: Final = re.compile(r"\"[^\"\n]*\"|[^\s]+")
_SHELL: Final = re.compile(r"`")
_CODE: Final = re.compile(r"%\{")
_TIME: Final = re.compile(r"(\+)?[ \t]*(\d+\.(?!\.)\d*|\.\d+|\d+)")
_ANY_TIME: Final = re.compile(r"\*")
_RANGE: Final = re.compile(r"~[ \t]*\+?[ \t]*(\d+\.\d*|\.\d+|\d+)")
_END: Final = re.compile(r"\.\.\.[ \t]*\+?(\d+\.\d*|\.\d+|\d+)")
_FUNCTION: Final = re.compile(r"[a-z_][a-z0-9_]*(?=\s*\()")
_ELLIPSIS: Final = re.compile(r"\.\.\.")
_CAST: Final = re.compile(r"\(\s*[a-z_]\w*\s*\*\s*\)")
_NUMBER: Final = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d+)")
_WORD: Final = re.compile(r"[A-Za-z_][\w]*")
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|(.))")
_FIELD: Final = re.compile(r"([A-Za-z_]\w*)\s*(?:\([^()]*\)\s*)?=(?!=)")
_ERRNO: Final = re.compile(r"E[A-Z0-9]+\b")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


_SECOND: Final = 1_000_000_000


def _unescape(escape: re.Match[str]) -> str:
    octet, character = escape.groups()
    return chr(int(octet, 16)) if octet else _ESCAPES.get(character, character)


def parse(source: Source, symbols: Mapping[str, str]) -> Script:
    """Read a script.

    ``symbols`` are definitions from outside, which win over the script's own. Raises ScenarioError at the first
    mistake, UnsupportedError for parts of the language that the interpreter does not have.
    """
    return _Parser(source, symbols).script()


def nanoseconds(text: str) -> int:
    """Seconds, as written."""
    return int(Decimal(text) * _SECOND)


@dataclass(slots=True)
class _Parser:
    def __init__(self, source: Source, symbols: Mapping[str, str]) -> None:
        self.scanner = Scanner(source)
        self.symbols = symbols

    scanner: Scanner
    symbols: Mapping[str, str]

    def script(self) -> Script:
        options = self._options()
        defined = {}
        for _, name, value in options:
            if name == "define":
                key, _, meaning = value.partition("=")
                defined[key] = meaning
        self.symbols = {**defined, **self.symbols}
        before: list[Event] = []
        while self.scanner.looks_at(_SHELL):
            begin = self.scanner.at
            line = self.scanner.line
            before.append(Event(line, self._text(begin), When(TimeKind.RELATIVE), self._shell()))
        events: list[Event] = []
        while not self.scanner.at_end():
            events.append(self._event())
        if not events:
            self.scanner.refuse("expected an event")
        return Script(tuple(options), tuple(events), tuple(before))

    def _options(self) -> list[tuple[int, str, str]]:
        scanner = self.scanner
        options = []
        while scanner.looks_at(_OPTION):
            line = scanner.line
            name = scanner.need(_OPTION, "an option").group(1)
            value = ""
            if name in ("define", "D"):
                scanner.take_text("=")
                found = _DEFINITION.match(scanner.source.text, scanner.at)
                if found is None:
                    scanner.refuse("expected SYMBOL=VALUE")
                scanner.at = found.end()
                name, value = "define", f"{found.group(1)}={found.group(2).strip(chr(34))}"
            elif scanner.source.text.startswith("=", scanner.at):
                scanner.at += 1
                value = scanner.need(_VALUE, "a value").group().strip('"')
            options.append((line, name, value))
        return options

    # --- events

    def _event(self) -> Event:
        scanner = self.scanner
        line, begin = scanner.line, scanner.at
        if scanner.looks_at(_SHELL):
            return Event(line, self._text(begin), When(TimeKind.RELATIVE), self._shell())
        when = self._when()
        action: Packet | Call | Shell | Code
        if scanner.looks_at(_SHELL):
            action = self._shell()
        elif scanner.take(_CODE):
            action = Code(scanner.take_up_to("}%"))
        elif scanner.source.text[scanner.at : scanner.at + 1] in ("<", ">"):
            action = parse_packet(scanner, self.symbols)
            if when.latest is not None and action.direction is Direction.INBOUND:
                scanner.source.refuse_line(line, "a range of times is for outbound packets only")
        else:
            action = self._call()
        return Event(line, self._text(begin), when, action)

    def _text(self, begin: int) -> str:
        text = self.scanner.source.text[begin : self.scanner.at]
        return " ".join(re.sub(r"//[^\n]*", "", text).split())

    def _when(self) -> When:
        scanner = self.scanner
        if scanner.take(_ANY_TIME):
            return When(TimeKind.ANY)
        found = scanner.need(_TIME, "a time")
        kind = TimeKind.RELATIVE if found.group(1) else TimeKind.ABSOLUTE
        until = scanner.take(_RANGE)
        latest = nanoseconds(until.group(1)) if until else None
        when = When(kind, nanoseconds(found.group(2)), latest)
        scanner.skip()
        return when

    def _shell(self) -> Shell:
        self.scanner.need_text("`")
        return Shell(self.scanner.take_up_to("`"))

    def _call(self) -> Call:
        scanner = self.scanner
        end = scanner.take(_END)
        function = scanner.need(_FUNCTION, "a packet, a system call, `shell` or %{ code }%").group()
        scanner.need_text("(")
        arguments = self._sequence(")")
        scanner.need_text("=")
        result = self._expression()
        number = scanner.take(_ERRNO)
        if scanner.take_text("("):
            scanner.take_up_to(")")
        return Call(
            function,
            arguments,
            result,
            number.group() if number else "",
            nanoseconds(end.group(1)) if end else None,
        )

    # --- expressions

    def _sequence(self, end: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while not self.scanner.take_text(end):
            if items:
                self.scanner.need_text(",")
            items.append(self._expression())
        return tuple(items)

    def _expression(self) -> Expression:
        parts = [self._term()]
        while self.scanner.take_text("|"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Combined(tuple(parts))

    def _term(self) -> Expression:
        scanner = self.scanner
        if scanner.take(_ELLIPSIS):
            return Anything()
        if scanner.take_text("["):
            return Listing(self._sequence("]"))
        if scanner.take_text("{"):
            return self._structure()
        scanner.take(_CAST)
        number = scanner.take(_NUMBER)
        if number:
            return Integer(int(number.group(), 0) if "x" in number.group().lower() else int(number.group()))
        if scanner.looks_at(_STRING):
            text = ""
            while string := scanner.take(_STRING):
                text += _ESCAPE.sub(_unescape, string.group(1))
            return Text(text)
        function = scanner.take(_FUNCTION)
        if function:
            scanner.need_text("(")
            return Apply(function.group(), self._sequence(")"))
        return Name(scanner.need(_WORD, "a value").group())

    def _structure(self) -> Structure:
        scanner = self.scanner
        fields: list[tuple[str, Expression]] = []
        while not scanner.take_text("}"):
            if fields:
                scanner.need_text(",")
                if scanner.take_text("}"):
                    break
            name = scanner.take(_FIELD)
            fields.append((name.group(1) if name else "", self._expression()))
        return Structure(tuple(fields))
