"""The checks of a scenario as a whole: that its parts fit together."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from links.units import format_duration
from scenarios.addressing import check_addresses
from scenarios.expression import ExpressionError, Quantity, compile_condition
from scenarios.functions import FunctionError, find_judge
from scenarios.metrics import unmeasured
from scenarios.names import Declared, Names
from scenarios.network import NetworkNode, assemble, lay_over
from scenarios.problems import did_you_mean
from scenarios.schema.events import (
    AddressEvent,
    Event,
    HostEvent,
    Impair,
    LinkEvent,
    Partition,
    RouteEvent,
)
from scenarios.schema.routes import Route
from scenarios.schema.scenario import Scenario
from scenarios.schema.traffic import AnyFlow
from scenarios.validation import Mistake
from scenarios.yaml_reader import Place
from stack.config import ConfigError, HostConfig


class Checker:
    """Finds every mistake in a scenario that is made of several parts."""

    def __init__(
        self, model: Scenario, directory: Path, declared: Declared, sections_with_mistakes: Set[str]
    ) -> None:
        """``sections_with_mistakes``: parts of these were left out of ``model``."""
        self.mistakes: list[Mistake] = []
        self._model = model
        self._directory = directory
        self._whole = "topology" not in sections_with_mistakes
        self._end = None if "duration" in sections_with_mistakes else model.duration
        self.network = assemble(model.topology, directory, declared, self._report_topology)
        self.names = self._all_names(declared)
        self._knows_nodes = self._whole or not declared.more_nodes
        self._check_switches()
        check_addresses(self.network, self._report_topology)
        self._check_routes()
        self._check_settings()
        for name, flow in model.traffic.items():
            self._check_flow(name, flow)
        self._check_ports()
        for index, event in enumerate(model.events):
            self._check_event(("events", index), event)
        self._check_changes()
        self._check_expectations()

    def _report(self, mistake: Mistake) -> None:
        self.mistakes.append(mistake)

    def _report_topology(self, mistake: Mistake) -> None:
        self.mistakes.append(mistake)
        self._whole = False

    def _say(self, place: Place, text: str, *, of_key: bool = False) -> None:
        self.mistakes.append(Mistake(place, text, of_key))

    # --- topology

    def _check_switches(self) -> None:
        """Switches know no spanning tree."""
        segment = {name: name for name in self.network.nodes}

        def root(name: str) -> str:
            while segment[name] != name:
                name = segment[name]
            return name

        for link in self.network.links.values():
            if all(self.network.nodes[end].is_switch for end in link.ends):
                one, other = map(root, link.ends)
                if one == other:
                    text = f"`{link.name}` closes a loop of switches, in which broadcasts go round for ever"
                    self._report_topology(Mistake(link.place, text, of_key=True))
                segment[other] = one

    def _check_routes(self) -> None:
        """The names in routes; the addresses are checked when all of them are known."""
        for node in self.network.nodes.values():
            for index, route in enumerate(node.routes):
                self._check_route((*node.place, "routes", index), node, route)

    def _check_route(self, place: Place, node: NetworkNode, route: Route) -> None:
        if isinstance(route.to, str):
            self._machine((*place, "to"), route.to)
        if isinstance(route.via, str):
            via = self._machine((*place, "via"), route.via)
            if via is not None and self._whole and via.name not in self.network.neighbours(node):
                self._say((*place, "via"), f"`{via.name}` is no neighbour of `{node.name}`")

    def _all_names(self, declared: Declared) -> Names:
        nodes = self.network.nodes
        wrong = [name for name in declared.nodes if name not in nodes]
        return Names(
            flows=declared.flows,
            links=tuple(dict.fromkeys([*self.network.links, *declared.links])),
            hosts=(*(name for name, node in nodes.items() if not node.is_switch), *wrong),
        )

    def _check_settings(self) -> None:
        """Knobs that contradict each other; each by itself has been checked."""
        try:
            config = self._model.stack.apply(HostConfig())
        except ConfigError as error:
            self._say(("stack",), str(error))
            return
        for node in self.network.nodes.values():
            try:
                node.stack.apply(config)
            except ConfigError as error:
                self._say((*node.place, "stack"), str(error))

    # --- names

    def _machine(self, place: Place, name: str) -> NetworkNode | None:
        """The machine that is meant; what is no machine is a mistake at ``place``."""
        node = self.network.nodes.get(name)
        if node is not None and not node.is_switch:
            return node
        if node is not None:
            self._say(place, f"`{name}` is a switch; it has no stack")
        elif name not in self.names.hosts and self._knows_nodes:
            self._say(place, f"unknown node `{name}`{did_you_mean(name, self.names.hosts)}")
        return None

    def _check_link_name(self, place: Place, name: str, *, of_key: bool = False) -> None:
        if name not in self.names.links and self._knows_nodes:
            self._say(place, f"unknown link `{name}`{did_you_mean(name, self.names.links)}", of_key=of_key)

    # --- traffic

    def _check_flow(self, name: str, flow: AnyFlow) -> None:
        place: Place = ("traffic", name)
        source = self._machine((*place, "from"), flow.source)
        target = self._machine((*place, "to"), flow.target)
        if self._end is not None and flow.start >= self._end:
            text = f"{format_duration(flow.start)} is not before the end of the run, {format_duration(self._end)}"
            self._say((*place, "start"), text)
        if flow.port is not None and not flow.default_port:
            self._say((*place, "port"), f"`{flow.kind}` has no ports", of_key=True)
        if source is None or target is None or not self._whole:
            return
        if target is not source and self.network.way(source, target) is None:
            text = f"`{target.name}` is unreachable from `{source.name}`: no links and routers lead there"
            self._say((*place, "to"), text)

    def _check_ports(self) -> None:
        taken: dict[tuple[str, int], str] = {}
        for name, flow in self._model.traffic.items():
            if flow.port is not None:
                first = taken.setdefault((flow.target, flow.port), name)
                if first != name:
                    text = f"port {flow.port} of `{flow.target}` is in use by `{first}`"
                    self._say(("traffic", name, "port"), text)

    # --- events

    def _check_event(self, place: Place, event: Event) -> None:
        if event.at is not None and self._end is not None and event.at > self._end:
            text = f"{format_duration(event.at)} is after the end of the run, {format_duration(self._end)}"
            self._say((*place, "at"), text)
        if event.when is not None:
            try:
                compile_condition(event.when, self._unread)
            except ExpressionError as error:
                self._say((*place, "when"), str(error))
        if isinstance(event, LinkEvent):
            self._check_link_name((*place, "link"), event.link)
        elif isinstance(event, Partition):
            self._check_groups((*place, "groups"), event)
        elif isinstance(event, HostEvent):
            node = self._machine((*place, "host"), event.host)
            if isinstance(event, AddressEvent):
                self._check_interface(place, event, node)
            elif isinstance(event, RouteEvent) and node is not None:
                self._check_route(place, node, event)

    def _check_groups(self, place: Place, event: Partition) -> None:
        groups: dict[str, int] = {}
        for number, group in enumerate(event.groups):
            for index, name in enumerate(group):
                if name not in self.network.nodes and name not in self.names.hosts and self._knows_nodes:
                    text = f"unknown node `{name}`{did_you_mean(name, self.network.nodes)}"
                    self._say((*place, number, index), text)
                if groups.setdefault(name, number) != number:
                    self._say((*place, number, index), f"`{name}` is in another group already")

    def _check_interface(self, place: Place, event: AddressEvent, node: NetworkNode | None) -> None:
        if event.link is not None:
            self._check_link_name((*place, "link"), event.link)
        if node is None or not self._whole:
            return
        links = [link.name for link in node.links]
        if event.link is None and len(links) != 1:
            self._say(place, f"`{node.name}` has {len(links)} links; say at which `link`")
        elif event.link in self.names.links and event.link not in links:
            self._say(
                (*place, "link"), f"`{event.link}` is no link of `{node.name}`{did_you_mean('', links)}"
            )

    def _check_changes(self) -> None:
        """Apply the changes of links one after the other, as they come; those with a condition come last."""
        impairments = {
            (link.name, direction): getattr(link, direction)
            for link in self.network.links.values()
            for direction in ("forward", "backward")
        }
        changes = [
            (event.at is None, event.at or 0, index, event)
            for index, event in enumerate(self._model.events)
            if isinstance(event, Impair)
        ]
        for *_, index, event in sorted(changes, key=lambda change: change[:3]):
            for direction in event.directions:
                key = (event.link, direction)
                if key in impairments:
                    place: Place = ("events", index, "change")
                    impairments[key] = lay_over(
                        impairments[key], event.change, place, self._directory, self._report
                    )

    def _unread(self, path: str) -> Quantity:
        """A metric before there is anything to read."""
        section, name, _, metric, dimension = self.names.refer(path)
        flow = self._model.traffic.get(name) if section == "flow" else None
        if flow is not None and (text := unmeasured(metric, flow)) is not None:
            raise ExpressionError(text)
        return Quantity(dimension, lambda: None)

    # --- expectations

    def _check_expectations(self) -> None:
        expect = self._model.expect
        for name, of_flow in expect.flows.items():
            if name in self._model.traffic:
                for metric in of_flow.comparisons():
                    if text := unmeasured(metric, self._model.traffic[name]):
                        self._say(("expect", "flows", name, metric), text, of_key=True)
            elif name not in self.names.flows:
                text = f"unknown flow `{name}`{did_you_mean(name, self.names.flows)}"
                self._say(("expect", "flows", name), text, of_key=True)
        for name in expect.links:
            self._check_link_name(("expect", "links", name), name, of_key=True)
        for name in expect.hosts:
            self._machine(("expect", "hosts", name), name)
        for index, function in enumerate(expect.python):
            try:
                find_judge(function)
            except FunctionError as error:
                self._say(("expect", "python", index), str(error))
