"""Simulations: building networks, running applications on them, and what comes out of a run."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator

import pytest

from links.impairments.spec import Impairments
from links.simulated.simulation import Simulation, TopologyError
from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, IpConfig
from stack.host import Host
from stack.wire.protocols import ICMP

DELAY = Impairments.parse_text("delay=10ms")
ADDRESSES = (["10.0.0.1/24", "fd00::1/64"], ["10.0.0.2/24", "fd00::2/64"])
ECHO_REQUEST = bytes((8, 0, 0, 0, 0, 0, 0, 1))


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with Simulation(seed=1) as simulation:
        yield simulation


async def echo(host: Host, family: int = socket.AF_INET) -> None:
    """A UDP echo server on port 7."""
    with host.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(("", 7))
        while True:
            await server.sendto(*await server.recvfrom(65535))


async def ask(host: Host, address: str, data: bytes = b"hello") -> bytes:
    """What the echo server answers."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.socket(family, socket.SOCK_DGRAM) as client:
        await client.sendto(data, (address, 7))
        return (await client.recvfrom(65535))[0]


async def ping(host: Host, address: str) -> bytes:
    """The ICMP header and data of the reply."""
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM, ICMP) as pinger:
        await pinger.sendto(ECHO_REQUEST + b"are you there?", (address, 0))
        return (await pinger.recvfrom(65535))[0]


def pair(simulation: Simulation, forward: Impairments = DELAY) -> tuple[Host, Host]:
    client, server = simulation.host("client"), simulation.host("server")
    simulation.connect(client, server, forward=forward, addresses=ADDRESSES)
    return client, server


# --- running applications


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_a_datagram_and_its_echo(simulation: Simulation, address: str) -> None:
    client, server = pair(simulation)
    simulation.spawn(server, echo(server, socket.AF_INET6 if ":" in address else socket.AF_INET))
    task = simulation.spawn(client, ask(client, address))
    simulation.run(until=SECOND)
    assert task.result() == b"hello"
    assert simulation.clock.now() == SECOND


def test_a_ping_takes_a_round_trip_to_the_nanosecond(simulation: Simulation) -> None:
    client, _ = pair(simulation)

    async def twice() -> tuple[bytes, int]:
        await ping(client, "10.0.0.2")
        resolved = simulation.clock.now()
        return await ping(client, "10.0.0.2"), simulation.clock.now() - resolved

    task = simulation.spawn(client, twice())
    simulation.run()
    reply, time = task.result()
    assert (reply[0], reply[8:]) == (0, b"are you there?")
    assert time == 20 * MILLISECOND


def test_without_checksum_offload_it_is_the_same_to_the_applications() -> None:
    for offload in (True, False):
        with Simulation(checksum_offload=offload) as simulation:
            client, server = pair(simulation)
            simulation.spawn(server, echo(server))
            task = simulation.spawn(client, ask(client, "10.0.0.2", bytes(5000)))
            simulation.run(until=SECOND)
            assert task.result() == bytes(5000)


def test_a_run_ends_when_all_tasks_are_done(simulation: Simulation) -> None:
    client, server = pair(simulation)
    simulation.spawn(client, asyncio.sleep(0.5))
    simulation.spawn(server, asyncio.sleep(0.7))
    simulation.run()
    assert simulation.clock.now() == 700 * MILLISECOND


def test_a_run_ends_when_nothing_is_pending(simulation: Simulation) -> None:
    _, server = pair(simulation)
    task = simulation.spawn(server, echo(server))
    simulation.run()
    assert not task.done()
    assert simulation.clock.pending == 0


def test_a_run_with_a_limit_may_end_when_the_tasks_are_done(simulation: Simulation) -> None:
    client, _ = pair(simulation)
    simulation.spawn(client, asyncio.sleep(0.5))
    simulation.run(until=SECOND, stop_when_done=True)
    assert simulation.clock.now() == 500 * MILLISECOND
    simulation.spawn(client, asyncio.sleep(5))
    simulation.run(until=SECOND, stop_when_done=True)
    assert simulation.clock.now() == SECOND


def test_an_application_may_stop_the_run(simulation: Simulation) -> None:
    client, _ = pair(simulation)

    async def stop() -> None:
        await asyncio.sleep(0.25)
        simulation.stop()

    simulation.spawn(client, stop())
    told: list[int] = []
    simulation.run(until=SECOND, progress=told.append)
    assert simulation.clock.now() == 250 * MILLISECOND
    assert told[-1] == 250 * MILLISECOND


def test_progress_is_told_on_the_way_and_changes_nothing(simulation: Simulation) -> None:
    digests = []
    for progress in (None, [].append):
        with Simulation(seed=1) as each:
            client, server = pair(each, Impairments.parse_text("delay=10ms, loss=10%"))
            each.spawn(server, echo(server))
            each.spawn(client, ask(client, "10.0.0.2"))
            each.run(until=SECOND, progress=progress)
            digests.append(each.digest.hexdigest())
    assert digests[0] == digests[1]
    told: list[int] = []
    simulation.run(until=SECOND, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == SECOND
    assert len(told) >= 100


def test_an_exception_in_an_application_comes_out_of_the_run(simulation: Simulation) -> None:
    client, _ = pair(simulation)

    async def failing() -> None:
        await asyncio.sleep(0.1)
        raise LookupError("nothing found")

    simulation.spawn(client, failing())
    with pytest.raises(LookupError, match="nothing found"):
        simulation.run(until=SECOND)
    assert simulation.clock.now() == 100 * MILLISECOND
    simulation.run(until=SECOND)
    assert simulation.clock.now() == SECOND


def test_a_refused_port_is_an_error_like_any_other(simulation: Simulation) -> None:
    client, _ = pair(simulation)

    async def knock() -> None:
        with client.socket(socket.AF_INET, socket.SOCK_DGRAM) as knocker:
            await knocker.connect(("10.0.0.2", 9))
            await knocker.send(b"anybody?")
            await knocker.recv(100)

    simulation.spawn(client, knock())
    with pytest.raises(ConnectionRefusedError):
        simulation.run()


def test_an_exception_in_a_task_of_a_task_comes_out_too(simulation: Simulation) -> None:
    client, _ = pair(simulation)

    async def failing() -> None:
        raise LookupError("nothing found")

    async def careless() -> None:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0.1)
        assert task.done()
        del task
        gc.collect()
        await asyncio.sleep(10)

    simulation.spawn(client, careless())
    with pytest.raises(LookupError, match="nothing found"):
        simulation.run()


def test_a_cancelled_task_is_done(simulation: Simulation) -> None:
    client, _ = pair(simulation)
    task = simulation.spawn(client, asyncio.sleep(100))
    simulation.clock.call_later(SECOND, task.cancel)
    simulation.run()
    assert task.cancelled()
    assert simulation.clock.now() == SECOND


def test_closing_cancels_the_applications_and_empties_the_clock() -> None:
    log: list[str] = []

    async def tidy(host: Host) -> None:
        try:
            await echo(host)
        finally:
            log.append("tidied up")

    with Simulation() as simulation:
        client, server = pair(simulation)
        task = simulation.spawn(server, tidy(server))
        simulation.spawn(client, ask(client, "10.0.0.2"))
        simulation.run(until=15 * MILLISECOND)
        digest = simulation.digest.hexdigest()
    assert log == ["tidied up"]
    assert task.cancelled()
    assert simulation.digest.hexdigest() == digest


def test_without_a_digest_the_same_happens_and_nobody_looks() -> None:
    times = []
    for digest in (True, False):
        with Simulation(seed=1, digest=digest) as each:
            client, server = pair(each, Impairments.parse_text("delay=10ms, loss=10%"))
            empty = each.digest.hexdigest()
            each.spawn(server, echo(server))
            each.spawn(client, ask(client, "10.0.0.2"))
            each.run()
            times.append(each.clock.now())
            assert (each.digest.hexdigest() != empty) is digest
    assert times[0] == times[1]


# --- building


def test_names_are_given_once(simulation: Simulation) -> None:
    simulation.host("a")
    simulation.switch("s")
    for add in (simulation.host, simulation.router, simulation.switch):
        for name in ("a", "s"):
            with pytest.raises(TopologyError, match=f"there is a node '{name}' already"):
                add(name)


def test_wires_have_names(simulation: Simulation) -> None:
    for name in "ab":
        simulation.host(name)
    names = [simulation.connect("a", "b").name for _ in range(3)]
    assert names == ["a-b", "a-b-2", "a-b-3"]
    assert simulation.connect("a", "b", name="backup") is simulation.wires["backup"]
    with pytest.raises(TopologyError, match="there is a wire 'backup' already"):
        simulation.connect("b", "a", name="backup")


def test_wires_that_cannot_be(simulation: Simulation) -> None:
    a = simulation.host("a")
    simulation.host("b")
    simulation.switch("s")
    with pytest.raises(TopologyError, match="there is no node 'c'"):
        simulation.connect(a, "c")
    with pytest.raises(TopologyError, match="from 'a' to itself"):
        simulation.connect(a, "a")
    simulation.connect("a", "b", addresses=(["10.0.0.1/24"], ["fe80::1/64"]))
    with pytest.raises(TopologyError, match=r"10\.0\.0\.1 is an address of 'a' already"):
        simulation.connect("a", "b", addresses=([], ["10.0.0.1/8"]))
    with pytest.raises(TopologyError, match=r"10\.0\.0\.3 is an address of 'a' already"):
        simulation.connect("a", "b", addresses=(["10.0.0.3/24"], ["10.0.0.3/24"]))
    with pytest.raises(TopologyError, match="'s' is a switch, which has no address"):
        simulation.connect("a", "s", addresses=([], ["10.0.0.5/24"]))
    assert list(simulation.wires) == ["a-b"]


def test_a_loop_of_switches_is_refused(simulation: Simulation) -> None:
    for name in ("s1", "s2", "s3"):
        simulation.switch(name)
    simulation.router("r")
    simulation.connect("s1", "s2")
    simulation.connect("s2", "s3")
    for loop in (("s1", "s3"), ("s2", "s1")):
        with pytest.raises(TopologyError, match="close a loop of switches"):
            simulation.connect(*loop)
    simulation.connect("s1", "r")
    simulation.connect("r", "s3")


def test_a_router_forwards_and_a_host_does_not(simulation: Simulation) -> None:
    config = HostConfig(ip=IpConfig(hop_limit=99))
    router, host = simulation.router("r", config), simulation.host("h", config)
    assert (router.config.ip.forwarding, host.config.ip.forwarding) == (True, False)
    assert router.config.ip.hop_limit == 99


def test_interfaces_and_macs_follow_from_the_order_of_the_wires(simulation: Simulation) -> None:
    a, b = simulation.host("a"), simulation.host("b")
    simulation.switch("s")
    simulation.connect(a, b)
    simulation.connect("s", a)
    assert [(each.name, each.mac.hex(":")) for each in a.interfaces.values() if each.mac] == [
        ("eth0", "02:00:00:00:00:01"),
        ("eth1", "02:00:00:00:00:03"),
    ]
    assert b.interfaces["eth0"].mac.hex(":") == "02:00:00:00:00:02"


def test_the_mtu_of_a_wire_is_that_of_its_interfaces(simulation: Simulation) -> None:
    a, b = simulation.host("a"), simulation.host("b")
    simulation.connect(a, b, mtu=1280)
    assert a.interfaces["eth0"].mtu == b.interfaces["eth0"].mtu == 1280


def test_the_graph(simulation: Simulation) -> None:
    simulation.host("h")
    simulation.router("r")
    simulation.switch("s")
    for _ in range(2):
        simulation.connect("h", "r", weight=3)
    wire = simulation.connect("r", "s", name="trunk")
    graph = simulation.graph
    assert dict(graph.nodes(data="kind")) == {"h": "host", "r": "router", "s": "switch"}
    assert sorted(graph.edges(keys=True)) == [("h", "r", "h-r"), ("h", "r", "h-r-2"), ("r", "s", "trunk")]
    assert graph.edges["r", "s", "trunk"]["wire"] is wire
    assert graph.edges["h", "r", "h-r"]["weight"] == 3


def test_who_wants_to_know_of_new_wires_sees_the_first_frame(simulation: Simulation) -> None:
    seen: list[tuple[str, int]] = []
    simulation.on_connect.append(lambda wire: seen.append((wire.name, wire.forward.statistics.sent)))
    pair(simulation)
    assert seen == [("client-server", 0)]
    assert simulation.wires["client-server"].forward.statistics.sent > 0


# --- independence


def outcome(seed: int, neighbours: int = 0) -> tuple[str, int, list[int]]:
    """Digest, time and answers of a client over a lossy wire, beside other machines."""
    with Simulation(seed) as simulation:
        client, server = pair(simulation, Impairments.parse_text("delay=10ms, loss=20%"))
        for number in range(neighbours):
            a, b = simulation.host(f"a{number}"), simulation.host(f"b{number}")
            subnet = f"10.1.{number}"
            simulation.connect(a, b, forward=DELAY, addresses=([f"{subnet}.1/24"], [f"{subnet}.2/24"]))
            simulation.spawn(b, echo(b))
            simulation.spawn(a, ask(a, f"{subnet}.2"))
        answered: list[int] = []

        async def insist() -> None:
            for number in range(30):
                try:
                    async with asyncio.timeout(0.1):
                        await ask(client, "10.0.0.2")
                        answered.append(number)
                except TimeoutError:
                    pass
            simulation.stop()

        simulation.spawn(server, echo(server))
        simulation.spawn(client, insist())
        simulation.run(until=100 * SECOND)
        return simulation.digest.hexdigest(), simulation.clock.now(), answered


def test_the_same_seed_gives_the_same_run_and_another_another() -> None:
    first = outcome(1)
    assert outcome(1) == first
    assert outcome(2)[0] != first[0]
    assert outcome(2)[2] != first[2]
    assert 5 < len(first[2]) < 30


def test_more_machines_do_not_change_the_luck_of_the_others() -> None:
    assert outcome(1, neighbours=3)[1:] == outcome(1)[1:]


def test_simulations_do_not_see_each_other() -> None:
    alone = outcome(1)
    with Simulation(seed=1) as other:
        client, server = pair(other)
        other.spawn(server, echo(server))
        other.spawn(client, ask(client, "10.0.0.2"))
        other.run(until=15 * MILLISECOND)
        assert outcome(1) == alone
        other.run(until=SECOND)


def test_inside_an_application_of_asyncio() -> None:
    alone = outcome(1)

    async def main() -> None:
        before = asyncio.get_running_loop()
        assert outcome(1) == alone
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is before

    asyncio.run(main())


def test_streams_are_named(simulation: Simulation) -> None:
    one, again, other = (simulation.stream(name).random() for name in ("x", "x", "y"))
    assert one == again != other
    assert Simulation(seed=2).stream("x").random() != one
