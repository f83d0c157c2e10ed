"""Impairments in front of any link."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from links.impaired import ImpairedLink
from links.impairments.spec import Impairments
from stack.clock import MILLISECOND
from stack.link import Checksum, Frame, Link, Medium, Offload
from stack.wire.ethernet import VlanTag
from tests.super_segments import MACS, TCP, UDP, super_segment
from tests.support import FakeClock

CHECKSUM = Offload(checksum=True)


class Loop(Link):
    """Remembers what was transmitted, and lets a test play the other side."""

    def __init__(self, medium: Medium, offload: Offload = CHECKSUM) -> None:
        self.medium = medium
        self.mtu = 1234
        self.offload = offload
        self.transmitted: list[Frame] = []
        self.receive: Callable[[Frame], None] | None = None
        self.closed = False

    def transmit(self, frame: Frame) -> None:
        self.transmitted.append(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self.receive = receive

    def close(self) -> None:
        self.closed = True


class Setup:
    def __init__(
        self,
        egress: dict[str, Any],
        ingress: dict[str, Any],
        seed: int = 1,
        offload: Offload = CHECKSUM,
    ) -> None:
        self.clock = FakeClock()
        self.inner = Loop(Medium.ETHERNET, offload)
        self.link = ImpairedLink(
            self.inner,
            self.clock,
            Impairments.model_validate(egress),
            Impairments.model_validate(ingress),
            Random(seed),
        )
        self.received: list[tuple[int, Frame]] = []
        self.link.attach(lambda frame: self.received.append((self.clock.now(), frame)))

    def arrive(self, frame: Frame) -> None:
        assert self.inner.receive is not None
        self.inner.receive(frame)


def test_it_presents_itself_as_the_link_it_wraps() -> None:
    setup = Setup({}, {})
    assert (setup.link.medium, setup.link.mtu) == (Medium.ETHERNET, 1234)
    assert setup.link.offload == Offload(checksum=True)


def test_each_direction_has_impairments_of_its_own() -> None:
    setup = Setup({"delay": "5ms"}, {"delay": "7ms"})
    out, back = Frame(b"out"), Frame(b"back")
    setup.link.transmit(out)
    setup.arrive(back)
    assert setup.inner.transmitted == []
    setup.clock.advance(6 * MILLISECOND)
    assert setup.inner.transmitted == [out]
    assert setup.received == []
    setup.clock.run()
    assert setup.received == [(7 * MILLISECOND, back)]


def test_they_can_be_changed_at_any_time() -> None:
    setup = Setup({}, {})
    setup.link.egress.configure(Impairments(up=False))
    setup.link.transmit(Frame(b"lost"))
    setup.clock.run()
    assert setup.inner.transmitted == []
    assert setup.link.egress.statistics.drops == {"link down": 1}


def test_traffic_in_one_direction_does_not_change_the_luck_of_the_other() -> None:
    def survivors(echoes: int) -> list[bytes]:
        setup = Setup({"loss": "50%"}, {"loss": "50%"})
        for index in range(100):
            setup.link.transmit(Frame(bytes([index])))
            for _ in range(echoes):
                setup.arrive(Frame(b"echo"))
        setup.clock.run()
        return [bytes(frame) for frame in setup.inner.transmitted]

    assert survivors(0) == survivors(3)
    assert 20 < len(survivors(0)) < 80


def test_frames_that_nobody_wants_are_dropped() -> None:
    inner = Loop(Medium.IP)
    clock = FakeClock()
    link = ImpairedLink(inner, clock, Impairments(), Impairments(), Random(1))
    assert inner.receive is not None
    inner.receive(Frame(b"early"))
    clock.run()
    assert link.ingress.statistics.delivered == 1


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [TCP, UDP], ids=["tcp", "udp"])
def test_what_is_lost_or_delayed_is_a_packet_as_it_is_on_a_wire(version: int, protocol: int) -> None:
    """Super-segments that come in are cut, and none are asked for."""
    setup = Setup({}, {"delay": "5ms", "drop": {"nth": 2}}, offload=Offload(True, 65535))
    assert setup.link.offload == Offload(checksum=True)
    data = bytes(range(256)) * 10
    setup.arrive(super_segment(version, protocol, data, 1000, macs=MACS, tags=(VlanTag(7),)))
    setup.clock.run()
    headers = 18 + (20 if version == 4 else 40) + (20 if protocol == TCP else 8)
    received = [frame for _, frame in setup.received]
    assert all(frame.segment_size == 0 and frame.checksum is Checksum.PARTIAL for frame in received)
    assert [bytes(frame)[headers:] for frame in received] == [data[:1000], data[2000:]]


def test_close_drops_what_is_under_way_and_closes_the_link() -> None:
    setup = Setup({"delay": "5ms"}, {"delay": "5ms"})
    setup.link.transmit(Frame(b"out"))
    setup.arrive(Frame(b"back"))
    setup.link.close()
    setup.clock.run()
    assert setup.inner.closed
    assert setup.inner.transmitted == []
    assert setup.received == []
    assert setup.clock.pending == 0
