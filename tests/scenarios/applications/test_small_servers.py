"""Echo, discard and chargen, and what all servers have in common."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from scenarios.applications.servers import serve_connections
from scenarios.applications.small import serve_chargen, serve_discard, serve_echo
from stack.clock import SECOND
from stack.host import Host
from stack.sockets.asynchronous import AsyncSocket

if TYPE_CHECKING:
    from conftest import Lab

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


async def exchange(lab: Lab, family: int, data: bytes, limit: int) -> bytes:
    """What a TCP server sends back, up to its end or ``limit`` bytes."""
    with lab.client.socket(FAMILIES[family], socket.SOCK_STREAM) as connection:
        await connection.connect((lab.addresses[family], 7))
        await connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while len(received) < limit and (piece := await connection.recv(limit - len(received))):
            received += piece
        return received


async def datagrams(lab: Lab, family: int, *sent: bytes, port: int = 0, patience: float = 1) -> list[bytes]:
    """What a UDP server answers to each datagram."""
    with lab.client.socket(FAMILIES[family], socket.SOCK_DGRAM) as sender:
        sender.bind(("", port))
        received = []
        for data in sent:
            await sender.sendto(data, (lab.addresses[family], 7))
            try:
                async with asyncio.timeout(patience):
                    received.append(await sender.recv(65535))
            except TimeoutError:
                pass
        return received


@pytest.mark.parametrize("family", [4, 6])
def test_echo(lab: Lab, family: int) -> None:
    lab.spawn(lab.server, serve_echo(lab.server, 7))
    assert lab.run(exchange(lab, family, b"hello" * 10_000, 1 << 20)) == b"hello" * 10_000
    assert lab.run(datagrams(lab, family, b"one", b"", b"x" * 5000)) == [b"one", b"", b"x" * 5000]


@pytest.mark.parametrize("family", [4, 6])
def test_discard(lab: Lab, family: int) -> None:
    lab.spawn(lab.server, serve_discard(lab.server, 7))
    assert lab.run(exchange(lab, family, b"hello" * 10_000, 1)) == b""
    assert lab.run(datagrams(lab, family, b"one", b"two")) == []


@pytest.mark.parametrize("family", [4, 6])
def test_chargen(lab: Lab, family: int) -> None:
    lab.spawn(lab.server, serve_chargen(lab.server, 7))
    lines = lab.run(exchange(lab, family, b"ignored", 96 * 74)).split(b"\r\n")
    assert lines[0].startswith(b" !\"#$%&'()*+,-./0123456789")
    assert {len(line) for line in lines[:-1]} == {72}
    assert lines[1] == lines[0][1:] + b"h"
    assert lines[94] == b"~" + lines[0][:71]
    assert lines[95] == lines[0], "one period has 95 lines"
    answers = lab.run(datagrams(lab, family, *[b""] * 20))
    assert len(answers) == 20
    assert len({len(answer) for answer in answers}) > 5
    assert all(len(answer) <= 512 and answer == b"\r\n".join(lines)[: len(answer)] for answer in answers)


def test_chargen_goes_on_as_long_as_it_is_read(lab: Lab) -> None:
    lab.spawn(lab.server, serve_chargen(lab.server, 7))
    assert len(lab.run(exchange(lab, 4, b"", 2_000_000))) == 2_000_000
    lab.simulation.run(until=lab.simulation.clock.now() + 100 * SECOND)
    assert len(lab.server.sockets) == 2, "the two that listen"


@pytest.mark.parametrize("serve", [serve_echo, serve_chargen])
def test_two_servers_are_not_set_upon_each_other(lab: Lab, serve: object) -> None:
    assert callable(serve)
    lab.spawn(lab.server, serve(lab.server, 7))
    assert lab.run(datagrams(lab, 4, b"x", port=19)) == []
    assert len(lab.run(datagrams(lab, 4, b"x", port=1900))) == 1


def test_a_port_in_use_is_told_and_nothing_stays_behind(lab: Lab) -> None:
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 7))
        task = lab.spawn(lab.server, serve_echo(lab.server, 7))
        with pytest.raises(OSError, match="in use"):
            lab.simulation.run(until=SECOND)
        assert task.done()
        assert len(lab.server.sockets) == 1


def test_cancelling_a_server_closes_everything(lab: Lab) -> None:
    server = lab.spawn(lab.server, serve_echo(lab.server, 7))
    talk = lab.spawn(lab.client, held_open(lab.client))
    lab.simulation.run(until=SECOND)
    assert len(lab.server.sockets) == 3
    server.cancel()
    lab.simulation.run(until=2 * SECOND)
    assert server.cancelled()
    assert len(lab.server.sockets) == 0
    assert talk.result() == b""


async def held_open(host: Host) -> bytes:
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        await connection.connect(("10.0.0.2", 7))
        return await connection.recv(1)


def test_a_connection_that_fails_ends_alone(lab: Lab) -> None:
    async def handle(connection: AsyncSocket) -> None:
        wish = await connection.recv(1)
        if wish == b"o":
            raise ConnectionResetError
        if wish == b"e":
            raise EOFError
        await connection.sendall(wish)

    lab.spawn(lab.server, serve_connections(lab.server, 7, handle))
    assert [lab.run(exchange(lab, 4, wish, 10)) for wish in (b"o", b"e", b"x")] == [b"", b"", b"x"]


def test_connections_beyond_the_limit_wait_for_their_turn(lab: Lab) -> None:
    busy = most = 0

    async def handle(connection: AsyncSocket) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(1)
        busy -= 1
        await connection.sendall(b"done")

    lab.spawn(lab.server, serve_connections(lab.server, 7, handle, limit=2))
    clients = [lab.spawn(lab.client, exchange(lab, 4, b"", 10)) for _ in range(5)]
    lab.simulation.run(until=10 * SECOND)
    assert [client.result() for client in clients] == [b"done"] * 5
    assert most == 2
