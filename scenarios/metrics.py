"""What can be asked about a run: the metrics of flows, links and hosts.

One table for each serves conditions (``when: download.bytes > 1MB``), expectations and reports. A metric is
read from what is live, at any time; None means that there is nothing to read yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from links.impairments.channel import Channel
from links.impairments.statistics import ChannelStatistics, DropReason
from scenarios.applications.flow import Flow
from scenarios.applications.measures import Datagrams
from scenarios.applications.traffic import Traffic
from scenarios.quantities import Dimension, Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metric(Generic[T]):
    """One thing that can be read from a ``T``."""

    dimension: Dimension
    doc: str
    read: Callable[[T], Value | None]
    datagrams: bool | None = None
    """Of a flow: whether it is measured only where there are datagrams (true), or only where there are connections."""


def _latency(percent: float) -> Callable[[Flow], Value | None]:
    return lambda flow: flow.latencies.percentile(percent) if len(flow.latencies) else None


def _mean_latency(flow: Flow) -> Value | None:
    return flow.latencies.total // len(flow.latencies) if len(flow.latencies) else None


def _datagrams(read: Callable[[Datagrams], Value | None]) -> Callable[[Flow], Value | None]:
    return lambda flow: None if flow.datagrams is None else read(flow.datagrams)


def _lost_share(datagrams: Datagrams) -> Value | None:
    return datagrams.lost / datagrams.sent if datagrams.sent else None


def _completion_time(flow: Flow) -> Value | None:
    return flow.elapsed if flow.complete and flow.finished is not None else None


FLOW_METRICS: dict[str, Metric[Flow]] = {
    "bytes": Metric(
        Dimension.SIZE, "Payload that has reached the application it was for.", lambda flow: flow.bytes
    ),
    "complete": Metric(
        Dimension.FLAG, "Whether all that the traffic asks for has happened.", lambda flow: flow.complete
    ),
    "intact": Metric(
        Dimension.FLAG, "Whether every byte that arrived was the right one.", lambda flow: flow.intact
    ),
    "completion_time": Metric(
        Dimension.DURATION, "From the start of the client to its end, if all was done.", _completion_time
    ),
    "goodput": Metric(Dimension.RATE, "Payload that arrived per time elapsed.", lambda flow: flow.goodput),
    "transfers": Metric(
        Dimension.COUNT, "Streams, requests or round trips that ended well.", lambda flow: flow.transfers
    ),
    "retransmissions": Metric(
        Dimension.COUNT,
        "Segments that the senders of content sent again.",
        lambda flow: flow.retransmissions,
        datagrams=False,
    ),
    "resets": Metric(
        Dimension.COUNT, "Connections that ended by a reset.", lambda flow: flow.resets, datagrams=False
    ),
    "errors": Metric(
        Dimension.COUNT, "Errors that the applications met.", lambda flow: sum(flow.errors.values())
    ),
    "rtt": Metric(
        Dimension.DURATION,
        "Smoothed round-trip time of TCP, the mean of its senders.",
        lambda flow: flow.rtt,
        datagrams=False,
    ),
    "rtt_min": Metric(
        Dimension.DURATION,
        "Least round-trip time that TCP measured.",
        lambda flow: flow.rtt_minimum,
        datagrams=False,
    ),
    "latency_min": Metric(Dimension.DURATION, "Least latency of a transfer or datagram.", _latency(0)),
    "latency_mean": Metric(Dimension.DURATION, "Mean latency.", _mean_latency),
    "latency_p50": Metric(Dimension.DURATION, "Median latency.", _latency(50)),
    "latency_p90": Metric(Dimension.DURATION, "90th percentile of latency.", _latency(90)),
    "latency_p95": Metric(Dimension.DURATION, "95th percentile of latency.", _latency(95)),
    "latency_p99": Metric(Dimension.DURATION, "99th percentile of latency.", _latency(99)),
    "latency_max": Metric(Dimension.DURATION, "Greatest latency.", _latency(100)),
    "loss": Metric(
        Dimension.SHARE, "Datagrams that did not arrive.", _datagrams(_lost_share), datagrams=True
    ),
    "duplicates": Metric(
        Dimension.COUNT,
        "Datagrams that arrived again.",
        _datagrams(lambda datagrams: datagrams.duplicates),
        datagrams=True,
    ),
    "reordered": Metric(
        Dimension.COUNT,
        "Datagrams that arrived late (RFC 4737).",
        _datagrams(lambda datagrams: datagrams.reordered),
        datagrams=True,
    ),
    "jitter": Metric(
        Dimension.DURATION,
        "Jitter of the datagrams (RFC 3550).",
        _datagrams(lambda datagrams: datagrams.jitter),
        datagrams=True,
    ),
}


def unmeasured(metric: str, traffic: Traffic) -> str | None:
    """Why a metric of flows is never measured of this traffic, if so."""
    needs = FLOW_METRICS[metric].datagrams if metric in FLOW_METRICS else None
    if needs is None or traffic.datagrams in (None, needs):
        return None
    what, has = ("datagrams", "connections") if needs else ("connections", "datagrams")
    return f"`{metric}` is measured of {what}, and `{traffic.kind}` consists of {has}"


@dataclass(slots=True)
class LinkState:
    """One direction of a link, or both together, over the time that has passed."""

    channels: Sequence[Channel]
    elapsed: int
    """Nanoseconds since the start of the run."""


def _total(read: Callable[[ChannelStatistics], int]) -> Callable[[LinkState], int]:
    return lambda link: sum(read(channel.statistics) for channel in link.channels)


def _drops(reason: DropReason) -> Metric[LinkState]:
    return Metric(
        Dimension.COUNT,
        f"Frames dropped: {reason}.",
        _total(lambda statistics: statistics.drops.get(reason, 0)),
    )


def _utilisation(link: LinkState) -> Value | None:
    busiest = max(channel.statistics.busy for channel in link.channels)
    return min(1.0, busiest / link.elapsed) if link.elapsed else None


LINK_METRICS: dict[str, Metric[LinkState]] = {
    "up": Metric(
        Dimension.FLAG,
        "Whether it carries anything now.",
        lambda link: all(channel.spec.up for channel in link.channels),
    ),
    "frames": Metric(Dimension.COUNT, "Frames handed in.", _total(lambda statistics: statistics.sent)),
    "bytes": Metric(
        Dimension.SIZE,
        "Bytes of whole frames that came out.",
        _total(lambda statistics: statistics.delivered_bytes),
    ),
    "drops": Metric(
        Dimension.COUNT, "Frames dropped for any reason.", _total(lambda statistics: statistics.dropped)
    ),
    "drops_lost": _drops(DropReason.LOSS),
    "drops_queue": _drops(DropReason.QUEUE),
    "drops_codel": _drops(DropReason.CODEL),
    "drops_mtu": _drops(DropReason.MTU),
    "drops_down": _drops(DropReason.DOWN),
    "drops_aimed": _drops(DropReason.AIMED),
    "drops_limit": _drops(DropReason.LIMIT),
    "duplicated": Metric(
        Dimension.COUNT, "Frames sent twice.", _total(lambda statistics: statistics.duplicated)
    ),
    "corrupted": Metric(
        Dimension.COUNT, "Frames with a flipped bit.", _total(lambda statistics: statistics.corrupted)
    ),
    "reordered": Metric(
        Dimension.COUNT, "Frames sent ahead of others.", _total(lambda statistics: statistics.reordered)
    ),
    "marked": Metric(
        Dimension.COUNT,
        "Frames that got Congestion Experienced.",
        _total(lambda statistics: statistics.marked),
    ),
    "queue_peak": Metric(
        Dimension.COUNT,
        "Most frames that waited for the rate at one time.",
        lambda link: max(channel.queue.peak_packets for channel in link.channels),
    ),
    "utilisation": Metric(
        Dimension.SHARE, "Share of the time in which it was sending; of the busier direction.", _utilisation
    ),
}
