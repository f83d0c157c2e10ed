"""Every option can be set or read, and does something: which test shows what, and those that are shown nowhere else."""

from __future__ import annotations

import ast
import errno
import socket as bsd
from pathlib import Path
from typing import Final

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.sockets import DatagramSocket, PingSocket, StreamSocket
from stack.sockets.ancillary import IP_PKTINFO, IP_RECVTOS, IP_RECVTTL
from stack.sockets.conversation import TCP_INQ
from stack.sockets.datagram import UDP_GRO, UDP_SEGMENT
from stack.sockets.error_queue import IP_RECVERR, IPV6_RECVERR
from stack.sockets.keys import TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_INFO, TCP_MD5SIG, TCP_MD5SIG_EXT
from stack.sockets.options import IP_MTU, IP_MTU_DISCOVER, IPV6_MTU, IPV6_MTU_DISCOVER
from stack.sockets.reports import SO_TIMESTAMPING, SO_ZEROCOPY
from stack.sockets.tcp_options import TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import connecting, flags_sent, listening, tcp

SOL, IP, IPV6 = bsd.SOL_SOCKET, bsd.IPPROTO_IP, bsd.IPPROTO_IPV6
TCP, UDP = bsd.IPPROTO_TCP, bsd.IPPROTO_UDP

SHOWN: Final = {
    (SOL, bsd.SO_REUSEADDR): "test_reuse_address_on_both_restarts_a_server_at_once",
    (SOL, bsd.SO_TYPE): "test_what_a_socket_is",
    (SOL, bsd.SO_DOMAIN): "test_what_a_socket_is",
    (SOL, bsd.SO_PROTOCOL): "test_what_a_socket_is",
    (SOL, bsd.SO_ACCEPTCONN): "test_what_a_socket_is",
    (SOL, bsd.SO_ERROR): "test_connect_after_so_error_told_of_the_failure_is_aborted_once",
    (SOL, bsd.SO_BROADCAST): "test_connect_to_broadcast_needs_permission",
    (SOL, bsd.SO_SNDBUF): "test_a_full_send_buffer_is_eagain_until_there_is_room",
    (SOL, bsd.SO_RCVBUF): "test_the_queue_is_bounded_and_what_does_not_fit_is_counted",
    (SOL, bsd.SO_KEEPALIVE): "test_an_idle_connection_is_probed_and_given_up",
    (SOL, bsd.SO_OOBINLINE): "test_in_line_the_urgent_byte_is_in_the_stream_behind_a_mark",
    (SOL, bsd.SO_LINGER): "test_with_zero_seconds_the_connection_is_reset_and_what_is_queued_is_lost",
    (SOL, bsd.SO_RCVLOWAT): "test_low_water_for_reading",
    (SOL, bsd.SO_SNDLOWAT): "test_what_is_the_same_for_all",
    (SOL, bsd.SO_BINDTODEVICE): "test_datagrams_come_in_through_the_device_only",
    (SOL, SO_ZEROCOPY): "test_sends_without_copies_are_numbered_and_told_of_together",
    (SOL, SO_TIMESTAMPING): "test_when_the_last_octet_left_and_was_acknowledged",
    (IP, bsd.IP_TOS): "test_a_connection_has_a_hop_limit_and_a_traffic_class",
    (IP, bsd.IP_TTL): "test_a_connection_has_a_hop_limit_and_a_traffic_class",
    (IPV6, bsd.IPV6_TCLASS): "test_a_connection_has_a_hop_limit_and_a_traffic_class",
    (IPV6, bsd.IPV6_UNICAST_HOPS): "test_a_connection_has_a_hop_limit_and_a_traffic_class",
    (IP, IP_PKTINFO): "test_where_a_datagram_was_sent_to",
    (IP, IP_RECVTTL): "test_time_to_live_and_type_of_service",
    (IP, IP_RECVTOS): "test_time_to_live_and_type_of_service",
    (IPV6, bsd.IPV6_RECVPKTINFO): "test_the_same_of_ipv6",
    (IPV6, bsd.IPV6_RECVHOPLIMIT): "test_the_same_of_ipv6",
    (IPV6, bsd.IPV6_RECVTCLASS): "test_the_same_of_ipv6",
    (IP, IP_MTU_DISCOVER): "test_whether_routers_may_fragment",
    (IPV6, IPV6_MTU_DISCOVER): "test_too_large_for_the_path_over_ipv6",
    (IP, IP_MTU): "test_a_connected_socket_shows_the_path_mtu",
    (IPV6, IPV6_MTU): "test_too_large_for_the_path_over_ipv6",
    (IP, IP_RECVERR): "test_a_port_that_nobody_has_is_in_the_queue_with_the_datagram",
    (IPV6, IPV6_RECVERR): "test_an_error_of_ipv6",
    (IP, bsd.IP_MULTICAST_TTL): "test_multicast_goes_one_hop_unless_told_otherwise",
    (IPV6, bsd.IPV6_MULTICAST_HOPS): "test_multicast_goes_one_hop_unless_told_otherwise",
    (IP, bsd.IP_MULTICAST_IF): "test_where_multicast_leaves",
    (IPV6, bsd.IPV6_MULTICAST_IF): "test_where_multicast_leaves",
    (IP, bsd.IP_ADD_MEMBERSHIP): "test_a_group_is_heard_once_it_was_joined",
    (IP, bsd.IP_DROP_MEMBERSHIP): "test_a_group_is_heard_once_it_was_joined",
    (IPV6, bsd.IPV6_JOIN_GROUP): "test_a_group_of_ipv6",
    (IPV6, bsd.IPV6_LEAVE_GROUP): "test_a_group_of_ipv6",
    (IPV6, bsd.IPV6_V6ONLY): "test_an_ipv6_only_listener_leaves_ipv4_to_another",
    (TCP, bsd.TCP_NODELAY): "test_nodelay_sends_what_is_small_at_once",
    (TCP, bsd.TCP_MAXSEG): "test_the_segments_of_a_connection_are_no_larger_than_that",
    (TCP, bsd.TCP_CORK): "test_a_cork_holds_back_partial_segments_only",
    (TCP, bsd.TCP_KEEPIDLE): "test_an_idle_connection_is_probed_and_given_up",
    (TCP, bsd.TCP_KEEPINTVL): "test_an_idle_connection_is_probed_and_given_up",
    (TCP, bsd.TCP_KEEPCNT): "test_an_idle_connection_is_probed_and_given_up",
    (TCP, bsd.TCP_SYNCNT): "test_how_often_a_syn_is_sent_again",
    (TCP, bsd.TCP_LINGER2): "test_nobody_waits_for_the_peers_fin_longer_than_that",
    (TCP, bsd.TCP_DEFER_ACCEPT): "test_the_listener_awakes_when_data_arrive",
    (TCP, bsd.TCP_WINDOW_CLAMP): "test_the_window_is_clamped",
    (TCP, bsd.TCP_INFO): "test_tcp_info_is_linux_structure",
    (TCP, bsd.TCP_QUICKACK): "test_quickack_sends_the_ack_that_is_owed",
    (TCP, bsd.TCP_CONGESTION): "test_congestion_control_can_be_exchanged",
    (TCP, bsd.TCP_USER_TIMEOUT): "test_a_user_gives_up_sooner",
    (TCP, bsd.TCP_NOTSENT_LOWAT): "test_no_more_is_taken_while_enough_is_unsent",
    (TCP, TCP_INQ): "test_inq_tells_what_is_left_to_read",
    (TCP, bsd.TCP_FASTOPEN): "test_a_listener_has_to_be_told",
    (TCP, TCP_FASTOPEN_CONNECT): "test_connect_returns_and_the_first_send_opens",
    (TCP, TCP_FASTOPEN_KEY): "test_keys_are_changed_without_losing_a_client",
    (TCP, TCP_FASTOPEN_NO_COOKIE): "test_an_end_can_do_without_cookies",
    (TCP, TCP_MD5SIG): "test_with_the_same_key_a_connection_is_signed",
    (TCP, TCP_MD5SIG_EXT): "test_a_key_can_be_for_a_prefix_and_of_two_the_longest_counts",
    (TCP, TCP_AO_ADD_KEY): "test_an_ao_connection",
    (TCP, TCP_AO_DEL_KEY): "test_keys_are_changed_while_data_go_on",
    (TCP, TCP_AO_INFO): "test_the_key_to_begin_with_can_be_chosen",
    (UDP, UDP_SEGMENT): "test_one_call_sends_datagrams_of_one_size_whatever_the_link_can",
    (UDP, UDP_GRO): "test_who_asks_for_it_reads_together_what_came_together",
}


@pytest.fixture
def network() -> Network:
    return Network()


def test_every_option_is_shown_by_a_test_that_exists() -> None:
    tables = (StreamSocket.options, DatagramSocket.options, PingSocket.options)
    assert {key for table in tables for key in table} == {
        (int(level), int(number)) for level, number in SHOWN
    }
    existing = {
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert set(SHOWN.values()) <= existing


# --- those that no other test shows at the socket


def test_what_is_the_same_for_all(network: Network) -> None:
    """socket(7): SO_SNDLOWAT cannot be changed."""
    socket = tcp(network.a)
    assert socket.getsockopt(SOL, bsd.SO_SNDLOWAT) == 1
    with refused(errno.ENOPROTOOPT):
        socket.setsockopt(SOL, bsd.SO_SNDLOWAT, 2)


def test_an_idle_connection_is_probed_and_given_up() -> None:
    peer = Peer()
    socket = peer.open()
    socket.setsockopt(SOL, bsd.SO_KEEPALIVE, 1)
    option(socket, bsd.TCP_KEEPIDLE, 60)
    option(socket, bsd.TCP_KEEPINTVL, 10)
    option(socket, bsd.TCP_KEEPCNT, 2)
    seen = []
    for seconds in (59, 2, 10, 10):
        peer.after(seconds * SECOND)
        seen.append([segment.sequence for segment in peer.segments()])
    assert seen == [[], [0], [0], [1]], "two probes from before what was acknowledged, and a RST"
    with refused(errno.ETIMEDOUT):
        socket.recv(1)


def test_how_often_a_syn_is_sent_again() -> None:
    peer = Peer()
    option(peer.socket, bsd.TCP_SYNCNT, 1)
    peer.begin()
    peer.after(10 * SECOND)
    assert len(peer.segments()) == 1
    with refused(errno.ETIMEDOUT):
        peer.socket.connect(("10.0.0.1", 80))


@pytest.mark.parametrize(("on", "lengths"), [(0, [10]), (1, [10, 10])])
def test_nodelay_sends_what_is_small_at_once(on: int, lengths: list[int]) -> None:
    peer = Peer()
    socket = peer.open()
    option(socket, bsd.TCP_NODELAY, on)
    socket.send(bytes(10))
    socket.send(bytes(10))
    assert [length for _, length in peer.data()] == lengths


def test_the_segments_of_a_connection_are_no_larger_than_that() -> None:
    peer = Peer()
    option(peer.socket, bsd.TCP_MAXSEG, 500)
    socket = peer.open()
    socket.send(bytes(1000))
    assert peer.data() == [(1, 500), (501, 500)]


def test_a_user_gives_up_sooner() -> None:
    peer = Peer()
    socket = peer.open()
    option(socket, bsd.TCP_USER_TIMEOUT, 1500)
    socket.send(b"x")
    peer.after(1400 * MILLISECOND)
    assert socket.info().tcpi_state == 1
    peer.after(200 * MILLISECOND)
    with refused(errno.ETIMEDOUT):
        socket.recv(1)


def test_congestion_control_can_be_exchanged() -> None:
    peer = Peer()
    socket = peer.open()
    assert socket.info().tcpi_pacing_rate == (1 << 64) - 1
    socket.setsockopt(TCP, bsd.TCP_CONGESTION, b"bbr")
    socket.send(bytes(1460))
    peer.after(10 * MILLISECOND)
    peer.send(".", 1, 1461)
    assert socket.info().tcpi_pacing_rate < 1 << 32, "BBR paces"


@pytest.mark.parametrize("family", [bsd.AF_INET, bsd.AF_INET6])
def test_a_connection_has_a_hop_limit_and_a_traffic_class(network: Network, family: int) -> None:
    with listening(network.b, family):
        socket = tcp(network.a, family)
        if family == bsd.AF_INET:
            socket.setsockopt(IP, bsd.IP_TTL, 7)
            socket.setsockopt(IP, bsd.IP_TOS, 0xB8)
            connecting(socket)
        else:
            socket.setsockopt(IPV6, bsd.IPV6_UNICAST_HOPS, 7)
            socket.setsockopt(IPV6, bsd.IPV6_TCLASS, 0xB8)
            connecting(socket, ("fd00::2", 80))
        network.settle()
        socket.send(b"x")
        ip = bytes(network.at_a.sent[-1])[14:]
        if family == bsd.AF_INET:
            assert (ip[8], ip[1]) == (7, 0xB8)
            assert flags_sent(network) & 0x18 == 0x18
        else:
            assert (ip[7], int.from_bytes(ip[:2]) >> 4 & 0xFF) == (7, 0xB8)


def test_too_large_for_the_path_over_ipv6(network: Network) -> None:
    socket = network.a.sockets.socket(bsd.AF_INET6, bsd.SOCK_DGRAM)
    socket.connect(("fd00::2", 2000))
    assert socket.getsockopt(IPV6, IPV6_MTU) == 1500
    socket.send(bytes(3000))
    socket.setsockopt(IPV6, IPV6_MTU_DISCOVER, 2)
    with refused(errno.EMSGSIZE):
        socket.send(bytes(3000))
