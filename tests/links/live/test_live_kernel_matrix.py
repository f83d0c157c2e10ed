"""Bulk both ways between the stack and the kernel, over bad links, with every mixture of what they may agree upon."""

from __future__ import annotations

import asyncio
from itertools import product
from pathlib import Path
from random import Random

import pytest

from links.impairments.spec import Impairments
from links.pcapng import create_pcapng
from tests.links.live.kernel_peer import (
    CONGESTION_CONTROLS,
    OPTION_ECN,
    OPTION_ECN_SEEN,
    KernelPeer,
    Settings,
    congestion_controls,
    kernel_peers,
)
from tests.links.live.tcp_analysis import (
    broken_packets,
    needless_retransmissions,
    unjustified_retransmissions,
)

pytestmark = pytest.mark.live

SIZE = 500_000
DELAY = 0.02
"""Seconds, each way."""
LINKS = {
    "no-loss": "delay=20ms",
    "loss-1": "delay=20ms, loss=1%",
    "loss-3": "delay=20ms, loss=3%",
    "reordering": "delay=20ms, reorder=5%",
}
CONGESTION = pytest.mark.parametrize("congestion", CONGESTION_CONTROLS)


def mixtures(congestion: str) -> list[Settings]:
    """All there are, with that congestion control at both ends."""
    if congestion not in congestion_controls():
        pytest.skip(f"NOT TESTED AGAINST {congestion}: the kernel lacks it")
    switches = product((True, False), repeat=3)
    return [Settings(sack, timestamps, ecn, congestion) for sack, timestamps, ecn in switches]


async def bulk_both_ways(settings: list[Settings], impairments: str, capture: Path) -> list[KernelPeer]:
    """With all of them at once; returns the peers, after the end."""
    data = Random(1).randbytes(SIZE)
    with create_pcapng(capture) as writer:
        async with kernel_peers(settings, Impairments.parse_text(impairments), writer) as peers:
            transfers = [transfer for peer in peers for transfer in (peer.upload(data), peer.download(data))]
            results = await asyncio.gather(*transfers)
            for number, result in enumerate(results):
                assert result.intact, f"{('upload', 'download')[number % 2]} with {settings[number // 2]}"
            for peer in peers:
                peer.marks_seen = peer.namespace.counters()["InCEPkts"]
    return peers


@CONGESTION
@pytest.mark.parametrize("link", LINKS)
def test_every_byte_arrives(link: str, congestion: str, tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcapng"
    peers = asyncio.run(bulk_both_ways(mixtures(congestion), LINKS[link], capture))
    for peer in peers:
        assert len(peer.negotiated) == 2
        for options in peer.negotiated:
            assert options & ~(OPTION_ECN | OPTION_ECN_SEEN) == peer.settings.options, str(peer.settings)
            # Whoever has to send a SYN again may give up ECN (RFC 3168 6.1.1.1).
            assert bool(options & OPTION_ECN) == peer.settings.ecn or "loss" in link
    ours = [peer.ours for peer in peers]
    assert broken_packets(capture) == []
    assert needless_retransmissions(capture, ours) == []
    # What overtakes has no delay at all.
    round_trip = 0.0 if link == "reordering" else 2 * DELAY
    assert unjustified_retransmissions(capture, ours, round_trip) == []


@CONGESTION
def test_marks_take_the_place_of_losses(congestion: str, tmp_path: Path) -> None:
    """Each way: CE in data that ours sent reaches the kernel, and ours answers what the kernel sent."""
    capture = tmp_path / "capture.pcapng"
    settings = [each for each in mixtures(congestion) if each.ecn]
    peers = asyncio.run(bulk_both_ways(settings, "delay=20ms, loss.probability=2%, loss.ecn=true", capture))
    assert all(options & OPTION_ECN for peer in peers for options in peer.negotiated)
    assert all(peer.marks_seen > 0 for peer in peers)
    assert broken_packets(capture) == []
    assert unjustified_retransmissions(capture, [peer.ours for peer in peers], 2 * DELAY) == []
