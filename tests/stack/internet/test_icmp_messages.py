"""ICMP: RFC 792, RFC 1122 3.2.2, RFC 1191, RFC 4443, RFC 8201."""

import errno

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, IcmpConfig, IpConfig
from stack.internet.protocol import ErrorKind
from stack.link import Frame, Medium
from stack.wire import icmpv4, icmpv6
from stack.wire.address import (
    ALL_NODES_V4,
    ALL_NODES_V6,
    BROADCAST_MAC,
    UNSPECIFIED_V4,
    UNSPECIFIED_V6,
    multicast_mac,
    parse_address,
)
from stack.wire.ipv6_extensions import FragmentHeader
from stack.wire.protocols import FRAGMENT, ICMP, ICMPV6, TCP, UDP
from tests.stack.internet.lab import (
    FAMILIES,
    TEST,
    V4,
    V6,
    Bench,
    Family,
    Listener,
    icmp_message,
    ip_packet,
    refused,
)

both = pytest.mark.parametrize("family", FAMILIES, ids=["v4", "v6"])
REQUEST = {4: icmpv4.ECHO_REQUEST, 6: icmpv6.ECHO_REQUEST}
REPLY = {4: icmpv4.ECHO_REPLY, 6: icmpv6.ECHO_REPLY}
UNREACHABLE = {4: icmpv4.DESTINATION_UNREACHABLE, 6: icmpv6.DESTINATION_UNREACHABLE}
NUMBER = {4: ICMP, 6: ICMPV6}
ECHO = 0x1234 << 16 | 7
NOBODYS_PROTOCOL = 254
DIRECTED_BROADCAST = parse_address("10.0.0.255")


def quoted(
    family: Family,
    payload: bytes = b"12345678",
    *,
    protocol: int = TEST,
    source: bytes | None = None,
    **fields: int,
) -> bytes:
    """A packet that the host might have sent to somebody remote."""
    return ip_packet(
        family,
        payload,
        protocol=protocol,
        source=family.host if source is None else source,
        destination=family.remote,
        **fields,
    )


# --- echo


@pytest.mark.shows(
    "RFC 1122 3.1-1",
    "RFC 1122 3.2.2.6-1",
    "RFC 1122 3.2.2.6-5",
    "RFC 1122 3.2.2.6-6",
    "RFC 1122 3.3.4.2-1",
)
@both
def test_echo_is_answered(family: Family) -> None:
    lab = Bench()
    lab.inject_icmp(family, REQUEST[family.version], rest=ECHO, body=b"data", traffic_class=0xB9)
    seen = lab.one()
    assert seen.ip is not None
    assert (seen.ip.source, seen.ip.destination) == (family.host, family.station)
    assert (seen.icmp.type, seen.icmp.code, seen.icmp.rest) == (REPLY[family.version], 0, ECHO)
    assert seen.payload[8:] == b"data"
    assert seen.ip.traffic_class == 0xB8  # the congestion marks are the request's own


@both
def test_echo_longer_than_the_mtu_is_answered_in_fragments(family: Family) -> None:
    lab = Bench()
    message = icmp_message(family, REQUEST[family.version], 0, ECHO, bytes(3000), family.station, family.host)
    for at in range(0, len(message), 1024):
        piece, more = message[at : at + 1024], at + 1024 < len(message)
        if family is V4:
            lab.inject_ip(V4, piece, protocol=ICMP, identification=1, more_fragments=more, fragment_offset=at)
        else:
            lab.inject_ip(V6, FragmentHeader(ICMPV6, at, more, 1).build() + piece, protocol=FRAGMENT)
    assert sum(len(seen.payload) for seen in lab.sent()) == len(message) + (0 if family is V4 else 3 * 8)


@both
def test_echo_can_be_switched_off(family: Family) -> None:
    lab = Bench(HostConfig(icmp=IcmpConfig(echo=False)))
    lab.inject_icmp(family, REQUEST[family.version], rest=ECHO)
    assert lab.dropped() == [f"icmpv{family.version}.echo_ignored"]
    assert lab.sent() == []


@pytest.mark.shows("RFC 1122 3.2.2.6-3", "RFC 1122 3.2.2.6-4")
@pytest.mark.parametrize(
    ("family", "destination", "mac"),
    [
        (V4, DIRECTED_BROADCAST, BROADCAST_MAC),
        (V4, ALL_NODES_V4, multicast_mac(ALL_NODES_V4)),
        (V6, ALL_NODES_V6, multicast_mac(ALL_NODES_V6)),
    ],
)
def test_echo_to_many_is_answered_only_if_wanted(family: Family, destination: bytes, mac: bytes) -> None:
    for wanted in (False, True):
        lab = Bench(HostConfig(icmp=IcmpConfig(echo_broadcast=wanted, echo_multicast_v6=wanted)))
        lab.inject_icmp(family, REQUEST[family.version], rest=ECHO, destination=destination, to=mac)
        if wanted:
            seen = lab.one()
            assert seen.ip is not None
            assert (seen.ip.source, seen.icmp.rest) == (family.host, ECHO)
        else:
            assert lab.sent() == []
            assert lab.dropped() == [f"icmpv{family.version}.echo_ignored"]


@pytest.mark.shows("RFC 1122 3.2.2.6-2", "RFC 1122 3.2.2.6-7")
@both
def test_ping_sends_a_request_and_hears_its_replies_only(family: Family) -> None:
    lab = Bench()
    user = Listener()
    identifier = lab.host.icmp.open_echo(user)
    lab.host.icmp.send_echo(
        identifier, 7, b"data", lab.host.path(family.station), hop_limit=3, traffic_class=8
    )
    seen = lab.one()
    assert seen.ip is not None
    assert (seen.icmp.type, seen.icmp.identifier, seen.icmp.sequence) == (
        REQUEST[family.version],
        identifier,
        7,
    )
    assert (seen.ip.hop_limit, seen.ip.traffic_class, seen.payload[8:]) == (3, 8, b"data")
    lab.inject_icmp(family, REPLY[family.version], rest=identifier << 16 | 7, body=b"data")
    lab.inject_icmp(family, REPLY[family.version], rest=(identifier ^ 1) << 16 | 8, body=b"data")
    assert user.replies == [(7, b"data")]
    assert lab.dropped() == [f"icmpv{family.version}.echo_unexpected"]
    lab.inject_icmp(
        family,
        UNREACHABLE[family.version],
        0,
        0,
        quoted(family, seen.payload, protocol=NUMBER[family.version]),
    )
    assert [report.kind for report in user.reports] == [ErrorKind.NO_ROUTE]
    lab.host.icmp.close_echo(identifier)
    lab.inject_icmp(family, REPLY[family.version], rest=identifier << 16 | 7, body=b"data")
    assert len(user.replies) == 1


def test_identifiers_are_unique_and_can_be_wished_for() -> None:
    lab = Bench()
    icmp = lab.host.icmp
    assert icmp.open_echo(Listener(), 77) == 77
    with refused(errno.EADDRINUSE):
        icmp.open_echo(Listener(), 77)
    chosen = icmp.open_echo(Listener())
    assert chosen in range(1, 0x10000)
    icmp.close_echo(77)
    for identifier in range(1, 0x10000):
        if identifier not in (77, chosen):
            icmp.open_echo(Listener(), identifier)
    assert icmp.open_echo(Listener()) == 77
    with refused(errno.EADDRINUSE):
        icmp.open_echo(Listener())


# --- errors that we send


@pytest.mark.shows("RFC 1122 3.2.2-2", "RFC 1122 3.3.8", "RFC 1122 3.2.2.1-1")
@both
def test_unknown_protocol(family: Family) -> None:
    lab = Bench()
    packet = lab.inject_ip(family, b"x" * 3000, protocol=NOBODYS_PROTOCOL)
    seen = lab.one()
    assert seen.ip is not None
    if family is V4:
        assert (seen.icmp.type, seen.icmp.code) == (3, 2)
        assert seen.ip.traffic_class == 0xC0  # RFC 1812 4.3.2.5
        assert 20 + len(seen.payload) == 576  # RFC 1812 4.3.2.3
    else:
        assert (seen.icmp.type, seen.icmp.code, seen.icmp.rest) == (4, 1, 6)
        assert 40 + len(seen.payload) == 1280  # RFC 4443 2.4 c
    assert packet.startswith(seen.quote)
    assert (seen.ip.source, seen.ip.destination) == (family.host, family.station)


@both
def test_the_icmp_of_the_other_family_is_an_unknown_protocol(family: Family) -> None:
    lab = Bench()
    lab.inject_ip(family, bytes(8), protocol=ICMPV6 if family is V4 else ICMP)
    assert lab.one().icmp.type == (3 if family is V4 else 4)


@pytest.mark.shows("RFC 1122 3.2.2-3", "RFC 1122 3.4-4")
@both
def test_port_unreachable_quotes_head_and_payload_without_padding(family: Family) -> None:
    lab = Bench()
    packet = ip_packet(family, b"12345678data", protocol=TEST, source=family.station, destination=family.host)
    whole = lab.frame(family.ethertype, packet)
    at = len(whole.head) - 4
    lab.end.deliver(Frame(whole.head[:at], whole.head[at:] + bytes(6)))
    (arrived,) = lab.listener.packets
    assert (bytes(arrived.payload), arrived.length) == (b"data", 12)
    lab.host.icmp.port_unreachable(arrived)
    seen = lab.one()
    assert (seen.icmp.type, seen.icmp.code) == ((3, 3) if family is V4 else (1, 4))
    assert seen.quote == packet


@pytest.mark.shows("RFC 1122 3.2.2-7", "RFC 1122 3.2.2-8", "RFC 1122 3.2.2-10")
@pytest.mark.parametrize(
    ("family", "fields"),
    [
        (V4, {"to": BROADCAST_MAC, "destination": DIRECTED_BROADCAST}),
        (V4, {"to": BROADCAST_MAC, "destination": b"\xff\xff\xff\xff"}),
        (V4, {"to": BROADCAST_MAC, "destination": b"\xff\xff\xff\xff", "source": UNSPECIFIED_V4}),
        (V4, {"to": multicast_mac(ALL_NODES_V4), "destination": ALL_NODES_V4}),
        (V6, {"to": multicast_mac(ALL_NODES_V6), "destination": ALL_NODES_V6}),
        (V6, {"to": BROADCAST_MAC}),
        (V6, {"source": UNSPECIFIED_V6}),
    ],
)
def test_no_error_about_what_came_to_many_or_from_nobody(family: Family, fields: dict[str, bytes]) -> None:
    """RFC 1122 3.2.2, RFC 4443 2.4 e."""
    lab = Bench()
    lab.inject_ip(family, protocol=NOBODYS_PROTOCOL, **fields)
    assert lab.sent() == []
    assert len(lab.dropped()) == 1


@pytest.mark.shows("RFC 1122 3.2.2-6")
@both
def test_no_error_about_an_error(family: Family) -> None:
    lab = Bench(HostConfig(icmp=IcmpConfig(error_rate=1000, error_burst=1000)))
    lab.host.protocols[NUMBER[family.version]] = lab.listener
    answered = []
    for type in range(256):
        lab.inject_icmp(family, type)
        lab.host.icmp.port_unreachable(lab.listener.packets[-1])
        if lab.sent():
            answered.append(type)
    if family is V4:
        assert set(range(256)) - set(answered) == {3, 4, 5, 11, 12}
    else:
        assert set(range(256)) - set(answered) == {*range(128), 137}


@pytest.mark.shows("RFC 1122 3.2.2-9")
def test_no_error_about_a_later_fragment() -> None:
    """Of a forwarded one, say: a whole datagram never looks like that."""
    lab = Bench(HostConfig(ip=IpConfig(forwarding=True)))
    for offset in (8, 0):
        lab.inject_ip(V4, destination=V4.remote, hop_limit=1, fragment_offset=offset, more_fragments=True)
    assert lab.dropped() == ["ipv4.hop_limit_exceeded"] * 2
    assert lab.one().icmp.type == icmpv4.TIME_EXCEEDED


@both
def test_errors_are_limited_in_rate(family: Family) -> None:
    lab = Bench(HostConfig(icmp=IcmpConfig(error_rate=10, error_burst=3)))

    def provoke(count: int) -> int:
        for _ in range(count):
            lab.inject_ip(family, protocol=NOBODYS_PROTOCOL)
        return len(lab.sent())

    assert provoke(10) == 3
    lab.clock.advance(99 * MILLISECOND)
    assert provoke(1) == 0
    lab.clock.advance(MILLISECOND)
    assert provoke(2) == 1
    lab.clock.advance(SECOND)
    assert provoke(10) == 3
    assert lab.dropped().count(f"icmpv{family.version}.rate_limited") == 7 + 1 + 1 + 7


def test_a_rate_of_zero_sends_no_errors_but_answers_echo() -> None:
    lab = Bench(HostConfig(icmp=IcmpConfig(error_rate=0)))
    lab.clock.advance(SECOND)
    lab.inject_ip(V4, protocol=NOBODYS_PROTOCOL)
    assert lab.sent() == []
    lab.inject_icmp(V4, icmpv4.ECHO_REQUEST)
    assert lab.one().icmp.type == icmpv4.ECHO_REPLY


def test_no_way_back_is_counted() -> None:
    lab = Bench()
    lab.inject_ip(V4, source=V4.remote, protocol=NOBODYS_PROTOCOL)
    assert lab.dropped() == ["ipv4.unknown_protocol", "icmpv4.no_path"]


# --- errors that we get

V4_KINDS = [
    (3, 0, ErrorKind.NO_ROUTE, errno.ENETUNREACH, False),
    (3, 1, ErrorKind.HOST, errno.EHOSTUNREACH, False),
    (3, 2, ErrorKind.PROTOCOL, errno.ENOPROTOOPT, True),
    (3, 3, ErrorKind.PORT, errno.ECONNREFUSED, True),
    (3, 5, ErrorKind.SOURCE_ROUTE, errno.EOPNOTSUPP, False),
    (3, 7, ErrorKind.HOST, errno.EHOSTDOWN, True),
    (3, 10, ErrorKind.PROHIBITED, errno.EHOSTUNREACH, True),
    (3, 13, ErrorKind.PROHIBITED, errno.EHOSTUNREACH, True),
    (11, 0, ErrorKind.TIME_EXCEEDED, errno.EHOSTUNREACH, False),
    (11, 1, ErrorKind.REASSEMBLY, errno.EHOSTUNREACH, False),
    (12, 0, ErrorKind.PARAMETER, errno.EPROTO, True),
]
V6_KINDS = [
    (1, 0, ErrorKind.NO_ROUTE, errno.ENETUNREACH, False),
    (1, 1, ErrorKind.PROHIBITED, errno.EACCES, True),
    (1, 2, ErrorKind.HOST, errno.EHOSTUNREACH, False),
    (1, 3, ErrorKind.HOST, errno.EHOSTUNREACH, False),
    (1, 4, ErrorKind.PORT, errno.ECONNREFUSED, True),
    (1, 5, ErrorKind.PROHIBITED, errno.EACCES, True),
    (1, 6, ErrorKind.PROHIBITED, errno.EACCES, True),
    (3, 0, ErrorKind.TIME_EXCEEDED, errno.EHOSTUNREACH, False),
    (3, 1, ErrorKind.REASSEMBLY, errno.EHOSTUNREACH, False),
    (4, 0, ErrorKind.PARAMETER, errno.EPROTO, True),
    (4, 1, ErrorKind.PROTOCOL, errno.EPROTO, True),
]


@pytest.mark.shows(
    "RFC 1122 3.2.2-4",
    "RFC 1122 3.2.2.1-2",
    "RFC 1122 3.2.2.4",
    "RFC 1122 3.2.2.5-2",
    "RFC 1122 3.4-5",
    "RFC 9293 MUST-54",
)
@pytest.mark.parametrize(
    ("family", "type", "code", "kind", "number", "hard"),
    [(V4, *row) for row in V4_KINDS] + [(V6, *row) for row in V6_KINDS],
)
def test_errors_reach_the_protocol_concerned(
    family: Family, type: int, code: int, kind: ErrorKind, number: int, hard: bool
) -> None:
    lab = Bench()
    lab.inject_icmp(family, type, code, 0, quoted(family))
    (report,) = lab.listener.reports
    assert (report.kind, report.errno, report.hard, report.mtu) == (kind, number, hard, 0)
    assert (report.reporter, report.source, report.destination) == (
        family.station,
        family.host,
        family.remote,
    )
    assert (report.protocol, report.quoted, report.type, report.code) == (TEST, b"12345678", type, code)


@pytest.mark.shows("RFC 1122 3.4-6")
def test_the_quote_is_found_behind_options_and_extension_headers() -> None:
    lab = Bench()
    lab.inject_icmp(V4, 3, 1, 0, quoted(V4, options=b"\x01" * 8))
    fragment = FragmentHeader(TEST, 0, True, 1).build()
    lab.inject_icmp(V6, 1, 3, 0, quoted(V6, fragment + b"12345678", protocol=FRAGMENT))
    assert [report.quoted for report in lab.listener.reports] == [b"12345678"] * 2


@both
def test_an_altered_checksum_or_hop_limit_in_the_quote_does_not_matter(family: Family) -> None:
    lab = Bench()
    raw = bytearray(quoted(family))
    raw[8 if family is V4 else 7] = 1
    lab.inject_icmp(family, UNREACHABLE[family.version], 0, 0, bytes(raw))
    assert len(lab.listener.reports) == 1


@both
@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        ("", "bad_quote"),
        ("short", "bad_quote"),
        ("other", "quote_not_ours"),
        ("version", "bad_quote"),
        ("protocol", "quote_without_user"),
        ("fragment", "quote_without_user"),
    ],
)
def test_quotes_that_are_not_ours_are_ignored(family: Family, quote: str, reason: str) -> None:
    """RFC 5927 4.1 and 5: an error about what we never sent is not worth a thought."""
    later = FragmentHeader(TEST, 8, True, 1).build() + bytes(8)
    bodies = {
        "": b"",
        "short": quoted(family)[:19],
        "other": quoted(family, source=family.nobody),
        "version": b"\x00" * 60,
        "protocol": quoted(family, protocol=NOBODYS_PROTOCOL),
        "fragment": quoted(V4, fragment_offset=8) if family is V4 else quoted(V6, later, protocol=FRAGMENT),
    }
    lab = Bench()
    lab.inject_icmp(family, UNREACHABLE[family.version], 0, 0, bodies[quote])
    assert lab.dropped() == [f"icmpv{family.version}.{reason}"]
    assert lab.listener.reports == []


@pytest.mark.shows("RFC 1122 3.2.2-1")
@both
def test_wrong_checksums_and_unknown_messages_are_counted(family: Family) -> None:
    lab = Bench()
    name = f"icmpv{family.version}"
    good = icmp_message(family, REQUEST[family.version], 0, ECHO, b"x", family.station, family.host)
    lab.inject_ip(family, good[:-1] + b"y", protocol=NUMBER[family.version])
    lab.inject_ip(family, good[:3], protocol=NUMBER[family.version])
    lab.inject_icmp(family, 200)
    lab.inject_icmp(family, UNREACHABLE[family.version], 99, 0, quoted(family))
    truncated = {4: b"\xff\xff", 6: b""}[family.version]
    lab.inject_ip(family, truncated, protocol=NUMBER[family.version])
    assert lab.sent() == []
    reasons = lab.dropped()
    assert reasons[:4] == [
        f"{name}.{what}" for what in ("bad_checksum", "bad_checksum", "unknown_type", "unknown_code")
    ]
    assert reasons[4] in (f"{name}.truncated", f"{name}.bad_checksum")


@pytest.mark.shows("RFC 9293 MUST-55", "RFC 5927 6.2")
def test_source_quench_is_ignored() -> None:
    """RFC 6633 3."""
    lab = Bench()
    lab.inject_icmp(V4, icmpv4.SOURCE_QUENCH, 0, 0, quoted(V4))
    assert lab.dropped() == ["icmpv4.source_quench"]
    assert lab.listener.reports == []


def test_a_broadcast_error_is_ignored() -> None:
    lab = Bench()
    lab.inject_icmp(V4, 3, 1, 0, quoted(V4), destination=DIRECTED_BROADCAST, to=BROADCAST_MAC)
    assert lab.listener.reports == []


def test_our_own_packets_that_go_nowhere_are_reported_even_without_a_rate() -> None:
    lab = Bench(HostConfig(icmp=IcmpConfig(error_rate=0)), known=False)
    for family in FAMILIES:
        lab.host.path(family.station).send(TEST, b"12345678")
    lab.clock.advance(4 * SECOND)
    assert [(report.errno, report.destination) for report in lab.listener.reports] == [
        (errno.EHOSTUNREACH, V4.station),
        (errno.EHOSTUNREACH, V6.station),
    ]


# --- path MTU discovery


def too_big(
    lab: Bench, family: Family, mtu: int, *, protocol: int = TEST, source: bytes | None = None
) -> None:
    quote = quoted(family, bytes(28), protocol=protocol, source=source)
    type, code = (3, 4) if family is V4 else (2, 0)
    lab.inject_icmp(family, type, code, mtu, quote)


def routed() -> Bench:
    lab = Bench()
    lab.host.add_route("0.0.0.0/0", via=V4.station)
    lab.host.add_route("::/0", via=V6.station)
    return lab


@pytest.mark.shows("RFC 1191 3", "RFC 8201 4-1")
@both
def test_packet_too_big_lowers_the_path_mtu(family: Family) -> None:
    lab = routed()
    path = lab.host.path(family.remote)
    too_big(lab, family, 1300)
    assert (path.mtu, lab.host.path(family.remote, source=family.host).mtu) == (1300, 1300)
    (report,) = lab.listener.reports
    assert (report.kind, report.errno, report.mtu) == (ErrorKind.PACKET_TOO_BIG, errno.EMSGSIZE, 1300)
    assert lab.host.path(family.station).mtu == 1500
    too_big(lab, family, 1400)
    assert path.mtu == 1300


@both
def test_for_tcp_the_connection_decides(family: Family) -> None:
    lab = routed()
    lab.host.protocols[TCP] = lab.listener
    path = lab.host.path(family.remote)
    too_big(lab, family, 1300, protocol=TCP)
    assert path.mtu == 1500
    lab.host.path(family.remote).learn_mtu(lab.listener.reports[0].mtu)
    assert path.mtu == 1300


@both
def test_a_stranger_cannot_lower_the_path_mtu_of_others(family: Family) -> None:
    lab = routed()
    too_big(lab, family, 1300, source=family.nobody)
    assert lab.host.path(family.remote).mtu == 1500


@pytest.mark.shows("RFC 1191 3")
def test_ipv4_mtus_below_552_are_not_believed() -> None:
    lab = routed()
    too_big(lab, V4, 68)
    assert lab.host.path(V4.remote).mtu == 552


@pytest.mark.shows("RFC 8201 4-2")
def test_ipv6_mtus_below_1280_are_not_believed() -> None:
    """RFC 8201 4."""
    lab = routed()
    too_big(lab, V6, 1279)
    assert lab.host.path(V6.remote).mtu == 1500
    assert lab.dropped() == ["icmpv6.bad_mtu"]
    assert lab.listener.reports == []


@pytest.mark.shows("RFC 1191 5")
@pytest.mark.parametrize(("length", "plateau"), [(1500, 1492), (1492, 1006), (1006, 552)])
def test_a_router_that_names_no_mtu_means_the_next_plateau(length: int, plateau: int) -> None:
    """RFC 1191 5."""
    lab = routed()
    lab.inject_icmp(V4, 3, 4, 0, quoted(V4, bytes(8), total_length=length))
    assert lab.host.path(V4.remote).mtu == plateau


@both
def test_a_later_fragment_can_be_too_big_as_well(family: Family) -> None:
    lab = routed()
    if family is V4:
        lab.inject_icmp(V4, 3, 4, 1300, quoted(V4, fragment_offset=1480))
    else:
        fragment = FragmentHeader(UDP, 1448, True, 1).build() + bytes(16)
        lab.inject_icmp(V6, 2, 0, 1300, quoted(V6, fragment, protocol=FRAGMENT))
    assert lab.host.path(family.remote).mtu == 1300


# --- redirects of IPv4


def redirect(lab: Bench, gateway: str, *, destination: bytes = V4.remote) -> None:
    quote = ip_packet(V4, bytes(8), protocol=TEST, source=V4.host, destination=destination)
    lab.inject_icmp(V4, icmpv4.REDIRECT, 1, int.from_bytes(parse_address(gateway)), quote)


@pytest.mark.shows("RFC 1122 3.2.2.2-2")
def test_a_redirect_is_followed() -> None:
    """RFC 1122 3.2.2.2."""
    lab = routed()
    path = lab.host.path(V4.remote)
    redirect(lab, "10.0.0.3")
    assert path.next_hop == parse_address("10.0.0.3")
    path.send(TEST, b"data")
    seen = lab.one()
    assert seen.arp is not None
    assert seen.arp.target_address == parse_address("10.0.0.3")


@pytest.mark.shows("RFC 1122 3.2.2.2-4")
@pytest.mark.parametrize("gateway", ["192.0.2.77", "10.0.0.1"])
def test_a_redirect_to_no_neighbour_is_ignored(gateway: str) -> None:
    lab = routed()
    path = lab.host.path(V4.remote)
    redirect(lab, gateway)
    assert path.next_hop == V4.station
    assert lab.dropped() == ["icmpv4.redirect_ignored"]


@pytest.mark.shows("RFC 1122 3.2.2.2-4")
def test_a_redirect_from_another_than_the_first_hop_is_ignored() -> None:
    lab = Bench()
    lab.host.add_route("0.0.0.0/0", via=parse_address("10.0.0.3"))
    path = lab.host.path(V4.remote)
    redirect(lab, "10.0.0.4")
    assert path.next_hop == parse_address("10.0.0.3")


def test_neighbour_discovery_on_a_bare_ip_link_is_ignored() -> None:
    lab = Bench(medium=Medium.IP)
    message = icmp_message(V6, 135, 0, 0, V6.host, V6.station, V6.host)
    packet = ip_packet(V6, message, protocol=ICMPV6, source=V6.station, destination=V6.host, hop_limit=255)
    lab.end.deliver(Frame(packet))
    assert lab.dropped() == ["ndp.no_link_layer"]
