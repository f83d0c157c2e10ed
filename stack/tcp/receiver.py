"""The receiving half of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import MILLISECOND, Alarm
from stack.link import Buffer
from stack.tcp.buffers import ByteQueue
from stack.tcp.reassembly import Reassembly
from stack.tcp.segment import Segment
from stack.tcp.urgent import Urgent, UrgentPointer
from stack.tcp.window import ExactWindow, ReceiveWindow
from stack.wire.tcp import PSH, URG

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_LONGEST_DELAY = 200 * MILLISECOND
"""Of the ACK that completes a handshake and waits for data to carry it (Linux TCP_DELACK_MAX)."""
_INTERACTIVE = 40 * MILLISECOND
"""Data that follow what has arrived so soon answer it (Linux TCP_ATO_MIN)."""


_DEFAULT_MSS = 536
"""Linux TCP_MSS_DEFAULT."""
_LEAST_MSS = 88
"""Linux TCP_MIN_MSS."""
_NOTHING = Reassembly(0)
"""Out of order at every connection where nothing is: an idle one needs no queue of its own."""


class Receiver:
    """RCV of RFC 9293 3.3.1: what has arrived, and when to acknowledge it."""

    __slots__ = (
        "_connection",
        "_delayed_ack",
        "_last_echo",
        "_pushed",
        "_quick_acks",
        "_shut",
        "ack_due",
        "bytes_received",
        "data_arrived_at",
        "duplicate",
        "fin_at",
        "finished",
        "interactive",
        "irs",
        "largest_segment",
        "last_ack_sent",
        "out_of_order",
        "queue",
        "rcv_nxt",
        "segments_out_of_order",
        "segments_received",
        "urgent",
        "window",
    )

    def __init__(self, connection: Connection) -> None:
        config = connection.config
        self._connection = connection
        self.irs = 0
        self.rcv_nxt = 0
        self.last_ack_sent = 0
        """Last.ACK.sent (RFC 7323 4.3)."""
        self.queue = ByteQueue()
        """In order, not yet read by the application."""
        self.out_of_order = _NOTHING
        self.window = ExactWindow(config) if config.exact_window else ReceiveWindow(config)
        self.duplicate: tuple[int, int] | None = None
        """Octets that came twice and have not been reported yet."""
        self.fin_at: int | None = None
        """The sequence number of the peer's FIN, once we know it."""
        self.finished = False
        """The FIN and everything before it have arrived."""
        self.bytes_received = 0
        self.segments_received = 0
        """With data."""
        self.segments_out_of_order = 0
        self.ack_due = False
        """An ACK is to be sent at once, when the segment has been processed."""
        self._delayed_ack = Alarm(connection.clock, connection.transmitter.send_ack)
        self._quick_acks = config.quick_acks
        self.interactive = False
        """Our data answer the peer's and carry our ACKs: none is sent quickly (Linux "pingpong", TCP_QUICKACK)."""
        self.data_arrived_at: int | None = None
        """When there were last any that could be answered (ns)."""
        self.urgent = UrgentPointer()
        self._pushed = 0
        """Segments that end what the peer had to say, unacknowledged: none, one, or more (Linux ICSK_ACK_PUSHED, 2)."""
        self.largest_segment = 0
        self._last_echo = -1
        self._shut = False

    def begin(self, irs: int) -> None:
        """The peer's SYN has told its initial sequence number."""
        self.irs = irs
        self.rcv_nxt = self.last_ack_sent = irs + 1
        self.window.begin(self.rcv_nxt)

    def expect_segments(self, size: int) -> None:
        """How long the peer's segments are is not known yet: no longer than ours, nor than any network carries.

        As Linux's tcp_initialize_rcv_mss(), so that a few octets are no full segment because they came first.
        """
        self.largest_segment = max(min(size, _DEFAULT_MSS, self.window.first // 2), _LEAST_MSS)

    # -- from the network --------------------------------------------------------------------------

    def data_arrives(self, segment: Segment, now: int) -> None:
        """Take the text of an acceptable segment (RFC 9293 3.10.7.4, seventh)."""
        sequence, payload = segment.sequence, segment.payload
        end = sequence + segment.length
        self.segments_received += 1
        if segment.length >= self.largest_segment:
            # What a link has joined is still several segments to be acknowledged.
            self.largest_segment = min(segment.length, self._connection.transmitter.offered_mss)
            if segment.flags & PSH and not self._pushed:
                self._pushed = 1
        elif self._pushed < 2:
            self._pushed += 1
        if self._connection.timestamps is None or segment.timestamp_echo != self._last_echo:
            self._measure(segment, now)
        self.data_arrived_at = now
        if sequence == self.rcv_nxt and end <= self.window.right_edge and not self.out_of_order.starts:
            self._deliver(payload)
            self._schedule_ack(now)
            return
        if end <= self.rcv_nxt:
            self.interactive = False
            self.arrived_again(sequence, end)
            counter = self._connection.ecn.counter
            if counter is not None:
                counter.arrived_again(sequence)
            return
        right = self.window.right_edge
        if end > right:
            payload = memoryview(payload)[: right - sequence]
            end = right
            self.ack_due = True
        if sequence > self.rcv_nxt:
            self.segments_out_of_order += 1
            known = self.out_of_order.ranges.around(sequence)
            if known is not None:
                self.arrived_again(sequence, min(end, known[1]))
            if self.out_of_order is _NOTHING:
                self.out_of_order = Reassembly(self._connection.config.out_of_order_segments)
            if end > sequence and not self.out_of_order.insert(sequence, payload):
                self._connection.drop("tcp.out_of_order_full")
            self.ack_due = True
            return
        if sequence < self.rcv_nxt:
            self.arrived_again(sequence, self.rcv_nxt)
            payload = memoryview(payload)[self.rcv_nxt - sequence :]
        self._deliver(payload)
        if self.out_of_order.starts:
            # Whatever fills a hole is acknowledged at once (RFC 5681 4.2).
            self.ack_due = True
            for piece in self.out_of_order.take(self.rcv_nxt):
                self._deliver(piece)
            if not self.out_of_order.starts:
                self.out_of_order = _NOTHING
        self._schedule_ack(now)

    def take_syn_data(self, segment: Segment, now: int) -> None:
        """As :meth:`data_arrives`; but who answers data in a SYN is not interactive for that, as in Linux."""
        self.data_arrives(segment, now)
        self.data_arrived_at = None

    def arrived_again(self, start: int, end: int) -> None:
        """Octets that we had already: the next ACK says so (RFC 2883 4)."""
        self.ack_due = True
        if self._connection.config.dsack:
            self.duplicate = (start, end)

    def sack_blocks(self, most: int) -> list[tuple[int, int]]:
        """What a SACK option reports: a D-SACK first, then what is out of order (RFC 2018 4, RFC 2883 4)."""
        duplicate, self.duplicate = self.duplicate, None
        blocks = self.out_of_order.blocks(most)
        if duplicate is not None:
            around = self.out_of_order.ranges.around(duplicate[0])
            others = [block for block in blocks if block != around]
            blocks = [duplicate, *([around] if around else []), *others][:most]
        if self.fin_at is not None:
            # The FIN has arrived with the data before it; without it, the last segment would count as lost.
            blocks = [(start, end + 1) if end == self.fin_at else (start, end) for start, end in blocks]
        return blocks

    def _measure(self, segment: Segment, now: int) -> None:
        """The round trip as a receiver sees it, for the tuning of the window."""
        timestamps = self._connection.timestamps
        if timestamps is None:
            self.window.arrived(self.rcv_nxt, now)
        elif segment.length >= self.largest_segment:
            self._last_echo = segment.timestamp_echo
            self.window.measured(max(timestamps.elapsed(segment.timestamp_echo, now), MILLISECOND))

    def _deliver(self, payload: Buffer) -> None:
        size = len(payload)
        self.rcv_nxt += size
        self.bytes_received += size
        if not self._shut:
            self.queue.append(payload)

    def urgent_arrives(self, segment: Segment) -> None:
        """Take a new urgent pointer, and the octet that it marks (RFC 9293 3.10.7.4, sixth; RFC 6093)."""
        urgent = self.urgent
        if segment.flags & URG:
            # As sent, and as understood since RFC 1122, it points to the octet behind the urgent one.
            mark = segment.sequence + max(segment.urgent - 1, 0)
            if mark >= self.rcv_nxt and (urgent.state is Urgent.NONE or mark > urgent.mark):
                if self._at_unread_mark() and not urgent.in_line:
                    self.queue.take(1)
                urgent.announce(mark)
                self._connection.changed = True
        if urgent.state is Urgent.AWAITED:
            position = urgent.mark - segment.sequence
            if 0 <= position < segment.length:
                urgent.arrive(segment.payload[position])
                self._connection.changed = True

    def fin_arrives(self, sequence: int) -> None:
        """The FIN lies at ``sequence``, which may be beyond a hole; it is kept."""
        if self.fin_at is None and sequence >= self.rcv_nxt:
            self.fin_at = sequence
        self.ack_due = True

    def reaches_fin(self) -> bool:
        """True once, when everything before the FIN has arrived; RCV.NXT then steps over it."""
        if self.fin_at is None or self.finished or self.rcv_nxt != self.fin_at:
            return False
        self.rcv_nxt += 1
        self.finished = True
        return True

    # -- acknowledging -----------------------------------------------------------------------------

    def _schedule_ack(self, now: int) -> None:
        """RFC 9293 3.8.6.3, RFC 5681 4.2: at least every second full segment, and none too late."""
        if self.ack_due:
            return
        config = self._connection.config
        quickly = self._quick_acks > 0 and not self.interactive
        if config.delay_one_segment:
            enough = self._delayed_ack.deadline is not None
        else:
            enough = self.rcv_nxt - self.last_ack_sent > self.largest_segment
        if quickly or enough:
            self.ack_due = True
        elif self._delayed_ack.deadline is None:
            self._delayed_ack.set(now + config.delayed_ack)

    def acknowledged(self) -> None:
        """A segment with an ACK for RCV.NXT has left."""
        if self._quick_acks > 0:
            self._quick_acks -= 1
        self.last_ack_sent = self.rcv_nxt
        self.ack_due = False
        self._pushed = 0
        if self._delayed_ack.deadline is not None:
            self._delayed_ack.stop()

    @property
    def ack_pending(self) -> bool:
        """An ACK is owed, now or later."""
        return self.ack_due or self._delayed_ack.deadline is not None

    def acknowledges_reading(self) -> bool:
        """The application has read: does the peer hear of it at once? As Linux's tcp_cleanup_rbuf() decides.

        It does if its ACK waits although more than a segment came, or although everything that it wanted to say was
        read and no data of ours are about to answer it; and if the window has grown by enough.
        """
        if self._delayed_ack.deadline is not None and not self._connection.config.exact_window:
            if self.rcv_nxt - self.last_ack_sent > self.largest_segment:
                return True
            if not self.queue.length and self._pushed > self.interactive:
                return True
        return self.window.should_update(self.rcv_nxt, self.queue.length)

    def acknowledge_handshake(self) -> None:
        """The SYN/ACK has come: our ACK, which completes the handshake, may wait for data that it can go with."""
        if self.interactive or self._connection.data_follows:
            self._delayed_ack.set_later(_LONGEST_DELAY)
        else:
            self.ack_due = True

    def data_sent(self, now: int) -> None:
        """Data of ours have left: in answer to the peer's?"""
        if self.data_arrived_at is not None and now - self.data_arrived_at < _INTERACTIVE:
            self.interactive = True

    # -- to the application ------------------------------------------------------------------------

    @property
    def copied(self) -> int:
        """The sequence number of what the application will read next (Linux ``copied_seq``)."""
        return self.rcv_nxt - self.queue.length - self.finished

    @property
    def available(self) -> int:
        """Octets that :meth:`read` would give: it stops before an urgent one, or steps over it where it begins."""
        length = self.queue.length
        if not length or self.urgent.state is Urgent.NONE:
            return length
        ahead = self.urgent.mark - self.copied
        if ahead == 0:
            return length if self.urgent.in_line else length - 1
        return min(length, ahead)

    @property
    def until_mark(self) -> int:
        """Unread octets before the urgent one (SIOCINQ)."""
        if self.urgent.state is Urgent.NONE or self.urgent.in_line:
            return self.queue.length
        return max(min(self.queue.length, self.urgent.mark - self.copied), 0)

    @property
    def at_mark(self) -> bool:
        """The urgent octet is what would be read next (SIOCATMARK)."""
        return self.urgent.state is not Urgent.NONE and self.urgent.mark == self.copied

    def _at_unread_mark(self) -> bool:
        return self.at_mark and self.queue.length > 0

    def read(self, limit: int) -> bytes:
        """Remove up to ``limit`` octets from the queue."""
        urgent = self.urgent
        if urgent.state is Urgent.NONE:
            return bytes(self.queue.take(limit))
        limit = min(limit, self.available)
        if self._at_unread_mark() and not urgent.in_line:
            self.queue.take(1)
        data = bytes(self.queue.take(limit))
        if self.copied > urgent.mark:
            urgent.clear()
        return data

    def peek(self, limit: int) -> bytes:
        """What :meth:`read` would give."""
        limit = min(limit, self.available)
        skipped = 1 if self._at_unread_mark() and not self.urgent.in_line else 0
        return self.queue.peek(limit + skipped)[skipped:]

    def shut(self) -> None:
        """Nobody will read any more: what has arrived and what arrives is acknowledged and thrown away."""
        self._shut = True
        self.queue.clear()

    def cancel(self) -> None:
        """The connection is gone."""
        self._delayed_ack.cancel()
        self.out_of_order = _NOTHING
