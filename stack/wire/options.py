"""The option lists that IPv4 (RFC 791 3.1) and TCP (RFC 9293 3.1) share: kind, length, data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from stack.wire.errors import Malformed

END_OF_LIST: Final = 0
NO_OPERATION: Final = 1


@dataclass(frozen=True, slots=True)
class Option:
    """One option as it stands on the wire; of a kind that nobody knows, it survives all the same."""

    kind: int
    data: bytes = b""
    """What follows kind and length; of an End of Option List, which has no length, all that follows it."""

    def build(self) -> bytes:
        """The option's bytes."""
        if self.kind <= NO_OPERATION:
            return bytes((self.kind,)) + self.data
        return bytes((self.kind, 2 + len(self.data))) + self.data


def iterate_options(raw: bytes, reason: str) -> Iterator[tuple[int, int, bytes]]:
    """Place in ``raw``, kind and data of each option, as in :class:`Option`.

    Raises Malformed with that reason and a pointer into ``raw``, if a length is below 2 or reaches past the
    end.
    """
    at = 0
    end = len(raw)
    while at < end:
        kind = raw[at]
        if kind == END_OF_LIST:
            yield at, kind, raw[at + 1 :]
            return
        if kind == NO_OPERATION:
            yield at, kind, b""
            at += 1
            continue
        following = at + raw[at + 1] if at + 1 < end else at
        if not at + 2 <= following <= end:
            raise Malformed(reason, min(at + 1, end - 1))
        yield at, kind, raw[at + 2 : following]
        at = following


def build_options(options: Iterable[Option]) -> bytes:
    """The exact reverse of parsing."""
    return b"".join([option.build() for option in options])


def pad(raw: bytes) -> bytes:
    """With zeros, which are End of Option List, up to a multiple of four bytes."""
    return raw + bytes(-len(raw) % 4)
