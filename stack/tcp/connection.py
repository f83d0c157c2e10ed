"""One TCP connection: its state, its user's calls, how it opens and how it ends."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from stack.config import TcpConfig
from stack.internet.path import Path
from stack.internet.protocol import ErrorReport
from stack.link import Buffer
from stack.tcp import freebsd
from stack.tcp.authentication import Authentication
from stack.tcp.congestion import find
from stack.tcp.ecn import Ecn
from stack.tcp.fastopen import FastOpening, FastOpenOption
from stack.tcp.idle_timer import IdleTimer
from stack.tcp.info import TcpInfo, tcp_info
from stack.tcp.key_table import KeyTable
from stack.tcp.progress import Progress
from stack.tcp.receiver import Receiver
from stack.tcp.segment import Segment
from stack.tcp.sender import Sender
from stack.tcp.sequence import widen
from stack.tcp.state import State
from stack.tcp.timestamps import Timestamps
from stack.tcp.transmitter import Transmitter
from stack.tcp.urgent import UrgentPointer
from stack.tcp.window import MAX_SHIFT, window_shift
from stack.wire.tcp import ACK, MAX_OPTIONS_LENGTH, SYN, TcpOptions

if TYPE_CHECKING:
    from stack.internet.interface import Interface
    from stack.tcp.listener import Listener
    from stack.tcp.protocol import Tcp

_INCARNATION_DISTANCE = 65537

_ABORTED_SILENTLY = (State.CLOSED, State.SYN_SENT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
"""RFC 9293 3.10.5: in these there is no peer yet, or it has said and heard all."""


def nobody() -> None:
    """Stands in for a callback that nobody has set."""


def _ignore(report: ErrorReport) -> None:
    """Stands in for the callback that takes ICMP errors."""


class Connection:
    """A transmission control block (RFC 9293 3.3.1), by its 4-tuple.

    ``notify`` is called whenever something that the user can see may have changed, ``released`` once, when the 4-tuple
    is free again.
    """

    __slots__ = (
        "_idle_timer",
        "_pushed",
        "accept_deferred",
        "authentication",
        "began_at",
        "changed",
        "clock",
        "config",
        "corked",
        "data_follows",
        "ecn",
        "error",
        "fast_open",
        "fast_open_option",
        "hop_limit",
        "interface",
        "key",
        "last_heard",
        "listener",
        "local",
        "local_port",
        "more",
        "notify",
        "orphaned",
        "progress",
        "receiver",
        "released",
        "remote",
        "remote_port",
        "reported",
        "sack",
        "segments_in",
        "sender",
        "snd_shift",
        "snd_up",
        "soft_error",
        "state",
        "syn_data",
        "synchronized",
        "tcp",
        "timestamps",
        "traffic_class",
        "transmitter",
        "waiting_ack",
        "window_scaling",
    )

    def __init__(
        self,
        tcp: Tcp,
        key: tuple[bytes, int, bytes, int],
        config: TcpConfig,
        path: Path,
        interface: Interface | None = None,
        after: int | None = None,
        iss: int | None = None,
    ) -> None:
        """``after`` is the SND.NXT of an earlier incarnation, which the initial sequence number must exceed.

        ``iss`` is that number itself, if it has been chosen already.
        """
        self.tcp = tcp
        self.interface = interface
        """The only one that it may use: the zone of its link-local addresses (RFC 4007 6), or the user's choice."""
        self.key = key
        self.local, self.local_port, self.remote, self.remote_port = key
        self.clock = tcp.host.clock
        self.config = config
        self.state = State.CLOSED
        self.listener: Listener | None = None
        """Where the connection came in, until the handshake is complete."""
        self.synchronized = False
        """It has been established, or was opened fast: data may go both ways."""
        self.orphaned = False
        """The application has closed it."""
        self.changed = False
        """The user is to be notified once the segment has been processed."""
        self.error = 0
        self.soft_error = 0
        """An ICMP error that may explain a later timeout (RFC 9293 3.9.2.2, RFC 5927 5.2)."""
        self.hop_limit = 0
        self.traffic_class = 0
        self.notify: Callable[[], None] = nobody
        self.released: Callable[[], None] = nobody
        self.reported: Callable[[ErrorReport], None] = _ignore
        """Called for every ICMP error that is believed, but for those that path MTU discovery takes."""
        self.window_scaling = config.window_scaling
        self.snd_shift = 0
        self.sack = config.sack
        each = find(config.congestion).needs_accurate_ecn
        self.ecn = Ecn(
            request=config.ecn == "request",
            accept=config.ecn != "off",
            accurate=config.accurate_ecn,
            octets=config.accurate_ecn_option,
            each=each,
        )
        chosen, offset = tcp.initial_sequence(key)
        if iss is None:
            iss = chosen
        if after is not None:
            # RFC 1122 4.2.2.13, by the distance that Linux keeps.
            iss = max(widen(iss, after), after + _INCARNATION_DISTANCE)
        self.timestamps: Timestamps | None = Timestamps(offset) if config.timestamps else None
        self._idle_timer: IdleTimer | None = None
        self.last_heard = self.began_at = self.clock.now()
        """When the peer sent something acceptable, and when data could first go both ways (ns)."""
        self.segments_in = 0
        self.snd_up = iss
        """SND.UP: the octet behind the urgent data (RFC 9293 3.8.5, RFC 6093); up to SND.UNA, there are none."""
        self.corked = False
        """TCP_CORK; see :meth:`cork`."""
        self.waiting_ack: Segment | None = None
        """An ACK that has not been processed, for in the same batch a later one may follow that says the same."""
        self.more = False
        """What is being sent goes on in the next call (MSG_MORE)."""
        self._pushed = iss
        """Everything before this leaves, whatever Nagle and the cork say (Linux TCP_NAGLE_PUSH)."""
        self.data_follows = False
        """Our user speaks first: the ACK of the SYN/ACK may wait for data (TCP_DEFER_ACCEPT, active side)."""
        self.accept_deferred = False
        """In SYN-RECEIVED: the peer's ACK has come, and was put off until data do (TCP_DEFER_ACCEPT)."""
        self.authentication: Authentication | None = None
        """What signs and verifies every segment; see :meth:`protect`."""
        self.fast_open: FastOpening | None = None
        """Our use of Fast Open, as a client."""
        self.fast_open_option: FastOpenOption | None = None
        """What our first SYN or SYN/ACK carries; if it has to be sent again, something may not like it."""
        self.syn_data = False
        """Data in a SYN were taken, ours or the peer's."""
        self.progress: Progress | None = None
        """Somebody wants to know how far data have come."""
        self.transmitter = Transmitter(self, path)
        self.sender = Sender(self, iss, self.transmitter.offered_mss)
        self.receiver = Receiver(self)
        self.receiver.window.mss = self.transmitter.offered_mss

    def __repr__(self) -> str:
        return f"<Connection {self.local_port}-{self.remote_port} {self.state.value}>"

    # -- the user's calls (RFC 9293 3.9.1) ---------------------------------------------------------

    @property
    def available(self) -> int:
        """Octets that :meth:`receive` would give."""
        return self.receiver.available

    @property
    def at_end(self) -> bool:
        """The peer has closed its half and everything before its FIN has been read."""
        return self.receiver.finished and not self.receiver.available

    @property
    def unread(self) -> int:
        """Octets that have arrived in order and were not read, an urgent one among them."""
        return self.receiver.queue.length

    @property
    def until_mark(self) -> int:
        """As :attr:`unread`, but no further than an urgent octet that is not read in line (SIOCINQ)."""
        return self.receiver.until_mark

    @property
    def at_mark(self) -> bool:
        """The urgent octet is the next in the stream (SIOCATMARK, RFC 6093 3.2)."""
        return self.receiver.at_mark

    @property
    def finished(self) -> bool:
        """The peer has closed its half, and everything before its FIN has arrived."""
        return self.receiver.finished

    @property
    def arrived(self) -> int:
        """Octets that have arrived in order so far; an urgent one counts once more."""
        return self.receiver.bytes_received + self.receiver.urgent.count

    @property
    def choked(self) -> bool:
        """The peer can send no full segment, for we have not read enough."""
        receiver = self.receiver
        return receiver.window.right_edge - receiver.rcv_nxt <= receiver.largest_segment

    @property
    def unsent(self) -> int:
        """Octets that wait to be sent for the first time (SIOCOUTQNSD)."""
        return self.sender.unsent

    @property
    def unacknowledged(self) -> int:
        """Octets that were accepted and not acknowledged, a FIN among them (SIOCOUTQ)."""
        return self.sender.queued

    @property
    def space(self) -> int:
        """Octets that :meth:`send` would take."""
        return self.sender.space

    def open(self) -> None:
        """Active OPEN: send the SYN."""
        self._begin_to_open()
        self.sender.send_syn(SYN)

    def open_fast(self, fast_open: FastOpening, data: Buffer | None) -> None:
        """Active OPEN with Fast Open (RFC 7413 4.2.1); with ``data`` of None, a SYN that may carry any waits."""
        self.fast_open = fast_open
        self._begin_to_open()
        if data is not None or not fast_open.may_carry_data:
            self.open_with(data or b"")

    def _begin_to_open(self) -> None:
        self.enter(State.SYN_SENT)
        if self.config.open_timeout:
            self.idle_timer.alarm.set_later(self.config.open_timeout)

    def open_with(self, data: Buffer) -> int:
        """Send the SYN with as much of ``data`` as it may carry; returns how much of it that is.

        What the peer can take in a segment, we know from the last time; there must be room for any options.
        """
        fast_open = self.fast_open
        assert fast_open is not None
        self.fast_open_option = fast_open.option
        if fast_open.may_carry_data:
            size = self.transmitter.syn_size(fast_open.mss)
            fast_open.carried = self.sender.carry_in_syn(memoryview(data)[: size - MAX_OPTIONS_LENGTH])
        self.sender.send_syn(SYN)
        return self.sender.syn_data

    @property
    def awaits_data(self) -> bool:
        """The SYN waits for data that it can carry (TCP_FASTOPEN_CONNECT)."""
        return self.state is State.SYN_SENT and self.sender.snd_nxt == self.sender.iss

    @property
    def opening(self) -> bool:
        """The handshake is going on, and data have to wait for it."""
        return self.state in (State.SYN_SENT, State.SYN_RECEIVED) and not self.synchronized

    def take_syn_data(self, segment: Segment) -> None:
        """A SYN with a valid Fast Open cookie: take its data, and let ours go (RFC 7413 4.2.2)."""
        self.begin()
        if segment.length:
            self.syn_data = True
            segment.sequence += 1
            self.receiver.take_syn_data(segment, self.clock.now())

    def syn_answered(self, options: TcpOptions, ack: int) -> None:
        """The SYN/ACK, acceptable, has come: what of the data in our SYN does it acknowledge?"""
        taken = self.sender.take_syn_data(ack)
        self.syn_data = taken > 0
        if self.fast_open is not None:
            again = self.sender.segments_retransmitted > 0
            self.fast_open.answered(options, taken, self.clock.now(), retransmitted=again)
            if self.fast_open.carried:
                outcome = "tcp.fast_open_active" if taken else "tcp.fast_open_active_failed"
                self.tcp.host.counters[outcome] += 1

    def send(
        self, data: Buffer, *, more: bool = False, urgent: bool = False, ends_record: bool = False
    ) -> int:
        """Queue data; returns how many octets were taken, 0 if the buffer is full or our half is closed.

        ``more``: the user will send more at once, so a partial segment waits for it, or for the next ACK. ``urgent``:
        the last octet is urgent data. ``ends_record``: what follows does not go into the same segment (MSG_EOR).
        """
        sender = self.sender
        taken = 0 if sender.closing else sender.write(data)
        if not taken:
            return 0
        if urgent:
            self.snd_up = sender.snd_nxt + sender.unsent
        if ends_record and taken == len(data):
            sender.end_record()
        if self.synchronized:
            self.more = more and taken == len(data)
            self.output()
            self.more = False
        return taken

    def cork(self, on: bool) -> None:
        """TCP_CORK: hold back every partial segment, until uncorked or the persist timer lets it go (tcp(7))."""
        uncorked = self.corked and not on
        self.corked = on
        if uncorked:
            if self.config.nodelay:
                self._push()
            elif self.synchronized:
                self.output()

    def _push(self) -> None:
        """Send what is queued, be it a partial segment."""
        self._pushed = self.sender.snd_nxt + self.sender.unsent
        if self.synchronized:
            self.output()

    @property
    def holding(self) -> bool:
        """No partial segment may leave."""
        return self.corked or self.more

    def pushes(self, end: int) -> bool:
        """A partial segment that ends at ``end`` leaves at once all the same; so do all while there are urgent data."""
        return end <= self._pushed or self.snd_up > self.sender.snd_una

    def receive(self, limit: int) -> bytes:
        """Up to ``limit`` octets that have arrived in order; empty if there are none."""
        data = self.receiver.read(limit)
        if data and not self.receiver.finished and self.state is not State.CLOSED:
            receiver = self.receiver
            receiver.window.read(len(data), self.clock.now())
            if self.state is not State.SYN_RECEIVED and receiver.acknowledges_reading():
                self.transmitter.send_ack()
        return data

    def peek(self, limit: int) -> bytes:
        """As :meth:`receive`, but the data stay."""
        return self.receiver.peek(limit)

    @property
    def urgent(self) -> UrgentPointer:
        """What is known of the peer's urgent data."""
        return self.receiver.urgent

    @property
    def interactive(self) -> bool:
        """ACKs wait for data to carry them (Linux "pingpong")."""
        return self.receiver.interactive

    def quick_ack(self, on: bool) -> None:
        """TCP_QUICKACK: whether ACKs are not delayed, until our data make the conversation interactive again.

        An ACK that is owed for what has been read goes at once, as in Linux.
        """
        receiver = self.receiver
        receiver.interactive = not on
        if on and self.synchronized and receiver.ack_pending and not receiver.queue.length:
            self.transmitter.send_ack()

    def shutdown(self) -> None:
        """Close our half: a FIN behind what is queued, once the handshake is complete (RFC 9293 3.10.4)."""
        if self.state is State.ESTABLISHED:
            self.enter(State.FIN_WAIT_1)
        elif self.state is State.CLOSE_WAIT:
            self.enter(State.LAST_ACK)
        elif self.state not in (State.SYN_SENT, State.SYN_RECEIVED):
            return
        self.sender.close()
        if self.synchronized:
            self.output()

    def shutdown_receive(self) -> None:
        """Nobody will read any more; what arrives is acknowledged and thrown away."""
        receiver = self.receiver
        unread = receiver.queue.length
        receiver.shut()
        if unread and self.synchronized and receiver.window.should_update(receiver.rcv_nxt, 0):
            self.transmitter.send_ack()

    def close(self) -> None:
        """The application has gone; the connection ends in the background.

        Data that was not read is lost, and the peer must learn of it: a RST (RFC 9293 3.6, RFC 2525 2.17).
        """
        self.orphaned = True
        self.notify = nobody
        if self.state is State.SYN_SENT or (self.state is State.SYN_RECEIVED and self.of_freebsd):
            self.forget()
        elif self.receiver.queue.length and self.state is not State.TIME_WAIT and self.config.reset_unread:
            self.abort()
        elif self.state is State.FIN_WAIT_2:
            if self._fin_wait_2:
                self.idle_timer.alarm.set_later(self._fin_wait_2)
            else:
                self.abort()
        else:
            self.shutdown()

    def abort(self) -> None:
        """End at once, with a RST where there is a peer to tell (RFC 9293 3.10.5)."""
        if self.state not in (freebsd.ABORTED_SILENTLY if self.of_freebsd else _ABORTED_SILENTLY):
            self.transmitter.send_reset()
        self.forget()

    @property
    def of_freebsd(self) -> bool:
        """Where there is a choice, it is FreeBSD's."""
        return self.config.validation == "freebsd"

    def take_error(self) -> int:
        """The pending errno, which is cleared; 0 if there is none (SO_ERROR)."""
        number, self.error = self.error, 0
        return number

    def configure(self, config: TcpConfig) -> None:
        """Other knobs from now on: what setsockopt() changes."""
        before, self.config = self.config, config
        self.receiver.window.configure(config)
        if config.congestion != before.congestion:
            self.sender.change_congestion_control()
        if self.synchronized and self.state not in (State.TIME_WAIT, State.CLOSED):
            if config.nodelay and not before.nodelay:
                self._push()
            if not (self.orphaned and self.state is State.FIN_WAIT_2):
                self._start_keepalive()

    def protect(self, keys: KeyTable | None) -> None:
        """Sign every segment, and want every segment signed, by the keys for this peer, if there are some.

        To be called before the first segment; later, both ends have to do it at once. While TCP-AO is in use,
        :attr:`authentication` changes its keys without losing a segment (RFC 5925 6.1).
        """
        self.authentication = None if keys is None else keys.authenticate(self.key, self.sender.iss)
        if self.state is State.CLOSED:
            if self.authentication is not None and not (
                self.authentication.room_for_timestamps or self.transmitter.signs_last
            ):
                self.timestamps = None  # As in Linux: a SACK block would not fit beside both.
        elif self.state is not State.SYN_SENT:
            if self.authentication is not None:
                self.authentication.begin(self.receiver.irs)
            if self.synchronized:
                self.sender.change_mss(self.transmitter.segment_size())

    def info(self) -> TcpInfo:
        """What Linux's TCP_INFO tells."""
        return tcp_info(self)

    # -- opening and closing -----------------------------------------------------------------------

    def enter(self, state: State) -> None:
        """Change the state."""
        old, self.state = self.state, state
        observer = self.tcp.host.observer
        if observer is not None:
            observer.state_changed(self, old.value, state.value)

    def negotiate(self, options: TcpOptions, segment: Segment) -> None:
        """Take the peer's SYN: its sequence number, and the options that both sides want."""
        self.receiver.begin(segment.sequence)
        self.sender.first_window(segment)
        if self.authentication is not None:
            self.authentication.begin(segment.sequence, None if segment.flags & ACK else options)
        if segment.flags & ACK:
            self.ecn.syn_ack_arrives(segment.flags, segment.codepoint, segment.accurate_ecn)
        else:
            self.ecn.syn_arrives(segment.flags, segment.codepoint)
        if options.mss:
            self.transmitter.peer_mss = options.mss
        self.sack = self.sack and options.sack_permitted
        if self.timestamps is not None and segment.timestamp is not None:
            self.timestamps.remember(segment.timestamp, self.clock.now())
        else:
            self.timestamps = None
        if self.window_scaling and options.window_scale is not None:
            self.snd_shift = min(options.window_scale, MAX_SHIFT)
            self.receiver.window.shift = window_shift(self.config.receive_buffer_max)
        else:
            self.window_scaling = False

    def begin(self) -> None:
        """Data may go both ways."""
        self.synchronized = True
        self.began_at = self.clock.now()
        transmitter = self.transmitter
        self.receiver.window.agree_on(max(min(transmitter.peer_mss, transmitter.offered_mss), 1))
        self.sender.begin(transmitter.begin())
        self.receiver.expect_segments(min(transmitter.offered_mss, self.sender.mss))

    def establish(self) -> None:
        """The handshake is complete."""
        self.enter(State.ESTABLISHED)
        self.changed = True
        if not self.synchronized:
            self.begin()
        if self.sender.closing:
            self.enter(State.FIN_WAIT_1)
        elif self.config.keepalive or self.config.open_timeout:
            self._start_keepalive()

    def enter_time_wait(self) -> None:
        """RFC 9293 3.6.1; the timer starts anew for each FIN that comes again."""
        self.idle_timer.alarm.set_later(self.config.time_wait)
        if self.state is not State.TIME_WAIT:
            self.enter(State.TIME_WAIT)
            self.sender.cancel()
            self.tcp.in_time_wait(self)

    def wait_for_fin(self) -> None:
        """Our FIN has been acknowledged; nobody waits for the peer's for ever (Linux tcp_fin_timeout)."""
        self.enter(State.FIN_WAIT_2)
        if self.orphaned:
            self.idle_timer.alarm.set_later(self._fin_wait_2)

    @property
    def _fin_wait_2(self) -> int:
        config = self.config
        if config.fin_wait_2_as_keepalive:
            return config.keepalive_probes * config.keepalive_interval
        return config.fin_wait_2

    def fail(self, number: int) -> None:
        """The connection is over, and the user learns why."""
        self.error = number
        self.forget()

    def forget(self) -> None:
        """Delete the TCB."""
        if self.state is State.CLOSED:
            return
        if self.fast_open is not None:
            self._judge_fast_open(self.fast_open)
        self.enter(State.CLOSED)
        if self.progress is not None:
            self.progress.end(self.sender.snd_una)
        self.sender.cancel()
        self.receiver.cancel()
        if self._idle_timer is not None:
            self._idle_timer.alarm.cancel()
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.abandoned(self)
        self.tcp.remove(self)
        self.released()
        self.notify()

    def _judge_fast_open(self, fast_open: FastOpening) -> None:
        """At the end of a connection that was opened fast: has something on the way swallowed what the server sent?"""
        if self.receiver.bytes_received:
            fast_open.went_well()
        elif self.receiver.fin_at is not None and not self.receiver.finished:
            self.swallowed()

    def swallowed(self) -> None:
        """Nothing comes from the peer that should; Fast Open may be to blame (RFC 7413 4.1.3.1, Linux)."""
        fast_open = self.fast_open
        if (
            fast_open is not None
            and not self.receiver.bytes_received
            and fast_open.swallowed(self.clock.now())
        ):
            self.tcp.host.counters["tcp.fast_open_blackhole"] += 1

    @property
    def path_mtu(self) -> int:
        """Bytes of IP packet that reach the peer in one piece, as far as we know."""
        return self.transmitter.mtu

    # -- segments ----------------------------------------------------------------------------------

    def output(self) -> None:
        """Let the sender send what it may."""
        self.transmitter.refresh_path()
        self.sender.output()

    def heard_since(self, when: int) -> bool:
        """The peer has sent something acceptable since ``when``."""
        return self.last_heard >= when

    def heard(self, now: int) -> None:
        """An acceptable segment arrived."""
        self.last_heard = now
        self.soft_error = 0
        if self._idle_timer is not None:
            self._idle_timer.probes = 0

    def drop(self, reason: str) -> None:
        """Count what was discarded."""
        self.tcp.host.drop(reason)

    # -- timers ------------------------------------------------------------------------------------

    def timed_out(self) -> None:
        """The peer has not answered for too long."""
        self.fail(self.soft_error or errno.ETIMEDOUT)

    def user_timeout_passed(self, waited: int) -> bool:
        """RFC 5482; 0 is never."""
        return 0 < self.config.user_timeout <= waited

    @property
    def idle_timer(self) -> IdleTimer:
        """Most connections never need one, so it comes into being when it is first asked for."""
        if self._idle_timer is None:
            self._idle_timer = IdleTimer(self)
        return self._idle_timer

    def _start_keepalive(self) -> None:
        if self.config.keepalive:
            self.idle_timer.keep_alive()
        elif self._idle_timer is not None:
            self._idle_timer.alarm.stop()
