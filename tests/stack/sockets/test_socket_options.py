"""getsockopt and setsockopt: socket(7), ip(7), ipv6(7), tcp(7)."""

import errno
import socket as bsd
from struct import calcsize, pack, unpack_from
from sys import byteorder
from types import SimpleNamespace

import pytest

from stack.clock import MILLISECOND
from stack.sockets.ancillary import IP_PKTINFO, IP_RECVTOS, IP_RECVTTL
from stack.sockets.conversation import TCP_INQ
from stack.sockets.error_queue import IP_RECVERR, IPV6_RECVERR
from stack.sockets.options import IP_MTU, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER
from stack.sockets.tcp_info import pack as pack_info
from stack.sockets.tcp_options import TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE
from tests.stack.sockets.network import Network, refused

SO_TIMESTAMPING = 37
SO_INCOMING_NAPI_ID = 56
SOL, TCP, IP, IPV6 = bsd.SOL_SOCKET, bsd.IPPROTO_TCP, bsd.IPPROTO_IP, bsd.IPPROTO_IPV6
KINDS = {
    "tcp": (bsd.AF_INET, bsd.SOCK_STREAM, 0),
    "udp": (bsd.AF_INET, bsd.SOCK_DGRAM, 0),
    "ping": (bsd.AF_INET, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMP),
    "tcp6": (bsd.AF_INET6, bsd.SOCK_STREAM, 0),
    "udp6": (bsd.AF_INET6, bsd.SOCK_DGRAM, 0),
    "ping6": (bsd.AF_INET6, bsd.SOCK_DGRAM, bsd.IPPROTO_ICMPV6),
}


def make(kind: str):
    return Network().a.sockets.socket(*KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_socket_is(kind: str) -> None:
    socket = make(kind)
    family, type_, protocol = KINDS[kind]
    default = bsd.IPPROTO_TCP if type_ == bsd.SOCK_STREAM else bsd.IPPROTO_UDP
    assert socket.getsockopt(SOL, bsd.SO_DOMAIN) == family
    assert socket.getsockopt(SOL, bsd.SO_TYPE) == type_
    assert socket.getsockopt(SOL, bsd.SO_PROTOCOL) == protocol or default
    assert socket.getsockopt(SOL, bsd.SO_ERROR) == 0
    assert socket.getsockopt(SOL, bsd.SO_ACCEPTCONN) == 0
    for read_only in (bsd.SO_DOMAIN, bsd.SO_TYPE, bsd.SO_PROTOCOL, bsd.SO_ERROR, bsd.SO_ACCEPTCONN):
        with refused(errno.ENOPROTOOPT):
            socket.setsockopt(SOL, read_only, 1)


ACCEPTED = [
    # kind, level, option, default, value, what is read back
    ("tcp", SOL, bsd.SO_REUSEADDR, 0, 5, 1),
    ("udp", SOL, bsd.SO_BROADCAST, 0, 1, 1),
    ("tcp", SOL, bsd.SO_KEEPALIVE, 0, 1, 1),
    ("tcp", SOL, bsd.SO_RCVBUF, 131072, 65536, 131072),
    ("tcp", SOL, bsd.SO_SNDBUF, 4 << 20, 65536, 131072),
    ("udp", SOL, bsd.SO_RCVBUF, 212992, 100_000, 200_000),
    ("udp", SOL, bsd.SO_SNDBUF, 212992, 100_000, 200_000),
    ("udp", SOL, bsd.SO_RCVBUF, 212992, 0, 2304),
    ("udp", SOL, bsd.SO_SNDBUF, 212992, 0, 4608),
    ("tcp", SOL, bsd.SO_RCVBUF, 131072, 1, 4096),
    ("tcp", SOL, bsd.SO_SNDBUF, 4 << 20, 1, 4608),
    ("udp", SOL, bsd.SO_RCVBUF, 212992, -1, 256 << 20),
    ("udp", SOL, bsd.SO_RCVBUF, 212992, pack("i", 5000), 10_000),
    ("tcp", TCP, bsd.TCP_NODELAY, 0, 1, 1),
    ("tcp", TCP, bsd.TCP_MAXSEG, 536, 1000, 1000),
    ("tcp", TCP, bsd.TCP_KEEPIDLE, 7200, 60, 60),
    ("tcp", TCP, bsd.TCP_KEEPINTVL, 75, 10, 10),
    ("tcp", TCP, bsd.TCP_KEEPCNT, 9, 127, 127),
    ("tcp", TCP, bsd.TCP_SYNCNT, 6, 1, 1),
    ("tcp", TCP, bsd.TCP_USER_TIMEOUT, 0, 1500, 1500),
    ("tcp", TCP, bsd.TCP_CORK, 0, 1, 1),
    ("tcp", TCP, bsd.TCP_QUICKACK, 1, 0, 0),
    ("tcp", TCP, bsd.TCP_QUICKACK, 1, 2, 0),
    ("tcp", TCP, bsd.TCP_DEFER_ACCEPT, 0, 3, 3),
    ("tcp", TCP, bsd.TCP_LINGER2, 60, 30, 30),
    ("tcp", TCP, bsd.TCP_WINDOW_CLAMP, 0, 5000, 5000),
    ("tcp", TCP, TCP_INQ, 0, 1, 1),
    ("tcp", TCP, bsd.TCP_FASTOPEN, 0, 5, 5),
    ("tcp", TCP, bsd.TCP_FASTOPEN, 0, 1 << 20, 4096),
    ("tcp", TCP, TCP_FASTOPEN_CONNECT, 0, 1, 1),
    ("tcp", TCP, TCP_FASTOPEN_NO_COOKIE, 0, 1, 1),
    ("udp", IP, IP_PKTINFO, 0, 1, 1),
    ("udp", IP, IP_RECVTTL, 0, 1, 1),
    ("udp6", IP, IP_RECVTOS, 0, 5, 1),
    ("udp6", IPV6, bsd.IPV6_RECVPKTINFO, 0, 1, 1),
    ("udp6", IPV6, bsd.IPV6_RECVHOPLIMIT, 0, 1, 1),
    ("ping6", IPV6, bsd.IPV6_RECVTCLASS, 0, 1, 1),
    ("tcp", SOL, bsd.SO_OOBINLINE, 0, 1, 1),
    ("udp", SOL, bsd.SO_OOBINLINE, 0, 1, 1),
    ("tcp", SOL, bsd.SO_RCVLOWAT, 1, 100, 100),
    ("udp", SOL, bsd.SO_RCVLOWAT, 1, 100, 100),
    ("tcp", IP, IP_RECVERR, 0, 1, 1),
    ("tcp6", IPV6, IPV6_RECVERR, 0, 1, 1),
    ("udp6", IP, IP_RECVERR, 0, 1, 1),
    ("tcp", IP, bsd.IP_TTL, 64, 1, 1),
    ("udp", IP, bsd.IP_TTL, 64, 255, 255),
    ("udp", IP, bsd.IP_TTL, 64, -1, 64),
    ("udp", IP, bsd.IP_TTL, 64, b"\x07", 7),
    ("udp", IP, bsd.IP_TOS, 0, 0xB9, 0xB9),
    ("tcp", IP, bsd.IP_TOS, 0, 0xB9, 0xB8),
    ("udp", IP, bsd.IP_MULTICAST_TTL, 1, 255, 255),
    ("udp", IP, IP_MTU_DISCOVER, 1, 2, 2),
    ("ping", IP, bsd.IP_TTL, 64, 3, 3),
    ("udp6", IP, bsd.IP_TTL, 64, 3, 3),
    ("udp6", IPV6, bsd.IPV6_UNICAST_HOPS, 64, 3, 3),
    ("tcp6", IPV6, bsd.IPV6_UNICAST_HOPS, 64, -1, 64),
    ("udp6", IPV6, bsd.IPV6_TCLASS, 0, 0xB9, 0xB9),
    ("udp6", IPV6, bsd.IPV6_TCLASS, 0, -1, 0),
    ("tcp6", IPV6, bsd.IPV6_TCLASS, 0, 3, 0),
    ("udp6", IPV6, bsd.IPV6_MULTICAST_HOPS, 1, 9, 9),
    ("udp6", IPV6, IPV6_MTU_DISCOVER, 1, 0, 0),
    ("udp6", IPV6, bsd.IPV6_V6ONLY, 0, 1, 1),
    ("tcp6", IPV6, bsd.IPV6_V6ONLY, 0, 1, 1),
]


@pytest.mark.parametrize(("kind", "level", "option", "default", "value", "read"), ACCEPTED)
def test_an_option_has_a_default_and_can_be_set(kind, level, option, default, value, read) -> None:
    socket = make(kind)
    assert socket.getsockopt(level, option) == default
    socket.setsockopt(level, option, value)
    assert socket.getsockopt(level, option) == read
    assert socket.getsockopt(level, option, 4) == pack("i", read)
    assert socket.getsockopt(level, option, 1) == pack("i", read)[:1]


INVALID = [
    ("tcp", SOL, bsd.SO_REUSEADDR, b"\1\0\0"),
    ("tcp", SOL, bsd.SO_LINGER, 1),
    ("tcp", SOL, bsd.SO_LINGER, b"\1\0\0\0"),
    ("tcp", TCP, bsd.TCP_MAXSEG, 87),
    ("tcp", TCP, bsd.TCP_MAXSEG, 32768),
    ("tcp", TCP, bsd.TCP_KEEPIDLE, 0),
    ("tcp", TCP, bsd.TCP_KEEPIDLE, 32768),
    ("tcp", TCP, bsd.TCP_KEEPINTVL, 0),
    ("tcp", TCP, bsd.TCP_KEEPCNT, 128),
    ("tcp", TCP, bsd.TCP_SYNCNT, 0),
    ("tcp", TCP, bsd.TCP_USER_TIMEOUT, -1),
    ("tcp", TCP, bsd.TCP_USER_TIMEOUT, (1 << 31) - 1),
    ("tcp", TCP, bsd.TCP_CONGESTION, 1),
    ("tcp", TCP, TCP_INQ, 2),
    ("tcp", TCP, TCP_FASTOPEN_CONNECT, 2),
    ("tcp", TCP, TCP_FASTOPEN_NO_COOKIE, -1),
    ("tcp", TCP, bsd.TCP_WINDOW_CLAMP, -1),
    ("udp", IP, bsd.IP_TTL, 0),
    ("udp", IP, bsd.IP_TTL, 256),
    ("udp", IP, bsd.IP_TTL, -2),
    ("udp", IP, bsd.IP_TOS, 256),
    ("udp", IP, bsd.IP_MULTICAST_TTL, 256),
    ("udp", IP, IP_MTU_DISCOVER, 6),
    ("udp6", IPV6, bsd.IPV6_TCLASS, 256),
    ("udp6", IPV6, bsd.IPV6_UNICAST_HOPS, 256),
]


@pytest.mark.parametrize(("kind", "level", "option", "value"), INVALID)
def test_a_value_that_cannot_be_is_einval_and_changes_nothing(kind, level, option, value) -> None:
    socket = make(kind)
    before = socket.getsockopt(level, option, 16)
    with refused(errno.EINVAL):
        socket.setsockopt(level, option, value)
    assert socket.getsockopt(level, option, 16) == before


UNKNOWN = [
    ("tcp", SOL, 9999),
    ("tcp", TCP, 9999),
    ("tcp", 9999, 1),
    ("udp", TCP, bsd.TCP_NODELAY),
    ("udp", SOL, bsd.SO_KEEPALIVE),
    ("tcp", IPV6, bsd.IPV6_V6ONLY),
    ("udp", IPV6, bsd.IPV6_UNICAST_HOPS),
    ("tcp", IP, bsd.IP_MULTICAST_TTL),
    ("tcp", SOL, SO_INCOMING_NAPI_ID),
    ("udp", SOL, SO_TIMESTAMPING),
    ("udp", TCP, bsd.TCP_CORK),
    ("tcp", IPV6, IPV6_RECVERR),
]


@pytest.mark.parametrize(("kind", "level", "option"), UNKNOWN)
def test_an_option_that_there_is_not_is_enoprotoopt(kind, level, option) -> None:
    socket = make(kind)
    with refused(errno.ENOPROTOOPT):
        socket.setsockopt(level, option, 1)
    with refused(errno.ENOPROTOOPT):
        socket.getsockopt(level, option)


def test_linger_is_a_structure() -> None:
    socket = make("tcp")
    assert socket.getsockopt(SOL, bsd.SO_LINGER, 8) == pack("ii", 0, 0)
    socket.setsockopt(SOL, bsd.SO_LINGER, pack("ii", 1, 30))
    assert socket.getsockopt(SOL, bsd.SO_LINGER, 8) == pack("ii", 1, 30)
    assert socket.getsockopt(SOL, bsd.SO_LINGER) == 1


def test_a_negative_linger_is_a_long_one() -> None:
    """Linux takes the seconds as unsigned: not to be taken for the zero that resets."""
    socket = make("tcp")
    socket.setsockopt(SOL, bsd.SO_LINGER, pack("ii", 1, -1))
    assert socket.settings.linger.seconds == (1 << 31) - 1


def test_congestion_control_goes_by_name() -> None:
    socket = make("tcp")
    assert socket.getsockopt(TCP, bsd.TCP_CONGESTION, 16) == b"cubic".ljust(16, b"\0")
    socket.setsockopt(TCP, bsd.TCP_CONGESTION, b"reno\0")
    assert socket.getsockopt(TCP, bsd.TCP_CONGESTION, 16).rstrip(b"\0") == b"reno"
    with refused(errno.ENOENT):
        socket.setsockopt(TCP, bsd.TCP_CONGESTION, b"nonesuch")


@pytest.mark.parametrize("kind", ["tcp6", "udp6"])
def test_v6_only_cannot_be_changed_once_bound(kind: str) -> None:
    """RFC 3493 5.3."""
    socket = make(kind)
    socket.bind(("", 0))
    with refused(errno.EINVAL):
        socket.setsockopt(IPV6, bsd.IPV6_V6ONLY, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_a_closed_socket_are_ebadf(kind: str) -> None:
    socket = make(kind)
    socket.close()
    with refused(errno.EBADF):
        socket.getsockopt(SOL, bsd.SO_ERROR)
    with refused(errno.EBADF):
        socket.setsockopt(SOL, bsd.SO_REUSEADDR, 1)


def connected(network: Network):
    listener = network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    listener.bind(("", 80))
    listener.listen()
    client = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    with refused(errno.EINPROGRESS):
        client.connect(("10.0.0.2", 80))
    network.settle()
    return client, listener.accept()[0]


def test_setting_the_receive_buffer_switches_its_tuning_off() -> None:
    """Linux SOCK_RCVBUF_LOCK."""
    socket = make("tcp")
    socket.setsockopt(SOL, bsd.SO_RCVBUF, 8192)
    assert socket.config.moderate_receive_buffer is False


def test_an_accepted_socket_inherits() -> None:
    """tcp(7) and Linux: what was set on the listener holds for those it accepts."""
    network = Network()
    listener = network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    inherited = [
        (SOL, bsd.SO_OOBINLINE, 1),
        (SOL, bsd.SO_RCVLOWAT, 9),
        (IP, IP_RECVERR, 1),
        (TCP, bsd.TCP_QUICKACK, 0),
    ]
    inherited += [(TCP, bsd.TCP_NODELAY, 1), (TCP, bsd.TCP_WINDOW_CLAMP, 9000), (TCP, bsd.TCP_LINGER2, 9)]
    for level, option, value in inherited:
        listener.setsockopt(level, option, value)
    listener.bind(("", 80))
    listener.listen()
    client = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    with refused(errno.EINPROGRESS):
        client.connect(("10.0.0.2", 80))
    network.settle()
    accepted, _ = listener.accept()
    for level, option, value in inherited:
        assert accepted.getsockopt(level, option) == value


def test_the_path_mtu_of_a_connection() -> None:
    """IP_MTU of ip(7): only of a connected socket."""
    client, _ = connected(Network())
    assert client.getsockopt(IP, IP_MTU) == 1500
    with refused(errno.ENOTCONN):
        make("tcp").getsockopt(IP, IP_MTU)


def test_options_reach_a_connection_that_exists() -> None:
    network = Network()
    client, server = connected(network)
    client.setsockopt(IP, bsd.IP_TOS, 0xB8)
    client.setsockopt(IP, bsd.IP_TTL, 9)
    client.send(b"x")
    network.settle()
    ip = bytes(network.at_a.sent[-1])[14:]
    assert (ip[1], ip[8]) == (0xB8, 9)
    client.setsockopt(SOL, bsd.SO_KEEPALIVE, 1)
    client.setsockopt(TCP, bsd.TCP_KEEPIDLE, 1)
    sent = len(network.at_a.sent)
    network.settle(1500 * MILLISECOND)
    assert len(network.at_a.sent) == sent + 1
    assert server.recv(10) == b"x"


def test_tcp_info_is_linux_structure() -> None:
    network = Network()
    client, _ = connected(network)
    client.send(bytes(10_000))
    network.settle(10 * 1000 * MILLISECOND)
    raw = client.getsockopt(TCP, bsd.TCP_INFO, 1024)
    info = client.info()
    classic = "8B24I"  # as far as Linux 2.6 had it, 104 bytes
    assert calcsize(classic) == 104
    fields = unpack_from(classic, raw)
    assert fields[0] == info.tcpi_state == 1
    assert fields[6] == info.tcpi_snd_wscale | info.tcpi_rcv_wscale << 4
    assert fields[8] == info.tcpi_rto
    assert fields[10] == info.tcpi_snd_mss == client.getsockopt(TCP, bsd.TCP_MAXSEG)
    assert fields[23] == info.tcpi_rtt > 0
    assert fields[26] == info.tcpi_snd_cwnd
    assert unpack_from("Q", raw, 120) == (info.tcpi_bytes_acked,)
    assert info.tcpi_bytes_acked >= 10_000
    assert client.getsockopt(TCP, bsd.TCP_INFO, 1) == b"\1"
    with refused(errno.ENOPROTOOPT):
        client.setsockopt(TCP, bsd.TCP_INFO, 1)


LAYOUT = [
    # field, offset, size in octets: struct tcp_info of linux/tcp.h
    ("tcpi_rto", 8, 4), ("tcpi_ato", 12, 4), ("tcpi_snd_mss", 16, 4), ("tcpi_unacked", 24, 4),
    ("tcpi_sacked", 28, 4), ("tcpi_retrans", 36, 4), ("tcpi_last_data_sent", 44, 4), ("tcpi_pmtu", 60, 4),
    ("tcpi_rtt", 68, 4), ("tcpi_snd_ssthresh", 76, 4), ("tcpi_snd_cwnd", 80, 4), ("tcpi_reordering", 88, 4),
    ("tcpi_total_retrans", 100, 4), ("tcpi_pacing_rate", 104, 8), ("tcpi_bytes_received", 128, 8),
    ("tcpi_notsent_bytes", 144, 4), ("tcpi_min_rtt", 148, 4), ("tcpi_delivery_rate", 160, 8),
    ("tcpi_busy_time", 168, 8), ("tcpi_sndbuf_limited", 184, 8), ("tcpi_delivered", 192, 4),
    ("tcpi_bytes_sent", 200, 8), ("tcpi_dsack_dups", 216, 4), ("tcpi_rcv_ooopack", 224, 4),
    ("tcpi_snd_wnd", 228, 4), ("tcpi_rcv_wnd", 232, 4),
]  # fmt: skip


@pytest.mark.parametrize(("field", "offset", "size"), LAYOUT)
def test_each_field_of_tcp_info_is_where_linux_has_it(field: str, offset: int, size: int) -> None:
    raw = pack_info(SimpleNamespace(**{field: 0x4B4B}))
    assert len(raw) == 236
    assert raw == bytes(offset) + (0x4B4B).to_bytes(size, byteorder) + bytes(236 - offset - size)


def test_tcp_info_without_a_connection() -> None:
    """Linux tcp_get_info: the state; for a listener also how full its accept queue is."""
    network = Network()
    assert make("tcp").getsockopt(TCP, bsd.TCP_INFO, 248) == b"\7" + bytes(235)
    listener = network.b.sockets.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    listener.bind(("", 80))
    listener.listen(5)
    client = network.a.sockets.socket(bsd.AF_INET, bsd.SOCK_STREAM)
    with refused(errno.EINPROGRESS):
        client.connect(("10.0.0.2", 80))
    network.settle()
    raw = listener.getsockopt(TCP, bsd.TCP_INFO, 248)
    assert (raw[0], unpack_from("II", raw, 24)) == (10, (1, 5))
