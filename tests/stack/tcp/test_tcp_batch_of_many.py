"""Segments that arrive together: each connection answers once, whatever becomes of the others meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from stack.clock import MILLISECOND
from stack.host import Host
from stack.link import Frame, Link, Medium, Offload
from stack.tcp.connection import Connection
from stack.tcp.state import State
from stack.wire.address import parse_address
from stack.wire.checksum import complete
from tests.support import FakeClock

SERVER = parse_address("10.0.0.2")
PORT = 80


class Gathering(Link):
    """What is sent within a millisecond arrives together."""

    def __init__(self, clock: FakeClock) -> None:
        self.medium, self.mtu, self.offload = Medium.IP, 1500, Offload()
        self.far: Gathering | None = None
        self.sizes: list[int] = []
        """How many packets arrived together."""
        self._clock = clock
        self._frames: list[Frame] = []
        self._receive: Callable[[Iterable[Frame]], None] = lambda frames: None

    def transmit(self, frame: Frame) -> None:
        assert self.far is not None
        if not self.far._frames:
            self._clock.call_later(MILLISECOND, self.far._deliver)
        self.far._frames.append(complete(frame))

    def _deliver(self) -> None:
        frames, self._frames = self._frames, []
        self.sizes.append(len(frames))
        self._receive(frames)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        pass

    def attach_batches(self, receive: Callable[[Iterable[Frame]], None]) -> None:
        self._receive = receive

    def close(self) -> None:
        self._receive = lambda frames: None


class Scene:
    """A client with three connections to a server."""

    def __init__(self) -> None:
        self.clock = FakeClock(start=10**9)
        self.links = Gathering(self.clock), Gathering(self.clock)
        self.links[0].far, self.links[1].far = self.links[1], self.links[0]
        self.client, self.server = (
            Host(name, self.clock, random.Random(name)) for name in ("client", "server")
        )
        self.client.add_interface("tun0", self.links[0], addresses=["10.0.0.1/24"])
        self.server.add_interface("tun0", self.links[1], addresses=["10.0.0.2/24"])
        config = self.client.config.tcp
        listener = self.server.tcp.listen(SERVER, PORT, 10, config)
        self.asking = [self.client.tcp.connect(None, 40000 + n, SERVER, PORT, config) for n in range(3)]
        self.clock.advance(100 * MILLISECOND)
        self.answering: list[Connection] = []
        while (connection := listener.accept()) is not None:
            self.answering.append(connection)
        assert len(self.answering) == 3

    def ask(self) -> None:
        """A request on each of the connections: three segments that arrive together."""
        for connection in self.asking:
            connection.send(b"request")
        self.links[1].sizes.clear()
        self.clock.advance(MILLISECOND)
        assert self.links[1].sizes == [3]

    def answered(self) -> list[bytes]:
        """What has come back."""
        self.clock.advance(5 * MILLISECOND)
        return [connection.receive(100) for connection in self.asking]


def _answers(connection: Connection) -> Callable[[], None]:
    def answer() -> None:
        if connection.receive(100):
            connection.send(b"answer")

    return answer


def _fails() -> None:
    raise RuntimeError("an application's mistake")


def test_an_application_that_fails_leaves_the_others_their_answers() -> None:
    scene = Scene()
    for connection in scene.answering:
        connection.notify = _answers(connection)
    scene.answering[0].notify = _fails
    with pytest.raises(RuntimeError, match="mistake"):
        scene.ask()
    assert scene.answered() == [b"", b"answer", b"answer"]
    scene.answering[0].notify = _answers(scene.answering[0])
    scene.asking[0].send(b"more")
    assert scene.answered() == [b"answer", b"", b""]


@pytest.mark.parametrize("abruptly", [False, True])
def test_an_application_may_close_the_connections_that_are_still_to_answer(abruptly: bool) -> None:
    scene = Scene()
    first, second, third = scene.answering
    told: list[Connection] = []

    def close_the_second() -> None:
        second.abort() if abruptly else second.close()
        _answers(first)()

    first.notify = close_the_second
    second.notify = lambda: told.append(second)
    third.notify = _answers(third)
    scene.ask()
    assert told == [second] * abruptly, "closed, it learns no more than that it is gone"
    assert scene.answered() == [b"answer", b"", b"answer"]
    # What it had not read was lost (RFC 2525 2.17).
    assert scene.asking[1].state is State.CLOSED


def test_the_host_may_be_closed_while_its_connections_answer() -> None:
    scene = Scene()
    scene.answering[0].notify = scene.server.close
    scene.ask()
    assert scene.server.tcp.batch is None
    assert not scene.server.tcp.connections
    for connection in scene.asking:
        connection.abort()
    scene.client.close()
    scene.clock.advance(MILLISECOND)  # for the last frames
    assert scene.clock.pending == 0
