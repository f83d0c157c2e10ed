"""The receive window: how much the peer may send (RFC 9293 3.8.6.2.2, RFC 7323 2)."""

from __future__ import annotations

from stack.config import TcpConfig

_MAX_FIELD = 0xFFFF
MAX_SHIFT = 14
"""RFC 7323 2.3."""
_HEADROOM_SEGMENTS = 16
_FIRST_ROUND_SEGMENTS = 10
"""What a peer sends in the first round trip (RFC 6928); tuning begins when there is more."""


def window_shift(largest: int) -> int:
    """The scale that lets 16 bits express a window of ``largest`` octets (RFC 7323 2.2)."""
    shift = 0
    while shift < MAX_SHIFT and largest >> shift > _MAX_FIELD:
        shift += 1
    return shift


class ReceiveWindow:
    """RCV.WND and its right edge, which only ever moves to the right, and the size of the buffer behind it."""

    __slots__ = (
        "_config", "_copied", "_copied_round", "_round_began", "_rtt", "_rtt_edge", "_rtt_since",
        "_told", "_told_at", "_told_unread", "limit", "mss", "right_edge", "shift",
    )  # fmt: skip

    def __init__(self, config: TcpConfig) -> None:
        self._config = config
        self.limit = config.receive_buffer
        """The receive buffer: octets in order and unread, plus the window."""
        self.mss = 536
        self.shift = 0
        """Our Rcv.Wind.Shift; 0 unless both sides sent the option."""
        self._told_at = self._told_unread = -1
        self._told = 0
        """The field that was sent last, for these."""
        self.right_edge = 0
        """RCV.NXT + RCV.WND as last advertised."""
        self._copied = 0
        self._copied_round = 0
        self._round_began: int | None = None
        self._rtt = 0
        self._rtt_since: int | None = None
        self._rtt_edge = 0

    def configure(self, config: TcpConfig) -> None:
        """Other knobs; a buffer whose size is set by hand has that size, whatever it had grown to."""
        fixed = not config.moderate_receive_buffer
        if fixed or config.receive_buffer != self._config.receive_buffer:
            self.limit = config.receive_buffer
        self._config = config
        self._told_at = -1

    def begin(self, rcv_nxt: int) -> None:
        """The first window, which no SYN scales."""
        self._copied_round = _FIRST_ROUND_SEGMENTS * self.mss
        self._told_at = -1
        self.right_edge = rcv_nxt + self.first

    def agree_on(self, size: int) -> None:
        """Both sides have said how long a segment may be; here it is ours that counts."""

    @property
    def first(self) -> int:
        """The window to offer in a SYN."""
        return min(self.limit, self._config.window_clamp or self.limit, _MAX_FIELD)

    def offer(self, rcv_nxt: int, unread: int) -> int:
        """The right edge to advertise now.

        It moves by a full segment or half the buffer at least (RFC 9293 3.8.6.2.2), a buffer no larger than the clamp;
        and never back (SHLD-14).
        """
        size, edge, right_edge = self.limit, rcv_nxt, self.right_edge
        clamp = self._config.window_clamp
        if 0 < clamp < size:
            size = clamp
        room = size - unread
        if room > 0:
            edge += room
        step = edge - right_edge
        if step <= 0 or (step < self.mss and step < size // 2):
            return right_edge
        return max(min(edge, rcv_nxt + (_MAX_FIELD << self.shift)), right_edge)

    def field(self, rcv_nxt: int, unread: int) -> int:
        """The window field of a segment that leaves now; moves the right edge."""
        if rcv_nxt == self._told_at and unread == self._told_unread:
            return self._told
        right_edge, shift = self.offer(rcv_nxt, unread), self.shift
        window = right_edge - rcv_nxt if right_edge > rcv_nxt else 0
        # Rounded up where rounding down would take back what was offered before.
        field = window >> shift
        if rcv_nxt + (field << shift) < self.right_edge:
            field = -(-window >> shift)
        if field > _MAX_FIELD:
            field = _MAX_FIELD
        edge = rcv_nxt + (field << shift)
        if edge > self.right_edge:
            self.right_edge = edge
        self._told_at, self._told_unread, self._told = rcv_nxt, unread, field
        return field

    def will_answer(self) -> None:
        """What leaves next is no part of the conversation: a challenge, a keep-alive probe, an ACK in TIME-WAIT."""

    def should_update(self, rcv_nxt: int, unread: int) -> bool:
        """The application has read: is it worth a segment to say so? If the window has doubled, as in Linux."""
        current = self.right_edge - rcv_nxt
        return self.offer(rcv_nxt, unread) - rcv_nxt >= max(2 * current, 1)

    @property
    def rtt(self) -> int:
        """The round trip as a receiver sees it (ns); 0: unknown."""
        return self._rtt

    # -- tuning ------------------------------------------------------------------------------------

    def measured(self, rtt: int) -> None:
        """The timestamp that the peer echoes tells the round trip in ns, queues included; smoothed as SRTT is."""
        self._rtt += (rtt - self._rtt) // 8 if self._rtt else rtt

    def arrived(self, rcv_nxt: int, now: int) -> None:
        """Without timestamps: a round trip is no longer than one window takes to arrive."""
        if self._rtt_since is None:
            self._rtt_since, self._rtt_edge = now, self.right_edge
        elif rcv_nxt >= self._rtt_edge:
            sample = max(now - self._rtt_since, 1)
            self._rtt = min(self._rtt, sample) if self._rtt else sample
            self._rtt_since, self._rtt_edge = now, self.right_edge

    def read(self, octets: int, now: int) -> None:
        """The application took ``octets``: dynamic right-sizing, as Linux's tcp_rcv_space_adjust does it.

        Once per round trip, the buffer becomes twice what was taken in it, and more while that grows, so that
        the sender's slow start is never held back by the window.
        """
        self._copied += octets
        if self._round_began is None:
            self._round_began = now
            return
        if not self._rtt or now - self._round_began < self._rtt:
            return
        copied, before = self._copied, self._copied_round
        if copied > before:
            if self._config.moderate_receive_buffer:
                wanted = 2 * copied + _HEADROOM_SEGMENTS * self.mss
                wanted += 2 * wanted * (copied - before) // before
                self.limit = max(self.limit, min(wanted, self._config.receive_buffer_max))
                self._told_at = -1
            self._copied_round = copied
        self._copied = 0
        self._round_began = now


class ExactWindow(ReceiveWindow):
    """All that is free in a buffer of whole segments is offered at every ACK: FreeBSD's tcp_output()."""

    __slots__ = ("_answers",)

    def __init__(self, config: TcpConfig) -> None:
        super().__init__(config)
        self._answers = False

    def configure(self, config: TcpConfig) -> None:
        """Other knobs; only a size that is set by hand is no multiple of the segment size."""
        limit = self.limit if config.receive_buffer == self._config.receive_buffer else config.receive_buffer
        super().configure(config)
        self.limit = limit

    def will_answer(self) -> None:
        """See :meth:`ReceiveWindow.will_answer`; by FreeBSD's tcp_respond(), which rounds down."""
        self._answers = True

    def field(self, rcv_nxt: int, unread: int) -> int:
        """The window field of a segment that leaves now; moves the right edge."""
        field = super().field(rcv_nxt, unread)
        if self._answers:
            self._answers = False
            field = self._free(unread) >> self.shift
        return field

    def agree_on(self, size: int) -> None:
        """The buffer becomes a multiple of the segment size (FreeBSD tcp_mss())."""
        self.mss = size
        self.limit = -(-self.limit // size) * size
        self._told_at = -1

    def _free(self, unread: int) -> int:
        return min(max(self.limit - unread, 0), _MAX_FIELD << self.shift)

    def offer(self, rcv_nxt: int, unread: int) -> int:
        """The right edge to advertise now: as far as the window field can express it, nothing for a silly window."""
        free = self._free(unread)
        if free < self.limit // 4 and free < self.mss:
            free = 0
        free = -(-free >> self.shift) << self.shift
        return max(rcv_nxt + free, self.right_edge)

    def should_update(self, rcv_nxt: int, unread: int) -> bool:
        """The application has read: worth a segment is half the buffer, or two segments if that is much of it."""
        current, free = max(self.right_edge - rcv_nxt, 0), self._free(unread)
        gain, limit, mss = free - current, self.limit, self.mss
        if gain <= 0 or current >> self.shift >= free >> self.shift:
            return False
        if gain >= 2 * mss and (gain >= limit // 4 or free <= limit // 8 or limit <= 8 * mss):
            return True
        return 2 * gain >= limit
