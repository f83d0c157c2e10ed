"""TCP sockets of two hosts, in the states that tests begin with."""

from __future__ import annotations

import errno
import socket as bsd
from struct import pack

from stack.clock import SECOND
from stack.host import Host
from stack.sockets import StreamSocket
from stack.sockets.address import Address
from tests.stack.sockets.network import Network, refused

MINUTE = 60 * SECOND
B = ("10.0.0.2", 80)
ABORT = pack("ii", 1, 0)


def tcp(
    host: Host, family: int = bsd.AF_INET, address: Address | None = None, *, reuse: bool = False
) -> StreamSocket:
    """A new socket, bound if there is an ``address``."""
    socket = host.sockets.socket(family, bsd.SOCK_STREAM)
    assert isinstance(socket, StreamSocket)
    socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_REUSEADDR, reuse)
    if address is not None:
        socket.bind(address)
    return socket


def listening(
    host: Host, family: int = bsd.AF_INET, address: Address = ("", 80), *, reuse: bool = False
) -> StreamSocket:
    """A listener."""
    socket = tcp(host, family, address, reuse=reuse)
    socket.listen()
    return socket


def connecting(socket: StreamSocket, address: Address = B) -> StreamSocket:
    """The socket, which has begun to connect."""
    with refused(errno.EINPROGRESS):
        socket.connect(address)
    return socket


def pair(network: Network) -> tuple[StreamSocket, StreamSocket]:
    """A connection from ``a`` to ``b``: both ends."""
    with listening(network.b, reuse=True) as listener:
        client = connecting(tcp(network.a))
        network.settle()
        client.connect(B)
        return client, listener.accept()[0]


def flags_sent(network: Network) -> int:
    """The TCP flags of the last frame that ``a`` sent."""
    return bytes(network.at_a.sent[-1])[14 + 20 + 13]


def drain(socket: StreamSocket) -> bytes:
    """What can be read without waiting."""
    data = b""
    try:
        while piece := socket.recv(65536):
            data += piece
    except BlockingIOError:
        pass
    return data
