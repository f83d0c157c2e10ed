"""TCP of one host: where its segments arrive, and which connection each belongs to."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

from stack.clock import SECOND
from stack.config import TcpConfig
from stack.errors import os_error
from stack.internet.packet import Packet
from stack.internet.path import Path
from stack.internet.protocol import ErrorReport, Protocol
from stack.link import Buffer
from stack.tcp import icmp
from stack.tcp.arrival import answer, segment_arrives
from stack.tcp.authentication import Authentication, expects_no_signature
from stack.tcp.congestion import Settings
from stack.tcp.connection import Connection
from stack.tcp.cookies import SynCookies
from stack.tcp.fastopen import CLIENT, CookieCache, FastOpening, make_cookie
from stack.tcp.key_table import KeyTable
from stack.tcp.listener import Listener
from stack.tcp.rate import RateSample
from stack.tcp.segment import Segment
from stack.tcp.sequence import MASK, widen
from stack.tcp.siphash import KEY_SIZE
from stack.tcp.state import State
from stack.wire.address import UNSPECIFIED_V4, UNSPECIFIED_V6, is_link_local
from stack.wire.checksum import fold, ones_sum, pseudo_header_sum
from stack.wire.errors import Malformed
from stack.wire.protocols import TCP
from stack.wire.tcp import ACK, CHECKSUM_AT, FIN, MIN_HEADER_LENGTH, RST, SYN, build_header

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

Key = tuple[bytes, int, bytes, int]
"""Local address and port, remote address and port."""

_ISN_TICK = 4_000
"""The clock of RFC 9293 3.4.1 ticks every 4 us."""


class Tcp(Protocol):
    """Demultiplexing, initial sequence numbers, resets for nobody's segments, and the bounds of the whole host."""

    __slots__ = (
        "_challenges",
        "_congestion_settings",
        "_connections",
        "_fast_open_key",
        "_listeners",
        "_second",
        "_secret",
        "_time_wait",
        "batch",
        "fast_open_cookies",
        "host",
        "rate_sample",
        "syn_cookies",
    )

    def __init__(self, host: Host) -> None:
        self.host = host
        self._connections: dict[Key, Connection] = {}
        self._listeners: dict[tuple[bytes, int], Listener] = {}
        self._time_wait: dict[Connection, None] = {}
        self._secret = host.random.getrandbits(128).to_bytes(16)
        self.syn_cookies = SynCookies(blake2b(b"SYN", key=self._secret, digest_size=16).digest())
        self._fast_open_key = blake2b(b"Fast Open", key=self._secret, digest_size=KEY_SIZE).digest()
        self.fast_open_cookies = CookieCache(host.config.tcp.fast_open_hosts)
        """Those that servers gave us (RFC 7413 4.1.3)."""
        self.rate_sample = RateSample()
        """What the acknowledgment that is being processed tells congestion control."""
        self._congestion_settings: dict[tuple[bool, bool], Settings] = {}
        self.batch: dict[Connection, None] | None = None
        """While segments come that arrived together: the connections that will answer them."""
        self._second = -1
        self._challenges = 0

    @property
    def connections(self) -> tuple[Connection, ...]:
        """All connections, those in TIME-WAIT included."""
        return tuple(self._connections.values())

    # -- from the sockets --------------------------------------------------------------------------

    def listen(
        self, address: bytes, port: int, backlog: int, config: TcpConfig, *, dual_stack: bool = False
    ) -> Listener:
        """Passive OPEN. ``address`` may be the unspecified one; with ``dual_stack``, ``::`` is all IPv4 too.

        Raises OSError: EADDRINUSE if somebody listens there already.
        """
        listener = Listener(
            self, address, port, min(backlog, config.backlog_max), config, dual_stack=dual_stack
        )
        keys = self._keys(listener)
        if any(key in self._listeners for key in keys):
            raise os_error(errno.EADDRINUSE)
        for key in keys:
            self._listeners[key] = listener
        return listener

    def stop_listening(self, listener: Listener) -> None:
        """Take a listener out of the table."""
        for key in self._keys(listener):
            self._listeners.pop(key, None)

    @staticmethod
    def _keys(listener: Listener) -> list[tuple[bytes, int]]:
        keys = [(listener.address, listener.port)]
        if listener.dual_stack:
            keys.append((UNSPECIFIED_V4, listener.port))
        return keys

    def connect(
        self,
        source: bytes | None,
        source_port: int,
        destination: bytes,
        destination_port: int,
        config: TcpConfig,
        *,
        interface: Interface | None = None,
        authentication: KeyTable | None = None,
        fast_open: bool = False,
        data: Buffer | None = b"",
    ) -> Connection:
        """Active OPEN: the SYN is on its way when this returns, signed if there are keys for the peer.

        With ``fast_open`` the SYN carries the cookie of the peer, or asks for one, and as much of ``data`` as it may
        (RFC 7413); what was taken of it is ``connection.unsent``, and what is not acknowledged with the SYN is sent
        again after the handshake. The rest of the data is still the caller's to send. If ``data`` is None, a SYN that
        may carry data waits for :meth:`Connection.open_with <stack.tcp.connection.Connection.open_with>`.

        Raises OSError: ENETUNREACH and its kin if there is no route, EADDRNOTAVAIL if the 4-tuple is in use.
        """
        path = self.host.path(destination, source=source, interface=interface)
        key = (source or path.source, source_port, destination, destination_port)
        if key in self._connections:
            raise os_error(errno.EADDRNOTAVAIL)
        connection = Connection(self, key, config, path, interface)
        self._connections[key] = connection
        connection.protect(authentication)
        if fast_open and config.fast_open in CLIENT:
            connection.open_fast(
                FastOpening(
                    self.fast_open_cookies,
                    destination,
                    self.host.clock.now(),
                    needs_cookie=config.fast_open_cookieless not in CLIENT,
                    blackhole_timeout=config.fast_open_blackhole_timeout,
                ),
                data,
            )
        else:
            connection.open()
        return connection

    def tuple_in_use(
        self, source: bytes, source_port: int, destination: bytes, destination_port: int
    ) -> bool:
        """Whether a connection has this 4-tuple, be it in TIME-WAIT."""
        return (source, source_port, destination, destination_port) in self._connections

    def close(self) -> None:
        """The host has lost its power: everything is gone, nobody is told."""
        for listener in list(self._listeners.values()):
            self.stop_listening(listener)
        for connection in self.connections:
            connection.forget()

    # -- from the network --------------------------------------------------------------------------

    @contextmanager
    def answering_once(self) -> Iterator[None]:
        """For segments that arrived together: a connection sends and acknowledges when it has seen all of them.

        As after receive offload: RFC 5681 4.2 allows it, for to acknowledge every second segment is a SHOULD.
        """
        batch: dict[Connection, None] = {}
        self.batch = batch
        try:
            yield
        finally:
            self.batch = None
            _answer_all(iter(batch))

    def packet_arrives(self, packet: Packet) -> None:
        """RFC 9293 3.10.7, up to where the connection is known."""
        try:
            segment = Segment(packet)
        except Malformed as problem:
            self.host.drop(problem.reason, packet.frame)
            return
        if not packet.verified and not _sum_is_right(packet):
            self.host.drop("tcp.bad_checksum", packet.frame)
            return
        key = (packet.destination, segment.destination_port, packet.source, segment.source_port)
        connection = self._connections.get(key)
        if connection is not None:
            segment.widen(connection.receiver.rcv_nxt, connection.sender.snd_nxt)
            authentication = connection.authentication
            if authentication is not None and not self._verify(authentication, segment, packet):
                return
            if connection.state is not State.TIME_WAIT or not self._begins_anew(connection, segment):
                segment_arrives(connection, segment)
                return
            connection.forget()
        listener = self._find_listener(packet.destination, segment.destination_port)
        if listener is not None:
            if not self._verify_opening(listener, key, segment, packet):
                return
            listener.segment_arrives(
                segment, packet, None if connection is None else connection.sender.snd_nxt
            )
        else:
            self.host.drop("tcp.no_connection", packet.frame)
            silence = self.host.config.tcp.black_hole
            if silence == "off" or (silence == "syn" and not segment.flags & SYN):
                self.reset(segment, packet)

    def _verify(self, authentication: Authentication, segment: Segment, packet: Packet) -> bool:
        """The peer has signed the segment; if not, it is dropped."""
        raw = bytes(packet.head[packet.offset : packet.offset + segment.header_length])
        reason = authentication.verify(raw, segment.payload, segment.sequence)
        if reason is not None:
            self.host.drop(reason, packet.frame)
        return reason is None

    def _verify_opening(self, listener: Listener, key: Key, segment: Segment, packet: Packet) -> bool:
        """As :meth:`_verify`, where there is no connection yet: by the listener's keys."""
        table = listener.authentication
        authentication = None if table is None else table.authenticate(key, segment.acknowledgment - 1)
        if authentication is not None:
            if segment.flags & (SYN | ACK) == ACK:
                # If it completes a handshake of which nothing was kept, this is where both sides began.
                authentication.begin(segment.sequence - 1)
            return self._verify(authentication, segment, packet)
        required = table is not None and table.ao_required
        reason = "tcp.ao_missing" if required else expects_no_signature(segment.options)
        if reason is not None:
            self.host.drop(reason, packet.frame)
        return reason is None

    def error_arrives(self, report: ErrorReport) -> None:
        """Hand an ICMP error to the connection that sent the quoted segment."""
        quoted = report.quoted
        if len(quoted) < 8:
            self.host.drop("tcp.icmp_truncated")
            return
        source_port, destination_port = int.from_bytes(quoted[:2]), int.from_bytes(quoted[2:4])
        connection = self._connections.get((report.source, source_port, report.destination, destination_port))
        if connection is None:
            self.host.drop("tcp.icmp_no_connection")
        else:
            icmp.error_arrives(connection, report)

    def _find_listener(self, address: bytes, port: int) -> Listener | None:
        listener = self._listeners.get((address, port))
        if listener is None:
            any_address = UNSPECIFIED_V4 if len(address) == 4 else UNSPECIFIED_V6
            listener = self._listeners.get((any_address, port))
        return listener

    def _begins_anew(self, connection: Connection, segment: Segment) -> bool:
        """A SYN to a connection in TIME-WAIT that is surely not an old one (RFC 1122 4.2.2.13, RFC 6191)."""
        if segment.flags & (SYN | ACK | RST) != SYN:
            return False
        if connection.of_freebsd:
            return segment.sequence > connection.receiver.rcv_nxt
        if self._find_listener(connection.local, connection.local_port) is None:
            return False
        timestamps = connection.timestamps
        if timestamps is not None and segment.timestamp is not None:
            newer = widen(segment.timestamp, timestamps.recent)
            if newer != timestamps.recent:
                return newer > timestamps.recent
        return segment.sequence > connection.receiver.rcv_nxt

    # -- for connections and listeners -------------------------------------------------------------

    def create(
        self, key: Key, config: TcpConfig, interface: Interface, after: int | None, iss: int | None = None
    ) -> Connection | None:
        """A connection for a SYN that came in through ``interface``; None if there is no way back.

        ``after`` is the SND.NXT of the incarnation in TIME-WAIT that it replaces, if there was one; ``iss`` is our
        initial sequence number, if it is given. Segments find it once it was passed to :meth:`add`.
        """
        zone = interface if is_link_local(key[2]) else None
        try:
            path = self.host.path(key[2], source=key[0], interface=zone)
        except OSError:
            self.host.drop("tcp.no_path")
            return None
        return Connection(self, key, config, path, zone, after, iss)

    def add(self, connection: Connection) -> None:
        """From now on its segments are passed to a connection that came in."""
        self._connections[connection.key] = connection

    def remove(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection.key, None)
        self._time_wait.pop(connection, None)

    def in_time_wait(self, connection: Connection) -> None:
        """A connection has entered TIME-WAIT; of too many, the oldest goes."""
        self._time_wait[connection] = None
        if len(self._time_wait) > connection.config.time_wait_connections:
            self.host.drop("tcp.time_wait_overflow")
            next(iter(self._time_wait)).forget()

    def initial_sequence(self, key: Key) -> tuple[int, int]:
        """ISN = M + F(4-tuple, secret) (RFC 6528 3), and a start for the timestamp clock (RFC 7323 7)."""
        local, local_port, remote, remote_port = key
        text = local + local_port.to_bytes(2) + remote + remote_port.to_bytes(2)
        digest = blake2b(text, key=self._secret, digest_size=8).digest()
        clock = self.host.clock.now() // _ISN_TICK
        return (clock + int.from_bytes(digest[:4])) & MASK, int.from_bytes(digest[4:])

    def fast_open_key(self, config: TcpConfig) -> bytes:
        """The key of the Fast Open cookies for our clients; if there are two, one after the other."""
        return bytes.fromhex(config.fast_open_key) or self._fast_open_key

    def make_fast_open_cookies(self, config: TcpConfig, client: bytes, server: bytes) -> list[bytes]:
        """The Fast Open cookie for a client of ours (RFC 7413 4.1.2), and perhaps another that is still valid."""
        keys = self.fast_open_key(config)
        return [make_cookie(keys[at : at + KEY_SIZE], client, server) for at in range(0, len(keys), KEY_SIZE)]

    def congestion_settings(self, hystart: bool, abe: bool) -> Settings:
        """What congestion control is told, the same object for all who want the same."""
        settings = self._congestion_settings.get((hystart, abe))
        if settings is None:
            settings = Settings(hystart=hystart, abe=abe, random=self.host.random)
            self._congestion_settings[hystart, abe] = settings
        return settings

    def may_challenge(self) -> bool:
        """The limit of challenge ACKs per second, over all connections (RFC 5961 7).

        Drawn anew each second between a half and one and a half of the knob, as in Linux: a fixed number could be
        counted by a stranger to learn which guesses were right (CVE-2016-5696).
        """
        second = self.host.clock.now() // SECOND
        if second != self._second:
            self._second = second
            limit = self.host.config.tcp.challenge_acks
            self._challenges = limit // 2 + self.host.random.randrange(limit + 1)
        if self._challenges <= 0:
            return False
        self._challenges -= 1
        return True

    def reset(self, segment: Segment, packet: Packet) -> None:
        """Answer a segment that belongs to nobody (RFC 9293 3.10.7.1)."""
        if segment.flags & RST or packet.broadcast:
            return
        try:
            path = self.host.path(packet.source, source=packet.destination)
        except OSError:
            return
        key = (packet.destination, segment.destination_port, packet.source, segment.source_port)
        listener = self._find_listener(packet.destination, segment.destination_port)
        table = None if listener is None else listener.authentication
        self.send_reset(segment, path, key, None if table is None else table.authenticate(key, 0))

    @staticmethod
    def send_reset(
        segment: Segment, path: Path, key: Key, authentication: Authentication | None = None
    ) -> None:
        """<SEQ=SEG.ACK><CTL=RST>, or <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> if there is no ACK to go by.

        It is signed, unless TCP-AO does not know both initial sequence numbers (RFC 5925 5.2).
        """
        if authentication is not None and not authentication.ready:
            authentication = None
        local, local_port, remote, remote_port = key
        if segment.flags & ACK:
            sequence, acknowledgment, flags = segment.acknowledgment, 0, RST
        else:
            consumed = segment.length + bool(segment.flags & SYN) + bool(segment.flags & FIN)
            sequence, acknowledgment, flags = 0, segment.sequence + consumed, RST | ACK
        options = b"" if authentication is None else authentication.option()
        checksum = pseudo_header_sum(local, remote, TCP, MIN_HEADER_LENGTH + len(options))
        header = build_header(
            local_port, remote_port, sequence & MASK, acknowledgment & MASK, flags, 0, checksum, 0, options
        )
        if authentication is not None:
            header = authentication.sign(header, b"", sequence)
        path.send(TCP, header, source=local, checksum_at=CHECKSUM_AT)


def _answer_all(connections: Iterator[Connection]) -> None:
    try:
        for connection in connections:
            answer(connection)
    except BaseException:
        # One application's mistake goes to whoever runs the loop, but the others have made none.
        _answer_all(connections)
        raise


def _sum_is_right(packet: Packet) -> bool:
    """RFC 9293 3.1, MUST-3."""
    head, offset, payload = packet.head, packet.offset, packet.payload
    total = pseudo_header_sum(packet.source, packet.destination, TCP, packet.length)
    total += ones_sum(memoryview(head)[offset : offset + packet.length - len(payload)]) + ones_sum(payload)
    return fold(total) == 0xFFFF
