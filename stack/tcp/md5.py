"""The TCP MD5 signature option (RFC 2385)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from hmac import compare_digest
from typing import Final

from stack.link import Buffer
from stack.tcp.authentication import Authentication, SocketPair, pseudo_header, without_checksum
from stack.wire.address import Prefix
from stack.wire.options import NO_OPERATION
from stack.wire.tcp import MD5_SIGNATURE, MIN_HEADER_LENGTH, TcpOptions

_DIGEST: Final = 16
_START: Final = bytes((NO_OPERATION, NO_OPERATION, MD5_SIGNATURE, 2 + _DIGEST))
_UNSIGNED: Final = _START[2:] + bytes(_DIGEST)
"""Longer than all data that may come before it in other options."""


@dataclass(frozen=True, slots=True)
class Md5Key:
    """The key for some peers."""

    peers: Prefix
    secret: bytes


class Md5(Authentication):
    """Every segment carries the digest of pseudo-header, header without options, data and key (RFC 2385 2.0)."""

    __slots__ = ("_secret",)

    kind = MD5_SIGNATURE
    missing = "tcp.md5_missing"
    option_length = len(_START) + _DIGEST
    movable = True
    room_for_timestamps = False

    def __init__(self, pair: SocketPair, secret: bytes) -> None:
        super().__init__(pair)
        self._secret = secret

    def begin(self, irs: int, syn: TcpOptions | None = None) -> None:
        """The key is the same for every connection."""

    def option(self) -> bytes:
        """Aligned by two NOPs, as in Linux."""
        return _START + bytes(_DIGEST)

    def sign(self, header: bytes, payload: Buffer, sequence: int) -> bytes:
        """RFC 2385 2.0."""
        digest = self._digest(self.local, self.remote, header, payload)
        at = header.index(_UNSIGNED, MIN_HEADER_LENGTH) + 2
        return header[:at] + digest + header[at + _DIGEST :]

    def _check(self, header: bytes, payload: Buffer, sequence: int, at: int, data: bytes) -> str | None:
        if compare_digest(data, self._digest(self.remote, self.local, header, payload)):
            return None
        return "tcp.md5_wrong"

    def _digest(self, source: bytes, destination: bytes, header: bytes, payload: Buffer) -> bytes:
        digest = md5(pseudo_header(source, destination, len(header) + len(payload)))
        digest.update(without_checksum(header))
        digest.update(payload)
        digest.update(self._secret)
        return digest.digest()
