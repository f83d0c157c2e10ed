"""Every knob of the stack, with its default, unit, bounds and source.

One :class:`HostConfig` per host, nothing global. A value out of bounds raises :class:`ConfigError` when the object
is made, so a host never runs with one. Sizes are bytes, times nanoseconds, unless the unit says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from stack.clock import MILLISECOND, SECOND

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
KIB = 1024
MIB = 1024 * KIB

_KEYS = re.compile("([0-9a-fA-F]{32}){0,2}")

CONGESTION_CONTROLS = ("bbr", "cubic", "dctcp", "reno", "vegas")
"""Those that come with the stack; others are written as ``module:Class``."""


class ConfigError(ValueError):
    """A knob was set to a value that it does not take."""


def knob(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field that knows its unit ("ns", "bytes", "packets", ...), its bounds and its source."""
    return field(
        default=default, metadata={"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices}
    )


class Section:
    """A group of knobs: checks each against its bounds."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for item in knobs(self):
            self._check(item, getattr(self, item.name))

    @staticmethod
    def _check(item: Field[Any], value: Any) -> None:
        low, high, choices = item.metadata["low"], item.metadata["high"], item.metadata["choices"]
        if choices is not None and value not in choices:
            raise ConfigError(f"{item.name} must be one of {', '.join(choices)}, not {value!r}")
        if low is not None and value < low:
            raise ConfigError(f"{item.name} must be at least {low}, not {value}")
        if high is not None and value > high:
            raise ConfigError(f"{item.name} must be at most {high}, not {value}")


def knobs(section: Any) -> Iterator[Field[Any]]:
    """The knobs of a section (an instance or the class), in the order in which they are documented."""
    return (item for item in fields(section) if "doc" in item.metadata)


@dataclass(frozen=True, slots=True)
class IpConfig(Section):
    """IPv4 and IPv6: RFC 791, RFC 8200, RFC 1122."""

    forwarding: bool = knob(False, "Forward packets that are not for this host (RFC 1812, RFC 8200).")
    hop_limit: int = knob(64, "TTL or hop limit of packets that originate here (RFC 1700).", low=1, high=255)
    fragment_timeout: int = knob(
        30 * SECOND,
        "A datagram is given up this long after its first fragment; Linux 30 s, RFC 8200 4.5 60 s.",
        unit="ns",
        low=SECOND,
        high=2 * MINUTE,
    )
    fragment_memory: int = knob(
        4 * MIB, "All fragments that wait for others; beyond it the oldest datagrams go (Linux ipfrag_high_thresh).",
        unit="bytes", low=0, high=256 * MIB,
    )  # fmt: skip
    fragment_datagrams: int = knob(
        256, "Datagrams under reassembly at one time.", unit="datagrams", low=1, high=65536
    )
    path_mtu_expiry: int = knob(
        10 * MINUTE, "How long a learnt path MTU is believed (RFC 1191 6.3, RFC 8201 4).",
        unit="ns", low=30 * SECOND, high=24 * HOUR,
    )  # fmt: skip
    paths: int = knob(
        4096, "Entries of the destination cache; beyond it the oldest goes.", unit="entries", low=8
    )


@dataclass(frozen=True, slots=True)
class NeighbourConfig(Section):
    """ARP and neighbour discovery: RFC 826, RFC 4861 section 10, RFC 1122 2.3.2."""

    reachable_time: int = knob(
        30 * SECOND, "Base of ReachableTime, which is randomised by 0.5 to 1.5 (RFC 4861 10).",
        unit="ns", low=100 * MILLISECOND, high=HOUR,
    )  # fmt: skip
    retrans_timer: int = knob(
        SECOND, "Between two solicitations (RFC 4861 10).", unit="ns", low=10 * MILLISECOND, high=MINUTE
    )
    delay_first_probe: int = knob(
        5 * SECOND, "DELAY_FIRST_PROBE_TIME (RFC 4861 10).", unit="ns", low=0, high=MINUTE
    )
    multicast_solicits: int = knob(3, "MAX_MULTICAST_SOLICIT (RFC 4861 10).", unit="packets", low=1, high=100)
    unicast_solicits: int = knob(3, "MAX_UNICAST_SOLICIT (RFC 4861 10).", unit="packets", low=0, high=100)
    queue: int = knob(
        101, "Packets that wait for one resolution; the oldest goes first (Linux unres_qlen).",
        unit="packets", low=1, high=65536,
    )  # fmt: skip
    failed_time: int = knob(
        SECOND, "A failed resolution is answered from memory this long, then solicited again.",
        unit="ns", low=0, high=MINUTE,
    )  # fmt: skip
    entries: int = knob(
        1024, "Entries per interface; beyond it the least useful goes (Linux gc_thresh3).",
        unit="entries", low=8, high=1 << 20,
    )  # fmt: skip
    gratuitous: bool = knob(True, "Announce an address when it is added (RFC 5227 2.3, RFC 4861 7.2.6).")


@dataclass(frozen=True, slots=True)
class IcmpConfig(Section):
    """ICMPv4 and ICMPv6: RFC 792, RFC 4443, RFC 1122 3.2.2."""

    error_rate: int = knob(
        1000, "Error messages per second, all together (RFC 4443 2.4 f, Linux icmp_msgs_per_sec).",
        unit="per second", low=0, high=1_000_000,
    )  # fmt: skip
    error_burst: int = knob(
        50, "Error messages at once (Linux icmp_msgs_burst).", unit="packets", low=1, high=1_000_000
    )
    echo: bool = knob(True, "Answer echo requests.")
    echo_multicast_v6: bool = knob(
        True, "Answer echo requests to IPv6 multicast addresses (RFC 4443 4.2 SHOULD, as Linux)."
    )
    echo_broadcast: bool = knob(
        False, "Answer echo requests to IPv4 broadcast and multicast addresses (RFC 1122 3.2.2.6, as Linux)."
    )


@dataclass(frozen=True, slots=True)
class PortConfig(Section):
    """Port numbers: RFC 6056, RFC 6335."""

    ephemeral_low: int = knob(
        32768, "First ephemeral port (Linux ip_local_port_range).", low=1024, high=65535
    )
    ephemeral_high: int = knob(60999, "Last ephemeral port.", low=1024, high=65535)

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.ephemeral_low > self.ephemeral_high:
            raise ConfigError("ephemeral_low must not be above ephemeral_high")


@dataclass(frozen=True, slots=True)
class UdpConfig(Section):
    """UDP: RFC 768, RFC 8085."""

    receive_buffer: int = knob(
        208 * KIB, "SO_RCVBUF: datagrams that wait for the application (Linux rmem_default).",
        unit="bytes", low=2 * KIB, high=256 * MIB,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TcpConfig(Section):
    """TCP: RFC 9293 and the RFCs named beside each knob."""

    congestion: str = knob(
        "cubic",
        "Congestion control: bbr, cubic (RFC 9438), dctcp (RFC 8257), reno (RFC 5681), vegas, or module:Class.",
    )
    ecn: str = knob(
        "accept",
        "ECN: never, if the peer asks, or also ask for it (RFC 3168; Linux tcp_ecn 0, 2, 1).",
        choices=("off", "accept", "request"),
    )
    accurate_ecn: bool = knob(False, "Prefer AccECN feedback (RFC 9768), when asking and when asked.")
    accurate_ecn_option: bool = knob(
        True, "With AccECN feedback, count octets, too, in an option (RFC 9768 3.2.3; Linux tcp_ecn_option)."
    )
    hystart: bool = knob(True, "Leave slow start when the RTT rises (RFC 9406).")
    abe: bool = knob(True, "Fall less far for an ECN mark than for a loss (RFC 8511).")
    pacing: bool = knob(False, "Spread segments over the round trip, whatever the congestion control.")
    notsent_lowat: int = knob(
        0xFFFFFFFF,
        "TCP_NOTSENT_LOWAT: writable while less than this is unsent (Linux tcp_notsent_lowat).",
        unit="bytes",
        low=1,
        high=0xFFFFFFFF,
    )
    window_clamp: int = knob(
        0, "TCP_WINDOW_CLAMP: never offer a larger window; 0: no clamp.", unit="bytes", low=0, high=1 << 30
    )
    initial_window: int = knob(10, "Initial congestion window (RFC 6928).", unit="segments", low=1, high=100)
    mss: int = knob(
        0, "Largest MSS to announce and use; 0: from the link's MTU (RFC 9293 3.7.1).",
        unit="bytes", low=0, high=65535,
    )  # fmt: skip
    window_scaling: bool = knob(True, "Offer and accept window scaling (RFC 7323 2).")
    timestamps: bool = knob(True, "Offer and accept timestamps (RFC 7323 3).")
    require_timestamps: bool = knob(
        False, "Once negotiated, a segment without timestamps is dropped (RFC 7323 3.2); Linux takes it."
    )
    sack: bool = knob(True, "Offer and accept selective acknowledgments (RFC 2018).")
    send_buffer: int = knob(
        4 * MIB, "SO_SNDBUF: bytes accepted and not yet acknowledged (the last of Linux tcp_wmem).",
        unit="bytes", low=1, high=1 << 30,
    )  # fmt: skip
    receive_buffer: int = knob(
        64 * KIB, "Receive buffer, and so the window, at the start (what Linux makes of the middle of tcp_rmem).",
        unit="bytes", low=1, high=1 << 30,
    )  # fmt: skip
    receive_buffer_max: int = knob(
        6 * MIB, "Receive-window tuning grows the buffer to this (the last of Linux tcp_rmem).",
        unit="bytes", low=1, high=1 << 30,
    )  # fmt: skip
    moderate_receive_buffer: bool = knob(
        True, "Tune the receive buffer to twice what arrives in a round trip (Linux tcp_moderate_rcvbuf)."
    )
    nodelay: bool = knob(False, "Switch Nagle's algorithm off (RFC 9293 3.7.4).")
    delayed_ack: int = knob(
        40 * MILLISECOND, "Longest delay of an ACK (RFC 9293 3.8.6.3 allows 500 ms; Linux 40 ms to 200 ms).",
        unit="ns", low=0, high=500 * MILLISECOND,
    )  # fmt: skip
    quick_acks: int = knob(
        16, "ACKs sent without delay at the start of a connection (Linux TCP_MAX_QUICKACKS).",
        unit="segments", low=0, high=1000,
    )  # fmt: skip
    initial_rto: int = knob(
        SECOND,
        "RTO before the first measurement (RFC 6298 2.1).",
        unit="ns",
        low=100 * MILLISECOND,
        high=MINUTE,
    )
    min_rto: int = knob(
        200 * MILLISECOND, "Smallest RTO; Linux 200 ms, RFC 6298 2.4 one second.",
        unit="ns", low=10 * MILLISECOND, high=MINUTE,
    )  # fmt: skip
    max_rto: int = knob(
        120 * SECOND, "Largest RTO (RFC 6298 2.5: at least 60 s; Linux TCP_RTO_MAX).",
        unit="ns", low=SECOND, high=HOUR,
    )  # fmt: skip
    retries: int = knob(
        15, "R2: retransmissions of one segment before the connection is given up (Linux tcp_retries2).",
        unit="retransmissions", low=1, high=255,
    )  # fmt: skip
    orphan_retries: int = knob(
        8,
        "As retries and window probes, once the application has closed (Linux tcp_orphan_retries).",
        unit="retransmissions",
        low=1,
        high=255,
    )
    syn_retries: int = knob(
        6, "Retransmissions of a SYN (Linux tcp_syn_retries).", unit="retransmissions", low=0, high=255
    )
    synack_retries: int = knob(
        5, "Retransmissions of a SYN/ACK (Linux tcp_synack_retries).", unit="retransmissions", low=0, high=255
    )
    duplicate_acks: int = knob(3, "DupThresh (RFC 5681 3.2, RFC 6675 2).", unit="segments", low=1, high=300)
    rack: bool = knob(True, "Detect losses by time (RFC 8985 6); otherwise by DupThresh (RFC 6675).")
    tail_loss_probe: bool = knob(True, "Probe the end of a flight before the timer has to (RFC 8985 7).")
    frto: bool = knob(True, "Find out whether a retransmission timeout was spurious (RFC 5682).")
    dsack: bool = knob(True, "Report what arrived twice (RFC 2883).")
    mtu_probing: str = knob(
        "blackhole",
        "Search for the path MTU with probes (RFC 4821): never, once full-sized segments vanish, or from the start "
        "(Linux tcp_mtu_probing 0, 1, 2).",
        choices=("off", "blackhole", "always"),
    )
    base_mss: int = knob(
        1024, "Where that search begins: a size that gets through nearly everywhere (Linux tcp_base_mss).",
        unit="bytes", low=48, high=65535,
    )  # fmt: skip
    user_timeout: int = knob(
        0, "Give up when data stays unacknowledged this long; 0: by retries alone (RFC 5482, RFC 9293 3.8.3).",
        unit="ns", low=0, high=24 * HOUR,
    )  # fmt: skip
    keepalive: bool = knob(False, "SO_KEEPALIVE (RFC 9293 3.8.4: off by default).")
    keepalive_idle: int = knob(
        2 * HOUR, "TCP_KEEPIDLE: silence before the first probe (RFC 9293 3.8.4).",
        unit="ns", low=SECOND, high=32767 * SECOND,
    )  # fmt: skip
    keepalive_interval: int = knob(
        75 * SECOND, "TCP_KEEPINTVL: between probes.", unit="ns", low=SECOND, high=32767 * SECOND
    )
    keepalive_probes: int = knob(
        9, "TCP_KEEPCNT: unanswered probes before the connection is dropped.", unit="packets", low=1, high=127
    )
    time_wait: int = knob(
        MINUTE, "Length of TIME-WAIT; Linux 60 s, RFC 9293 3.4.2 two MSL of 2 minutes.",
        unit="ns", low=0, high=10 * MINUTE,
    )  # fmt: skip
    time_wait_connections: int = knob(
        16384, "Connections in TIME-WAIT; beyond it the oldest goes (Linux tcp_max_tw_buckets).",
        unit="connections", low=0, high=1 << 20,
    )  # fmt: skip
    fin_wait_2: int = knob(
        MINUTE, "How long a closed socket waits for the peer's FIN (Linux tcp_fin_timeout).",
        unit="ns", low=0, high=HOUR,
    )  # fmt: skip
    fin_wait_2_as_keepalive: bool = knob(
        False,
        "It waits as long as unanswered keep-alive probes take instead (FreeBSD without fast_finwait2_recycle).",
    )
    backlog_max: int = knob(
        4096, "Upper bound of listen()'s backlog (Linux somaxconn).", unit="connections", low=1, high=1 << 20
    )
    syn_backlog: int = knob(
        1024, "Connections of one listener in SYN-RECEIVED (Linux tcp_max_syn_backlog).",
        unit="connections", low=1, high=1 << 20,
    )  # fmt: skip
    syn_cookies: str = knob(
        "overflow",
        "SYN cookies: never, when a listener's SYN queue is full, for every SYN (Linux tcp_syncookies 0, 1, 2).",
        choices=("off", "overflow", "always"),
    )
    fast_open: str = knob(
        "client",
        "TCP Fast Open (RFC 7413), for those who ask for it by socket option or call (Linux tcp_fastopen, bits 1, 2).",
        choices=("off", "client", "server", "both"),
    )
    fast_open_cookieless: str = knob(
        "off",
        "Fast Open without a cookie: never, data are sent, taken, both (Linux tcp_fastopen, bits 0x4, 0x200).",
        choices=("off", "client", "server", "both"),
    )
    fast_open_listeners: bool = knob(
        False,
        "Every listener takes Fast Open, TCP_FASTOPEN or not, as many as its backlog (Linux tcp_fastopen, bit 0x400).",
    )
    fast_open_key: str = knob(
        "",
        "The key of the server's Fast Open cookies, 32 hexadecimal digits, or 64: a second one, whose cookies are "
        "taken and replaced (Linux tcp_fastopen_key); empty: a secret of the host's own.",
    )
    fast_open_blackhole_timeout: int = knob(
        0, "No active Fast Open for so long, doubled each time, once something on the way has swallowed one; 0: never "
        "mind (Linux tcp_fastopen_blackhole_timeout_sec).", unit="ns", low=0, high=24 * HOUR,
    )  # fmt: skip
    fast_open_hosts: int = knob(
        1024, "Hosts whose Fast Open cookies are remembered; beyond it the oldest goes (RFC 7413 4.1.3).",
        unit="hosts", low=1, high=1 << 20,
    )  # fmt: skip
    out_of_order_segments: int = knob(
        16384, "Separate pieces of out-of-order data kept per connection.", unit="pieces", low=1, high=1 << 20
    )
    challenge_acks: int = knob(
        1000, "Challenge ACKs per second, all connections together (RFC 5961 7, Linux tcp_challenge_ack_limit).",
        unit="per second", low=0, high=1_000_000,
    )  # fmt: skip
    invalid_ack_interval: int = knob(
        500 * MILLISECOND, "Least time between two duplicate ACKs that answer unacceptable segments of one connection "
        "(Linux tcp_invalid_ratelimit).", unit="ns", low=0, high=10 * SECOND,
    )  # fmt: skip
    invalid_ack_count: int = knob(
        1, "So many of those may there be in each such interval (1 in Linux; FreeBSD ack_war_cnt).",
        unit="segments", low=1, high=1_000_000,
    )  # fmt: skip
    validation: str = knob(
        "linux",
        "How segments that are not as expected are told from good ones, where RFC 9293 3.10.7 and RFC 5961 leave it "
        "open: what goes unanswered, what ends TIME-WAIT, which ICMP errors end an attempt to connect.",
        choices=("linux", "freebsd"),
    )
    reset_in_window: bool = knob(
        False,
        "A RST anywhere in the window resets, as before RFC 5961 3.2 (FreeBSD insecure_rst); with validation freebsd.",
    )
    syn_in_window: bool = knob(
        False,
        "A SYN in the window resets, as before RFC 5961 4.2 (FreeBSD insecure_syn); with validation freebsd.",
    )
    drop_syn_fin: bool = knob(False, "Listeners ignore a SYN that is a FIN, too (FreeBSD drop_synfin).")
    black_hole: str = knob(
        "off",
        "What nobody waits for goes unanswered: SYNs to closed ports, all to closed ports, or what a listener cannot "
        "use, too (FreeBSD blackhole 0 to 3).",
        choices=("off", "syn", "closed", "all"),
    )
    slow_start_after_idle: bool = knob(
        True,
        "Halve the window for each RTO of silence, down to the initial window (RFC 2861 3.1, RFC 5681 4.1).",
    )
    option_order: str = knob(
        "linux", "How a SYN's options are ordered and padded: as Linux or as FreeBSD does it.",
        choices=("linux", "freebsd"),
    )  # fmt: skip
    exact_window: bool = knob(
        False,
        "Offer all that is free in the receive buffer, which is whole segments, at every ACK (FreeBSD tcp_output); "
        "otherwise the right edge moves by a segment at least (RFC 9293 3.8.6.2.2).",
    )
    delay_one_segment: bool = knob(
        False,
        "At most one segment waits for its ACK, however small (FreeBSD); otherwise a full one's octets (Linux).",
    )
    rto_floor: str = knob(
        "variance",
        "What min_rto is the least value of: of what is added to SRTT (Linux) or of the RTO (RFC 6298 2.4).",
        choices=("variance", "sum"),
    )
    rto_slop: int = knob(
        0, "Added to every RTO once it is measured or backed off (FreeBSD rexmit_slop).",
        unit="ns", low=0, high=10 * SECOND,
    )  # fmt: skip
    open_timeout: int = knob(
        0, "Longest time for the handshake of an active open; 0: by retries alone (FreeBSD keepinit).",
        unit="ns", low=0, high=HOUR,
    )  # fmt: skip
    announce_mss: bool = knob(
        True, "Say in a SYN how long a segment may be (RFC 9293 3.7.1); no with FreeBSD TCP_NOOPT."
    )
    syn_linear_timeouts: int = knob(
        0, "So many more SYNs, sent before the timeout doubles for the first time (Linux tcp_syn_linear_timeouts).",
        unit="retransmissions", low=0, high=255,
    )  # fmt: skip
    persist_min: int = knob(
        0,
        "Shortest time between two window probes; 0: the RTO (FreeBSD persmin).",
        unit="ns",
        low=0,
        high=MINUTE,
    )
    persist_max: int = knob(
        0,
        "Longest time between two window probes; 0: max_rto (FreeBSD persmax).",
        unit="ns",
        low=0,
        high=HOUR,
    )
    probe_with_data: bool = knob(
        False,
        "A window probe carries the next octet (RFC 9293 3.8.6.1, FreeBSD); otherwise nothing, from before SND.UNA "
        "(Linux).",
    )
    reset_unread: bool = knob(
        True, "A close with data unread is a RST (RFC 2525 2.17); otherwise a FIN like any other (FreeBSD)."
    )
    answer_unsent_ack: bool = knob(
        True, "An ACK of what was never sent is answered (RFC 9293 3.10.7.4); Linux drops it in silence."
    )

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if not _KEYS.fullmatch(self.fast_open_key):
            raise ConfigError(
                f"fast_open_key must be 32 or 64 hexadecimal digits, not {self.fast_open_key!r}"
            )
        if self.congestion not in CONGESTION_CONTROLS:
            # Somebody's own; the registry imports this module, and is needed for nothing else here.
            from stack.tcp.congestion import find

            find(self.congestion)


@dataclass(frozen=True, slots=True)
class HostConfig(Section):
    """All knobs of one host."""

    ip: IpConfig = field(default_factory=IpConfig)
    neighbour: NeighbourConfig = field(default_factory=NeighbourConfig)
    icmp: IcmpConfig = field(default_factory=IcmpConfig)
    ports: PortConfig = field(default_factory=PortConfig)
    udp: UdpConfig = field(default_factory=UdpConfig)
    tcp: TcpConfig = field(default_factory=TcpConfig)
