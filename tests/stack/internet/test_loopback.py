"""The loopback link."""

from stack.internet.loopback import Loopback
from stack.link import Frame
from tests.support import FakeClock


def test_frames_come_back_in_order_after_the_sender_has_finished() -> None:
    clock = FakeClock(1000)
    link = Loopback(clock)
    received: list[bytes] = []

    def receive(frame: Frame) -> None:
        received.append(bytes(frame))
        if len(received) < 5:
            link.transmit(Frame(b"answer to " + bytes(frame)[-1:]))
            assert len(received) < 5

    link.attach(receive)
    for data in (b"1", b"2"):
        link.transmit(Frame(data))
    assert received == []
    clock.run()
    assert received[:4] == [b"1", b"2", b"answer to 1", b"answer to 2"]
    assert clock.now() == 1000


def test_closing_drops_what_is_under_way() -> None:
    clock = FakeClock()
    link = Loopback(clock)
    received: list[Frame] = []
    link.transmit(Frame(b"before anybody listens"))
    link.attach(received.append)
    link.transmit(Frame(b"data"))
    link.close()
    assert clock.pending == 0
    link.transmit(Frame(b"data"))
    clock.run()
    assert received == []


def test_a_receiver_that_closes_the_link_gets_no_more() -> None:
    clock = FakeClock()
    link = Loopback(clock)
    received: list[Frame] = []

    def receive(frame: Frame) -> None:
        received.append(frame)
        link.close()

    link.attach(receive)
    link.transmit(Frame(b"1"))
    link.transmit(Frame(b"2"))
    clock.run()
    assert len(received) == 1
