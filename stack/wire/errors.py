"""What the packet parser says about bytes that are not a packet."""

from __future__ import annotations


class Malformed(ValueError):  # noqa: N818 - it is a verdict on bytes, and nothing went wrong
    """These bytes are no such header. The only exception that a ``parse`` raises."""

    def __init__(self, reason: str, pointer: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        """``<protocol>.<what>``, the name under which the rejection is counted: ``"ipv4.bad_checksum"``."""
        self.pointer = pointer
        """Where the offending octet is, counted as the parser that raised says; -1 if it points nowhere. For
        the pointer of an ICMP Parameter Problem (RFC 792, RFC 4443 3.4)."""
