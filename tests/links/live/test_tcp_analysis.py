"""The judge of captures is judged: what it must find, and what it must let pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from links.pcapng import create_pcapng
from stack.link import Medium
from stack.wire.address import parse_address
from stack.wire.checksum import fold, ones_sum, pseudo_header_sum
from stack.wire.ipv4 import Ipv4Header
from stack.wire.protocols import TCP
from stack.wire.tcp import ACK, SYN, TcpHeader, TcpOptions
from tests.links.live.tcp_analysis import (
    broken_packets,
    needless_retransmissions,
    unjustified_retransmissions,
)

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

OURS, PEER = "10.0.0.2", "10.0.0.1"
MILLISECOND = 1_000_000
ROUND_TRIP = 0.04


class Conversation:
    """Ours connects, and sends; each call is a packet, a millisecond after the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packets: list[tuple[int, bytes]] = []
        self.time = 0
        self._add(OURS, SYN, 0, 0)
        self._add(PEER, SYN | ACK, 0, 1)

    def wait(self, milliseconds: int) -> None:
        self.time += milliseconds * MILLISECOND

    def data(self, number: int, *, checksum_error: int = 0) -> None:
        """The so-manieth hundred bytes."""
        self._add(OURS, ACK, 1 + 100 * number, 1, bytes(100), checksum_error=checksum_error)

    def ack(self, number: int, *blocks: tuple[int, int]) -> None:
        """Up to those hundred bytes, and SACK of others."""
        sack = tuple((1 + 100 * first, 1 + 100 * last) for first, last in blocks)
        self._add(PEER, ACK, 1, 1 + 100 * number, options=TcpOptions(sack=sack).build())

    def _add(
        self,
        source: str,
        flags: int,
        sequence: int,
        ack: int,
        payload: bytes = b"",
        options: bytes = b"",
        checksum_error: int = 0,
    ) -> None:
        self.wait(1)
        here = parse_address(source)
        there = parse_address(PEER if source == OURS else OURS)
        ports = (40000, 80) if source == OURS else (80, 40000)
        header = TcpHeader(*ports, sequence, ack, flags, 65535, options=options)
        size = header.header_length + len(payload)
        total = pseudo_header_sum(here, there, TCP, size) + ones_sum(header.build()) + ones_sum(payload)
        header.checksum = (0xFFFF - fold(total)) ^ checksum_error
        ip = Ipv4Header(here, there, TCP, total_length=20 + size)
        self.packets.append((self.time, ip.build() + header.build() + payload))

    def capture(self) -> Path:
        with create_pcapng(self.path) as writer:
            interface = writer.add_interface("ours", medium=Medium.IP)
            for time, packet in self.packets:
                writer.write(interface, time, packet)
        return self.path

    def unjustified(self) -> list[str]:
        return unjustified_retransmissions(self.capture(), [OURS], ROUND_TRIP)


@pytest.fixture
def talk(tmp_path: Path) -> Conversation:
    """Three hundred bytes are on their way."""
    conversation = Conversation(tmp_path / "capture.pcapng")
    for number in range(3):
        conversation.data(number)
    return conversation


def test_a_retransmission_out_of_the_blue(talk: Conversation) -> None:
    talk.wait(30)
    talk.data(0)
    assert len(talk.unjustified()) == 1


def test_a_probe_after_two_round_trips(talk: Conversation) -> None:
    talk.wait(80)
    talk.data(2)
    assert talk.unjustified() == []


def test_a_hole_before_what_was_sacked(talk: Conversation) -> None:
    talk.wait(40)
    talk.ack(0, (1, 2))
    talk.data(0)
    assert talk.unjustified() == []
    talk.data(2)
    assert len(talk.unjustified()) == 1, "nothing later has been delivered"


def test_what_was_sacked(talk: Conversation) -> None:
    talk.wait(80)
    talk.ack(0, (1, 2))
    talk.data(1)
    assert len(talk.unjustified()) == 1


def test_what_was_acknowledged(talk: Conversation) -> None:
    talk.wait(80)
    talk.ack(1)
    talk.data(0)
    assert len(talk.unjustified()) == 1
    assert len(needless_retransmissions(talk.path, [OURS])) == 1
    assert needless_retransmissions(talk.path, [PEER]) == []


def test_duplicate_acks_without_sack(talk: Conversation) -> None:
    talk.wait(40)
    talk.ack(0)
    talk.data(0)
    assert talk.unjustified() == []
    talk.data(0)
    assert len(talk.unjustified()) == 1, "the duplicate told nothing of the second attempt"


def test_a_bad_checksum(talk: Conversation) -> None:
    assert broken_packets(talk.capture()) == []
    talk.data(3, checksum_error=1)
    assert len(broken_packets(talk.capture())) == 1
