"""Traffic whose other side is not what it should be: a result, never an exception."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from scenarios.applications import KINDS, Flow
from scenarios.applications.servers import serve_connections, serve_datagrams
from scenarios.applications.udp_stream import DATA, END, HEADER
from stack.clock import MILLISECOND, SECOND
from stack.sockets.asynchronous import AsyncSocket

if TYPE_CHECKING:
    from conftest import PORT, Lab
else:
    PORT = 5000


def against(lab: Lab, kind: str, **parameters: Any) -> Flow:
    """Traffic to whatever was spawned on the server already."""
    return lab.flow(kind, served=False, **parameters)


async def say_goodbye(connection: AsyncSocket) -> None:
    """Takes some, and closes before it should."""
    await connection.recv(10)
    await connection.sendall(b"so")
    await asyncio.sleep(0.1)
    while connection.socket.readable and await connection.recv(1 << 20):
        pass


async def closing(connection: AsyncSocket) -> None:
    connection.shutdown(socket.SHUT_WR)
    while await connection.recv(1 << 20):
        pass


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("request_response", {"flows": 2}),
        ("echo", {}),
        ("http", {"requests": 2, "think": "1s"}),
        ("bulk", {"duration": "1s"}),
    ],
)
def test_a_server_that_closes_at_once(lab: Lab, kind: str, parameters: dict[str, Any]) -> None:
    lab.impair("delay=10ms, rate=1Mbit/s")
    lab.spawn(lab.server, serve_connections(lab.server, PORT, closing))
    flow = against(lab, kind, **parameters)
    assert not flow.complete
    assert set(flow.errors) == {"EOF"}


@pytest.mark.parametrize("kind", ["request_response", "echo"])
def test_a_server_that_closes_in_the_middle(lab: Lab, kind: str) -> None:
    lab.spawn(lab.server, serve_connections(lab.server, PORT, say_goodbye))
    flow = against(lab, kind)
    assert not flow.complete
    assert not flow.intact
    assert set(flow.errors) <= {"EOF", "ECONNRESET"}
    assert flow.errors
    assert flow.bytes == 2


def test_an_echo_that_changes_what_it_is_told(lab: Lab) -> None:
    """One that is damaged, one that is cut, one that is nothing known, one that has not been sent yet."""
    number = 0

    def answer(data: bytes, source: Any) -> bytes | None:
        nonlocal number
        number += 1
        return {
            1: data[:-1] + bytes([data[-1] ^ 1]),
            2: data[:-1],
            3: b"short",
            4: b"\xff" * len(data),
        }.get(number, data)

    lab.spawn(lab.server, serve_datagrams(lab.server, PORT, answer))
    flow = against(lab, "echo", protocol="udp", count=6)
    assert flow.datagrams is not None
    assert flow.datagrams.received == 2
    assert not flow.intact
    assert not flow.complete
    assert flow.errors == {}


def test_a_web_server_with_other_pages(lab: Lab) -> None:
    async def other(connection: AsyncSocket) -> None:
        while await connection.recv(10_000):
            await connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    lab.spawn(lab.server, serve_connections(lab.server, PORT, other))
    flow = against(lab, "http", requests=3)
    assert flow.errors == {"EPROTO": 3}
    assert flow.transfers == 0


def test_what_a_stranger_sends_to_a_stream(lab: Lab) -> None:
    """Bytes, numbers beyond the end, times beyond reason: nothing raises, and nothing is counted."""
    traffic = KINDS["udp_stream"].model_validate({"duration": "1s"})
    flow = Flow("x", "udp_stream")
    lab.spawn(lab.server, traffic.server(lab.server, PORT, flow))

    async def strange() -> None:
        with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for data in (
                b"",
                b"short",
                b"x" * 1200,
                HEADER.pack(DATA, 0, 2**64 - 1) + b"x" * 1184,
                HEADER.pack(DATA, 0, 0),
                HEADER.pack(DATA, 2**32 - 1, 0) + b"x" * 1184,
                HEADER.pack(END, 2**32 - 1, 0),
            ):
                await sender.sendto(data, ("10.0.0.2", PORT))

    lab.run(strange())
    lab.simulation.run(until=lab.simulation.clock.now() + SECOND)
    assert flow.datagrams is not None
    assert (flow.datagrams.received, flow.datagrams.sent) == (0, 0)
    assert not flow.intact
    assert flow.errors == {}


def test_pings_of_others_are_not_counted(lab: Lab) -> None:
    first, second = (KINDS["ping"].model_validate({"count": 5, "interval": "7ms"}) for _ in range(2))
    flows = [Flow("first", "ping"), Flow("second", "ping")]
    for traffic, flow in zip((first, second), flows, strict=True):
        lab.spawn(lab.client, traffic.client(lab.client, "10.0.0.2", PORT, flow))
    lab.simulation.run(until=SECOND)
    for flow in flows:
        assert (flow.complete, flow.intact, flow.transfers) == (True, True, 5)
        assert flow.elapsed == 4 * 7 * MILLISECOND + 20 * MILLISECOND
