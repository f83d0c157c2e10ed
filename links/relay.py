"""Two links joined to one: what comes in by either leaves by the other, and what lies between is impaired."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from links.impaired import one_by_one
from links.impairments.channel import Channel
from links.impairments.spec import PERFECT, Impairments
from stack.clock import Clock
from stack.link import Frame, Link
from stack.wire.checksum import complete


class Relay:
    """A bad wire between two links, such as the TAPs of two network namespaces: kernel to kernel through it.

    Each direction has a stream of chance of its own, so what happens in one does not change the other's luck. What
    is lost or delayed is always a packet as it is on a wire: super-segments are cut when they come in.
    """

    def __init__(
        self,
        first: Link,
        second: Link,
        clock: Clock,
        random: Random,
        forward: Impairments = PERFECT,
        backward: Impairments | None = None,
    ) -> None:
        """Join two links, and own them from now on. ``forward`` is for what comes in by ``first``, ``backward`` (the
        same if left out) for what comes in by ``second``.

        Raises ValueError if their frames are of different kinds.
        """
        if first.medium is not second.medium:
            raise ValueError(f"frames of {first.medium.value} cannot leave as {second.medium.value}")
        backward = forward if backward is None else backward
        streams = Random(random.getrandbits(64)), Random(random.getrandbits(64))
        medium = first.medium
        self._links = first, second
        self.forward = Channel(clock, streams[0], forward, _exit(second), medium=medium, name="forward")
        """From the first link to the second."""
        self.backward = Channel(clock, streams[1], backward, _exit(first), medium=medium, name="backward")
        """From the second link to the first."""
        first.attach(one_by_one(self.forward.send, medium))
        second.attach(one_by_one(self.backward.send, medium))

    def close(self) -> None:
        """Close both directions, and both links."""
        self.forward.close()
        self.backward.close()
        for link in self._links:
            link.close()


def _exit(link: Link) -> Callable[[Frame], None]:
    """How a frame leaves by a link, whatever the other link left for it to do."""
    if link.offload.checksum:
        return link.transmit
    return lambda frame: link.transmit(complete(frame))
