"""Two hosts and the cable between them, in virtual time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from stack.clock import MILLISECOND, Clock
from stack.config import HostConfig
from stack.host import Host
from stack.link import Frame, Link, Medium, Offload
from tests.support import FakeClock

DELAY = MILLISECOND
"""From one end of the cable to the other."""


@contextmanager
def refused(number: int) -> Iterator[None]:
    """The body raises OSError with this errno, of the subclass that Python has for it."""
    with pytest.raises(type(OSError(number, os.strerror(number)))) as caught:
        yield
    assert errno.errorcode[caught.value.errno] == errno.errorcode[number]


class CableEnd(Link):
    """One end of a cable that loses what :attr:`lose` says, and keeps what was sent into it."""

    def __init__(self, clock: Clock, mtu: int = 1500, offload: Offload | None = None) -> None:
        self.medium = Medium.ETHERNET
        self.mtu = mtu
        self.offload = offload or Offload()
        self.sent: list[Frame] = []
        self.lose: Callable[[Frame], bool] = lambda frame: False
        self.peer: CableEnd = self
        self._clock = clock
        self._receive: Callable[[Frame], None] = lambda frame: None

    def transmit(self, frame: Frame) -> None:
        self.sent.append(frame)
        if not self.lose(frame):
            self._clock.call_later(DELAY, self.peer.deliver, frame)

    def deliver(self, frame: Frame) -> None:
        self._receive(frame)

    def attach(self, receive: Callable[[Frame], None]) -> None:
        self._receive = receive

    def close(self) -> None:
        self._receive = lambda frame: None


class Network:
    """Hosts ``a`` (10.0.0.1, fd00::1) and ``b`` (10.0.0.2, fd00::2), each with an ``eth0``."""

    def __init__(self, config: HostConfig | None = None, *, offload: Offload | None = None) -> None:
        self.clock = FakeClock()
        config = config or HostConfig()
        self.at_a, self.at_b = (CableEnd(self.clock, offload=offload) for _ in range(2))
        self.at_a.peer, self.at_b.peer = self.at_b, self.at_a
        self.a = Host("a", self.clock, Random("1/a"), config)
        self.b = Host("b", self.clock, Random("1/b"), config)
        self.a.add_interface("eth0", self.at_a, addresses=["10.0.0.1/24", "fd00::1/64"])
        self.b.add_interface("eth0", self.at_b, addresses=["10.0.0.2/24", "fd00::2/64"])
        self.settle()
        self.at_a.sent.clear()  # the announcements of the addresses
        self.at_b.sent.clear()

    def settle(self, duration: int = 100 * MILLISECOND) -> None:
        """Let what is under way arrive; no timer of a minute or more goes off."""
        self.clock.advance(duration)
