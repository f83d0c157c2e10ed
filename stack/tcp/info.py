"""TCP_INFO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stack.tcp.chronograph import RECEIVE_WINDOW, SEND_BUFFER
from stack.tcp.congestion.base import UNLIMITED
from stack.tcp.ecn import Feedback
from stack.tcp.state import LINUX_NUMBERS, State

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

_MICROSECOND = 1_000
_MILLISECOND = 1_000_000
_UNLIMITED_RATE = 0xFFFF_FFFF_FFFF_FFFF
_MOST_REORDERING = 300
"""Segments (Linux tcp_max_reordering)."""
_INFINITE_SSTHRESH = 0x7FFFFFFF
OPTION_TIMESTAMPS = 1
OPTION_SACK = 2
OPTION_WSCALE = 4
OPTION_ECN = 8
OPTION_ECN_SEEN = 16
OPTION_SYN_DATA = 32


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """``struct tcp_info`` of linux/tcp.h: the same names and units.

    Times are us, but those of the ``last`` fields ms; windows segments; rates octets per second. What Linux itself does
    not keep (``last_ack_sent``, ``fackets``) or the stack does not (``rehash``) is not there.
    """

    tcpi_state: int
    tcpi_ca_state: int
    tcpi_retransmits: int
    tcpi_probes: int
    tcpi_backoff: int
    tcpi_options: int
    tcpi_snd_wscale: int
    tcpi_rcv_wscale: int
    tcpi_rto: int
    tcpi_ato: int
    """The longest delay of an ACK."""
    tcpi_snd_mss: int
    tcpi_rcv_mss: int
    tcpi_unacked: int
    tcpi_sacked: int
    tcpi_lost: int
    tcpi_retrans: int
    tcpi_last_data_sent: int
    tcpi_last_data_recv: int
    tcpi_last_ack_recv: int
    tcpi_pmtu: int
    tcpi_rcv_ssthresh: int
    tcpi_rtt: int
    tcpi_rttvar: int
    tcpi_snd_ssthresh: int
    tcpi_snd_cwnd: int
    tcpi_advmss: int
    tcpi_reordering: int
    tcpi_rcv_rtt: int
    tcpi_rcv_space: int
    tcpi_total_retrans: int
    tcpi_pacing_rate: int
    """The largest number if nothing is paced."""
    tcpi_max_pacing_rate: int
    tcpi_bytes_acked: int
    tcpi_bytes_received: int
    tcpi_segs_out: int
    tcpi_segs_in: int
    """What a link has joined counts as one, here and in ``data_segs_in``."""
    tcpi_notsent_bytes: int
    tcpi_min_rtt: int
    tcpi_data_segs_in: int
    tcpi_data_segs_out: int
    tcpi_delivery_rate: int
    tcpi_delivery_rate_app_limited: int
    tcpi_busy_time: int
    """With data in the queue or in the network, the next two included."""
    tcpi_rwnd_limited: int
    """Data waited for the peer's window."""
    tcpi_sndbuf_limited: int
    """The application waited for space in the send buffer, which held all that was in the network."""
    tcpi_delivered: int
    """Segments, the SYN among them."""
    tcpi_delivered_ce: int
    tcpi_bytes_sent: int
    """Those that were sent again included."""
    tcpi_bytes_retrans: int
    tcpi_dsack_dups: int
    tcpi_reord_seen: int
    tcpi_rcv_ooopack: int
    tcpi_snd_wnd: int
    tcpi_rcv_wnd: int
    tcpi_fastopen_client_fail: int
    """Why the SYN carried no data, or why they were not taken (:class:`~stack.tcp.fastopen.FastOpening`); 0: it did not
    fail."""


def tcp_info(connection: Connection) -> TcpInfo:
    """What is known about a connection now."""
    sender, receiver = connection.sender, connection.receiver
    now, chronograph, rate, rack = connection.clock.now(), sender.chronograph, sender.rate, sender.rack
    rtt, board, congestion = sender.rtt, sender.board, sender.congestion
    options = 0
    if connection.timestamps is not None:
        options |= OPTION_TIMESTAMPS
    if connection.sack:
        options |= OPTION_SACK
    if connection.window_scaling:
        options |= OPTION_WSCALE
    if connection.ecn.feedback is not Feedback.NONE:
        options |= OPTION_ECN
    if connection.ecn.seen:
        options |= OPTION_ECN_SEEN
    if connection.syn_data:
        options |= OPTION_SYN_DATA
    mss = sender.mss
    return TcpInfo(
        tcpi_state=LINUX_NUMBERS[connection.state],
        tcpi_ca_state=sender.recovery.phase.value,
        tcpi_retransmits=sender.timers.retries,
        tcpi_probes=sender.timers.probes,
        tcpi_backoff=rtt.backoff,
        tcpi_options=options if connection.state is not State.SYN_SENT else 0,
        tcpi_snd_wscale=connection.snd_shift,
        tcpi_rcv_wscale=receiver.window.shift,
        tcpi_rto=rtt.rto // _MICROSECOND,
        tcpi_ato=connection.config.delayed_ack // _MICROSECOND,
        tcpi_snd_mss=mss,
        tcpi_rcv_mss=receiver.largest_segment,
        tcpi_unacked=board.packets,
        tcpi_sacked=-(-board.sacked_bytes // mss) if connection.sack else sender.recovery.duplicate_acks,
        tcpi_lost=-(-board.lost_bytes // mss),
        tcpi_retrans=-(-board.retransmitted_bytes // mss),
        tcpi_last_data_sent=(now - sender.last_sent) // _MILLISECOND,
        tcpi_last_data_recv=(now - max(receiver.data_arrived_at or 0, connection.began_at)) // _MILLISECOND,
        tcpi_last_ack_recv=(now - connection.last_heard) // _MILLISECOND,
        tcpi_pmtu=connection.path_mtu,
        tcpi_rcv_ssthresh=receiver.window.limit,
        tcpi_rtt=rtt.srtt // _MICROSECOND,
        tcpi_rttvar=rtt.variance // 4 // _MICROSECOND,
        tcpi_snd_ssthresh=_INFINITE_SSTHRESH
        if congestion.ssthresh == UNLIMITED
        else congestion.ssthresh // mss,
        tcpi_snd_cwnd=congestion.cwnd // mss,
        tcpi_advmss=connection.transmitter.offered_mss,
        tcpi_reordering=max(connection.config.duplicate_acks, min(-(-rack.extent // mss), _MOST_REORDERING)),
        tcpi_rcv_rtt=receiver.window.rtt // _MICROSECOND,
        tcpi_rcv_space=receiver.window.limit,
        tcpi_total_retrans=sender.segments_retransmitted,
        tcpi_pacing_rate=sender.pacing_rate or _UNLIMITED_RATE,
        tcpi_max_pacing_rate=_UNLIMITED_RATE,
        tcpi_bytes_acked=sender.bytes_acked,
        tcpi_bytes_received=receiver.bytes_received,
        tcpi_segs_out=connection.transmitter.segments_out,
        tcpi_segs_in=connection.segments_in,
        tcpi_notsent_bytes=sender.unsent,
        tcpi_min_rtt=rtt.minimum // _MICROSECOND,
        tcpi_data_segs_in=receiver.segments_received,
        tcpi_data_segs_out=sender.data_segments_sent,
        tcpi_delivery_rate=rate.rate,
        tcpi_delivery_rate_app_limited=int(rate.rate_app_limited),
        tcpi_busy_time=chronograph.busy(now) // _MICROSECOND,
        tcpi_rwnd_limited=chronograph.time(RECEIVE_WINDOW, now) // _MICROSECOND,
        tcpi_sndbuf_limited=chronograph.time(SEND_BUFFER, now) // _MICROSECOND,
        tcpi_delivered=rate.segments,
        tcpi_delivered_ce=rate.segments_marked,
        tcpi_bytes_sent=sender.bytes_sent,
        tcpi_bytes_retrans=sender.bytes_retransmitted,
        tcpi_dsack_dups=sender.duplicates_reported,
        tcpi_reord_seen=rack.reorderings,
        tcpi_rcv_ooopack=receiver.segments_out_of_order,
        tcpi_snd_wnd=sender.snd_wnd,
        tcpi_rcv_wnd=max(receiver.window.right_edge - receiver.rcv_nxt, 0),
        tcpi_fastopen_client_fail=0 if connection.fast_open is None else connection.fast_open.failure,
    )
