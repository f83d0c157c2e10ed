"""Two links joined by a bad wire."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from links.impairments.spec import Impairments
from links.relay import Relay
from stack.clock import MILLISECOND
from stack.link import Checksum, Frame, Link, Medium, Offload
from tests.support import FakeClock


class Port(Link):
    """One end, whose other side the test plays."""

    def __init__(self, medium: Medium = Medium.ETHERNET, offload: Offload | None = None) -> None:
        self.medium = medium
        self.mtu = 1500
        self.offload = offload or Offload()
        self.transmitted: list[Frame] = []
        self.arrives: Callable[[Frame], None]
        self.closed = False

    def transmit(self, frame: Frame) -> None:
        self.transmitted.append(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self.arrives = receive

    def close(self) -> None:
        self.closed = True


class Setup:
    def __init__(self, *ports: Port, **impairments: Any) -> None:
        self.clock = FakeClock()
        self.first, self.second = ports or (Port(), Port())
        specs = {name: Impairments.model_validate(spec) for name, spec in impairments.items()}
        self.relay = Relay(self.first, self.second, self.clock, Random(1), **specs)


def test_what_comes_in_by_one_leaves_by_the_other() -> None:
    setup = Setup(forward={"delay": "5ms"}, backward={"delay": "7ms"})
    there, back = Frame(b"there"), Frame(b"back")
    setup.first.arrives(there)
    setup.second.arrives(back)
    setup.clock.advance(6 * MILLISECOND)
    assert (setup.first.transmitted, setup.second.transmitted) == ([], [there])
    setup.clock.advance(MILLISECOND)
    assert (setup.first.transmitted, setup.second.transmitted) == ([back], [there])


def test_the_way_back_is_as_bad_as_the_way_there_but_not_with_the_same_luck() -> None:
    setup = Setup(forward={"loss": "50%"})
    for index in range(100):
        setup.first.arrives(Frame(bytes([index])))
        setup.second.arrives(Frame(bytes([index])))
    setup.clock.run()
    there = [bytes(frame) for frame in setup.second.transmitted]
    back = [bytes(frame) for frame in setup.first.transmitted]
    assert 20 < len(there) < 80
    assert 20 < len(back) < 80
    assert there != back


@pytest.mark.parametrize("offload", [False, True])
def test_a_checksum_that_one_end_left_open_is_closed_for_an_end_that_cannot(offload: bool) -> None:
    setup = Setup(Port(offload=Offload(checksum=True)), Port(offload=Offload(checksum=offload)))
    setup.first.arrives(Frame(b"\x00\x01" + bytes(6), b"data", Checksum.PARTIAL, transport=0, checksum_at=0))
    setup.clock.run()
    (frame,) = setup.second.transmitted
    assert frame.checksum is (Checksum.PARTIAL if offload else Checksum.COMPLETE)


def test_frames_of_different_kinds_are_not_joined() -> None:
    with pytest.raises(ValueError, match="frames of ethernet cannot leave as ip"):
        Setup(Port(), Port(Medium.IP))


def test_close_drops_what_is_under_way_and_closes_both_links() -> None:
    setup = Setup(forward={"delay": "5ms"})
    setup.first.arrives(Frame(b"there"))
    setup.relay.close()
    setup.clock.run()
    assert setup.second.transmitted == []
    assert setup.first.closed
    assert setup.second.closed
    assert setup.clock.pending == 0
