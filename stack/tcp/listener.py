"""The LISTEN state: connections that come in, and the queue in which they wait for accept()."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from stack.config import TcpConfig
from stack.internet.packet import Packet
from stack.tcp.arrival import segment_arrives
from stack.tcp.connection import Connection, nobody
from stack.tcp.cookies import LIFETIME, Kept
from stack.tcp.ecn import Feedback
from stack.tcp.fastopen import SERVER, FastOpenOption, PendingOpenings
from stack.tcp.key_table import KeyTable
from stack.tcp.segment import Segment
from stack.tcp.sequence import MASK
from stack.tcp.state import State
from stack.tcp.transmitter import default_mss
from stack.wire.tcp import ACK, AE, CWR, ECE, FIN, RST, SYN, TcpOptions

if TYPE_CHECKING:
    from stack.internet.interface import Interface
    from stack.tcp.protocol import Tcp


class Listener:
    """A passive open: an address (or all of a family, or all) and a port.

    ``notify`` is called when a connection is ready to be accepted. Its ``config``, ``hop_limit`` and ``traffic_class``
    are those of the connections that come in from now on.
    """

    __slots__ = (
        "_accept_queue", "_cookie_sent_at", "_fast_opens", "_half_open", "_tcp", "address",
        "authentication", "backlog", "config", "defer_accept", "dual_stack", "hop_limit", "interface",
        "notify", "port", "traffic_class",
    )  # fmt: skip

    def __init__(
        self, tcp: Tcp, address: bytes, port: int, backlog: int, config: TcpConfig, *, dual_stack: bool
    ) -> None:
        self._tcp = tcp
        self.address = address
        self.port = port
        self.backlog = backlog
        """Connections that may wait for accept(), and, within ``syn_backlog``, be in SYN-RECEIVED.

        RFC 9293 leaves it open; Linux admits one more in both queues.
        """
        self.config = config
        self.dual_stack = dual_stack
        self.defer_accept = 0
        """So many times the SYN/ACK's timer expires before a connection without data is accepted (TCP_DEFER_ACCEPT)."""
        self.interface: Interface | None = None
        """None: connections come in through any."""
        self.hop_limit = 0
        self.traffic_class = 0
        self.authentication: KeyTable | None = None
        """The keys of the peers that must sign what they send."""
        self.notify: Callable[[], None] = nobody
        self._accept_queue: deque[Connection] = deque()
        self._half_open: dict[tuple[bytes, int, bytes, int], Connection] = {}
        self._fast_opens = PendingOpenings()
        self._cookie_sent_at: int | None = None

    @property
    def pending(self) -> int:
        """Connections that wait for accept()."""
        return len(self._accept_queue)

    @property
    def fast_open(self) -> int:
        """Connections whose SYN brought data and whose handshake is not complete: how many may there be (RFC 7413 5.1).

        0: no Fast Open. It needs ``fast_open`` of the knobs, too (TCP_FASTOPEN).
        """
        return self._fast_opens.limit

    @fast_open.setter
    def fast_open(self, limit: int) -> None:
        self._fast_opens.limit = limit

    def holds(self, connection: Connection) -> bool:
        """A connection that came in here waits for accept(), its handshake complete or not."""
        return connection in self._accept_queue

    def accept(self) -> Connection | None:
        """The connection that has waited longest, or None."""
        return self._accept_queue.popleft() if self._accept_queue else None

    def segment_arrives(self, segment: Segment, packet: Packet, after: int | None) -> None:
        """RFC 9293 3.10.7.2; ``after`` as for :meth:`Tcp.create <stack.tcp.protocol.Tcp.create>`."""
        tcp = self._tcp
        if self.interface not in (None, packet.interface):
            tcp.host.drop("tcp.no_connection", packet.frame)
            tcp.reset(segment, packet)
        elif segment.flags & RST:
            tcp.host.drop("tcp.reset_to_listener", packet.frame)
        elif segment.flags & ACK:
            taken = not segment.flags & SYN and self._cookie_arrives(segment, packet)
            if not taken and tcp.host.config.tcp.black_hole != "all":
                tcp.reset(segment, packet)
        elif not segment.flags & SYN or segment.options is None or packet.broadcast:
            tcp.host.drop("tcp.no_syn", packet.frame)
        elif segment.flags & FIN and self.config.drop_syn_fin:
            tcp.host.drop("tcp.syn_fin", packet.frame)
        elif self._is_full:
            tcp.host.drop("tcp.listen_overflow", packet.frame)
        elif self._wants_cookie(after):
            self._send_cookie(segment, segment.options, packet)
        elif self._is_flooded:
            tcp.host.drop("tcp.syn_overflow", packet.frame)
        else:
            self._receive_syn(segment, segment.options, packet, after)

    def _receive_syn(self, segment: Segment, options: TcpOptions, packet: Packet, after: int | None) -> None:
        connection = self._create(self._key(segment, packet), packet, after)
        if connection is None:
            return
        self._tcp.add(connection)
        connection.listener = self
        connection.negotiate(options, segment)
        opens_fast = self._opens_fast(connection, segment, options)
        if opens_fast:
            self._fast_opens.add(connection.key)
            connection.take_syn_data(segment)
        else:
            self._half_open[connection.key] = connection
        connection.enter(State.SYN_RECEIVED)
        connection.sender.send_syn(SYN | ACK)
        if opens_fast:
            self._accept_queue.append(connection)
            self.notify()

    def _key(self, segment: Segment, packet: Packet) -> tuple[bytes, int, bytes, int]:
        return packet.destination, self.port, packet.source, segment.source_port

    def _create(
        self, key: tuple[bytes, int, bytes, int], packet: Packet, after: int | None, iss: int | None = None
    ) -> Connection | None:
        connection = self._tcp.create(key, self.config, packet.interface, after, iss)
        if connection is not None:
            connection.hop_limit = self.hop_limit
            connection.traffic_class = self.traffic_class
            connection.protect(self.authentication)
        return connection

    @property
    def _is_full(self) -> bool:
        return len(self._accept_queue) > self.backlog

    @property
    def _is_flooded(self) -> bool:
        half_open = len(self._half_open)
        return half_open > self.backlog or half_open >= self.config.syn_backlog

    # -- Fast Open (RFC 7413 4.2.2) ----------------------------------------------------------------

    def _opens_fast(self, connection: Connection, segment: Segment, options: TcpOptions) -> bool:
        """The SYN has a valid cookie, so that its data are taken; unless it is the newest, the SYN/ACK brings one."""
        offer = FastOpenOption.find(options)
        if self.config.fast_open not in SERVER or not self.fast_open:
            return False
        if offer is None and not segment.length:
            return False
        counters = self._tcp.host.counters
        if not self._fast_opens.admit(self._tcp.host.clock.now()):
            counters["tcp.fast_open_overflow"] += 1
            return False
        if self.config.fast_open_cookieless in SERVER:
            counters["tcp.fast_open_passive"] += 1
            return True
        if offer is None:
            return False
        cookies = self._tcp.make_fast_open_cookies(self.config, connection.remote, connection.local)
        valid = offer.cookie in cookies
        if offer.cookie != cookies[0]:
            connection.fast_open_option = FastOpenOption(cookies[0], offer.experimental)
        if valid:
            counters["tcp.fast_open_passive"] += 1
        else:
            counters["tcp.fast_open_bad_cookie" if offer.cookie else "tcp.fast_open_cookie_requested"] += 1
        return valid

    # -- SYN cookies (RFC 4987 3.6) ----------------------------------------------------------------

    def _wants_cookie(self, after: int | None) -> bool:
        """Not for a SYN that ends a TIME-WAIT, as in Linux: a cookie may lie below the old sequence numbers."""
        when = self.config.syn_cookies
        return after is None and (when == "always" or (when == "overflow" and self._is_flooded))

    def _send_cookie(self, segment: Segment, options: TcpOptions, packet: Packet) -> None:
        """Answer a SYN as always, but with an ISS that tells what we have to know, and keep nothing."""
        tcp, key = self._tcp, self._key(segment, packet)
        now = tcp.host.clock.now()
        if segment.timestamp is None or not self.config.timestamps:
            # There is no place for what they say.
            options = TcpOptions(mss=options.mss)
            segment.flags &= ~(AE | CWR | ECE)
        size = options.mss or default_mss(key[0])
        connection = self._create(key, packet, None, tcp.syn_cookies.make(key, segment.sequence, size, now))
        if connection is None:
            return
        self._cookie_sent_at = now
        tcp.host.counters["tcp.syn_cookie_sent"] += 1
        connection.negotiate(options, segment)
        if connection.timestamps is not None:
            kept = Kept(
                window_scale=connection.snd_shift if connection.window_scaling else None,
                sack=connection.sack,
                ecn=connection.ecn.feedback is not Feedback.NONE,
            )
            connection.timestamps.show(kept.stamp(connection.timestamps.value(now)), now)
        connection.transmitter.transmit(connection.sender.iss, SYN | ACK)

    def _cookie_arrives(self, segment: Segment, packet: Packet) -> bool:
        """An ACK for no connection: does it bring a cookie back? Asked only while there can be some."""
        tcp, key = self._tcp, self._key(segment, packet)
        now = tcp.host.clock.now()
        if self._cookie_sent_at is None or now - self._cookie_sent_at > LIFETIME or packet.broadcast:
            return False
        irs, iss = (segment.sequence - 1) & MASK, (segment.acknowledgment - 1) & MASK
        mss = tcp.syn_cookies.check(key, irs, iss, now)
        if mss is None:
            tcp.host.counters["tcp.syn_cookie_invalid"] += 1
            return False
        tcp.host.counters["tcp.syn_cookie_valid"] += 1
        if self._is_full:
            tcp.host.drop("tcp.listen_overflow", packet.frame)
            return True
        connection = self._create(key, packet, None, iss)
        if connection is not None:
            tcp.add(connection)
            self._restore(connection, packet, segment, irs, mss, now)
        return True

    def _restore(
        self, connection: Connection, packet: Packet, segment: Segment, irs: int, mss: int, now: int
    ) -> None:
        """Negotiate again what was negotiated when the SYN came, and go on with the ACK."""
        options, flags, rtt = TcpOptions(mss=mss), SYN, 0
        if segment.timestamp is not None and connection.timestamps is not None:
            kept = Kept.read(segment.timestamp_echo)
            options = kept.options(mss, segment.timestamp)
            flags |= connection.ecn.restored(segment.flags) if kept.ecn else 0
            rtt = connection.timestamps.elapsed(segment.timestamp_echo, now)
        connection.negotiate(options, Segment.syn_before(packet, irs, flags, options))
        connection.enter(State.SYN_RECEIVED)
        connection.sender.shook_hands(rtt)
        connection.ecn.handshake_over(segment.flags, pure=not segment.length and not segment.sack)
        connection.establish()
        self._accept_queue.append(connection)
        self.notify()
        segment.widen(connection.receiver.rcv_nxt, connection.sender.snd_nxt)
        segment_arrives(connection, segment)

    # -- from the connections ----------------------------------------------------------------------

    def defers(self, connection: Connection, segment: Segment) -> bool:
        """The handshake would be complete, but TCP_DEFER_ACCEPT waits for data: the ACK is ignored, as in Linux."""
        if connection.key in self._fast_opens:
            return False
        if segment.length or segment.flags & FIN or connection.sender.timers.retries >= self.defer_accept:
            return False
        self._tcp.host.drop("tcp.accept_deferred")
        connection.accept_deferred = True
        return True

    def admit(self, connection: Connection) -> bool:
        """The handshake would be complete: is there room? If not, the ACK is ignored; our SYN/ACK will come again."""
        if self._is_full and connection.key not in self._fast_opens:
            self._tcp.host.drop("tcp.listen_overflow")
            return False
        return True

    def established(self, connection: Connection) -> None:
        """The handshake of a connection that came in here is complete."""
        if self._fast_opens.remove(connection.key):
            return
        self._half_open.pop(connection.key, None)
        self._accept_queue.append(connection)
        self.notify()

    def abandoned(self, connection: Connection) -> None:
        """A connection ended in SYN-RECEIVED."""
        self._half_open.pop(connection.key, None)
        if self._fast_opens.remove(connection.key) and connection.error == errno.ECONNRESET:
            self._fast_opens.punish(self._tcp.host.clock.now())

    def close(self) -> None:
        """Stop listening; whoever has not been accepted gets a RST."""
        self._tcp.stop_listening(self)
        for connection in [*self._half_open.values(), *self._accept_queue]:
            connection.abort()
        self._half_open.clear()
        self._accept_queue.clear()
