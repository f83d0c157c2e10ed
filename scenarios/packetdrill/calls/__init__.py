"""The system calls of scripts, on the sockets of the stack."""

from collections.abc import Mapping
from typing import Final

from scenarios.packetdrill.calls import control, data, opening, polling, splicing
from scenarios.packetdrill.calls.process import Function

CALLS: Final[Mapping[str, Function]] = {
    "socket": opening.socket,
    "bind": opening.bind,
    "listen": opening.listen,
    "accept": opening.accept,
    "accept4": opening.accept,
    "connect": opening.connect,
    "shutdown": opening.shutdown,
    "close": opening.close,
    "read": data.read,
    "readv": data.readv,
    "recv": data.recv,
    "recvfrom": data.recv,
    "recvmsg": data.recvmsg,
    "write": data.write,
    "writev": data.writev,
    "send": data.send,
    "sendto": data.sendto,
    "sendmsg": data.sendmsg,
    "setsockopt": control.setsockopt,
    "getsockopt": control.getsockopt,
    "fcntl": control.fcntl,
    "ioctl": control.ioctl,
    "pipe": splicing.pipe,
    "open": splicing.open_file,
    "splice": splicing.splice,
    "sendfile": splicing.sendfile,
    "poll": polling.poll,
    "epoll_create": polling.epoll_create,
    "epoll_create1": polling.epoll_create,
    "epoll_ctl": polling.epoll_ctl,
    "epoll_wait": polling.epoll_wait,
}
