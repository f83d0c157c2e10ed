"""Machines that stand still, lose their power, and come back."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from links.impairments.spec import Impairments
from links.simulated.clock import SimulatedClock
from links.simulated.machine import MachineClock
from links.simulated.simulation import Simulation
from stack.clock import MILLISECOND, SECOND
from stack.host import Host
from stack.wire.address import InterfaceAddress, Prefix, parse_address


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """A client and a server 10 ms apart."""
    with Simulation(seed=1) as simulation:
        client, server = simulation.host("client"), simulation.host("server")
        simulation.connect(
            client,
            server,
            forward=Impairments.parse_text("delay=10ms"),
            addresses=(["10.0.0.1/24"], ["10.0.0.2/24"]),
        )
        yield simulation


async def echo(host: Host) -> None:
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", 7))
        while True:
            await server.sendto(*await server.recvfrom(65535))


async def ask_often(host: Host, answered: list[int]) -> None:
    """Every 100 ms a question, of which the answer comes within that time or not at all."""
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in range(30):
            deadline = asyncio.get_running_loop().time() + 0.1
            await client.sendto(bytes([number]), ("10.0.0.2", 7))
            try:
                async with asyncio.timeout_at(deadline):
                    while (await client.recvfrom(100))[0] != bytes([number]):
                        pass
                    answered.append(number)
                    await asyncio.sleep(1)
            except TimeoutError:
                pass


# --- the clock


def test_a_machines_clock_is_the_simulations() -> None:
    clock = SimulatedClock()
    machine = MachineClock(clock)
    log: list[tuple[str, int]] = []
    clock.call_at(5, lambda: log.append(("simulation", machine.now())))
    machine.call_at(5, lambda: log.append(("machine", machine.now())))
    machine.call_later(4, lambda: log.append(("machine", machine.now())))
    clock.run()
    assert log == [("machine", 4), ("simulation", 5), ("machine", 5)]


def test_what_falls_due_in_a_pause_happens_at_its_end_in_order() -> None:
    clock = SimulatedClock()
    machine = MachineClock(clock)
    log: list[tuple[str, int]] = []
    for when in (10, 30, 20, 60):
        machine.call_at(when, lambda when=when: log.append((f"due at {when}", machine.now())))
    cancelled = machine.call_at(25, log.append, ("cancelled", 0))
    clock.call_at(15, machine.pause)
    clock.call_at(40, cancelled.cancel)
    clock.call_at(50, machine.resume)
    clock.run()
    assert log == [("due at 10", 10), ("due at 20", 50), ("due at 30", 50), ("due at 60", 60)]
    assert clock.pending == 0


def test_a_pause_without_end_does_not_keep_the_clock_running() -> None:
    clock = SimulatedClock()
    machine = MachineClock(clock)
    machine.call_at(10, lambda: None)
    machine.pause()
    clock.run()
    assert clock.now() == 10


@pytest.mark.parametrize("pause", [False, True])
def test_nothing_happens_after_it_is_switched_off(pause: bool) -> None:
    clock = SimulatedClock()
    machine = MachineClock(clock)
    ran: list[int] = []
    machine.call_at(10, ran.append, 10)
    machine.call_at(30, ran.append, 30)
    if pause:
        machine.pause()
    clock.run(until=20)
    machine.switch_off()
    machine.call_later(1, ran.append, 21)
    clock.run()
    assert ran == ([] if pause else [10])
    assert clock.pending == 0


# --- pauses


def test_a_paused_server_answers_nothing_and_what_was_asked_is_lost(simulation: Simulation) -> None:
    answered: list[int] = []
    machine = simulation.machines["server"]
    simulation.spawn("server", echo(machine.host))
    simulation.spawn("client", ask_often(simulation.hosts["client"], answered))
    simulation.clock.call_at(950 * MILLISECOND, machine.pause)
    simulation.clock.call_at(1950 * MILLISECOND, machine.resume)
    simulation.run(until=5 * SECOND)
    assert answered == [*range(10), *range(20, 30)]
    assert simulation.wires["client-server"].ends[1].unheard >= 10
    assert not machine.paused


def test_a_paused_client_sleeps_through_and_goes_on(simulation: Simulation) -> None:
    machine = simulation.machines["client"]
    log: list[int] = []

    async def ticks() -> None:
        for _ in range(4):
            await asyncio.sleep(1)
            log.append(machine.clock.now() // MILLISECOND)

    simulation.spawn("client", ticks())
    simulation.clock.call_at(1500 * MILLISECOND, machine.pause)
    simulation.clock.call_at(1600 * MILLISECOND, machine.pause)
    simulation.clock.call_at(4200 * MILLISECOND, machine.resume)
    simulation.clock.call_at(4300 * MILLISECOND, machine.resume)
    simulation.run()
    assert log == [1000, 4200, 5200, 6200]


# --- power


def test_a_server_that_reboots_answers_again_when_its_service_is_started_again(
    simulation: Simulation,
) -> None:
    answered: list[int] = []
    machine = simulation.machines["server"]
    old = machine.host
    machine.on_boot.append(lambda host: simulation.spawn(host, echo(host)) and None)
    simulation.spawn("server", echo(old))
    simulation.spawn("client", ask_often(simulation.hosts["client"], answered))
    simulation.clock.call_at(950 * MILLISECOND, machine.reboot, SECOND)
    simulation.run(until=5 * SECOND)
    assert answered == [*range(10), *range(20, 30)]
    new = simulation.hosts["server"]
    assert new is machine.host is not old
    assert [str(each) for each in new.interfaces["eth0"].addresses if len(each.address) == 4] == [
        "10.0.0.2/24"
    ]
    assert new.interfaces["eth0"].mac == old.interfaces["eth0"].mac


def test_a_machine_that_loses_its_power_says_nothing_any_more(simulation: Simulation) -> None:
    log: list[str] = []
    machine = simulation.machines["client"]

    async def connected(host: Host) -> None:
        with host.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            await client.connect(("10.0.0.2", 80))
            try:
                await asyncio.sleep(100)
            finally:
                log.append("cancelled")
                await client.sendall(b"last words")

    async def server(host: Host) -> None:
        with host.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("", 80))
            listener.listen()
            connection, _ = await listener.accept()
            log.append(repr(await connection.recv(100)))

    task = simulation.spawn("client", connected(machine.host))
    simulation.spawn("server", server(simulation.hosts["server"]))
    simulation.run(until=SECOND)
    sent = simulation.wires["client-server"].forward.statistics.sent
    machine.power_off()
    simulation.run(until=20 * SECOND)
    assert log == ["cancelled"]
    assert task.done()
    assert simulation.wires["client-server"].forward.statistics.sent == sent
    assert not machine.on
    with pytest.raises(RuntimeError, match="client is switched off"):
        simulation.spawn("client", asyncio.sleep(1))
    machine.power_on()
    assert machine.on
    assert simulation.hosts["client"].tcp is not None


def test_a_run_does_not_wait_for_tasks_that_lost_their_machine(simulation: Simulation) -> None:
    async def stubborn() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    simulation.spawn("server", stubborn())
    simulation.clock.call_at(SECOND // 2, simulation.machines["server"].reboot)
    simulation.run()
    assert simulation.clock.now() == SECOND // 2


def test_an_application_may_reboot_its_own_machine(simulation: Simulation) -> None:
    machine = simulation.machines["client"]
    boots: list[int] = []
    machine.on_boot.append(lambda host: boots.append(simulation.clock.now()))

    async def impatient() -> None:
        await asyncio.sleep(1)
        machine.reboot(downtime=SECOND)
        await asyncio.sleep(10)

    task = simulation.spawn("client", impatient())
    simulation.run(until=5 * SECOND)
    assert boots == [2 * SECOND]
    assert task.cancelled()


def test_a_paused_machine_can_be_switched_off_and_is_not_paused_when_it_comes_back(
    simulation: Simulation,
) -> None:
    machine = simulation.machines["server"]
    answered: list[int] = []
    machine.on_boot.append(lambda host: simulation.spawn(host, echo(host)) and None)
    machine.pause()
    machine.reboot()
    simulation.spawn("client", ask_often(simulation.hosts["client"], answered))
    simulation.run(until=5 * SECOND)
    assert answered[-1] == 29
    assert not machine.paused


def test_configuration_lasts_and_other_changes_do_not(simulation: Simulation) -> None:
    machine = simulation.machines["server"]
    prefix = Prefix.parse("192.0.2.0/24")
    via = parse_address("10.0.0.1")
    second = InterfaceAddress.parse("10.9.0.1/16")
    machine.add_address("eth0", second)
    machine.add_route(prefix, via=via)
    machine.add_route(Prefix.parse("198.51.100.0/24"), via=via)
    machine.add_route(Prefix.parse("203.0.113.0/24"), via=parse_address("10.9.0.9"))
    machine.remove_route(Prefix.parse("198.51.100.0/24"))
    machine.host.add_route("0.0.0.0/0", via="10.0.0.1")
    machine.power_off()
    machine.remove_address("eth0", second)
    machine.add_address("eth0", InterfaceAddress.parse("10.8.0.1/16"))
    machine.power_on()
    host = machine.host
    assert [str(each) for each in host.interfaces["eth0"].addresses if len(each.address) == 4] == [
        "10.0.0.2/24",
        "10.8.0.1/16",
    ]
    assert [str(route.prefix) for route in host.routes if not route.connected] == ["192.0.2.0/24"]


def test_removing_what_is_not_there(simulation: Simulation) -> None:
    machine = simulation.machines["server"]
    with pytest.raises(OSError, match=r".") as caught:
        machine.remove_route(Prefix.parse("192.0.2.0/24"))
    assert caught.value.errno == errno.ESRCH
    with pytest.raises(ValueError, match=r"not in list"):
        machine.remove_address("eth0", InterfaceAddress.parse("10.8.0.1/16"))


def test_after_a_reboot_the_luck_is_another(simulation: Simulation) -> None:
    machine = simulation.machines["server"]
    before = machine.host.random.random()
    machine.power_off()
    machine.power_on()
    assert machine.host.random.random() != before
