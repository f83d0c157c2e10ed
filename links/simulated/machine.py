"""Machines: a host and what it runs on, which it can lose and get back."""

from __future__ import annotations

import errno
from asyncio import Task
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from links.simulated.clock import SimulatedClock, SimulatedTimer, VirtualClock
from links.simulated.loop import SimulatedLoop
from links.simulated.wire import Wire, WireEnd
from stack.config import HostConfig
from stack.errors import os_error
from stack.host import Host
from stack.wire.address import InterfaceAddress, Prefix

T = TypeVar("T")


class MachineClock(VirtualClock):
    """The clock of one machine: the simulation's, as long as the machine runs.

    While it is paused, its time goes on, but what falls due waits, and happens in order when it is resumed. When it
    is switched off, what is pending never happens.
    """

    __slots__ = ("_held",)

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(clock.agenda)
        self._held: list[SimulatedTimer] | None = None

    @property
    def paused(self) -> bool:
        """Whether callbacks wait."""
        return self._held is not None

    def pause(self) -> None:
        """Let callbacks wait."""
        if self._held is None:
            self._held = []
            self.hold = self._held.append

    def resume(self) -> None:
        """Make the calls that have waited, and go on."""
        held, self._held = self._held or [], None
        self.hold = None
        for timer in held:
            timer.fire()

    def switch_off(self) -> None:
        """Make no call any more."""
        for timer in self._held or ():
            timer.cancel()
        self._held = None
        self.hold = SimulatedTimer.cancel


@dataclass(slots=True)
class NetworkCard:
    """Where a wire is plugged into a machine, and what is configured there."""

    name: str
    wire: Wire
    end: WireEnd
    mac: bytes
    addresses: list[InterfaceAddress]


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A route that was configured."""

    prefix: Prefix
    via: bytes | None
    interface: str | None
    metric: int = 0


class Machine:
    """A host with its clock, event loop, network cards and configuration.

    It can be paused, as by a hypervisor or a debugger: nothing in it happens, its clock goes on, frames that arrive
    are lost. It can lose its power: the host ends abruptly, the tasks are cancelled. When the power
    comes back there is a new :attr:`host` of the same name on the same wires, with the addresses and routes that
    were configured through the machine; ``on_boot`` can start its services again.
    """

    def __init__(
        self,
        name: str,
        clock: SimulatedClock,
        stream: Callable[[str], Random],
        config: HostConfig,
        *,
        on_error: Callable[[BaseException], None],
        on_end: Callable[[], None],
    ) -> None:
        """``on_error`` hears of exceptions in applications, ``on_end`` of each spawned task that has ended."""
        self.name = name
        self.config = config
        self.on_boot: list[Callable[[Host], None]] = []
        """Called with the new host when the machine has started again."""
        self.cards: dict[str, NetworkCard] = {}
        self.routes: list[StaticRoute] = []
        self._simulation_clock = clock
        self._stream = stream
        self._on_error = on_error
        self._on_end = on_end
        self._tasks: dict[Task[Any], None] = {}
        self._boots = 0
        self._boot()

    def __repr__(self) -> str:
        return f"<Machine {self.name}>"

    def _boot(self) -> None:
        self._boots += 1
        self.on = True
        self.clock = MachineClock(self._simulation_clock)
        self.loop = SimulatedLoop(self.clock, self._on_error)
        luck = f"host/{self.name}" if self._boots == 1 else f"host/{self.name}/{self._boots}"
        self.host = Host(self.name, self.clock, self._stream(luck), self.config)
        for card in self.cards.values():
            self._plug_in(card)
        for route in self.routes:
            with suppress(OSError):  # its router is on no link any more
                self._install(route)

    # --- applications

    def spawn(self, coroutine: Coroutine[Any, Any, T], name: str | None = None) -> Task[T]:
        """Run an application. Raises RuntimeError while the machine is off."""
        if not self.on:
            coroutine.close()
            raise RuntimeError(f"{self.name} is switched off")
        task = self.loop.create_task(coroutine, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    @property
    def tasks(self) -> tuple[Task[Any], ...]:
        """The spawned tasks that have not ended."""
        return tuple(self._tasks)

    @property
    def busy(self) -> bool:
        """Whether there are any."""
        return bool(self._tasks)

    def _task_done(self, task: Task[Any]) -> None:
        del self._tasks[task]
        error = None if task.cancelled() else task.exception()
        if error is not None and self.on:
            self._on_error(error)
        self._on_end()

    # --- configuration, which lasts over a reboot

    def add_interface(
        self, wire: Wire, end: WireEnd, mac: bytes, addresses: Iterable[InterfaceAddress]
    ) -> None:
        """Plug a wire in: ``eth0``, ``eth1`` ..."""
        card = NetworkCard(f"eth{len(self.cards)}", wire, end, mac, list(addresses))
        self.cards[card.name] = card
        if self.on:
            self._plug_in(card)

    def add_address(self, interface: str, address: InterfaceAddress) -> None:
        """Give an interface an address."""
        self.cards[interface].addresses.append(address)
        if self.on:
            self.host.add_address(self.host.interfaces[interface], address)

    def remove_address(self, interface: str, address: InterfaceAddress) -> None:
        """Take an address from an interface. Raises ValueError if it has no such address."""
        self.cards[interface].addresses.remove(address)
        if self.on:
            self.host.remove_address(self.host.interfaces[interface], address)

    def add_route(
        self, prefix: Prefix, *, via: bytes | None = None, interface: str | None = None, metric: int = 0
    ) -> None:
        """See :meth:`Host.add_route() <stack.host.Host.add_route>`."""
        route = StaticRoute(prefix, via, interface, metric)
        if self.on:
            self._install(route)
        self.routes.append(route)

    def remove_route(self, prefix: Prefix, *, via: bytes | None = None, interface: str | None = None) -> None:
        """See :meth:`Host.remove_route() <stack.host.Host.remove_route>`."""
        found = [
            route
            for route in self.routes
            if route.prefix == prefix and via in (None, route.via) and interface in (None, route.interface)
        ]
        if not found:
            raise os_error(errno.ESRCH)
        route = min(found, key=lambda route: route.metric)
        self.routes.remove(route)
        if self.on:
            self.host.remove_route(route.prefix, via=route.via, interface=route.interface)

    def _plug_in(self, card: NetworkCard) -> None:
        card.end.listening = True
        self.host.add_interface(card.name, card.end, mac=card.mac, addresses=card.addresses)

    def _install(self, route: StaticRoute) -> None:
        self.host.add_route(route.prefix, via=route.via, interface=route.interface, metric=route.metric)

    # --- pauses and power

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self.clock.paused

    def pause(self) -> None:
        """Stand still: timers and applications wait, frames that arrive are lost."""
        if self.on:
            self.clock.pause()
            self._listen(False)

    def resume(self) -> None:
        """Go on after a pause: first what has fallen due, in order."""
        if self.on and self.paused:
            self._listen(True)
            self.clock.resume()

    def power_off(self) -> None:
        """Lose the power. What the applications do about it reaches nobody.

        Raises RuntimeError when one of the machine's own applications asks for it; :meth:`reboot` may be.
        """
        if not self.on:
            return
        self.on = False
        self.host.close()
        self.loop.close()
        self.clock.switch_off()
        self._tasks.clear()
        self._on_end()

    def power_on(self) -> None:
        """Start again after :meth:`power_off`."""
        if not self.on:
            self._boot()
            for booted in self.on_boot:
                booted(self.host)

    def reboot(self, downtime: int = 0) -> None:
        """Lose the power at once, when nothing of the machine runs, and get it back ``downtime`` ns later."""
        self._simulation_clock.call_later(0, self.power_off)
        self._simulation_clock.call_later(downtime, self.power_on)

    def _listen(self, listening: bool) -> None:
        for card in self.cards.values():
            card.end.listening = listening
