"""What many of everything cost: hosts, flows, connections, timers; in CPU time of this process, and in memory."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from socket import SHUT_WR

from benchmarks.table import Rate
from links.impairments.spec import Impairments
from links.simulated.clock import SimulatedClock
from links.simulated.simulation import Simulation
from stack.clock import MILLISECOND, SECOND, Alarm
from stack.host import Host
from stack.sockets import AsyncSocket, listen, open_connection

_PORT = 7000
_SITES = 20
_HOSTS_AT_SITE = 50
_FLOWS = 2_000
_FLOW = bytes(20_000)
_CONNECTIONS = 20_000
_ACTIVE = 10_000
_FEW = 10
_TRANSFER = bytes(20_000)
_ALARMS = 1_000_000
_PAGE = 4096


def _resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * _PAGE


# --- a network of 1,000 hosts


async def _serve(host: Host) -> None:
    with listen(host, _PORT) as listener:
        while True:
            connection, _ = await listener.accept()
            with connection:
                while await connection.recv(1 << 16):
                    pass


async def _send(host: Host, address: str) -> None:
    with await open_connection(host, address, _PORT) as connection:
        await connection.sendall(_FLOW)
        connection.shutdown(SHUT_WR)
        await connection.recv(1)  # the end, when the other side has read everything


def network() -> Rate:
    """So many flows between the hosts of so many sites, each a switch with a router; the routers form a star."""
    access = Impairments.parse_text("rate=100Mbit/s, delay=1ms")
    trunk = Impairments.parse_text("rate=10Gbit/s, delay=10ms")
    with Simulation(seed=1, digest=False) as simulation:
        core = simulation.router("core")
        hosts: list[tuple[Host, str]] = []
        for site in range(_SITES):
            router, switch = simulation.router(f"r{site}"), simulation.switch(f"s{site}")
            simulation.connect(
                core, router, forward=trunk, addresses=([f"10.1.{site}.1/30"], [f"10.1.{site}.2/30"])
            )
            core.add_route(f"10.2.{site}.0/24", via=f"10.1.{site}.2")
            router.add_route("0.0.0.0/0", via=f"10.1.{site}.1")
            simulation.connect(router, switch, forward=trunk, addresses=([f"10.2.{site}.254/24"], []))
            for number in range(1, _HOSTS_AT_SITE + 1):
                host, address = simulation.host(f"h{site}-{number}"), f"10.2.{site}.{number}"
                simulation.connect(host, switch, forward=access, addresses=([f"{address}/24"], []))
                host.add_route("0.0.0.0/0", via=f"10.2.{site}.254")
                hosts.append((host, address))
        for host, _ in hosts:
            simulation.machines[host.name].loop.create_task(_serve(host))
        for flow in range(_FLOWS):
            source, _ = hosts[flow % len(hosts)]
            _, target = hosts[(flow * 61 + 7) % len(hosts)]
            simulation.spawn(source, _send(source, target))
        start = time.process_time()
        simulation.run()
        spent = time.process_time() - start
        frames = sum(
            channel.statistics.sent for wire in simulation.wires.values() for channel in wire.channels
        )
    return Rate(
        "simulated network, 1,000 hosts, 2,000 flows", frames / spent, "frames on a link per CPU second"
    )


# --- one host with 20,000 connections


class _Crowd:
    """Two hosts and connections between them, which have been idle for a while."""

    def __init__(self, connections: int) -> None:
        self.simulation = Simulation(seed=1, digest=False)
        self.client, self.server = self.simulation.host("client"), self.simulation.host("server")
        self.wire = self.simulation.connect(
            self.client,
            self.server,
            forward=Impairments.parse_text("delay=5ms"),
            addresses=(["10.0.0.1/24"], ["10.0.0.2/24"]),
        )
        self.accepted: list[AsyncSocket] = []
        self.opened: list[AsyncSocket] = []
        self.simulation.spawn(self.server, self._accept(connections))
        self.simulation.spawn(self.client, self._open(connections))
        self.simulation.run()
        self.simulation.run(self.simulation.clock.now() + 300 * SECOND)

    async def _accept(self, connections: int) -> None:
        with listen(self.server, _PORT) as listener:
            while len(self.accepted) < connections:
                connection, _ = await listener.accept()
                self.accepted.append(connection)

    async def _open(self, connections: int) -> None:
        for _ in range(connections):
            self.opened.append(await open_connection(self.client, "10.0.0.2", _PORT))

    def transfer(self, active: int, rounds: int) -> float:
        """Segments, data and ACK, per CPU second, while so many connections carry data, so often."""
        before = sum(channel.statistics.sent for channel in self.wire.channels)
        start = time.process_time()
        for _ in range(rounds):
            for sender, receiver in zip(self.opened[:active], self.accepted[:active], strict=True):
                self.simulation.spawn(self.client, sender.sendall(_TRANSFER))
                self.simulation.spawn(self.server, receiver.recv_exactly(len(_TRANSFER)))
            self.simulation.run()
        spent = time.process_time() - start
        return (sum(channel.statistics.sent for channel in self.wire.channels) - before) / spent


def crowd() -> list[Rate]:
    """What a connection takes while nothing happens on it, and whether many slow each other down."""
    before = _resident()
    many = _Crowd(_CONNECTIONS)
    memory = (_resident() - before) / (2 * _CONNECTIONS)
    together = many.transfer(_ACTIVE, 1)
    few = _Crowd(_FEW)
    few.transfer(_FEW, 1)
    alone = few.transfer(_FEW, _ACTIVE // _FEW)
    unit = "segments per CPU second"
    return [
        Rate(f"idle connection, {_CONNECTIONS:,} on one host", memory, "bytes of memory at each end"),
        Rate(f"simulated TCP, {_FEW} connections", alone, unit),
        Rate(f"simulated TCP, {_CONNECTIONS:,} connections, {_ACTIVE:,} of them active", together, unit),
    ]


# --- a million timers


def timers() -> Rate:
    """So many alarms that are set, and then pushed back twice, as by ACKs."""
    clock = SimulatedClock()
    start = time.process_time()
    alarms = [Alarm(clock, clock.stop) for _ in range(_ALARMS)]
    for round_ in range(3):
        for alarm in alarms:
            alarm.set(SECOND + round_ * MILLISECOND)
    spent = time.process_time() - start
    return Rate("a million timers, set and pushed back twice", 3 * _ALARMS / spent, "times per CPU second")


def available() -> str:
    """Why this cannot be measured here: memory is read from /proc."""
    return "" if Path("/proc/self/statm").exists() else "needs Linux"


def measure() -> list[Rate]:
    """All of it; first what is measured in memory, for later nobody knows what is free in the process."""
    return [*crowd(), network(), timers()]
