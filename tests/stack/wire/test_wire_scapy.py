"""Scapy as an independent oracle: what it builds we read, what we build it reads, and both see the same fields."""

from __future__ import annotations

import warnings
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.link import Checksum, Frame
from stack.wire import icmpv4, icmpv6, ipv4_options, ndp, tcp
from stack.wire.address import format_address, format_mac
from stack.wire.arp import ArpPacket
from stack.wire.checksum import complete, fold, internet_checksum, ones_sum, pseudo_header_sum
from stack.wire.ethernet import ETHERTYPE_SERVICE_VLAN, EthernetHeader
from stack.wire.icmpv4 import Icmpv4Header, TimestampTimes
from stack.wire.icmpv6 import Icmpv6Header
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import NEXT_HEADER_AT, Ipv6Header
from stack.wire.ipv6_extensions import (
    FragmentHeader,
    Ipv6Option,
    OptionsHeader,
    RoutingHeader,
    build_options,
    iterate_options,
    pad_options,
    walk,
)
from stack.wire.ndp_options import (
    LinkLayerAddress,
    MtuOption,
    PrefixInformation,
    RawOption,
    RedirectedHeader,
)
from stack.wire.options import Option
from stack.wire.protocols import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    ICMPV6,
    NO_NEXT_HEADER,
    ROUTING,
    TCP,
    UDP,
)
from stack.wire.tcp import TcpHeader, TcpOptions
from stack.wire.udp import UdpHeader
from tests.stack.wire import strategies as make
from tests.stack.wire.strategies import bits, octets

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers import inet, inet6, l2
    from scapy.packet import Raw

examples = settings(deadline=None)
some_addresses = st.one_of(st.tuples(make.v4, make.v4), st.tuples(make.v6, make.v6))


def rebuilt(packet: Any) -> bytes:
    """The packet's bytes from its fields, not from memory."""
    packet.clear_cache()
    return bytes(packet)


# Ethernet and ARP


@examples
@given(make.ethernet_headers.filter(lambda header: header.ethertype >= 0x0600))
def test_scapy_reads_our_ethernet_header(header: EthernetHeader) -> None:
    raw = header.build()
    packet: Any = l2.Ether(raw)
    assert (packet.dst, packet.src) == (format_mac(header.destination), format_mac(header.source))
    layer = packet
    for tag in header.tags:
        layer = layer.payload
        assert isinstance(layer, l2.Dot1AD) == (tag.protocol == ETHERTYPE_SERVICE_VLAN)
        assert (layer.vlan, layer.prio, bool(layer.dei)) == (tag.identifier, tag.priority, tag.drop_eligible)
    assert layer.type == header.ethertype
    assert rebuilt(packet) == raw


@examples
@given(make.macs, make.macs, bits(12), bits(3), bits(1), bits(12))
def test_we_read_scapys_ethernet_header(
    destination: bytes, source: bytes, outer: int, priority: int, eligible: int, inner: int
) -> None:
    packet = (
        l2.Ether(dst=format_mac(destination), src=format_mac(source))
        / l2.Dot1AD(vlan=outer, prio=priority, dei=eligible)
        / l2.Dot1Q(vlan=inner, type=0x86DD)
    )
    header = EthernetHeader.parse(bytes(packet))
    assert (header.destination, header.source, header.ethertype) == (destination, source, 0x86DD)
    assert [(tag.protocol, tag.identifier) for tag in header.tags] == [(0x88A8, outer), (0x8100, inner)]
    assert (header.tags[0].priority, header.tags[0].drop_eligible) == (priority, bool(eligible))
    assert header.build() == bytes(packet)


@examples
@given(make.arp_packets)
def test_arp_both_ways(packet: ArpPacket) -> None:
    theirs = l2.ARP(
        op=packet.operation,
        hwsrc=format_mac(packet.sender_mac),
        psrc=format_address(packet.sender_address),
        hwdst=format_mac(packet.target_mac),
        pdst=format_address(packet.target_address),
    )
    assert packet.build() == bytes(theirs)
    assert ArpPacket.parse(bytes(theirs)) == packet


# IPv4


@examples
@given(make.ipv4_headers)
def test_scapy_reads_our_ipv4_header(header: Ipv4Header) -> None:
    raw = header.build()
    packet = inet.IP(raw)
    assert (packet.src, packet.dst) == (format_address(header.source), format_address(header.destination))
    assert (packet.tos, packet.len, packet.id, packet.ttl, packet.proto) == (
        header.traffic_class,
        header.total_length,
        header.identification,
        header.hop_limit,
        header.protocol,
    )
    assert int(packet.flags) == header.reserved << 2 | header.dont_fragment << 1 | header.more_fragments
    assert 8 * packet.frag == header.fragment_offset
    assert 4 * packet.ihl == header.header_length
    theirs = inet.IP(raw)
    del theirs.chksum
    assert bytes(theirs)[:20] == raw[:20]


@examples
@given(make.v4, make.v4, bits(8), bits(16), bits(3), bits(13), bits(8), bits(8), st.binary(max_size=30))
def test_we_read_scapys_ipv4_header(
    source: bytes, destination: bytes, tos: int, identifier: int, flags: int, units: int, ttl: int, proto: int,
    data: bytes,
) -> None:  # fmt: skip
    options = [
        inet.IPOption_NOP(),
        inet.IPOption_RR(pointer=8, routers=["1.2.3.4", "5.6.7.8"]),
        inet.IPOption_LSRR(routers=["9.8.7.6"]),
        inet.IPOption_Router_Alert(),
        inet.IPOption_Timestamp(flg=0, pointer=9, timestamp=7),
    ]
    raw = bytes(
        inet.IP(
            src=format_address(source), dst=format_address(destination), tos=tos, id=identifier, flags=flags,
            frag=units, ttl=ttl, proto=proto, options=options,
        ) / Raw(data)
    )  # fmt: skip
    header = Ipv4Header.parse(raw)
    assert header == Ipv4Header(
        source,
        destination,
        proto,
        len(raw),
        identifier,
        bool(flags & 2),
        bool(flags & 1),
        8 * units,
        ttl,
        tos,
        header.options,
        header.checksum,
        bool(flags & 4),
    )
    assert raw[header.header_length :] == data
    no_operation, record, source_route, alert, timestamp, *_ = ipv4_options.parse_options(header.options)
    assert no_operation == Option(1)
    assert record == ipv4_options.RouteOption(7, 8, bytes((1, 2, 3, 4, 5, 6, 7, 8)))
    assert source_route == ipv4_options.RouteOption(131, 4, bytes((9, 8, 7, 6)))
    assert alert == ipv4_options.RouterAlertOption(0)
    assert isinstance(timestamp, ipv4_options.TimestampOption)
    assert (timestamp.pointer, timestamp.flag) == (9, 0)
    header.checksum = None
    assert header.build() + data == raw


# IPv6 and its chain


@examples
@given(make.ipv6_headers)
def test_ipv6_both_ways(header: Ipv6Header) -> None:
    theirs = inet6.IPv6(
        src=format_address(header.source),
        dst=format_address(header.destination),
        nh=header.next_header,
        plen=header.payload_length,
        hlim=header.hop_limit,
        tc=header.traffic_class,
        fl=header.flow_label,
    )
    assert bytes(theirs) == header.build()
    assert Ipv6Header.parse(bytes(theirs)) == header


@examples
@given(
    st.lists(st.sampled_from(("destination", "routing", "fragment")), max_size=4, unique=True),
    st.booleans(),
    bits(32),
    st.binary(max_size=20),
)
def test_we_walk_scapys_header_chain(
    kinds: list[str], hop_by_hop: bool, identifier: int, data: bytes
) -> None:
    makers: dict[str, Any] = {
        "destination": lambda: inet6.IPv6ExtHdrDestOpt(
            options=[inet6.HBHOptUnknown(otype=0x1E, optdata=data)]
        ),
        "routing": lambda: inet6.IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001:db8::1"]),
        "fragment": lambda: inet6.IPv6ExtHdrFragment(offset=0, m=0, id=identifier),
    }
    numbers = {"destination": DESTINATION_OPTIONS, "routing": ROUTING, "fragment": FRAGMENT}
    packet: Any = inet6.IPv6(src="2001:db8::1", dst="2001:db8::2")
    expected = []
    if hop_by_hop:
        packet /= inet6.IPv6ExtHdrHopByHop(options=[inet6.RouterAlert(value=0)])
        expected.append(HOP_BY_HOP)
    for kind in kinds:
        packet /= makers[kind]()
        expected.append(numbers[kind])
    raw = bytes(packet / inet.UDP(sport=1, dport=2) / Raw(data))
    header = Ipv6Header.parse(raw)
    chain = walk(raw, 40, len(raw), header.next_header, NEXT_HEADER_AT)
    assert [extension.protocol for extension in chain.extensions] == expected
    assert chain.protocol == UDP == raw[chain.protocol_at]
    assert UdpHeader.parse(raw, chain.offset).length == 8 + len(data)
    for extension in chain.extensions:
        ours = raw[extension.start : extension.end]
        if extension.protocol == FRAGMENT:
            assert chain.fragment is not None
            assert chain.fragment.identification == identifier
            assert chain.fragment.build() == ours
        elif extension.protocol == ROUTING:
            routing = RoutingHeader.parse(raw, extension.start, extension.end)
            assert (routing.routing_type, routing.segments_left, len(routing.data)) == (0, 1, 20)
            assert routing.build() == ours
        else:
            options = OptionsHeader.parse(raw, extension.start, extension.end)
            known = Ipv6Option(5, bytes(2)) if extension.protocol == HOP_BY_HOP else Ipv6Option(0x1E, data)
            assert known in [option for _, option in iterate_options(options.options)]
            assert options.build() == ours


@examples
@given(make.fragment_headers)
def test_scapy_reads_our_fragment_header(header: FragmentHeader) -> None:
    packet = inet6.IPv6ExtHdrFragment(header.build())
    assert (packet.nh, 8 * packet.offset, bool(packet.m), packet.id) == (
        header.next_header,
        header.fragment_offset,
        header.more_fragments,
        header.identification,
    )
    assert packet.res1 << 2 | packet.res2 == header.reserved


@examples
@given(st.lists(st.builds(Ipv6Option, st.just(0x3E), st.binary(min_size=1, max_size=40)), max_size=6))
def test_scapy_reads_our_options_header(options: list[Ipv6Option]) -> None:
    header = OptionsHeader(NO_NEXT_HEADER, pad_options(build_options(options)))
    packet = inet6.IPv6ExtHdrDestOpt(header.build())
    assert [(option.otype, option.optdata) for option in packet.options if option.otype not in (0, 1)] == [
        (option.kind, option.data) for option in options
    ]
    assert [option.otype for option in packet.options] == [
        option.kind for _, option in iterate_options(header.options)
    ]


# ICMP


@examples
@given(bits(16), bits(16), st.binary(max_size=41))
def test_icmpv4_echo_both_ways(identifier: int, sequence: int, data: bytes) -> None:
    theirs = bytes(inet.ICMP(type=8, id=identifier, seq=sequence) / Raw(data))
    header = Icmpv4Header.echo(icmpv4.ECHO_REQUEST, identifier, sequence)
    header.checksum = internet_checksum(header.build(), data)
    assert header.build() + data == theirs
    assert Icmpv4Header.parse(theirs) == header


@examples
@given(bits(16), make.v4, bits(8), st.tuples(bits(32), bits(32), bits(32)))
def test_what_the_second_word_of_icmpv4_means(
    mtu: int, gateway: bytes, pointer: int, times: tuple[int, int, int]
) -> None:
    def ours(packet: Any) -> Icmpv4Header:
        raw = bytes(packet)
        header = Icmpv4Header.parse(raw)
        assert internet_checksum(raw) == 0
        assert header.build() == raw[:8]
        return header

    assert ours(inet.ICMP(type=3, code=4, nexthopmtu=mtu)).next_hop_mtu == mtu
    assert ours(inet.ICMP(type=5, code=1, gw=format_address(gateway))).gateway == gateway
    assert ours(inet.ICMP(type=12, ptr=pointer)).pointer == pointer
    packet = inet.ICMP(type=13, id=1, seq=2, ts_ori=times[0], ts_rx=times[1], ts_tx=times[2])
    assert (ours(packet).identifier, ours(packet).sequence) == (1, 2)
    assert TimestampTimes.parse(bytes(packet), 8) == TimestampTimes(*times)


@examples
@given(make.v6, make.v6, bits(16), bits(16), bits(32), st.binary(max_size=41))
def test_icmpv6_both_ways(
    source: bytes, destination: bytes, identifier: int, sequence: int, word: int, data: bytes
) -> None:
    network = inet6.IPv6(src=format_address(source), dst=format_address(destination))
    echo = Icmpv6Header.echo(icmpv6.ECHO_REQUEST, identifier, sequence)
    messages = [
        (inet6.ICMPv6EchoRequest(id=identifier, seq=sequence, data=data), echo),
        (inet6.ICMPv6PacketTooBig(mtu=word) / Raw(data), Icmpv6Header(icmpv6.PACKET_TOO_BIG, rest=word)),
        (inet6.ICMPv6ParamProblem(code=1, ptr=word) / Raw(data), Icmpv6Header(icmpv6.PARAMETER_PROBLEM, 1, rest=word)),
        (inet6.ICMPv6TimeExceeded(code=1) / Raw(data), Icmpv6Header(icmpv6.TIME_EXCEEDED, 1)),
        (inet6.ICMPv6DestUnreach(code=4) / Raw(data), Icmpv6Header(icmpv6.DESTINATION_UNREACHABLE, 4)),
    ]  # fmt: skip
    for packet, header in messages:
        theirs = bytes(network / packet)[40:]
        header.checksum = pseudo_header_sum(source, destination, ICMPV6, 8 + len(data))
        done = complete(Frame(header.build(), data, Checksum.PARTIAL, transport=0, checksum_at=2))
        assert _same_sum(bytes(done), theirs, at=2)
        parsed = Icmpv6Header.parse(theirs)
        assert (parsed.type, parsed.code, parsed.rest) == (header.type, header.code, header.rest)


def _same_sum(ours: bytes, theirs: bytes, at: int) -> bool:
    """Equal, but for the two representations of zero in the checksum."""
    if ours[at : at + 2] == b"\xff\xff" and theirs[at : at + 2] == bytes(2):
        theirs = theirs[:at] + b"\xff\xff" + theirs[at + 2 :]
    return ours == theirs


# Neighbour discovery


def _scapy_option(option: Any) -> Any:
    match option:
        case LinkLayerAddress(1, address):
            return inet6.ICMPv6NDOptSrcLLAddr(lladdr=format_mac(address))
        case LinkLayerAddress(_, address):
            return inet6.ICMPv6NDOptDstLLAddr(lladdr=format_mac(address))
        case PrefixInformation():
            return inet6.ICMPv6NDOptPrefixInfo(
                prefixlen=option.length,
                L=option.on_link,
                A=option.autonomous,
                validlifetime=option.valid_lifetime,
                preferredlifetime=option.preferred_lifetime,
                prefix=format_address(option.prefix),
            )
        case MtuOption(mtu):
            return inet6.ICMPv6NDOptMTU(mtu=mtu)
        case RawOption(kind, data):
            return inet6.ICMPv6NDOptUnknown(type=kind, len=(2 + len(data)) // 8, data=data)
    raise AssertionError(option)


scapy_options = st.lists(
    st.one_of(
        st.builds(LinkLayerAddress, st.sampled_from((1, 2)), octets(6)),
        st.builds(PrefixInformation, make.v6, bits(8), make.flags, make.flags, bits(32), bits(32)),
        st.builds(MtuOption, bits(32)),
        st.builds(RawOption, st.just(200), make.whole_units),
    ),
    max_size=3,
).map(tuple)


@examples
@given(
    make.unicast_v6, make.unicast_v6, make.flags, make.flags, make.flags, bits(16), bits(32), scapy_options
)
def test_neighbour_discovery_both_ways(
    target: bytes, destination: bytes, one: bool, two: bool, three: bool, short: int, long: int, options: Any
) -> None:
    there, beyond = format_address(target), format_address(destination)
    pairs: list[tuple[Any, ndp.NdpMessage]] = [
        (inet6.ICMPv6ND_RS(res=long), ndp.RouterSolicitation(options, reserved=long)),
        (
            inet6.ICMPv6ND_RA(
                chlim=short >> 8,
                M=one,
                O=two,
                prf=0,
                routerlifetime=short,
                reachabletime=long,
                retranstimer=short,
            ),
            ndp.RouterAdvertisement(short >> 8, one, two, short, long, short, options),
        ),
        (inet6.ICMPv6ND_NS(tgt=there), ndp.NeighbourSolicitation(target, options)),
        (
            inet6.ICMPv6ND_NA(tgt=there, R=one, S=two, O=three),
            ndp.NeighbourAdvertisement(target, one, two, three, options),
        ),
        (inet6.ICMPv6ND_Redirect(tgt=there, dst=beyond), ndp.Redirect(target, destination, options)),
    ]
    for packet, message in pairs:
        packet.cksum = message.checksum = 0x1234
        for option in options:
            packet /= _scapy_option(option)
        assert message.build() == bytes(packet)
        assert ndp.parse_message(bytes(packet)) == message


def test_scapy_reads_the_packet_in_our_redirect() -> None:
    quoted = Ipv6Header(b"\x20" * 16, b"\x30" * 16, NO_NEXT_HEADER, 0).build()
    message = ndp.Redirect(b"\x20" * 16, b"\x30" * 16, (RedirectedHeader(quoted),))
    option = inet6.ICMPv6ND_Redirect(message.build()).payload
    assert isinstance(option, inet6.ICMPv6NDOptRedirectedHdr)
    assert bytes(option.pkt) == quoted


# Transports


def _network(addresses: tuple[bytes, bytes]) -> Any:
    source, destination = (format_address(address) for address in addresses)
    layer = inet.IP if len(addresses[0]) == 4 else inet6.IPv6
    return layer(src=source, dst=destination)


@examples
@given(some_addresses, make.ports, make.ports, st.binary(max_size=61))
def test_udp_both_ways(addresses: tuple[bytes, bytes], here: int, there: int, data: bytes) -> None:
    size = 8 + len(data)
    packet = _network(addresses) / inet.UDP(sport=here, dport=there) / Raw(data)
    theirs = bytes(packet)[-size:]
    total = pseudo_header_sum(*addresses, UDP, size)
    head = UdpHeader(here, there, size, total).build()
    done = complete(Frame(head, data, Checksum.PARTIAL, transport=0, checksum_at=6))
    assert bytes(done) == theirs
    assert UdpHeader.parse(theirs) == UdpHeader(here, there, size, int.from_bytes(theirs[6:8]))
    assert fold(total + ones_sum(theirs)) == 0xFFFF


@examples
@given(some_addresses, make.tcp_headers, st.binary(max_size=61))
def test_tcp_both_ways(addresses: tuple[bytes, bytes], header: TcpHeader, data: bytes) -> None:
    header.options = b"\x01" * len(header.options)
    size = header.header_length + len(data)
    packet = _network(addresses) / inet.TCP(
        sport=header.source_port,
        dport=header.destination_port,
        seq=header.sequence,
        ack=header.acknowledgment,
        flags=header.flags,
        window=header.window,
        urgptr=header.urgent,
        reserved=header.reserved,
        options=[("NOP", None)] * len(header.options),
    )
    theirs = bytes(packet / Raw(data))[-size:]
    header.checksum = pseudo_header_sum(*addresses, TCP, size)
    done = complete(Frame(header.build(), data, Checksum.PARTIAL, transport=0, checksum_at=tcp.CHECKSUM_AT))
    assert _same_sum(bytes(done), theirs, at=tcp.CHECKSUM_AT)
    header.checksum = int.from_bytes(theirs[16:18])
    assert TcpHeader.parse(theirs) == header


def _scapy_options(options: TcpOptions) -> set[tuple[str, Any]]:
    theirs: set[tuple[str, Any]] = {(f"{option.kind}", option.data) for option in options.unknown}
    if options.mss is not None:
        theirs.add(("MSS", options.mss))
    if options.window_scale is not None:
        theirs.add(("WScale", options.window_scale))
    if options.sack_permitted:
        theirs.add(("SAckOK", b""))
    if options.timestamp is not None:
        theirs.add(("Timestamp", (options.timestamp, options.timestamp_echo)))
    if options.sack:
        theirs.add(("SAck", tuple(edge for block in options.sack for edge in block)))
    return theirs


known_tcp_options = make.tcp_options.filter(
    lambda options: not options.unknown and options.accurate_ecn is None  # It knows RFC 9768 by name only.
)


@examples
@given(known_tcp_options)
def test_scapy_reads_our_tcp_options(options: TcpOptions) -> None:
    packet = inet.TCP(TcpHeader(1, 2, 3, 4, 0, 5, options=options.build()).build())
    assert {option for option in packet.options if option[0] not in ("NOP", "EOL")} == _scapy_options(options)


@examples
@given(known_tcp_options, st.randoms())
def test_we_read_scapys_tcp_options_in_any_order(options: TcpOptions, random: Any) -> None:
    theirs = sorted(_scapy_options(options))
    random.shuffle(theirs)
    header = TcpHeader.parse(bytes(inet.TCP(options=theirs)))
    assert TcpOptions.parse(header.options) == options
