"""TCP Fast Open (RFC 7413): data in the SYN, for those who were here before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from stack.clock import SECOND
from stack.tcp.siphash import siphash
from stack.wire.options import NO_OPERATION, Option
from stack.wire.tcp import TcpOptions

FAST_OPEN = 34
CLIENT = ("client", "both")
SERVER = ("server", "both")
"""Values of the knobs that switch something on for one end."""
_EXPERIMENT = 254
_MAGIC = b"\xf9\x89"
"""The experimental form of the option (RFC 6994), from before there was a number; Linux knows both."""
_SMALLEST, _LARGEST = 4, 16
"""Octets of a cookie (RFC 7413 4.1.1)."""
_NOP = Option(NO_OPERATION)

_PENALTY = 60 * SECOND
"""An opening that a RST ended goes on counting for so long (Linux, RFC 7413 5.1)."""
_RECOVERY = 60 * SECOND
"""After losses, the option is left away for so long, doubled with each (RFC 7413 4.1.3.1)."""
_MOST_LOSSES = 16
_MOST_DOUBLINGS = 6
"""Of the time for which a black hole suspends Fast Open (Linux)."""


@dataclass(frozen=True, slots=True)
class FastOpenOption:
    """The option: a cookie, or an empty one to ask for it."""

    cookie: bytes = b""
    experimental: bool = False

    @classmethod
    def find(cls, options: TcpOptions) -> FastOpenOption | None:
        """That of a SYN; None if there is none, or its cookie is of no valid length."""
        for option in options.unknown:
            experimental = option.kind == _EXPERIMENT and option.data[:2] == _MAGIC
            if not experimental and option.kind != FAST_OPEN:
                continue
            cookie = option.data[2:] if experimental else option.data
            if not cookie or (_SMALLEST <= len(cookie) <= _LARGEST and len(cookie) % 2 == 0):
                return cls(cookie, experimental)
        return None

    def build(self) -> tuple[Option, ...]:
        """With NOPs behind it up to a multiple of four octets."""
        if self.experimental:
            option = Option(_EXPERIMENT, _MAGIC + self.cookie)
        else:
            option = Option(FAST_OPEN, self.cookie)
        return (option, *[_NOP] * (-(len(option.data) + 2) % 4))


def make_cookie(key: bytes, client: bytes, server: bytes) -> bytes:
    """The server's cookie for a client (RFC 7413 4.1.2), with the same key the same as Linux's."""
    return siphash(key, client + server).to_bytes(8, "little")


# -- the server ------------------------------------------------------------------------------------


class PendingOpenings:
    """Those of one listener that were opened fast and whose handshake is not complete (RFC 7413 5.1)."""

    __slots__ = ("_keys", "_resets", "limit")

    def __init__(self) -> None:
        self.limit = 0
        """How many there may be; 0: no Fast Open."""
        self._keys: dict[tuple[bytes, int, bytes, int], None] = {}
        self._resets: deque[int] = deque()
        """When those that a RST ended, perhaps from the victim of a forged SYN, cease to count."""

    def __contains__(self, key: tuple[bytes, int, bytes, int]) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys) + len(self._resets)

    def admit(self, now: int) -> bool:
        """There is room for one more."""
        while self._resets and self._resets[0] <= now:
            self._resets.popleft()
        return len(self) < self.limit

    def add(self, key: tuple[bytes, int, bytes, int]) -> None:
        """One was opened."""
        self._keys[key] = None

    def remove(self, key: tuple[bytes, int, bytes, int]) -> bool:
        """Its handshake is complete, or has failed; returns whether it was one."""
        if key not in self._keys:
            return False
        del self._keys[key]
        return True

    def punish(self, now: int) -> None:
        """One that was removed was ended by a RST."""
        self._resets.append(now + _PENALTY)


# -- the client ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Server:
    """What is known of a host."""

    cookie: FastOpenOption | None = None
    mss: int = 0
    refused: int = 0
    """Requests in either form of the option that were not answered."""
    losses: int = 0
    lost_at: int = 0


class Blackhole:
    """What Linux does about paths that swallow connections with Fast Open: for a time, the host begins no more."""

    __slots__ = ("_since", "_times")

    def __init__(self) -> None:
        self._since = 0
        self._times = 0

    def found(self, now: int) -> None:
        """A connection that used Fast Open was swallowed."""
        self._since = now
        self._times += 1

    def passed(self) -> None:
        """One was not."""
        self._times = 0

    def suspends(self, now: int, timeout: int) -> bool:
        """Fast Open is not to be used; ``timeout`` is that of the first time (ns)."""
        if not self._times:
            return False
        return now - self._since < timeout << min(self._times - 1, _MOST_DOUBLINGS)


class CookieCache:
    """The cookies that servers gave us (RFC 7413 4.1.3), of at most ``limit`` hosts: the oldest goes."""

    __slots__ = ("_limit", "_servers", "blackhole")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._servers: dict[bytes, _Server] = {}
        self.blackhole = Blackhole()

    def has_cookie(self, host: bytes) -> bool:
        """A SYN to this host may carry data (what Linux's TCP_FASTOPEN_CONNECT asks before it defers the SYN)."""
        server = self._servers.get(host)
        return server is not None and server.cookie is not None

    def option(self, host: bytes, now: int) -> FastOpenOption | None:
        """What a SYN to this host should carry: the cookie, or a request for one; None: neither, for now.

        A server that does not answer a request is asked in the experimental form next time, as by Linux.
        """
        server = self._servers.get(host)
        if server is None:
            return FastOpenOption()
        if server.losses > 1 and now - server.lost_at < _RECOVERY << server.losses:
            return None
        return server.cookie or FastOpenOption(experimental=server.refused == 1)

    def mss(self, host: bytes) -> int:
        """The MSS that the host announced last; 0 if we do not know."""
        server = self._servers.get(host)
        return 0 if server is None else server.mss

    def record(self, host: bytes) -> _Server:
        """The entry of a host; it becomes the newest."""
        server = self._servers.pop(host, None) or _Server()
        self._servers[host] = server
        if len(self._servers) > self._limit:
            del self._servers[next(iter(self._servers))]
        return server


class FastOpening:
    """An active open that uses Fast Open: what the SYN carried, and what came of it."""

    __slots__ = ("_cache", "_host", "carried", "failure", "may_carry_data", "option")

    COOKIE_UNAVAILABLE: Final = 1
    DATA_NOT_ACKNOWLEDGED: Final = 2
    SYN_RETRANSMITTED: Final = 3
    """``tcpi_fastopen_client_fail``."""

    def __init__(
        self, cache: CookieCache, host: bytes, now: int, *, needs_cookie: bool, blackhole_timeout: int = 0
    ) -> None:
        self._cache = cache
        self._host = host
        self.option: FastOpenOption | None = None
        self.carried = 0
        """Octets of data in the SYN."""
        self.may_carry_data = False
        """We have a cookie, or need none."""
        self.failure = 0
        if cache.blackhole.suspends(now, blackhole_timeout):
            return
        if needs_cookie:
            self.option = cache.option(host, now)
        self.may_carry_data = not needs_cookie or (self.option is not None and bool(self.option.cookie))
        if not self.may_carry_data:
            self.failure = self.COOKIE_UNAVAILABLE

    @property
    def mss(self) -> int:
        """The server's, if it is known."""
        return self._cache.mss(self._host)

    def answered(self, options: TcpOptions, taken: int, now: int, *, retransmitted: bool) -> None:
        """The SYN/ACK has come, and acknowledges ``taken`` octets of the data.

        Where the SYN had to be sent again and only that was answered, something on the way may not like the option or
        the data (RFC 7413 4.1.3.1).
        """
        answer = FastOpenOption.find(options)
        server = self._cache.record(self._host)
        server.mss = options.mss or server.mss
        lost = False
        if answer is not None and answer.cookie and self.option is not None:
            server.cookie = answer
        elif retransmitted:
            lost = self.carried > 0 and not taken
        elif self.option is not None and not self.option.cookie and server.cookie is None:
            server.refused = max(server.refused, 2 if self.option.experimental else 1)
        if lost:
            server.losses, server.lost_at = min(server.losses + 1, _MOST_LOSSES), now
        else:
            server.losses = 0
        if taken < self.carried:
            self.failure = self.SYN_RETRANSMITTED if retransmitted else self.DATA_NOT_ACKNOWLEDGED

    def swallowed(self, now: int) -> bool:
        """Nothing but silence, or a FIN without what was before it, has come; True if Fast Open may be to blame."""
        if self.option is None:
            return False
        self._cache.blackhole.found(now)
        return True

    def went_well(self) -> None:
        """The server's data have arrived."""
        if self.option is not None:
            self._cache.blackhole.passed()
