"""The receiving half of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import MILLISECOND, Alarm
from stack.link import Buffer
from stack.tcp.buffers import ByteQueue
from stack.tcp.reassembly import Reassembly
from stack.tcp.segment import Segment
from stack.tcp.window import ReceiveWindow

if TYPE_CHECKING:
    from stack.tcp.connection import Connection


class Receiver:
    """RCV of RFC 9293 3.3.1: what has arrived, and when to acknowledge it."""

    __slots__ = (
        "_connection",
        "_delayed_ack",
        "_last_echo",
        "_quick_acks",
        "_shut",
        "ack_due",
        "bytes_received",
        "fin_at",
        "finished",
        "irs",
        "largest_segment",
        "last_ack_sent",
        "out_of_order",
        "queue",
        "rcv_nxt",
        "segments_out_of_order",
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
        self.out_of_order = Reassembly(config.out_of_order_segments)
        self.window = ReceiveWindow(config)
        self.fin_at: int | None = None
        """The sequence number of the peer's FIN, once we know it."""
        self.finished = False
        """The FIN and everything before it have arrived."""
        self.bytes_received = 0
        self.segments_out_of_order = 0
        self.ack_due = False
        """An ACK is to be sent at once, when the segment has been processed."""
        self._delayed_ack = Alarm(connection.clock, connection.send_ack)
        self._quick_acks = config.quick_acks
        self.largest_segment = 0
        self._last_echo = -1
        self._shut = False

    def begin(self, irs: int) -> None:
        """The peer's SYN has told its initial sequence number."""
        self.irs = irs
        self.rcv_nxt = self.last_ack_sent = irs + 1
        self.window.begin(self.rcv_nxt)

    # -- from the network --------------------------------------------------------------------------

    def data_arrives(self, segment: Segment, now: int) -> None:
        """Take the text of an acceptable segment (RFC 9293 3.10.7.4, seventh)."""
        sequence, payload = segment.sequence, segment.payload
        end = sequence + segment.length
        if segment.length > self.largest_segment:
            # What a link has joined is still several segments to be acknowledged.
            self.largest_segment = min(segment.length, self._connection.offered_mss)
        self._measure(segment, now)
        if end <= self.rcv_nxt:
            self.ack_due = True
            return
        right = self.window.right_edge
        if end > right:
            payload = memoryview(payload)[: right - sequence]
            end = right
            self.ack_due = True
        if sequence > self.rcv_nxt:
            self.segments_out_of_order += 1
            if end > sequence and not self.out_of_order.insert(sequence, payload):
                self._connection.drop("tcp.out_of_order_full")
            self.ack_due = True
            return
        if sequence < self.rcv_nxt:
            payload = memoryview(payload)[self.rcv_nxt - sequence :]
        self._deliver(payload)
        if len(self.out_of_order):
            # Whatever fills a hole is acknowledged at once (RFC 5681 4.2).
            self.ack_due = True
            for piece in self.out_of_order.take(self.rcv_nxt):
                self._deliver(piece)
        self._schedule_ack()

    def _measure(self, segment: Segment, now: int) -> None:
        """The round trip as a receiver sees it, for the tuning of the window."""
        timestamps = self._connection.timestamps
        if timestamps is None:
            self.window.arrived(self.rcv_nxt, now)
        elif segment.timestamp_echo != self._last_echo and segment.length >= self.largest_segment:
            self._last_echo = segment.timestamp_echo
            self.window.measured(max(timestamps.elapsed(segment.timestamp_echo, now), MILLISECOND))

    def _deliver(self, payload: Buffer) -> None:
        size = len(payload)
        self.rcv_nxt += size
        self.bytes_received += size
        if not self._shut:
            self.queue.append(payload)

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

    def _schedule_ack(self) -> None:
        """RFC 9293 3.8.6.3, RFC 5681 4.2: at least every second full segment, and none too late."""
        if self.ack_due:
            return
        if self._quick_acks > 0 or self.rcv_nxt - self.last_ack_sent > self.largest_segment:
            self.ack_due = True
        elif self._delayed_ack.deadline is None:
            self._delayed_ack.set_later(self._connection.config.delayed_ack)

    def acknowledged(self) -> None:
        """A segment with an ACK for RCV.NXT has left."""
        if self._quick_acks > 0:
            self._quick_acks -= 1
        self.last_ack_sent = self.rcv_nxt
        self.ack_due = False
        self._delayed_ack.stop()

    # -- to the application ------------------------------------------------------------------------

    def read(self, limit: int) -> bytes:
        """Remove up to ``limit`` octets from the queue."""
        return bytes(self.queue.take(limit))

    def shut(self) -> None:
        """Nobody will read any more: what has arrived and what arrives is acknowledged and thrown away."""
        self._shut = True
        self.queue.clear()

    def cancel(self) -> None:
        """The connection is gone."""
        self._delayed_ack.cancel()
        self.out_of_order.clear()
