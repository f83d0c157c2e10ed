"""The sending half of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import MILLISECOND, SECOND, Alarm
from stack.link import Buffer
from stack.tcp.buffers import ByteQueue
from stack.tcp.congestion import ALGORITHMS
from stack.tcp.recovery import Phase, Recovery
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Acknowledged, Scoreboard, SentSegment
from stack.tcp.segment import Segment
from stack.wire.tcp import ACK, FIN, PSH, SYN

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_RTO_AFTER_LOST_SYN = 3 * SECOND
"""RFC 6298 5.7: if the SYN was lost and there is no measurement."""


class Sender:
    """SND of RFC 9293 3.3.1: what is queued, what is out, and when the next segment may go."""

    __slots__ = (
        "_blocked_since",
        "_connection",
        "_cwnd_limited",
        "_max_flight",
        "_max_window",
        "_persists",
        "_small_end",
        "_unsent",
        "_window_round_end",
        "alarm",
        "board",
        "bytes_acked",
        "bytes_retransmitted",
        "closing",
        "congestion",
        "fin_sent",
        "iss",
        "last_sent",
        "mss",
        "probes",
        "recovery",
        "retries",
        "rtt",
        "segments_retransmitted",
        "snd_nxt",
        "snd_una",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
    )

    def __init__(self, connection: Connection, iss: int, mss: int) -> None:
        config = connection.config
        self._connection = connection
        self.iss = iss
        self.snd_una = iss
        self.snd_nxt = iss
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.mss = mss
        """Most octets of data in a segment, after all options that every segment carries (RFC 9293 3.7.1)."""
        self.board = Scoreboard()
        self.rtt = RttEstimator(config)
        self.congestion = ALGORITHMS[config.congestion](mss, config.initial_window)
        self.recovery = Recovery(self.board, self.congestion, config)
        self.alarm = Alarm(connection.clock, self._alarm)
        self.retries = 0
        """Consecutive expiries of the retransmission timer."""
        self.probes = 0
        """Unanswered window probes."""
        self._persists = 0
        """Expiries of the persist timer since something could be sent."""
        self._blocked_since = 0
        self.fin_sent = False
        self.bytes_acked = 0
        self.bytes_retransmitted = 0
        self.segments_retransmitted = 0
        self._unsent = ByteQueue()
        self.closing = False
        """A FIN follows the data."""
        self._max_window = 0
        self._small_end = iss
        self.last_sent = 0
        self._cwnd_limited = False
        self._max_flight = 0
        self._window_round_end = iss

    # -- from the application ----------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Octets of data that were accepted and are not yet acknowledged."""
        return self._unsent.length + self.unacknowledged

    @property
    def unacknowledged(self) -> int:
        """Octets from SND.UNA to SND.NXT."""
        return self.snd_nxt - self.snd_una

    @property
    def unsent(self) -> int:
        """Octets that wait to be sent for the first time."""
        return self._unsent.length

    @property
    def space(self) -> int:
        """Octets that :meth:`write` would take."""
        return max(self._connection.config.send_buffer - self.queued, 0)

    def write(self, data: Buffer) -> int:
        """Take as much of ``data`` as there is space for, and send what may be sent."""
        taken = min(len(data), self.space)
        if taken == 0:
            return 0
        if taken < len(data):
            data = memoryview(data)[:taken]
        self._unsent.append(data if isinstance(data, bytes) else bytes(data))
        return taken

    def close(self) -> None:
        """Queue the FIN behind the data."""
        self.closing = True

    # -- opening -----------------------------------------------------------------------------------

    def send_syn(self, flags: int) -> None:
        """Send the SYN or SYN/ACK."""
        self._emit(SentSegment(self.snd_nxt, self.snd_nxt + 1, b"", flags, self._connection.clock.now()))

    def answer_syn(self) -> None:
        """The peer's SYN came while ours is out: send it at once, as a SYN/ACK."""
        segment = self.board.first
        segment.flags |= ACK
        self._retransmit(segment, self._connection.clock.now())

    def begin(self, mss: int) -> None:
        """The handshake is over: with the options known, start from the initial window (RFC 6928).

        One lost SYN is forgiven, as in Linux; after more, one segment (RFC 5681 3.1).
        """
        config = self._connection.config
        self.mss = mss
        if self.segments_retransmitted and not self.rtt.srtt:
            self.rtt.initial = max(self.rtt.initial, _RTO_AFTER_LOST_SYN)
        self.rtt.backoff = 0
        window = 1 if self.segments_retransmitted > 1 else config.initial_window
        self.congestion = ALGORITHMS[config.congestion](mss, window)
        self.recovery = Recovery(self.board, self.congestion, config)
        self.recovery.sack = self._connection.sack
        self.recovery.point = self.iss
        self._small_end = self._window_round_end = self.snd_nxt
        self.last_sent = self._connection.clock.now()

    def first_window(self, segment: Segment) -> None:
        """SND.WND from the peer's SYN, in which it is never scaled (RFC 7323 2.2)."""
        self.snd_wnd = self._max_window = segment.window
        self.snd_wl1 = segment.sequence
        self.snd_wl2 = self.snd_una

    def _update_window(self, segment: Segment, scale: int) -> None:
        """SND.WND from a segment that is newer than the last that set it (RFC 9293 3.10.7.4)."""
        sequence, ack = segment.sequence, segment.acknowledgment
        if self.snd_wl1 < sequence or (self.snd_wl1 == sequence and self.snd_wl2 <= ack):
            self.snd_wnd = segment.window << scale
            self.snd_wl1 = sequence
            self.snd_wl2 = ack
            if self.snd_wnd > self._max_window:
                self._max_window = self.snd_wnd

    def change_congestion_control(self) -> None:
        """Another algorithm from now on, with the window that there is (TCP_CONGESTION)."""
        before, config = self.congestion, self._connection.config
        self.congestion = ALGORITHMS[config.congestion](self.mss, config.initial_window)
        self.congestion.cwnd, self.congestion.ssthresh = before.cwnd, before.ssthresh
        self.recovery.congestion = self.congestion

    # -- acknowledgments ---------------------------------------------------------------------------

    @property
    def max_window(self) -> int:
        """MAX.SND.WND: the largest window that the peer has offered (RFC 5961 5.2)."""
        return self._max_window

    def acknowledge(self, segment: Segment, now: int, scale: int) -> None:
        """Process an acceptable ACK: SND.UNA =< SEG.ACK =< SND.NXT (RFC 9293 3.10.7.4, RFC 5681, RFC 6675)."""
        board, recovery = self.board, self.recovery
        ack = segment.acknowledgment
        before_window = self.snd_wnd
        advanced = ack - self.snd_una
        self._update_window(segment, scale)
        self.probes = 0
        if advanced:
            acked = board.acknowledge(ack)
            self.snd_una = ack
            self.bytes_acked += advanced
            self._measure(segment, acked, now)
            self.retries = 0
            if len(board):
                self._start_retransmission_timer(now)
            else:
                self.alarm.stop()
            segments, delivered = acked.segments or 1, acked.delivered
        else:
            segments = delivered = 0
        if segment.sack and recovery.sack:
            delivered += board.select_acknowledge(segment.sack, ack, self.snd_nxt)
        elif (
            not advanced and len(board) and not segment.length and not segment.flags & (SYN | FIN)
            and self.snd_wnd == before_window
        ):  # fmt: skip
            recovery.duplicate_ack()
        if advanced and recovery.phase is not Phase.RECOVERY:
            if self._window_was_used():
                self.congestion.acknowledged(delivered, now, self.rtt.srtt)
            else:
                self.congestion.application_limited()
        if recovery.acknowledged(self.snd_una, self.snd_nxt, segments, now):
            lost = recovery.next_retransmission()
            if lost is not None:
                self._retransmit(lost, now)
        self._show()

    def _measure(self, segment: Segment, acked: Acknowledged, now: int) -> None:
        """RFC 6298 3; RFC 7323 4 where a retransmission makes the ACK ambiguous."""
        if acked.newest is not None and not acked.retransmitted:
            self.rtt.sample(now - acked.newest.sent_at, segment.acknowledgment, self.snd_nxt)
        elif acked.segments and segment.timestamp_echo and self._connection.timestamps is not None:
            elapsed = self._connection.timestamps.elapsed(segment.timestamp_echo, now)
            if elapsed >= 0:
                self.rtt.sample(elapsed, segment.acknowledgment, self.snd_nxt)

    def _show(self) -> None:
        observer = self._connection.tcp.host.observer
        if observer is not None:
            observer.window_changed(self._connection)

    # -- sending -----------------------------------------------------------------------------------

    def output(self) -> None:
        """Send what may be sent now: what is lost first, then new data (RFC 6675 4, RFC 9293 3.8.6.2.1)."""
        now = self._connection.clock.now()
        recovery = self.recovery
        limited = False
        if not len(self.board) and self._unsent.length:
            self._restart_after_idle(now)
        while True:
            room = self.congestion.cwnd - recovery.pipe
            lost = recovery.next_retransmission()
            if lost is not None:
                if lost.end - lost.start > room:
                    limited = True
                    break
                self._retransmit(lost, now)
                continue
            length = self._next_length()
            if length < 0:
                last = recovery.last_resort() if self.congestion.mss <= room else None
                if last is None:
                    break
                self._retransmit(last, now)
                continue
            if max(length, 1) > room:
                limited = True
                break
            self._send_new(length, now)
        self._note_window_use(limited)
        if self.alarm.deadline is None and self._is_blocked():
            self._blocked_since = now
            self._start_persist_timer(now)

    def _next_length(self) -> int:
        """Octets of the next new segment, 0 for a bare FIN, -1 if nothing new may be sent."""
        unsent = self._unsent.length
        window = self.snd_una + self.snd_wnd - self.snd_nxt
        if not unsent:
            return 0 if self.closing and not self.fin_sent and window > 0 else -1
        length = min(unsent, self.mss, window)
        if length >= self.mss:
            return length
        if length <= 0:
            return -1
        return length if self._partial_may_go(length, unsent) else -1

    def _partial_may_go(self, length: int, unsent: int) -> bool:
        """Less than a full segment: sender's silly-window avoidance and Nagle (RFC 9293 3.8.6.2.1, 3.7.4).

        Nagle in Minshall's form, as in Linux: only a small segment that is still out holds back the next.
        """
        if length < unsent:
            return length * 2 >= self._max_window
        return self._connection.config.nodelay or self.closing or self._small_end <= self.snd_una

    def _send_new(self, length: int, now: int) -> None:
        payload = self._unsent.take(length)
        start = self.snd_nxt
        end = start + length
        flags = ACK
        if not self._unsent.length:
            if length:
                flags |= PSH
            if self.closing and end < self.snd_una + self.snd_wnd:
                flags |= FIN
                end += 1
                self.fin_sent = True
        if 0 < length < self.mss:
            self._small_end = end
        self._emit(SentSegment(start, end, payload, flags, now))

    def _emit(self, segment: SentSegment) -> None:
        first = not len(self.board)
        self.board.append(segment)
        self.snd_nxt = segment.end
        self._persists = 0
        if first:
            self._start_retransmission_timer(segment.sent_at)
        self.last_sent = segment.sent_at
        self._connection.transmit(segment.start, segment.flags, segment.payload)

    def _retransmit(self, segment: SentSegment, now: int) -> None:
        self.board.mark_retransmitted(segment, now)
        self.segments_retransmitted += 1
        self.bytes_retransmitted += len(segment.payload)
        self.last_sent = now
        self._connection.transmit(segment.start, segment.flags, segment.payload, retransmission=True)

    # -- window use --------------------------------------------------------------------------------

    def _note_window_use(self, limited: bool) -> None:
        """Remember for a round trip whether cwnd was what held us back (RFC 7661, as Linux's tcp_cwnd_validate)."""
        flight = self.recovery.pipe
        if (
            self.snd_una >= self._window_round_end
            or limited
            or (not self._cwnd_limited and flight > self._max_flight)
        ):
            self._cwnd_limited = limited
            self._max_flight = flight
            self._window_round_end = self.snd_nxt

    def _window_was_used(self) -> bool:
        if self._cwnd_limited:
            return True
        return self.congestion.in_slow_start and self.congestion.cwnd < 2 * self._max_flight

    def _restart_after_idle(self, now: int) -> None:
        """RFC 5681 4.1."""
        config = self._connection.config
        if config.slow_start_after_idle and now - self.last_sent > self.rtt.rto:
            self.congestion.restart(config.initial_window * self.mss)
            self.last_sent = now

    # -- timers ------------------------------------------------------------------------------------

    def _is_blocked(self) -> bool:
        """Something waits, and no acknowledgment will come to set it free."""
        return not len(self.board) and bool(self._unsent.length or (self.closing and not self.fin_sent))

    def _start_retransmission_timer(self, now: int) -> None:
        """RFC 6298 5.1, 5.3; no later than the user timeout (RFC 5482, Linux tcp_clamp_rto_to_user_timeout)."""
        deadline = now + self.rtt.rto
        limit = self._connection.config.user_timeout
        if limit:
            deadline = min(deadline, max(self.board.first.first_sent_at + limit, now + MILLISECOND))
        self.alarm.set(deadline)

    def _start_persist_timer(self, now: int) -> None:
        """The first probe after an RTO, then doubling (RFC 9293 3.8.6.1)."""
        config = self._connection.config
        deadline = now + min(self.rtt.rto << min(self._persists, 40), config.max_rto)
        if config.user_timeout:
            deadline = min(deadline, max(self._blocked_since + config.user_timeout, now + MILLISECOND))
        self.alarm.set(deadline)

    def _alarm(self) -> None:
        self._connection.refresh_path()
        if len(self.board):
            self._retransmission_timeout()
        else:
            self._persist_timeout()

    def _retransmission_timeout(self) -> None:
        """RFC 6298 5.4 to 5.6; gives the connection up after R2 (RFC 9293 3.8.3)."""
        connection = self._connection
        now = connection.clock.now()
        first = self.board.first
        shut = connection.synchronized and not self.snd_wnd and not connection.orphaned
        if not (shut and connection.heard_since(now - connection.config.max_rto)):
            # A peer that shut its window over data in flight, and answers, is not dead (RFC 9293 3.8.6, SHLD-17).
            self.retries += 1
        if self.retries > connection.retry_limit or connection.user_timeout_passed(now - first.first_sent_at):
            connection.timed_out()
            return
        if connection.synchronized:
            self.recovery.timeout(self.snd_nxt, now, first=self.retries <= 1)
        self.rtt.backoff += 1
        self._retransmit(first, now)
        self._start_retransmission_timer(now)
        self._show()

    def _persist_timeout(self) -> None:
        """Something waits and nothing is out: the window is shut, or too small to be worth a segment.

        A small window is used after all (the override timeout of RFC 9293 3.8.6.2.1); a shut one is probed, for ever
        as long as the peer answers (3.8.6.1) and there is a user to wait for it. The probe is an octet that was
        acknowledged before, as in Linux.
        """
        connection = self._connection
        now = connection.clock.now()
        window = self.snd_una + self.snd_wnd - self.snd_nxt
        if window > 0 and self._unsent.length:
            self._send_new(min(window, self._unsent.length, self.mss), now)
            return
        self.probes += 1
        self._persists += 1
        unanswered = self._persists if connection.orphaned else self.probes
        if unanswered > connection.retry_limit or (
            self.probes > 1 and connection.user_timeout_passed(now - self._blocked_since)
        ):
            connection.timed_out()
            return
        connection.send_probe()
        self._start_persist_timer(now)

    # -- path MTU ----------------------------------------------------------------------------------

    def change_mss(self, mss: int) -> None:
        """The path MTU has changed; what is out in larger segments is cut and sent again (RFC 1191 6.4)."""
        smaller = mss < self.mss
        self.mss = mss
        self.congestion.change_mss(mss)
        if smaller and len(self.board):
            self.board.split(mss)
