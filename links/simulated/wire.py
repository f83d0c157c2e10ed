"""Wires: a cable between two nodes, each direction on its own."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from links.impairments.channel import Channel, ChannelObserver
from links.impairments.spec import PERFECT, Impairments
from links.observers import add_observer
from stack.clock import Clock
from stack.link import Frame, Link, Medium, Offload

ETHERNET_MTU = 1500
CHECKSUM_OFFLOAD = Offload(checksum=True)


class WireEnd(Link):
    """One end of a wire.

    It can be attached again after it was closed, as when a plug is drawn and put in. What arrives while nobody
    is attached, or while the machine that is does not listen, is lost.
    """

    __slots__ = ("_receive", "channel", "listening", "medium", "mtu", "node", "offload", "unheard")

    def __init__(self, node: str, mtu: int, offload: Offload) -> None:
        self.node = node
        """Who is at this end."""
        self.medium = Medium.ETHERNET
        self.mtu = mtu
        self.offload = offload
        self.channel: Channel
        """The direction that leads away from here."""
        self.listening = True
        """False while the machine is paused."""
        self.unheard = 0
        """Frames that arrived and that nobody took."""
        self._receive: Callable[[Frame], None] | None = None

    def transmit(self, frame: Frame) -> None:
        """Send one frame to the other end."""
        if self._receive is not None:
            self.channel.send(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Hand every frame that arrives to ``receive``."""
        self._receive = receive

    def close(self) -> None:
        """Draw the plug: frames in either direction are lost from now on."""
        self._receive = None

    def deliver(self, frame: Frame) -> None:
        """A frame has come to this end."""
        if self._receive is not None and self.listening:
            self._receive(frame)
        else:
            self.unheard += 1


class Wire:
    """A full-duplex Ethernet cable between two nodes."""

    def __init__(
        self,
        name: str,
        nodes: tuple[str, str],
        clock: Clock,
        stream: Callable[[str], Random],
        forward: Impairments = PERFECT,
        backward: Impairments | None = None,
        *,
        mtu: int = ETHERNET_MTU,
        offload: Offload = CHECKSUM_OFFLOAD,
        weight: float = 1,
    ) -> None:
        """``forward`` is for frames from the first node to the second, ``backward`` (the same if left out) for
        those back. ``mtu`` is what both ends believe, in bytes of IP packet; ``weight`` what a route over the
        wire costs. Each direction has luck of its own from ``stream``.
        """
        self.name = name
        self.mtu = mtu
        self.weight = weight
        first, second = self.ends = (WireEnd(nodes[0], mtu, offload), WireEnd(nodes[1], mtu, offload))

        def channel(source: WireEnd, target: WireEnd, spec: Impairments) -> Channel:
            direction = f"{name}/{source.node}>{target.node}"
            random = stream(f"link/{direction}")
            return Channel(clock, random, spec, target.deliver, medium=source.medium, name=direction)

        self.forward = first.channel = channel(first, second, forward)
        self.backward = second.channel = channel(second, first, forward if backward is None else backward)

    def __repr__(self) -> str:
        return f"<Wire {self.name}>"

    @property
    def channels(self) -> tuple[Channel, Channel]:
        """Both directions, forward first."""
        return self.forward, self.backward

    @property
    def up(self) -> bool:
        """Whether frames get through in both directions; what is under way when it goes down is lost."""
        return self.forward.spec.up and self.backward.spec.up

    @up.setter
    def up(self, up: bool) -> None:
        for channel in self.channels:
            channel.configure(channel.spec.model_copy(update={"up": up}))

    def observe(self, forward: ChannelObserver, backward: ChannelObserver) -> None:
        """Show what happens in each direction to one more observer."""
        add_observer(self.forward, forward)
        add_observer(self.backward, backward)

    def close(self) -> None:
        """Take the wire away, unseen by its observers: nothing of it stays at the clock."""
        for channel in self.channels:
            channel.observer = None
            channel.close()
