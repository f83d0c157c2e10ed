"""Captures: what is written is read again, by this reader and by others."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from links.pcapng import (
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    CapturedPacket,
    Direction,
    PcapngError,
    PcapngWriter,
    create_pcapng,
    read_pcapng,
)
from stack.link import Medium

ARP_REQUEST = bytes.fromhex(
    "ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002"
)
IPV4_UDP = bytes.fromhex("4500001d000040004011 66ce0a0000010a000002 0001000200090000 78".replace(" ", ""))

packets = st.tuples(
    st.integers(0, 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=200),
    st.sampled_from(Direction),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=3).map(tuple),
)


def read(data: bytes) -> list[CapturedPacket]:
    return list(read_pcapng(io.BytesIO(data)))


@given(st.lists(packets, max_size=20))
def test_what_is_written_is_read(
    written: list[tuple[int, int, bytes, Direction, tuple[str, ...]]],
) -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    assert writer.add_interface("wire:a", "a's end", Medium.ETHERNET) == 0
    assert writer.add_interface("tun0", medium=Medium.IP) == 1
    for interface, time, data, direction, comments in written:
        writer.write(interface, time, data, direction, comments)
    names = ("wire:a", "tun0")
    assert [
        (names.index(packet.interface.name), packet.time, packet.data, packet.direction, packet.comments)
        for packet in read(file.getvalue())
    ] == written


def test_interfaces_are_described() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.add_interface("uplink:client", "client's end of uplink")
    writer.write(0, 1, ARP_REQUEST)
    writer.add_interface("tun0", medium=Medium.IP)
    writer.write(1, 2, IPV4_UDP)
    first, second = (packet.interface for packet in read(file.getvalue()))
    assert (first.name, first.description) == ("uplink:client", "client's end of uplink")
    assert (first.linktype, second.linktype) == (LINKTYPE_ETHERNET, LINKTYPE_RAW)
    assert first.ticks_per_second == second.ticks_per_second == 10**9


def capture_of_another(order: str, resolution: bytes) -> bytes:
    """A capture with the other byte order, an unknown block, and a packet that was cut to 4 of 60 bytes."""

    def block(kind: int, body: bytes) -> bytes:
        total = len(body) + 12
        return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)

    tsresol = struct.pack(order + "HH", 9, 1) + resolution + b"\0\0\0" if resolution else b""
    return b"".join(
        (
            block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
            block(1, struct.pack(order + "HHI", 1, 0, 65535) + tsresol),
            block(5, b"\0" * 12),
            block(6, struct.pack(order + "IIIII", 0, 1, 2048, 4, 60) + b"\x02\0\0\0"),
        )
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "ticks"), [(b"", 10**6), (b"\x09", 10**9), (b"\x03", 1000), (b"\x8a", 1024)]
)
def test_captures_of_others(order: str, resolution: bytes, ticks: int) -> None:
    (packet,) = read(capture_of_another(order, resolution))
    assert packet.time == (2**32 + 2048) * 10**9 // ticks
    assert (packet.data, packet.length) == (b"\x02\0\0\0", 60)
    assert (packet.direction, packet.comments) == (Direction.UNKNOWN, ())


def test_a_second_section_has_interfaces_of_its_own() -> None:
    one, other = capture_of_another("<", b"\x09"), capture_of_another(">", b"\x03")
    first, second = read(one + other)
    assert (first.interface.ticks_per_second, second.interface.ticks_per_second) == (10**9, 1000)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_capture_or_an_error(data: bytes) -> None:
    head = capture_of_another("<", b"\x09")[:28]
    for start in (b"", head):
        with contextlib.suppress(PcapngError):
            assert all(isinstance(packet, CapturedPacket) for packet in read(start + data))


@given(st.data())
def test_a_damaged_capture_is_a_capture_or_an_error(data: st.DataObject) -> None:
    capture = bytearray(capture_of_another("<", b"\x09"))
    for _ in range(data.draw(st.integers(1, 4))):
        capture[data.draw(st.integers(0, len(capture) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PcapngError):
        read(bytes(capture))


@pytest.mark.parametrize("end", [1, 7, 11, 29, 60, -1])
def test_a_capture_that_ends_within_a_block(end: int) -> None:
    with pytest.raises(PcapngError, match=r"ends within|no byte-order|no section header"):
        read(capture_of_another("<", b"\x09")[:end])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (struct.pack("<IIIII", 1, 0, 0, 0, 0), "not described"),
        (struct.pack("<IIIII", 0, 0, 0, 5, 5) + b"1234", "longer than its block"),
        (struct.pack("<IIII", 0, 0, 0, 0), "too short"),
        (struct.pack("<IIIIIHH", 0, 0, 0, 0, 0, 1, 8) + b"1234", "option is longer"),
    ],
)
def test_packet_blocks_that_lie(body: bytes, message: str) -> None:
    total = len(body) + 12
    block = struct.pack("<II", 6, total) + body + struct.pack("<I", total)
    with pytest.raises(PcapngError, match=message):
        read(capture_of_another("<", b"\x09") + block)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\1\0\0\0", "interface description is too short"),
        (struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH", 9, 2) + b"\6\6\0\0", "if_tsresol"),
    ],
)
def test_interface_blocks_that_lie(body: bytes, message: str) -> None:
    total = len(body) + 12
    block = struct.pack("<II", 1, total) + body + struct.pack("<I", total)
    with pytest.raises(PcapngError, match=message):
        read(capture_of_another("<", b"\x09") + block)


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    with create_pcapng(path) as writer:
        writer.add_interface("wire:a")
        writer.write(0, 5, ARP_REQUEST)
        assert not path.exists()
    with path.open("rb") as file:
        assert [packet.data for packet in read_pcapng(file)] == [ARP_REQUEST]
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    path.write_bytes(b"former")

    def interrupted() -> None:
        with create_pcapng(path) as writer:
            writer.add_interface("wire:a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), create_pcapng(tmp_path / "nowhere" / "run.pcapng"):
        pass


def test_wireshark_reads_it_without_a_warning(tmp_path: Path) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed: nobody but us has read the capture")
    path = tmp_path / "run.pcapng"
    with create_pcapng(path) as writer:
        writer.add_interface("uplink:client", "client's end of uplink")
        writer.add_interface("tun0", "a tunnel", Medium.IP)
        writer.write(0, 1_000_000_001, ARP_REQUEST, Direction.OUTBOUND, ("dropped: queue full", "a pity"))
        writer.write(1, 2**62, IPV4_UDP, Direction.INBOUND)
    fields = (
        "frame.time_epoch frame.interface_name frame.interface_description frame.packet_flags_direction "
        "frame.comment frame.protocols udp.srcport"
    )
    arguments = [
        tshark,
        "-r",
        str(path),
        "-T",
        "json",
        *(part for field in fields.split() for part in ("-e", field)),
    ]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    warnings = [line for line in result.stderr.splitlines() if "Running as user" not in line]
    assert warnings == []
    first, second = (packet["_source"]["layers"] for packet in json.loads(result.stdout))
    assert first == {
        "frame.time_epoch": ["1.000000001"],
        "frame.interface_name": ["uplink:client"],
        "frame.interface_description": ["client's end of uplink"],
        "frame.packet_flags_direction": ["0x00000002"],
        "frame.comment": ["dropped: queue full", "a pity"],
        "frame.protocols": ["eth:ethertype:arp"],
    }
    assert second["frame.protocols"] == ["raw:ip:udp:data"]
    assert second["frame.time_epoch"] == ["4611686018.427387904"]
    assert second["udp.srcport"] == ["1"]
