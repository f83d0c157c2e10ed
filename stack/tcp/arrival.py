"""SEGMENT ARRIVES: RFC 9293 3.10.7, with RFC 5961 and RFC 7323 at the places where they change it."""

from __future__ import annotations

import errno

from stack.tcp import freebsd
from stack.tcp.acknowledgment import acknowledge, acknowledge_late
from stack.tcp.connection import Connection
from stack.tcp.ecn import Feedback
from stack.tcp.recovery import Phase
from stack.tcp.segment import Segment
from stack.tcp.state import MAY_RECEIVE, State
from stack.tcp.urgent import Urgent
from stack.wire.tcp import ACK, FIN, RST, SYN, URG

_CONTROL = SYN | FIN | RST | URG | ACK


def segment_arrives(connection: Connection, segment: Segment) -> None:
    """Process a segment for an existing connection, answer it, and tell the user what has changed."""
    connection.segments_in += 1
    observer = connection.tcp.host.observer
    if observer is not None:
        observer.segment_received(connection, segment.sequence, segment.length, segment.flags)
    batch = connection.tcp.batch
    if batch is not None:
        if _may_wait(connection, segment):
            connection.waiting_ack = segment
            batch[connection] = None
            return
        _take_waiting_ack(connection)
    if connection.state is State.SYN_SENT:
        _in_syn_sent(connection, segment)
    else:
        _in_synchronized_state(connection, segment)
    if connection.state is State.CLOSED:
        return
    receiver = connection.receiver
    if receiver.ack_due and (receiver.out_of_order.starts or receiver.duplicate is not None):
        # Each of these ACKs counts, and its SACK blocks would find no room in a full segment (RFC 2018 4).
        connection.transmitter.send_ack()
    if batch is None or (connection.ecn.feedback is not Feedback.NONE and connection.ecn.counts):
        answer(connection)
    else:
        batch[connection] = None


def answer(connection: Connection) -> None:
    """After a segment, or several that came together: send what may be sent now and is due, tell the user."""
    if connection.state is State.CLOSED:
        return
    _take_waiting_ack(connection)
    sender = connection.sender
    if connection.progress is not None:
        connection.progress.acknowledged(sender.snd_una)
    if sender.has_business and connection.synchronized and connection.state is not State.TIME_WAIT:
        unsent = sender.unsent
        connection.output()
        if sender.unsent < unsent:
            # Whoever waits for less to be unsent (TCP_NOTSENT_LOWAT) need not wait for an ACK.
            connection.changed = True
    if connection.receiver.ack_due:
        connection.transmitter.send_ack()
    if connection.changed:
        connection.changed = False
        connection.notify()


def _may_wait(connection: Connection, segment: Segment) -> bool:
    """Of several ACKs in a batch that are nothing else, and come while nothing is amiss, the last says it all."""
    sender, waiting = connection.sender, connection.waiting_ack
    return (
        not segment.length
        and not segment.sack
        and sender.snd_una < segment.acknowledgment <= sender.snd_nxt
        and (waiting is None or waiting.acknowledgment < segment.acknowledgment)
        and sender.recovery.phase is Phase.OPEN
        and sender.board.calm
        and sender.tail_loss_probe.end is None
        and connection.ecn.feedback is Feedback.NONE
        and _is_as_predicted(connection, segment)
    )


def _take_waiting_ack(connection: Connection) -> None:
    """Process what has waited for a later ACK."""
    waiting = connection.waiting_ack
    if waiting is not None:
        connection.waiting_ack = None
        _in_synchronized_state(connection, waiting)


def _in_syn_sent(connection: Connection, segment: Segment) -> None:
    """RFC 9293 3.10.7.3."""
    sender, flags = connection.sender, segment.flags
    acceptable = bool(flags & ACK) and sender.iss < segment.acknowledgment <= sender.snd_max
    if flags & ACK and not acceptable:
        connection.drop("tcp.bad_ack")
        if not flags & RST:
            connection.transmitter.refuse(segment)
        return
    if flags & RST:
        if acceptable:
            connection.fail(errno.ECONNREFUSED)
        else:
            connection.drop("tcp.bad_reset")
        return
    if not flags & SYN or segment.options is None:
        connection.drop("tcp.no_syn")
        return
    connection.negotiate(segment.options, segment)
    now = connection.clock.now()
    connection.heard(now)
    if acceptable:
        connection.syn_answered(segment.options, segment.acknowledgment)
        # The window in a SYN is never scaled (RFC 7323 2.2).
        acknowledge(sender, segment, now, 0)
        connection.establish()
        if connection.ecn.counter is not None:
            # Only a pure ACK can tell how the SYN/ACK arrived (RFC 9768 3.2.2.1).
            connection.transmitter.send_ack()
        else:
            connection.receiver.acknowledge_handshake()
        segment.sequence += 1
        if segment.length:
            # A server with Fast Open may answer at once (RFC 7413 4.2.1).
            _text_arrives(connection, segment, now)
        if flags & FIN and connection.state is not State.CLOSED:
            _fin_arrives(connection, segment)
        if connection.receiver.fin_at is not None and connection.receiver.reaches_fin():
            _peer_has_closed(connection)
    else:
        # Simultaneous open: the same SYN again, now with an ACK (RFC 9293 3.5, figure 7).
        connection.enter(State.SYN_RECEIVED)
        sender.answer_syn()


def _in_synchronized_state(connection: Connection, segment: Segment) -> None:
    """RFC 9293 3.10.7.4: all states but CLOSED, LISTEN and SYN-SENT."""
    now = connection.clock.now()
    if not _is_as_predicted(connection, segment):
        passes = freebsd.passes if connection.of_freebsd else _passes
        if not passes(connection, segment, now):
            return
    flags, receiver = segment.flags, connection.receiver
    in_sequence = segment.sequence <= receiver.last_ack_sent
    if flags & SYN:
        # What follows a SYN in the same segment begins one number later.
        segment.sequence += 1
    if not _ack_arrives(connection, segment, now):
        return
    connection.heard(now)
    if connection.ecn.feedback is not Feedback.NONE and connection.ecn.segment_arrives(
        flags, segment.codepoint, segment.length, connection.transmitter.offered_mss
    ):
        receiver.ack_due = True
    if in_sequence and connection.timestamps is not None and segment.timestamp is not None:
        # RFC 7323 4.3 (2); after the ACK, so that a stranger who does not know it changes nothing.
        connection.timestamps.remember(segment.timestamp, now)
    if (flags & URG or receiver.urgent.state is Urgent.AWAITED) and connection.state in MAY_RECEIVE:
        receiver.urgent_arrives(segment)
    if segment.length:
        _text_arrives(connection, segment, now)
    if flags & FIN and connection.state is not State.CLOSED:
        _fin_arrives(connection, segment)
    if receiver.fin_at is not None and receiver.reaches_fin():
        _peer_has_closed(connection)


def _passes(connection: Connection, segment: Segment, now: int) -> bool:
    """First to fourth: whether the ACK of a segment, and all behind it, are to be processed."""
    flags = segment.flags
    if _is_syn_again(connection, segment):
        connection.ecn.syn_arrives_again(flags, segment.codepoint)
        _syn_arrives(connection, segment)
    elif not _is_acceptable(connection, segment, now):
        return False
    elif flags & RST:
        _reset_arrives(connection, segment)
    elif flags & SYN and (connection.state is not State.SYN_RECEIVED or not flags & ACK):
        # The SYN/ACK of a simultaneous open goes on to its ACK.
        _syn_arrives(connection, segment)
    elif flags & ACK:
        return True
    else:
        connection.drop("tcp.no_ack")
    return False


def _is_as_predicted(connection: Connection, segment: Segment) -> bool:
    """Header prediction (Jacobson, 1990): the next octets, or an ACK between them, with nothing that calls for a
    closer look: the checks that it would pass are left out."""
    if (
        connection.state is not State.ESTABLISHED
        or segment.flags & _CONTROL != ACK
        or segment.sequence != connection.receiver.rcv_nxt
    ):
        return False
    timestamps, value = connection.timestamps, segment.timestamp
    return timestamps is None or (value is not None and timestamps.ahead(value) >= 0)


def _is_acceptable(connection: Connection, segment: Segment, now: int) -> bool:
    """First, PAWS (RFC 7323 5.3 R1) and the sequence number (RFC 9293 3.4).

    As in Linux the window begins at Last.ACK.sent and includes its right edge: what the peer sends into a window that
    has just been shut is not worth an argument, for its ACK may be; the receiver takes only what it offered.
    """
    receiver, flags = connection.receiver, segment.flags
    timestamps, value = connection.timestamps, segment.timestamp
    if timestamps is not None and not flags & RST:
        if value is None:
            if connection.config.require_timestamps:
                connection.drop("tcp.no_timestamp")
                return False
        elif timestamps.is_old(value, now) and not _is_overtaken_ack(connection, segment):
            connection.drop("tcp.paws")
            _answer_unacceptable(connection, segment)
            return False
    start = segment.sequence
    end = start + segment.length + (flags & FIN) + (1 if flags & SYN else 0)
    if end >= receiver.last_ack_sent and start <= max(receiver.window.right_edge, receiver.rcv_nxt):
        return True
    connection.drop("tcp.outside_window")
    if flags & SYN:
        connection.transmitter.challenge()
    elif not flags & RST:
        _answer_unacceptable(connection, segment)
    return False


def _answer_unacceptable(connection: Connection, segment: Segment) -> None:
    """Acknowledge what was dropped; octets that had arrived before are reported (RFC 2883 4, Linux tcp_send_dupack)."""
    receiver = connection.receiver
    if segment.length and segment.sequence < receiver.rcv_nxt:
        receiver.arrived_again(segment.sequence, min(segment.sequence + segment.length, receiver.rcv_nxt))
    connection.transmitter.answer_unacceptable(segment)


def _is_syn_again(connection: Connection, segment: Segment) -> bool:
    """The SYN that opened the connection; of one whose data were taken, it lies before the window."""
    return (
        connection.state is State.SYN_RECEIVED
        and segment.flags & (SYN | ACK | RST) == SYN
        and segment.sequence == connection.receiver.irs
    )


def _is_overtaken_ack(connection: Connection, segment: Segment) -> bool:
    """An ACK without data that a later segment has overtaken: old, but nothing that PAWS is there to keep out.

    As Linux's tcp_disordered_ack(): its SACK blocks may be news, and it is not worth an ACK in return.
    """
    return (
        not segment.length
        and not segment.flags & (SYN | FIN)
        and segment.sequence == connection.receiver.rcv_nxt
        and segment.acknowledgment <= connection.sender.snd_una
    )


def _reset_arrives(connection: Connection, segment: Segment) -> None:
    """Second, check the RST bit (RFC 5961 3.2): only the exact sequence number resets."""
    if connection.state is State.TIME_WAIT:
        # RFC 1337 3: TIME-WAIT is not to be assassinated.
        connection.drop("tcp.reset_in_time_wait")
    elif segment.sequence != connection.receiver.rcv_nxt:
        connection.drop("tcp.bad_reset")
        connection.transmitter.challenge()
    elif connection.state is State.SYN_RECEIVED and not connection.synchronized:
        connection.fail(errno.ECONNREFUSED)
    elif connection.state is State.CLOSE_WAIT:
        # The peer had said that it sends no more; what the user learns is that nobody reads, as in Linux.
        connection.fail(errno.EPIPE)
    elif connection.state in (State.CLOSING, State.LAST_ACK):
        connection.forget()
    else:
        connection.fail(errno.ECONNRESET)


def _syn_arrives(connection: Connection, segment: Segment) -> None:
    """Fourth, check the SYN bit: whatever its sequence number, a challenge ACK (RFC 5961 4.2).

    A SYN that comes again in SYN-RECEIVED shows that our SYN/ACK was lost, a SYN/ACK that our ACK was.
    """
    connection.drop("tcp.unexpected_syn")
    if connection.state is State.SYN_RECEIVED:
        connection.sender.answer_syn()
        return
    if segment.flags & ACK and segment.sequence == connection.receiver.irs:
        connection.ecn.acknowledge_syn_ack(segment.codepoint)
    connection.transmitter.challenge()


def _ack_arrives(connection: Connection, segment: Segment, now: int) -> bool:
    """Fifth, check the ACK field; False if the segment is to be dropped."""
    sender = connection.sender
    ack = segment.acknowledgment
    if connection.state is State.SYN_RECEIVED:
        if not sender.snd_una < ack <= sender.snd_max:
            connection.drop("tcp.bad_ack")
            connection.transmitter.refuse(segment)
            return False
        listener = connection.listener
        if listener is not None and (listener.defers(connection, segment) or not listener.admit(connection)):
            return False
        _complete_passive_open(connection, segment, now)
        return True
    if ack > sender.snd_nxt and not sender.takes_probe(ack):
        connection.drop("tcp.ack_of_unsent")
        if connection.config.answer_unsent_ack or connection.state is not State.ESTABLISHED:
            connection.transmitter.challenge()
        return False
    if ack < sender.snd_una:
        if ack < sender.snd_una - sender.max_window:
            # RFC 5961 5.2
            connection.drop("tcp.ack_too_old")
            connection.transmitter.challenge()
            return False
        acknowledge_late(sender, segment, now)
        return True
    advanced = ack > sender.snd_una
    acknowledge(sender, segment, now, connection.snd_shift)
    if advanced:
        # The neighbour is reachable (RFC 4861 7.3.1).
        connection.transmitter.path.confirm(now)
        if sender.queued < connection.config.send_buffer:
            connection.changed = True
        if sender.fin_sent and sender.snd_una == sender.snd_nxt:
            _our_fin_is_acknowledged(connection)
    return connection.state is not State.CLOSED


def _complete_passive_open(connection: Connection, segment: Segment, now: int) -> None:
    """SYN-RECEIVED to ESTABLISHED; the window in a SYN is never scaled (RFC 7323 2.2)."""
    connection.sender.take_syn_data(segment.acknowledgment)
    acknowledge(connection.sender, segment, now, 0 if segment.flags & SYN else connection.snd_shift)
    connection.ecn.handshake_over(segment.flags, pure=not segment.length and not segment.sack)
    connection.establish()
    listener, connection.listener = connection.listener, None
    if listener is not None:
        listener.established(connection)


def _our_fin_is_acknowledged(connection: Connection) -> None:
    if connection.state is State.FIN_WAIT_1:
        connection.wait_for_fin()
    elif connection.state is State.CLOSING:
        connection.enter_time_wait()
    elif connection.state is State.LAST_ACK:
        connection.forget()


def _text_arrives(connection: Connection, segment: Segment, now: int) -> None:
    """Seventh, process the segment text."""
    receiver = connection.receiver
    if connection.state not in MAY_RECEIVE:
        # Nothing can follow a FIN; a retransmission is acknowledged again.
        receiver.ack_due = True
        return
    if connection.orphaned and segment.sequence + segment.length > receiver.rcv_nxt:
        # Nobody will ever read it (RFC 1122 4.2.2.13, RFC 2525 2.17).
        connection.drop("tcp.data_after_close")
        connection.transmitter.refuse(segment)
        connection.forget()
        return
    before = receiver.rcv_nxt
    receiver.data_arrives(segment, now)
    if receiver.rcv_nxt != before:
        connection.changed = True


def _fin_arrives(connection: Connection, segment: Segment) -> None:
    """Eighth, check the FIN bit; it counts once everything before it is here."""
    sequence = segment.sequence + segment.length
    if connection.state is State.TIME_WAIT:
        connection.enter_time_wait()
        connection.receiver.ack_due = True
    elif sequence <= connection.receiver.window.right_edge:
        connection.receiver.fin_arrives(sequence)


def _peer_has_closed(connection: Connection) -> None:
    connection.changed = True
    connection.receiver.ack_due = True
    if connection.state is State.ESTABLISHED:
        connection.enter(State.CLOSE_WAIT)
    elif connection.state is State.FIN_WAIT_1:
        # Had our FIN been acknowledged by this segment, we would be in FIN-WAIT-2.
        connection.enter(State.CLOSING)
    elif connection.state is State.FIN_WAIT_2:
        connection.enter_time_wait()
