"""Another router takes the place of one that does not answer: RFC 1122 3.3.1.4, 3.3.1.5, RFC 4861 6.3.6, 7.3.3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stack.clock import SECOND
from stack.config import HostConfig
from stack.tcp.connection import Connection
from stack.tcp.state import State
from stack.wire.address import format_address, parse_mac
from tests.stack.internet.lab import FAMILIES, STATION_MAC, V4, Bench, Family, Seen

both = pytest.mark.parametrize("family", FAMILIES, ids=["v4", "v6"])
SECOND_MAC = parse_mac("02:00:00:00:00:0c")


def _second(family: Family) -> bytes:
    """The address of the second router."""
    return family.nobody


def _lab(family: Family, *metrics: int) -> Bench:
    """Two routers to everywhere, of which the first is the better or the older."""
    lab = Bench()
    everywhere = "0.0.0.0/0" if family is V4 else "::/0"
    for address, metric in zip((family.station, _second(family)), metrics, strict=True):
        lab.host.add_route(everywhere, via=address, metric=metric)
    _know_second(lab, family)
    return lab


def _know_second(lab: Bench, family: Family) -> None:
    neighbour = lab.interface.neighbours.entry(_second(family))
    neighbour.heard(SECOND_MAC)
    neighbour.confirm(lab.clock.now())


@pytest.mark.shows("RFC 1122 3.3.1.5", "RFC 1122 3.3.1.4-1")
@pytest.mark.parametrize("metrics", [(0, 0), (0, 10)])
@both
def test_another_router_takes_over_for_what_goes_on_and_for_what_is_new(
    family: Family, metrics: tuple[int, int]
) -> None:
    lab = _lab(family, *metrics)
    path = lab.host.path(family.remote)
    path.learn_mtu(1400)
    assert path.next_hop == family.station
    path.doubt()
    lab.clock.advance(3 * SECOND)
    assert not path.valid
    path = lab.host.path(family.remote)
    assert (path.next_hop, path.mtu) == (_second(family), 1400)
    other = family.remote[:-1] + b"\x77"
    assert lab.host.path(other).next_hop == _second(family)


@pytest.mark.shows("RFC 1122 3.3.1.5")
@both
def test_a_better_router_that_is_heard_again_is_taken_again(family: Family) -> None:
    lab = _lab(family, 0, 10)
    lab.host.path(family.remote).doubt()
    lab.clock.advance(3 * SECOND)
    path = lab.host.path(family.remote)
    assert path.next_hop == _second(family)
    lab.know(family.station)
    assert not path.valid
    assert lab.host.path(family.remote).next_hop == family.station


@pytest.mark.shows("RFC 1122 3.3.1.5")
@both
def test_if_none_answers_each_is_tried_in_turn(family: Family) -> None:
    lab = _lab(family, 0, 10)
    tried = []
    for _ in range(4):
        path = lab.host.path(family.remote)
        tried.append(path.next_hop)
        path.send(253, b"data")
        path.doubt()
        lab.clock.advance(10 * SECOND)
    assert tried == [family.station, _second(family)] * 2


@both
def test_a_more_specific_route_is_never_left_for_a_default_router(family: Family) -> None:
    """It may be the only one that has the right to it."""
    lab = _lab(family, 0, 0)
    lab.host.add_route(f"{format_address(family.remote)}/{8 * len(family.remote)}", via=family.station)
    lab.host.path(family.remote).doubt()
    lab.clock.advance(3 * SECOND)
    assert lab.host.path(family.remote).next_hop == family.station


def _hops(found: list[Seen]) -> list[bytes]:
    return [seen.ethernet.destination for seen in found if seen.ip is not None and seen.protocol == 6]


@pytest.mark.shows("RFC 9293 MUST-20a", "RFC 9293 SHLD-10", "RFC 1122 3.3.1.5")
@both
def test_tcp_tells_after_three_retransmissions(family: Family) -> None:
    """R1 (RFC 9293 3.8.3): the fourth finds out that the router is dead, the fifth goes by the other."""
    lab = _lab(family, 0, 0)
    config = replace(HostConfig().tcp, syn_retries=6)
    connection: Connection = lab.host.tcp.connect(None, 40000, family.remote, 80, config)
    lab.clock.advance(14 * SECOND)
    found = lab.sent()
    assert _hops(found) == [STATION_MAC] * 4
    assert len(found) == 4, "not in doubt yet"
    lab.clock.advance(18 * SECOND)
    found = lab.sent()
    assert _hops(found) == [STATION_MAC, SECOND_MAC]
    assert len(found) == 5, "three questions"
    assert connection.state is State.SYN_SENT


@pytest.mark.shows("RFC 9293 MUST-20a")
@both
def test_a_router_that_answers_is_kept(family: Family) -> None:
    """Then it is somebody else who is dead."""
    lab = _lab(family, 0, 0)
    lab.host.tcp.connect(None, 40000, family.remote, 80, HostConfig().tcp)
    lab.clock.advance(15 * SECOND + SECOND // 2)
    lab.know(family.station)
    lab.clock.advance(20 * SECOND)
    assert set(_hops(lab.sent())) == {STATION_MAC}
