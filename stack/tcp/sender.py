"""The sending half of a connection."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stack.clock import SECOND
from stack.link import Buffer
from stack.tcp.buffers import ByteQueue
from stack.tcp.chronograph import BUSY, IDLE, RECEIVE_WINDOW, SEND_BUFFER, Chronograph
from stack.tcp.congestion import CongestionControl, find
from stack.tcp.cwnd_validation import CwndValidation
from stack.tcp.pacing import Pacer, burst
from stack.tcp.plpmtud import MtuProbing
from stack.tcp.probe import TailLossProbe
from stack.tcp.rack import Rack
from stack.tcp.rate import DeliveryRate
from stack.tcp.recovery import Recovery
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Scoreboard, SentSegment, packets_of
from stack.tcp.segment import Segment
from stack.tcp.state import State
from stack.tcp.timers import Timers
from stack.wire.tcp import ACK, FIN, PSH, SYN

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_RTO_AFTER_LOST_SYN = 3 * SECOND
"""RFC 6298 5.7: if the SYN was lost and there is no measurement."""


class Sender:
    """SND of RFC 9293 3.3.1: what is queued, what is out, and when the next segment may go."""

    __slots__ = (
        "_pacer",
        "_probed_with_data",
        "_record_ends",
        "_short_of_space",
        "_small_end",
        "board",
        "bytes_acked",
        "bytes_retransmitted",
        "chronograph",
        "closing",
        "congestion",
        "connection",
        "cwnd_validation",
        "data_segments_sent",
        "duplicates_reported",
        "fin_sent",
        "iss",
        "largest",
        "last_sent",
        "max_window",
        "mss",
        "mtu_probing",
        "queue",
        "rack",
        "rate",
        "recovery",
        "rtt",
        "segments_retransmitted",
        "snd_nxt",
        "snd_una",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "syn_data",
        "tail_loss_probe",
        "timers",
    )

    def __init__(self, connection: Connection, iss: int, mss: int) -> None:
        config = connection.config
        self.connection = connection
        self.iss = iss
        self.snd_una = iss
        self.snd_nxt = iss
        self.syn_data = 0
        """Octets that our SYN carried, the first of those unsent: they count as sent if the peer takes them."""
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.mss = mss
        """Most octets of data in a segment, after all options that every segment carries (RFC 9293 3.7.1)."""
        self.largest = mss
        """Most octets of data that leave at one time: many times the MSS, if the link segments."""
        self.board = Scoreboard(mss)
        self.rtt = RttEstimator(config)
        self.congestion = self._new_congestion_control(mss, config.initial_window)
        self.rate = DeliveryRate(connection.tcp.rate_sample)
        self._pacer: Pacer | None = None
        self.rack = Rack(self.board, self.rtt)
        self.mtu_probing = MtuProbing(connection)
        self.recovery = self._new_recovery(iss)
        self.tail_loss_probe = TailLossProbe(self.rtt)
        self.timers = Timers(self, connection.clock)
        self._probed_with_data = False
        """A window probe has carried the next octet, which counts as sent if the peer takes it."""
        self._record_ends: deque[int] | None = None
        """Where a segment must end, in the data that were not sent yet (MSG_EOR); None: nowhere."""
        self.fin_sent = False
        self.bytes_acked = 0
        self.bytes_retransmitted = 0
        self.segments_retransmitted = 0
        self.data_segments_sent = 0
        self.duplicates_reported = 0
        """Segments that D-SACKs said had come twice."""
        self.chronograph = Chronograph()
        self._short_of_space = False
        """The application had more to write than there was space for."""
        self.queue = ByteQueue()
        """Accepted, not yet sent."""
        self.closing = False
        """A FIN follows the data."""
        self.max_window = 0
        """MAX.SND.WND: the largest window that the peer has offered (RFC 5961 5.2)."""
        self._small_end = iss
        self.last_sent = 0
        self.cwnd_validation = CwndValidation(iss)

    # -- from the application ----------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Octets of data that were accepted and are not yet acknowledged."""
        return self.queue.length + self.unacknowledged

    @property
    def unacknowledged(self) -> int:
        """Octets from SND.UNA to SND.NXT."""
        return self.snd_nxt - self.snd_una

    @property
    def has_business(self) -> bool:
        """Something is out, or waits to be sent."""
        return bool(self.board.segments or self.queue.length or (self.closing and not self.fin_sent))

    @property
    def unsent(self) -> int:
        """Octets that wait to be sent for the first time."""
        return self.queue.length

    @property
    def bytes_sent(self) -> int:
        """Octets of data that were sent, each as often as it was."""
        once = self.snd_nxt - self.iss - self.fin_sent
        return max(once - 1, 0) + self.bytes_retransmitted

    @property
    def pacing_rate(self) -> int:
        """Octets per second; 0: as fast as they like."""
        return 0 if self._pacer is None else self.congestion.pacing_rate(self.rtt.srtt)

    @property
    def space(self) -> int:
        """Octets that :meth:`write` would take."""
        return max(self.connection.config.send_buffer - self.queued, 0)

    def write(self, data: Buffer) -> int:
        """Take as much of ``data`` as there is space for, and send what may be sent."""
        taken = min(len(data), self.space)
        self._short_of_space = taken < len(data)
        if taken == 0:
            return 0
        if taken < len(data):
            data = memoryview(data)[:taken]
        self.queue.append(data if isinstance(data, bytes) else bytes(data))
        return taken

    def end_record(self) -> None:
        """What is written from now on is never in one segment with what was written before."""
        if self._record_ends is None:
            self._record_ends = deque()
        self._record_ends.append(self.snd_nxt + self.queue.length)

    def close(self) -> None:
        """Queue the FIN behind the data."""
        self.closing = True

    # -- opening -----------------------------------------------------------------------------------

    def carry_in_syn(self, data: Buffer) -> int:
        """Take data that the SYN is to carry (RFC 7413 4.2.1); returns how much of it."""
        self.syn_data = self.write(data)
        return self.syn_data

    def send_syn(self, flags: int) -> None:
        """Send the SYN or SYN/ACK; if it has to be sent again, it goes without data (RFC 7413 4.2.1)."""
        data = self.queue.peek(self.syn_data)
        syn = SentSegment(self.snd_nxt, self.snd_nxt + 1, data, flags, self.connection.clock.now())
        self._emit(syn)
        self.timers.schedule_probe(syn.sent_at)
        syn.payload = b""

    @property
    def snd_max(self) -> int:
        """The highest number that the peer may acknowledge: SND.NXT, or the end of what the SYN carried."""
        return self.snd_nxt + self.syn_data

    def take_syn_data(self, ack: int) -> int:
        """An acceptable ACK of our SYN: what it carried and ``ack`` covers was sent; returns how much that is.

        The rest is sent as if for the first time.
        """
        taken = ack - self.snd_nxt if ack > self.snd_nxt else 0
        self.queue.take(taken)
        self.snd_nxt += taken
        self.syn_data = 0
        return taken

    def shook_hands(self, rtt: int) -> None:
        """A SYN/ACK that nobody remembers was acknowledged, after ``rtt`` ns; 0: we do not know."""
        self.snd_una = self.snd_nxt = self.iss + 1
        if rtt:
            self.rtt.sample(rtt, self.snd_una, self.snd_nxt, self.connection.clock.now())

    def repeat_syn(self) -> None:
        """The SYN was too large for the path, because of its data: at once again, without them."""
        self.retransmit(self.board.first, self.connection.clock.now())

    def answer_syn(self) -> None:
        """The peer's SYN came while ours is out: send it at once, as a SYN/ACK."""
        if not len(self.board):
            # It was still waiting for data.
            self.send_syn(SYN | ACK)
            return
        segment = self.board.first
        segment.flags |= ACK
        self.retransmit(segment, self.connection.clock.now())

    def begin(self, mss: int) -> None:
        """The handshake is over: with the options known, start from the initial window (RFC 6928).

        One lost SYN is forgiven, as in Linux; after more, one segment (RFC 5681 3.1).
        """
        config = self.connection.config
        self._set_mss(mss)
        if self.segments_retransmitted and not self.rtt.srtt:
            self.rtt.initial = max(self.rtt.initial, _RTO_AFTER_LOST_SYN)
        self.rtt.backoff = 0
        window = 1 if self.segments_retransmitted > 1 else config.initial_window
        self.congestion = self._new_congestion_control(mss, window)
        self._pace_if_wanted()
        self.recovery = self._new_recovery(self.iss)
        self.recovery.sack = self.connection.sack
        self.cwnd_validation = CwndValidation(self.snd_nxt)
        self._small_end = self.snd_nxt
        self.last_sent = self.connection.clock.now()

    def first_window(self, segment: Segment) -> None:
        """SND.WND from the peer's SYN, in which it is never scaled (RFC 7323 2.2)."""
        self.snd_wnd = self.max_window = segment.window
        self.snd_wl1 = segment.sequence
        self.snd_wl2 = self.snd_una

    def update_window(self, segment: Segment, scale: int) -> None:
        """SND.WND from a segment that is newer than the last that set it (RFC 9293 3.10.7.4)."""
        sequence, ack = segment.sequence, segment.acknowledgment
        if self.snd_wl1 < sequence or (self.snd_wl1 == sequence and self.snd_wl2 <= ack):
            self.snd_wnd = segment.window << scale
            self.snd_wl1 = sequence
            self.snd_wl2 = ack
            if self.snd_wnd > self.max_window:
                self.max_window = self.snd_wnd

    def change_congestion_control(self) -> None:
        """Another algorithm from now on, with the window that there is (TCP_CONGESTION)."""
        before, config = self.congestion, self.connection.config
        self.congestion = self._new_congestion_control(self.mss, config.initial_window)
        self.congestion.cwnd, self.congestion.ssthresh = before.cwnd, before.ssthresh
        self.recovery.congestion = self.congestion
        self._pace_if_wanted()

    def _pace_if_wanted(self) -> None:
        if self._pacer is None and (self.connection.config.pacing or self.congestion.needs_pacing):
            self._pacer = Pacer(self.connection.clock, self.connection.output)

    def _new_congestion_control(self, mss: int, window: int) -> CongestionControl:
        config = self.connection.config
        settings = self.connection.tcp.congestion_settings(config.hystart, config.abe)
        return find(config.congestion)(mss, window, settings)

    def _new_recovery(self, point: int) -> Recovery:
        connection = self.connection
        return Recovery(
            self.board,
            self.congestion,
            self.rack,
            self.rtt,
            connection.ecn,
            self.mtu_probing,
            connection.config,
            point,
        )

    # -- sending -----------------------------------------------------------------------------------

    def output(self) -> None:
        """Send what may be sent now: what is lost first, then new data (RFC 6675 4, RFC 9293 3.8.6.2.1)."""
        now = self.connection.clock.now()
        recovery, board = self.recovery, self.board
        limited = False
        if not board.segments and self.queue.length:
            config = self.connection.config
            if self.cwnd_validation.after_silence(
                self.congestion, config, now - self.last_sent, self.rtt.rto
            ):
                self.last_sent = now
            self.congestion.resume(now)
        new_first, start = recovery.new_first, self.snd_nxt
        pacer = self._pacer
        room = self.congestion.cwnd - recovery.pipe
        while True:
            lost = recovery.next_retransmission() if board.lost_bytes and not new_first else None
            if lost is not None:
                lost = board.front(lost, min(room, self._burst()))
                size = lost.end - lost.start
                if size > room:
                    limited = True
                    break
                if pacer is not None and not pacer.may_send(now):
                    break
                self.retransmit(lost, now)
                room -= size
                continue
            length = self._next_length(room)
            if length < 0 or length > room or room < 1:
                limited = length >= 0
                if not new_first:
                    break
                new_first = False
                recovery.new_data_first(was_sent=self.snd_nxt > start)
                if self.snd_nxt > start:
                    break
                continue
            if pacer is not None and not pacer.may_send(now):
                break
            before = self.snd_nxt
            self.send_new(length, now)
            room -= self.snd_nxt - before
            if length > self.mss and self.mtu_probing.active:
                self.mtu_probing.sent(board.last)
        self.cwnd_validation.note(limited, recovery.pipe, self.snd_una, self.snd_nxt)
        waits = limited or (pacer is not None and pacer.waiting)
        condition = BUSY if waits and self.queue.length else self._condition(waits)
        if condition != self.chronograph.condition:
            self.chronograph.change(condition, now)
        if not waits and self.queue.length < self.mss and not board.lost_bytes:
            self.rate.mark_app_limited(recovery.pipe)
        timers = self.timers
        if self.snd_nxt > start or timers.probe_is_stale:
            timers.schedule_probe(now)
        elif timers.alarm.deadline is None and self._is_blocked():
            timers.blocked(now)

    def _condition(self, waits: bool) -> int:
        """What holds us back; ``waits``: congestion control does."""
        unsent = self.queue.length
        if unsent:
            room = self.snd_una + self.snd_wnd - self.snd_nxt
            return RECEIVE_WINDOW if room < min(self.mss, unsent) else BUSY
        if not self.board.segments:
            return IDLE
        starved = self._short_of_space and not waits
        return SEND_BUFFER if starved and 3 * self.space < self.connection.config.send_buffer else BUSY

    def _burst(self) -> int:
        """Most octets that leave at one time: no more than pacing would send at once (Linux ``tcp_tso_autosize``)."""
        if self._pacer is None or self.largest == self.mss:
            return self.largest
        rate = self.congestion.pacing_rate(self.rtt.srtt)
        return max(min(burst(rate), self.largest), 2 * self.mss) if rate else self.largest

    def _next_length(self, room: int) -> int:
        """Octets of the next new segment, 0 for a bare FIN, -1 if nothing new may be sent.

        Of a super-segment, so many as cwnd has ``room`` for; but never less than one MSS.
        """
        unsent = self.queue.length
        window = self.snd_una + self.snd_wnd - self.snd_nxt
        if not unsent:
            return 0 if self.closing and self._fin_is_due and window > 0 else -1
        mss = self.mss
        ends = self._record_ends is not None
        if ends:
            rest = self._rest_of_record()
            if 0 < rest <= min(mss, window):
                return rest
            unsent = rest or unsent
        if unsent >= mss <= window:
            if self.mtu_probing.active and not ends:
                return self.mtu_probing.next_size(window)
            if self.largest > mss:
                most = self._burst()
                if unsent < most and self.connection.more and self.board.segments:
                    return -1  # What the user sends next makes it longer; if not, the next ACK lets it go.
                length = min(unsent, window, max(min(room, most), mss))
                return length - length % mss
            return mss
        length = min(unsent, mss, window)
        if length <= 0:
            return -1
        return length if self._partial_may_go(length, unsent) else -1

    @property
    def _fin_is_due(self) -> bool:
        """Behind the data, but not before the handshake is complete, as in Linux."""
        return self.closing and not self.fin_sent and self.connection.state is not State.SYN_RECEIVED

    def _partial_may_go(self, length: int, unsent: int) -> bool:
        """Less than a full segment: sender's silly-window avoidance and Nagle (RFC 9293 3.8.6.2.1, 3.7.4).

        Nagle in Minshall's form, as in Linux: only a small segment that is still out holds back the next.
        """
        if length < unsent:
            return length * 2 >= self.max_window
        connection = self.connection
        if self.closing or connection.pushes(self.snd_nxt + length):
            return True
        if connection.holding:
            return False
        return connection.config.nodelay or self._small_end <= self.snd_una

    def _rest_of_record(self) -> int:
        """Unsent octets up to the next end of a record, which there must have been; 0 if there is none."""
        ends = self._record_ends
        while ends and ends[0] <= self.snd_nxt:
            ends.popleft()
        if not ends:
            self._record_ends = None
            return 0
        return ends[0] - self.snd_nxt

    def send_new(self, length: int, now: int) -> None:
        """The next ``length`` octets, in one segment or one super-segment, with the FIN if it is due then."""
        ends_record = False
        if self._record_ends is not None:
            rest = self._rest_of_record()
            ends_record = 0 < rest <= length
            length = rest if ends_record else length
        payload = self.queue.take(length)
        start = self.snd_nxt
        end = start + length
        flags = ACK
        if ends_record:
            flags |= PSH
        if not self.queue.length:
            if length and not self.connection.more:
                flags |= PSH
            if self.closing and self._fin_is_due and end < self.snd_una + self.snd_wnd:
                flags |= FIN
                end += 1
                self.fin_sent = True
        if 0 < length < self.mss:
            self._small_end = end
        self._emit(SentSegment(start, end, payload, flags, now))

    def _emit(self, segment: SentSegment) -> None:
        board, now = self.board, segment.sent_at
        flight = board.in_flight
        alone = not board.segments
        board.append(segment)
        self.snd_nxt = segment.end
        self.timers.persists = 0
        if alone:
            self.timers.restart_rto(now)
        if self.recovery.reduction is not None:
            self.recovery.reduction.sent(segment.end - segment.start)
        self._transmit(segment, flight, now, alone=alone)

    def retransmit(self, segment: SentSegment, now: int) -> None:
        """Send ``segment`` again."""
        board, recovery, timestamps = self.board, self.recovery, self.connection.timestamps
        flight = board.in_flight
        board.mark_retransmitted(segment, now)
        octets = segment.end - segment.start
        packets = max(packets_of(octets, self.mss), 1)
        self.segments_retransmitted += packets
        self.bytes_retransmitted += len(segment.payload)
        recovery.sent_again(octets, packets, None if timestamps is None else timestamps.value(now))
        self._transmit(segment, flight, now, alone=False)

    def retransmit_first(self, now: int) -> None:
        """Recovery begins, or finds the next hole: its retransmission goes whatever cwnd says."""
        self.tail_loss_probe.reset()
        lost = self.recovery.next_retransmission()
        if lost is not None:
            self.retransmit(self.board.front(lost, self.mss), now)

    def show(self) -> None:
        """The observer sees how the window has changed."""
        observer = self.connection.tcp.host.observer
        if observer is not None:
            observer.window_changed(self.connection)

    def _transmit(self, segment: SentSegment, flight: int, now: int, *, alone: bool) -> None:
        self.last_sent = now
        size = len(segment.payload)
        if size:
            self.data_segments_sent += 1 if size <= self.mss else -(-size // self.mss)
        self.rate.segment_sent(segment, flight, now, alone=alone)
        if self._pacer is not None:
            self._pacer.sent(size, self.congestion.pacing_rate(self.rtt.srtt), now)
        self.connection.transmitter.transmit(
            segment.start, segment.flags, segment.payload, retransmission=segment.transmissions > 1
        )

    # -- a shut window -----------------------------------------------------------------------------

    def _is_blocked(self) -> bool:
        """Something waits, and no acknowledgment will come to set it free."""
        return not self.board.segments and self.has_business

    def probe_window(self) -> None:
        """A window probe comes from before SND.UNA, as in Linux, or carries the next octet."""
        connection = self.connection
        if connection.config.probe_with_data and self.queue.length:
            self._probed_with_data = True
            connection.transmitter.refresh_path()
            push = PSH if self.queue.length == 1 else 0
            connection.transmitter.transmit(self.snd_nxt, ACK | push, self.queue.peek(1))
        else:
            connection.transmitter.send_probe()

    def takes_probe(self, ack: int) -> bool:
        """An ACK of more than was sent: the octet of a window probe was taken, and so it was sent."""
        if not self._probed_with_data or ack != self.snd_nxt + 1:
            return False
        self._probed_with_data = False
        self.queue.take(1)
        self.snd_una = self.snd_nxt = ack
        self.bytes_acked += 1
        return True

    def cancel(self) -> None:
        """The connection is gone: leave nothing at the clock."""
        self.chronograph.change(IDLE, self.connection.clock.now())
        self.timers.alarm.cancel()
        if self._pacer is not None:
            self._pacer.cancel()

    # -- path MTU ----------------------------------------------------------------------------------

    def change_mss(self, mss: int) -> None:
        """The path MTU has changed; what is out in larger segments is cut and sent again (RFC 1191 6.4)."""
        smaller = mss < self.mss
        self._set_mss(mss)
        self.congestion.change_mss(mss)
        if smaller and self.board.segments:
            self.board.split(mss)
            self.mtu_probing.forget()

    def _set_mss(self, mss: int) -> None:
        self.mss = self.board.mss = mss
        self.largest = max(self.connection.transmitter.largest_transmission // mss, 1) * mss
