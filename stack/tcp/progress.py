"""How far data have come, for those who want to be told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from stack.compiled import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Milestone(ABC):
    """The end of something that was written."""

    __slots__ = ("end",)

    def __init__(self, end: int) -> None:
        self.end = end
        """The sequence number behind its last octet."""

    @abstractmethod
    def sent(self) -> None:
        """The last octet has left for the first time. Not the moment to make calls: a segment is being sent."""

    @abstractmethod
    def acknowledged(self) -> None:
        """The peer has acknowledged all of it."""

    @abstractmethod
    def abandoned(self) -> None:
        """The connection is over, and it was not acknowledged."""


class Progress:
    """The milestones of one connection, in the order of their ends: no more than octets in the send buffer."""

    __slots__ = ("_unacknowledged", "_unsent")

    def __init__(self) -> None:
        self._unsent: deque[Milestone] = deque()
        self._unacknowledged: deque[Milestone] = deque()

    def add(self, milestone: Milestone) -> None:
        """One that is not behind another."""
        self._unsent.append(milestone)
        self._unacknowledged.append(milestone)

    def sent(self, snd_nxt: int) -> None:
        """Everything before ``snd_nxt`` has left."""
        while self._unsent and self._unsent[0].end <= snd_nxt:
            self._unsent.popleft().sent()

    def acknowledged(self, snd_una: int) -> None:
        """Everything before ``snd_una`` was acknowledged."""
        while self._unacknowledged and self._unacknowledged[0].end <= snd_una:
            self._unacknowledged.popleft().acknowledged()

    def end(self, snd_una: int) -> None:
        """Nothing more will be."""
        self.acknowledged(snd_una)
        while self._unacknowledged:
            self._unacknowledged.popleft().abandoned()
        self._unsent.clear()
