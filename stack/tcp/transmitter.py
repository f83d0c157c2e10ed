"""How segments are made, and how they leave: options, checksums, the way to the peer and what fits through it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.internet.path import Path
from stack.link import Buffer
from stack.tcp.ecn import Feedback
from stack.tcp.segment import NOT_ECT, Segment
from stack.tcp.sequence import MASK
from stack.tcp.window import window_shift
from stack.wire.checksum import pseudo_header_sum
from stack.wire.protocols import TCP
from stack.wire.tcp import (
    ACK,
    CHECKSUM_AT,
    FIN,
    LENGTH_WITH_TIMESTAMPS,
    MAX_OPTIONS_LENGTH,
    MIN_HEADER_LENGTH,
    NOP_NOP_TIMESTAMPS,
    PSH,
    RST,
    SYN,
    URG,
    TcpOptions,
    build_header,
    build_options,
    pack_with_timestamps,
    sack_option,
)

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_TIMESTAMP_OPTION = 12
_DEFAULT_MSS = {4: 536, 16: 1220}
_IP_HEADER = {4: 20, 16: 40}


def default_mss(address: bytes) -> int:
    """What a peer that sends no MSS option takes (RFC 9293 3.7.1)."""
    return _DEFAULT_MSS[len(address)]


class Transmitter:
    """Makes the segments of a connection and hands them to the internet layer.

    What is to be sent and when, others decide: the sender for all that takes a sequence number, SEGMENT ARRIVES and
    the receiver for ACKs.
    """

    __slots__ = (
        "_answered_at",
        "_answers",
        "_connection",
        "_ip_header",
        "_pseudo",
        "mtu",
        "offered_mss",
        "path",
        "peer_mss",
        "segments_out",
    )

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        """The way to the peer, as it was last seen."""
        self.mtu = path.mtu
        """Bytes of IP packet that reach the peer in one piece, as far as we know."""
        self._ip_header = _IP_HEADER[len(connection.local)]
        self._pseudo = pseudo_header_sum(connection.local, connection.remote, TCP, 0)
        self.peer_mss = default_mss(connection.local)
        """What the peer takes in a segment: its MSS option."""
        self.offered_mss = self._largest_segment(path.interface.mtu)
        """What we take: our MSS option."""
        self.segments_out = 0
        self._answered_at: int | None = None
        self._answers = 0

    def transmit(
        self, sequence: int, flags: int, payload: Buffer = b"", *, retransmission: bool = False
    ) -> None:
        """Make a segment, or a super-segment, and hand it to the internet layer."""
        connection, path = self._connection, self.path
        receiver, timestamps, ecn = connection.receiver, connection.timestamps, connection.ecn
        authentication = connection.authentication
        size, segment_size = len(payload), 0
        if size > connection.sender.mss and not (flags & SYN or connection.sender.mtu_probing.active):
            segment_size = connection.sender.mss
            if connection.snd_up > sequence:
                self._transmit_each(sequence, flags, payload, segment_size, retransmission)
                return
        new_data = size > 0 and not retransmission
        now = connection.clock.now()
        options: bytes | None = None  # Timestamps alone, as nearly always: they are packed with the header.
        codepoint = NOT_ECT
        if flags & SYN:
            options = self._syn_options(first=not retransmission, answer=bool(flags & ACK))
            window = receiver.window.first
            timeouts = connection.sender.timers.retries
            flags |= ecn.in_syn_ack(timeouts) if flags & ACK else ecn.in_syn(timeouts)
        else:
            window = receiver.window.field(receiver.rcv_nxt, receiver.queue.length)
            if flags & RST and connection.config.exact_window:
                window = 0
            if (
                timestamps is None
                or receiver.out_of_order.starts
                or receiver.duplicate is not None
                or ecn.counter is not None
                or authentication is not None
            ):
                options = self._options(size, now, first=not retransmission and not flags & RST)
            if ecn.feedback is not Feedback.NONE:
                flags |= ecn.flags(new_data=new_data)
                codepoint = ecn.codepoint if new_data else NOT_ECT
        if authentication is not None and not self.signs_last:
            options = authentication.option() + (options or b"")
        observer = connection.tcp.host.observer
        if observer is not None:
            observer.segment_sent(connection, sequence, size, flags, retransmission)
        acknowledgment = 0
        self.segments_out += 1
        if flags & ACK:
            acknowledgment = receiver.rcv_nxt & MASK
            receiver.acknowledged()
        if new_data and not receiver.interactive:
            receiver.data_sent(now)
        urgent = 0
        if connection.snd_up > sequence:
            urgent = self._urgent_pointer(sequence)
            flags |= URG if urgent else 0
        length = size + (LENGTH_WITH_TIMESTAMPS if options is None else MIN_HEADER_LENGTH + len(options))
        largest = length - size + segment_size if segment_size else length
        if largest > path.mtu - self._ip_header or not path.valid:
            # No way, or not in one piece: the retransmission finds the way that there is then.
            connection.drop("tcp.no_path" if not path.valid else "tcp.too_big")
            return
        checksum = (self._pseudo + length) % 0xFFFF or 0xFFFF
        if options is None and timestamps is not None:
            header = pack_with_timestamps(
                connection.local_port,
                connection.remote_port,
                sequence & MASK,
                acknowledgment,
                0x8000 | flags,
                window,
                checksum,
                urgent,
                NOP_NOP_TIMESTAMPS,
                timestamps.value(now) & MASK,
                timestamps.recent & MASK,
            )
        else:
            header = build_header(
                connection.local_port,
                connection.remote_port,
                sequence & MASK,
                acknowledgment,
                flags,
                window,
                checksum,
                urgent,
                options or b"",
            )
        if authentication is not None:
            header = authentication.sign(header, payload, sequence)
        path.send(
            TCP,
            header,
            payload,
            source=connection.local,
            checksum_at=CHECKSUM_AT,
            hop_limit=connection.hop_limit,
            traffic_class=connection.traffic_class | codepoint,
            segment_size=segment_size,
        )
        if connection.progress is not None and new_data:
            connection.progress.sent(sequence + size)

    def _transmit_each(
        self, sequence: int, flags: int, payload: Buffer, size: int, retransmission: bool
    ) -> None:
        """The pieces of a super-segment one by one, for in each the urgent pointer is another."""
        data = memoryview(payload)
        for at in range(0, len(data), size):
            last = at + size >= len(data)
            self.transmit(
                sequence + at,
                flags if last else flags & ~(PSH | FIN),
                data[at : at + size],
                retransmission=retransmission,
            )

    def _urgent_pointer(self, sequence: int) -> int:
        """SEG.UP of a segment before SND.UP; 0: it says nothing of urgent data, which are too far away or received."""
        connection = self._connection
        if connection.snd_up <= connection.sender.snd_una:
            return 0
        distance = connection.snd_up - sequence
        if distance <= 0xFFFF:
            return distance
        return 0xFFFF if sequence + 0xFFFF > connection.sender.snd_nxt else 0

    # -- the way there, and what fits --------------------------------------------------------------

    def refresh_path(self) -> None:
        """Follow a change of routes or of the path MTU."""
        connection, path = self._connection, self.path
        if not path.valid:
            try:
                path = self.path = connection.tcp.host.path(
                    connection.remote, source=connection.local, interface=connection.interface
                )
            except OSError as problem:
                connection.soft_error = problem.errno or errno.ENETUNREACH
                return
        if path.mtu != self.mtu and connection.synchronized:
            self.mtu = path.mtu
            connection.sender.change_mss(self.segment_size())

    def begin(self) -> int:
        """The handshake is over: from now on Eff.snd.MSS, which is returned, follows the path MTU."""
        self.mtu = self.path.mtu
        return self.segment_size()

    def syn_size(self, mss: int) -> int:
        """Most octets of options and data in our SYN; ``mss``: what the peer took the last time, 0 if unknown."""
        return min(mss or self.peer_mss, self._largest_segment(self.path.mtu))

    def _largest_segment(self, mtu: int) -> int:
        largest = mtu - self._ip_header - MIN_HEADER_LENGTH
        return min(largest, 0xFFFF, self._connection.config.mss or 0xFFFF)

    @property
    def largest_transmission(self) -> int:
        """Most octets of data in a super-segment, 0 if there can be none.

        What is signed, nobody else can segment; and with AccECN, CWR must not be left to the first segment alone.
        """
        path = self.path
        whole = self._connection.authentication is not None or self._connection.ecn.counter is not None
        if whole or not path.offload.segmentation:
            return 0
        return path.offload.segmentation - self._ip_header - MIN_HEADER_LENGTH - MAX_OPTIONS_LENGTH

    def segment_size(self) -> int:
        """Eff.snd.MSS, without the options that every segment carries (RFC 9293 3.7.1, RFC 6691)."""
        size = min(self.peer_mss, self._largest_segment(self.path.mtu))
        size -= self._options_length
        return self._connection.sender.mtu_probing.segment_size(max(size, 8))

    @property
    def _options_length(self) -> int:
        """Octets of the options that every segment carries."""
        length = _TIMESTAMP_OPTION if self._connection.timestamps is not None else 0
        authentication = self._connection.authentication
        return length if authentication is None else length + authentication.option_length

    # -- options -----------------------------------------------------------------------------------

    def _options(self, size: int, now: int, *, first: bool) -> bytes:
        """All options of a segment of ``size`` octets but a signature; ``first``: neither sent again nor a RST."""
        connection = self._connection
        options = b"" if connection.timestamps is None else connection.timestamps.option(now)
        if self.signs_last and connection.authentication is not None:
            options += connection.authentication.option()
        sack = b""
        if connection.sack and (connection.receiver.out_of_order.starts or connection.receiver.duplicate):
            sack = self._sack_option(size)
        counter = connection.ecn.counter
        if counter is not None and counter.tells_octets and first:
            room = min(40 - self._options_length, connection.sender.mss - size) - len(sack)
            options += counter.option(room, data=size > 0)
        return options + sack

    @property
    def signs_last(self) -> bool:
        """The signature follows the options of the SYN, and the timestamps (FreeBSD ``tcp_addoptions``)."""
        connection = self._connection
        authentication = connection.authentication
        freebsd = connection.config.option_order == "freebsd"
        return freebsd and authentication is not None and authentication.movable

    def _sack_option(self, payload: int) -> bytes:
        """As many blocks as fit into 40 octets of options and beside the payload."""
        room = min(40 - self._options_length, self._connection.sender.mss - payload)
        blocks = self._connection.receiver.sack_blocks((room - 4) // 8) if room >= 12 else []
        return sack_option([(start & MASK, end & MASK) for start, end in blocks]) if blocks else b""

    def _syn_options(self, *, first: bool, answer: bool) -> bytes:
        """In a SYN what we want; in a SYN/ACK, where the peer's options are known, what both want.

        What something in the path may not like goes with the first of them only.
        """
        connection = self._connection
        fast_open = connection.fast_open_option if first else None
        options = TcpOptions(sack_permitted=connection.sack)
        if connection.config.announce_mss:
            options.mss = self.offered_mss
        if first and answer and fast_open is None and connection.authentication is None:
            options.accurate_ecn = connection.ecn.in_syn_ack_option
        if connection.timestamps is not None:
            options.timestamp = connection.timestamps.value(connection.clock.now()) & MASK
            options.timestamp_echo = connection.timestamps.recent & MASK
        if connection.window_scaling:
            options.window_scale = window_shift(connection.config.receive_buffer_max)
        if self.signs_last and connection.authentication is not None:
            # Without the NOPs of its alignment, which are found anew.
            return options.build_as_freebsd(connection.authentication.option()[2:])
        build = options.build if connection.config.option_order == "linux" else options.build_as_freebsd
        raw = build()
        if fast_open is not None:
            option = build_options(fast_open.build())
            signature = 0 if connection.authentication is None else connection.authentication.option_length
            if len(raw) + len(option) + signature <= MAX_OPTIONS_LENGTH:
                options.unknown = tuple(fast_open.build())
                return build()
        return raw

    # -- segments without data ---------------------------------------------------------------------

    def send_ack(self) -> None:
        """A pure ACK."""
        self.refresh_path()
        self.transmit(self._connection.sender.snd_nxt, ACK)

    def send_probe(self) -> None:
        """An octet-less segment from before SND.UNA, which the peer must answer: keep-alive and window probe.

        That there are urgent data, the peer learns even while its window is shut (RFC 9293 3.8.6.1; Linux
        ``tcp_write_wakeup``).
        """
        connection = self._connection
        self.refresh_path()
        if connection.snd_up > connection.sender.snd_una:
            self.transmit(connection.sender.snd_una, ACK)
        self.transmit(connection.sender.snd_una - 1, ACK)

    def send_reset(self) -> None:
        """<SEQ=SND.NXT><CTL=RST,ACK>."""
        self.refresh_path()
        self.transmit(self._connection.sender.snd_nxt, RST | ACK)

    def refuse(self, segment: Segment) -> None:
        """Answer a segment that there is nobody for with a RST that it must believe (RFC 9293 3.10.7.1)."""
        connection = self._connection
        self.refresh_path()
        connection.tcp.send_reset(segment, self.path, connection.key, connection.authentication)

    def challenge(self) -> None:
        """A challenge ACK (RFC 5961): as often as the limits of the connection and of the host allow."""
        if self._may_answer() and self._connection.tcp.may_challenge():
            self._connection.receiver.window.will_answer()
            self.send_ack()

    def answer_unacceptable(self, segment: Segment) -> None:
        """The ACK that an unacceptable segment is answered with (RFC 9293 3.10.7.4).

        If it has no data, not too often, or two confused peers would answer each other for ever (Linux
        tcp_invalid_ratelimit).
        """
        if segment.length or self._may_answer():
            self.send_ack()

    def _may_answer(self) -> bool:
        now, config = self._connection.clock.now(), self._connection.config
        if self._answered_at is None or now - self._answered_at >= config.invalid_ack_interval:
            self._answered_at, self._answers = now, 0
        self._answers += 1
        return self._answers <= config.invalid_ack_count
