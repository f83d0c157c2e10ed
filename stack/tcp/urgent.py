"""Urgent data, as a receiver sees them (RFC 9293 3.8.5, RFC 6093)."""

from __future__ import annotations

from enum import Enum


class Urgent(Enum):
    """What has become of the urgent octet (Linux ``tp->urg_data``)."""

    NONE = "none"
    AWAITED = "awaited"
    """It was announced, but is not here yet (``TCP_URG_NOTYET``)."""
    HERE = "here"
    """``TCP_URG_VALID``."""
    TAKEN = "taken"
    """It was read apart from the stream, which has not come to it yet (``TCP_URG_READ``)."""


class UrgentPointer:
    """RCV.UP, and the one octet before it, which alone is urgent data to a user (RFC 6093 3.1, 3.2).

    A later pointer replaces an earlier one, whose octet is then an ordinary one, or lost if it was the next to be
    read, as in Linux.
    """

    __slots__ = ("count", "in_line", "mark", "octet", "state")

    def __init__(self) -> None:
        self.state = Urgent.NONE
        self.mark = 0
        """Sequence number of the urgent octet."""
        self.octet = 0
        self.count = 0
        """How many urgent octets have arrived so far."""
        self.in_line = False
        """SO_OOBINLINE: it is read with the stream, and not apart (RFC 6093 6 recommends it)."""

    def announce(self, mark: int) -> None:
        """A new urgent pointer."""
        self.state, self.mark = Urgent.AWAITED, mark

    def arrive(self, octet: int) -> None:
        """The urgent octet is here, be it ahead of what comes before it."""
        self.state, self.octet = Urgent.HERE, octet
        self.count += 1

    def take(self) -> None:
        """It has been read apart from the stream."""
        self.state = Urgent.TAKEN

    def clear(self) -> None:
        """The stream has been read beyond it."""
        self.state = Urgent.NONE
