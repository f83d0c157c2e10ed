"""The names of all that a host counts (:attr:`stack.host.Host.counters`), for those who ask for one by its name.

A name is ``<protocol>.<what>``. ``received`` and ``sent`` are packets of that protocol which were as they should be,
``forwarded``, ``fragmented`` and ``reassembled`` what became of packets; every other name is the reason for which
something was dropped.
"""

from __future__ import annotations

from typing import Final


def _of(protocol: str, names: str) -> frozenset[str]:
    return frozenset(f"{protocol}.{name}" for name in names.split())


_LINK: Final = (
    _of("interface", "down")
    | _of("ethernet", "not_for_us too_many_tags truncated unknown_ethertype vlan")
    | _of(
        "arp",
        """received sent
        address_conflict bad_hardware bad_length bad_protocol bad_sender truncated""",
    )
    | _of(
        "ndp",
        """received sent
        address_conflict bad_advertisement bad_code bad_destination bad_hop_limit bad_link_layer_address bad_option
        bad_solicitation bad_target bad_type fragmented no_link_layer not_asked not_for_us redirect_ignored
        router_discovery_ignored truncated""",
    )
    | _of("neighbour", "forgotten queue_full")
)
"""The link, and the neighbours on it."""

_INTERNET: Final = (
    _of("ip", "bad_version")
    | _of(
        "ipv4",
        """received sent forwarded fragmented reassembled
        bad_checksum bad_fragment bad_length bad_option bad_version hop_limit_exceeded martian_source no_route
        not_for_us not_forwardable source_route too_big truncated unicast_in_broadcast unknown_protocol unresolved""",
    )
    | _of(
        "ipv6",
        """received sent forwarded fragmented reassembled
        bad_fragment bad_option bad_version hop_limit_exceeded incomplete_chain martian_source no_next_header no_route
        not_for_us not_forwardable routing_header too_big too_many_extensions truncated unknown_next_header
        unknown_option unresolved""",
    )
    | _of("fragments", "duplicate ecn_mismatch memory_full overlap timeout too_many_datagrams")
)
"""IP, and the fragments of both versions that wait for each other."""

_ICMP: Final = _of(
    "icmpv4",
    """received sent
    bad_checksum bad_quote echo_ignored echo_unexpected no_path quote_not_ours quote_without_user rate_limited
    redirect_ignored source_quench truncated unknown_code unknown_type""",
) | _of(
    "icmpv6",
    """received sent
    bad_checksum bad_mtu bad_quote echo_ignored echo_unexpected no_path quote_not_ours quote_without_user
    rate_limited truncated unknown_code unknown_type""",
)

_TRANSPORT: Final = (
    _of("udp", "bad_checksum bad_length no_checksum no_port truncated")
    | _of(
        "tcp",
        """accept_deferred ack_of_unsent ack_too_old ao_icmp ao_missing ao_no_state ao_unknown_key ao_wrong bad_ack
        bad_checksum bad_length bad_option bad_reset data_after_close fast_open_active fast_open_active_failed
        fast_open_bad_cookie fast_open_blackhole fast_open_cookie_requested fast_open_overflow fast_open_passive
        icmp_no_connection icmp_outside_window icmp_truncated listen_overflow md5_missing md5_unexpected md5_wrong
        no_ack no_connection no_path no_syn no_timestamp out_of_order_full outside_window paws reset_in_time_wait
        reset_to_listener syn_fin syn_cookie_invalid syn_cookie_sent syn_cookie_valid syn_overflow time_wait_overflow
        too_big truncated two_signatures unexpected_syn""",
    )
    | _of("socket", "error_queue_full receive_buffer_full shut_down")
)
"""The transports, and the sockets above them."""

COUNTERS: Final = _LINK | _INTERNET | _ICMP | _TRANSPORT
"""Every counter of a host; a host that has never counted one has 0 of it."""
