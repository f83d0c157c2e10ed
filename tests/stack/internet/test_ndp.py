"""Neighbour discovery: RFC 4861 7 and 8, RFC 6980. Its state machine is in test_neighbours.py."""

import pytest

from stack.clock import SECOND
from stack.config import HostConfig, IpConfig
from stack.wire.address import (
    ALL_NODES_V6,
    UNSPECIFIED_V6,
    multicast_mac,
    parse_address,
    parse_mac,
    solicited_node,
)
from stack.wire.icmpv6 import ROUTER_ADVERTISEMENT
from stack.wire.ipv6 import Ipv6Header
from stack.wire.ipv6_extensions import FragmentHeader
from stack.wire.ndp import NdpMessage, NeighbourAdvertisement, NeighbourSolicitation, Redirect
from stack.wire.ndp_options import (
    SOURCE_LINK_LAYER_ADDRESS,
    TARGET_LINK_LAYER_ADDRESS,
    LinkLayerAddress,
    link_layer_address,
)
from stack.wire.protocols import FRAGMENT, ICMPV6
from tests.stack.internet.lab import HOST_MAC, STATION_MAC, TEST, V6, Bench, icmp_message

SOURCE = LinkLayerAddress(SOURCE_LINK_LAYER_ADDRESS, STATION_MAC)
TARGET = LinkLayerAddress(TARGET_LINK_LAYER_ADDRESS, STATION_MAC)
GROUP = solicited_node(V6.host)
ROUTER = parse_address("fe80::1")
BETTER = parse_address("fe80::2")


def inject(lab: Bench, message: NdpMessage, **fields: object) -> None:
    raw = message.build()
    destination = fields.get("destination", V6.host)
    assert isinstance(destination, bytes)
    fields.setdefault("hop_limit", 255)
    if destination[0] == 0xFF:
        fields["to"] = multicast_mac(destination)
    lab.inject_icmp(V6, raw[0], raw[1], int.from_bytes(raw[4:8]), raw[8:], **fields)


def advertisement(lab: Bench) -> tuple[NeighbourAdvertisement, bytes]:
    """What the host has just advertised, and to which IP address."""
    seen = lab.one()
    assert isinstance(seen.ip, Ipv6Header)
    message = seen.ndp
    assert isinstance(message, NeighbourAdvertisement)
    assert seen.ip.source == message.target
    return message, seen.ip.destination


@pytest.mark.parametrize("destination", [GROUP, V6.host])
def test_a_solicitation_is_answered(destination: bytes) -> None:
    lab = Bench()
    inject(lab, NeighbourSolicitation(V6.host, (SOURCE,)), destination=destination)
    message, to = advertisement(lab)
    assert to == V6.station
    assert (message.target, message.router, message.solicited, message.override) == (
        V6.host,
        False,
        True,
        True,
    )
    assert link_layer_address(message.options, TARGET_LINK_LAYER_ADDRESS) == HOST_MAC


def test_a_solicitation_without_mac_is_answered_once_the_asker_is_found() -> None:
    lab = Bench(known=False)
    inject(lab, NeighbourSolicitation(V6.host))
    assert isinstance(lab.one().ndp, NeighbourSolicitation)
    inject(lab, NeighbourAdvertisement(V6.station, solicited=True, override=True, options=(TARGET,)))
    assert advertisement(lab)[1] == V6.station


def test_a_solicitation_for_the_link_local_address_is_answered() -> None:
    """RFC 4291 2.1, 2.8: each interface has one, made from its MAC."""
    lab = Bench()
    mine = parse_address("fe80::ff:fe00:a")
    inject(lab, NeighbourSolicitation(mine, (SOURCE,)), destination=solicited_node(mine))
    assert advertisement(lab)[0].target == mine


def test_duplicate_address_detection_by_another_is_answered_to_all() -> None:
    """RFC 4862 5.4.3, RFC 4861 7.2.4."""
    lab = Bench()
    inject(lab, NeighbourSolicitation(V6.host), source=UNSPECIFIED_V6, destination=GROUP)
    message, to = advertisement(lab)
    assert to == ALL_NODES_V6
    assert not message.solicited


def test_a_router_says_so() -> None:
    lab = Bench(HostConfig(ip=IpConfig(forwarding=True)))
    inject(lab, NeighbourSolicitation(V6.host, (SOURCE,)))
    assert advertisement(lab)[0].router


def test_a_new_address_is_announced() -> None:
    lab = Bench()
    lab.host.add_address(lab.interface, "fd00::7/64")
    message, to = advertisement(lab)
    assert to == ALL_NODES_V6
    assert (message.target, message.solicited, message.override) == (parse_address("fd00::7"), False, True)


@pytest.mark.parametrize(
    ("message", "fields", "reason"),
    [
        (NeighbourSolicitation(V6.host, (SOURCE,)), {"hop_limit": 254}, "ndp.bad_hop_limit"),
        (NeighbourSolicitation(V6.nobody, (SOURCE,)), {}, "ndp.not_for_us"),
        (NeighbourSolicitation(ALL_NODES_V6, (SOURCE,)), {}, "ndp.bad_target"),
        (NeighbourSolicitation(V6.host, (SOURCE,)), {"source": UNSPECIFIED_V6, "destination": GROUP},
         "ndp.bad_solicitation"),
        (NeighbourSolicitation(V6.host), {"source": UNSPECIFIED_V6}, "ndp.bad_solicitation"),
        (NeighbourSolicitation(V6.host, (LinkLayerAddress(SOURCE_LINK_LAYER_ADDRESS, b"\xff" * 6),)), {},
         "ndp.bad_link_layer_address"),
        (NeighbourAdvertisement(V6.station, solicited=True, options=(TARGET,)), {"destination": ALL_NODES_V6},
         "ndp.bad_advertisement"),
        (NeighbourAdvertisement(V6.nobody, solicited=True, options=(TARGET,)), {}, "ndp.not_asked"),
        (NeighbourAdvertisement(V6.host, options=(TARGET,)), {}, "ndp.address_conflict"),
        (NeighbourAdvertisement(V6.station, options=(LinkLayerAddress(TARGET_LINK_LAYER_ADDRESS, b"\xff" * 6),)), {},
         "ndp.bad_link_layer_address"),
    ],
)  # fmt: skip
def test_invalid_messages_are_ignored_and_counted(
    message: NdpMessage, fields: dict[str, object], reason: str
) -> None:
    """RFC 4861 7.1."""
    lab = Bench()
    inject(lab, message, **fields)
    assert lab.dropped() == [reason]
    assert lab.sent() == []
    known = lab.interface.neighbours.get(V6.station)
    assert known is not None
    assert known.mac == STATION_MAC


def test_a_code_other_than_0_is_ignored() -> None:
    lab = Bench()
    raw = NeighbourSolicitation(V6.host, (SOURCE,)).build()
    lab.inject_icmp(V6, raw[0], 1, 0, raw[8:], hop_limit=255)
    assert lab.dropped() == ["ndp.bad_code"]


def test_fragmented_messages_are_ignored() -> None:
    """RFC 6980 5; an atomic fragment is one too."""
    lab = Bench()
    raw = NeighbourSolicitation(V6.host, (SOURCE,)).build()
    message = icmp_message(V6, raw[0], 0, 0, raw[8:], V6.station, V6.host)
    atomic = FragmentHeader(ICMPV6, 0, False, 1).build() + message
    lab.inject_ip(V6, atomic, protocol=FRAGMENT, hop_limit=255)
    for at in range(0, len(message), 16):
        piece = message[at : at + 16]
        more = at + 16 < len(message)
        header = FragmentHeader(ICMPV6, at, more, 2).build()
        lab.inject_ip(V6, header + piece, protocol=FRAGMENT, hop_limit=255)
    assert lab.dropped() == ["ndp.fragmented", "ndp.fragmented"]
    assert lab.sent() == []


def test_router_advertisements_are_not_for_hosts_with_fixed_addresses() -> None:
    lab = Bench()
    lab.inject_icmp(
        V6, ROUTER_ADVERTISEMENT, 0, 0, bytes(8), source=ROUTER, destination=ALL_NODES_V6,
        to=multicast_mac(ALL_NODES_V6), hop_limit=255,
    )  # fmt: skip
    assert lab.dropped() == ["ndp.router_discovery_ignored"]


# --- redirects


def redirected(config: HostConfig | None = None, **fields: object) -> tuple[Bench, bytes]:
    """The bench after a redirect from the router to a better one, and the MAC that packets go to then."""
    lab = Bench(config)
    lab.know(ROUTER)
    lab.host.add_route("::/0", via=ROUTER, interface="eth0")
    path = lab.host.path(V6.remote)
    path.send(TEST, b"data")
    assert lab.one().ethernet.destination == STATION_MAC
    option = LinkLayerAddress(TARGET_LINK_LAYER_ADDRESS, parse_mac("02:00:00:00:00:0c"))
    target = fields.pop("target", BETTER)
    assert isinstance(target, bytes)
    inject(lab, Redirect(target, V6.remote, (option,)), **{"source": ROUTER, **fields})
    path.send(TEST, b"data")
    return lab, lab.one().ethernet.destination


def test_a_redirect_is_followed() -> None:
    lab, mac = redirected()
    assert mac == parse_mac("02:00:00:00:00:0c")
    assert lab.host.path(V6.remote).next_hop == BETTER


def test_a_redirect_to_the_destination_itself_is_followed() -> None:
    _, mac = redirected(target=V6.remote)
    assert mac == parse_mac("02:00:00:00:00:0c")


@pytest.mark.parametrize(
    "fields",
    [
        {"source": parse_address("fe80::99")},  # not the first hop
        {"source": V6.station},  # not a link-local address
        {"target": parse_address("fd00::77")},  # neither a router nor the destination
        {"target": V6.host},
    ],
)
def test_a_redirect_that_is_not_valid_is_ignored(fields: dict[str, object]) -> None:
    """RFC 4861 8.1."""
    lab, mac = redirected(**fields)
    assert mac == STATION_MAC
    assert lab.dropped() == ["ndp.redirect_ignored"]


def test_routers_follow_no_redirects() -> None:
    """RFC 4861 8.2."""
    _, mac = redirected(HostConfig(ip=IpConfig(forwarding=True)))
    assert mac == STATION_MAC


def test_a_redirect_to_nobody_ends_when_nobody_answers() -> None:
    """RFC 4861 7.3.3: next-hop determination is done again."""
    lab, _ = redirected()
    path = lab.host.path(V6.remote)
    lab.clock.advance(10 * SECOND)
    assert not path.valid
    assert lab.host.path(V6.remote).next_hop == ROUTER
