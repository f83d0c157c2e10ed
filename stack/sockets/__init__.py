"""The socket manager: BSD sockets on a host, and their face for coroutines."""

from stack.sockets.asynchronous import AsyncSocket, listen, open_connection
from stack.sockets.datagram import DatagramSocket
from stack.sockets.manager import SocketManager
from stack.sockets.ping import PingSocket
from stack.sockets.socket import Socket
from stack.sockets.stream import StreamSocket

__all__ = [
    "AsyncSocket",
    "DatagramSocket",
    "PingSocket",
    "Socket",
    "SocketManager",
    "StreamSocket",
    "listen",
    "open_connection",
]
