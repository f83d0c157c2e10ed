"""Captures of what passes links, in either world."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from links.impairments.channel import ChannelObserver
from links.pcapng import Direction, PcapngWriter, create_pcapng
from stack.clock import Clock
from stack.link import Frame, Link, Medium
from stack.wire.checksum import complete

if TYPE_CHECKING:
    from links.simulated.wire import Wire

MAX_WAITING = 1 << 14
"""Frames that wait until it is known what becomes of them; beyond it the first is written without that."""


class CapturedLink(Link):
    """A link whose frames are also written to a capture, as they leave and arrive here."""

    def __init__(
        self,
        link: Link,
        clock: Clock,
        writer: PcapngWriter,
        name: str,
        description: str = "",
        *,
        epoch: int = 0,
    ) -> None:
        """``epoch`` is when the clock showed 0, in ns since 1970."""
        self.medium = link.medium
        self.mtu = link.mtu
        self.offload = link.offload
        self._link = link
        self._clock = clock
        self._writer = writer
        self._interface = writer.add_interface(name, description, link.medium)
        self._epoch = epoch

    def transmit(self, frame: Frame) -> None:
        """Record and send one frame."""
        self._record(frame, Direction.OUTBOUND)
        self._link.transmit(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Hand every frame that arrives to ``receive``, once it is recorded."""

        def record(frame: Frame) -> None:
            self._record(frame, Direction.INBOUND)
            receive(frame)

        self._link.attach(record)

    def attach_batches(self, receive: Callable[[Iterable[Frame]], None]) -> None:
        """The same for frames that are there at the same time."""

        def recorded(frames: Iterable[Frame]) -> Iterator[Frame]:
            for frame in frames:
                self._record(frame, Direction.INBOUND)
                yield frame

        self._link.attach_batches(lambda frames: receive(recorded(frames)))

    def close(self) -> None:
        """Close the link. The capture stays open."""
        self._link.close()

    def _record(self, frame: Frame, direction: Direction) -> None:
        time = self._epoch + self._clock.now()
        self._writer.write(self._interface, time, bytes(complete(frame)), direction)


@contextmanager
def capture_to(path: Path, clock: Clock, *, epoch: int = 0) -> Iterator[Capture]:
    """A capture in a file, which is there when the block ends, unless with an exception.

    Raises OSError if it cannot be written.
    """
    with create_pcapng(path) as writer:
        capture = Capture(writer, clock, epoch=epoch)
        yield capture
        capture.finish()


class Capture:
    """Writes down what happens between the two sides of links: each frame where it is sent and where it arrives.

    A frame that was dropped on the way says so in a comment where it was sent; one that was corrupted, marked,
    reordered or duplicated where it arrives. That is known later, so a frame waits for it, and those after it
    wait too: the capture is in the order of time.
    """

    def __init__(self, writer: PcapngWriter, clock: Clock, *, epoch: int = 0) -> None:
        """``epoch`` is when the clock showed 0, in ns since 1970."""
        self._writer = writer
        self._clock = clock
        self._epoch = epoch
        self._waiting: deque[_Record] = deque()

    def attach(self, wire: Wire) -> None:
        """Capture a wire from now on."""
        first, second = wire.ends
        wire.observe(*self.observers(wire.name, (first.node, second.node), first.medium))

    def observers(
        self, link: str, sides: tuple[str, str], medium: Medium
    ) -> tuple[ChannelObserver, ChannelObserver]:
        """Describe both sides of a link as interfaces.

        Returns what is to observe the channel from the first to the second side, and the channel back.
        """
        first, second = (
            self._writer.add_interface(f"{link}:{side}", f"{side}'s side of {link}", medium) for side in sides
        )
        return _Tap(self, first, second), _Tap(self, second, first)

    def finish(self) -> None:
        """Write what still waits."""
        while self._waiting:
            self._write_first()

    def add(self, record: _Record) -> None:
        """Write a record, now or after those before it."""
        record.time = self._epoch + self._clock.now()
        self._waiting.append(record)
        self.proceed()

    def proceed(self) -> None:
        """Write the records whose fate is known, up to the first that still waits for it."""
        waiting = self._waiting
        while waiting and (waiting[0].undecided is None or len(waiting) > MAX_WAITING):
            self._write_first()

    def _write_first(self) -> None:
        record = self._waiting.popleft()
        record.decide()
        data = bytes(complete(record.frame))
        self._writer.write(record.interface, record.time, data, record.direction, tuple(record.comments))


class _Record:
    """A frame at one side of a link, and what there is to tell about it."""

    __slots__ = ("comments", "direction", "frame", "interface", "time", "undecided")

    def __init__(
        self,
        interface: int,
        frame: Frame,
        direction: Direction,
        comments: list[str],
        undecided: dict[Frame, _Record] | None = None,
    ) -> None:
        self.interface = interface
        self.frame = frame
        self.direction = direction
        self.comments = comments
        self.undecided = undecided
        """Where it is looked up by its frame, as long as its fate is not known."""
        self.time = 0
        if undecided is not None:
            undecided[frame] = self

    def decide(self) -> None:
        """Nothing more will be told about it."""
        if self.undecided is not None:
            self.undecided.pop(self.frame, None)
            self.undecided = None


class _Tap(ChannelObserver):
    """Sees one direction of a link.

    What the channel changes goes on as another frame, of which a note is all that tells where it comes from; so
    the fate of the frame that was sent stays unknown.
    """

    __slots__ = ("_capture", "_notes", "_source", "_target", "_undecided")

    def __init__(self, capture: Capture, source: int, target: int) -> None:
        self._capture = capture
        self._source = source
        self._target = target
        self._undecided: dict[Frame, _Record] = {}
        self._notes: dict[Frame, list[str]] = {}

    def sent(self, frame: Frame) -> None:
        self._capture.add(_Record(self._source, frame, Direction.OUTBOUND, [], self._undecided))

    def note(self, frame: Frame, text: str) -> None:
        self._notes.setdefault(frame, []).append(text)

    def delivered(self, frame: Frame) -> None:
        sent = self._undecided.get(frame)
        if sent is not None:
            sent.decide()
        self._capture.add(_Record(self._target, frame, Direction.INBOUND, self._notes.pop(frame, [])))

    def dropped(self, frame: Frame, reason: str) -> None:
        comments = [*self._notes.pop(frame, ()), f"dropped: {reason}"]
        sent = self._undecided.get(frame)
        if sent is None:
            self._capture.add(_Record(self._source, frame, Direction.OUTBOUND, comments))
        else:
            sent.comments += comments
            sent.decide()
            self._capture.proceed()
