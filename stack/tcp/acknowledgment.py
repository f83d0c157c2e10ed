"""What an ACK does to the sending half: what it acknowledges, measures, shows to be lost, and lets cwnd grow by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import MILLISECOND
from stack.tcp.ecn import Feedback
from stack.tcp.recovery import Phase
from stack.tcp.scoreboard import Delivery
from stack.tcp.segment import Segment
from stack.tcp.sequence import widen
from stack.wire.tcp import FIN, SYN

if TYPE_CHECKING:
    from stack.tcp.sender import Sender


def acknowledge(sender: Sender, segment: Segment, now: int, scale: int) -> None:
    """Process an acceptable ACK: SND.UNA =< SEG.ACK =< SND.NXT (RFC 9293 3.10.7.4, RFC 5681, RFC 6675)."""
    board, recovery = sender.board, sender.recovery
    ack = segment.acknowledgment
    before_window, before_flight = sender.snd_wnd, board.in_flight
    advanced = ack - sender.snd_una
    predicted = advanced > 0 and not segment.sack and recovery.phase is Phase.OPEN and board.calm
    sender.update_window(segment, scale)
    sender.timers.probes = 0
    if not board.segments:
        if segment.sack and recovery.sack and _take_sack(sender, segment.sack, ack, Delivery()):
            recovery.undo_if_needless()
        return
    delivery = Delivery()
    if advanced:
        board.acknowledge(ack, delivery)
        sender.snd_una = ack
        sender.bytes_acked += advanced
        sender.timers.retries = 0
        sender.rack.acknowledged(ack)
    if predicted and _take_predicted(sender, delivery, before_flight, now):
        return
    reported = None
    if segment.sack and recovery.sack:
        reported = _take_sack(sender, segment.sack, ack, delivery)
    duplicate = (
        not advanced
        and not segment.length
        and not segment.flags & (SYN | FIN)
        and sender.snd_wnd == before_window
    )
    ecn, marked = sender.connection.ecn, 0
    if ecn.feedback is Feedback.CLASSIC or (
        ecn.counter is not None and (advanced or delivery.segments or _is_newer(sender, segment))
    ):
        marked = ecn.marks(segment, delivery, sender.mss)
    if not (delivery.segments or advanced or duplicate or reported or marked):
        return
    echo = _echo(sender, segment)
    rtt = _measure(sender, delivery, echo, now)
    if sender.tail_loss_probe.acknowledged(
        ack, reported=reported, pure_duplicate=duplicate and not segment.sack
    ):
        recovery.reduce(ack, sender.snd_nxt, now)
    _recover(sender, delivery, echo, now, bool(advanced), duplicate, marked > 0)
    _sample(sender, delivery, rtt, before_flight, marked, now)
    if sender.mtu_probing.active:
        sender.mtu_probing.acknowledged()
    if not board.segments:
        sender.timers.stop()
    elif advanced:
        sender.timers.restart_rto(now)
    elif delivery.segments:
        sender.timers.sacked(delivery, now)
    sender.show()


def acknowledge_late(sender: Sender, segment: Segment, now: int) -> None:
    """Process an ACK that a later one has overtaken, SEG.ACK < SND.UNA: only its SACK blocks may be news.

    As Linux's tcp_ack() at ``old_ack``. How long it took says nothing about the round trip.
    """
    board, recovery = sender.board, sender.recovery
    if not segment.sack or not recovery.sack or not board.segments:
        return
    before_flight, delivery = board.in_flight, Delivery()
    reported = _take_sack(sender, segment.sack, segment.acknowledgment, delivery)
    if not (delivery.segments or reported):
        return
    _recover(sender, delivery, _echo(sender, segment), now, False, False, False)
    _sample(sender, delivery, 0, before_flight, 0, now)
    if delivery.segments:
        sender.timers.sacked(delivery, now)
    sender.show()


def _take_predicted(sender: Sender, delivery: Delivery, before_flight: int, now: int) -> bool:
    """An ACK of what was sent once, in order, while nothing was amiss: all that loss detection would find is what
    arrived last. False if it is not such a one after all."""
    if (
        not delivery.segments
        or delivery.retransmitted
        or sender.tail_loss_probe.end is not None
        or sender.recovery.duplicate_acks
        or sender.mtu_probing.active
        or sender.connection.ecn.feedback is not Feedback.NONE
    ):
        return False
    segments, octets = delivery.segments, delivery.octets
    rtt = now - segments[0].sent_at
    sender.rtt.sample(rtt, sender.snd_una, sender.snd_nxt, now)
    newest = segments[-1]
    sender.rack.delivered_in_order(newest, now)
    _grow(sender, octets, now)
    sender.rate.segments += len(segments) if sender.largest == sender.mss else delivery.packets(sender.mss)
    sender.rate.segment_delivered(newest)
    _finish_sample(sender, octets, rtt, before_flight, 0, now)
    if sender.board.segments:
        sender.timers.restart_rto(now)
    else:
        sender.timers.stop()
    sender.show()
    return True


def _is_newer(sender: Sender, segment: Segment) -> bool:
    """Although it reports nothing new, an ACK was not overtaken by the last: its timestamp shows it."""
    timestamps = sender.connection.timestamps
    return timestamps is not None and segment.timestamp is not None and timestamps.is_newer(segment.timestamp)


def _take_sack(
    sender: Sender, blocks: tuple[tuple[int, int], ...], ack: int, delivery: Delivery
) -> tuple[int, int] | None:
    """Returns the first block if it is a D-SACK: below the ACK, or within the second (RFC 2883 4)."""
    start, end = blocks[0]
    duplicate = end <= ack or (len(blocks) > 1 and blocks[1][0] <= start and end <= blocks[1][1])
    if duplicate:
        if start < end <= start + sender.max_window:
            sender.duplicates_reported += -(-(end - start) // sender.mss)
        sender.recovery.duplicate_reported(start, end)
        if sender.segments_retransmitted and sender.rack.reordering_seen:
            # Otherwise it was the network that sent something twice.
            sender.rack.was_hasty(sender.snd_nxt)
    sender.board.select_acknowledge(blocks, sender.snd_una, sender.snd_nxt, delivery)
    return blocks[0] if duplicate else None


def _echo(sender: Sender, segment: Segment) -> int | None:
    """The timestamp that the peer echoes, unbounded; None if it echoes none."""
    timestamps = sender.connection.timestamps
    if timestamps is None or segment.timestamp is None or not segment.timestamp_echo:
        return None
    return widen(segment.timestamp_echo, timestamps.value(sender.connection.clock.now()))


def _sample(sender: Sender, delivery: Delivery, rtt: int, before_flight: int, marked: int, now: int) -> None:
    """Tell congestion control how fast the path delivers (draft-ietf-ccwg-bbr 4.1)."""
    rate, board = sender.rate, sender.board
    rate.segments += delivery.packets(sender.mss)
    if marked:
        rate.segments_marked += marked
    for segment in delivery.segments:
        rate.segment_delivered(segment)
    for segment in board.newly_lost:
        rate.segment_lost(segment)
    board.newly_lost.clear()
    _finish_sample(sender, delivery.octets, rtt, before_flight, marked, now)


def _finish_sample(sender: Sender, octets: int, rtt: int, before_flight: int, marked: int, now: int) -> None:
    sender.congestion.sample(
        sender.rate.finish(
            now,
            delivered=octets,
            marked=min(marked * sender.mss, octets) if marked else 0,
            rtt=rtt,
            min_rtt=sender.rtt.minimum,
            in_flight=sender.recovery.pipe,
            prior_in_flight=before_flight,
            window_limited=sender.cwnd_validation.limited,
        )
    )


def _measure(sender: Sender, delivery: Delivery, echo: int | None, now: int) -> int:
    """RFC 6298 3, by the first segment that an ACK reports; RFC 7323 4 where that is ambiguous."""
    sample = None
    if delivery.oldest is not None and not delivery.retransmitted:
        sample = now - delivery.oldest.sent_at
    elif delivery.oldest_sacked is not None:
        sample = now - delivery.oldest_sacked.sent_at
    elif delivery.acknowledged and echo is not None:
        sample = _age(sender, echo, now)
    if sample is None or sample < 0:
        return 0
    sender.rtt.sample(sample, sender.snd_una, sender.snd_nxt, now)
    return sample


def _age(sender: Sender, echo: int, now: int) -> int:
    assert sender.connection.timestamps is not None
    return (sender.connection.timestamps.value(now) - echo) * MILLISECOND


def _recover(
    sender: Sender,
    delivery: Delivery,
    echo: int | None,
    now: int,
    advanced: bool,
    duplicate: bool,
    marked: bool,
) -> None:
    """Loss detection, recovery and congestion control hear of an ACK."""
    recovery = sender.recovery
    if delivery.segments:
        sender.rack.delivered(delivery, now, None if echo is None else _age(sender, echo, now))
    at_once = recovery.acknowledged(
        sender.snd_una,
        sender.snd_nxt,
        delivery,
        now,
        advanced=advanced,
        duplicate=duplicate,
        echo=echo,
        has_new_data=bool(sender.queue.length) and sender.snd_nxt < sender.snd_una + sender.snd_wnd,
        marked=marked,
    )
    if advanced and recovery.may_grow:
        _grow(sender, delivery.octets, now)
    if at_once:
        sender.retransmit_first(now)


def _grow(sender: Sender, octets: int, now: int) -> None:
    """The window grows by what was delivered, if it is what holds the sender back."""
    congestion = sender.congestion
    if sender.cwnd_validation.may_grow(congestion):
        congestion.acknowledged(octets, now, sender.rtt.srtt)
    else:
        congestion.application_limited()
