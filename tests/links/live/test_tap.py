"""TAP and TUN devices against the real kernel; the stack's side is played by hand-made frames."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from links.live import tap
from links.live.errors import LinkError
from links.live.netlink import KernelEnd
from links.live.tap import TapLink
from stack.link import Frame, Medium
from stack.wire.address import InterfaceAddress, parse_address
from stack.wire.checksum import internet_checksum

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

OUR_MAC = bytes.fromhex("020000000002")
OURS = parse_address("10.0.0.2")
ARP, IPV4 = 0x0806, 0x0800


def in_loop(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main()

    asyncio.run(bounded())


@asynccontextmanager
async def device(name: str = "tap0", *, medium: Medium = Medium.ETHERNET) -> AsyncIterator[TapLink]:
    """A device that is up; the kernel is 10.0.0.1 and fd00::1 on it."""
    link = TapLink(name, medium=medium)
    try:
        async with KernelEnd(link.name) as kernel:
            await kernel.bring_up()
            await kernel.add_address(InterfaceAddress.parse("10.0.0.1/24"))
            await kernel.add_address(InterfaceAddress.parse("fd00::1/64"))
            yield link
    finally:
        link.close()


def echo_reply(packet: bytes) -> bytes | None:
    """The answer to an echo request, of either family, with the checksum updated by RFC 1624."""
    if packet[0] >> 4 == 4:
        source, length, request, reply, protocol = 12, 4, 8, 0, 9
        icmp = (packet[0] & 15) * 4
    else:
        source, length, request, reply, protocol = 8, 16, 128, 129, 6
        icmp = 40
    if packet[protocol] not in (1, 58) or packet[icmp] != request:
        return None
    answer = bytearray(packet)
    answer[source : source + length] = packet[source + length : source + 2 * length]
    answer[source + length : source + 2 * length] = packet[source : source + length]
    answer[icmp] = reply
    [checksum] = struct.unpack_from("!H", packet, icmp + 2)
    total = (~checksum & 0xFFFF) + ((reply - request) << 8)
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", answer, icmp + 2, ~total & 0xFFFF)
    return bytes(answer)


def arp_reply(request: bytes) -> bytes:
    """10.0.0.2 is at OUR_MAC."""
    sender = request[8:18]
    return request[:6] + b"\0\2" + OUR_MAC + OURS + sender


def answering(link: TapLink) -> Callable[[Frame], None]:
    """The smallest machine that can be pinged."""

    def receive(frame: Frame) -> None:
        data = bytes(frame)
        if link.medium is Medium.IP:
            header, kind, packet = b"", IPV4, data
        else:
            header, packet = data[6:12] + OUR_MAC + data[12:14], data[14:]
            kind = int.from_bytes(data[12:14], "big")
        if kind == ARP and packet[24:28] == OURS:
            link.transmit(Frame(header, arp_reply(packet)))
        elif kind == IPV4 and (answer := echo_reply(packet)):
            link.transmit(Frame(header, answer))

    return receive


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_the_kernel_resolves_and_pings_us_through_a_tap() -> None:
    async def main() -> None:
        async with device() as link:
            link.attach(answering(link))
            status, output = await run("ping", "-c", "3", "-i", "0.01", "-W", "2", "10.0.0.2")
            assert status == 0, output
            assert link.received >= 4  # an ARP request and three echo requests
            assert link.sent >= 4
            assert not link.drops

    in_loop(main)


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_the_kernel_pings_us_through_a_tun_without_any_resolution(address: str) -> None:
    async def main() -> None:
        async with device("tun0", medium=Medium.IP) as link:
            link.attach(answering(link))
            status, output = await run("ping", "-c", "3", "-i", "0.01", "-W", "2", address)
            assert status == 0, output

    in_loop(main)


def udp_packet(payload_length: int) -> bytes:
    """IPv4 and UDP headers of a datagram from 10.0.0.2 to port 4000 of 10.0.0.1, without UDP checksum."""
    addresses = OURS + parse_address("10.0.0.1")
    start = struct.pack("!BBHHHBB", 0x45, 0, 28 + payload_length, 0, 0, 64, 17)
    checksum = struct.pack("!H", internet_checksum(start + b"\0\0" + addresses))
    return start + checksum + addresses + struct.pack("!HHHH", 5000, 4000, 8 + payload_length, 0)


def test_head_and_payload_arrive_as_one_frame() -> None:
    async def main() -> None:
        async with device("tun0", medium=Medium.IP) as link:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
                receiver.bind(("10.0.0.1", 4000))
                payload = os.urandom(1000)
                link.transmit(Frame(udp_packet(900), memoryview(payload)[50:950]))
                assert receiver.recv(2000) == payload[50:950]

    in_loop(main)


def test_a_flood_arrives_in_order_and_the_loop_has_its_turn_in_between() -> None:
    async def main() -> None:
        async with device("tun0", medium=Medium.IP) as link:
            arrived: list[int] = []
            seen_from_outside: list[int] = []

            def receive(frame: Frame) -> None:
                packet = bytes(frame)
                if packet[0] == 0x45 and packet[9] == 17:
                    arrived.append(int.from_bytes(packet[28:32], "big"))

            link.attach(receive)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect(("10.0.0.2", 9))
                for number in range(400):
                    sender.send(number.to_bytes(4, "big"))
            while len(arrived) < 400:
                seen_from_outside.append(len(arrived))
                await asyncio.sleep(0)
            assert arrived == list(range(400))
            assert any(0 < count < 400 for count in seen_from_outside)

    in_loop(main)


def test_what_the_kernel_refuses_is_counted_by_reason() -> None:
    async def main() -> None:
        link = TapLink("tap0")
        try:
            link.transmit(Frame(bytes(60)))
            assert link.drops == {"EIO": 1}  # the device is still down
            async with KernelEnd("tap0") as kernel:
                await kernel.bring_up()
                link.transmit(Frame(bytes(5)))
                assert link.drops == {"EIO": 1, "EINVAL": 1}  # shorter than an Ethernet header
            assert link.sent == 0
        finally:
            link.close()

    in_loop(main)


def test_a_closed_link_drops_and_its_device_is_gone() -> None:
    async def main() -> None:
        async with device() as link:
            link.attach(answering(link))
            assert "tap0" in devices()
        assert "tap0" not in devices()
        link.transmit(Frame(bytes(60)))
        assert link.drops == {"EBADF": 1}
        link.close()

    in_loop(main)


def test_the_kernel_fills_in_a_pattern_or_chooses_a_name() -> None:
    async def main() -> None:
        first, second, third = TapLink("stack%d"), TapLink("stack%d"), TapLink(medium=Medium.IP)
        try:
            assert (first.name, second.name, third.name) == ("stack0", "stack1", "tun0")
            assert devices() >= {"stack0", "stack1", "tun0"}
        finally:
            for link in (first, second, third):
                link.close()

    in_loop(main)


def test_a_device_that_is_removed_under_us_is_reported_once() -> None:
    async def main() -> None:
        async with device() as link:
            reports: list[LinkError] = []
            link.failed = reports.append
            link.attach(answering(link))
            status, output = await run("ip", "link", "delete", "tap0")
            assert status == 0, output
            while not reports:
                await asyncio.sleep(0.001)
            assert [str(report) for report in reports] == ["tap0 can no longer be used: it was removed"]

    in_loop(main)


async def refused(name: str, *, mtu: int = 1500) -> LinkError:
    """The error that opening a TAP of that name gives; nothing may be left of the attempt."""
    before = devices(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(LinkError) as caught:
        TapLink(name, mtu=mtu)
    assert (devices(), len(os.listdir("/proc/self/fd"))) == before
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_name_in_use_is_refused() -> None:
    async def main() -> None:
        async with device():
            error = await refused("tap0")
            assert error.errno == errno.EBUSY
            assert str(error) == "tap0: another process uses this TAP device"

    in_loop(main)


@pytest.mark.parametrize("name", ["lo", "a/b", "sixteen-letters-", "."])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    async def main() -> None:
        error = await refused(name)
        assert error.errno == errno.EINVAL
        assert str(error).startswith(f"{name}: ")

    in_loop(main)


@pytest.mark.parametrize("mtu", [0, 67, 65522])
def test_an_mtu_out_of_bounds_is_refused(mtu: int) -> None:
    async def main() -> None:
        assert str(await refused("tap0", mtu=mtu)) == f"an MTU must be 68 to 65521 bytes, not {mtu}"

    in_loop(main)


def test_without_the_device_node_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(tap, "DEVICE", "/dev/net/none")
        error = await refused("tap0")
        assert error.errno == errno.ENOENT
        assert "load the module tun" in str(error)

    in_loop(main)


def test_an_ordinary_user_is_told_that_permission_is_missing() -> None:
    async def main() -> None:
        os.seteuid(65534)
        try:
            error = await refused("tap0")
        finally:
            os.seteuid(0)
        assert isinstance(error, LinkError)
        assert error.errno in (errno.EACCES, errno.EPERM)
        assert "root" in str(error)

    in_loop(main)
