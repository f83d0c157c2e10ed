"""The least that a Python program can do with a TAP: what the stack is measured against."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing

from links.live.netlink import KernelEnd
from links.live.tap import TapLink
from stack.link import Checksum, Frame
from stack.wire.address import InterfaceAddress, parse_address
from stack.wire.arp import ArpPacket
from stack.wire.checksum import pseudo_header_sum
from stack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, build_header
from stack.wire.ipv4 import Ipv4Header
from stack.wire.protocols import TCP
from stack.wire.tcp import ACK, FIN, SYN, TcpHeader, TcpOptions
from stack.wire.tcp import build_header as build_tcp

_MAC = b"\x02raw--"
_WINDOW = 0xFFFF
_SHIFT = 9
_MSS = 1460
_LARGEST = 44 * _MSS
_HEADERS = 14 + 20 + 20


class Acknowledger:
    """Takes one TCP connection and acknowledges every frame of it, right or wrong; nothing is kept or checked."""

    def __init__(self, tap: TapLink, address: str) -> None:
        self._tap = tap
        self._address = parse_address(address)
        self.octets = 0
        tap.attach(self._receive)

    def _receive(self, frame: Frame) -> None:
        head = bytes(frame.head)
        if head[12:14] == ETHERTYPE_ARP.to_bytes(2):
            asked = ArpPacket.parse(head, 14)
            answer = ArpPacket(2, _MAC, self._address, asked.sender_mac, asked.sender_address)
            self._tap.transmit(Frame(build_header(asked.sender_mac, _MAC, ETHERTYPE_ARP) + answer.build()))
            return
        if head[12:14] != ETHERTYPE_IPV4.to_bytes(2) or head[23] != TCP:
            return
        ip = Ipv4Header.parse(head, 14)
        tcp = TcpHeader.parse(head, 34)
        size = ip.total_length - 20 - tcp.header_length
        self.octets += size
        flags, options, sequence = ACK, b"", 1
        if tcp.flags & SYN:
            flags, options, sequence = SYN | ACK, TcpOptions(mss=_MSS, window_scale=_SHIFT).build(), 0
        elif tcp.flags & FIN:
            flags |= FIN
        elif not size:
            return
        acknowledgment = tcp.sequence + size + bool(tcp.flags & (SYN | FIN)) & 0xFFFFFFFF
        length = 20 + len(options)
        header = build_tcp(
            tcp.destination_port,
            tcp.source_port,
            sequence,
            acknowledgment,
            flags,
            _WINDOW,
            pseudo_header_sum(ip.destination, ip.source, TCP, length),
            0,
            options,
        )
        packet = Ipv4Header(ip.destination, ip.source, TCP, 20 + length).build()
        link = build_header(head[6:12], _MAC, ETHERTYPE_IPV4)
        self._tap.transmit(Frame(link + packet + header, b"", Checksum.PARTIAL, 34, 50))


async def read(kernel: str, address: str, work: Callable[[], None]) -> tuple[int, float, float]:
    """Octets, seconds and CPU seconds while the kernel sends; ``work`` makes it, in a process of its own."""
    async with AsyncExitStack() as down:
        tap = down.enter_context(closing(TapLink("raw0")))
        end = await down.enter_async_context(KernelEnd("raw0"))
        await end.bring_up()
        await end.add_address(InterfaceAddress.parse(f"{kernel}/24"))
        loop = Acknowledger(tap, address)
        cpu, start = time.process_time(), time.monotonic()
        sender = multiprocessing.get_context("fork").Process(target=work)
        sender.start()
        await asyncio.to_thread(sender.join)
        return loop.octets, time.monotonic() - start, time.process_time() - cpu


async def write(octets: int) -> tuple[int, float, float]:
    """The same of super-segments that the kernel throws away, for they are for nobody."""
    async with AsyncExitStack() as down:
        tap = down.enter_context(closing(TapLink("raw1")))
        end = await down.enter_async_context(KernelEnd("raw1"))
        await end.bring_up()
        packet = Ipv4Header(bytes(4), b"\x0a\x62\x00\x01", TCP, 40 + _LARGEST).build()
        header = build_tcp(1, 2, 0, 0, ACK, _WINDOW, 0, 0, b"")
        head = build_header(end.mac, _MAC, ETHERTYPE_IPV4) + packet + header
        frame = Frame(head, bytes(_LARGEST), Checksum.PARTIAL, 34, 50, _MSS)
        cpu, start = time.process_time(), time.monotonic()
        for _ in range(octets // _LARGEST):
            tap.transmit(frame)
        return octets // _LARGEST * _LARGEST, time.monotonic() - start, time.process_time() - cpu
