"""Impairments in front of any link, in either world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from links.impairments.channel import Channel
from links.impairments.dissect import packet_offset
from links.impairments.spec import Impairments
from stack.clock import Clock
from stack.link import Frame, Link, Medium
from stack.wire.segmentation import segments


def one_by_one(send: Callable[[Frame], None], medium: Medium) -> Callable[[Frame], None]:
    """What hands frames to ``send``, super-segments as the packets that they stand for."""

    def cut(frame: Frame) -> None:
        if not frame.segment_size:
            send(frame)
            return
        for segment in segments(frame, packet_offset(frame.head, medium)):
            send(segment)

    return cut


class ImpairedLink(Link):
    """A link that treats frames badly before they leave by the link that it wraps, and after they came in.

    Each direction has a stream of chance of its own, so what happens in one does not change the other's luck. What is
    lost or delayed is always a packet as it is on a wire: super-segments are not taken, and cut when they come in.
    """

    def __init__(
        self, link: Link, clock: Clock, egress: Impairments, ingress: Impairments, random: Random
    ) -> None:
        """Wrap ``link``, and own it from now on."""
        self._link = link
        self.medium = link.medium
        self.mtu = link.mtu
        self.offload = replace(link.offload, segmentation=0)
        self._receive: Callable[[Frame], None] | None = None
        streams = Random(random.getrandbits(64)), Random(random.getrandbits(64))
        self.egress = Channel(clock, streams[0], egress, link.transmit, medium=link.medium, name="egress")
        """What is transmitted."""
        self.ingress = Channel(clock, streams[1], ingress, self._arrive, medium=link.medium, name="ingress")
        """What is received."""
        link.attach(one_by_one(self.ingress.send, link.medium))

    def transmit(self, frame: Frame) -> None:
        """Into the egress channel."""
        self.egress.send(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Frames that come out of the ingress channel go to ``receive``; without it they are dropped."""
        self._receive = receive

    def close(self) -> None:
        """Close both channels, and the link."""
        self.egress.close()
        self.ingress.close()
        self._link.close()

    def _arrive(self, frame: Frame) -> None:
        if self._receive is not None:
            self._receive(frame)
