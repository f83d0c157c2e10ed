"""SYN cookies: a listener that answers without remembering (RFC 4987 3.6), encoded as Linux does it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from stack.clock import SECOND
from stack.tcp.sequence import MASK
from stack.tcp.window import MAX_SHIFT
from stack.wire.tcp import TcpOptions

_PERIOD = 60 * SECOND
_PERIODS = 2
LIFETIME = _PERIODS * _PERIOD
"""No cookie is valid for longer, in ns (Linux MAX_SYNCOOKIE_AGE)."""
_COUNT_SHIFT = 24
_DATA = (1 << _COUNT_SHIFT) - 1
_COUNT = 0xFF

_SIZES = {4: (88, 536, 1300, 1440, 1460), 16: (88, 536, 1220, 1420, 1440, 8940)}
"""What can be remembered of an MSS: Linux's tables, and under them its smallest MSS and what every IPv4 host takes."""

_NO_SCALE = 0xF
_SACK = 0x10
_ECN = 0x20
_KEPT = 0x3F


class SynCookies:
    """Makes initial sequence numbers that carry the time and the peer's MSS, and recognises them.

    cookie = F(4-tuple) + IRS + count << 24 + (G(4-tuple, IRS, count) + index of the MSS) mod 2**24, where count is the
    age of the clock in minutes, and F and G are keyed hashes. Unlike Linux's, G depends on IRS: a segment that has
    overtaken the first by an octet or two would pass with another index, and what it overtook be taken for old.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, key: tuple[bytes, int, bytes, int], irs: int, mss: int, now: int) -> int:
        """The ISS for the answer to a SYN with sequence number ``irs``."""
        sizes = _SIZES[len(key[0])]
        index = max([at for at, size in enumerate(sizes) if size <= mss], default=0)
        count = now // _PERIOD
        data = (self._hash(key, irs, count) + index) & _DATA
        return (self._hash(key) + irs + (count << _COUNT_SHIFT) + data) & MASK

    def check(self, key: tuple[bytes, int, bytes, int], irs: int, cookie: int, now: int) -> int | None:
        """The MSS in a cookie; None if it is not one of ours, or older than :data:`LIFETIME`."""
        rest = (cookie - self._hash(key) - irs) & MASK
        count = now // _PERIOD
        age = (count - (rest >> _COUNT_SHIFT)) & _COUNT
        if age >= _PERIODS:
            return None
        index = (rest - self._hash(key, irs, count - age)) & _DATA
        sizes = _SIZES[len(key[0])]
        return sizes[index] if index < len(sizes) else None

    def _hash(self, key: tuple[bytes, int, bytes, int], *more: int) -> int:
        local, local_port, remote, remote_port = key
        text = local + local_port.to_bytes(2) + remote + remote_port.to_bytes(2)
        text += b"".join(number.to_bytes(8) for number in more)
        return int.from_bytes(blake2b(text, key=self._secret, digest_size=4).digest())


@dataclass(frozen=True, slots=True)
class Kept:
    """What a cookie cannot hold is kept in the lowest bits of our timestamp, which the peer echoes.

    Four bits of window scale, one of SACK, one of ECN (Linux ``cookie_init_timestamp``).
    """

    window_scale: int | None
    """The peer's; None: no window scaling."""
    sack: bool
    ecn: bool

    def stamp(self, value: int) -> int:
        """The latest timestamp up to ``value`` that says it."""
        bits = _NO_SCALE if self.window_scale is None else min(self.window_scale, MAX_SHIFT)
        bits |= _SACK * self.sack | _ECN * self.ecn
        stamped = value & ~_KEPT | bits
        return stamped if stamped <= value else stamped - (_KEPT + 1)

    @classmethod
    def read(cls, echo: int) -> Kept:
        """From the timestamp that came back."""
        scale = echo & _NO_SCALE
        return cls(None if scale == _NO_SCALE else scale, bool(echo & _SACK), bool(echo & _ECN))

    def options(self, mss: int, timestamp: int) -> TcpOptions:
        """Those of the SYN, as far as they count."""
        return TcpOptions(
            mss=mss, window_scale=self.window_scale, sack_permitted=self.sack, timestamp=timestamp
        )
