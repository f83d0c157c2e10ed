"""The timers of the sending half: retransmission, tail loss probe, reordering, persist; one alarm for them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.clock import MILLISECOND, Alarm, Clock
from stack.tcp.chronograph import IDLE
from stack.tcp.recovery import Phase
from stack.tcp.rtt import R1
from stack.tcp.scoreboard import Delivery
from stack.tcp.state import State

if TYPE_CHECKING:
    from stack.tcp.sender import Sender

_SUSPICIOUS_RETRIES = 3
"""So many timeouts in a row may be because of Fast Open (Linux ``tcp_fastopen_active_detect_blackhole``)."""


class Timers:
    """When to do something although no ACK comes (RFC 6298 5, RFC 8985 8, RFC 9293 3.8.6.1)."""

    __slots__ = (
        "_blocked_since",
        "_probe_at",
        "_rto_at",
        "_sender",
        "alarm",
        "persists",
        "probe_is_stale",
        "probes",
        "retries",
    )

    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._rto_at = 0
        self._probe_at: int | None = None
        self.probe_is_stale = False
        """The timers have changed, and the alarm is still to be set: :meth:`Sender.output
        <stack.tcp.sender.Sender.output>` has it done, which follows every ACK."""
        self.alarm = Alarm(clock, self._alarm)
        self.retries = 0
        """Consecutive expiries of the retransmission timer."""
        self.probes = 0
        """Unanswered window probes."""
        self.persists = 0
        """Expiries of the persist timer since something could be sent."""
        self._blocked_since = 0

    # -- setting them ------------------------------------------------------------------------------

    def restart_rto(self, now: int) -> None:
        """The retransmission timer (RFC 6298 5.1, 5.3); the probe, whose time depends on it, is to be scheduled anew.

        It is no later than the user timeout (RFC 5482, Linux tcp_clamp_rto_to_user_timeout).
        """
        sender = self._sender
        deadline = now + sender.rtt.rto
        limit = sender.connection.config.user_timeout
        if limit:
            deadline = min(deadline, max(sender.board.first.first_sent_at + limit, now + MILLISECOND))
        self._rto_at = deadline
        self.probe_is_stale = True

    def sacked(self, delivery: Delivery, now: int) -> None:
        """SACK blocks put the retransmission timer off only as long as they could not include the oldest segment.

        Of what was sent after that, any number may arrive while it is lost for good (Linux FLAG_SET_XMIT_TIMER).
        """
        sacked = delivery.oldest_sacked
        if sacked is not None and sacked.sent_at < self._sender.board.first.sent_at:
            self.restart_rto(now)
        else:
            self.probe_is_stale = True

    def schedule_probe(self, now: int) -> None:
        """The PTO, and with it the alarm: not in recovery, nor if SACK blocks are telling already (RFC 8985 7.2).

        Nor before the handshake is complete: first of all the SYN/ACK has to be acknowledged.
        """
        self.probe_is_stale = False
        sender = self._sender
        connection, recovery, board = sender.connection, sender.recovery, sender.board
        config, probe = connection.config, sender.tail_loss_probe
        if (
            (recovery.phase is Phase.OPEN or recovery.phase is Phase.CWR)
            and config.tail_loss_probe
            and recovery.sack
            and probe.end is None
            and probe.samples < sender.rtt.samples
            and board.segments
            and not board.sacked_bytes
            and connection.state is not State.SYN_RECEIVED
        ):
            timeout = now + probe.timeout(config, alone=board.outstanding <= sender.mss)
            self._probe_at = timeout if timeout < self._rto_at else self._rto_at
        else:
            self._probe_at = None
        self._set_alarm()

    def _set_alarm(self) -> None:
        """One alarm for all deadlines: it goes off at the first of them."""
        deadline = self._rto_at
        if self._probe_at is not None and self._probe_at < deadline:
            deadline = self._probe_at
        reordering = self._sender.rack.deadline
        if reordering is not None and reordering < deadline:
            deadline = reordering
        self.alarm.set(deadline)

    def stop(self) -> None:
        """Nothing is out any more."""
        sender = self._sender
        if not sender.queue.length:
            sender.chronograph.change(IDLE, sender.connection.clock.now())
        self._probe_at = None
        sender.rack.clear()
        self.alarm.stop()

    def blocked(self, now: int) -> None:
        """Something waits, nothing is out: the persist timer starts."""
        self._blocked_since = now
        self._start_persist_timer(now)

    def _start_persist_timer(self, now: int) -> None:
        """The first probe after an RTO, then doubling (RFC 9293 3.8.6.1)."""
        config = self._sender.connection.config
        wait = max(self._sender.rtt.rto << min(self.persists, 40), config.persist_min)
        deadline = now + min(wait, config.persist_max or config.max_rto)
        if config.user_timeout:
            deadline = min(deadline, max(self._blocked_since + config.user_timeout, now + MILLISECOND))
        self.alarm.set(deadline)

    # -- when they expire --------------------------------------------------------------------------

    @property
    def _retry_limit(self) -> int:
        """R2 (RFC 9293 3.8.3): retransmissions before the connection is given up."""
        connection = self._sender.connection
        config, listener = connection.config, connection.listener
        if connection.state is State.SYN_SENT:
            return config.syn_retries + config.syn_linear_timeouts
        if connection.state is State.SYN_RECEIVED:
            deferred = listener.defer_accept if listener is not None and connection.accept_deferred else 0
            return max(config.synack_retries, deferred)
        return min(config.retries, config.orphan_retries) if connection.orphaned else config.retries

    @property
    def _deferring(self) -> bool:
        """Only data are missing: no SYN/ACK is sent again before their time is over (Linux ``syn_ack_recalc``)."""
        connection = self._sender.connection
        listener = connection.listener
        return connection.accept_deferred and listener is not None and self.retries < listener.defer_accept

    def _alarm(self) -> None:
        connection, board, rack = self._sender.connection, self._sender.board, self._sender.rack
        connection.transmitter.refresh_path()
        now = connection.clock.now()
        if not board.segments:
            self._persist_timeout(now)
        elif rack.deadline is not None and rack.deadline <= now:
            self._reordering_timeout(now)
        elif self._probe_at is not None and self._probe_at <= now:
            self._probe_timeout(now)
        elif self._rto_at <= now:
            self._retransmission_timeout(now)
        else:
            self._set_alarm()

    def _reordering_timeout(self, now: int) -> None:
        """What was sent before something that has arrived has had time enough to arrive, too (RFC 8985 6.2, step 5)."""
        sender = self._sender
        if sender.recovery.detect_in_time(sender.snd_una, sender.snd_nxt, now):
            sender.retransmit_first(now)
        self._set_alarm()
        sender.output()

    def _probe_timeout(self, now: int) -> None:
        """TLP_send_probe: new data if the window allows, whatever cwnd says; else the last segment (RFC 8985 7.3)."""
        self._probe_at = None
        sender = self._sender
        window = sender.snd_una + sender.snd_wnd - sender.snd_nxt
        length = min(sender.queue.length, sender.mss, window)
        if length > 0:
            sender.send_new(length, now)
        else:
            sender.retransmit(sender.board.last_piece(), now)
        sender.tail_loss_probe.sent(sender.board.last, retransmission=length <= 0)
        self.restart_rto(now)
        self.schedule_probe(now)

    def _retransmission_timeout(self, now: int) -> None:
        """RFC 6298 5.4 to 5.6; gives the connection up after R2 (RFC 9293 3.8.3)."""
        sender = self._sender
        connection = sender.connection
        first = sender.board.first
        shut = connection.synchronized and not sender.snd_wnd and not connection.orphaned
        if not (shut and connection.heard_since(now - connection.config.max_rto)):
            # A peer that shut its window over data in flight, and answers, is not dead (RFC 9293 3.8.6, SHLD-17).
            self.retries += 1
            if self.retries == _SUSPICIOUS_RETRIES:
                connection.swallowed()
        if self.retries > self._retry_limit or connection.user_timeout_passed(now - first.first_sent_at):
            connection.timed_out()
            return
        if self.retries == R1 + 1:
            # Once (MUST-20a): whether another router then works, IP finds out by itself.
            connection.transmitter.path.doubt()
        if connection.synchronized:
            sender.mtu_probing.timed_out(self.retries)
            sender.recovery.timeout(sender.snd_una, sender.snd_nxt, now, again=self.retries > 1)
            sender.tail_loss_probe.reset()
        if connection.state is not State.SYN_SENT or self.retries > connection.config.syn_linear_timeouts:
            sender.rtt.backoff += 1
        if not self._deferring:
            sender.retransmit(sender.board.front(sender.board.first, sender.mss), now)
        self.restart_rto(now)
        self.schedule_probe(now)
        sender.show()

    def _persist_timeout(self, now: int) -> None:
        """Something waits and nothing is out: the window is shut, or too small to be worth a segment.

        A small window is used after all (the override timeout of RFC 9293 3.8.6.2.1); a shut one is probed, for ever
        as long as the peer answers (3.8.6.1) and there is a user to wait for it.
        """
        sender = self._sender
        connection = sender.connection
        window = sender.snd_una + sender.snd_wnd - sender.snd_nxt
        if window > 0 and sender.queue.length:
            sender.send_new(min(window, sender.queue.length, sender.mss), now)
            self.schedule_probe(now)
            return
        self.probes += 1
        self.persists += 1
        unanswered = self.persists if connection.orphaned else self.probes
        if unanswered > self._retry_limit or (
            self.probes > 1 and connection.user_timeout_passed(now - self._blocked_since)
        ):
            connection.timed_out()
            return
        sender.probe_window()
        self._start_persist_timer(now)
