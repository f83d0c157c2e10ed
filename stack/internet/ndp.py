"""Neighbour discovery for IPv6, the part that hosts with fixed addresses need: RFC 4861 7 and 8, RFC 6980."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.internet.neighbours import Solicitor, prepend
from stack.link import Checksum, Frame
from stack.wire.address import (
    ALL_NODES_V6,
    UNSPECIFIED_V6,
    is_link_local,
    is_multicast,
    solicited_node,
)
from stack.wire.checksum import pseudo_header_sum
from stack.wire.errors import Malformed
from stack.wire.ethernet import ETHERTYPE_IPV6
from stack.wire.icmp import CHECKSUM_AT
from stack.wire.ipv6 import HEADER_LENGTH, Ipv6Header
from stack.wire.ndp import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Redirect,
    parse_message,
)
from stack.wire.ndp_options import (
    SOURCE_LINK_LAYER_ADDRESS,
    TARGET_LINK_LAYER_ADDRESS,
    LinkLayerAddress,
    link_layer_address,
)
from stack.wire.protocols import ICMPV6

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface
    from stack.internet.packet import Packet

HOP_LIMIT = 255
"""Of every message: one that crossed a router arrives with less (RFC 4861 7.1)."""
_GROUP_BIT = 0x01


class NeighbourDiscovery(Solicitor):
    """Neighbour discovery of one host."""

    ethertype = ETHERTYPE_IPV6

    def __init__(self, host: Host) -> None:
        self._host = host

    def message_arrives(self, packet: Packet, message: bytes) -> None:
        """Take an ICMPv6 message of neighbour discovery whose checksum is right."""
        if packet.hop_limit != HOP_LIMIT:
            self._drop("bad_hop_limit", packet)
            return
        if packet.reassembled:  # RFC 6980 5
            self._drop("fragmented", packet)
            return
        if not packet.interface.mac:
            self._drop("no_link_layer", packet)
            return
        try:
            parsed = parse_message(message)
        except Malformed as malformed:
            self._host.drop(malformed.reason, packet.frame)
            return
        self._host.counters["ndp.received"] += 1
        if isinstance(parsed, NeighbourSolicitation):
            self._solicitation_arrives(packet, parsed)
        elif isinstance(parsed, NeighbourAdvertisement):
            self._advertisement_arrives(packet, parsed)
        elif isinstance(parsed, Redirect):
            self._redirect_arrives(packet, parsed)
        else:
            self._drop("router_discovery_ignored", packet)

    def solicit(self, interface: Interface, target: bytes, mac: bytes | None, source: bytes | None) -> None:
        """Ask for ``target``: see :meth:`Solicitor.solicit` (RFC 4861 7.2.2, 7.3.3)."""
        sender = self._sender_address(interface, target, source)
        option = LinkLayerAddress(SOURCE_LINK_LAYER_ADDRESS, interface.mac)
        message = NeighbourSolicitation(target, (option,) if any(sender) else ())
        destination = target if mac is not None else solicited_node(target)
        self._send(interface, sender, destination, message, mac)

    def announce(self, interface: Interface, address: bytes) -> None:
        """Tell all neighbours where an address is (RFC 4861 7.2.6)."""
        self._advertise(interface, address, ALL_NODES_V6, solicited=False)

    # --- input ----------------------------------------------------------------------------------------------------

    def _solicitation_arrives(self, packet: Packet, solicitation: NeighbourSolicitation) -> None:
        """RFC 4861 7.1.1, 7.2.3, 7.2.4."""
        interface, source, target = packet.interface, packet.source, solicitation.target
        mac = link_layer_address(solicitation.options, SOURCE_LINK_LAYER_ADDRESS)
        anonymous = source == UNSPECIFIED_V6
        if anonymous and (
            mac is not None or not packet.destination.startswith(solicited_node(bytes(16))[:13])
        ):
            self._drop("bad_solicitation", packet)
            return
        if mac is not None and mac[0] & _GROUP_BIT:
            self._drop("bad_link_layer_address", packet)
            return
        if not interface.has_address(target):
            self._drop("not_for_us", packet)
            return
        if anonymous:
            # Somebody is about to take our address for his own (RFC 4862 5.4.3).
            self._advertise(interface, target, ALL_NODES_V6, solicited=False)
            return
        if mac is not None:
            interface.neighbours.entry(source).heard(mac)
        self._advertise(interface, target, source, solicited=True)

    def _advertisement_arrives(self, packet: Packet, advertisement: NeighbourAdvertisement) -> None:
        """RFC 4861 7.1.2, 7.2.5."""
        interface, target = packet.interface, advertisement.target
        mac = link_layer_address(advertisement.options, TARGET_LINK_LAYER_ADDRESS)
        if advertisement.solicited and is_multicast(packet.destination):
            self._drop("bad_advertisement", packet)
            return
        if mac is not None and mac[0] & _GROUP_BIT:
            self._drop("bad_link_layer_address", packet)
            return
        if interface.has_address(target):
            self._drop("address_conflict", packet)
            return
        known = interface.neighbours.get(target)
        if known is not None:
            known.advertised(mac, solicited=advertisement.solicited, override=advertisement.override)
        elif advertisement.solicited:
            self._drop("not_asked", packet)

    def _redirect_arrives(self, packet: Packet, redirect: Redirect) -> None:
        """RFC 4861 8.1, 8.3."""
        interface, target = packet.interface, redirect.target
        valid = is_link_local(packet.source) and (is_link_local(target) or target == redirect.destination)
        valid = valid and not self._host.is_local(target)
        if not valid or not self._host.paths.redirect(interface, packet.source, redirect.destination, target):
            self._drop("redirect_ignored", packet)
            return
        mac = link_layer_address(redirect.options, TARGET_LINK_LAYER_ADDRESS)
        if mac is not None and not mac[0] & _GROUP_BIT:
            interface.neighbours.entry(target).heard(mac)

    # --- output ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _sender_address(interface: Interface, target: bytes, source: bytes | None) -> bytes:
        """RFC 4861 7.2.2: what the packet that waits comes from, otherwise the link-local address."""
        if source is not None and interface.has_address(source):
            return source
        mine = [address.address for address in interface.addresses if len(address.address) == 16]
        return next(filter(is_link_local, mine), mine[0] if mine else UNSPECIFIED_V6)

    def _advertise(self, interface: Interface, target: bytes, destination: bytes, *, solicited: bool) -> None:
        message = NeighbourAdvertisement(
            target,
            router=self._host.config.ip.forwarding,
            solicited=solicited,
            override=True,
            options=(LinkLayerAddress(TARGET_LINK_LAYER_ADDRESS, interface.mac),),
        )
        self._send(interface, target, destination, message, None)

    def _send(
        self,
        interface: Interface,
        source: bytes,
        destination: bytes,
        message: NeighbourSolicitation | NeighbourAdvertisement,
        mac: bytes | None,
    ) -> None:
        """Neighbours are on the link, whatever the routes say."""
        body = message.build()
        message.checksum = pseudo_header_sum(source, destination, ICMPV6, len(body))
        header = Ipv6Header(source, destination, ICMPV6, len(body), HOP_LIMIT)
        frame = Frame(
            header.build() + message.build(),
            checksum=Checksum.PARTIAL,
            transport=HEADER_LENGTH,
            checksum_at=HEADER_LENGTH + CHECKSUM_AT,
        )
        self._host.counters["ndp.sent"] += 1
        if mac is None:
            interface.next_hop(destination, False).send(frame)
        else:
            interface.transmit(prepend(interface.link_header(mac, ETHERTYPE_IPV6), frame))

    def _drop(self, reason: str, packet: Packet) -> None:
        self._host.drop(f"ndp.{reason}", packet.frame)
