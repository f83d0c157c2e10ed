"""The cryptographic algorithms of TCP-AO (RFC 5926): how traffic keys are derived, and what signs with them."""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from stack.link import Buffer
from stack.tcp.aes import BLOCK, aes_cmac

MAC_LENGTH: Final = 12
"""Both algorithms are cut to 96 bits (RFC 5926 3.2)."""
_COUNTER: Final = b"\x01"
_LABEL: Final = b"TCP-AO"


class Algorithm(ABC):
    """A MAC algorithm and the key derivation function that belongs to it."""

    name: ClassVar[str]
    key_bits: ClassVar[int]

    def derive(self, secret: bytes, context: bytes) -> bytes:
        """The traffic key (RFC 5926 3.1.1); one run of the PRF gives all of its octets."""
        return self._prf(secret, _COUNTER + _LABEL + context + self.key_bits.to_bytes(2))

    @abstractmethod
    def _prf(self, secret: bytes, block: bytes) -> bytes:
        """The pseudorandom function of the KDF."""

    @abstractmethod
    def mac(self, traffic_key: bytes, message: tuple[Buffer, ...]) -> bytes:
        """:data:`MAC_LENGTH` octets over the parts of the message, one after the other."""


class HmacSha1(Algorithm):
    """HMAC-SHA-1-96 with KDF_HMAC_SHA1 (RFC 5926 3.1.1.1, 3.2.1)."""

    name = "HMAC-SHA-1-96"
    key_bits = 160

    def _prf(self, secret: bytes, block: bytes) -> bytes:
        return hmac.digest(secret, block, "sha1")

    def mac(self, traffic_key: bytes, message: tuple[Buffer, ...]) -> bytes:
        """HMAC of RFC 2104."""
        code = hmac.new(traffic_key, digestmod="sha1")
        for part in message:
            code.update(part)
        return code.digest()[:MAC_LENGTH]


class AesCmac(Algorithm):
    """AES-128-CMAC-96 with KDF_AES_128_CMAC (RFC 5926 3.1.1.2, 3.2.2)."""

    name = "AES-128-CMAC-96"
    key_bits = 128

    def _prf(self, secret: bytes, block: bytes) -> bytes:
        # Secrets of another length go through AES-CMAC-PRF-128 (RFC 4615 3).
        key = secret if len(secret) == BLOCK else aes_cmac(bytes(BLOCK), secret)
        return aes_cmac(key, block)

    def mac(self, traffic_key: bytes, message: tuple[Buffer, ...]) -> bytes:
        """AES-CMAC of RFC 4493."""
        return aes_cmac(traffic_key, b"".join(message))[:MAC_LENGTH]


HMAC_SHA1: Final = HmacSha1()
AES_CMAC: Final = AesCmac()
