"""Forwarding: RFC 1812 5, RFC 8200, RFC 4291 2.5."""

from collections.abc import Iterator
from random import Random

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, IpConfig
from stack.internet.protocol import ErrorKind
from stack.link import Checksum, Frame, Medium
from stack.wire.address import parse_address
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv4_options import RECORD_ROUTE, RouteOption, build_options
from stack.wire.ipv6 import Ipv6Header
from tests.stack.internet.lab import (
    FAMILIES,
    TEST,
    V4,
    V6,
    Bench,
    End,
    Family,
    Net,
    Seen,
    take_apart,
)

both = pytest.mark.parametrize("family", FAMILIES, ids=["v4", "v6"])
ROUTER = HostConfig(ip=IpConfig(forwarding=True))
BEYOND = {4: parse_address("10.0.1.9"), 6: parse_address("fd01::9")}
NEXT_MAC = bytes.fromhex("02000000000c")


class Router(Bench):
    """The station on eth0, another on eth1: 10.0.1.9 and fd01::9."""

    def __init__(self, *, mtu: int = 1500, offload: bool = False, medium: Medium = Medium.ETHERNET) -> None:
        super().__init__(ROUTER, offload=offload)
        self.out = End(self.clock, mtu=mtu, offload=offload, medium=medium)
        addresses = ["10.0.1.1/24", "fd01::1/64"] if mtu >= 1280 else ["10.0.1.1/24"]
        self.eth1 = self.host.add_interface("eth1", self.out, addresses=addresses)
        if medium is Medium.ETHERNET:
            for address in BEYOND.values():
                neighbour = self.eth1.neighbours.entry(address)
                neighbour.heard(NEXT_MAC)
                neighbour.confirm(self.clock.now())
        self.out.sent.clear()

    def forwarded(self) -> list[Seen]:
        frames, self.out.sent = self.out.sent, []
        return [take_apart(frame) for frame in frames]


@pytest.mark.shows("RFC 1122 3.1-4", "RFC 1122 3.1-5")
@both
def test_a_packet_goes_on_with_one_hop_less_and_is_the_same_otherwise(family: Family) -> None:
    lab = Router()
    fields = {"identification": 7, "dont_fragment": True} if family is V4 else {"flow_label": 7}
    sent = lab.inject_ip(
        family, b"data", destination=BEYOND[family.version], traffic_class=0xB9, hop_limit=9, **fields
    )
    (seen,) = lab.forwarded()
    assert (seen.ethernet.destination, seen.ethernet.source) == (NEXT_MAC, lab.eth1.mac)
    header = (Ipv4Header if family is V4 else Ipv6Header).parse(sent)
    header.hop_limit = 8
    if isinstance(header, Ipv4Header):
        header.checksum = None
    assert bytes(seen.frame)[14:] == header.build() + b"data"
    assert lab.host.counters[f"ipv{family.version}.forwarded"] == 1


def test_ipv4_checksum_is_updated_right_for_every_hop_limit_and_identification() -> None:
    lab = Router()
    random = Random(1)
    for hop_limit in range(2, 256):
        lab.inject_ip(
            V4, b"", destination=BEYOND[4], hop_limit=hop_limit, identification=random.getrandbits(16)
        )
        (seen,) = lab.forwarded()
        assert isinstance(seen.ip, Ipv4Header)
        found = seen.ip.checksum
        seen.ip.checksum = None
        assert Ipv4Header.parse(seen.ip.build()).checksum == found


@both
def test_link_padding_is_not_forwarded(family: Family) -> None:
    lab = Router()
    packet = lab.inject_ip(family, b"data", destination=BEYOND[family.version])
    lab.end.deliver(Frame(bytes(lab.frame(family.ethertype, packet)) + bytes(18)))
    whole = bytes(lab.frame(family.ethertype, packet))
    lab.end.deliver(Frame(whole[:-4], whole[-4:] + bytes(18)))
    assert [seen.payload for seen in lab.forwarded()] == [b"data"] * 3


@both
@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("offload", [False, True])
def test_a_partial_checksum_stays_partial_or_is_completed(
    family: Family, medium: Medium, offload: bool
) -> None:
    lab = Router(offload=offload, medium=medium)
    whole = bytes(lab.frame(family.ethertype, header_of(family, 8) + b"\0\0\0\0"))
    at = len(whole) - 4
    lab.end.deliver(Frame(whole, b"data", Checksum.PARTIAL, at, at + 2))
    (frame,) = lab.out.sent
    if offload:
        assert frame.checksum is Checksum.PARTIAL
        assert bytes(frame.head[frame.transport :]) == b"\0\0\0\0"
        assert frame.checksum_at == frame.transport + 2
        assert frame.payload == b"data"
    else:
        assert frame.checksum is Checksum.COMPLETE
        checksum = 0xFFFF - (int.from_bytes(b"da") + int.from_bytes(b"ta"))
        assert bytes(frame).endswith(checksum.to_bytes(2) + b"data")


def header_of(family: Family, length: int) -> bytes:
    if family is V4:
        return Ipv4Header(V4.station, BEYOND[4], TEST, 20 + length).build()
    return Ipv6Header(V6.station, BEYOND[6], TEST, length).build()


@pytest.mark.shows("RFC 1122 3.1-5", "RFC 1122 3.1-6")
@both
def test_hosts_do_not_forward(family: Family) -> None:
    lab = Bench()
    lab.inject_ip(family, destination=BEYOND[family.version])
    assert lab.dropped() == [f"ipv{family.version}.not_for_us"]
    assert lab.sent() == []


@pytest.mark.shows("RFC 1122 3.1-4")
@both
@pytest.mark.parametrize("hop_limit", [0, 1])
def test_the_last_hop_is_reported(family: Family, hop_limit: int) -> None:
    lab = Router()
    packet = lab.inject_ip(family, destination=BEYOND[family.version], hop_limit=hop_limit)
    seen = lab.one()
    assert seen.ip is not None
    assert (seen.icmp.type, seen.icmp.code) == ((11, 0) if family is V4 else (3, 0))
    assert (seen.ip.source, seen.quote) == (family.host, packet)
    assert lab.forwarded() == []


@both
def test_no_route_is_reported(family: Family) -> None:
    lab = Router()
    lab.inject_ip(family, destination=family.remote)
    icmp = lab.one().icmp
    assert (icmp.type, icmp.code) == ((3, 0) if family is V4 else (1, 0))
    assert lab.dropped() == [f"ipv{family.version}.no_route"]


@both
def test_a_neighbour_that_is_not_there_is_reported(family: Family) -> None:
    """RFC 1812 3.3.2, RFC 4443 3.1."""
    lab = Router()
    destination = bytes((*BEYOND[family.version][:-1], 77))
    packet = lab.inject_ip(family, destination=destination, hop_limit=9)
    lab.clock.advance(3 * SECOND)
    seen = lab.one()
    assert (seen.icmp.type, seen.icmp.code) == ((3, 1) if family is V4 else (1, 3))
    hop_limit_at = 8 if family is V4 else 7
    assert seen.quote[hop_limit_at] == 8
    assert seen.quote[:6] == packet[:6]
    assert lab.dropped() == [f"ipv{family.version}.unresolved"]


@pytest.mark.parametrize(
    ("family", "source", "destination"),
    [
        (V4, "169.254.1.1", "10.0.1.9"),
        (V4, "10.0.0.2", "169.254.1.1"),
        (V4, "10.0.0.2", "239.1.2.3"),
        (V4, "10.0.0.2", "127.0.0.1"),
        (V4, "10.0.0.2", "0.0.0.0"),
        (V4, "10.0.0.2", "240.0.0.1"),
        (V4, "10.0.0.2", "10.0.1.255"),
        (V6, "::", "fd01::9"),
        (V6, "fd00::2", "fe80::1"),
        (V6, "fd00::2", "ff0e::1"),
        (V6, "fd00::2", "::1"),
        (V6, "fd00::2", "::"),
        (V6, "fd00::2", "::ffff:10.0.1.9"),
    ],
)
def test_what_may_not_cross_a_router(family: Family, source: str, destination: str) -> None:
    lab = Router()
    lab.host.add_route("0.0.0.0/0", via=BEYOND[4])
    lab.host.add_route("::/0", via=BEYOND[6])
    lab.inject_ip(family, source=parse_address(source), destination=parse_address(destination))
    assert lab.dropped() == [f"ipv{family.version}.not_forwardable"]
    assert lab.forwarded() == []
    assert lab.sent() == []


def test_a_link_local_source_is_told_that_it_does_not_reach_that_far() -> None:
    """RFC 4443 3.1, code 2."""
    lab = Router()
    source = parse_address("fe80::2")
    lab.know(source)
    lab.inject_ip(V6, source=source, destination=BEYOND[6])
    seen = lab.one()
    assert (seen.icmp.type, seen.icmp.code) == (1, 2)
    assert isinstance(seen.ip, Ipv6Header)
    assert seen.ip.source == lab.interface.addresses[0].address


@both
def test_what_came_by_broadcast_is_not_forwarded(family: Family) -> None:
    lab = Router()
    lab.inject_ip(family, destination=BEYOND[family.version], to=b"\xff" * 6)
    assert lab.dropped() == [f"ipv{family.version}.not_for_us"]


def test_a_source_route_is_refused() -> None:
    lab = Router()
    options = build_options([RouteOption(131, 4, BEYOND[4])])
    lab.inject_ip(V4, destination=BEYOND[4], options=options)
    assert lab.dropped() == ["ipv4.source_route"]


# --- too big for the next link


def test_ipv4_is_cut_where_it_may_be() -> None:
    lab = Router(mtu=1000)
    options = build_options([RouteOption(RECORD_ROUTE, 4, bytes(8))])
    body = Random(1).randbytes(1400)
    lab.inject_ip(V4, body, destination=BEYOND[4], identification=77, options=options, hop_limit=9)
    pieces = lab.forwarded()
    headers = [seen.ip for seen in pieces]
    assert all(isinstance(header, Ipv4Header) for header in headers)
    assert [
        (header.identification, header.more_fragments, header.fragment_offset, header.hop_limit)
        for header in headers
        if isinstance(header, Ipv4Header)
    ] == [(77, True, 0, 8), (77, False, 968, 8)]
    assert b"".join(seen.payload for seen in pieces) == body
    # and a fragment is cut again
    lab.inject_ip(
        V4, body, destination=BEYOND[4], identification=78, fragment_offset=800, more_fragments=True
    )
    assert [
        (header.fragment_offset, header.more_fragments)
        for header in (seen.ip for seen in lab.forwarded())
        if isinstance(header, Ipv4Header)
    ] == [(800, True), (1776, True)]


@pytest.mark.shows("RFC 1191 4")
def test_ipv4_with_dont_fragment_is_reported_with_the_mtu() -> None:
    """RFC 1191 4."""
    lab = Router(mtu=1000)
    lab.inject_ip(V4, bytes(1000), destination=BEYOND[4], dont_fragment=True)
    icmp = lab.one().icmp
    assert (icmp.type, icmp.code, icmp.rest) == (3, 4, 1000)
    assert lab.dropped() == ["ipv4.too_big"]


def test_ipv6_is_never_cut_by_a_router() -> None:
    """RFC 8200 5, RFC 4443 3.2."""
    lab = Router(mtu=1300)
    lab.inject_ip(V6, bytes(1260), destination=BEYOND[6])
    assert len(lab.forwarded()) == 1
    lab.inject_ip(V6, bytes(1261), destination=BEYOND[6])
    icmp = lab.one().icmp
    assert (icmp.type, icmp.code, icmp.rest) == (2, 0, 1300)
    assert lab.forwarded() == []


# --- whole networks


@pytest.fixture
def chain() -> Iterator[Net]:
    """a - r1 - r2 - b, the middle link with a smaller MTU."""
    net = Net()
    for name in "ab":
        net.host(name)
    for name in ("r1", "r2"):
        net.host(name, ROUTER)
    net.join("a", ["10.0.1.1/24", "fd00:1::1/64"], "r1", ["10.0.1.2/24", "fd00:1::2/64"])
    net.join("r1", ["10.0.2.1/24", "fd00:2::1/64"], "r2", ["10.0.2.2/24", "fd00:2::2/64"], mtu=1300)
    net.join("r2", ["10.0.3.1/24", "fd00:3::1/64"], "b", ["10.0.3.2/24", "fd00:3::2/64"])
    for name, v4, v6 in (("a", "10.0.1.2", "fd00:1::2"), ("b", "10.0.3.1", "fd00:3::1")):
        net.hosts[name].add_route("0.0.0.0/0", via=v4)
        net.hosts[name].add_route("::/0", via=v6)
    for name, there, v4, v6 in (("r1", "3", "10.0.2.2", "fd00:2::2"), ("r2", "1", "10.0.2.1", "fd00:2::1")):
        net.hosts[name].add_route(f"10.0.{there}.0/24", via=v4)
        net.hosts[name].add_route(f"fd00:{there}::/64", via=v6)
    yield net
    for host in net.hosts.values():
        host.close()
    assert net.clock.pending == 0


def far_end(family: Family) -> bytes:
    return parse_address("10.0.3.2" if family is V4 else "fd00:3::2")


@both
def test_across_two_routers(chain: Net, family: Family) -> None:
    chain.hosts["a"].path(far_end(family)).send(TEST, b"head", b"payload")
    chain.settle()
    (packet,) = chain.listeners["b"].packets
    assert (packet.contiguous(), packet.hop_limit) == (b"headpayload", 62)


@both
def test_path_mtu_discovery(chain: Net, family: Family) -> None:
    path = chain.hosts["a"].path(far_end(family))
    path.send(TEST, bytes(1400))
    chain.settle()
    assert chain.listeners["b"].packets == []
    assert path.mtu == 1300
    assert [report.kind for report in chain.listeners["a"].reports] == [ErrorKind.PACKET_TOO_BIG]
    path.send(TEST, bytes(3000), dont_fragment=False)
    chain.settle()
    assert [packet.length for packet in chain.listeners["b"].packets] == [3000]


def test_fragments_made_on_the_way_are_put_together(chain: Net) -> None:
    body = Random(2).randbytes(1400)
    chain.hosts["a"].path(far_end(V4)).send(TEST, body, dont_fragment=False)
    chain.settle()
    assert chain.listeners["b"].data == [body]
    assert chain.hosts["r1"].counters["ipv4.fragmented"] == 1


@both
def test_traceroute(chain: Net, family: Family) -> None:
    path = chain.hosts["a"].path(far_end(family))
    for hop_limit in (1, 2, 3):
        path.send(TEST, b"12345678", hop_limit=hop_limit)
        chain.settle()
    expected = ["10.0.1.2", "10.0.2.2"] if family is V4 else ["fd00:1::2", "fd00:2::2"]
    reports = chain.listeners["a"].reports
    assert [report.kind for report in reports] == [ErrorKind.TIME_EXCEEDED] * 2
    assert [report.reporter for report in reports] == [parse_address(text) for text in expected]
    assert len(chain.listeners["b"].packets) == 1


@pytest.mark.shows("RFC 1122 3.2.2.6-5", "RFC 1122 3.1-3")
@both
def test_a_router_answers_for_all_its_addresses(chain: Net, family: Family) -> None:
    """The weak end system model (RFC 1122 3.3.4.2): as Linux has it."""
    other_side = parse_address("10.0.3.1" if family is V4 else "fd00:3::1")
    chain.hosts["a"].path(other_side).send(TEST, b"data")
    chain.settle()
    assert chain.listeners["r2"].data == [b"data"]


@both
def test_a_link_that_goes_down_is_noticed_by_the_router(chain: Net, family: Family) -> None:
    chain.hosts["r1"].interfaces["r2"].up = False
    chain.hosts["a"].path(far_end(family)).send(TEST, b"12345678")
    chain.settle()
    assert [report.kind for report in chain.listeners["a"].reports] == [ErrorKind.NO_ROUTE]
    chain.hosts["r1"].interfaces["r2"].up = True
    chain.hosts["a"].path(far_end(family)).send(TEST, b"12345678")
    chain.settle(200 * MILLISECOND)
    assert len(chain.listeners["b"].packets) == 1
