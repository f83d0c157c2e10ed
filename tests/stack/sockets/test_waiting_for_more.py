"""What a coroutine waits for: MSG_WAITALL, MSG_DONTWAIT, MSG_PEEK (recv(2)), SO_RCVLOWAT (socket(7))."""

from __future__ import annotations

import asyncio
import errno
import socket as bsd

import pytest

from stack.clock import SECOND
from stack.config import HostConfig, TcpConfig
from stack.sockets import AsyncSocket
from tests.stack.sockets.async_network import AsyncNetwork

ALL = bsd.MSG_WAITALL


async def write(socket: AsyncSocket, *parts: bytes) -> None:
    """Each part a second after the last."""
    for part in parts:
        await asyncio.sleep(1)
        await socket.sendall(part)


class Conversation:
    """A connection: :attr:`reader` at ``a``, :attr:`writer` at ``b``."""

    def __init__(self, config: HostConfig | None = None) -> None:
        self.network = AsyncNetwork(config)
        self.reader, self.writer = self.network.run(self.network.connected())
        self.run = self.network.run
        self.start = self.network.start

    def write(self, *parts: bytes, close: bool = False) -> None:
        """In the background."""

        async def writing() -> None:
            await write(self.writer, *parts)
            if close:
                self.writer.close()

        self.writing = self.start(writing())


@pytest.fixture
def conversation() -> Conversation:
    return Conversation()


def test_waitall_waits_for_all(conversation: Conversation) -> None:
    """recv(2): MSG_WAITALL blocks until the full request is satisfied, or the stream ends."""
    conversation.write(b"one", b"two", b"three", close=True)
    assert conversation.run(conversation.reader.recv(8, ALL)) == b"onetwoth"
    assert conversation.run(conversation.reader.recv(8, ALL)) == b"ree"
    assert conversation.run(conversation.reader.recv(8, ALL)) == b""


def test_waitall_may_be_for_more_than_the_buffer_holds() -> None:
    small = TcpConfig(receive_buffer=8192, moderate_receive_buffer=False)
    conversation = Conversation(HostConfig(tcp=small))
    data = bytes(range(256)) * 1000
    conversation.write(data)
    assert conversation.run(conversation.reader.recv(len(data), ALL), 60 * SECOND) == data


def test_waitall_ends_with_what_there_is_at_an_error_which_comes_next(conversation: Conversation) -> None:
    """Linux: data that were taken are returned; the error is for the next call."""
    conversation.write(b"one", b"two")
    reading = conversation.start(conversation.reader.recv(100, ALL))
    conversation.network.settle(3 * SECOND)
    (connection,) = conversation.network.b.tcp.connections
    connection.abort()
    conversation.network.settle()
    assert reading.result() == b"onetwo"
    with pytest.raises(ConnectionResetError) as caught:
        conversation.run(conversation.reader.recv(100))
    assert caught.value.errno == errno.ECONNRESET


def test_waitall_stops_before_urgent_data(conversation: Conversation) -> None:
    """Linux tcp_recvmsg: a read that has some never goes past the mark."""
    reading = conversation.start(conversation.reader.recv(6, ALL))
    conversation.run(conversation.writer.send(b"one"))
    assert not reading.done()
    conversation.run(conversation.writer.send(b"!", bsd.MSG_OOB))
    assert reading.result() == b"one"
    conversation.run(conversation.writer.send(b"two"))
    assert conversation.run(conversation.reader.recv(3, ALL)) == b"two"


def test_peeking_for_all_waits_and_leaves_it(conversation: Conversation) -> None:
    conversation.write(b"one", b"two")
    assert conversation.run(conversation.reader.recv(6, ALL | bsd.MSG_PEEK)) == b"onetwo"
    assert conversation.run(conversation.reader.recv(6)) == b"onetwo"


def test_low_water_is_waited_for(conversation: Conversation) -> None:
    """socket(7): SO_RCVLOWAT is the minimum number of bytes to be passed to the user on receiving."""
    conversation.reader.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVLOWAT, 5)
    conversation.write(b"one", b"two", b"three", b"ten", close=True)

    async def read() -> list[bytes]:
        return [await conversation.reader.recv(100) for _ in range(4)]

    assert conversation.run(read()) == [b"onetwo", b"three", b"ten", b""]


def test_low_water_is_no_more_than_is_asked_for(conversation: Conversation) -> None:
    conversation.write(b"one")
    assert conversation.run(conversation.reader.recv(1)) == b"o"
    conversation.reader.setsockopt(bsd.SOL_SOCKET, bsd.SO_RCVLOWAT, 100)
    assert conversation.run(conversation.reader.recv(1)) == b"n"


def test_dontwait_does_not_wait(conversation: Conversation) -> None:
    """recv(2), send(2): MSG_DONTWAIT is non-blocking for one call."""
    with pytest.raises(BlockingIOError):
        conversation.run(conversation.reader.recv(10, bsd.MSG_DONTWAIT))

    async def fill() -> None:
        while True:
            await conversation.reader.send(bytes(1 << 20), bsd.MSG_DONTWAIT)

    with pytest.raises(BlockingIOError):
        conversation.run(fill())


def test_messages_of_coroutines(conversation: Conversation) -> None:
    assert conversation.run(conversation.reader.sendmsg([b"a", b"b"])) == 2
    assert conversation.run(conversation.writer.recvmsg(10)) == (b"ab", [], 0, None)
    conversation.write(b"one", close=True)
    assert conversation.run(conversation.reader.recvmsg(10)) == (b"one", [], 0, None)
    assert conversation.run(conversation.reader.recvmsg(10)) == (b"", [], 0, None)
