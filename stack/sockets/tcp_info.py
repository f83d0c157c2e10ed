"""TCP_INFO as ``getsockopt`` gives it: Linux's ``struct tcp_info``."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stack.tcp.info import TcpInfo

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
_LARGEST: Final = {"I": 0xFFFF_FFFF, "Q": 0xFFFF_FFFF_FFFF_FFFF}


def pack(info: TcpInfo) -> bytes:
    """The structure up to ``tcpi_rcv_wnd``. What is not measured is 0; what does not fit is the largest
    number that does.
    """
    octets = [min(getattr(info, name), 0xFF) for name in _OCTET_FIELDS]
    scales = info.tcpi_snd_wscale | info.tcpi_rcv_wscale << 4
    words = [min(getattr(info, name, 0), _LARGEST[size]) for size, name in _WORD_FIELDS]
    return _STRUCT.pack(*octets, scales, 0, *words)
