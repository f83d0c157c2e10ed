"""The events of a scenario: each is done at its time, or when its condition holds for the first time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from links.impairments.channel import Channel
from links.impairments.spec import Impairments
from links.simulated.machine import Machine
from scenarios.builder import resolve_route
from scenarios.expression import Condition, compile_condition
from scenarios.network import lay_over
from scenarios.problems import Problem, ScenarioError
from scenarios.schema.events import (
    AddAddress,
    AddressEvent,
    AddRoute,
    Down,
    Event,
    Flap,
    Heal,
    HostEvent,
    Impair,
    LinkEvent,
    Partition,
    Pause,
    Reboot,
    RemoveAddress,
    RemoveRoute,
    Resume,
    Up,
)
from scenarios.validation import Mistake
from scenarios.world import World
from scenarios.yaml_reader import Place
from stack.clock import MILLISECOND

INTERVAL = MILLISECOND
"""Between two looks at the conditions that have not been met."""


class Timeline:
    """Does the events of a scenario to its world."""

    def __init__(self, world: World) -> None:
        """Lay the events out on the clock of the world."""
        self._world = world
        self._clock = world.simulation.clock
        self._cut: dict[Channel, Impairments] = {}
        """The directions that partitions have cut, and what they would be otherwise."""
        self._waiting: list[tuple[Condition, Event, Place]] = []
        for index, event in enumerate(world.scenario.model.events):
            place: Place = ("events", index)
            if event.at is not None:
                self._clock.call_at(event.at, self._act, event, place)
            elif event.when is not None:
                self._waiting.append((compile_condition(event.when, world.quantity), event, place))
        if self._waiting:
            self._clock.call_later(INTERVAL, self._look)

    def _look(self) -> None:
        """Act on the conditions that hold now, and look at the others later."""
        ready = [condition() for condition, _, _ in self._waiting]
        acts = [entry for entry, holds in zip(self._waiting, ready, strict=True) if holds]
        self._waiting = [entry for entry, holds in zip(self._waiting, ready, strict=True) if not holds]
        for _, event, place in acts:
            self._act(event, place)
        if self._waiting:
            self._clock.call_later(INTERVAL, self._look)

    def _act(self, event: Event, place: Place) -> None:
        """Do it; raises ScenarioError if it cannot be done any more, as things are by now."""
        try:
            if isinstance(event, LinkEvent):
                self._do_to_link(event, place)
            elif isinstance(event, HostEvent):
                self._do_to_host(event, place)
            elif isinstance(event, Partition):
                self._cut_between(event.groups)
            elif isinstance(event, Heal):
                self._heal()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ScenarioError([Problem(self._world.scenario.where(place), reason)]) from None

    # --- links

    def _do_to_link(self, event: LinkEvent, place: Place) -> None:
        wire = self._world.simulation.wires[event.link]
        channels = [getattr(wire, direction) for direction in event.directions]
        if isinstance(event, Impair):
            self._impair(channels, event.change, (*place, "change"))
        elif isinstance(event, Up | Down):
            self._set(channels, up=isinstance(event, Up))
        elif isinstance(event, Flap):
            self._flap(channels, event, event.count)

    def _impair(self, channels: list[Channel], change: Mapping[str, Any], place: Place) -> None:
        """Raises ScenarioError if the change makes no sense with what the link is like by now."""
        scenario = self._world.scenario
        found: list[Mistake] = []
        for channel in channels:
            spec = lay_over(self._spec(channel), change, place, scenario.directory, found.append)
            self._configure(channel, spec)
        if found:
            raise ScenarioError(
                Problem(scenario.where(mistake.place), mistake.message) for mistake in dict.fromkeys(found)
            )

    def _set(self, channels: list[Channel], *, up: bool) -> None:
        for channel in channels:
            self._configure(channel, self._spec(channel).model_copy(update={"up": up}))

    def _flap(self, channels: list[Channel], event: Flap, count: int) -> None:
        self._set(channels, up=False)
        down_time = event.period - round(event.period * event.duty)
        self._clock.call_later(down_time, partial(self._set, channels, up=True))
        if count > 1:
            self._clock.call_later(event.period, self._flap, channels, event, count - 1)

    def _spec(self, channel: Channel) -> Impairments:
        """What a direction is like, or would be if no partition had cut it."""
        return self._cut.get(channel, channel.spec)

    def _configure(self, channel: Channel, spec: Impairments) -> None:
        if channel in self._cut:
            self._cut[channel] = spec
        else:
            channel.configure(spec)

    def _cut_between(self, groups: tuple[tuple[str, ...], ...]) -> None:
        group_of = {name: number for number, group in enumerate(groups) for name in group}
        rest = 0 if len(groups) > 1 else -1
        for wire in self._world.simulation.wires.values():
            one, other = (group_of.get(end.node, rest) for end in wire.ends)
            if one != other:
                for channel in wire.channels:
                    self._cut.setdefault(channel, channel.spec)
                    channel.configure(channel.spec.model_copy(update={"up": False}))

    def _heal(self) -> None:
        cut, self._cut = self._cut, {}
        for channel, spec in cut.items():
            channel.configure(spec)

    # --- machines

    def _do_to_host(self, event: HostEvent, place: Place) -> None:
        machine = self._world.simulation.machines[event.host]
        if isinstance(event, Pause):
            machine.pause()
            if event.duration is not None:
                self._clock.call_later(event.duration, machine.resume)
        elif isinstance(event, Resume):
            machine.resume()
        elif isinstance(event, Reboot):
            machine.reboot(event.down_for)
        elif isinstance(event, AddAddress):
            machine.add_address(_card(machine, event), event.address)
        elif isinstance(event, RemoveAddress):
            card = _card(machine, event)
            if event.address not in machine.cards[card].addresses:
                raise ValueError(f"{event.address} is no address of `{machine.name}` there")
            machine.remove_address(card, event.address)
        elif isinstance(event, AddRoute | RemoveRoute):
            self._change_routes(machine, event, place)

    def _change_routes(self, machine: Machine, event: AddRoute | RemoveRoute, place: Place) -> None:
        world = self._world
        for route in resolve_route(world.scenario, world.simulation, machine, event, place):
            if isinstance(event, RemoveRoute):
                machine.remove_route(route.prefix, via=route.via)
                continue
            for old in [each for each in machine.routes if each.prefix == route.prefix]:
                machine.remove_route(old.prefix, via=old.via)
            machine.add_route(route.prefix, via=route.via)


def _card(machine: Machine, event: AddressEvent) -> str:
    """The network card that is meant."""
    return next(card.name for card in machine.cards.values() if event.link in (None, card.wire.name))
