"""Sequence numbers: 32 bits on the wire, unbounded integers everywhere else."""

from __future__ import annotations

MASK = 0xFFFFFFFF
_HALF = 1 << 31


def widen(value: int, near: int) -> int:
    """The unbounded number closest to ``near`` whose low 32 bits are ``value``.

    RFC 9293 3.4 compares modulo 2**32, which means the same as long as the numbers in play lie within 2**31 of each
    other; this is the one place that relies on it.
    """
    return near + ((value - near + _HALF) & MASK) - _HALF
