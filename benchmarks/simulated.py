"""What the simulation costs, in CPU time of this process."""

from __future__ import annotations

import time
from itertools import pairwise

import simpy

from benchmarks.table import Rate
from links.impairments.spec import Impairments
from links.simulated.simulation import Simulation
from stack.host import Host
from stack.sockets import listen, open_connection

_BULK = 30_000_000
_CONNECTIONS = 2_000
_EVENTS = 300_000
_PORT = 7000
_CHUNK = bytes(1 << 18)
_YARDSTICK = "bare SimPy loop"


async def _sink(host: Host) -> int:
    with listen(host, _PORT) as listener:
        connection, _ = await listener.accept()
        total = 0
        with connection:
            while data := await connection.recv(1 << 18):
                total += len(data)
    return total


async def _source(host: Host, address: str) -> None:
    with await open_connection(host, address, _PORT) as connection:
        for _ in range(_BULK // len(_CHUNK)):
            await connection.sendall(_CHUNK)


def bulk(routers: int, *, digest: bool = False) -> Rate:
    """One bulk flow at 1 Gbit/s and 10 ms, over so many routers; each segment, data or ACK, counts once."""
    wire = Impairments.parse_text("rate=1Gbit/s, delay=5ms")
    with Simulation(seed=1, digest=digest) as simulation:
        nodes = [simulation.host("client")]
        nodes += [simulation.router(f"r{number}") for number in range(routers)]
        nodes.append(simulation.host("server"))
        wires = [
            simulation.connect(a, b, forward=wire, addresses=([f"10.0.{hop}.1/24"], [f"10.0.{hop}.2/24"]))
            for hop, (a, b) in enumerate(pairwise(nodes))
        ]
        for hop, node in enumerate(nodes):
            if hop < routers:
                node.add_route("10.0.0.0/16", via=f"10.0.{hop}.2", metric=1)
            if hop > 1:
                node.add_route("10.0.0.0/24", via=f"10.0.{hop - 1}.1")
        received = simulation.spawn(nodes[-1], _sink(nodes[-1]))
        simulation.spawn(nodes[0], _source(nodes[0], f"10.0.{routers}.2"))
        start = time.process_time()
        simulation.run()
        spent = time.process_time() - start
        assert received.result() == _BULK // len(_CHUNK) * len(_CHUNK)
        segments = sum(channel.statistics.sent for channel in wires[0].channels)
    how = (f", {routers} routers" if routers else "") + (", with the digest" if digest else "")
    return Rate(
        f"simulated TCP, bulk{how}",
        segments / spent,
        "segments per CPU second",
        segment_cpu=spent / segments * 1e6,
        yardstick=_YARDSTICK,
    )


async def _accept_and_close(host: Host) -> None:
    with listen(host, _PORT) as listener:
        for _ in range(_CONNECTIONS):
            connection, _ = await listener.accept()
            with connection:
                await connection.recv(1)


async def _connect_and_close(host: Host) -> None:
    for _ in range(_CONNECTIONS):
        with await open_connection(host, "10.0.0.2", _PORT) as connection:
            await connection.send(b"x")


def connections() -> Rate:
    """Connections opened, used for one byte, and closed, one after the other."""
    with Simulation(seed=1, digest=False) as simulation:
        client, server = simulation.host("client"), simulation.host("server")
        simulation.connect(client, server, addresses=(["10.0.0.1/24"], ["10.0.0.2/24"]))
        simulation.spawn(server, _accept_and_close(server))
        simulation.spawn(client, _connect_and_close(client))
        start = time.process_time()
        simulation.run()
        spent = time.process_time() - start
    return Rate(
        "simulated TCP, open, send, close",
        _CONNECTIONS / spent,
        "connections per CPU second",
        yardstick=_YARDSTICK,
    )


def events() -> Rate:
    """The yardstick: a bare SimPy loop, one timeout with a callback after the other."""
    environment = simpy.Environment()
    left = _EVENTS

    def again(_: simpy.Event) -> None:
        nonlocal left
        left -= 1
        if left:
            simpy.Timeout(environment, 1).callbacks.append(again)

    simpy.Timeout(environment, 1).callbacks.append(again)
    start = time.process_time()
    environment.run()
    return Rate(_YARDSTICK, _EVENTS / (time.process_time() - start), "events per CPU second")


def available() -> str:
    """Nothing stands in the way."""
    return ""


def measure() -> list[Rate]:
    """All that is measured in virtual time."""
    return [events(), bulk(0), bulk(0, digest=True), bulk(2), connections()]
