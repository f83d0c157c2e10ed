"""What close() does: SO_LINGER of socket(7), TCP_LINGER2 of tcp(7), RFC 9293 3.10.4 and 3.10.5, RFC 2525 2.17."""

import socket as bsd
from struct import pack

import pytest

from stack.clock import SECOND
from stack.wire.tcp import ACK, FIN, PSH, RST
from tests.stack.sockets.peer import Peer, option
from tests.stack.sockets.streams import ABORT


@pytest.fixture
def peer() -> Peer:
    made = Peer()
    made.open()
    return made


def linger(peer: Peer, on: int, seconds: int) -> None:
    peer.socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, pack("ii", on, seconds))


def flags(peer: Peer) -> list[int]:
    return [seen.flags for seen in peer.segments()]


def test_without_linger_the_connection_ends_in_the_background(peer: Peer) -> None:
    peer.socket.send(b"last words")
    peer.segments()
    peer.socket.close()
    assert flags(peer) == [FIN | ACK]
    assert peer.socket.lingering


def test_with_zero_seconds_the_connection_is_reset_and_what_is_queued_is_lost(peer: Peer) -> None:
    """SO_LINGER: ABORT of RFC 9293 3.10.5."""
    peer.send(".", 1, 1, window=0)
    peer.socket.send(b"never")
    peer.segments()
    linger(peer, 1, 0)
    peer.socket.close()
    assert flags(peer) == [RST | ACK]
    assert not peer.socket.lingering
    assert peer.host.tcp.connections == ()


def test_zero_seconds_that_are_off_mean_nothing(peer: Peer) -> None:
    linger(peer, 0, 0)
    peer.socket.close()
    assert flags(peer) == [FIN | ACK]


@pytest.mark.parametrize("seconds", [1, 30, -1])
def test_with_some_seconds_close_is_orderly_and_lasts_until_all_is_acknowledged(
    peer: Peer, seconds: int
) -> None:
    """A negative time is a long one, as on Linux; what waits, and gives up, is the caller."""
    linger(peer, 1, seconds)
    peer.socket.send(b"last words")
    peer.socket.close()
    assert flags(peer) == [PSH | ACK, FIN | ACK]
    assert peer.socket.lingering
    peer.send(".", 1, 11)
    assert peer.socket.lingering
    peer.send(".", 1, 12)
    assert not peer.socket.lingering


@pytest.mark.parametrize("on", [0, 1])
def test_unread_data_are_a_reset_whatever_lingers(peer: Peer, on: int) -> None:
    """RFC 2525 2.17, RFC 9293 3.6."""
    peer.send("P.", 1, 1, b"unread")
    peer.segments()
    linger(peer, on, 30)
    peer.socket.close()
    assert flags(peer) == [RST | ACK]


def test_zero_seconds_after_both_have_closed_reset_nobody(peer: Peer) -> None:
    """RFC 9293 3.10.5: in LAST-ACK there is nothing to abort; Linux tcp_disconnect."""
    peer.send("F.", 1, 1)
    peer.socket.shutdown(bsd.SHUT_WR)
    peer.segments()
    linger(peer, 1, 0)
    peer.socket.close()
    assert flags(peer) == []
    assert peer.host.tcp.connections == ()


def test_a_reset_of_half_a_connection(peer: Peer) -> None:
    """RFC 9293 3.10.5: FIN-WAIT-2 is one of the states that send a RST."""
    peer.socket.shutdown(bsd.SHUT_WR)
    peer.send(".", 1, 2)
    peer.segments()
    peer.socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    peer.socket.close()
    assert flags(peer) == [RST | ACK]


def test_a_connection_that_is_not_open_yet_goes_without_a_word() -> None:
    """RFC 9293 3.10.5: SYN-SENT."""
    peer = Peer()
    peer.begin()
    peer.socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, ABORT)
    peer.socket.close()
    assert flags(peer) == []


# --- TCP_LINGER2


def half_closed(peer: Peer) -> None:
    peer.socket.shutdown(bsd.SHUT_WR)
    peer.send(".", 1, 2)
    peer.segments()


def test_nobody_waits_for_the_peers_fin_longer_than_that(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_LINGER2, 5)
    half_closed(peer)
    peer.socket.close()
    peer.after(4 * SECOND)
    assert len(peer.host.tcp.connections) == 1
    peer.after(2 * SECOND)
    assert peer.host.tcp.connections == ()


def test_a_negative_time_is_not_to_wait_at_all(peer: Peer) -> None:
    """Linux: close() in FIN-WAIT-2 resets."""
    option(peer.socket, bsd.TCP_LINGER2, -1)
    half_closed(peer)
    peer.socket.close()
    assert flags(peer) == [RST | ACK]
    assert peer.host.tcp.connections == ()


def test_a_negative_time_ends_the_connection_when_our_fin_is_acknowledged(peer: Peer) -> None:
    option(peer.socket, bsd.TCP_LINGER2, -1)
    peer.socket.close()
    assert flags(peer) == [FIN | ACK]
    peer.send(".", 1, 2)
    peer.after(1)
    assert peer.host.tcp.connections == ()


def test_the_time_has_bounds_and_a_default(peer: Peer) -> None:
    for asked, kept in [(5, 5), (0, 60), (121, 120), (-7, -1)]:
        option(peer.socket, bsd.TCP_LINGER2, asked)
        assert peer.socket.getsockopt(bsd.IPPROTO_TCP, bsd.TCP_LINGER2) == kept
