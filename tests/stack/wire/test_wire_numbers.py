"""The numbers that others know these things by."""

from __future__ import annotations

import socket
from enum import IntEnum

import pytest

from stack.wire import icmpv4, icmpv6, ipv4_options, ndp_options, protocols


def test_protocols_are_those_of_the_socket_module() -> None:
    assert protocols.HOP_BY_HOP == socket.IPPROTO_HOPOPTS
    assert protocols.ICMP == socket.IPPROTO_ICMP
    assert protocols.IGMP == socket.IPPROTO_IGMP
    assert protocols.TCP == socket.IPPROTO_TCP
    assert protocols.UDP == socket.IPPROTO_UDP
    assert protocols.ROUTING == socket.IPPROTO_ROUTING
    assert protocols.FRAGMENT == socket.IPPROTO_FRAGMENT
    assert protocols.ICMPV6 == socket.IPPROTO_ICMPV6
    assert protocols.NO_NEXT_HEADER == socket.IPPROTO_NONE
    assert protocols.DESTINATION_OPTIONS == socket.IPPROTO_DSTOPTS


def test_icmpv4_types_are_those_of_rfc_792() -> None:
    assert (icmpv4.ECHO_REPLY, icmpv4.ECHO_REQUEST) == (0, 8)
    assert (icmpv4.DESTINATION_UNREACHABLE, icmpv4.SOURCE_QUENCH, icmpv4.REDIRECT) == (3, 4, 5)
    assert (icmpv4.TIME_EXCEEDED, icmpv4.PARAMETER_PROBLEM) == (11, 12)
    assert (icmpv4.TIMESTAMP_REQUEST, icmpv4.TIMESTAMP_REPLY) == (13, 14)


def test_icmpv6_types_are_those_of_rfc_4443_and_4861() -> None:
    assert (icmpv6.DESTINATION_UNREACHABLE, icmpv6.PACKET_TOO_BIG) == (1, 2)
    assert (icmpv6.TIME_EXCEEDED, icmpv6.PARAMETER_PROBLEM) == (3, 4)
    assert (icmpv6.ECHO_REQUEST, icmpv6.ECHO_REPLY) == (128, 129)
    assert (icmpv6.ROUTER_SOLICITATION, icmpv6.ROUTER_ADVERTISEMENT) == (133, 134)
    assert (icmpv6.NEIGHBOUR_SOLICITATION, icmpv6.NEIGHBOUR_ADVERTISEMENT) == (135, 136)
    assert icmpv6.REDIRECT == 137


@pytest.mark.parametrize(
    ("codes", "names"),
    [
        (
            icmpv4.UnreachableCode,
            "NETWORK HOST PROTOCOL PORT FRAGMENTATION_NEEDED SOURCE_ROUTE_FAILED NETWORK_UNKNOWN HOST_UNKNOWN "
            "SOURCE_HOST_ISOLATED NETWORK_PROHIBITED HOST_PROHIBITED NETWORK_TYPE_OF_SERVICE HOST_TYPE_OF_SERVICE "
            "PROHIBITED HOST_PRECEDENCE_VIOLATION PRECEDENCE_CUTOFF",
        ),
        (icmpv4.RedirectCode, "NETWORK HOST NETWORK_TYPE_OF_SERVICE HOST_TYPE_OF_SERVICE"),
        (icmpv4.TimeExceededCode, "TRANSIT REASSEMBLY"),
        (icmpv4.ParameterProblemCode, "POINTER MISSING_OPTION"),
        (icmpv6.UnreachableCode, "NO_ROUTE PROHIBITED BEYOND_SCOPE ADDRESS PORT SOURCE_POLICY REJECT_ROUTE"),
        (icmpv6.TimeExceededCode, "TRANSIT REASSEMBLY"),
        (
            icmpv6.ParameterProblemCode,
            "ERRONEOUS_FIELD UNRECOGNIZED_NEXT_HEADER UNRECOGNIZED_OPTION INCOMPLETE_CHAIN",
        ),
    ],
)
def test_icmp_codes_count_from_zero_in_the_order_of_the_rfcs(codes: type[IntEnum], names: str) -> None:
    assert {code.name: code.value for code in codes} == {
        name: number for number, name in enumerate(names.split())
    }


def test_option_kinds() -> None:
    # RFC 791 and RFC 2113: copied flag, class and number.
    assert ipv4_options.RECORD_ROUTE == 0b0_00_00111
    assert ipv4_options.TIMESTAMP == 0b0_10_00100
    assert ipv4_options.LOOSE_SOURCE_ROUTE == 0b1_00_00011
    assert ipv4_options.STRICT_SOURCE_ROUTE == 0b1_00_01001
    assert ipv4_options.ROUTER_ALERT == 0b1_00_10100
    # RFC 4861 4.6.
    assert ndp_options.SOURCE_LINK_LAYER_ADDRESS == 1
    assert ndp_options.TARGET_LINK_LAYER_ADDRESS == 2
    assert (ndp_options.PREFIX_INFORMATION, ndp_options.REDIRECTED_HEADER, ndp_options.MTU) == (3, 4, 5)
