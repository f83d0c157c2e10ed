"""Path MTU discovery without ICMP (RFC 4821): probes of real data, and the way out of a black hole."""

from __future__ import annotations

from typing import Any

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.recovery import Phase
from tests.stack.tcp.pair import SERVER, Line, Pair, Stream
from tests.stack.tcp.scripted import Script, Sent

BASE, MSS, RTT = 1024, 1460, 20 * MILLISECOND
MINUTE = 60 * SECOND
DATA = bytes(range(256)) * 8000


def _ack(script: Script, ack: int, *blocks: tuple[int, int], **more: Any) -> list[Sent]:
    iss = script.iss or 0
    wide = tuple(((iss + a) & 0xFFFFFFFF, (iss + b) & 0xFFFFFFFF) for a, b in blocks)
    script.send(".", 1, ack, **({"sack": wide} if wide else {}), **more)
    return script.sent()


def _probed(octets: int = 100_000, **knobs: Any) -> tuple[Script, Sent]:
    """A connection whose first probe has just left, and the probe."""
    script = Script(mtu_probing="always", hystart=False, **knobs)
    connection = script.accept(rtt=RTT)
    connection.send(bytes(octets))
    assert {segment.length for segment in script.sent()} == {BASE}, "as small as base_mss, to begin with"
    script.after(RTT)
    (probe,) = _ack(script, 1 + BASE)
    return script, probe


def _transfer(pair: Pair, seconds: int, data: bytes = DATA) -> bool:
    """Whether all of ``data`` gets from client to server in time."""
    pair.clock.advance(SECOND)
    assert pair.server is not None
    there, back = Stream(pair.client, data), Stream(pair.server, b"")
    there.step()
    pair.clock.advance(seconds * SECOND)
    return back.received == data


def _talk(pair: Pair, until: int) -> list[int]:
    """The client sends something every ten seconds; the length of every packet that it sends."""
    sizes: list[int] = []
    pair.links[0].watch = lambda packet: sizes.append(len(packet))
    while pair.clock.now() < until:
        pair.client.send(bytes(1 << 16))
        pair.clock.advance(10 * SECOND)
        if pair.server is not None:
            pair.server.receive(1 << 20)
    return sizes


# -- probes ----------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 4821 7.2", "RFC 4821 7.3", "RFC 4821 7.5")
def test_the_first_probe_is_as_large_as_the_path_may_be() -> None:
    script, probe = _probed()
    assert (probe.sequence, probe.length) == (1 + 10 * BASE, MSS)
    assert script.connection.info().tcpi_snd_mss == BASE, "nothing is proven yet"


@pytest.mark.shows("RFC 4821 7.6.1")
def test_an_acknowledged_probe_raises_the_mss_and_not_the_window() -> None:
    """RFC 4821 7.6.1; the window keeps its octets, as in Linux's tcp_mtup_probe_success()."""
    script, probe = _probed()
    end = probe.sequence + MSS
    _ack(script, probe.sequence)
    before = script.connection.sender.congestion.cwnd
    following = _ack(script, end)
    assert script.connection.info().tcpi_snd_mss == MSS
    assert before <= script.connection.sender.congestion.cwnd <= before + MSS
    assert {segment.length for segment in following} == {MSS}
    assert script.connection.info().tcpi_total_retrans == 0


def test_a_selective_acknowledgment_proves_it_as_well() -> None:
    script, probe = _probed()
    _ack(script, 1 + BASE, (probe.sequence, probe.sequence + MSS))
    assert script.connection.info().tcpi_snd_mss == MSS


@pytest.mark.shows("RFC 4821 7.6.2")
@pytest.mark.parametrize("rack", [True, False])
def test_the_loss_of_a_probe_alone_is_no_congestion(rack: bool) -> None:
    """RFC 4821 7.6.2: it goes again in segments that fit, and the window stays."""
    script, probe = _probed(rack=rack)
    sender = script.connection.sender
    start, end = probe.sequence, probe.sequence + MSS
    _ack(script, start)
    window = sender.congestion.cwnd
    script.after(RTT)
    sent = _ack(script, start, (end, sender.snd_nxt - sender.iss))
    resent = [segment for segment in sent if segment.sequence < end]
    assert [(segment.sequence, segment.length) for segment in resent] == [(start, BASE), (start + BASE, 436)]
    assert sender.congestion.cwnd == window
    assert sender.recovery.phase is Phase.DISORDER
    script.after(RTT)
    _ack(script, sender.snd_nxt - sender.iss)
    assert sender.recovery.phase is Phase.OPEN
    assert sender.congestion.cwnd >= window
    assert script.connection.info().tcpi_snd_mss == BASE


def test_after_a_failure_half_the_range_is_tried_but_not_at_once() -> None:
    """Losses that are ignored may not come more often than others would (RFC 4821 7.6.2)."""
    script, probe = _probed(octets=4_000_000)
    sender = script.connection.sender
    una = probe.sequence
    _ack(script, una)
    script.after(RTT)
    sent = _ack(script, una, (una + MSS, sender.snd_nxt - script.connection.sender.iss))
    rounds = 0
    while all(segment.length <= BASE for segment in sent):
        script.after(RTT)
        rounds += 1
        sent = _ack(script, sender.snd_nxt - sender.iss)
    assert max(segment.length for segment in sent) == (BASE + MSS) // 2
    assert rounds > 11


def test_a_probe_that_is_lost_with_others_proves_nothing() -> None:
    """RFC 4821 7.6.4: that is congestion, and the same size is tried again after recovery."""
    script, probe = _probed()
    sender = script.connection.sender
    start, end = probe.sequence, probe.sequence + MSS
    script.after(RTT)
    _ack(script, start)
    hole = end + BASE
    window = sender.congestion.cwnd
    script.after(RTT)
    sent = _ack(script, start, (end, hole), (hole + BASE, hole + 4 * BASE))
    assert sender.recovery.phase is Phase.RECOVERY
    assert sender.congestion.ssthresh < window
    assert all(segment.length <= BASE for segment in sent)
    assert sender.mtu_probing.search_high == MSS


def test_a_probe_that_times_out_goes_again_in_pieces() -> None:
    """RFC 4821 7.6.3."""
    script, probe = _probed(tail_loss_probe=False)
    start = probe.sequence
    _ack(script, start)
    script.after(SECOND // 2)
    first = script.sent()[0]
    assert (first.sequence, first.length) == (start, BASE)
    assert script.connection.sender.mtu_probing.search_high == MSS - 1


@pytest.mark.shows("RFC 4821 7.4")
@pytest.mark.parametrize(
    ("octets", "accept"),
    [(12 * BASE, {}), (100_000, {"sack": False}), (100_000, {"window": 5000})],
    ids=["too little data", "no SACK", "small window"],
)
def test_no_probe_without_what_would_show_its_loss(octets: int, accept: dict[str, Any]) -> None:
    """RFC 4821 7.4."""
    script = Script(mtu_probing="always")
    connection = script.accept(**accept)
    connection.send(bytes(octets))
    script.sent()
    acked = 1
    for _ in range(9):
        script.after(RTT)
        acked += BASE
        sent = _ack(script, acked, window=accept.get("window", 65535))
        assert all(segment.length <= BASE for segment in sent)


def test_room_is_made_for_a_probe_where_the_window_of_the_peer_is_always_full() -> None:
    pair = Pair(mtu_probing="always", receive_buffer=32768, receive_buffer_max=32768)
    assert _transfer(pair, 10)
    assert pair.client.info().tcpi_snd_mss == 1448
    pair.close()


def test_icmp_spares_the_search() -> None:
    """RFC 4821 7.6.2: what a router says to a probe is the size to try next."""
    script = Script(mtu_probing="always")
    connection = script.accept(rtt=RTT)
    connection.send(bytes(100_000))
    script.sent()
    script.after(RTT)
    script.send(".", 1, 1 + BASE)
    packet = script.link.sent[-1]
    (probe,) = script.sent()
    script.send_icmp_unreachable(4, packet, mtu=1340)
    script.sent()
    start, end = probe.sequence, probe.sequence + MSS
    _ack(script, start)
    script.after(RTT)
    _ack(script, start, (end, end + 4 * BASE))
    assert connection.info().tcpi_snd_mss == BASE
    assert connection.info().tcpi_pmtu == 1340
    assert connection.sender.mtu_probing.search_high == 1300


# -- black holes -----------------------------------------------------------------------------------------


def test_a_black_hole_swallows_a_connection_that_does_not_probe() -> None:
    pair = Pair(there=Line(mtu=1400), mtu_probing="off")
    assert not _transfer(pair, 60)
    pair.close()


@pytest.mark.shows("RFC 4821 7.7")
@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("congestion", ["cubic", "bbr"])
def test_a_black_hole_is_found_and_left(congestion: str, sack: bool) -> None:
    """RFC 4821 7.7, RFC 2923: by default, after R1 retransmissions of full segments."""
    pair = Pair(there=Line(mtu=1400), congestion=congestion, sack=sack)
    assert _transfer(pair, 20)
    assert BASE <= pair.client.info().tcpi_snd_mss <= 1400 - 52
    assert pair.hosts[0].path(SERVER).mtu == 1500, "others on the path find out for themselves"
    pair.close()


def test_the_search_converges() -> None:
    """Within eight octets of what gets through, by the tenth probe."""
    line = Line(mtu=4321)
    pair = Pair(there=line, mtu=9000, mtu_probing="always", send_buffer=1 << 16, slow_start_after_idle=False)
    sizes = _talk(pair, 9 * MINUTE)
    assert 4321 - 52 - 8 < pair.client.info().tcpi_snd_mss <= 4321 - 52
    assert len([size for size in sizes if size > line.mtu]) <= 10
    assert pair.client.sender.timers.retries == 0
    pair.close()


@pytest.mark.shows("RFC 4821 7.7")
def test_smaller_and_smaller_after_every_further_timeout() -> None:
    """RFC 4821 7.7, down to a floor."""
    script = Script(tail_loss_probe=False)
    script.accept().send(bytes(3 * MSS))
    script.sent()
    script.after(15 * MINUTE)
    lengths = [segment.length for segment in script.sent() if segment.length]
    assert lengths == [MSS] * 3 + [1024, 512, 256, 128, 64] + [48] * (len(lengths) - 8)
    assert len(lengths) > 10


def test_small_segments_are_not_lost_for_their_size() -> None:
    script = Script(tail_loss_probe=False)
    connection = script.accept()
    connection.send(bytes(1000))
    script.after(MINUTE)
    assert {segment.length for segment in script.sent()} == {1000}
    assert connection.info().tcpi_snd_mss == MSS


def test_a_line_that_comes_back_is_soon_used_in_full_again() -> None:
    """A silence is a black hole, as far as one can tell; the first probe ends the matter."""
    line = Line()
    pair = Pair(there=line)
    line.mtu = 100
    pair.clock.advance(SECOND)
    assert pair.server is not None
    there, back = Stream(pair.client, DATA), Stream(pair.server, b"")
    there.step()
    pair.clock.advance(10 * SECOND)
    assert pair.client.info().tcpi_snd_mss < BASE
    line.mtu = 1500
    pair.clock.advance(20 * SECOND)
    assert back.received == DATA
    assert pair.client.info().tcpi_snd_mss == 1448
    pair.close()


@pytest.mark.shows("RFC 4821 7.3")
def test_the_search_begins_anew_after_ten_minutes() -> None:
    """RFC 4821 7.3: the path may have become wider; before that nobody asks."""
    line = Line(delay=100 * MILLISECOND, mtu=1300)
    pair = Pair(there=line, mtu_probing="always", send_buffer=1 << 16, slow_start_after_idle=False)
    _talk(pair, 5 * MINUTE)
    converged = pair.client.info().tcpi_snd_mss
    assert 1300 - 52 - 8 < converged <= 1300 - 52
    line.mtu = 1500
    assert max(_talk(pair, 10 * MINUTE)) == converged + 52
    assert max(_talk(pair, 16 * MINUTE)) == 1500
    assert pair.client.info().tcpi_snd_mss == 1448
    pair.close()
