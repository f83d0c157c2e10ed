"""A network with everything in it that could make two runs differ; as a program, it prints its digest.

The arguments are the seed and, if wanted, where to put a capture.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

from links.capture import capture_to
from links.impairments.spec import Impairments
from links.simulated.addressing import assign_addresses, assign_routes
from links.simulated.simulation import Simulation
from stack.clock import SECOND
from stack.host import Host
from stack.wire.address import format_address

IMPAIRMENTS = Impairments.model_validate(
    {
        "rate": "20Mbit/s",
        "delay": {"time": "5ms", "jitter": "2ms", "distribution": "normal"},
        "loss": {"gemodel": {"p": "1%", "r": "30%"}},
        "duplicate": "1%",
        "corrupt": "1%",
        "queue": {"limit": "50 packets", "discipline": "codel"},
    }
)


async def receive(host: Host) -> int:
    """Counts the bytes of one connection."""
    with host.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::", 80))
        listener.listen()
        connection, _ = await listener.accept()
        with connection:
            count = 0
            while data := await connection.recv(1 << 16):
                count += len(data)
            return count


async def send(host: Host, address: str, size: int) -> None:
    """Sends so many bytes over one connection."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.socket(family, socket.SOCK_STREAM) as connection:
        await connection.connect((address, 80))
        await connection.sendall(bytes(range(256)) * (size // 256))
        connection.shutdown(socket.SHUT_WR)
        await connection.recv(1)


async def chat(host: Host, address: str) -> None:
    """Datagrams to a port where nobody is, and back come errors."""
    with host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        for _ in range(20):
            await speaker.sendto(b"anybody?", (address, 9))
            await asyncio.sleep(0.05)


def run(seed: int, capture: Path | None = None) -> str:
    """The digest of a run on a grid of routers with three hosts, of which one reboots."""
    with Simulation(seed) as simulation:
        recording = nullcontext() if capture is None else capture_to(capture, simulation.clock)
        with recording as recorder:
            if recorder is not None:
                simulation.on_connect.append(recorder.attach)
            square = ("n0-0", "n0-1", "n1-1", "n1-0")
            for name in square:
                simulation.router(name)
            for one, other in pairwise((*square, square[0])):
                simulation.connect(one, other, forward=IMPAIRMENTS)
            simulation.switch("lan")
            for name, peer in (("a", "n0-0"), ("b", "lan"), ("c", "lan")):
                simulation.host(name)
                simulation.connect(name, peer)
            simulation.connect("lan", "n1-1", forward=Impairments.parse_text("delay=1ms"))
            assign_addresses(simulation)
            assign_routes(simulation)
            four, six = (
                format_address(each.address) for each in simulation.machines["b"].cards["eth0"].addresses
            )
            hosts = simulation.hosts
            simulation.spawn("b", receive(hosts["b"]))
            simulation.spawn("a", send(hosts["a"], six, 200_000))
            simulation.spawn("c", chat(hosts["c"], four))
            simulation.clock.call_at(SECOND // 2, simulation.machines["c"].reboot, SECOND // 10)
            simulation.clock.call_at(SECOND // 4, simulation.machines["b"].pause)
            simulation.clock.call_at(SECOND // 3, simulation.machines["b"].resume)
            simulation.run(until=60 * SECOND)
        return simulation.digest.hexdigest()


if __name__ == "__main__":
    print(run(int(sys.argv[1]), *(Path(argument) for argument in sys.argv[2:])))
