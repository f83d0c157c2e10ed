"""The socket manager: the sockets of one host, by descriptor."""

from __future__ import annotations

import errno
import socket as bsd
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from stack.config import KIB
from stack.errors import os_error
from stack.sockets.datagram import DatagramSocket
from stack.sockets.ping import PingSocket
from stack.sockets.settings import Settings
from stack.sockets.socket import Socket
from stack.sockets.stream import StreamSocket

if TYPE_CHECKING:
    from stack.host import Host

FIRST_DESCRIPTOR: Final = 3
"""As in a process whose standard streams are open."""
_SEND_BUFFER: Final = 208 * KIB
"""Linux wmem_default."""
_FLAGS: Final = bsd.SOCK_NONBLOCK | bsd.SOCK_CLOEXEC
_PING: Final[dict[int, int]] = {bsd.AF_INET: bsd.IPPROTO_ICMP, bsd.AF_INET6: bsd.IPPROTO_ICMPV6}


class SocketManager:
    """Creates sockets, and knows those that are open by the lowest descriptor that was free (POSIX 2.14)."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._sockets: dict[int, Socket] = {}
        self._free: list[int] = []
        self._next = FIRST_DESCRIPTOR

    def socket(self, family: int = bsd.AF_INET, type: int = bsd.SOCK_STREAM, protocol: int = 0) -> Socket:
        """A new socket: TCP, UDP or ping, over IPv4 or IPv6.

        Raises OSError: EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT.
        """
        host = self._host
        if family not in (bsd.AF_INET, bsd.AF_INET6):
            raise os_error(errno.EAFNOSUPPORT)
        type &= ~_FLAGS
        settings = Settings(_SEND_BUFFER, host.config.udp.receive_buffer)
        made: Socket
        if type == bsd.SOCK_STREAM and protocol in (0, bsd.IPPROTO_TCP):
            made = StreamSocket(host, family, bsd.IPPROTO_TCP, settings, host.config.tcp)
        elif type == bsd.SOCK_DGRAM and protocol in (0, bsd.IPPROTO_UDP):
            made = DatagramSocket(host, family, bsd.IPPROTO_UDP, settings)
        elif type == bsd.SOCK_DGRAM and protocol == _PING[family]:
            made = PingSocket(host, family, protocol, settings)
        elif type in (bsd.SOCK_STREAM, bsd.SOCK_DGRAM):
            raise os_error(errno.EPROTONOSUPPORT)
        else:
            raise os_error(errno.ESOCKTNOSUPPORT)
        self.add(made)
        return made

    def add(self, socket: Socket) -> None:
        """Give a socket the lowest free descriptor."""
        if self._free:
            socket.descriptor = heappop(self._free)
        else:
            socket.descriptor = self._next
            self._next += 1
        self._sockets[socket.descriptor] = socket

    def forget(self, socket: Socket) -> None:
        """Take the descriptor back from a socket that closes."""
        del self._sockets[socket.descriptor]
        heappush(self._free, socket.descriptor)
        socket.descriptor = -1

    def __getitem__(self, descriptor: int) -> Socket:
        """The open socket with this descriptor. Raises OSError: EBADF."""
        try:
            return self._sockets[descriptor]
        except KeyError:
            raise os_error(errno.EBADF) from None

    def __len__(self) -> int:
        """How many are open."""
        return len(self._sockets)

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self._sockets.values()))

    def close(self) -> None:
        """Every socket vanishes, as when the machine loses power: nothing is sent, who waits gets EBADF."""
        for socket in self:
            socket.vanish()
