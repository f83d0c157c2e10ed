"""Checksums and segmentation left undone, both ways, between the stack and the real kernel."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import random
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from links.live import tap
from links.live.clock import AsyncioClock
from links.live.netlink import KernelEnd
from links.live.tap import TapLink
from links.pcapng import read_pcapng
from scenarios.live.options import LiveOptions
from scenarios.live.session import run_live
from stack.host import Host
from stack.link import Checksum, Frame, Link, Medium, Offload
from stack.sockets import listen
from stack.wire.address import InterfaceAddress
from tests.links.live.command import (
    BOTH_ENDS,
    KERNEL_V4,
    KERNEL_V6,
    OURS_V4,
    OURS_V6,
    checksum,
    content,
    live,
    run,
    url,
)

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

MTU = 1500
BYTES = 3_000_000
UDP_SEGMENT = 103
ADDRESSES = pytest.mark.parametrize("address", [OURS_V4, OURS_V6])
MEDIA = pytest.mark.parametrize("medium", list(Medium), ids=lambda medium: medium.value)


def in_loop(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main()

    asyncio.run(bounded())


class Watched(Link):
    """A link, and what passes it."""

    def __init__(self, link: TapLink) -> None:
        self._link = link
        self.medium, self.mtu, self.offload = link.medium, link.mtu, link.offload
        self.out: list[Frame] = []
        self.back: list[Frame] = []

    def transmit(self, frame: Frame) -> None:
        self.out.append(frame)
        self._link.transmit(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        def arrives(frame: Frame) -> None:
            self.back.append(frame)
            receive(frame)

        self._link.attach(arrives)

    def close(self) -> None:
        self._link.close()


@asynccontextmanager
async def machine(
    name: str = "dev0", medium: Medium = Medium.ETHERNET, *, offload: bool = True
) -> AsyncIterator[tuple[Host, Watched]]:
    """A host on a device; the kernel is 10.0.0.1 and fd00::1 on it."""
    device = TapLink(name, medium=medium, mtu=MTU, offload=offload)
    link = Watched(device)
    try:
        async with KernelEnd(device.name) as kernel:
            await kernel.set_mtu(MTU)
            await kernel.bring_up()
            await kernel.add_address(InterfaceAddress.parse("10.0.0.1/24"))
            await kernel.add_address(InterfaceAddress.parse("fd00::1/64"))
            host = Host("host", AsyncioClock(), random.Random(1))
            host.add_interface(device.name, link, addresses=["10.0.0.2/24", "fd00::2/64"])
            yield host, link
            host.close()
    finally:
        link.close()


async def exchange(host: Host, address: str) -> None:
    """The kernel sends, the stack sends it back, turned around; every byte is checked."""
    data = random.Random(2).randbytes(BYTES)
    listener = listen(host, 80, address)

    async def serve() -> None:
        connection, _ = await listener.accept()
        received = await connection.recv_exactly(BYTES)
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
        await connection.sendall(received[::-1])
        connection.close()

    server = asyncio.create_task(serve())
    reader, writer = await asyncio.open_connection(address, 80)
    writer.write(data)
    received = await reader.read(-1)
    assert hashlib.sha256(received).digest() == hashlib.sha256(data[::-1]).digest()
    writer.close()
    await server


@MEDIA
@ADDRESSES
def test_super_segments_without_checksums_pass_both_ways(address: str, medium: Medium) -> None:
    async def main() -> None:
        async with machine(medium=medium) as (host, link):
            assert link.offload == Offload(checksum=True, segmentation=65535)
            await exchange(host, address)
            for frames in (link.out, link.back):
                large = [frame for frame in frames if len(frame) > 10 * MTU]
                assert large
                assert all(frame.checksum is Checksum.PARTIAL for frame in large)
                assert all(1000 < frame.segment_size <= MTU for frame in large)

    in_loop(main)


@MEDIA
@ADDRESSES
def test_without_offload_each_frame_is_a_packet_with_its_checksum(address: str, medium: Medium) -> None:
    async def main() -> None:
        async with machine(medium=medium, offload=False) as (host, link):
            assert link.offload == Offload()
            await exchange(host, address)
            for frame in link.out + link.back:
                assert len(frame) <= MTU + 14
                assert frame.checksum is Checksum.COMPLETE

    in_loop(main)


@ADDRESSES
def test_a_burst_of_datagrams_comes_as_one_frame_and_is_read_one_by_one(address: str) -> None:
    """UDP_SEGMENT at the kernel's socket (udp(7)), which since Linux 6.2 a TAP takes as it is."""

    async def main() -> None:
        async with machine() as (host, link):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            receiver = host.socket(family, socket.SOCK_DGRAM)
            receiver.bind((address, 9))
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
                sender.connect((address, 9))
                sender.send(b"".join(bytes([number]) * 1000 for number in range(20)) + b"the rest")
            got = [await receiver.recv(2000) for _ in range(21)]
            assert got == [bytes([number]) * 1000 for number in range(20)] + [b"the rest"]
            assert any(frame.segment_size == 1000 and len(frame) > 20_000 for frame in link.back)
            receiver.close()

    in_loop(main)


@MEDIA
@ADDRESSES
@pytest.mark.parametrize("known", [True, False], ids=["6.2", "older"])
def test_a_burst_of_our_datagrams_comes_out_one_by_one(
    address: str, medium: Medium, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UDP_SEGMENT at our socket; a kernel that does not know it gets packets."""
    writev = os.writev
    refused = []

    def older(descriptor: int, buffers: Any) -> int:
        if len(buffers[0]) == 10 and buffers[0][1] == 5:
            refused.append(buffers)
            raise OSError(errno.EINVAL, "Invalid argument")
        return writev(descriptor, buffers)

    if not known:
        monkeypatch.setattr(tap.os, "writev", older)

    async def main() -> None:
        async with machine(medium=medium) as (host, link):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as receiver:
                receiver.setblocking(False)
                receiver.bind(("", 9))
                sender = host.socket(family, socket.SOCK_DGRAM)
                sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
                data = random.Random(3).randbytes(20_300)
                receive = asyncio.get_running_loop().sock_recv
                got: list[bytes] = []
                while not got:  # at first the kernel may not know yet that it has the address
                    await sender.sendto(data, (KERNEL_V6 if ":" in address else KERNEL_V4, 9))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            got.append(await receive(receiver, 2000))
                got += [await receive(receiver, 2000) for _ in range(20)]
                assert got == [data[at : at + 1000] for at in range(0, 20_300, 1000)]
                assert any(frame.segment_size == 1000 for frame in link.out)
                assert bool(refused) is not known
                sender.close()

    in_loop(main)


# -- devices that were there before ----------------------------------------------------------------------


def persistent(*words: str) -> None:
    subprocess.run(["ip", "tuntap", "add", "dev0", "mode", "tap", *words], check=True)


@pytest.mark.parametrize("words", [(), ("multi_queue",), ("vnet_hdr",)], ids=lambda words: " ".join(words))
def test_a_persistent_device_is_used_as_it_is(words: tuple[str, ...]) -> None:
    persistent(*words)

    async def main() -> None:
        for offload in (True, False):
            async with machine(offload=offload) as (host, link):
                assert link.offload.checksum is offload
                await exchange(host, OURS_V4)

    in_loop(main)


def test_another_header_of_the_last_user_is_undone() -> None:
    """As a virtual machine leaves it: 12 bytes, and big-endian if it was."""
    persistent()
    with open(tap.DEVICE, "r+b", buffering=0) as device:
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"dev0", 0x5002))
        fcntl.ioctl(device, 0x400454D8, struct.pack("i", 12))

    async def main() -> None:
        async with machine() as (host, _):
            await exchange(host, OURS_V4)

    in_loop(main)


def refuse(monkeypatch: pytest.MonkeyPatch, *, flag: int = 0, request: int = 0) -> None:
    """A kernel that does not know a flag of TUNSETIFF, or a request."""
    ioctl = fcntl.ioctl

    def limited(descriptor: int, number: int, argument: Any = 0) -> Any:
        if number == request or (number == 0x400454CA and struct.unpack_from("H", argument, 16)[0] & flag):
            raise OSError(errno.EINVAL, "Invalid argument")
        return ioctl(descriptor, number, argument)

    monkeypatch.setattr(tap.fcntl, "ioctl", limited)


def test_without_a_virtio_net_header_it_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, flag=0x4000)

    async def main() -> None:
        async with machine() as (host, link):
            assert link.offload == Offload()
            await exchange(host, OURS_V4)

    in_loop(main)


@pytest.mark.parametrize("request_number", [0x400454D0, 0x400454D8, 0x400454DC])
def test_what_an_older_kernel_does_not_know_it_does_itself(
    request_number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, request=request_number)

    async def main() -> None:
        async with machine() as (host, link):
            assert link.offload.checksum
            await exchange(host, OURS_V4)

    in_loop(main)


# -- the command -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verbose", [True, False])
def test_the_operator_who_asks_is_told_that_there_is_no_offload(
    verbose: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(monkeypatch, flag=0x4000)
    options = LiveOptions(
        tap="tap0", address=("10.0.0.2/24",), peer=("10.0.0.1/24",), ping="10.0.0.1", verbose=verbose
    )
    assert run_live(options) == 0
    told = "tap0 has no offload: checksums and segmentation are done here" in capsys.readouterr().out
    assert told is verbose


@pytest.mark.parametrize("option", ["--offload", "--no-offload"])
def test_a_capture_of_either_is_read_by_others(option: str, tmp_path: Path) -> None:
    digest = content(tmp_path / "file", BYTES)
    capture = tmp_path / "capture.pcapng"
    with live("--serve", f"http:80:{tmp_path}", "--pcap", str(capture), option):
        for address in (OURS_V4, OURS_V6):
            run("curl", "-sSf", "-o", tmp_path / "copy", url(address, "file"))
            assert checksum(tmp_path / "copy") == digest
            run("curl", "-sSf", "-T", tmp_path / "copy", url(address, "back"))
            assert checksum(tmp_path / "back") == digest
    with capture.open("rb") as file:
        largest = max(len(packet.data) for packet in read_pcapng(file))
    assert (largest > 10 * MTU) is (option == "--offload")
    assert largest <= MTU + 14 or option == "--offload"
    options = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    bad = "_ws.malformed or tcp.checksum.status == 0 or ip.checksum.status == 0 or ip.len == 0"
    assert run("tshark", *options, "-r", capture, "-Y", bad) == ""


def test_impairments_see_packets_whatever_the_device_offers(tmp_path: Path) -> None:
    digest = content(tmp_path / "file", BYTES)
    capture = tmp_path / "capture.pcapng"
    impair = ("--impair", "loss=1%, delay=1ms")
    with live("--serve", f"http:80:{tmp_path}", "--pcap", str(capture), *impair, ends=BOTH_ENDS):
        run("curl", "-sSf", "-T", tmp_path / "file", url(OURS_V4, "copy"))
        assert checksum(tmp_path / "copy") == digest
    with capture.open("rb") as file:
        assert max(len(packet.data) for packet in read_pcapng(file)) <= MTU + 14
