"""Hostile frames into every entrance: nothing is raised, memory stays bounded, and traffic goes on."""

from __future__ import annotations

import asyncio
import socket as bsd
from contextlib import suppress
from random import Random

from links.impairments.channel import ChannelObserver
from links.impairments.spec import Impairments
from links.simulated.simulation import Simulation
from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, IpConfig, TcpConfig
from stack.host import Host
from stack.link import Checksum, Frame
from stack.sockets import AsyncSocket, listen, open_connection
from stack.wire.checksum import complete

FRAMES = 100_000
ADDRESSES = (["10.0.0.1/24", "fd00::1/64"], ["10.0.0.2/24", "fd00::2/64"])
CONFIG = HostConfig(
    ip=IpConfig(fragment_memory=1 << 20, fragment_datagrams=64),
    tcp=TcpConfig(syn_backlog=64, time_wait_connections=64),
)
PAYLOAD = Random("payload").randbytes(200_000)


class _Recorder(ChannelObserver):
    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def sent(self, frame: Frame) -> None:
        self.frames.append(bytes(complete(frame)))


async def _echo(host: Host) -> None:
    async def answer(connection: AsyncSocket) -> None:
        # A mutated frame may well reset it.
        with suppress(OSError), connection:
            while data := await connection.recv(1 << 16):
                await connection.sendall(data)

    with listen(host, 7) as listener:
        async with asyncio.TaskGroup() as group:
            while True:
                connection, _ = await listener.accept()
                group.create_task(answer(connection))


async def _ask_for_ever(host: Host) -> None:
    while True:
        with suppress(OSError):
            await _ask(host, "10.0.0.2")
        await asyncio.sleep(0.001)


async def _ask(host: Host, address: str) -> bytes:
    answer = b""
    with await open_connection(host, address, 7) as connection:
        sender = asyncio.ensure_future(connection.sendall(PAYLOAD))
        while len(answer) < len(PAYLOAD):
            answer += await connection.recv(1 << 16)
        await sender
    return answer


def _real_frames() -> list[bytes]:
    """What two hosts say to each other on a bad line: ARP, ND, ICMP, UDP, TCP with SACK, fragments."""
    recorder = _Recorder()
    with Simulation(seed=1) as simulation:
        client, server = simulation.host("client"), simulation.host("server")
        line = Impairments.parse_text("delay=5ms, loss=5%, reorder=5%")
        wire = simulation.connect(client, server, forward=line, addresses=ADDRESSES)
        wire.observe(recorder, recorder)
        simulation.spawn(server, _echo(server))
        for address in ("10.0.0.2", "fd00::2"):
            simulation.spawn(client, _ask(client, address))
            simulation.spawn(client, _datagrams(client, address))
        simulation.run(5 * SECOND)
    return sorted(set(recorder.frames))


async def _datagrams(host: Host, address: str) -> None:
    family = bsd.AF_INET6 if ":" in address else bsd.AF_INET
    with host.socket(family, bsd.SOCK_DGRAM) as sender:
        for size in (0, 100, 5000, 20_000):
            await sender.sendto(bytes(size), (address, 9))
            await asyncio.sleep(0.1)


def _mutate(frame: bytes, chance: Random) -> bytes:
    changed = bytearray(frame)
    match chance.randrange(5):
        case 0:
            return bytes(changed[: chance.randrange(len(changed) + 1)])
        case 1:
            return frame + chance.randbytes(chance.randrange(100))
        case 2:
            return frame[:14] + chance.randbytes(chance.randrange(200))
        case 3:
            return chance.randbytes(chance.randrange(200))
    for _ in range(chance.choice((1, 1, 2, 8))):
        # Mostly headers: what is wrong there is what code trips over.
        changed[chance.randrange(min(len(changed), chance.choice((60, 120, 1514))))] ^= 1 << chance.randrange(
            8
        )
    return bytes(changed)


def test_a_hundred_thousand_hostile_frames() -> None:
    originals = _real_frames()
    assert len(originals) > 200
    chance = Random("hostile")
    with Simulation(seed=2) as simulation:
        client, server = simulation.host("client", CONFIG), simulation.host("server", CONFIG)
        wire = simulation.connect(
            client, server, forward=Impairments.parse_text("delay=1ms"), addresses=ADDRESSES
        )
        wire.observe(recorder := _Recorder(), recorder)
        simulation.spawn(server, _echo(server))
        asking = simulation.spawn(client, _ask_for_ever(client))
        for host in (client, server):
            mac = host.interfaces["eth0"].mac
            for number in range(FRAMES // 2):
                if number % 1000 == 0:
                    simulation.run(simulation.clock.now() + 10 * MILLISECOND)
                    # Old frames of other connections, and what is under way now, to whom it concerns.
                    frames = [*originals, *recorder.frames[-200:]]
                    frames = [frame for frame in frames if frame[:6] == mac or frame[0] & 1]
                # Half of them get past the checksums, as if a link had vouched for them.
                vouched = Checksum.VERIFIED if number % 2 else Checksum.COMPLETE
                host.interfaces["eth0"].receive(
                    Frame(_mutate(chance.choice(frames), chance), checksum=vouched)
                )
        asking.cancel()
        simulation.run(simulation.clock.now() + 200 * SECOND)
        for host in (client, server):
            assert len(host.tcp.connections) <= 64 + 64 + 10
            assert host.reassembler.memory <= CONFIG.ip.fragment_memory
        after = [simulation.spawn(client, _ask(client, address)) for address in ("10.0.0.2", "fd00::2")]
        simulation.run(simulation.clock.now() + 100 * SECOND)
        assert [task.result() == PAYLOAD for task in after] == [True, True]
