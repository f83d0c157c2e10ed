"""ICMP messages by the names that scripts use (RFC 792, RFC 1122, RFC 1812, RFC 4443)."""

from __future__ import annotations

from typing import Final

from scenarios.packetdrill.syntax import IcmpMessage

_V4_UNREACHABLE: Final = {
    "net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2, "port_unreachable": 3, "frag_needed": 4,
    "source_route_failed": 5, "net_unknown": 6, "host_unknown": 7, "source_host_isolated": 8, "net_prohibited": 9,
    "host_prohibited": 10, "net_unreachable_for_tos": 11, "host_unreachable_for_tos": 12, "packet_filtered": 13,
    "communication_prohibited": 13, "admin_prohibited": 13, "precedence_violation": 14, "precedence_cutoff": 15,
}  # fmt: skip
_V6_UNREACHABLE: Final = {
    "no_route": 0, "net_unreachable": 0, "admin_prohibited": 1, "beyond_scope": 2, "not_neighbour": 2,
    "address_unreachable": 3, "host_unreachable": 3, "port_unreachable": 4, "policy_failed": 5, "reject_route": 6,
}  # fmt: skip
_V4_EXCEEDED: Final = {"exc_ttl": 0, "ttl": 0, "transit": 0, "exc_fragtime": 1, "reassembly": 1}
_V6_EXCEEDED: Final = {"exceed_hoplimit": 0, "exceed_reassembly": 1, "transit": 0, "reassembly": 1}

_V4: Final = {
    "echo_reply": (0, {}),
    "unreachable": (3, _V4_UNREACHABLE),
    "source_quench": (4, {}),
    "redirect": (5, {"net": 0, "host": 1, "tos_net": 2, "tos_host": 3}),
    "echo_request": (8, {}),
    "time_exceeded": (11, _V4_EXCEEDED),
    "parameter_problem": (12, {}),
}
_V6: Final = {
    "unreachable": (1, _V6_UNREACHABLE),
    "packet_too_big": (2, {}),
    "time_exceeded": (3, _V6_EXCEEDED),
    "parameter_problem": (4, {"header_field": 0, "unknown_next_header": 1, "unknown_option": 2}),
    "echo_request": (128, {}),
    "echo_reply": (129, {}),
}


def outbound_types(message: IcmpMessage, v6: bool) -> tuple[int, int] | None:
    """Type and code of a message, or None if the names mean nothing in this family."""
    kind = (_V6 if v6 else _V4).get(message.type)
    if kind is None:
        return None
    number, codes = kind
    if not message.code:
        return number, 0
    return (number, codes[message.code]) if message.code in codes else None
