"""One run of some traffic: what both of its sides have seen so far."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from scenarios.applications.measures import Datagrams, DatagramSummary, Samples, Summary
from stack.clock import MICROSECOND, SECOND, Clock
from stack.sockets.asynchronous import AsyncSocket
from stack.tcp.info import TcpInfo

END_OF_STREAM = "EOF"
"""Counted among the errors when a peer closes its connection earlier than was agreed; there is no errno for it."""


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What a flow came to. Times are ns on the clock of the client's host, rates bit/s, sizes bytes."""

    name: str
    kind: str
    started: int | None
    finished: int | None
    complete: bool
    intact: bool
    bytes: int
    sent: int
    expected: int | None
    transfers: int
    goodput: int | None
    retransmissions: int
    resets: int
    rtt: int | None
    rtt_minimum: int | None
    latencies: Summary | None
    datagrams: DatagramSummary | None
    errors: dict[str, int]


class Flow:
    """One run of some traffic, live: every attribute may be read at any time."""

    __slots__ = (
        "_clock", "_retransmissions", "_rtt_minimum", "_rtts", "_senders",
        "bytes", "complete", "datagrams", "errors", "expected", "finished", "intact", "kind", "latencies",
        "name", "sent", "started", "transfers",
    )  # fmt: skip

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.started: int | None = None
        """When the client began (ns)."""
        self.finished: int | None = None
        """When the client returned, whatever it had achieved (ns)."""
        self.complete = False
        """Whether all that was to happen has happened. What damage there was is told by :attr:`intact`."""
        self.intact = True
        """Whether all content that arrived was right."""
        self.bytes = 0
        """Payload that has reached the application it was for, both directions together."""
        self.sent = 0
        """Payload that applications have handed to their sockets."""
        self.expected: int | None = None
        """What :attr:`bytes` will be if all arrives; None if a duration decides."""
        self.transfers = 0
        """Streams, requests or round trips that have ended well."""
        self.latencies = Samples()
        """How long each of :attr:`transfers` took (ns); for datagrams that are not answered, their transit."""
        self.datagrams: Datagrams | None = None
        """What became of the datagrams, if the flow has any."""
        self.errors: dict[str, int] = {}
        """What went wrong, by the errno's name or :data:`END_OF_STREAM`, and how often."""
        self._clock: Clock | None = None
        self._senders: list[AsyncSocket] = []
        self._retransmissions = 0
        self._rtts = Samples()
        self._rtt_minimum: int | None = None

    @contextmanager
    def running(self, clock: Clock) -> Iterator[None]:
        """The client's work; until it is done, :attr:`finished` is None, as it is if the client is cancelled."""
        self._clock = clock
        self.started = clock.now()
        with self.enduring():
            yield
        self.finished = clock.now()

    @contextmanager
    def enduring(self) -> Iterator[None]:
        """Work that the network may put an end to: that is counted in :attr:`errors` and goes no further."""
        try:
            yield
        except (OSError, EOFError) as error:
            self.record(error)

    def record(self, error: OSError | EOFError) -> None:
        """Count one error."""
        if isinstance(error, EOFError):
            name = END_OF_STREAM
        elif isinstance(error, TimeoutError):  # asyncio's has no errno
            name = errno.errorcode[errno.ETIMEDOUT]
        else:
            name = errno.errorcode.get(error.errno or 0, str(error))
        self.errors[name] = self.errors.get(name, 0) + 1

    @contextmanager
    def sending(self, socket: AsyncSocket) -> Iterator[None]:
        """Content goes out over this TCP socket: watch its retransmissions and round trips."""
        self._senders.append(socket)
        try:
            yield
        finally:
            self._senders.remove(socket)
            for info in _infos([socket]):
                self._retransmissions += info.tcpi_total_retrans
                if info.tcpi_rtt:
                    self._rtt_minimum = _least([self._rtt_minimum, info.tcpi_min_rtt])
                    self._rtts.add(info.tcpi_rtt)

    @property
    def elapsed(self) -> int:
        """How long the client has been at work, or was (ns)."""
        if self._clock is None or self.started is None:
            return 0
        end = self._clock.now() if self.finished is None else self.finished
        return end - self.started

    @property
    def goodput(self) -> int | None:
        """Payload that has arrived per time elapsed (bit/s); None if no time has, as between two ends of one host."""
        elapsed = self.elapsed
        return self.bytes * 8 * SECOND // elapsed if elapsed else None

    @property
    def retransmissions(self) -> int:
        """Segments that the senders of content have sent again."""
        return self._retransmissions + sum(info.tcpi_total_retrans for info in _infos(self._senders))

    @property
    def resets(self) -> int:
        """Connections that ended by a reset, as the application saw it."""
        return self.errors.get("ECONNRESET", 0)

    @property
    def rtt(self) -> int | None:
        """Smoothed round-trip time (ns): the mean over the senders of content, each at its end or now."""
        running = [info.tcpi_rtt for info in _infos(self._senders) if info.tcpi_rtt]
        count = len(self._rtts) + len(running)
        return (self._rtts.total + sum(running)) * MICROSECOND // count if count else None

    @property
    def rtt_minimum(self) -> int | None:
        """Least round-trip time that a sender of content has measured (ns)."""
        running = [info.tcpi_min_rtt for info in _infos(self._senders) if info.tcpi_rtt]
        least = _least([self._rtt_minimum, *running])
        return None if least is None else least * MICROSECOND

    def result(self) -> FlowResult:
        """The flow as it is now."""
        return FlowResult(
            name=self.name,
            kind=self.kind,
            started=self.started,
            finished=self.finished,
            complete=self.complete,
            intact=self.intact,
            bytes=self.bytes,
            sent=self.sent,
            expected=self.expected,
            transfers=self.transfers,
            goodput=self.goodput,
            retransmissions=self.retransmissions,
            resets=self.resets,
            rtt=self.rtt,
            rtt_minimum=self.rtt_minimum,
            latencies=self.latencies.summary(),
            datagrams=None if self.datagrams is None else self.datagrams.summary(),
            errors=dict(self.errors),
        )


def _infos(senders: list[AsyncSocket]) -> Iterator[TcpInfo]:
    """What can be told of those whose machine has not gone off."""
    for sender in senders:
        with suppress(OSError):
            yield sender.info()


def _least(values: list[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
