"""What passes and what ends a connection, by FreeBSD's rules: tcp_do_segment(), tcp_twcheck(), the SYN cache, ICMP.

They differ from :mod:`stack.tcp.arrival` where RFC 9293 3.10.7.4 and RFC 5961 leave room: a RST and a SYN are looked at
before timestamps are; what is empty and old by its timestamp goes unanswered; of a segment from before the window the
ACK still counts.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from stack.internet.protocol import ErrorKind, ErrorReport
from stack.tcp.segment import Segment
from stack.tcp.state import MAY_RECEIVE, State
from stack.wire.tcp import ACK, FIN, PSH, RST, SYN

if TYPE_CHECKING:
    from stack.tcp.connection import Connection


ABORTED_SILENTLY: Final = (State.CLOSED, State.SYN_SENT, State.TIME_WAIT)
"""In all other states the peer is told (tcp_drop())."""
_REFUSALS: Final = (ErrorKind.PORT, ErrorKind.PROTOCOL, ErrorKind.PROHIBITED)


def verdict(connection: Connection, report: ErrorReport) -> int:
    """With what errno an ICMP error ends an attempt to connect (tcp_drop_syn_sent()); 0: it does not, and may explain a
    timeout later."""
    if connection.state is not State.SYN_SENT:
        return 0
    if report.kind in _REFUSALS:
        return errno.ECONNREFUSED
    return errno.EHOSTUNREACH if report.kind is ErrorKind.TIME_EXCEEDED else 0


def passes(connection: Connection, segment: Segment, now: int) -> bool:
    """Whether the ACK of a segment, and all behind it, are to be processed; if not, it has been answered."""
    if connection.state is State.TIME_WAIT:
        _in_time_wait(connection, segment)
        return False
    if connection.state is State.SYN_RECEIVED and connection.listener is not None:
        if not connection.synchronized:
            return _completes_handshake(connection, segment, now)
        if segment.flags & SYN and not segment.flags & RST:
            # Opened fast: the SYN/ACK has its own timer.
            connection.drop("tcp.unexpected_syn")
            if segment.flags & ACK:
                connection.transmitter.refuse(segment)
            return False
    flags = segment.flags
    if not _has_timestamps(connection, segment):
        return False
    if connection.state is State.SYN_RECEIVED and flags & (RST | ACK) == ACK:
        sender = connection.sender
        if not sender.snd_una < segment.acknowledgment <= sender.snd_max:
            connection.drop("tcp.bad_ack")
            connection.transmitter.refuse(segment)
            return False
    if flags & RST:
        _reset_arrives(connection, segment)
        return False
    if flags & SYN and connection.state is not State.SYN_RECEIVED:
        _syn_arrives(connection, segment)
        return False
    if _is_old(connection, segment, now):
        connection.receiver.ack_due |= segment.length > 0
        return False
    return _fits(connection, segment)


def _fits(connection: Connection, segment: Segment) -> bool:
    """The segment touches the window, or its ACK is of use all the same; what cannot count of it is taken off."""
    receiver, flags, length = connection.receiver, segment.flags, segment.length
    if connection.state is State.SYN_RECEIVED and segment.sequence < receiver.irs:
        connection.drop("tcp.outside_window")
        connection.transmitter.refuse(segment)
        return False
    start = segment.sequence + (1 if flags & SYN else 0)
    before = receiver.rcv_nxt - start
    if segment.sequence < receiver.rcv_nxt and (before > length or (before == length and not flags & FIN)):
        # Nothing new in it: a FIN is one that has come again.
        flags = segment.flags = flags & ~FIN
        receiver.ack_due = True
        start, length = receiver.rcv_nxt, 0
    elif before > 0:
        start, length = receiver.rcv_nxt, length - before
    if connection.orphaned and length and connection.state in MAY_RECEIVE:
        connection.drop("tcp.data_after_close")
        connection.transmitter.refuse(segment)
        connection.forget()
        return False
    edge = max(receiver.window.right_edge, receiver.rcv_nxt)
    beyond = start + length - edge
    if beyond > 0:
        receiver.ack_due = True
        if beyond >= length and not start == edge == receiver.rcv_nxt:
            connection.drop("tcp.outside_window")
            return False
        segment.flags &= ~(PSH | FIN)
    if flags & ACK:
        return True
    connection.drop("tcp.no_ack")
    if connection.state is State.SYN_RECEIVED and receiver.ack_due:
        receiver.ack_due = False
        connection.sender.answer_syn()
    return False


def _has_timestamps(connection: Connection, segment: Segment) -> bool:
    """RFC 7323 3.2: without them, only a RST passes, unless that is tolerated."""
    if (
        connection.timestamps is None
        or segment.timestamp is not None
        or segment.flags & RST
        or not connection.config.require_timestamps
    ):
        return True
    connection.drop("tcp.no_timestamp")
    return False


def _is_old(connection: Connection, segment: Segment, now: int) -> bool:
    """PAWS (RFC 7323 5.3 R1)."""
    timestamps, value = connection.timestamps, segment.timestamp
    if timestamps is None or value is None or not timestamps.is_old(value, now):
        return False
    connection.drop("tcp.paws")
    return True


def _is_in_window(connection: Connection, sequence: int) -> bool:
    """The window is what there is room for, be it advertised or not; a shut one has a left edge."""
    receiver = connection.receiver
    window = receiver.window
    start = receiver.last_ack_sent
    room = max(window.limit - receiver.queue.length, window.right_edge - receiver.rcv_nxt, 1)
    return start <= sequence < start + room


def _reset_arrives(connection: Connection, segment: Segment) -> None:
    """RFC 5961 3.2, about Last.ACK.sent, for an ACK may be delayed."""
    if not _is_in_window(connection, segment.sequence):
        connection.drop("tcp.bad_reset")
    elif segment.sequence == connection.receiver.last_ack_sent or connection.config.reset_in_window:
        refused = connection.state is State.SYN_RECEIVED
        connection.fail(errno.ECONNREFUSED if refused else errno.ECONNRESET)
    else:
        connection.drop("tcp.bad_reset")
        connection.transmitter.challenge()


def _syn_arrives(connection: Connection, segment: Segment) -> None:
    """RFC 5961 4.2."""
    connection.drop("tcp.unexpected_syn")
    if connection.config.syn_in_window and _is_in_window(connection, segment.sequence):
        connection.transmitter.send_reset()
        connection.fail(errno.ECONNRESET)
        return
    if segment.flags & ACK and segment.sequence == connection.receiver.irs:
        connection.ecn.acknowledge_syn_ack(segment.codepoint)
    connection.transmitter.challenge()


def _completes_handshake(connection: Connection, segment: Segment, now: int) -> bool:
    """Of a connection that came in and has only sent its SYN/ACK, no more is known than the SYN cache keeps."""
    receiver, flags = connection.receiver, segment.flags
    offset = segment.sequence - receiver.irs
    in_window = 0 < offset <= receiver.window.first
    if flags & RST:
        _resets_handshake(connection, segment, in_window=in_window)
        return False
    if flags & (SYN | ACK) == ACK:
        if not in_window:
            connection.drop("tcp.outside_window")
            connection.transmitter.challenge()
            return False
        if segment.acknowledgment != connection.sender.iss + 1:
            connection.drop("tcp.bad_ack")
            connection.transmitter.refuse(segment)
            return False
        return _has_timestamps(connection, segment) and not _is_old(connection, segment, now)
    connection.drop("tcp.unexpected_syn" if flags & SYN else "tcp.no_syn")
    if flags & ACK:
        connection.transmitter.refuse(segment)
    elif flags & SYN and not (flags & FIN and connection.config.drop_syn_fin):
        if connection.timestamps is not None and segment.timestamp is not None:
            connection.timestamps.remember(segment.timestamp, now)
        connection.ecn.syn_arrives_again(flags, segment.codepoint)
        connection.sender.answer_syn()
    return False


def _resets_handshake(connection: Connection, segment: Segment, *, in_window: bool) -> None:
    """A RST that answers a SYN/ACK has no ACK (RFC 9293 3.10.7.1)."""
    if segment.flags & (SYN | ACK | FIN) or not in_window:
        connection.drop("tcp.bad_reset")
    elif segment.sequence == connection.receiver.rcv_nxt or connection.config.reset_in_window:
        connection.fail(errno.ECONNREFUSED)
    else:
        connection.drop("tcp.bad_reset")
        connection.transmitter.challenge()


def _in_time_wait(connection: Connection, segment: Segment) -> None:
    """All but the plain ACK that was to come is acknowledged; a RST does nothing (RFC 1337 3)."""
    receiver, flags = connection.receiver, segment.flags
    if flags & RST:
        connection.drop("tcp.reset_in_time_wait")
        return
    if not flags & ACK:
        connection.drop("tcp.no_ack")
        return
    if not _has_timestamps(connection, segment):
        return
    if flags & FIN and segment.sequence + segment.length + bool(flags & SYN) + 1 == receiver.rcv_nxt:
        connection.enter_time_wait()
    as_expected = segment.sequence == receiver.rcv_nxt and segment.acknowledgment == connection.sender.snd_nxt
    if flags != ACK or segment.length or not as_expected:
        receiver.window.will_answer()
        connection.transmitter.send_ack()
