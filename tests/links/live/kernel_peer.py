"""A kernel and a host of ours with an impaired TAP between them: bulk both ways, everything in one process."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from links.capture import CapturedLink
from links.impaired import ImpairedLink
from links.impairments.spec import Impairments
from links.live.clock import AsyncioClock
from links.live.tap import TapLink
from links.pcapng import PcapngWriter
from links.relay import Relay
from stack.clock import SECOND
from stack.config import HostConfig, TcpConfig
from stack.host import Host
from stack.tcp.info import OPTION_SACK, OPTION_TIMESTAMPS, OPTION_WSCALE
from tests.links.live.namespaces import Namespace

CONGESTION_CONTROLS = ("cubic", "reno", "bbr")
PATIENCE = 60
"""Seconds for one transfer; far more than it needs."""
PORT = 5001
CHUNK = 1 << 16
OPTION_ECN, OPTION_ECN_SEEN = 8, 16
"""Of ``tcpi_options`` (linux/tcp.h)."""
_TCP_INFO_OPTIONS = 5  # offset of tcpi_options in struct tcp_info


def congestion_controls() -> list[str]:
    """Those that the kernel has."""
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
    return available.read_text().split() if available.exists() else []


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the kernel's TCP, and of ours at the other end."""

    sack: bool = True
    timestamps: bool = True
    ecn: bool = False
    congestion: str = "cubic"

    def __str__(self) -> str:
        switches = {"sack": self.sack, "timestamps": self.timestamps, "ecn": self.ecn}
        return " ".join([self.congestion, *(name if on else f"no-{name}" for name, on in switches.items())])

    def apply(self, namespace: Namespace) -> None:
        """To the kernel, in that namespace; the congestion control is chosen for each socket."""
        namespace.sysctl("net.ipv4.tcp_sack", self.sack)
        namespace.sysctl("net.ipv4.tcp_timestamps", self.timestamps)
        namespace.sysctl("net.ipv4.tcp_ecn", self.ecn)
        namespace.sysctl("net.ipv4.tcp_no_metrics_save", 1)

    @property
    def options(self) -> int:
        """``tcpi_options`` of a connection with them, ECN apart."""
        return self.timestamps * OPTION_TIMESTAMPS | self.sack * OPTION_SACK | OPTION_WSCALE

    @property
    def ours(self) -> TcpConfig:
        """All is asked for, so that what is negotiated is what the kernel is set to."""
        return TcpConfig(ecn="request", congestion=self.congestion)


@dataclass(frozen=True, slots=True)
class Transfer:
    """What became of one bulk transfer."""

    size: int
    intact: bool
    elapsed: int
    """From the start of the connection to the end of the stream (ns)."""


class KernelPeer:
    """A kernel at ``kernel``, a host of ours at ``ours``."""

    def __init__(self, number: int, settings: Settings, namespace: Namespace) -> None:
        self.settings = settings
        self.namespace = namespace
        self.kernel = f"10.0.{number}.1"
        self.ours = f"10.0.{number}.2"
        self.clock = AsyncioClock()
        self.host: Host
        self.link: ImpairedLink
        self.negotiated: list[int] = []
        """``tcpi_options`` of the kernel's sockets, once connected."""
        self.marks_seen = 0
        """Packets with CE that the kernel has received."""
        self._sockets: list[socket.socket] = []
        settings.apply(namespace)

    def attach(self, impairments: Impairments, writer: PcapngWriter | None, seed: object) -> None:
        """Put the host on a TAP with such impairments in both directions; the capture is what the host sees."""
        with self.namespace.entered():
            tap = TapLink("tap0")
        self.namespace.ip(f"addr add {self.kernel}/24 dev tap0", "link set tap0 up")
        self.link = ImpairedLink(tap, self.clock, impairments, impairments, Random(f"{seed}/impairments"))
        link = self.link if writer is None else CapturedLink(self.link, self.clock, writer, self.ours)
        self.host = Host(
            "ours", self.clock, Random(f"{seed}/host"), replace(HostConfig(), tcp=self.settings.ours)
        )
        self.host.add_interface("tap0", link, addresses=[f"{self.ours}/24"])

    def close(self) -> None:
        for each in self._sockets:
            each.close()
        self.host.close()
        self.link.close()
        self.namespace.close()

    async def upload(self, data: bytes) -> Transfer:
        """From ours, which connects, to the kernel."""
        listener = self._kernel_socket()
        listener.bind((self.kernel, PORT))
        listener.listen()

        async def send() -> None:
            with self.host.socket(socket.AF_INET, socket.SOCK_STREAM) as ours:
                await ours.connect((self.kernel, PORT))
                await ours.sendall(data)
                ours.shutdown(socket.SHUT_WR)
                assert await ours.recv(1) == b""

        return await timed(data, send(), kernel_receives(listener, self.negotiated))

    async def download(self, data: bytes) -> Transfer:
        """From the kernel, which connects, to ours."""
        listener = self.host.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((self.ours, PORT))
        listener.listen()

        async def receive() -> str:
            with listener:
                accepted, _ = await listener.accept()
            digest = hashlib.sha256()
            with accepted:
                while received := await accepted.recv(CHUNK):
                    digest.update(received)
            return digest.hexdigest()

        sending = kernel_sends(self._kernel_socket(), self.ours, data, self.negotiated)
        return await timed(data, sending, receive())

    def _kernel_socket(self) -> socket.socket:
        made = kernel_socket(self.namespace, self.settings)
        self._sockets.append(made)
        return made


class KernelPair:
    """The yardstick: two kernels with the same bad wire between their TAPs."""

    def __init__(self, number: int, settings: Settings, impairments: Impairments, seed: object) -> None:
        self.settings = settings
        self.addresses = f"10.0.{number}.1", f"10.0.{number}.2"
        self.namespaces = Namespace(), Namespace()
        taps = []
        for namespace, address in zip(self.namespaces, self.addresses, strict=True):
            settings.apply(namespace)
            with namespace.entered():
                taps.append(TapLink("tap0"))
            namespace.ip(f"addr add {address}/24 dev tap0", "link set tap0 up")
        self.wire = Relay(*taps, AsyncioClock(), Random(f"{seed}/impairments"), impairments)

    def close(self) -> None:
        self.wire.close()
        for namespace in self.namespaces:
            namespace.close()

    async def transfer(self, data: bytes) -> Transfer:
        """From the first, which connects, to the second."""
        sender, receiver = self.namespaces
        with (
            kernel_socket(receiver, self.settings) as listener,
            kernel_socket(sender, self.settings) as source,
        ):
            listener.bind((self.addresses[1], PORT))
            listener.listen()
            sending = kernel_sends(source, self.addresses[1], data, [])
            return await timed(data, sending, kernel_receives(listener, []))


async def goodputs(
    settings: Settings, impairments: Impairments, flows: int, size: int
) -> tuple[list[Transfer], list[Transfer]]:
    """So many flows from ours to a kernel, and as many from kernel to kernel, side by side; all must arrive whole."""
    data = Random(1).randbytes(size)
    async with AsyncExitStack() as down:
        peers = await down.enter_async_context(kernel_peers([settings] * flows, impairments))
        pairs = []
        for number in range(1, flows + 1):
            pairs.append(KernelPair(number, settings, impairments, number))
            down.callback(pairs[-1].close)
        transfers = await asyncio.gather(
            *(peer.upload(data) for peer in peers), *(pair.transfer(data) for pair in pairs)
        )
    assert all(transfer.intact for transfer in transfers)
    return transfers[:flows], transfers[flows:]


def mean_goodput(transfers: list[Transfer]) -> float:
    """Bit/s: all bytes by the time that all took, so that no lucky flow weighs more than others."""
    return sum(each.size for each in transfers) * 8 * SECOND / sum(each.elapsed for each in transfers)


def kernel_socket(namespace: Namespace, settings: Settings) -> socket.socket:
    """A TCP socket of the kernel's, with the congestion control of the settings."""
    with namespace.entered():
        made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, settings.congestion.encode())
    return made


async def kernel_sends(source: socket.socket, address: str, data: bytes, negotiated: list[int]) -> None:
    """Connect, send all, and wait for the peer's end."""
    loop = asyncio.get_running_loop()
    with source:
        await loop.sock_connect(source, (address, PORT))
        negotiated.append(_options(source))
        await loop.sock_sendall(source, data)
        source.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(source, 1) == b""


async def kernel_receives(listener: socket.socket, negotiated: list[int]) -> str:
    """The digest of all that comes by the first connection."""
    loop, digest = asyncio.get_running_loop(), hashlib.sha256()
    accepted, _ = await loop.sock_accept(listener)
    with accepted:
        accepted.setblocking(False)
        negotiated.append(_options(accepted))
        while received := await loop.sock_recv(accepted, CHUNK):
            digest.update(received)
    return digest.hexdigest()


async def timed(
    data: bytes, sending: Coroutine[Any, Any, None], receiving: Coroutine[Any, Any, str]
) -> Transfer:
    """Both at once, the connection's opening included."""
    start = ended = time.monotonic_ns()

    async def receive() -> str:
        nonlocal ended
        digest = await receiving
        ended = time.monotonic_ns()
        return digest

    async with asyncio.timeout(PATIENCE):
        _, digest = await asyncio.gather(sending, receive())
    return Transfer(len(data), digest == hashlib.sha256(data).hexdigest(), ended - start)


def _options(kernel: socket.socket) -> int:
    return kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[_TCP_INFO_OPTIONS]


@asynccontextmanager
async def kernel_peers(
    settings: list[Settings], impairments: Impairments, writer: PcapngWriter | None = None
) -> AsyncIterator[list[KernelPeer]]:
    """One for each of the settings, numbered from 1."""
    async with AsyncExitStack() as down:
        peers = []
        for number, each in enumerate(settings, start=1):
            peer = KernelPeer(number, each, Namespace())
            peer.attach(impairments, writer, number)
            down.callback(peer.close)
            peers.append(peer)
        yield peers
