"""The Address Resolution Protocol, for IPv4 on Ethernet: RFC 826, RFC 1122 2.3.2, RFC 5227."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.internet.neighbours import Solicitor
from stack.link import Frame
from stack.wire.address import BROADCAST_MAC, UNSPECIFIED_V4, is_multicast
from stack.wire.arp import REPLY, REQUEST, ArpPacket
from stack.wire.errors import Malformed
from stack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface

_NO_MAC = bytes(6)
_GROUP_BIT = 0x01
"""In the first octet of a MAC: it names a group, and nobody has it as his own."""


class Arp(Solicitor):
    """ARP of one host."""

    ethertype = ETHERTYPE_IPV4

    def __init__(self, host: Host) -> None:
        self._host = host

    def receive(self, interface: Interface, frame: Frame, start: int) -> None:
        """Packet reception as RFC 826 words it: merge what we know already, learn and answer if it is for us."""
        try:
            packet = ArpPacket.parse(frame.head, start)
        except Malformed as malformed:
            self._host.drop(malformed.reason, frame)
            return
        sender, mac = packet.sender_address, packet.sender_mac
        if mac[0] & _GROUP_BIT or mac == _NO_MAC or is_multicast(sender) or sender in interface.broadcasts:
            self._host.drop("arp.bad_sender", frame)
            return
        self._host.counters["arp.received"] += 1
        if interface.has_address(sender):
            # Somebody else claims an address of ours (RFC 5227 2.4), which we defend by going on to use it.
            self._host.drop("arp.address_conflict", frame)
            return
        for_us = interface.has_address(packet.target_address)
        if sender != UNSPECIFIED_V4:  # RFC 5227 2.1.1: a probe tells nothing about its sender.
            self._merge(interface, packet, for_us)
        if for_us and packet.operation == REQUEST:
            self._transmit(interface, mac, REPLY, packet.target_address, mac, sender)

    def _merge(self, interface: Interface, packet: ArpPacket, for_us: bool) -> None:
        known = interface.neighbours.get(packet.sender_address)
        if known is not None and for_us and packet.operation == REPLY:
            known.advertised(packet.sender_mac, solicited=known.asked, override=True)
        elif known is not None:
            known.heard(packet.sender_mac)
        elif for_us and packet.operation == REQUEST:
            interface.neighbours.entry(packet.sender_address).heard(packet.sender_mac)

    def solicit(self, interface: Interface, target: bytes, mac: bytes | None, source: bytes | None) -> None:
        """Ask for ``target``: see :meth:`Solicitor.solicit`. A unicast probe is RFC 1122 2.3.2.1's (2)."""
        sender = self._sender_address(interface, target, source)
        self._transmit(interface, mac or BROADCAST_MAC, REQUEST, sender, _NO_MAC, target)

    def announce(self, interface: Interface, address: bytes) -> None:
        """Tell all neighbours where an address is (RFC 5227 2.3)."""
        self._transmit(interface, BROADCAST_MAC, REQUEST, address, _NO_MAC, address)

    @staticmethod
    def _sender_address(interface: Interface, target: bytes, source: bytes | None) -> bytes:
        if source is not None and interface.has_address(source):
            return source
        mine = [address for address in interface.addresses if len(address.address) == 4]
        for address in mine:
            if address.prefix.contains(target):
                return address.address
        return mine[0].address if mine else UNSPECIFIED_V4

    def _transmit(
        self,
        interface: Interface,
        destination: bytes,
        operation: int,
        sender: bytes,
        target_mac: bytes,
        target: bytes,
    ) -> None:
        packet = ArpPacket(operation, interface.mac, sender, target_mac, target)
        self._host.counters["arp.sent"] += 1
        interface.transmit(Frame(interface.link_header(destination, ETHERTYPE_ARP) + packet.build()))
