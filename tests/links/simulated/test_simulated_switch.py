"""Learning switches: IEEE 802.1D clause 7."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from links.simulated import switch as switch_module
from links.simulated.clock import SimulatedClock
from links.simulated.switch import AGEING_TIME, Switch
from stack.link import Frame, Link, Medium, Offload

ALICE, BOB, CAROL, BROADCAST = (
    bytes.fromhex(mac) for mac in ("020000000001", "020000000002", "020000000003", "f" * 12)
)
MULTICAST = bytes.fromhex("333300000001")


class Port(Link):
    """What is plugged into the switch under test."""

    def __init__(self, mtu: int = 1500) -> None:
        self.medium = Medium.ETHERNET
        self.mtu = mtu
        self.offload = Offload()
        self.out: list[Frame] = []
        self.into_switch: Callable[[Frame], None]

    def transmit(self, frame: Frame) -> None:
        self.out.append(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self.into_switch = receive

    def close(self) -> None:
        raise AssertionError("a switch closes no link")


class Lab:
    def __init__(self, ports: int = 3, mtu: int = 1500) -> None:
        self.clock = SimulatedClock()
        self.switch = Switch("s", self.clock)
        self.ports = [Port(mtu) for _ in range(ports)]
        for port in self.ports:
            self.switch.add_port(port)

    def send(self, port: int, source: bytes, destination: bytes, size: int = 60) -> list[int]:
        """Returns the ports at which the very same frame comes out."""
        frame = Frame(destination + source + b"\x08\x00", bytes(size - 14))
        for each in self.ports:
            each.out.clear()
        self.ports[port].into_switch(frame)
        assert all(out is frame for each in self.ports for out in each.out)
        return [number for number, each in enumerate(self.ports) for _ in each.out]


def test_an_unknown_destination_is_flooded_and_a_known_one_is_not() -> None:
    lab = Lab()
    assert lab.send(0, ALICE, BOB) == [1, 2]
    assert lab.send(1, BOB, ALICE) == [0]
    assert lab.send(0, ALICE, BOB) == [1]
    assert lab.switch.counters == {"flooded": 1, "forwarded": 2}


@pytest.mark.parametrize("group", [BROADCAST, MULTICAST])
def test_a_group_is_flooded_always_and_never_learnt(group: bytes) -> None:
    lab = Lab()
    lab.send(0, group, BOB)
    assert lab.send(1, BOB, group) == [0, 2]
    assert lab.switch.addresses == (BOB,)


def test_a_frame_never_goes_back_to_where_it_came_from() -> None:
    lab = Lab()
    lab.send(0, ALICE, BROADCAST)
    lab.send(0, BOB, BROADCAST)
    assert lab.send(0, ALICE, BOB) == []
    assert lab.switch.counters["filtered"] == 1


def test_a_station_that_moves_is_followed() -> None:
    lab = Lab()
    lab.send(0, ALICE, BROADCAST)
    lab.send(2, ALICE, BROADCAST)
    assert lab.send(1, BOB, ALICE) == [2]


def test_a_station_that_is_silent_is_forgotten_after_five_minutes() -> None:
    lab = Lab()
    lab.send(0, ALICE, BROADCAST)
    lab.clock.run(until=AGEING_TIME)
    assert lab.send(1, BOB, ALICE) == [0]
    lab.clock.run(until=AGEING_TIME + 1)
    assert lab.send(1, BOB, ALICE) == [0, 2]


def test_a_full_table_parts_with_the_address_that_was_silent_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_module, "TABLE_SIZE", 2)
    lab = Lab()
    lab.send(0, ALICE, BROADCAST)
    lab.send(1, BOB, BROADCAST)
    lab.send(0, ALICE, BROADCAST)
    lab.send(2, CAROL, BROADCAST)
    assert lab.switch.addresses == (ALICE, CAROL)
    assert lab.send(2, CAROL, ALICE) == [0]
    assert lab.send(2, CAROL, BOB) == [0, 1]


def test_frames_that_are_none_are_counted() -> None:
    lab = Lab()
    lab.ports[0].into_switch(Frame(bytes(13)))
    assert lab.switch.counters == {"truncated": 1}
    assert lab.switch.addresses == ()


def test_a_frame_that_is_too_big_for_a_port_does_not_get_there() -> None:
    lab = Lab(mtu=1000)
    assert lab.send(0, ALICE, BOB, 1018) == [1, 2]
    assert lab.send(0, ALICE, BOB, 1019) == []
    assert lab.switch.counters["too_big"] == 2
