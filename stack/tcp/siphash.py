"""SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that is fast on short inputs."""

from __future__ import annotations

from struct import unpack

KEY_SIZE = 16
_MASK = (1 << 64) - 1
_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash(key: bytes, message: bytes) -> int:
    """64 bits of hash of ``message`` under a ``key`` of 16 bytes."""
    low, high = unpack("<QQ", key)
    state = (low ^ _INITIAL[0], high ^ _INITIAL[1], low ^ _INITIAL[2], high ^ _INITIAL[3])
    whole = len(message) & ~7
    words = unpack(f"<{whole // 8}Q", message[:whole])
    last = int.from_bytes(message[whole:], "little") | (len(message) & 0xFF) << 56
    for word in (*words, last):
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _round(_round((v0, v1, v2, v3 ^ word)))
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    state = (v0, v1, v2 ^ 0xFF, v3)
    for _ in range(4):
        state = _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(state: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    v0, v1, v2, v3 = state
    v0 = (v0 + v1) & _MASK
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 = (v2 + v3) & _MASK
    v3 = _rotate(v3, 16) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = _rotate(v3, 21) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK
