"""A network of machines in virtual time."""

from __future__ import annotations

from asyncio import Task
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from links.impairments.spec import PERFECT, Impairments
from links.simulated.clock import SimulatedClock
from links.simulated.digest import Digest
from links.simulated.machine import Machine
from links.simulated.switch import Switch
from links.simulated.wire import ETHERNET_MTU, Wire
from stack.config import HostConfig
from stack.host import Host
from stack.link import Offload
from stack.wire.address import InterfaceAddress, format_address, is_link_local

if TYPE_CHECKING:
    import networkx

T = TypeVar("T")
Addresses: TypeAlias = Iterable[InterfaceAddress | str]
Node: TypeAlias = Host | Switch | str

DEFAULTS = HostConfig()
PROGRESS_STEPS = 200
"""How often a progress bar hears of a run."""


class TopologyError(ValueError):
    """A network that cannot be."""


class Simulation:
    """Machines, switches and the wires between them.

    Everything that happens follows from what is built and from ``seed``: the same again gives the same
    :attr:`digest`, and simulations do not see each other.

        with Simulation(seed=1) as simulation:
            client, server = simulation.host("client"), simulation.host("server")
            simulation.connect(client, server, addresses=(["10.0.0.1/24"], ["10.0.0.2/24"]))
            simulation.spawn(server, serve(server))
            simulation.spawn(client, fetch(client))
            simulation.run()
    """

    def __init__(self, seed: int = 0, *, checksum_offload: bool = True, digest: bool = True) -> None:
        """With ``checksum_offload`` the wires take frames whose checksum is not computed, and nobody has to.

        Without ``digest`` the :attr:`digest` is that of nothing, which saves about a microsecond per frame and wire.
        """
        self.seed = seed
        self.clock = SimulatedClock()
        self.machines: dict[str, Machine] = {}
        self.hosts: dict[str, Host] = {}
        """The host of each machine, as it is since the last boot."""
        self.switches: dict[str, Switch] = {}
        self.wires: dict[str, Wire] = {}
        self.on_connect: list[Callable[[Wire], None]] = []
        """Called with each new wire, before anything can happen on it."""
        self.digest = Digest(self.clock)
        self._digesting = digest
        self._offload = Offload(checksum=checksum_offload)
        self._macs = 0
        self._bridged: dict[str, str] = {}
        self._until_done = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def stream(self, name: str) -> Random:
        """A random stream: the same name and seed give the same luck, whatever else there is."""
        return Random(f"{self.seed}/{name}")

    # --- building

    def host(self, name: str, config: HostConfig = DEFAULTS) -> Host:
        """Add a machine, and return its host. Raises :class:`TopologyError` if the name is taken."""
        self._check_name(name)
        machine = Machine(name, self.clock, self.stream, config, on_error=self._fail, on_end=self._task_ended)
        self.machines[name] = machine
        self._booted(machine.host)
        machine.on_boot.append(self._booted)
        return machine.host

    def router(self, name: str, config: HostConfig = DEFAULTS) -> Host:
        """Add a machine that forwards."""
        return self.host(name, replace(config, ip=replace(config.ip, forwarding=True)))

    def switch(self, name: str) -> Switch:
        """Add a learning switch."""
        self._check_name(name)
        switch = self.switches[name] = Switch(name, self.clock)
        self._bridged[name] = name
        return switch

    def connect(
        self,
        a: Node,
        b: Node,
        *,
        name: str | None = None,
        forward: Impairments = PERFECT,
        backward: Impairments | None = None,
        addresses: tuple[Addresses, Addresses] = ((), ()),
        mtu: int = ETHERNET_MTU,
        weight: float = 1,
    ) -> Wire:
        """Lay a wire from ``a`` to ``b``; a machine gets one more interface, ``eth0``, ``eth1`` ...

        ``forward`` is what frames from ``a`` to ``b`` meet, ``backward`` (the same if left out) what those from
        ``b`` to ``a`` do; ``addresses`` are for the interfaces of ``a`` and of ``b``. Raises
        :class:`TopologyError` if there is no such node, the name or an address is taken, the wire leads back to
        its start, or it would close a loop of switches.
        """
        nodes = (self._name_of(a), self._name_of(b))
        name = name or self._free_name("-".join(nodes))
        self._check_wire(name, nodes)
        own = [
            [InterfaceAddress.parse(item) if isinstance(item, str) else item for item in given]
            for given in addresses
        ]
        self._check_addresses(nodes, own)
        wire = Wire(
            name, nodes, self.clock, self.stream, forward, backward,
            mtu=mtu, offload=self._offload, weight=weight,
        )  # fmt: skip
        self.wires[name] = wire
        for connected in self.on_connect:
            connected(wire)
        if self._digesting:
            wire.observe(*(self.digest.observe(channel.name) for channel in wire.channels))
        for end, given in zip(wire.ends, own, strict=True):
            if end.node in self.switches:
                self.switches[end.node].add_port(end)
            else:
                self.machines[end.node].add_interface(wire, end, self._next_mac(), given)
        return wire

    @property
    def graph(self) -> networkx.MultiGraph[str]:
        """The network: node attribute ``kind`` (host, router, switch), edge attribute ``wire``, keys the names
        of the wires."""
        import networkx

        graph: networkx.MultiGraph[str] = networkx.MultiGraph()
        for name, machine in self.machines.items():
            graph.add_node(name, kind="router" if machine.config.ip.forwarding else "host")
        for name in self.switches:
            graph.add_node(name, kind="switch")
        for name, wire in self.wires.items():
            first, second = wire.ends
            graph.add_edge(first.node, second.node, key=name, wire=wire, weight=wire.weight)
        return graph

    # --- running

    def spawn(self, host: Host | str, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Run an application on a host's event loop. If it ends with an exception, :meth:`run` raises that."""
        return self.machines[self._name_of(host)].spawn(coroutine)

    def run(
        self,
        until: int | None = None,
        *,
        stop_when_done: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Let time pass: to ``until`` (ns), or without it until all spawned tasks are done or nothing is pending.

        With ``stop_when_done`` also a run with ``until`` ends when the tasks are done. ``progress`` is told the
        time now and then on the way to ``until``. Raises what an application did not handle.
        """
        self._until_done = until is None or stop_when_done
        for goal in self._goals(until, PROGRESS_STEPS if progress else 1):
            arrived = self.clock.run(goal)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if progress is not None:
                progress(self.clock.now())
            if not arrived:
                break

    def stop(self) -> None:
        """Let :meth:`run` return; for callbacks and applications."""
        self.clock.stop()

    def close(self) -> None:
        """Switch everything off: all tasks are cancelled, nothing stays at the clock."""
        for machine in self.machines.values():
            machine.power_off()
        for wire in self.wires.values():
            wire.close()

    def _goals(self, until: int | None, steps: int) -> Iterator[int | None]:
        if until is None:
            yield None
            return
        start = self.clock.now()
        for step in range(1, steps + 1):
            yield start + (until - start) * step // steps

    def _task_ended(self) -> None:
        if self._until_done and not any(machine.busy for machine in self.machines.values()):
            self.clock.stop()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self.clock.stop()

    # --- names

    def _booted(self, host: Host) -> None:
        self.hosts[host.name] = host

    def _name_of(self, node: Node) -> str:
        name = node if isinstance(node, str) else node.name
        if name not in self.machines and name not in self.switches:
            raise TopologyError(f"there is no node {name!r}")
        return name

    def _check_name(self, name: str) -> None:
        if name in self.machines or name in self.switches:
            raise TopologyError(f"there is a node {name!r} already")

    def _free_name(self, name: str) -> str:
        taken, number = name, 1
        while taken in self.wires:
            number += 1
            taken = f"{name}-{number}"
        return taken

    def _check_wire(self, name: str, nodes: tuple[str, str]) -> None:
        if name in self.wires:
            raise TopologyError(f"there is a wire {name!r} already")
        if nodes[0] == nodes[1]:
            raise TopologyError(f"a wire cannot lead from {nodes[0]!r} to itself")
        if all(node in self.switches for node in nodes):
            one, other = (self.segment_of(node) for node in nodes)
            if one == other:
                raise TopologyError(
                    f"a wire between {nodes[0]!r} and {nodes[1]!r} would close a loop of switches, in which "
                    "broadcasts go round for ever"
                )
            self._bridged[other] = one

    def _check_addresses(self, nodes: tuple[str, str], addresses: list[list[InterfaceAddress]]) -> None:
        taken = {
            item.address: machine.name
            for machine in self.machines.values()
            for card in machine.cards.values()
            for item in card.addresses
        }
        for node, given in zip(nodes, addresses, strict=True):
            if given and node in self.switches:
                raise TopologyError(f"{node!r} is a switch, which has no address")
            for item in given:
                owner = taken.setdefault(item.address, node)
                if owner != node and not is_link_local(item.address):
                    raise TopologyError(f"{format_address(item.address)} is an address of {owner!r} already")

    def segment_of(self, switch: str) -> str:
        """A name for all switches that are connected to this one by switches only."""
        while (parent := self._bridged[switch]) != switch:
            switch = parent
        return switch

    def _next_mac(self) -> bytes:
        self._macs += 1
        return b"\x02" + self._macs.to_bytes(5, "big")
