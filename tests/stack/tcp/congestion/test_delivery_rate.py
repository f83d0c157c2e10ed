"""Delivery-rate estimation (draft-ietf-ccwg-bbr 4.1)."""

from __future__ import annotations

from stack.clock import MILLISECOND, SECOND
from stack.tcp.rate import DeliveryRate, RateSample
from tests.stack.tcp.congestion.path import Sent

MSS = 1000
MS = MILLISECOND


class Connection:
    """Numbers its segments; each ``send`` is one segment."""

    def __init__(self) -> None:
        self.rate = DeliveryRate(RateSample())
        self.sent: list[Sent] = []
        self.in_flight = 0

    def send(self, now: int) -> Sent:
        number = len(self.sent)
        segment = Sent(number, number * MSS, (number + 1) * MSS, now)
        self.rate.segment_sent(segment, self.in_flight, now, alone=not self.in_flight)
        self.in_flight += MSS
        self.sent.append(segment)
        return segment

    def acknowledge(self, now: int, *segments: Sent, min_rtt: int = 0, marked: int = 0) -> RateSample:
        prior = self.in_flight
        self.in_flight -= MSS * len(segments)
        for segment in segments:
            self.rate.segment_delivered(segment)
        return self.rate.finish(
            now,
            delivered=MSS * len(segments),
            marked=marked,
            rtt=now - segments[-1].sent_at if segments else 0,
            min_rtt=min_rtt,
            in_flight=self.in_flight,
            prior_in_flight=prior,
            window_limited=False,
        )


def test_the_rate_is_what_was_delivered_between_sending_and_delivery() -> None:
    connection = Connection()
    segments = [connection.send(index * MS) for index in range(10)]
    samples = [
        (sample.rate, sample.interval, sample.interval_delivered)
        for index, segment in enumerate(segments)
        for sample in [connection.acknowledge((100 + index) * MS, segment)]
    ]
    assert samples[0] == (MSS * 10, 100 * MS, MSS)
    assert samples[9] == (10 * MSS * SECOND // (109 * MS), 109 * MS, 10 * MSS)


def test_bunched_acknowledgments_do_not_exaggerate() -> None:
    """ACK compression: ten acknowledgments at once for what was sent over 90 ms."""
    connection = Connection()
    early = connection.send(0)
    connection.acknowledge(50 * MS, early)
    segments = [connection.send((50 + 10 * index) * MS) for index in range(10)]
    for segment in segments:
        sample = connection.acknowledge(150 * MS, segment)
    assert sample.interval_delivered == 10 * MSS
    assert sample.rate == 10 * MSS * SECOND // (100 * MS)


def test_a_sending_phase_that_is_slower_limits_the_rate() -> None:
    """Sent over 200 ms, acknowledged within 101 ms of when delivery stood at that point."""
    connection = Connection()
    first = connection.send(0)
    last = connection.send(200 * MS)
    connection.acknowledge(200 * MS, first)
    sample = connection.acknowledge(201 * MS, last)
    assert sample.interval == 201 * MS


def test_an_interval_below_the_smallest_rtt_is_not_believed() -> None:
    """Draft 4.1.2.3: only a mistaken acknowledgment can be that fast."""
    connection = Connection()
    sample = connection.acknowledge(5 * MS, connection.send(0), min_rtt=10 * MS)
    assert (sample.rate, sample.newly_delivered) == (0, MSS)
    assert connection.acknowledge(30 * MS, connection.send(20 * MS), min_rtt=10 * MS).rate == MSS * 100


def test_the_newest_segment_of_several_makes_the_sample() -> None:
    connection = Connection()
    first, second = connection.send(0), connection.send(10 * MS)
    connection.acknowledge(50 * MS, first)
    third = connection.send(60 * MS)
    sample = connection.acknowledge(110 * MS, third, second)
    assert sample.prior_delivered == MSS
    assert sample.flight == 2 * MSS


def test_samples_are_marked_until_what_was_in_flight_is_delivered() -> None:
    """Draft 4.1.3: the bubble of an application that had nothing to send."""
    connection = Connection()
    before = connection.send(0)
    connection.rate.mark_app_limited(connection.in_flight)
    after = connection.send(10 * MS)
    assert not connection.acknowledge(50 * MS, before).app_limited
    assert connection.acknowledge(60 * MS, after).app_limited
    assert not connection.acknowledge(120 * MS, connection.send(70 * MS)).app_limited


def test_an_idle_time_is_not_in_the_interval() -> None:
    connection = Connection()
    connection.acknowledge(10 * MS, connection.send(0))
    sample = connection.acknowledge(5 * SECOND + 10 * MS, connection.send(5 * SECOND))
    assert sample.interval == 10 * MS


def test_losses_are_told_with_what_was_in_flight() -> None:
    connection = Connection()
    segments = [connection.send(0) for _ in range(4)]
    for segment in segments[:2]:
        connection.rate.segment_lost(segment)
    sample = connection.acknowledge(20 * MS, segments[3])
    assert (sample.newly_lost, sample.interval_lost, sample.flight) == (2 * MSS, 2 * MSS, 4 * MSS)
    assert [(lost.flight, lost.lost) for lost in sample.lost_segments] == [(MSS, MSS), (2 * MSS, 2 * MSS)]
    sample = connection.acknowledge(21 * MS, segments[2])
    assert (sample.newly_lost, sample.lost_segments) == (0, [])


def test_an_acknowledgment_that_delivers_nothing_has_no_rate() -> None:
    connection = Connection()
    connection.rate.segment_lost(connection.send(0))
    sample = connection.acknowledge(20 * MS)
    assert (sample.prior_delivered, sample.rate, sample.newly_lost) == (-1, 0, MSS)


def test_a_retransmission_counts_from_when_it_was_sent() -> None:
    connection = Connection()
    segment = connection.send(0)
    connection.rate.segment_lost(segment)
    segment.sent_at = 300 * MS
    connection.rate.segment_sent(segment, 0, 300 * MS, alone=False)
    sample = connection.acknowledge(320 * MS, segment)
    assert (sample.interval_lost, sample.flight, sample.rtt) == (0, MSS, 20 * MS)


def test_marks_are_counted_over_the_interval() -> None:
    connection = Connection()
    segments = [connection.send(0) for _ in range(3)]
    connection.acknowledge(20 * MS, segments[0], marked=MSS)
    sample = connection.acknowledge(21 * MS, segments[1], marked=MSS)
    assert (sample.marked, sample.interval_marked) == (MSS, 2 * MSS)
