"""More than a minute of traffic, so that both ends live through the ageing of their neighbours."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.links.live.command import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6, live, run

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

LONG = 65
"""Seconds."""
INTERVAL = 0.1


def test_a_minute_of_traffic_loses_nothing_while_neighbours_age(tmp_path: Path) -> None:
    """UDP confirms no neighbour, so both ends ask again, by unicast, as RFC 4861 7.3 has it. TCP confirms, so it has
    a pair of addresses to itself."""
    capture = tmp_path / "capture.pcapng"
    with (
        live(
            "--pcap", str(capture), "--serve", "echo:7", "--address", "10.0.0.3/24", "--peer", "10.0.0.4/24"
        ),
        socket.create_connection(("10.0.0.3", 7), timeout=10, source_address=("10.0.0.4", 0)) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ipv4,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ipv6,
    ):
        ipv4.connect((OURS_V4, 7))
        ipv6.connect((OURS_V6, 7))
        echoes = (stream, ipv4, ipv6)
        for client in echoes:
            client.settimeout(10)
        end = time.monotonic() + LONG
        number = 0
        while time.monotonic() < end:
            message = b"message %06d" % number
            for client in echoes:
                client.send(message)
            assert [client.recv(100) for client in echoes] == [message] * len(echoes)
            number += 1
            time.sleep(INTERVAL)

    def seen(condition: str) -> int:
        return len(run("tshark", "-r", capture, "-Y", condition).splitlines())

    unicast = "eth.dst.ig == 0"
    for asked in (OURS_V4, KERNEL_V4):
        assert seen(f"arp.opcode == 1 and {unicast} and arp.dst.proto_ipv4 == {asked}") > 0
        assert seen(f"arp.opcode == 2 and {unicast} and arp.src.proto_ipv4 == {asked}") > 0
    for asked in (OURS_V6, KERNEL_V6):
        assert seen(f"icmpv6.type == 135 and {unicast} and icmpv6.nd.ns.target_address == {asked}") > 0
        assert seen(f"icmpv6.type == 136 and {unicast} and icmpv6.nd.na.target_address == {asked}") > 0
    assert seen("tcp.analysis.retransmission") == 0
