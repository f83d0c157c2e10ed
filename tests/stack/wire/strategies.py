"""Headers of every kind, drawn by hypothesis: any value that a field can hold."""

from __future__ import annotations

from hypothesis import strategies as st

from stack.wire.arp import ArpPacket
from stack.wire.ethernet import ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN, MAX_TAGS, EthernetHeader, VlanTag
from stack.wire.icmpv4 import Icmpv4Header, TimestampTimes
from stack.wire.icmpv6 import Icmpv6Header
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv4_options import (
    LOOSE_SOURCE_ROUTE,
    RECORD_ROUTE,
    ROUTER_ALERT,
    STRICT_SOURCE_ROUTE,
    TIMESTAMP,
    RouteOption,
    RouterAlertOption,
    TimestampOption,
)
from stack.wire.ipv4_options import build_options as build_ipv4_options
from stack.wire.ipv6 import Ipv6Header
from stack.wire.ipv6_extensions import (
    FragmentHeader,
    Ipv6Option,
    OptionsHeader,
    RoutingHeader,
    build_options,
    pad_options,
)
from stack.wire.ndp import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Redirect,
    RouterAdvertisement,
    RouterSolicitation,
)
from stack.wire.ndp_options import (
    LinkLayerAddress,
    MtuOption,
    PrefixInformation,
    RawOption,
    RedirectedHeader,
)
from stack.wire.options import Option
from stack.wire.tcp import TcpHeader, TcpOptions
from stack.wire.udp import UdpHeader


def bits(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << count) - 1)


def octets(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


macs = octets(6)
v4 = octets(4)
v6 = octets(16)
ports = bits(16)
flags = st.booleans()
raw_options = st.integers(0, 10).flatmap(lambda words: octets(4 * words))

tags = st.builds(VlanTag, bits(12), bits(3), flags, st.sampled_from((ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN)))
ethernet_headers = st.builds(
    EthernetHeader,
    macs,
    macs,
    bits(16).filter(lambda ethertype: ethertype not in (ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN)),
    st.lists(tags, max_size=MAX_TAGS).map(tuple),
)
arp_packets = st.builds(ArpPacket, bits(16), macs, v4, macs, v4)

ipv4_options = st.one_of(
    st.just(Option(1)),
    st.builds(
        RouteOption,
        st.sampled_from((RECORD_ROUTE, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE)),
        st.integers(4, 255),
        st.binary(max_size=36),
    ),
    st.builds(TimestampOption, st.integers(5, 255), bits(4), bits(4), st.binary(max_size=36)),
    st.builds(RouterAlertOption, bits(16)),
    st.builds(
        Option,
        st.integers(2, 255).filter(
            lambda kind: (
                kind not in (RECORD_ROUTE, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE, TIMESTAMP, ROUTER_ALERT)
            )
        ),
        st.binary(max_size=8),
    ),
)
ipv4_option_lists = st.lists(ipv4_options, max_size=6).filter(
    lambda options: len(build_ipv4_options(options)) <= 40
)
ipv4_headers = st.builds(
    Ipv4Header,
    v4,
    v4,
    bits(8),
    st.integers(60, 65535),
    bits(16),
    flags,
    flags,
    bits(13).map(lambda units: 8 * units),
    bits(8),
    bits(8),
    ipv4_option_lists.map(build_ipv4_options),
    st.none(),
    flags,
)

ipv6_headers = st.builds(Ipv6Header, v6, v6, bits(8), bits(16), bits(8), bits(8), bits(20))
ipv6_options = st.one_of(
    st.just(Ipv6Option(0)), st.builds(Ipv6Option, st.integers(1, 255), st.binary(max_size=40))
)
ipv6_option_lists = st.lists(ipv6_options, max_size=6)
options_headers = st.builds(
    OptionsHeader, bits(8), ipv6_option_lists.map(lambda options: pad_options(build_options(options)))
)
routing_headers = st.builds(
    RoutingHeader, bits(8), bits(8), bits(8), st.integers(0, 6).flatmap(lambda units: octets(4 + 8 * units))
)
fragment_headers = st.builds(
    FragmentHeader, bits(8), bits(13).map(lambda units: 8 * units), flags, bits(32), bits(10)
)

icmpv4_headers = st.builds(Icmpv4Header, bits(8), bits(8), bits(16), bits(32))
icmpv6_headers = st.builds(Icmpv6Header, bits(8), bits(8), bits(16), bits(32))
timestamp_times = st.builds(TimestampTimes, bits(32), bits(32), bits(32))

whole_units = st.integers(0, 4).flatmap(lambda units: octets(6 + 8 * units))
ndp_options = st.one_of(
    st.builds(LinkLayerAddress, st.sampled_from((1, 2)), whole_units),
    st.builds(PrefixInformation, v6, bits(8), flags, flags, bits(32), bits(32), bits(38)),
    st.builds(RedirectedHeader, st.integers(0, 4).flatmap(lambda units: octets(8 * units)), octets(6)),
    st.builds(MtuOption, bits(32), bits(16)),
    st.builds(RawOption, st.integers(6, 255), whole_units),
)
ndp_option_lists = st.lists(ndp_options, max_size=4).map(tuple)
unicast_v6 = v6.filter(lambda address: address[0] != 0xFF)
ndp_messages = st.one_of(
    st.builds(RouterSolicitation, ndp_option_lists, bits(16), bits(32)),
    st.builds(
        RouterAdvertisement,
        bits(8),
        flags,
        flags,
        bits(16),
        bits(32),
        bits(32),
        ndp_option_lists,
        bits(16),
        bits(6),
    ),
    st.builds(NeighbourSolicitation, unicast_v6, ndp_option_lists, bits(16), bits(32)),
    st.builds(NeighbourAdvertisement, unicast_v6, flags, flags, flags, ndp_option_lists, bits(16), bits(29)),
    st.builds(Redirect, v6, unicast_v6, ndp_option_lists, bits(16), bits(32)),
)

udp_headers = st.builds(UdpHeader, ports, ports, st.integers(8, 65535), bits(16))
tcp_headers = st.builds(
    TcpHeader, ports, ports, bits(32), bits(32), bits(9), bits(16), bits(16), bits(16), raw_options, bits(3)
)
unknown_tcp_options = st.builds(
    Option, (st.integers(9, 255) | st.sampled_from((6, 7))).filter(lambda kind: kind not in (172, 174)),
    st.binary(max_size=4),
)  # fmt: skip
_counters = bits(24)
accurate_ecn = st.one_of(
    st.tuples(_counters, _counters, _counters),
    st.tuples(_counters, _counters, st.none()),
    st.tuples(_counters, st.none(), st.none()),
    st.tuples(st.none(), _counters, _counters),
    st.tuples(st.none(), st.none(), _counters),
    st.just((None, None, None)),
)


def _fits(options: TcpOptions) -> bool:
    try:
        options.build()
    except ValueError:
        return False
    return True


tcp_options = st.builds(
    TcpOptions,
    st.none() | bits(16),
    st.none() | bits(8),
    flags,
    st.lists(st.tuples(bits(32), bits(32)), max_size=3).map(tuple),
    st.none() | bits(32),
    st.just(0),
    st.lists(unknown_tcp_options, max_size=2).map(tuple),
    st.none() | accurate_ecn,
).filter(_fits)
