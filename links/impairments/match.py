"""The language of aimed faults: ``tcp and syn and not ack``, ``udp and dst port 53``, ``len >= 1000``.

============================================  =============================================================
``ip`` ``ip6`` ``arp``                        the network protocol
``tcp`` ``udp`` ``icmp`` ``icmp6``            the transport protocol, in fragments too
``fragment``                                  a fragment of an IP packet
``syn`` ``ack`` ``fin`` ``rst`` ``psh``       a TCP segment with that flag
``urg`` ``ece`` ``cwr``
``data``                                      there is a payload: bytes after the transport header
``len >= 100``                                bytes of payload; also ``>`` ``<`` ``<=`` ``=`` ``!=``
``port 80`` ``src port 80`` ``dst port 80``   TCP's or UDP's
``src 10.0.0.1`` ``dst fd00::/64`` ``host``   an address or a prefix; ``host`` is either side
``retransmission``                            a TCP segment that begins with sequence numbers sent before
``not`` ``and`` ``or`` ``( )``                binding in this order
============================================  =============================================================

A text is compiled once, to closures. A frame that makes no sense has the fields that could be read, and no more.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable
from typing import Annotated, TypeAlias

from links.impairments.dissect import Dissection
from links.impairments.history import History
from links.impairments.model import Written
from stack.wire.address import Prefix, parse_address
from stack.wire.protocols import ICMP, ICMPV6, TCP, UDP
from stack.wire.tcp import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

Condition: TypeAlias = Callable[[Dissection], bool]

_NETWORKS: dict[str, Condition] = {
    "ip": lambda frame: frame.version == 4,
    "ip6": lambda frame: frame.version == 6,
    "arp": lambda frame: frame.arp,
    "fragment": lambda frame: frame.fragment,
    "data": lambda frame: frame.length > 0,
}
_TRANSPORTS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMPV6}
_FLAGS = {"syn": SYN, "ack": ACK, "fin": FIN, "rst": RST, "psh": PSH, "urg": URG, "ece": ECE, "cwr": CWR}
_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_WORDS = (
    *_NETWORKS, *_TRANSPORTS, *_FLAGS,
    *("len", "port", "src", "dst", "host", "retransmission", "not", "and", "or"),
)  # fmt: skip
_TOKEN = re.compile(r"[()]|[<>=!]+|[^\s()<>=!]+")
_MAX_TOKENS = 200
_MAX_DEPTH = 50


class MatchError(ValueError):
    """The text is no condition; the message names the column."""


def compile_match(text: str) -> Condition:
    """The condition as a function of a frame; an empty text is one that always holds. Raises MatchError.

    If ``retransmission`` is in it the function remembers what it saw, so it must see every frame.
    """
    return _Compiler(text).compile()


class _Compiler:
    """Recursive descent, a method for each level of binding."""

    def __init__(self, text: str) -> None:
        self._tokens = [(found.group().lower(), found.start() + 1) for found in _TOKEN.finditer(text)]
        self._tokens.append(("", len(text) + 1))
        self._at = 0
        self._depth = 0
        self._history: History | None = None

    def compile(self) -> Condition:
        """The whole text."""
        if len(self._tokens) > _MAX_TOKENS:
            self._at = _MAX_TOKENS - 1
            raise self._error("too long")
        if self._token == "":
            return lambda frame: True
        condition = self._either()
        if self._token:
            raise self._error(f"'and' or 'or' is missing before {self._token!r}")
        if self._history is None:
            return condition
        history = self._history

        def remember(frame: Dissection) -> bool:
            frame.retransmission = history.repeats(frame)
            return condition(frame)

        return remember

    @property
    def _token(self) -> str:
        return self._tokens[self._at][0]

    def _error(self, text: str) -> MatchError:
        return MatchError(f"column {self._tokens[self._at][1]}: {text}")

    def _accept(self, token: str) -> bool:
        accepted = self._token == token
        self._at += accepted
        return accepted

    def _either(self) -> Condition:
        left = self._both()
        while self._accept("or"):
            left = _or(left, self._both())
        return left

    def _both(self) -> Condition:
        left = self._negation()
        while self._accept("and"):
            left = _and(left, self._negation())
        return left

    def _negation(self) -> Condition:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("too deeply nested")
        if self._accept("not"):
            result = _not(self._negation())
        elif self._accept("("):
            result = self._either()
            if not self._accept(")"):
                raise self._error("')' is missing")
        else:
            result = self._term()
        self._depth -= 1
        return result

    def _term(self) -> Condition:
        word = self._token
        if word in _NETWORKS:
            condition = _NETWORKS[word]
        elif word in _TRANSPORTS:
            condition = _transport(_TRANSPORTS[word])
        elif word in _FLAGS:
            condition = _flag(_FLAGS[word])
        elif word == "retransmission":
            self._history = self._history or History()
            condition = operator.attrgetter("retransmission")
        elif word in ("len", "port", "src", "dst", "host"):
            return self._operand(word)
        else:
            raise self._unknown(word)
        self._at += 1
        return condition

    def _unknown(self, word: str) -> MatchError:
        if word in ("", ")", "and", "or"):
            return self._error("a condition is missing here, such as tcp, syn or data")
        near = difflib.get_close_matches(word, _WORDS, 1)
        return self._error(f"{word!r} is no condition" + (f"; {near[0]!r}?" if near else ""))

    def _operand(self, word: str) -> Condition:
        self._at += 1
        if word == "len":
            return self._length()
        if word == "port":
            return _port("either", self._number("a port", 65535))
        if word != "host" and self._accept("port"):
            return _port(word, self._number("a port", 65535))
        return _address("either" if word == "host" else word, self._prefix())

    def _length(self) -> Condition:
        compare = _COMPARISONS.get(self._token)
        if compare is None:
            raise self._error("len needs a comparison, such as len >= 100")
        self._at += 1
        number = self._number("a number of bytes", 65535)
        return lambda frame: compare(frame.length, number)

    def _number(self, what: str, most: int) -> int:
        text = self._token
        if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) > most:
            raise self._error(f"{what} from 0 to {most} is missing here")
        self._at += 1
        return int(text)

    def _prefix(self) -> Prefix:
        text = self._token
        try:
            if "/" in text:
                prefix = Prefix.parse(text)
            else:
                address = parse_address(text)
                prefix = Prefix(address, 8 * len(address))
        except ValueError:
            raise self._error(
                "an address is missing here, such as 10.0.0.1 or fd00::/64, or a port"
            ) from None
        self._at += 1
        return prefix


def _not(condition: Condition) -> Condition:
    return lambda frame: not condition(frame)


def _and(left: Condition, right: Condition) -> Condition:
    return lambda frame: left(frame) and right(frame)


def _or(left: Condition, right: Condition) -> Condition:
    return lambda frame: left(frame) or right(frame)


def _transport(protocol: int) -> Condition:
    return lambda frame: frame.protocol == protocol


def _flag(flag: int) -> Condition:
    return lambda frame: frame.flags & flag != 0


def _port(side: str, port: int) -> Condition:
    if side == "src":
        return lambda frame: frame.source_port == port
    if side == "dst":
        return lambda frame: frame.destination_port == port
    return lambda frame: port in (frame.source_port, frame.destination_port)


def _address(side: str, prefix: Prefix) -> Condition:
    inside = prefix.contains
    if side == "src":
        return lambda frame: inside(frame.source)
    if side == "dst":
        return lambda frame: inside(frame.destination)
    return lambda frame: inside(frame.source) or inside(frame.destination)


def _checked(value: object) -> str:
    if not isinstance(value, str):
        raise MatchError(f"{value!r} is no condition; write it like 'tcp and syn and not ack'")
    compile_match(value)
    return value


Match: TypeAlias = Annotated[
    str,
    Written(_checked, {"type": "string", "examples": ["tcp and syn", "tcp and data", "udp and dst port 53"]}),
]
"""The text of a condition that compiles."""
