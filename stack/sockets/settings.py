"""What a socket remembers of the options that were set on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from stack.internet.interface import Interface


class Linger(NamedTuple):
    """SO_LINGER: ``struct linger``."""

    on: bool = False
    seconds: int = 0


NO_LINGER: Final = Linger()


class MtuDiscover(IntEnum):
    """IP_MTU_DISCOVER and IPV6_MTU_DISCOVER: Linux's numbers (``linux/in.h``)."""

    DONT = 0
    """Let routers fragment."""
    WANT = 1
    """Fragment here what is larger than the path MTU, and nowhere else (the default, as on Linux)."""
    DO = 2
    """Fragment nowhere: EMSGSIZE."""


@dataclass(slots=True)
class Settings:
    """Options of any socket; an accepted one starts with a copy of its listener's, as on Linux."""

    send_buffer: int
    """SO_SNDBUF of a datagram socket, which queues nothing: remembered only."""
    receive_buffer: int
    """SO_RCVBUF of a datagram socket."""
    reuse_address: bool = False
    broadcast: bool = False
    v6_only: bool = False
    linger: Linger = NO_LINGER
    ttl: int = 0
    """IP_TTL; 0: the host's default."""
    hops: int = 0
    """IPV6_UNICAST_HOPS; 0: the host's default."""
    multicast_ttl: int = 1
    """IP_MULTICAST_TTL (RFC 1112 6.1)."""
    multicast_hops: int = 1
    """IPV6_MULTICAST_HOPS (RFC 3493 5.2)."""
    tos: int = 0
    """IP_TOS."""
    tclass: int = 0
    """IPV6_TCLASS."""
    mtu_discover: int = MtuDiscover.WANT
    """IP_MTU_DISCOVER."""
    v6_mtu_discover: int = MtuDiscover.WANT
    """IPV6_MTU_DISCOVER."""
    report_errors: bool = False
    """IP_RECVERR."""
    v6_report_errors: bool = False
    """IPV6_RECVERR."""
    receive_low_water: int = 1
    """SO_RCVLOWAT, in bytes."""
    urgent_in_line: bool = False
    """SO_OOBINLINE."""
    cork: bool = False
    """TCP_CORK."""
    quick_ack: bool = True
    """TCP_QUICKACK, as a connection begins."""
    defer_accept: int = 0
    """TCP_DEFER_ACCEPT, in timeouts of the SYN/ACK."""
    unsent_low_water: int = 0
    """TCP_NOTSENT_LOWAT, in bytes; 0: the host's default."""
    tell_unread: bool = False
    """TCP_INQ."""
    details: int = 0
    """What recvmsg tells of IP headers: :class:`~stack.sockets.ancillary.Detail`."""
    zero_copy: bool = False
    """SO_ZEROCOPY."""
    timestamping: int = 0
    """SO_TIMESTAMPING: the bits of :mod:`stack.sockets.reports`."""
    device: Interface | None = None
    """SO_BINDTODEVICE."""
    multicast_interface: Interface | None = None
    """IP_MULTICAST_IF; None: the route says."""
    v6_multicast_interface: Interface | None = None
    """IPV6_MULTICAST_IF."""
    fast_open_queue: int = 0
    """TCP_FASTOPEN: connections whose SYN brought data and whose handshake is not complete; 0: none."""
    fast_open_connect: bool = False
    """TCP_FASTOPEN_CONNECT."""
    segment_size: int = 0
    """UDP_SEGMENT, in bytes of data; 0: what is sent at one time is one datagram."""
    join_segments: bool = False
    """UDP_GRO."""

    def hop_limit_to(self, address: bytes, *, multicast: bool = False) -> int:
        """For packets to ``address``; 0: the host's default."""
        if len(address) == 4:
            return self.multicast_ttl if multicast else self.ttl
        return self.multicast_hops if multicast else self.hops

    def interface_to(self, address: bytes, *, multicast: bool) -> Interface | None:
        """Where packets to ``address`` have to leave; None: wherever the route says."""
        if self.device is not None or not multicast:
            return self.device
        return self.multicast_interface if len(address) == 4 else self.v6_multicast_interface

    def traffic_class_to(self, address: bytes) -> int:
        """For packets to ``address``."""
        return self.tos if len(address) == 4 else self.tclass

    def reports_errors_from(self, address: bytes) -> bool:
        """About packets to ``address``."""
        return self.report_errors if len(address) == 4 else self.v6_report_errors

    def mtu_discover_to(self, address: bytes) -> int:
        """For packets to ``address``."""
        return self.mtu_discover if len(address) == 4 else self.v6_mtu_discover
