"""Several observers on one channel."""

from __future__ import annotations

from links.impairments.channel import Channel, ChannelObserver
from stack.link import Frame


def add_observer(channel: Channel, observer: ChannelObserver) -> None:
    """Let one more observer see what happens in a channel, after those that see it already."""
    present = channel.observer
    if present is None:
        channel.observer = observer
    elif isinstance(present, _Observers):
        present.members.append(observer)
    else:
        channel.observer = _Observers([present, observer])


class _Observers(ChannelObserver):
    """Tells each of its members."""

    __slots__ = ("members",)

    def __init__(self, members: list[ChannelObserver]) -> None:
        self.members = members

    def sent(self, frame: Frame) -> None:
        for member in self.members:
            member.sent(frame)

    def dropped(self, frame: Frame, reason: str) -> None:
        for member in self.members:
            member.dropped(frame, reason)

    def delivered(self, frame: Frame) -> None:
        for member in self.members:
            member.delivered(frame)

    def note(self, frame: Frame, text: str) -> None:
        for member in self.members:
            member.note(frame, text)
