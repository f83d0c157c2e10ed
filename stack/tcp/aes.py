"""AES-128, encryption only (FIPS 197), and the message authentication code made of it, AES-CMAC (RFC 4493).

The standard library has neither. This one is not protected against a stranger who measures its time, and takes about a
millisecond for a full segment: it is there for conformance, not for speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

BLOCK: Final = 16

_WORDS: Final = Struct("!4I")
_ROUNDS: Final = 10
_POLYNOMIAL: Final = 0x11B
"""x^8 + x^4 + x^3 + x + 1 (FIPS 197 4.2)."""
_CMAC_CONSTANT: Final = 0x87
"""Rb, for blocks of 128 bits (RFC 4493 2.3)."""

Words = tuple[int, int, int, int]
"""A block as the four columns of the State (FIPS 197 3.5)."""


def _double(value: int) -> int:
    """xTIMES() (FIPS 197 4.2)."""
    value <<= 1
    return value ^ _POLYNOMIAL if value & 0x100 else value


def _s_box() -> Iterator[int]:
    """FIPS 197 5.1.1: the inverse in GF(2^8), then an affine transformation."""
    powers = [1]
    while len(powers) < 255:
        powers.append(powers[-1] ^ _double(powers[-1]))  # of 3, which generates the multiplicative group
    for value in range(256):
        inverse = powers[-powers.index(value) % 255] if value else 0
        spread = inverse ^ inverse << 1 ^ inverse << 2 ^ inverse << 3 ^ inverse << 4
        yield (spread ^ spread >> 8) & 0xFF ^ 0x63


def _column(value: int) -> int:
    """What one octet of the State adds to its column in MIXCOLUMNS() (FIPS 197 5.1.3)."""
    twice = _double(value)
    return twice << 24 | value << 16 | value << 8 | twice ^ value


_S_BOX: Final = bytes(_s_box())
_ROW_0: Final = tuple([_column(value) for value in _S_BOX])
_ROW_1: Final = tuple([word >> 8 | (word & 0xFF) << 24 for word in _ROW_0])
_ROW_2: Final = tuple([word >> 8 | (word & 0xFF) << 24 for word in _ROW_1])
_ROW_3: Final = tuple([word >> 8 | (word & 0xFF) << 24 for word in _ROW_2])


def _substitute(word: int) -> int:
    """SUBWORD() (FIPS 197 5.2)."""
    return int.from_bytes(word.to_bytes(4).translate(_S_BOX))


class Aes128:
    """The cipher under one key of 16 octets."""

    __slots__ = ("_round_keys",)

    def __init__(self, key: bytes) -> None:
        """KEYEXPANSION() (FIPS 197 5.2). Raises ValueError if the key has another length."""
        if len(key) != BLOCK:
            raise ValueError(f"AES-128 key of {len(key)} octets")
        words = list(_WORDS.unpack(key))
        constant = 1
        for at in range(4, 4 * (_ROUNDS + 1)):
            word = words[-1]
            if at % 4 == 0:
                word = _substitute((word << 8 | word >> 24) & 0xFFFFFFFF) ^ constant << 24
                constant = _double(constant)
            words.append(words[-4] ^ word)
        self._round_keys = [
            (words[at], words[at + 1], words[at + 2], words[at + 3]) for at in range(0, len(words), 4)
        ]

    def encrypt(self, block: bytes) -> bytes:
        """One block of 16 octets."""
        return _WORDS.pack(*self.encrypt_words(_WORDS.unpack(block)))

    def encrypt_words(self, block: Words) -> Words:
        """CIPHER() (FIPS 197 5.1); the tables do SUBBYTES(), SHIFTROWS() and MIXCOLUMNS() at once."""
        keys = self._round_keys
        k0, k1, k2, k3 = keys[0]
        a, b, c, d = block[0] ^ k0, block[1] ^ k1, block[2] ^ k2, block[3] ^ k3
        row_0, row_1, row_2, row_3 = _ROW_0, _ROW_1, _ROW_2, _ROW_3
        for k0, k1, k2, k3 in keys[1:-1]:
            a, b, c, d = (
                row_0[a >> 24] ^ row_1[b >> 16 & 255] ^ row_2[c >> 8 & 255] ^ row_3[d & 255] ^ k0,
                row_0[b >> 24] ^ row_1[c >> 16 & 255] ^ row_2[d >> 8 & 255] ^ row_3[a & 255] ^ k1,
                row_0[c >> 24] ^ row_1[d >> 16 & 255] ^ row_2[a >> 8 & 255] ^ row_3[b & 255] ^ k2,
                row_0[d >> 24] ^ row_1[a >> 16 & 255] ^ row_2[b >> 8 & 255] ^ row_3[c & 255] ^ k3,
            )
        k0, k1, k2, k3 = keys[-1]
        return (
            _substitute(_shift_rows(a, b, c, d)) ^ k0,
            _substitute(_shift_rows(b, c, d, a)) ^ k1,
            _substitute(_shift_rows(c, d, a, b)) ^ k2,
            _substitute(_shift_rows(d, a, b, c)) ^ k3,
        )


def _shift_rows(a: int, b: int, c: int, d: int) -> int:
    """One column after SHIFTROWS() (FIPS 197 5.1.2)."""
    return a & 0xFF000000 | b & 0xFF0000 | c & 0xFF00 | d & 0xFF


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """The 16 octets of AES-CMAC (RFC 4493 2.4). Raises ValueError if the key is not 16 octets long."""
    cipher = Aes128(key)
    subkey = _double_block(int.from_bytes(cipher.encrypt(bytes(BLOCK))))
    whole = max(len(message) - 1, 0) // BLOCK * BLOCK
    last = message[whole:]
    if len(last) < BLOCK:
        subkey = _double_block(subkey)
        last = (last + b"\x80").ljust(BLOCK, b"\0")
    a = b = c = d = 0
    for w, x, y, z in _WORDS.iter_unpack(message[:whole]):
        a, b, c, d = cipher.encrypt_words((a ^ w, b ^ x, c ^ y, d ^ z))
    final = int.from_bytes(_WORDS.pack(a, b, c, d)) ^ int.from_bytes(last) ^ subkey
    return cipher.encrypt(final.to_bytes(BLOCK))


def _double_block(value: int) -> int:
    """The step from L to K1 and from K1 to K2 (RFC 4493 2.3)."""
    value <<= 1
    return value ^ (1 << 128 | _CMAC_CONSTANT) if value >> 128 else value
