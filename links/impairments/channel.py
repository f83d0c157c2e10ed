"""One direction of a link, at work."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from links.impairments.bottleneck import Bottleneck
from links.impairments.chance import Trial, trial
from links.impairments.dissect import packet_offset
from links.impairments.faults import AimedFaults
from links.impairments.jitter import Jitter
from links.impairments.line import Line
from links.impairments.loss import LossModel, loss_model
from links.impairments.pipe import Pipe
from links.impairments.queue import FrameQueue
from links.impairments.rewrite import flip_bit, mark_congestion
from links.impairments.spec import PERFECT, Impairments
from links.impairments.statistics import ChannelStatistics, DropReason
from stack.clock import Clock
from stack.compiled import mypyc_attr
from stack.link import Frame, Medium

MAX_FRAMES = 1 << 17
"""Most frames in one channel at a time, if ``limit`` does not say otherwise: they are a stranger's, and memory."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelObserver:
    """Sees what happens to frames (``channel.observer = ...``); override what is of interest, and only look."""

    def sent(self, frame: Frame) -> None:
        """A frame was handed in, and nothing has happened to it yet."""

    def dropped(self, frame: Frame, reason: str) -> None:
        """A frame will not arrive; the reason is a :class:`DropReason`."""

    def delivered(self, frame: Frame) -> None:
        """A frame is about to be handed out."""

    def note(self, frame: Frame, text: str) -> None:
        """Something else happened to a frame: it was marked, corrupted (it is another object then) ..."""


class Channel:
    """Takes frames, and gives them to ``deliver`` when and if they arrive.

    A frame passes, in this order: link up or down, MTU, aimed faults, queue and rate, loss, corruption,
    duplication, reordering or delay. So a frame that is lost has used its share of the rate, and a duplicate does
    not. Frames count with all their bytes, Ethernet header included; nothing is added for preamble, FCS and gap.

    ``deliver`` is called by the clock, never from within :meth:`send`, also when there is nothing to wait for.
    Chance is drawn from one stream, when a frame has left the queue, in the order above; what is not configured
    draws nothing.

    As long as the link is down, nothing gets in; when it goes down, all frames in it are lost, in the queue
    too, for Linux empties a device's queue when the carrier goes.
    """

    __slots__ = (
        "_aimed", "_aside", "_bottleneck", "_clock", "_corrupt", "_deliver", "_duplicate", "_enter", "_flight",
        "_guarded", "_jitter", "_last_arrival", "_limit", "_line", "_loss", "_medium", "_random", "_reorder",
        "_simple", "_since_reordered", "_spec", "_time", "name", "observer", "statistics",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        random: Random,
        spec: Impairments,
        deliver: Callable[[Frame], None],
        *,
        medium: Medium = Medium.ETHERNET,
        name: str = "",
    ) -> None:
        self.name = name
        self.observer: ChannelObserver | None = None
        self.statistics = ChannelStatistics(clock)
        self._clock = clock
        self._random = random
        self._deliver = deliver
        self._medium = medium
        self._aside = Pipe(clock, lambda frame: self._enter(frame))
        """What an aimed fault holds back."""
        self._bottleneck = Bottleneck(
            clock, self.statistics, self._propagate, self._drop, self._mark, self._find_way
        )
        self._flight = Pipe(clock, self._arrive)
        self._line = Line(clock, self.statistics, self._bottleneck.queue, self._arrive, self._drop)
        """Bottleneck and flight in one, as long as nothing can happen to frames there but to wait."""
        self._enter: Callable[[Frame], None] = self._queue_up
        """The way in, behind the guard: the line's or the bottleneck's."""
        self._aimed = AimedFaults((), medium)
        self._loss: LossModel | None = None
        self._corrupt: Trial | None = None
        self._duplicate: Trial | None = None
        self._reorder: Trial | None = None
        self._since_reordered = 0
        self._jitter: Jitter | None = None
        self._last_arrival = 0
        self._spec = PERFECT
        self.configure(spec)

    @property
    def spec(self) -> Impairments:
        """What is configured."""
        return self._spec

    @property
    def queue(self) -> FrameQueue:
        """What waits for the rate: its length now, at its peak and in the mean."""
        return self._bottleneck.queue

    @property
    def queue_packets(self) -> int:
        """Frames that wait for the rate."""
        return len(self._bottleneck.queue)

    @property
    def queue_bytes(self) -> int:
        """Bytes that wait for the rate."""
        return self._bottleneck.queue.size

    @property
    def frames(self) -> int:
        """Frames inside: waiting, being sent, on their way, held back."""
        return (len(self._line) or len(self._bottleneck)) + len(self._flight) + len(self._aside)

    def configure(self, spec: Impairments) -> None:
        """From now on, be as ``spec`` says; what is the same as before keeps its state and its counts.

        Frames inside stay, unless the queue became shorter or the link went down. Those on their way keep their
        delay, so after a change to a shorter one others overtake them, if the order is not kept.
        """
        old, self._spec = self._spec, spec
        self._leave_line()
        random = self._random
        if spec.aimed != old.aimed:
            self._aimed = AimedFaults(spec.aimed, self._medium)
        if spec.loss != old.loss:
            self._loss = loss_model(spec.loss, random)
        if spec.corrupt != old.corrupt:
            self._corrupt = trial(spec.corrupt, random)
        if spec.duplicate != old.duplicate:
            self._duplicate = trial(spec.duplicate, random)
        if spec.reorder != old.reorder:
            self._reorder = trial(spec.reorder, random)
            self._since_reordered = 0
        if spec.delay != old.delay:
            self._jitter = Jitter(spec.delay, random) if spec.delay and spec.delay.jitter else None
            self._last_arrival = max(self._last_arrival, self._flight.latest)
        self._time = spec.delay.time if spec.delay else 0
        self._limit = spec.limit or MAX_FRAMES
        self._guarded = not spec.up or spec.mtu is not None or bool(spec.aimed)
        chances = (self._loss, self._corrupt, self._duplicate, self._reorder, self._jitter)
        keep_order = spec.delay is not None and spec.delay.keep_order
        self._simple = not keep_order and all(chance is None for chance in chances)
        self._bottleneck.configure(spec)
        if not spec.up:
            self._lose_all()
        self._find_way()

    def send(self, frame: Frame) -> None:
        """Hand a frame in."""
        statistics = self.statistics
        statistics.sent += 1
        statistics.sent_bytes += len(frame.head) + len(frame.payload)
        if self.observer is not None:
            self.observer.sent(frame)
        if self._guarded:
            self._guard(frame)
        else:
            self._enter(frame)

    def close(self) -> None:
        """Go down for good: frames inside are lost, and later ones too."""
        self.configure(self._spec.model_copy(update={"up": False}))

    def _guard(self, frame: Frame) -> None:
        """Link state, MTU, aimed faults."""
        spec = self._spec
        if not spec.up:
            self._drop(frame, DropReason.DOWN)
            return
        if spec.mtu is not None and len(frame) - packet_offset(frame.head, self._medium) > spec.mtu:
            self._drop(frame, DropReason.MTU)
            return
        if not self._aimed:
            self._enter(frame)
            return
        verdict = self._aimed.judge(frame)
        if verdict.dropped:
            self._drop(frame, DropReason.AIMED)
            return
        for _ in range(verdict.flips):
            frame = self._flip(frame)
        for _ in range(verdict.copies):
            self._note_duplicate(frame)
        for _ in range(1 + verdict.copies):
            if verdict.delay:
                self._aside.put(frame, self._clock.now() + verdict.delay)
            else:
                self._enter(frame)

    def _find_way(self) -> None:
        """By the line if nothing else is configured, and nobody is before the bottleneck to be waited for."""
        if not self._simple:
            return
        bottleneck, capacity = self._bottleneck, self._bottleneck.drop_tail
        if capacity is None or len(bottleneck):
            return
        if self._spec.limit is not None and (self._guarded or len(self._flight)):
            return  # frames elsewhere count too
        pace = bottleneck.constant_pace
        self._line.configure(pace, self._time, capacity, self._limit)
        if pace is not None:
            self._enter = self._line.send
        elif bottleneck.is_open:
            self._enter = self._line.launch

    def _leave_line(self) -> None:
        """All that is in the line to where it would be without."""
        self._enter = self._queue_up
        left, sending = self._line.take_out()
        for arrival, frame in left:
            self._flight.put(frame, arrival)
        if sending is not None:
            self._bottleneck.go_on(*sending)

    def _queue_up(self, frame: Frame) -> None:
        """Into the queue, if there is a rate to wait for."""
        if self.frames >= self._limit:
            self._drop(frame, DropReason.LIMIT)
        elif self._bottleneck.is_open:
            self._propagate(frame)
        else:
            self._bottleneck.enqueue(frame)

    def _propagate(self, frame: Frame) -> None:
        """Out of the queue and on the way, with what can happen there."""
        if self._simple:
            self._flight.put(frame, self._clock.now() + self._time)
            return
        if self._loss is not None and self._loss.loses():
            marked = self._mark(frame) if self._spec.loss is not None and self._spec.loss.ecn else None
            if marked is None:
                self._drop(frame, DropReason.LOSS)
                return
            frame = marked
        if self._corrupt is not None and self._corrupt.happens():
            frame = self._flip(frame)
        if self._duplicate is not None and self._duplicate.happens():
            self._note_duplicate(frame)
            self._launch(frame)
        self._launch(frame)

    def _launch(self, frame: Frame) -> None:
        """Reordering or delay: as in netem, where a reordered frame is one that skips the delay."""
        arrival = self._clock.now()
        if self._overtakes():
            self.statistics.reordered += 1
            self._note(frame, "reordered")
        else:
            self._since_reordered += 1
            arrival += self._time if self._jitter is None else self._jitter.next()
            if self._spec.delay is not None and self._spec.delay.keep_order:
                arrival = max(arrival, self._last_arrival)
            self._last_arrival = arrival
        self._flight.put(frame, arrival)

    def _overtakes(self) -> bool:
        spec = self._spec.reorder
        if self._reorder is None or spec is None or self._since_reordered < spec.gap - 1:
            return False
        if not self._reorder.happens():
            return False
        self._since_reordered = 0
        return True

    def _arrive(self, frame: Frame) -> None:
        statistics = self.statistics
        statistics.delivered += 1
        statistics.delivered_bytes += len(frame.head) + len(frame.payload)
        if self.observer is not None:
            self.observer.delivered(frame)
        self._deliver(frame)

    def _drop(self, frame: Frame, reason: DropReason) -> None:
        drops = self.statistics.drops
        drops[reason] = drops.get(reason, 0) + 1
        if self.observer is not None:
            self.observer.dropped(frame, reason)

    def _lose_all(self) -> None:
        for frame in (*self._flight.clear(), *self._bottleneck.clear(), *self._aside.clear()):
            self._drop(frame, DropReason.DOWN)

    def _mark(self, frame: Frame) -> Frame | None:
        marked = mark_congestion(frame, self._medium)
        if marked is not None:
            self.statistics.marked += 1
            self._note(marked, "congestion experienced")
        return marked

    def _flip(self, frame: Frame) -> Frame:
        corrupted, bit = flip_bit(frame, self._random)
        self.statistics.corrupted += 1
        self._note(corrupted, f"corrupted: bit {bit & 7} of byte {bit >> 3}")
        return corrupted

    def _note_duplicate(self, frame: Frame) -> None:
        self.statistics.duplicated += 1
        self._note(frame, "duplicated")

    def _note(self, frame: Frame, text: str) -> None:
        if self.observer is not None:
            self.observer.note(frame, text)
