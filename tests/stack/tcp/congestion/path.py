"""A bottleneck and flows with endless data across it: enough of a sender to drive congestion control by itself.

Nothing is reordered, so whatever was sent before a segment that arrives, and did not, is lost. What is lost is not
sent again but counted: goodput is what is delivered.
"""

from __future__ import annotations

from collections import deque
from random import Random

from stack.clock import MILLISECOND, SECOND
from stack.tcp.congestion import CongestionControl
from stack.tcp.pacing import Pacer
from stack.tcp.rate import DeliveryRate, RateSample, Snapshot
from tests.support import FakeClock

_RTO = 300 * MILLISECOND


class Sent:
    def __init__(self, number: int, start: int, end: int, now: int) -> None:
        self.number = number
        self.start = start
        self.end = end
        self.sent_at = now
        self.snapshot: Snapshot | None = None
        self.flight = 0


class Path:
    """``rate`` octets per second, ``rtt`` ns, ``buffer`` octets of drop-tail queue; marks above ``mark`` octets."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        rate: int,
        rtt: int,
        buffer: int,
        loss: float = 0,
        mark: int | None = None,
        seed: int = 1,
    ) -> None:
        self.clock = clock
        self.rate = rate
        self.rtt = rtt
        self.buffer = buffer
        self.loss = loss
        self.mark = mark
        self.random = Random(seed)
        self.free_at = 0
        self.drops = 0

    @property
    def bdp(self) -> int:
        return self.rate * self.rtt // SECOND

    @property
    def queue(self) -> int:
        return max(self.free_at - self.clock.now(), 0) * self.rate // SECOND

    def send(self, flow: Flow, segment: Sent) -> None:
        size = segment.end - segment.start
        if self.queue + size > self.buffer:
            self.drops += 1
            return
        marked = self.mark is not None and self.queue > self.mark
        self.free_at = max(self.free_at, self.clock.now()) + size * SECOND // self.rate
        if self.random.random() >= self.loss:
            self.clock.call_at(self.free_at + self.rtt, flow.acknowledge, segment, marked)


class Flow:
    def __init__(self, path: Path, control: CongestionControl, start: int = 0) -> None:
        self.path = path
        self.clock = path.clock
        self.control = control
        self.rate = DeliveryRate(RateSample())
        self.pacer = Pacer(self.clock, self.send)
        self.outstanding: deque[Sent] = deque()
        self.in_flight = 0
        self.srtt = 0
        self.min_rtt = 0
        self.marks = 0
        self.reductions = 0
        self.available: int | None = None
        """Segments that the application has to send; None for no end of them."""
        self._number = 0
        self._sequence = 0
        self._recovery_point: int | None = None
        self._reduced_until = 0
        self._limited = False
        self._heard_at = 0
        self.clock.call_at(start, self._begin)

    @property
    def delivered(self) -> int:
        return self.rate.delivered

    def goodput(self, duration: int) -> float:
        """Octets per second delivered during the next ``duration`` ns."""
        before = self.delivered
        self.clock.advance(duration)
        return (self.delivered - before) * SECOND / duration

    def send(self) -> None:
        now, mss = self.clock.now(), self.control.mss
        while True:
            self._limited = self.in_flight + mss > self.control.cwnd
            if self._limited:
                return
            if self.available == 0:
                self.rate.mark_app_limited(self.in_flight)
                return
            if self.control.needs_pacing and not self.pacer.may_send(now):
                return
            if self.available is not None:
                self.available -= 1
            alone = not self.outstanding
            if alone:
                self.control.resume(now)
            self._number += 1
            segment = Sent(self._number, self._sequence, self._sequence + mss, now)
            self._sequence += mss
            self.rate.segment_sent(segment, self.in_flight, now, alone=alone)
            self.in_flight += mss
            self.outstanding.append(segment)
            self.pacer.sent(mss, self.control.pacing_rate(self.srtt), now)
            self.path.send(self, segment)

    def acknowledge(self, segment: Sent, marked: bool) -> None:
        if not self.outstanding or segment.number < self.outstanding[0].number:
            return
        now, mss = self.clock.now(), self.control.mss
        self._heard_at = now
        prior = self.in_flight
        lost = self._lose_below(segment.number)
        self.outstanding.popleft()
        self.in_flight -= mss
        self.rate.segment_delivered(segment)
        rtt = now - segment.sent_at
        self.srtt = self.srtt + (rtt - self.srtt) // 8 if self.srtt else rtt
        self.min_rtt = min(self.min_rtt or rtt, rtt)
        self._react(segment.number, lost, marked)
        if self._recovery_point is None:
            if self._limited:
                self.control.acknowledged(mss, now, self.srtt)
            else:
                self.control.application_limited()
        self.control.sample(
            self.rate.finish(
                now,
                delivered=mss,
                marked=mss if marked else 0,
                rtt=rtt,
                min_rtt=self.min_rtt,
                in_flight=self.in_flight,
                prior_in_flight=prior,
                window_limited=self._limited,
            )
        )
        self.send()

    def _react(self, number: int, lost: int, marked: bool) -> None:
        now = self.clock.now()
        self.marks += marked
        if self._recovery_point is not None and number >= self._recovery_point:
            self._recovery_point = None
            self.control.recovered(now)
        if lost and self._recovery_point is None:
            self._recovery_point = self._number
            self.reductions += 1
            self.control.congestion_event(now)
        elif marked and number > self._reduced_until:
            self._reduced_until = self._number
            self.reductions += 1
            self.control.ecn_event(now)

    def _lose_below(self, number: int) -> int:
        lost = 0
        while self.outstanding[0].number < number:
            segment = self.outstanding.popleft()
            lost += segment.end - segment.start
            self.rate.segment_lost(segment)
        self.in_flight -= lost
        return lost

    def _begin(self) -> None:
        self._heard_at = self.clock.now()
        self.send()
        self.clock.call_later(_RTO, self._watch)

    def _watch(self) -> None:
        now = self.clock.now()
        if self.outstanding and now - self._heard_at >= _RTO:
            self._lose_below(self._number)
            self.rate.segment_lost(self.outstanding.pop())
            self.in_flight = 0
            self._recovery_point = self._number
            self.control.timeout(now, first=True)
            self._heard_at = now
            self.send()
        self.clock.call_later(_RTO, self._watch)
