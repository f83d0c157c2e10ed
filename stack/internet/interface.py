"""Interfaces: where a host and a link meet."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from struct import Struct
from typing import TYPE_CHECKING

from stack.errors import os_error
from stack.internet.ipv6_path import IPV6_MINIMUM_MTU
from stack.internet.neighbours import FixedHop, NeighbourTable, NextHop
from stack.internet.route import Route
from stack.link import Checksum, Frame, Link, Medium
from stack.wire.address import (
    ALL_NODES_V4,
    ALL_NODES_V6,
    ALL_ROUTERS_V6,
    BROADCAST_MAC,
    BROADCAST_V4,
    InterfaceAddress,
    is_multicast,
    multicast_mac,
    solicited_node,
)
from stack.wire.checksum import complete
from stack.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    HEADER_LENGTH,
    build_header,
)
from stack.wire.segmentation import segments

if TYPE_CHECKING:
    from stack.host import Host

_ETHERNET = Struct("!6s6sH")
_TAG = Struct("!HH")
_COMPLETE = Checksum.COMPLETE


class Interface:
    """One attachment of a host to a link: addresses, groups, neighbours, and the way in for its frames."""

    def __init__(self, host: Host, name: str, link: Link, mac: bytes, index: int) -> None:
        self.host = host
        self.name = name
        self.link = link
        self.mac = mac
        """Empty on a link without link-layer addresses."""
        self.index = index
        """The scope identifier of link-local addresses on this interface (RFC 4007 6); counts from 1."""
        self.mtu = link.mtu
        """Bytes of IP packet that one frame carries."""
        self.addresses: list[InterfaceAddress] = []
        self.neighbours = NeighbourTable(self, host.arp, host.ndp)
        self.groups: dict[bytes, int] = {}
        """The multicast groups whose packets are taken here, and how often each was joined."""
        self.broadcasts: dict[bytes, int] = {BROADCAST_V4: 1}
        """The IPv4 addresses that mean everybody on this link (RFC 1122 3.2.1.3), and how often."""
        self._up = True
        self._group_macs: dict[bytes, int] = {}
        self._ethernet = link.medium is Medium.ETHERNET
        self._ipv4 = host.ipv4
        self._ipv6 = host.ipv6
        self._direct = FixedHop(self, b"")
        for group in (ALL_NODES_V4, ALL_NODES_V6):
            self.join(group)
        if host.config.ip.forwarding:
            self.join(ALL_ROUTERS_V6)
        link.attach(self.receive)
        link.attach_batches(self.receive_batch)

    def __repr__(self) -> str:
        return f"<Interface {self.host.name} {self.name}>"

    # --- frames ---------------------------------------------------------------------------------------------------

    def receive(self, frame: Frame) -> None:
        """Take a frame from the link. Whatever is in it, nothing is raised."""
        if not self._up:
            self.host.drop("interface.down", frame)
            return
        if not self._ethernet:
            self._packet_arrives(frame)
            return
        head = frame.head
        if len(head) < HEADER_LENGTH:
            self.host.drop("ethernet.truncated", frame)
            return
        destination, _, ethertype = _ETHERNET.unpack_from(head)
        to_many = False
        if destination != self.mac:
            if destination != BROADCAST_MAC and destination not in self._group_macs:
                self.host.drop("ethernet.not_for_us", frame)
                return
            to_many = True
        start = HEADER_LENGTH
        if ethertype == ETHERTYPE_VLAN:
            if len(head) < HEADER_LENGTH + _TAG.size:
                self.host.drop("ethernet.truncated", frame)
                return
            control, ethertype = _TAG.unpack_from(head, HEADER_LENGTH)
            if control & 0xFFF:
                self.host.drop("ethernet.vlan", frame)
                return
            start += _TAG.size  # VLAN identifier 0: the tag is there for its priority only (802.1Q 6.8).
        if ethertype == ETHERTYPE_IPV4:
            self._ipv4.receive(self, frame, start, to_many)
        elif ethertype == ETHERTYPE_IPV6:
            self._ipv6.receive(self, frame, start, to_many)
        elif ethertype == ETHERTYPE_ARP:
            self.host.arp.receive(self, frame, start)
        else:
            self.host.drop("ethernet.unknown_ethertype", frame)

    def receive_batch(self, frames: Iterable[Frame]) -> None:
        """Take frames that arrived together, so that each connection answers them together."""
        with self.host.tcp.answering_once():
            for frame in frames:
                self.receive(frame)

    def _packet_arrives(self, frame: Frame) -> None:
        """A frame that has no link header."""
        head = frame.head
        version = head[0] >> 4 if head else 0
        if version == 4:
            self._ipv4.receive(self, frame, 0, False)
        elif version == 6:
            self._ipv6.receive(self, frame, 0, False)
        else:
            self.host.drop("ip.bad_version", frame)

    def transmit(self, frame: Frame) -> None:
        """Give a frame to the link, with what the link does not do itself already done."""
        if not self._up:
            self.host.drop("interface.down", frame)
            return
        if frame.checksum is not _COMPLETE:
            offload = self.link.offload
            if frame.segment_size:
                start = HEADER_LENGTH if self._ethernet else 0
                if len(frame.head) + len(frame.payload) - start > offload.segmentation:
                    for segment in segments(frame, start):
                        self.transmit(segment)
                    return
            if not offload.checksum:
                frame = complete(frame)
        self.link.transmit(frame)

    def link_header(self, mac: bytes, ethertype: int) -> bytes:
        """What stands in front of a packet to ``mac``."""
        return build_header(mac, self.mac, ethertype) if self._ethernet else b""

    def next_hop(self, address: bytes, broadcast: bool) -> NextHop:
        """How packets get to a neighbour, a group, or all."""
        if not self._ethernet:
            return self._direct
        ethertype = ETHERTYPE_IPV4 if len(address) == 4 else ETHERTYPE_IPV6
        if broadcast:
            return FixedHop(self, self.link_header(BROADCAST_MAC, ethertype))
        if is_multicast(address):
            return FixedHop(self, self.link_header(multicast_mac(address), ethertype))
        return self.neighbours.entry(address)

    # --- state ----------------------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """While it is down nothing is sent or received, and no route leads through it."""
        return self._up

    @up.setter
    def up(self, up: bool) -> None:
        if up == self._up:
            return
        self._up = up
        self.neighbours.clear()
        self.host.routes_changed()
        if up:
            for address in self.addresses:
                self.announce(address.address)

    def close(self) -> None:
        """Leave the link for good; nothing stays at the clock."""
        self._up = False
        self.neighbours.clear()
        self.link.close()

    # --- addresses and groups ---------------------------------------------------------------------------------------

    def has_address(self, address: bytes) -> bool:
        """Whether it is one of the interface's unicast addresses."""
        return any(mine.address == address for mine in self.addresses)

    def join(self, group: bytes) -> None:
        """Take packets to a multicast group, until as many calls of :meth:`leave`."""
        if self.groups.get(group, 0) == 0:
            mac = multicast_mac(group)
            self._group_macs[mac] = self._group_macs.get(mac, 0) + 1
        self.groups[group] = self.groups.get(group, 0) + 1

    def leave(self, group: bytes) -> None:
        """Undo one :meth:`join`. Raises ``OSError`` EADDRNOTAVAIL if there was none."""
        _release(self.groups, group)
        if group not in self.groups:
            _release(self._group_macs, multicast_mac(group))

    def add_address(self, address: InterfaceAddress) -> None:
        """See :meth:`Host.add_address() <stack.host.Host.add_address>`, which does the host's part."""
        packed = address.address
        if is_multicast(packed) or packed == BROADCAST_V4 or not any(packed):
            raise os_error(errno.EADDRNOTAVAIL)
        if self.has_address(packed):
            raise os_error(errno.EEXIST)
        if len(packed) == 16 and self.mtu < IPV6_MINIMUM_MTU:
            raise os_error(errno.EINVAL)
        self.addresses.append(address)
        self.host.routes.add(Route(address.prefix, self, connected=True))
        if len(packed) == 16:
            self.join(solicited_node(packed))
        if address.broadcast is not None:
            self.broadcasts[address.broadcast] = self.broadcasts.get(address.broadcast, 0) + 1

    def remove_address(self, address: InterfaceAddress) -> None:
        """See :meth:`Host.remove_address() <stack.host.Host.remove_address>`, which does the host's part."""
        if address not in self.addresses:
            raise os_error(errno.EADDRNOTAVAIL)
        self.addresses.remove(address)
        self.host.routes.remove(Route(address.prefix, self, connected=True))
        if len(address.address) == 16:
            self.leave(solicited_node(address.address))
        if address.broadcast is not None:
            _release(self.broadcasts, address.broadcast)

    def announce(self, address: bytes) -> None:
        """Tell the neighbours where an address is (RFC 5227 2.3, RFC 4861 7.2.6)."""
        if self._ethernet and self._up and self.host.config.neighbour.gratuitous:
            (self.host.arp if len(address) == 4 else self.host.ndp).announce(self, address)


def link_local_address(mac: bytes) -> InterfaceAddress:
    """fe80::/64 with the modified EUI-64 of the MAC (RFC 4291 2.5.6, appendix A; RFC 2464 5)."""
    identifier = bytes((mac[0] ^ 0x02,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return InterfaceAddress(b"\xfe\x80" + bytes(6) + identifier, 64)


def _release(counts: dict[bytes, int], key: bytes) -> None:
    count = counts.get(key, 0)
    if count == 0:
        raise os_error(errno.EADDRNOTAVAIL)
    if count == 1:
        del counts[key]
    else:
        counts[key] = count - 1
