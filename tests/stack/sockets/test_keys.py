"""TCP-MD5 and TCP-AO as applications ask for them: the options of Linux."""

from __future__ import annotations

import errno
import socket as bsd
from struct import pack

import pytest

from stack.sockets import StreamSocket
from stack.sockets.keys import (
    AO_ADD,
    AO_DELETE,
    AO_INFO,
    MD5_SIGNATURE,
    TCP_AO_ADD_KEY,
    TCP_AO_DEL_KEY,
    TCP_AO_INFO,
    TCP_AO_KEYF_EXCLUDE_OPT,
    TCP_MD5SIG,
    TCP_MD5SIG_EXT,
    TCP_MD5SIG_FLAG_PREFIX,
)
from stack.tcp.ao import Ao
from stack.wire.protocols import TCP
from stack.wire.tcp import AUTHENTICATION, TcpHeader, TcpOptions
from tests.stack.sockets.network import Network, refused
from tests.stack.sockets.streams import connecting, listening, tcp

SET_CURRENT, SET_RNEXT, AO_REQUIRED, ACCEPT_ICMPS = 1, 2, 4, 16
MD5_KIND = 19
PORTS = {bsd.AF_INET: ("10.0.0.2", 80), bsd.AF_INET6: ("fd00::2", 80)}


@pytest.fixture
def network() -> Network:
    return Network()


def sockaddr(text: str) -> bytes:
    """``struct sockaddr_storage``."""
    if ":" in text:
        return (pack("=HHI", bsd.AF_INET6, 0, 0) + bsd.inet_pton(bsd.AF_INET6, text)).ljust(128, b"\0")
    return (pack("=HH", bsd.AF_INET, 0) + bsd.inet_pton(bsd.AF_INET, text)).ljust(128, b"\0")


def md5(socket: StreamSocket, peer: str, key: bytes, prefix: int | None = None) -> None:
    flags = 0 if prefix is None else TCP_MD5SIG_FLAG_PREFIX
    value = MD5_SIGNATURE.pack(sockaddr(peer), flags, prefix or 0, len(key), 0, key)
    socket.setsockopt(bsd.IPPROTO_TCP, TCP_MD5SIG if prefix is None else TCP_MD5SIG_EXT, value)


def ao(
    socket: StreamSocket, peer: str, send_id: int, receive_id: int, *, flags: int = 0, prefix: int = 32,
    algorithm: bytes = b"hmac(sha1)", key: bytes = b"secret", mac: int = 12, options: int = 0,
) -> None:  # fmt: skip
    value = AO_ADD.pack(
        sockaddr(peer), algorithm, 0, flags, 0, prefix, send_id, receive_id, mac, options, len(key), key
    )
    socket.setsockopt(bsd.IPPROTO_TCP, TCP_AO_ADD_KEY, value)


def ao_delete(
    socket: StreamSocket, peer: str, send_id: int, receive_id: int, *, flags: int = 0, current: int = 0, rnext: int = 0
) -> None:  # fmt: skip
    value = AO_DELETE.pack(sockaddr(peer), 0, flags, 0, 32, send_id, receive_id, current, rnext, 0)
    socket.setsockopt(bsd.IPPROTO_TCP, TCP_AO_DEL_KEY, value)


def ao_info(socket: StreamSocket, flags: int, current: int = 0, rnext: int = 0) -> None:
    socket.setsockopt(bsd.IPPROTO_TCP, TCP_AO_INFO, AO_INFO.pack(flags, 0, current, rnext))


def read_ao_info(socket: StreamSocket) -> tuple[int, ...]:
    value = socket.getsockopt(bsd.IPPROTO_TCP, TCP_AO_INFO, AO_INFO.size)
    assert isinstance(value, bytes)
    flags, _, current, rnext = AO_INFO.unpack(value)
    return flags, current, rnext


def kinds_sent(network: Network) -> set[int]:
    """The signatures in all segments that ``a`` has sent since the last look; 0: none."""
    frames, network.at_a.sent[:] = list(map(bytes, network.at_a.sent)), []
    kinds = set()
    for frame in frames:
        start = _segment_in(frame)
        if start is None:
            continue
        unknown = TcpOptions.parse(TcpHeader.parse(frame, start).options).unknown
        found = [option.kind for option in unknown if option.kind in (MD5_KIND, AUTHENTICATION)]
        kinds.update(found or [0])
    return kinds


def _segment_in(frame: bytes) -> int | None:
    """Where it begins; None if there is none."""
    if frame[12:14] == b"\x08\x00" and frame[23] == TCP:
        return 34
    return 54 if frame[12:14] == b"\x86\xdd" and frame[20] == TCP else None


def try_to_connect(network: Network, client: StreamSocket, family: int = bsd.AF_INET) -> bool:
    connecting(client, PORTS[family])
    network.settle()
    return client.writable


def exchange(network: Network, one: StreamSocket, other: StreamSocket) -> bool:
    one.send(b"hello")
    network.settle()
    try:
        return other.recv(100) == b"hello"
    except BlockingIOError:
        return False


# --- TCP-MD5


@pytest.mark.shows("RFC 2385 2")
@pytest.mark.parametrize(
    ("family", "client_address", "server_address"),
    [
        (bsd.AF_INET, "10.0.0.1", "10.0.0.2"),
        (bsd.AF_INET6, "fd00::1", "fd00::2"),
        (bsd.AF_INET6, "::ffff:10.0.0.1", "::ffff:10.0.0.2"),
    ],
)
def test_with_the_same_key_a_connection_is_signed(
    network: Network, family: int, client_address: str, server_address: str
) -> None:
    server, client = listening(network.b, family), tcp(network.a, family)
    md5(server, client_address, b"key")
    md5(client, server_address, b"key")
    network.at_a.sent.clear()
    connecting(client, (server_address, 80))
    network.settle()
    accepted, _ = server.accept()
    assert exchange(network, client, accepted)
    assert exchange(network, accepted, client)
    assert kinds_sent(network) == {MD5_KIND}


def test_another_key_or_none_is_not_heard(network: Network) -> None:
    server = listening(network.b)
    md5(server, "10.0.0.1", b"key")
    unsigned, wrong = tcp(network.a), tcp(network.a)
    assert not try_to_connect(network, unsigned)
    md5(wrong, "10.0.0.2", b"other")
    assert not try_to_connect(network, wrong)
    assert network.b.counters["tcp.md5_missing"] > 0
    assert network.b.counters["tcp.md5_wrong"] > 0


def test_a_key_can_be_for_a_prefix_and_of_two_the_longest_counts(network: Network) -> None:
    server, client = listening(network.b), tcp(network.a)
    md5(server, "10.1.2.3", b"wide", prefix=8)
    md5(server, "10.0.0.1", b"narrow", prefix=24)
    md5(client, "10.0.0.2", b"narrow")
    assert try_to_connect(network, client)
    with refused(errno.EINVAL):
        md5(server, "10.0.0.1", b"key", prefix=33)


def test_a_key_of_no_octets_removes_it(network: Network) -> None:
    server = listening(network.b)
    md5(server, "10.0.0.1", b"key")
    md5(server, "10.0.0.1", b"")
    assert try_to_connect(network, tcp(network.a))
    with refused(errno.ENOENT):
        md5(server, "10.0.0.1", b"")


def test_a_connection_changes_its_key(network: Network) -> None:
    server, client = listening(network.b), tcp(network.a)
    md5(server, "10.0.0.1", b"key")
    md5(client, "10.0.0.2", b"key")
    assert try_to_connect(network, client)
    accepted, _ = server.accept()
    md5(client, "10.0.0.2", b"new")
    assert not exchange(network, client, accepted)
    md5(accepted, "10.0.0.1", b"new")
    network.settle(1_000_000_000)
    assert accepted.recv(100) == b"hello"
    for end, peer in ((client, "10.0.0.2"), (accepted, "10.0.0.1")):
        md5(end, peer, b"")
    network.at_a.sent.clear()
    assert exchange(network, client, accepted)
    assert kinds_sent(network) == {0}


def test_what_is_no_key_is_refused(network: Network) -> None:
    socket = tcp(network.a)
    for peer, size in (("fd00::2", 3), ("10.0.0.2", 81)):
        with refused(errno.EINVAL):
            value = MD5_SIGNATURE.pack(sockaddr(peer), 0, 0, size, 0, b"key")
            socket.setsockopt(bsd.IPPROTO_TCP, TCP_MD5SIG, value)
    for wrong in (1, b"short"):
        with refused(errno.EINVAL):
            socket.setsockopt(bsd.IPPROTO_TCP, TCP_MD5SIG, wrong)


@pytest.mark.parametrize("number", [TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_AO_ADD_KEY, TCP_AO_DEL_KEY])
def test_keys_do_not_come_out(network: Network, number: int) -> None:
    with refused(errno.ENOPROTOOPT):
        tcp(network.a).getsockopt(bsd.IPPROTO_TCP, number, 256)


# --- TCP-AO


def protected(network: Network, **more: int) -> tuple[StreamSocket, StreamSocket]:
    """A connection with the keys 1 (what ``a`` sends with) and 2; both ends."""
    server, client = listening(network.b), tcp(network.a)
    ao(server, "10.0.0.1", 2, 1, **more)
    ao(client, "10.0.0.2", 1, 2, **more)
    network.at_a.sent.clear()
    assert try_to_connect(network, client)
    return client, server.accept()[0]


@pytest.mark.shows("RFC 5925 3.1")
@pytest.mark.parametrize("options", [0, TCP_AO_KEYF_EXCLUDE_OPT])
def test_an_ao_connection(network: Network, options: int) -> None:
    client, accepted = protected(network, options=options)
    assert exchange(network, client, accepted)
    assert kinds_sent(network) == {AUTHENTICATION}
    assert read_ao_info(client) == (SET_CURRENT | SET_RNEXT, 1, 2)
    assert read_ao_info(accepted) == (SET_CURRENT | SET_RNEXT, 2, 1)


@pytest.mark.shows("RFC 5925 6.1")
def test_keys_are_changed_while_data_go_on(network: Network) -> None:
    client, accepted = protected(network)
    ao(accepted, "10.0.0.1", 12, 11, key=b"next")
    ao(client, "10.0.0.2", 11, 12, key=b"next", flags=SET_CURRENT | SET_RNEXT)
    assert read_ao_info(client) == (SET_CURRENT | SET_RNEXT, 11, 12)
    with refused(errno.EBUSY):
        ao_delete(client, "10.0.0.2", 11, 12)
    assert exchange(network, client, accepted)
    assert read_ao_info(accepted)[1] == 12, "the peer uses what it was asked to"
    ao_info(accepted, SET_RNEXT, rnext=11)
    assert exchange(network, accepted, client)
    for end, peer, ids in ((client, "10.0.0.2", (1, 2)), (accepted, "10.0.0.1", (2, 1))):
        ao_delete(end, peer, *ids)
        with refused(errno.ENOENT):
            ao_delete(end, peer, *ids)
    assert exchange(network, client, accepted)


def test_a_key_is_deleted_with_another_in_its_place(network: Network) -> None:
    client, accepted = protected(network)
    for end, peer, ids in ((accepted, "10.0.0.1", (12, 11)), (client, "10.0.0.2", (11, 12))):
        ao(end, peer, *ids, key=b"next")
    ao_delete(client, "10.0.0.2", 1, 2, flags=SET_CURRENT | SET_RNEXT, current=11, rnext=12)
    assert exchange(network, client, accepted)
    assert read_ao_info(client) == (SET_CURRENT | SET_RNEXT, 11, 12)


def test_the_key_to_begin_with_can_be_chosen(network: Network) -> None:
    server, client = listening(network.b), tcp(network.a)
    for one, other in ((1, 2), (11, 12)):
        ao(server, "10.0.0.1", other, one)
        ao(client, "10.0.0.2", one, other)
    ao_info(client, SET_CURRENT | SET_RNEXT, current=11, rnext=12)
    assert try_to_connect(network, client)
    assert read_ao_info(server.accept()[0]) == (SET_CURRENT | SET_RNEXT, 12, 11)
    with refused(errno.ENOENT):
        ao_info(client, SET_CURRENT, current=99)


def test_aes_can_be_chosen_by_the_kernel_s_name(network: Network) -> None:
    server, client = listening(network.b), tcp(network.a)
    ao(server, "10.0.0.1", 2, 1, algorithm=b"cmac(aes128)")
    ao(client, "10.0.0.2", 1, 2, algorithm=b"cmac(aes128)")
    assert try_to_connect(network, client)
    with refused(errno.ENOENT):
        ao(server, "10.0.0.1", 3, 4, algorithm=b"rot13")


def test_who_has_no_key_may_be_refused(network: Network) -> None:
    server = listening(network.b)
    ao(server, "10.0.0.99", 2, 1)
    ao_info(server, AO_REQUIRED | ACCEPT_ICMPS)
    assert read_ao_info(server) == (AO_REQUIRED | ACCEPT_ICMPS, 0, 0)
    client = tcp(network.a)
    assert not try_to_connect(network, client)
    ao_info(server, 0)
    network.settle(2_000_000_000)
    assert client.writable


def test_icmp_is_believed_if_the_user_says_so(network: Network) -> None:
    client, _ = protected(network)
    ao_info(client, ACCEPT_ICMPS)
    assert client.connection is not None
    assert isinstance(client.connection.authentication, Ao)
    assert client.connection.authentication.accepts_icmp
    assert read_ao_info(client)[0] & ACCEPT_ICMPS


def test_keys_exclude_each_other(network: Network) -> None:
    socket = tcp(network.a)
    ao(socket, "10.0.0.2", 1, 2)
    with refused(errno.EEXIST):
        ao(socket, "10.0.0.2", 1, 3)
    with refused(errno.EKEYREJECTED):
        md5(socket, "10.0.0.2", b"key")
    other = tcp(network.a)
    md5(other, "10.0.0.2", b"key")
    with refused(errno.EKEYREJECTED):
        ao(other, "10.0.0.2", 1, 2)


def test_ao_cannot_begin_in_the_middle(network: Network) -> None:
    with listening(network.b), tcp(network.a) as client:
        assert try_to_connect(network, client)
        with refused(errno.EISCONN):
            ao(client, "10.0.0.2", 1, 2)
        with refused(errno.EISCONN):
            ao_info(client, 0)
        with refused(errno.ENOENT):
            read_ao_info(client)


def test_what_is_no_ao_key_is_refused(network: Network) -> None:
    socket, server = tcp(network.a), listening(network.b)
    with refused(errno.EINVAL):
        ao(socket, "10.0.0.2", 1, 2, mac=16)
    with refused(errno.EINVAL):
        ao(socket, "10.0.0.2", 1, 2, flags=4)
    with refused(errno.EINVAL):
        ao(server, "10.0.0.2", 1, 2, flags=SET_CURRENT)
    with refused(errno.EINVAL):
        ao_delete(server, "10.0.0.2", 1, 2, flags=SET_CURRENT)
    with refused(errno.EINVAL):
        ao_info(server, SET_CURRENT)
    with refused(errno.EINVAL):
        ao_info(socket, 8)
    client, _ = protected(Network())
    with refused(errno.EINVAL):
        ao(client, "10.0.0.3", 3, 4)
