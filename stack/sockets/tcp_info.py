"""TCP_INFO as ``getsockopt`` gives it: ``struct tcp_info`` of Linux (linux/tcp.h), before its ``tcpi_rehash``."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

_OCTETS: Final = "state ca_state retransmits probes backoff options"
_WORDS: Final = (
    ("I", "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets"),
    ("I", "last_data_sent last_ack_sent last_data_recv last_ack_recv"),
    ("I", "pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering"),
    ("I", "rcv_rtt rcv_space total_retrans"),
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd"),
)
_OCTET_FIELDS: Final = [f"tcpi_{name}" for name in _OCTETS.split()]
_WORD_FIELDS: Final = [(size, f"tcpi_{name}") for size, names in _WORDS for name in names.split()]
_STRUCT: Final = Struct("=" + "B" * (len(_OCTET_FIELDS) + 2) + "".join(size for size, _ in _WORD_FIELDS))
FIELDS: Final = (*_OCTET_FIELDS, *(name for _, name in _WORD_FIELDS))
"""Of the structure, but for bit fields."""
_LARGEST: Final = {"I": 0xFFFF_FFFF, "Q": 0xFFFF_FFFF_FFFF_FFFF}


@dataclass(frozen=True, slots=True)
class NoConnection:
    """What TCP_INFO tells of a socket without a connection: its state, and how its accept queue is filled."""

    tcpi_state: int
    tcpi_unacked: int = 0
    """Connections that wait for ``accept``."""
    tcpi_sacked: int = 0
    """How many may."""


def pack(info: object) -> bytes:
    """The structure up to ``tcpi_rcv_wnd``, from the attributes of ``info`` that bear its names.

    What is not there is 0; what does not fit is the largest number that does.
    """
    octets = [min(getattr(info, name, 0), 0xFF) for name in _OCTET_FIELDS]
    scales = getattr(info, "tcpi_snd_wscale", 0) | getattr(info, "tcpi_rcv_wscale", 0) << 4
    limits = getattr(info, "tcpi_delivery_rate_app_limited", 0) | (
        getattr(info, "tcpi_fastopen_client_fail", 0) << 1
    )
    words = [min(getattr(info, name, 0), _LARGEST[size]) for size, name in _WORD_FIELDS]
    return _STRUCT.pack(*octets, scales, limits, *words)
