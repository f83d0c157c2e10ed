"""The MD5 signatures of a script: ``<md5 valid>``, by the secret of ``--tcp_md5_secret`` (RFC 2385)."""

from __future__ import annotations

from hashlib import md5
from typing import Final

from stack.tcp.authentication import pseudo_header, without_checksum
from stack.wire.options import iterate_options
from stack.wire.tcp import MD5_SIGNATURE, TcpHeader

VALID: Final = "valid"
INVALID: Final = "invalid"
SIZE: Final = 16


def digest(source: bytes, destination: bytes, header: TcpHeader, payload: bytes, secret: bytes) -> bytes:
    """RFC 2385 2.0."""
    raw = header.build()
    return md5(
        pseudo_header(source, destination, len(raw) + len(payload)) + without_checksum(raw) + payload + secret
    ).digest()


def sign(source: bytes, destination: bytes, header: TcpHeader, payload: bytes, secret: bytes) -> None:
    """Put the signature into the option that has room for it."""
    place = next(
        at for at, kind, _ in iterate_options(header.options, "tcp.bad_option") if kind == MD5_SIGNATURE
    )
    signature = digest(source, destination, header, payload, secret)
    header.options = header.options[: place + 2] + signature + header.options[place + 2 + SIZE :]
