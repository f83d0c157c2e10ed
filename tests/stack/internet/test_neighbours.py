"""The neighbour cache: RFC 4861 7.2 and 7.3, for ARP and neighbour discovery alike."""

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import MINUTE, HostConfig, NeighbourConfig
from stack.internet.neighbours import Neighbour, State
from stack.internet.protocol import ErrorKind
from stack.wire.address import BROADCAST_MAC, multicast_mac, parse_mac, solicited_node
from stack.wire.arp import REPLY, REQUEST, ArpPacket
from stack.wire.ethernet import ETHERTYPE_ARP
from stack.wire.icmpv6 import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from stack.wire.ndp import NeighbourAdvertisement, NeighbourSolicitation
from stack.wire.ndp_options import (
    SOURCE_LINK_LAYER_ADDRESS,
    TARGET_LINK_LAYER_ADDRESS,
    LinkLayerAddress,
    link_layer_address,
)
from tests.stack.internet.lab import FAMILIES, HOST_MAC, STATION_MAC, TEST, V4, V6, Bench, Family, Seen

OTHER_MAC = parse_mac("02:00:00:00:00:0c")
both = pytest.mark.parametrize("family", FAMILIES, ids=["arp", "ndp"])


def bench(**knobs: int) -> Bench:
    knobs.setdefault("reachable_time", 30 * SECOND)
    return Bench(HostConfig(neighbour=NeighbourConfig(**knobs)), known=False)


def neighbour(lab: Bench, family: Family) -> Neighbour:
    found = lab.interface.neighbours.get(family.station)
    assert found is not None
    return found


def send(lab: Bench, family: Family, data: bytes = b"data", to: bytes | None = None) -> None:
    lab.host.path(to or family.station).send(TEST, data)


def answer(
    lab: Bench,
    family: Family,
    mac: bytes | None = STATION_MAC,
    *,
    solicited: bool = True,
    override: bool = True,
) -> None:
    """The station says where it is, with an ARP reply or a neighbour advertisement."""
    if family is V4:
        assert mac is not None
        target = HOST_MAC if solicited else BROADCAST_MAC
        packet = ArpPacket(REPLY, mac, family.station, HOST_MAC, family.host if solicited else family.station)
        lab.inject(ETHERTYPE_ARP, packet.build(), to=target)
        return
    option = () if mac is None else (LinkLayerAddress(TARGET_LINK_LAYER_ADDRESS, mac),)
    message = NeighbourAdvertisement(
        family.station, solicited=solicited, override=override, options=option
    ).build()
    rest = int.from_bytes(message[4:8])
    lab.inject_icmp(family, NEIGHBOUR_ADVERTISEMENT, 0, rest, message[8:], hop_limit=255)


def ask(lab: Bench, family: Family, mac: bytes = STATION_MAC) -> None:
    """The station wants to know where the host is, and shows where itself is."""
    if family is V4:
        packet = ArpPacket(REQUEST, mac, family.station, bytes(6), family.host)
        lab.inject(ETHERTYPE_ARP, packet.build(), to=BROADCAST_MAC)
        return
    message = NeighbourSolicitation(family.host, (LinkLayerAddress(SOURCE_LINK_LAYER_ADDRESS, mac),)).build()
    group = solicited_node(family.host)
    lab.inject_icmp(
        family,
        NEIGHBOUR_SOLICITATION,
        0,
        0,
        message[8:],
        hop_limit=255,
        destination=group,
        to=multicast_mac(group),
    )


def question(seen: Seen, family: Family, target: bytes | None = None) -> bytes:
    """The frame asks for a neighbour; returns to whom."""
    target = target or family.station
    if family is V4:
        assert seen.arp == ArpPacket(REQUEST, HOST_MAC, family.host, bytes(6), target)
    else:
        message = seen.ndp
        assert isinstance(message, NeighbourSolicitation)
        assert message.target == target
        assert link_layer_address(message.options, SOURCE_LINK_LAYER_ADDRESS) == HOST_MAC
    return seen.ethernet.destination


def everybody(family: Family) -> bytes:
    return BROADCAST_MAC if family is V4 else multicast_mac(solicited_node(family.station))


def reachable(lab: Bench, family: Family) -> None:
    """Let the host find the station."""
    send(lab, family)
    answer(lab, family)
    assert neighbour(lab, family).state is State.REACHABLE
    lab.sent()


@pytest.mark.shows("RFC 1122 3.3.1.1-2")
@both
def test_first_packet_asks_and_goes_when_the_answer_comes(family: Family) -> None:
    lab = bench()
    send(lab, family, b"one")
    send(lab, family, b"two")
    assert question(lab.one(), family) == everybody(family)
    assert neighbour(lab, family).state is State.INCOMPLETE
    answer(lab, family)
    assert [(seen.ethernet.destination, seen.payload) for seen in lab.sent()] == [
        (STATION_MAC, b"one"),
        (STATION_MAC, b"two"),
    ]
    send(lab, family, b"three")
    assert lab.one().payload == b"three"


@both
def test_the_question_comes_from_the_address_that_the_packet_comes_from(family: Family) -> None:
    lab = bench()
    second = bytes((*family.host[:-1], 77))
    lab.host.add_address(lab.interface, f"{'10.0.0.77/24' if family is V4 else 'fd00::4d/64'}")
    lab.sent()
    lab.host.path(family.station, source=second).send(TEST, b"data")
    seen = lab.one()
    assert (seen.arp.sender_address if seen.arp is not None else seen.ip and seen.ip.source) == second


@both
def test_silence_is_asked_three_times_then_the_sender_is_told(family: Family) -> None:
    lab = bench()
    send(lab, family, b"12345678")
    send(lab, family, b"abcdefgh")
    lab.clock.advance(2 * SECOND)
    assert [question(seen, family) for seen in lab.sent()] == [everybody(family)] * 3
    assert lab.listener.reports == []
    lab.clock.advance(SECOND)
    assert neighbour(lab, family).state is State.FAILED
    assert [(report.kind, report.quoted) for report in lab.listener.reports] == [
        (ErrorKind.HOST, b"12345678"),
        (ErrorKind.HOST, b"abcdefgh"),
    ]
    assert lab.listener.reports[0].destination == family.station
    assert lab.sent() == []


@both
def test_how_often_and_how_fast_it_is_asked_are_knobs(family: Family) -> None:
    lab = bench(
        multicast_solicits=2, retrans_timer=100 * MILLISECOND, delay_first_probe=SECOND, unicast_solicits=1
    )
    send(lab, family)
    lab.clock.advance(199 * MILLISECOND)
    assert len(lab.sent()) == 2
    assert neighbour(lab, family).state is State.INCOMPLETE
    lab.clock.advance(MILLISECOND)
    assert neighbour(lab, family).state is State.FAILED

    lab = bench(retrans_timer=100 * MILLISECOND, delay_first_probe=SECOND, unicast_solicits=1)
    reachable(lab, family)
    lab.clock.advance(MINUTE)
    send(lab, family)
    assert neighbour(lab, family).state is State.DELAY
    lab.clock.advance(SECOND)
    assert neighbour(lab, family).state is State.PROBE
    lab.clock.advance(100 * MILLISECOND)
    assert [seen.payload for seen in lab.sent()].count(b"data") == 1
    assert lab.interface.neighbours.get(family.station) is None


@both
def test_a_failure_is_remembered_for_failed_time_then_asked_again(family: Family) -> None:
    lab = bench(failed_time=5 * SECOND)
    send(lab, family)
    lab.clock.advance(4 * SECOND)
    lab.sent()
    lab.listener.reports.clear()
    send(lab, family)
    lab.clock.advance(MILLISECOND)
    assert lab.sent() == []
    assert len(lab.listener.reports) == 1
    lab.clock.advance(5 * SECOND)
    send(lab, family, b"again")
    assert question(lab.one(), family) == everybody(family)
    answer(lab, family)
    assert lab.one().payload == b"again"


@both
def test_the_queue_keeps_the_latest_packets(family: Family) -> None:
    lab = bench(queue=3)
    for number in range(5):
        send(lab, family, bytes((number,)))
    lab.sent()
    assert lab.dropped() == ["neighbour.queue_full"] * 2
    answer(lab, family)
    assert [seen.payload for seen in lab.sent()] == [b"\x02", b"\x03", b"\x04"]


@both
def test_reachable_becomes_stale_within_its_random_time(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    lab.clock.advance(15 * SECOND - 1)
    assert neighbour(lab, family).state is State.REACHABLE
    lab.clock.advance(30 * SECOND + 1)
    assert neighbour(lab, family).state is State.STALE
    assert lab.sent() == []


@pytest.mark.shows("RFC 1122 3.3.1.4-2", "RFC 1122 3.3.1.4-3", "RFC 1122 3.3.1.4-4")
@both
def test_a_stale_neighbour_is_used_and_then_probed(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    lab.clock.advance(50 * SECOND)
    send(lab, family, b"now")
    assert lab.one().payload == b"now"
    assert neighbour(lab, family).state is State.DELAY
    lab.clock.advance(5 * SECOND - 1)
    assert lab.sent() == []
    lab.clock.advance(1)
    assert question(lab.one(), family) == STATION_MAC
    assert neighbour(lab, family).state is State.PROBE
    send(lab, family, b"still")
    assert lab.one().payload == b"still"
    answer(lab, family)
    assert neighbour(lab, family).state is State.REACHABLE


@pytest.mark.shows("RFC 1122 3.3.1.4-1", "RFC 1122 3.3.1.4-2")
@both
def test_a_probe_without_answer_forgets_the_neighbour(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    path = lab.host.path(family.station)
    lab.clock.advance(50 * SECOND)
    path.send(TEST, b"data")
    lab.clock.advance(5 * SECOND + 3 * SECOND)
    assert [question(seen, family) for seen in lab.sent()[1:]] == [STATION_MAC] * 3
    assert lab.interface.neighbours.get(family.station) is None
    path.send(TEST, b"anew")
    assert question(lab.one(), family) == everybody(family)
    answer(lab, family, OTHER_MAC)
    seen = lab.one()
    assert (seen.ethernet.destination, seen.payload) == (OTHER_MAC, b"anew")


@pytest.mark.shows("RFC 1122 3.3.1.4-1", "RFC 9293 MUST-20a")
@both
def test_doubt_of_the_transport_asks_at_once(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    path = lab.host.path(family.station)
    path.doubt()
    assert question(lab.one(), family) == STATION_MAC
    path.doubt()
    assert lab.sent() == [], "it is being asked"
    answer(lab, family)
    assert neighbour(lab, family).state is State.REACHABLE


@pytest.mark.shows("RFC 1122 3.3.1.4-5", "RFC 1122 3.3.1.4-6")
@both
def test_forward_progress_of_the_transport_spares_the_probe(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    path = lab.host.path(family.station)
    for _ in range(20):
        lab.clock.advance(10 * SECOND)
        path.send(TEST, b"data")
        path.confirm(lab.clock.now())
    assert neighbour(lab, family).state is State.REACHABLE
    assert {seen.payload for seen in lab.sent()} == {b"data"}
    lab.clock.advance(50 * SECOND)
    path.send(TEST, b"data")
    assert neighbour(lab, family).state is State.DELAY
    path.confirm(lab.clock.now())
    assert neighbour(lab, family).state is State.REACHABLE


def test_forward_progress_does_not_resolve_anything() -> None:
    lab = bench()
    send(lab, V4)
    lab.host.path(V4.station).confirm(lab.clock.now())
    assert neighbour(lab, V4).state is State.INCOMPLETE


@both
def test_who_asks_us_is_known_but_not_proven_reachable(family: Family) -> None:
    lab = bench()
    ask(lab, family)
    # The advertisement that answered was a packet to it, which makes DELAY of STALE.
    assert neighbour(lab, family).state is (State.STALE if family is V4 else State.DELAY)
    lab.sent()
    send(lab, family, b"data")
    seen = lab.one()
    assert (seen.ethernet.destination, seen.payload) == (STATION_MAC, b"data")


@both
def test_a_question_from_whom_we_look_for_will_do(family: Family) -> None:
    lab = bench()
    send(lab, family, b"data")
    lab.sent()
    ask(lab, family)
    assert b"data" in [seen.payload for seen in lab.sent()]


@both
def test_a_question_with_a_new_mac_makes_stale(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    ask(lab, family)
    assert neighbour(lab, family).state is State.REACHABLE
    ask(lab, family, OTHER_MAC)
    assert neighbour(lab, family).mac == OTHER_MAC
    lab.sent()
    send(lab, family)
    assert lab.one().ethernet.destination == OTHER_MAC


@both
def test_an_unsolicited_answer_with_a_new_mac_makes_stale(family: Family) -> None:
    lab = bench()
    reachable(lab, family)
    answer(lab, family, OTHER_MAC, solicited=False)
    assert (neighbour(lab, family).state, neighbour(lab, family).mac) == (State.STALE, OTHER_MAC)


@both
def test_an_answer_to_no_question_makes_no_entry(family: Family) -> None:
    lab = bench()
    answer(lab, family)
    assert lab.interface.neighbours.get(family.station) is None


# --- the table of RFC 4861 7.2.5 and appendix C, which only neighbour discovery has the flags for


def advertised(
    state: State, mac: bytes | None, *, solicited: bool, override: bool
) -> tuple[State, bytes | None]:
    """What becomes of the station's entry in that state by such an advertisement."""
    lab = bench()
    send(lab, V6)
    if state is not State.INCOMPLETE:
        answer(lab, V6)
    if state in (State.STALE, State.DELAY, State.PROBE):
        lab.clock.advance(50 * SECOND)
    if state in (State.DELAY, State.PROBE):
        send(lab, V6)
    if state is State.PROBE:
        lab.clock.advance(5 * SECOND)
    assert neighbour(lab, V6).state is state
    answer(lab, V6, mac, solicited=solicited, override=override)
    return neighbour(lab, V6).state, neighbour(lab, V6).mac


KNOWN = (State.REACHABLE, State.STALE, State.DELAY, State.PROBE)


@pytest.mark.parametrize("override", [False, True])
def test_incomplete_needs_a_mac(override: bool) -> None:
    assert advertised(State.INCOMPLETE, None, solicited=True, override=override) == (State.INCOMPLETE, None)
    assert advertised(State.INCOMPLETE, STATION_MAC, solicited=True, override=override) == (
        State.REACHABLE,
        STATION_MAC,
    )
    becomes, mac = advertised(State.INCOMPLETE, STATION_MAC, solicited=False, override=override)
    # STALE, and at once DELAY by the packet that had waited.
    assert (becomes, mac) == (State.DELAY, STATION_MAC)


@pytest.mark.parametrize("state", KNOWN)
@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("mac", [None, STATION_MAC])
def test_a_solicited_answer_confirms_even_without_mac(
    state: State, override: bool, mac: bytes | None
) -> None:
    assert advertised(state, mac, solicited=True, override=override) == (State.REACHABLE, STATION_MAC)


@pytest.mark.parametrize("state", KNOWN)
@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("mac", [None, STATION_MAC])
def test_an_unsolicited_answer_without_news_changes_nothing(
    state: State, override: bool, mac: bytes | None
) -> None:
    assert advertised(state, mac, solicited=False, override=override) == (state, STATION_MAC)


@pytest.mark.parametrize("state", KNOWN)
def test_override_decides_about_another_mac(state: State) -> None:
    assert advertised(state, OTHER_MAC, solicited=True, override=True) == (State.REACHABLE, OTHER_MAC)
    assert advertised(state, OTHER_MAC, solicited=False, override=True) == (State.STALE, OTHER_MAC)
    kept = State.STALE if state is State.REACHABLE else state
    for solicited in (False, True):
        assert advertised(state, OTHER_MAC, solicited=solicited, override=False) == (kept, STATION_MAC)


# --- bounds


def test_a_full_table_keeps_what_works() -> None:
    lab = bench(entries=8)
    reachable(lab, V4)
    for number in range(50):
        send(lab, V4, to=bytes((10, 0, 0, 100 + number)))
    assert len(lab.interface.neighbours) == 8
    assert neighbour(lab, V4).state is State.REACHABLE
    assert lab.dropped().count("neighbour.forgotten") == 50 - 7


def test_a_full_table_gives_up_failures_first() -> None:
    lab = bench(entries=8)
    send(lab, V4, to=V4.nobody)
    lab.clock.advance(4 * SECOND)
    ask(lab, V4)
    for number in range(7):
        send(lab, V4, to=bytes((10, 0, 0, 100 + number)))
    assert lab.interface.neighbours.get(V4.nobody) is None
    assert neighbour(lab, V4).state is State.STALE


def test_a_packet_waiting_when_its_entry_goes_is_counted_and_the_path_recovers() -> None:
    lab = bench(entries=8)
    path = lab.host.path(V4.station)
    path.send(TEST, b"lost")
    for number in range(8):
        send(lab, V4, to=bytes((10, 0, 0, 100 + number)))
    assert lab.dropped() == ["neighbour.forgotten"]
    path.send(TEST, b"kept")
    answer(lab, V4)
    assert [seen.payload for seen in lab.sent() if seen.ip is not None] == [b"kept"]


@both
def test_no_timer_survives_the_host(family: Family) -> None:
    lab = bench()
    path = lab.host.path(family.nobody)
    path.send(TEST, b"data")
    reachable(lab, family)
    assert lab.clock.pending
    lab.host.close()
    assert lab.clock.pending == 0
    lab.dropped()
    path.send(TEST, b"data")
    assert lab.dropped() == ["interface.down"]
    assert lab.clock.pending == 0
