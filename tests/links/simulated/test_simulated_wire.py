"""Wires: what goes in at one end comes out at the other, and who may see it."""

from __future__ import annotations

from random import Random

import pytest

from links.impairments.channel import ChannelObserver
from links.impairments.spec import Impairments
from links.simulated.clock import SimulatedClock
from links.simulated.wire import Wire
from stack.clock import MILLISECOND
from stack.link import Frame, Medium, Offload


class Lab:
    """A wire between a and b, and what has arrived at each."""

    def __init__(self, forward: str = "delay=3ms", backward: str | None = None) -> None:
        self.clock = SimulatedClock()
        self.wire = Wire(
            "uplink",
            ("a", "b"),
            self.clock,
            lambda name: Random(f"7/{name}"),
            Impairments.parse_text(forward),
            None if backward is None else Impairments.parse_text(backward),
        )
        self.a, self.b = self.wire.ends
        self.arrived: list[tuple[str, int, Frame]] = []
        self.listen()

    def listen(self) -> None:
        for end in self.wire.ends:
            end.attach(
                lambda frame, end=end: self.arrived.append((end.node, self.clock.now() // MILLISECOND, frame))
            )


def frame(number: int = 0, size: int = 60) -> Frame:
    return Frame(bytes([number]) * 14, bytes(size - 14))


def test_each_direction_has_its_own_impairments() -> None:
    lab = Lab("delay=3ms", "delay=5ms")
    there, back = frame(1), frame(2)
    lab.a.transmit(there)
    lab.b.transmit(back)
    lab.clock.run()
    assert lab.arrived == [("b", 3, there), ("a", 5, back)]


def test_backward_is_as_forward_if_nothing_is_said() -> None:
    lab = Lab("delay=3ms")
    lab.b.transmit(frame())
    lab.clock.run()
    assert [(node, time) for node, time, _ in lab.arrived] == [("a", 3)]


def test_the_directions_have_luck_of_their_own() -> None:
    lab = Lab("loss=50%")
    for number in range(100):
        lab.a.transmit(frame(number))
        lab.b.transmit(frame(number))
    lab.clock.run()
    at_a, at_b = ([item.head[0] for node, _, item in lab.arrived if node == wanted] for wanted in ("a", "b"))
    assert 20 < len(at_a) < 80
    assert 20 < len(at_b) < 80
    assert at_a != at_b


def test_it_speaks_of_itself_as_a_link() -> None:
    end = Lab().a
    assert (end.medium, end.mtu, end.offload) == (Medium.ETHERNET, 1500, Offload(checksum=True))


def test_a_payload_travels_by_reference() -> None:
    lab = Lab()
    payload = memoryview(bytes(100))
    lab.a.transmit(Frame(bytes(54), payload))
    lab.clock.run()
    assert lab.arrived[0][2].payload is payload


def test_reconfigured_while_frames_are_on_the_way() -> None:
    lab = Lab("delay=3ms")
    lab.a.transmit(frame(1))
    lab.wire.forward.configure(Impairments.parse_text("delay=1ms"))
    lab.a.transmit(frame(2))
    lab.clock.run()
    assert [(time, item.head[0]) for _, time, item in lab.arrived] == [(1, 2), (3, 1)]


def test_down_and_up_again() -> None:
    lab = Lab("delay=3ms")
    assert lab.wire.up
    lab.a.transmit(frame(1))
    lab.wire.up = False
    assert not lab.wire.up
    lab.a.transmit(frame(2))
    lab.b.transmit(frame(3))
    lab.wire.up = True
    lab.a.transmit(frame(4))
    lab.clock.run()
    assert [(time, item.head[0]) for _, time, item in lab.arrived] == [(3, 4)]
    assert lab.wire.forward.statistics.drops == {"link down": 2}
    assert lab.wire.backward.statistics.drops == {"link down": 1}


def test_a_drawn_plug_loses_frames_both_ways_until_it_is_put_in_again() -> None:
    lab = Lab()
    lab.a.transmit(frame(1))
    lab.b.close()
    lab.b.transmit(frame(2))
    lab.clock.run()
    assert lab.arrived == []
    assert lab.b.unheard == 1
    lab.listen()
    lab.a.transmit(frame(3))
    lab.b.transmit(frame(4))
    lab.clock.run()
    assert [(node, item.head[0]) for node, _, item in lab.arrived] == [("b", 3), ("a", 4)]


def test_who_does_not_listen_does_not_hear() -> None:
    lab = Lab()
    lab.b.listening = False
    lab.a.transmit(frame(1))
    lab.clock.run()
    lab.b.listening = True
    lab.a.transmit(frame(2))
    lab.clock.run()
    assert [item.head[0] for _, _, item in lab.arrived] == [2]
    assert lab.b.unheard == 1


class Log(ChannelObserver):
    def __init__(self, name: str, log: list[tuple[str, ...]]) -> None:
        self.name = name
        self.log = log

    def sent(self, frame: Frame) -> None:
        self.log.append((self.name, "sent"))

    def delivered(self, frame: Frame) -> None:
        self.log.append((self.name, "delivered"))

    def dropped(self, frame: Frame, reason: str) -> None:
        self.log.append((self.name, "dropped", reason))

    def note(self, frame: Frame, text: str) -> None:
        self.log.append((self.name, "note", text))


@pytest.mark.parametrize("observers", [1, 2, 3])
def test_all_observers_see_everything_in_the_order_in_which_they_came(observers: int) -> None:
    lab = Lab("duplicate=100%")
    log: list[tuple[str, ...]] = []
    for number in range(observers):
        lab.wire.observe(Log(f"forward {number}", log), Log(f"backward {number}", log))
    lab.a.transmit(frame())
    lab.clock.run()
    lab.wire.up = False
    lab.b.transmit(frame())
    expected: list[tuple[str, ...]] = []
    for event in (("sent",), ("note", "duplicated"), ("delivered",), ("delivered",)):
        expected += [(f"forward {number}", *event) for number in range(observers)]
    for event in (("sent",), ("dropped", "link down")):
        expected += [(f"backward {number}", *event) for number in range(observers)]
    assert log == expected


def test_closed_it_leaves_nothing_at_the_clock() -> None:
    lab = Lab("delay=3ms, rate=1Mbit/s")
    for _ in range(3):
        lab.a.transmit(frame())
    assert lab.clock.pending
    lab.wire.close()
    assert not lab.clock.pending
    lab.a.transmit(frame())
    lab.clock.run()
    assert lab.arrived == []
