"""ARP: RFC 826, RFC 1122 2.3.2, RFC 5227."""

import pytest

from stack.config import HostConfig, NeighbourConfig
from stack.internet.neighbours import State
from stack.wire.address import BROADCAST_MAC, UNSPECIFIED_V4, parse_address, parse_mac
from stack.wire.arp import REPLY, REQUEST, ArpPacket
from stack.wire.ethernet import ETHERTYPE_ARP
from tests.stack.internet.lab import HOST_MAC, STATION_MAC, V4, Bench, End

NO_MAC = bytes(6)
ONE_QUESTION = ArpPacket(REQUEST, STATION_MAC, V4.station, NO_MAC, V4.host)


def inject(lab: Bench, packet: ArpPacket, *, to: bytes = BROADCAST_MAC, padding: int = 0) -> None:
    lab.inject(ETHERTYPE_ARP, packet.build() + bytes(padding), to=to)


@pytest.mark.parametrize("to", [BROADCAST_MAC, HOST_MAC])
def test_a_question_for_us_is_answered_to_who_asked(to: bytes) -> None:
    lab = Bench(known=False)
    inject(lab, ONE_QUESTION, to=to, padding=18)
    seen = lab.one()
    assert seen.ethernet.destination == STATION_MAC
    assert seen.arp == ArpPacket(REPLY, HOST_MAC, V4.host, STATION_MAC, V4.station)


def test_a_question_for_somebody_else_is_not_answered_and_teaches_nothing_new() -> None:
    lab = Bench(known=False)
    inject(lab, ArpPacket(REQUEST, STATION_MAC, V4.station, NO_MAC, V4.nobody))
    assert lab.sent() == []
    assert lab.interface.neighbours.get(V4.station) is None


def test_a_probe_is_answered_and_its_sender_not_learnt() -> None:
    """RFC 5227 2.1.1: somebody is about to take our address."""
    lab = Bench(known=False)
    inject(lab, ArpPacket(REQUEST, STATION_MAC, UNSPECIFIED_V4, NO_MAC, V4.host))
    assert lab.one().arp == ArpPacket(REPLY, HOST_MAC, V4.host, STATION_MAC, UNSPECIFIED_V4)
    assert len(lab.interface.neighbours) == 0


def test_an_announcement_updates_who_is_known_and_adds_nobody() -> None:
    lab = Bench(known=True)
    other = parse_mac("02:00:00:00:00:0c")
    inject(lab, ArpPacket(REQUEST, other, V4.station, NO_MAC, V4.station))
    inject(lab, ArpPacket(REQUEST, other, V4.nobody, NO_MAC, V4.nobody))
    known = lab.interface.neighbours.get(V4.station)
    assert known is not None
    assert known.mac == other
    assert lab.interface.neighbours.get(V4.nobody) is None


def test_who_claims_our_address_is_counted_and_not_believed() -> None:
    lab = Bench(known=False)
    inject(lab, ArpPacket(REQUEST, STATION_MAC, V4.host, NO_MAC, V4.host))
    assert lab.dropped() == ["arp.address_conflict"]
    assert len(lab.interface.neighbours) == 0


@pytest.mark.parametrize(
    ("mac", "address"),
    [
        (BROADCAST_MAC, V4.station),
        (NO_MAC, V4.station),
        (parse_mac("01:00:5e:00:00:01"), V4.station),
        (STATION_MAC, parse_address("224.0.0.1")),
        (STATION_MAC, parse_address("10.0.0.255")),
        (STATION_MAC, parse_address("255.255.255.255")),
    ],
)
def test_impossible_senders_are_not_believed(mac: bytes, address: bytes) -> None:
    lab = Bench(known=False)
    inject(lab, ArpPacket(REQUEST, mac, address, NO_MAC, V4.host))
    assert lab.dropped() == ["arp.bad_sender"]
    assert lab.sent() == []
    assert len(lab.interface.neighbours) == 0


@pytest.mark.parametrize("length", range(28))
def test_truncated_packets_are_counted(length: int) -> None:
    lab = Bench(known=False)
    lab.inject(ETHERTYPE_ARP, ONE_QUESTION.build()[:length])
    assert lab.dropped() == ["arp.truncated"]


def test_a_new_address_is_announced() -> None:
    lab = Bench(known=False)
    lab.host.add_address(lab.interface, "10.0.0.7/24")
    seen = lab.one()
    address = parse_address("10.0.0.7")
    assert seen.ethernet.destination == BROADCAST_MAC
    assert seen.arp == ArpPacket(REQUEST, HOST_MAC, address, NO_MAC, address)


def test_announcing_can_be_switched_off() -> None:
    lab = Bench(HostConfig(neighbour=NeighbourConfig(gratuitous=False)), known=False)
    lab.host.add_address(lab.interface, "10.0.0.7/24")
    assert lab.sent() == []


def test_an_interface_that_comes_up_again_announces_its_addresses() -> None:
    lab = Bench(known=False)
    lab.interface.up = False
    lab.interface.up = True
    assert [seen.arp.sender_address for seen in lab.sent() if seen.arp is not None] == [V4.host]


def test_addresses_of_other_interfaces_are_not_answered_for() -> None:
    lab = Bench(known=False)
    lab.host.add_interface("eth1", End(lab.clock), addresses=["10.9.9.9/24"])
    inject(lab, ArpPacket(REQUEST, STATION_MAC, V4.station, NO_MAC, parse_address("10.9.9.9")))
    assert lab.sent() == []


def test_a_reply_that_nobody_asked_for_proves_nothing() -> None:
    lab = Bench(known=False)
    lab.host.path(V4.station)
    inject(lab, ArpPacket(REPLY, STATION_MAC, V4.station, HOST_MAC, V4.host), to=HOST_MAC)
    known = lab.interface.neighbours.get(V4.station)
    assert known is not None
    assert known.state is State.STALE
