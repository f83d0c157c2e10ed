"""TCP_INFO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stack.tcp.congestion.base import UNLIMITED
from stack.tcp.state import LINUX_NUMBERS, State

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_MICROSECOND = 1_000
_INFINITE_SSTHRESH = 0x7FFFFFFF
OPTION_TIMESTAMPS = 1
OPTION_SACK = 2
OPTION_WSCALE = 4
OPTION_SYN_DATA = 32


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """``struct tcp_info`` of linux/tcp.h: the same names and units (times in us, windows in segments)."""

    tcpi_state: int
    tcpi_ca_state: int
    tcpi_retransmits: int
    tcpi_probes: int
    tcpi_backoff: int
    tcpi_options: int
    tcpi_snd_wscale: int
    tcpi_rcv_wscale: int
    tcpi_rto: int
    tcpi_snd_mss: int
    tcpi_rcv_mss: int
    tcpi_unacked: int
    tcpi_sacked: int
    tcpi_lost: int
    tcpi_retrans: int
    tcpi_last_data_sent: int
    """Milliseconds, as the other ``last`` fields of the structure."""
    tcpi_pmtu: int
    tcpi_rcv_ssthresh: int
    tcpi_rtt: int
    tcpi_rttvar: int
    tcpi_snd_ssthresh: int
    tcpi_snd_cwnd: int
    tcpi_advmss: int
    tcpi_rcv_space: int
    tcpi_total_retrans: int
    tcpi_bytes_acked: int
    tcpi_bytes_received: int
    tcpi_notsent_bytes: int
    tcpi_min_rtt: int
    tcpi_bytes_retrans: int
    tcpi_rcv_ooopack: int
    tcpi_snd_wnd: int
    tcpi_rcv_wnd: int
    tcpi_fastopen_client_fail: int
    """Why the SYN carried no data, or why they were not taken (:class:`~stack.tcp.fastopen.FastOpening`); 0: it did not
    fail."""


def tcp_info(connection: Connection) -> TcpInfo:
    """What is known about a connection now."""
    sender, receiver = connection.sender, connection.receiver
    rtt, board, congestion = sender.rtt, sender.board, sender.congestion
    options = 0
    if connection.timestamps is not None:
        options |= OPTION_TIMESTAMPS
    if connection.sack:
        options |= OPTION_SACK
    if connection.window_scaling:
        options |= OPTION_WSCALE
    if connection.syn_data:
        options |= OPTION_SYN_DATA
    mss = sender.mss
    return TcpInfo(
        tcpi_state=LINUX_NUMBERS[connection.state],
        tcpi_ca_state=sender.recovery.phase.value,
        tcpi_retransmits=sender.retries,
        tcpi_probes=sender.probes,
        tcpi_backoff=rtt.backoff,
        tcpi_options=options if connection.state is not State.SYN_SENT else 0,
        tcpi_snd_wscale=connection.snd_shift,
        tcpi_rcv_wscale=receiver.window.shift,
        tcpi_rto=rtt.rto // _MICROSECOND,
        tcpi_snd_mss=mss,
        tcpi_rcv_mss=receiver.largest_segment,
        tcpi_unacked=len(board),
        tcpi_sacked=-(-board.sacked_bytes // mss),
        tcpi_lost=-(-board.lost_bytes // mss),
        tcpi_retrans=-(-board.retransmitted_bytes // mss),
        tcpi_last_data_sent=(connection.clock.now() - sender.last_sent) // 1_000_000,
        tcpi_pmtu=connection.path_mtu,
        tcpi_rcv_ssthresh=receiver.window.limit,
        tcpi_rtt=rtt.srtt // _MICROSECOND,
        tcpi_rttvar=rtt.variance // 4 // _MICROSECOND,
        tcpi_snd_ssthresh=_INFINITE_SSTHRESH
        if congestion.ssthresh == UNLIMITED
        else congestion.ssthresh // mss,
        tcpi_snd_cwnd=congestion.cwnd // mss,
        tcpi_advmss=connection.offered_mss,
        tcpi_rcv_space=receiver.window.limit,
        tcpi_total_retrans=sender.segments_retransmitted,
        tcpi_bytes_acked=sender.bytes_acked,
        tcpi_bytes_received=receiver.bytes_received,
        tcpi_notsent_bytes=sender.unsent,
        tcpi_min_rtt=rtt.minimum // _MICROSECOND,
        tcpi_bytes_retrans=sender.bytes_retransmitted,
        tcpi_rcv_ooopack=receiver.segments_out_of_order,
        tcpi_snd_wnd=sender.snd_wnd,
        tcpi_rcv_wnd=max(receiver.window.right_edge - receiver.rcv_nxt, 0),
        tcpi_fastopen_client_fail=0 if connection.fast_open is None else connection.fast_open.failure,
    )
