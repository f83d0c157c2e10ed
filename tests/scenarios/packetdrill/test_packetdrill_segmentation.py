"""All scripts again, on a link that segments: what is on the wire must not depend on who cuts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.packetdrill import Family, Outcome, interpreter, run_script
from scenarios.packetdrill.link import PlayedLink
from stack.clock import Clock
from stack.link import Frame, Offload
from stack.wire.checksum import complete
from stack.wire.segmentation import segments

SCRIPTS = Path(__file__).resolve().parents[2] / "packetdrill"


class SegmentingLink(PlayedLink):
    """Takes super-segments, and shows their packets."""

    cut = 0

    def __init__(self, clock: Clock, mtu: int) -> None:
        super().__init__(clock, mtu)
        self.offload = Offload(checksum=True, segmentation=65535)

    def transmit(self, frame: Frame) -> None:
        pieces = list(segments(frame, 0)) if frame.segment_size else [frame]
        SegmentingLink.cut += len(pieces) > 1
        for piece in pieces:
            super().transmit(complete(piece))


@pytest.fixture(autouse=True)
def segmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "PlayedLink", SegmentingLink)


@pytest.mark.parametrize("family", [Family.IPV4, Family.IPV6], ids=lambda family: family.value)
def test_our_scripts_cannot_tell(family: Family) -> None:
    SegmentingLink.cut = 0
    for path in sorted(SCRIPTS.rglob("*.pkt")):
        result = run_script(path, family=family)
        assert result.outcome is Outcome.PASSED, str(result)
    assert SegmentingLink.cut > 10, "there were super-segments"
