import errno
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.config import PortConfig
from stack.ports import Binding, PortTable
from stack.wire.address import UNSPECIFIED_V4, UNSPECIFIED_V6, parse_address
from tests.stack.sockets.network import refused

V4_ANY = UNSPECIFIED_V4
V6_ANY = UNSPECIFIED_V6
V4 = parse_address("10.0.0.1")
V4_OTHER = parse_address("10.0.0.2")
V6 = parse_address("fd00::1")
REMOTE = parse_address("192.0.2.1")


def table(low: int = 32768, high: int = 60999, seed: int = 1) -> PortTable:
    return PortTable(Random(seed), PortConfig(ephemeral_low=low, ephemeral_high=high))


def nothing_taken(port: int) -> bool:
    return False


def connect(ports: PortTable, destination: bytes = REMOTE, port: int = 80) -> Binding:
    return ports.connect(V4, destination, port, nothing_taken)


# --- who can share a port: Linux inet_csk_bind_conflict


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ((V4, False), (V4, False), True),
        ((V4, False), (V4_OTHER, False), False),
        ((V4_ANY, False), (V4, False), True),
        ((V4, False), (V4_ANY, False), True),
        ((V4_ANY, False), (V4_ANY, False), True),
        ((V6_ANY, True), (V4_ANY, False), True),
        ((V6_ANY, True), (V4, False), True),
        ((V6_ANY, False), (V4_ANY, False), False),
        ((V6_ANY, False), (V4, False), False),
        ((V6_ANY, False), (V6_ANY, True), True),
        ((V6_ANY, False), (V6, False), True),
        ((V6, False), (V4_ANY, False), False),
        ((V6, False), (V4, False), False),
    ],
)
def test_addresses_clash_if_one_packet_could_be_for_both(
    first: tuple[bytes, bool], second: tuple[bytes, bool], clash: bool
) -> None:
    for one, other in ((first, second), (second, first)):
        ports = table()
        ports.bind(one[0], 80, dual_stack=one[1])
        if clash:
            with refused(errno.EADDRINUSE):
                ports.bind(other[0], 80, dual_stack=other[1])
        else:
            ports.bind(other[0], 80, dual_stack=other[1])
        ports.bind(other[0], 81, dual_stack=other[1])


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (False, False)])
def test_reuse_takes_two(first: bool, second: bool) -> None:
    ports = table()
    ports.bind(V4_ANY, 80, reuse=first)
    with refused(errno.EADDRINUSE):
        ports.bind(V4, 80, reuse=second)


def test_reuse_lets_two_bind_but_one_listen() -> None:
    ports = table()
    first = ports.bind(V4_ANY, 80, reuse=True)
    second = ports.bind(V4, 80, reuse=True)
    ports.listen(first)
    with refused(errno.EADDRINUSE):
        ports.listen(second)
    with refused(errno.EADDRINUSE):
        ports.bind(V4_OTHER, 80, reuse=True)


def test_listeners_at_different_addresses_get_along() -> None:
    ports = table()
    ports.listen(ports.bind(V4, 80))
    ports.listen(ports.bind(V4_OTHER, 80))


def test_reuse_can_be_set_after_bind() -> None:
    ports = table()
    ports.bind(V4, 80).reuse = True
    ports.bind(V4, 80, reuse=True)


def test_a_connection_keeps_the_port_of_a_closed_listener() -> None:
    """The server that is started again while its last connection is in TIME-WAIT needs SO_REUSEADDR."""
    ports = table()
    listener = ports.bind(V4_ANY, 80)
    ports.listen(listener)
    connection = ports.share(listener, V4)
    ports.release(listener)
    with refused(errno.EADDRINUSE):
        ports.bind(V4_ANY, 80, reuse=True)
    ports.release(connection)
    ports.bind(V4_ANY, 80)


def test_reuse_takes_a_port_from_time_wait() -> None:
    ports = table()
    listener = ports.bind(V4_ANY, 80, reuse=True)
    ports.listen(listener)
    ports.share(listener, V4)
    ports.release(listener)
    with refused(errno.EADDRINUSE):
        ports.bind(V4_ANY, 80)
    ports.listen(ports.bind(V4_ANY, 80, reuse=True))


def test_a_released_port_is_free_again() -> None:
    ports = table()
    ports.release(ports.bind(V4, 80))
    ports.bind(V4_ANY, 80)


# --- bind(0): RFC 6056 3.3.1


@pytest.mark.shows("RFC 6056 3.2", "RFC 6056 3.3")
def test_an_ephemeral_port_is_within_the_range_and_random() -> None:
    chosen = {table(40000, 49999, seed).bind(V4, 0).port for seed in range(50)}
    assert all(40000 <= port <= 49999 for port in chosen)
    assert len(chosen) > 40


def test_ephemeral_ports_are_never_shared_even_with_reuse() -> None:
    ports = table(40000, 40003)
    chosen = {ports.bind(V4, 0, reuse=True).port for _ in range(4)}
    assert chosen == {40000, 40001, 40002, 40003}
    with refused(errno.EADDRINUSE):
        ports.bind(V4, 0, reuse=True)
    assert ports.bind(V4_OTHER, 0).port in chosen


# --- connect: RFC 6056 3.3.4


def test_the_same_destination_gets_increasing_ports() -> None:
    ports = table(40000, 49999)
    chosen = [connect(ports).port for _ in range(100)]
    steps = {(later - earlier) % 10000 for earlier, later in pairwise(chosen)}
    assert steps == {1}


@pytest.mark.shows("RFC 6056 3.3", "RFC 5927 4.2")
def test_other_destinations_start_elsewhere() -> None:
    ports = table()
    starts = {connect(ports, parse_address(f"192.0.2.{n}")).port for n in range(1, 100)}
    assert len(starts) > 90
    assert max(starts) - min(starts) > 20000


@pytest.mark.shows("RFC 6056 3.4")
def test_the_sequence_depends_on_the_secret() -> None:
    assert connect(table(seed=1)).port != connect(table(seed=2)).port
    assert connect(table(seed=1)).port == connect(table(seed=1)).port


def test_one_port_serves_many_destinations() -> None:
    ports = table(40000, 40000)
    for port in range(1, 100):
        assert connect(ports, port=port).port == 40000


def test_a_bound_port_is_not_taken_for_a_connection() -> None:
    """RFC 6056 3.1: it could get a listener any time."""
    ports = table(40000, 40001)
    ports.bind(V4_OTHER, 40000)
    assert {connect(ports, port=port).port for port in range(1, 20)} == {40001}


def test_a_connection_in_the_way_is_passed_over_until_none_is_left() -> None:
    ports = table(40000, 40009)
    taken: set[int] = set()
    for _ in range(10):
        taken.add(ports.connect(V4, REMOTE, 80, taken.__contains__).port)
    assert len(taken) == 10
    with refused(errno.EADDRNOTAVAIL):
        ports.connect(V4, REMOTE, 80, taken.__contains__)
    taken.remove(40004)
    assert ports.connect(V4, REMOTE, 80, taken.__contains__).port == 40004


def test_a_port_that_connections_use_cannot_be_bound() -> None:
    ports = table(40000, 40000)
    claim = connect(ports)
    with refused(errno.EADDRINUSE):
        ports.bind(V4_ANY, 40000, reuse=True)
    ports.release(claim)
    ports.bind(V4_ANY, 40000)


# --- whatever happens


@given(
    st.lists(
        st.tuples(
            st.sampled_from([V4_ANY, V4, V4_OTHER, V6_ANY, V6]),
            st.sampled_from([0, 40000, 40001]),
            st.booleans(),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_no_two_claims_ever_meet_without_consent(
    wishes: list[tuple[bytes, int, bool, bool]], chance: Random
) -> None:
    ports = table(40000, 40003)
    held: list[Binding] = []
    for address, port, reuse, dual_stack in wishes:
        if held and chance.random() < 0.3:
            ports.release(held.pop(chance.randrange(len(held))))
        try:
            held.append(
                ports.bind(address, port, reuse=reuse, dual_stack=dual_stack and address == UNSPECIFIED_V6)
            )
        except OSError:
            assert any(port in (0, other.port) for other in held)
    for one in held:
        for other in held:
            if one is not other and one.port == other.port and one.overlaps(other):
                assert one.reuse
                assert other.reuse
    for claim in held:
        ports.release(claim)
    for port in range(40000, 40004):
        ports.bind(UNSPECIFIED_V6, port, dual_stack=True)
