"""Sockets for coroutines, on an asyncio loop in virtual time."""

from __future__ import annotations

import asyncio
import errno
import socket as bsd
from struct import pack
from typing import Any

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.sockets import AsyncSocket, listen, open_connection
from tests.stack.sockets.async_network import AsyncNetwork
from tests.stack.sockets.network import DELAY, refused


@pytest.fixture
def network() -> AsyncNetwork:
    return AsyncNetwork()


def outcome(task: asyncio.Task[Any]) -> int:
    """The errno of the OSError that a task ended with."""
    problem = task.exception()
    assert isinstance(problem, OSError)
    assert problem.errno is not None
    return problem.errno


# --- streams


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_a_client_and_an_echo_server(network: AsyncNetwork, address: str) -> None:
    async def serve() -> None:
        with listen(network.b, 7) as listener:
            connection, _ = await listener.accept()
            async with connection:
                while data := await connection.recv(1000):
                    await connection.sendall(data)

    async def ask() -> bytes:
        async with await open_connection(network.a, address, 7) as connection:
            await connection.sendall(b"hello, ")
            await connection.sendall(b"world")
            connection.shutdown(bsd.SHUT_WR)
            answer = b""
            while data := await connection.recv(5):
                answer += data
            return answer

    server = network.start(serve())
    assert network.run(ask()) == b"hello, world"
    assert server.done()
    assert len(network.a.sockets) == len(network.b.sockets) == 0


def test_more_than_all_buffers_hold_goes_through_to_a_slow_reader(network: AsyncNetwork) -> None:
    data = bytes(range(256)) * 60_000  # 15 MB, the send buffer takes 4

    async def read_slowly(server: AsyncSocket) -> bytearray:
        received = bytearray()
        while piece := await server.recv(1 << 20):
            received += piece
            await asyncio.sleep(0.01)
        return received

    async def main() -> bool:
        client, server = await network.connected()
        reader = asyncio.ensure_future(read_slowly(server))
        await client.sendall(data)
        await client.aclose()
        return await reader == data

    assert network.run(main(), 60 * SECOND)


def test_recv_exactly_waits_for_all_of_it(network: AsyncNetwork) -> None:
    async def main() -> tuple[bytes, bytes, asyncio.IncompleteReadError]:
        client, server = await network.connected()
        reader = asyncio.ensure_future(server.recv_exactly(10))
        for piece in (b"0123", b"4567", b"89ab"):
            await client.sendall(piece)
            await asyncio.sleep(0.01)
        rest = await server.recv_exactly(2)
        await client.sendall(b"cde")
        await client.aclose()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await server.recv_exactly(10)
        return await reader, rest, caught.value

    ten, two, incomplete = network.run(main())
    assert (ten, two) == (b"0123456789", b"ab")
    assert (incomplete.partial, incomplete.expected) == (b"cde", 10)


def test_send_takes_what_fits_and_tells_how_much(network: AsyncNetwork) -> None:
    async def main() -> int:
        client, _ = await network.connected()
        client.setsockopt(bsd.SOL_SOCKET, bsd.SO_SNDBUF, 10_000)
        return await client.send(bytes(100_000))

    assert network.run(main()) == 20_000


def test_connect_fails_as_the_socket_does(network: AsyncNetwork) -> None:
    async def main() -> None:
        socket = network.a.socket(bsd.AF_INET, bsd.SOCK_STREAM)
        with refused(errno.ECONNREFUSED):
            await socket.connect(("10.0.0.2", 80))
        listener = listen(network.b, 80)
        await socket.connect(("10.0.0.2", 80))
        with refused(errno.EISCONN):
            await socket.connect(("10.0.0.2", 80))
        (await listener.accept())[0].close()
        assert await socket.recv(1) == b""
        with refused(errno.EINVAL):
            await socket.accept()
        assert socket.info().tcpi_state == 8  # CLOSE-WAIT
        socket.setsockopt(bsd.SOL_SOCKET, bsd.SO_KEEPALIVE, 1)
        assert socket.getsockopt(bsd.SOL_SOCKET, bsd.SO_KEEPALIVE) == 1
        assert socket.getpeername() == ("10.0.0.2", 80)
        assert socket.getsockname()[0] == "10.0.0.1"

    network.run(main())


def test_accepts_are_served_in_their_order(network: AsyncNetwork) -> None:
    listener = listen(network.b, 80)
    waiting = [network.start(listener.accept()) for _ in range(3)]
    clients = [network.run(open_connection(network.a, "10.0.0.2", 80)) for _ in range(3)]
    network.settle()
    for accept, client in zip(waiting, clients, strict=True):
        assert accept.result()[0].getpeername()[1] == client.getsockname()[1]


def test_a_reset_wakes_a_reader(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    reading = network.start(server.recv(1))
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, pack("ii", 1, 0))
    client.close()
    network.settle()
    assert outcome(reading) == errno.ECONNRESET


# --- cancellation


def cancel_as_it_wakes(network: AsyncNetwork, socket: AsyncSocket, task: asyncio.Task[Any]) -> None:
    """Cancel ``task`` at the very instant at which it can go on, after its wake-up and before its turn."""
    socket.socket.watch(task.cancel)


def test_a_cancelled_recv_loses_no_data(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    reading = network.start(server.recv(100))
    cancel_as_it_wakes(network, server, reading)
    network.run(client.sendall(b"precious"))
    network.settle()
    assert reading.cancelled()
    assert network.run(server.recv(100)) == b"precious"


def test_a_cancelled_accept_leaks_no_connection(network: AsyncNetwork) -> None:
    listener = listen(network.b, 80)
    accepting = network.start(listener.accept())
    cancel_as_it_wakes(network, listener, accepting)
    client = network.run(open_connection(network.a, "10.0.0.2", 80))
    network.settle()
    assert accepting.cancelled()
    assert len(network.b.sockets) == 1
    server, _ = network.run(listener.accept())
    network.run(client.sendall(b"x"))
    assert network.run(server.recv(1)) == b"x"


def test_a_wake_up_is_not_lost_with_who_is_cancelled(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    first, second = network.start(server.recv(100)), network.start(server.recv(100))
    cancel_as_it_wakes(network, server, first)
    network.run(client.sendall(b"for whoever is left"))
    network.settle()
    assert first.cancelled()
    assert second.result() == b"for whoever is left"


def test_a_timeout_leaves_the_socket_usable(network: AsyncNetwork) -> None:
    async def main() -> tuple[bytes, float]:
        client, server = await network.connected()
        started = network.loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await server.recv(1)
        waited = network.loop.time() - started
        await client.sendall(b"late")
        return await server.recv(100), waited

    assert network.run(main()) == (b"late", 2.5)


def test_a_cancelled_open_connection_leaves_nothing(network: AsyncNetwork) -> None:
    network.at_a.lose = lambda frame: True
    opening = network.start(open_connection(network.a, "10.0.0.2", 80, local_port=5000))
    network.settle()
    assert len(network.a.sockets) == 1
    opening.cancel()
    network.settle(0)
    assert opening.cancelled()
    assert len(network.a.sockets) == 0
    assert not network.a.tcp.connections
    listen(network.a, 5000)


def test_a_failed_open_connection_or_listen_leaves_nothing(network: AsyncNetwork) -> None:
    with refused(errno.ECONNREFUSED):
        network.run(open_connection(network.a, "10.0.0.2", 80))
    with refused(errno.EADDRNOTAVAIL):
        network.run(open_connection(network.a, "10.0.0.2", 80, local_address="10.0.0.77"))
    with refused(errno.EADDRNOTAVAIL):
        listen(network.a, 80, "10.0.0.2")
    assert len(network.a.sockets) == 0


# --- closing


def test_close_wakes_all_who_wait(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_SNDBUF, 10_000)
    waiting = [
        network.start(client.recv(1)),
        network.start(client.recv(1)),
        network.start(client.sendall(bytes(10_000_000))),
    ]
    listener = listen(network.b, 80)
    accepting = network.start(listener.accept())
    lone = network.b.socket(bsd.AF_INET, bsd.SOCK_DGRAM)
    receiving = network.start(lone.recvfrom(1))
    client.close()
    listener.close()
    lone.close()
    network.settle(0)
    for task in (*waiting, accepting, receiving):
        assert outcome(task) == errno.EBADF
    assert client.fileno() == -1
    assert repr(client) == "<AsyncSocket a -1>"
    server.close()


def test_power_off_wakes_all_who_wait(network: AsyncNetwork) -> None:
    client, _ = network.run(network.connected())
    reading = network.start(client.recv(1))
    network.a.close()
    network.settle(0)
    assert outcome(reading) == errno.EBADF


LINGER_3 = pack("ii", 1, 3)


def timed_aclose(network: AsyncNetwork, client: AsyncSocket) -> int:
    """How long it took, ns."""

    async def main() -> int:
        started = network.clock.now()
        await client.aclose()
        return network.clock.now() - started

    return network.run(main())


def test_aclose_waits_for_nothing_unless_asked(network: AsyncNetwork) -> None:
    client, _ = network.run(network.connected())
    network.run(client.sendall(b"x"))
    assert timed_aclose(network, client) == 0


def test_aclose_lingers_until_all_is_acknowledged(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, LINGER_3)
    network.run(client.sendall(b"x" * 1000))
    assert 2 * DELAY <= timed_aclose(network, client) <= 100 * MILLISECOND
    assert network.run(server.recv_exactly(1000)) == b"x" * 1000
    assert network.run(server.recv(1)) == b""


def test_aclose_lingers_no_longer_than_it_may(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, LINGER_3)
    network.at_a.lose = lambda frame: True
    network.run(client.sendall(b"x"))
    assert timed_aclose(network, client) == 3 * SECOND
    network.at_a.lose = lambda frame: False
    assert network.run(server.recv(10), 60 * SECOND) == b"x"


def test_aclose_with_linger_of_zero_resets(network: AsyncNetwork) -> None:
    client, server = network.run(network.connected())
    client.setsockopt(bsd.SOL_SOCKET, bsd.SO_LINGER, pack("ii", 1, 0))
    assert timed_aclose(network, client) == 0
    with refused(errno.ECONNRESET):
        network.run(server.recv(1))


# --- datagrams


def test_datagrams_there_and_back(network: AsyncNetwork) -> None:
    async def serve() -> None:
        with network.b.socket(bsd.AF_INET6, bsd.SOCK_DGRAM) as socket:
            socket.bind(("::", 53))
            data, address = await socket.recvfrom(512)
            assert address is not None
            await socket.sendto(data.upper(), address)

    async def ask() -> bytes:
        with network.a.socket(bsd.AF_INET, bsd.SOCK_DGRAM) as socket:
            await socket.connect(("10.0.0.2", 53))
            await socket.send(b"question")
            return await socket.recv(512)

    server = network.start(serve())
    assert network.run(ask()) == b"QUESTION"
    assert server.done()


def test_an_icmp_error_wakes_a_reader(network: AsyncNetwork) -> None:
    async def main() -> None:
        with network.a.socket(bsd.AF_INET, bsd.SOCK_DGRAM) as socket:
            await socket.connect(("10.0.0.2", 53))
            await socket.send(b"question")
            with refused(errno.ECONNREFUSED):
                await socket.recv(512)
            with refused(errno.EOPNOTSUPP):
                socket.info()

    network.run(main())
