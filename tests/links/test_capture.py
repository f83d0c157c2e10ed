"""Captures: what a reader of the file can find out about the links."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from links import capture as capture_module
from links.capture import Capture, CapturedLink, capture_to
from links.impairments.spec import Impairments
from links.pcapng import (
    LINKTYPE_RAW,
    CapturedPacket,
    Direction,
    PcapngWriter,
    create_pcapng,
    read_pcapng,
)
from links.simulated.wire import Wire
from stack.clock import MILLISECOND, SECOND
from stack.link import Checksum, Frame, Link, Medium, Offload
from stack.wire.checksum import internet_checksum
from tests.super_segments import MACS, TCP, UDP, super_segment
from tests.support import FakeClock

EPOCH = 1_700_000_000 * SECOND


def frame(number: int = 0, size: int = 60) -> Frame:
    return Frame(bytes([number]) * 14, bytes(size - 14))


def partial_udp() -> Frame:
    """An IPv4 datagram whose UDP checksum is left to the link."""
    ip = bytes.fromhex("4500002200004000401166c90a0000010a000002")
    udp = bytes.fromhex("00010002000e0000")
    pseudo = 0xFFFF - internet_checksum(ip[12:20] + bytes((0, 17)) + udp[4:6])
    head = ip + udp[:6] + pseudo.to_bytes(2, "big")
    return Frame(head, b"sixsix", Checksum.PARTIAL, transport=20, checksum_at=26)


class Lab:
    """A captured wire from a to b."""

    def __init__(self, forward: str, backward: str | None = None) -> None:
        self.clock = FakeClock()
        self.file = io.BytesIO()
        self.capture = Capture(PcapngWriter(self.file), self.clock)
        self.wire = Wire(
            "uplink",
            ("a", "b"),
            self.clock,
            lambda name: Random(f"3/{name}"),
            Impairments.parse_text(forward),
            None if backward is None else Impairments.parse_text(backward),
        )
        self.capture.attach(self.wire)
        self.a, self.b = self.wire.ends
        for end in self.wire.ends:
            end.attach(lambda frame: None)

    def packets(self) -> list[CapturedPacket]:
        self.clock.run()
        self.capture.finish()
        return list(read_pcapng(io.BytesIO(self.file.getvalue())))

    def story(self) -> list[tuple[int, str, str, str]]:
        """Milliseconds, side, direction, comments."""
        return [
            (
                packet.time // MILLISECOND,
                packet.interface.name,
                packet.direction.name.lower(),
                ", ".join(packet.comments),
            )
            for packet in self.packets()
        ]


def test_a_frame_is_seen_where_it_is_sent_and_where_it_arrives() -> None:
    lab = Lab("delay=3ms")
    lab.a.transmit(frame(1))
    lab.b.transmit(frame(2))
    assert lab.story() == [
        (0, "uplink:a", "outbound", ""),
        (0, "uplink:b", "outbound", ""),
        (3, "uplink:b", "inbound", ""),
        (3, "uplink:a", "inbound", ""),
    ]
    first, second, *_ = lab.packets()
    assert (first.data, second.data) == (bytes(frame(1)), bytes(frame(2)))
    assert first.interface.description == "a's side of uplink"


def test_a_lost_frame_says_so_where_it_was_sent() -> None:
    lab = Lab("delay=3ms, loss.ordinals=1")
    lab.a.transmit(frame(1))
    lab.a.transmit(frame(2))
    assert lab.story() == [
        (0, "uplink:a", "outbound", "dropped: lost"),
        (0, "uplink:a", "outbound", ""),
        (3, "uplink:b", "inbound", ""),
    ]


def test_a_frame_that_is_lost_later_says_so_at_the_time_when_it_was_sent() -> None:
    """It has to wait for its turn at 480 kbit/s: 60 bytes are one millisecond."""
    lab = Lab("rate=480kbit/s, queue=1 packets, loss.ordinals=2")
    for number in range(3):
        lab.a.transmit(frame(number))
    assert lab.story() == [
        (0, "uplink:a", "outbound", ""),
        (0, "uplink:a", "outbound", "dropped: lost"),
        (0, "uplink:a", "outbound", "dropped: queue full"),
        (1, "uplink:b", "inbound", ""),
    ]


def test_frames_on_a_wire_that_goes_down() -> None:
    lab = Lab("delay=3ms")
    lab.a.transmit(frame(1))
    lab.clock.advance(MILLISECOND)
    lab.wire.up = False
    lab.a.transmit(frame(2))
    assert lab.story() == [
        (0, "uplink:a", "outbound", "dropped: link down"),
        (1, "uplink:a", "outbound", "dropped: link down"),
    ]


def test_a_corrupted_frame_arrives_with_other_bytes_and_a_comment() -> None:
    lab = Lab("delay=1ms, corrupt=100%")
    lab.a.transmit(frame(1))
    sent, arrived = lab.packets()
    assert sent.comments == ()
    assert arrived.comments[0].startswith("corrupted: bit")
    assert sum((one ^ other).bit_count() for one, other in zip(sent.data, arrived.data, strict=True)) == 1


def test_a_duplicated_frame_arrives_twice() -> None:
    lab = Lab("delay=1ms, duplicate=100%")
    lab.a.transmit(frame(1))
    assert lab.story() == [
        (0, "uplink:a", "outbound", ""),
        (1, "uplink:b", "inbound", "duplicated"),
        (1, "uplink:b", "inbound", ""),
    ]


def test_a_corrupted_frame_that_is_dropped_tells_both() -> None:
    lab = Lab("delay=1ms, corrupt=100%")
    lab.a.transmit(frame(1))
    lab.wire.up = False
    *_, last = lab.story()
    assert last[1:3] == ("uplink:a", "outbound")
    assert "corrupted: bit" in last[3]
    assert last[3].endswith("dropped: link down")


def test_the_capture_is_in_the_order_of_time() -> None:
    lab = Lab("delay.time=5ms, delay.jitter=4ms, loss=20%, corrupt=20%, duplicate=20%")
    for number in range(200):
        lab.clock.call_at(number * 100_000, lab.a.transmit, frame(number))
        lab.clock.call_at(number * 70_000, lab.b.transmit, frame(number))
    packets = lab.packets()
    assert [packet.time for packet in packets] == sorted(packet.time for packet in packets)
    statistics = [channel.statistics for channel in lab.wire.channels]
    lost = [packet for packet in packets if "dropped: lost" in packet.comments]
    assert len(lost) == sum(each.drops["lost"] for each in statistics)
    assert len(packets) == sum(each.sent + each.delivered for each in statistics)


def test_what_is_known_is_written_at_once() -> None:
    lab = Lab("delay=3ms")
    lab.a.transmit(frame(1))
    lab.clock.run()
    lab.a.transmit(frame(2))
    written = list(read_pcapng(io.BytesIO(lab.file.getvalue())))
    assert [packet.direction for packet in written] == [Direction.OUTBOUND, Direction.INBOUND]


def test_only_so_many_frames_wait_for_their_fate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "MAX_WAITING", 10)
    lab = Lab("delay=1s, loss.ordinals=1-1")
    for number in range(30):
        lab.a.transmit(frame(number))
    assert len(list(read_pcapng(io.BytesIO(lab.file.getvalue())))) == 20
    assert [packet.data[0] for packet in lab.packets()] == [*range(30), *range(1, 30)]


def test_a_checksum_that_was_left_to_the_link_is_complete_in_the_capture() -> None:
    lab = Lab("delay=1ms")
    lab.a.transmit(partial_udp())
    for packet in lab.packets():
        pseudo = packet.data[12:20] + bytes((0, 17)) + packet.data[24:26]
        assert internet_checksum(pseudo, packet.data[20:]) == 0


def test_a_capture_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    clock = FakeClock()
    wire = Wire("uplink", ("a", "b"), clock, Random, Impairments.parse_text("delay=1s"))
    with capture_to(path, clock, epoch=EPOCH) as capture:
        capture.attach(wire)
        wire.ends[0].attach(lambda frame: None)
        wire.ends[0].transmit(frame())
    with path.open("rb") as file:
        (packet,) = read_pcapng(file)
    assert packet.time == EPOCH


class Loop(Link):
    """Gives back what is sent."""

    medium = Medium.IP
    mtu = 1400
    offload = Offload(checksum=True)

    def __init__(self) -> None:
        self.receive: Callable[[Frame], None]
        self.closed = False

    def transmit(self, frame: Frame) -> None:
        self.receive(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self.receive = receive

    def close(self) -> None:
        self.closed = True


def test_a_captured_link_is_the_link_and_writes_down_what_passes() -> None:
    clock = FakeClock(5)
    file = io.BytesIO()
    inner = Loop()
    link = CapturedLink(inner, clock, PcapngWriter(file), "tun0", "to the kernel", epoch=EPOCH)
    assert (link.medium, link.mtu, link.offload) == (inner.medium, inner.mtu, inner.offload)
    received: list[Frame] = []
    link.attach(received.append)
    sent = partial_udp()
    link.transmit(sent)
    assert received == [sent]
    link.close()
    assert inner.closed
    out, back = read_pcapng(io.BytesIO(file.getvalue()))
    assert (out.direction, back.direction) == (Direction.OUTBOUND, Direction.INBOUND)
    assert (out.time, out.data) == (EPOCH + 5, back.data)
    assert (out.interface.name, out.interface.linktype) == ("tun0", LINKTYPE_RAW)
    assert internet_checksum(out.data[12:20] + bytes((0, 17)) + out.data[24:26], out.data[20:]) == 0


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [TCP, UDP], ids=["tcp", "udp"])
def test_wireshark_reads_a_super_segment_as_one_packet(version: int, protocol: int, tmp_path: Path) -> None:
    """As it reads those of a kernel that were captured where they are not cut yet."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed: nobody but us has read the capture")
    path = tmp_path / "whole.pcapng"
    size = 65535 - (20 if version == 4 else 40) - (20 if protocol == TCP else 8)
    whole = super_segment(version, protocol, (bytes(range(256)) * 256)[:size], 1400, macs=MACS)
    inner = Loop()
    inner.medium = Medium.ETHERNET
    inner.receive = lambda frame: None
    with create_pcapng(path) as writer:
        CapturedLink(inner, FakeClock(), writer, "tap0").transmit(whole)
    name = "tcp" if protocol == TCP else "udp"
    fields = ["frame.len", f"{name}.checksum.status", "ip.checksum.status", "_ws.malformed", "_ws.expert"]
    options = ["-o", f"{name}.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "json"]
    result = subprocess.run(
        [tshark, "-r", str(path), *options] + [part for field in fields for part in ("-e", field)],
        capture_output=True,
        text=True,
        check=True,
    )
    good = {"frame.len": [str(14 + 65535)], f"{name}.checksum.status": ["1"]}
    if version == 4:
        good["ip.checksum.status"] = ["1"]
    assert [packet["_source"]["layers"] for packet in json.loads(result.stdout)] == [good]


def test_wireshark_finds_the_comments_and_good_checksums(tmp_path: Path) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed: nobody but us has read the capture")
    path = tmp_path / "run.pcapng"
    clock = FakeClock()
    wire = Wire("uplink", ("a", "b"), clock, Random, Impairments.parse_text("delay=1ms, loss.ordinals=2"))
    with capture_to(path, clock) as capture:
        capture.attach(wire)
        for end in wire.ends:
            end.attach(lambda frame: None)
        datagram = partial_udp()
        ethernet = bytes.fromhex("0200000000020200000000010800")
        for _ in range(2):
            wire.ends[0].transmit(
                Frame(ethernet + bytes(datagram.head), datagram.payload, Checksum.PARTIAL, 34, 40)
            )
        clock.run()
    fields = ["frame.interface_name", "frame.comment", "udp.checksum.status"]
    result = subprocess.run(
        [tshark, "-r", str(path), "-o", "udp.check_checksum:TRUE", "-T", "json"]
        + [part for field in fields for part in ("-e", field)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line for line in result.stderr.splitlines() if "Running as user" not in line] == []
    good = ["1"]
    assert [packet["_source"]["layers"] for packet in json.loads(result.stdout)] == [
        {"frame.interface_name": ["uplink:a"], "udp.checksum.status": good},
        {
            "frame.interface_name": ["uplink:a"],
            "frame.comment": ["dropped: lost"],
            "udp.checksum.status": good,
        },
        {"frame.interface_name": ["uplink:b"], "udp.checksum.status": good},
    ]
