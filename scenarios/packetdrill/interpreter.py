"""Plays a script against a host: its events one after the other, in virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from links.capture import CapturedLink
from links.pcapng import PcapngWriter
from links.simulated.clock import SimulatedClock
from scenarios.packetdrill.assertions import Code, FailedAssertionError
from scenarios.packetdrill.caller import Caller
from scenarios.packetdrill.calls.process import Process
from scenarios.packetdrill.flow import Flow
from scenarios.packetdrill.inbound import Inbound
from scenarios.packetdrill.link import PlayedLink
from scenarios.packetdrill.matching import SHARE, Difference, Matcher, stream_offset
from scenarios.packetdrill.packets import LivePacket, dissect
from scenarios.packetdrill.profiles import Profile
from scenarios.packetdrill.result import MismatchError
from scenarios.packetdrill.settings import Settings
from scenarios.packetdrill.shell import Shell, WrongStateError
from scenarios.packetdrill.symbols import Symbols
from scenarios.packetdrill.syntax import Call, Direction, Event, Packet, Script, TcpSegment, TimeKind, When
from scenarios.packetdrill.syntax import Code as CodeText
from scenarios.packetdrill.syntax import Shell as ShellText
from stack.clock import SECOND
from stack.host import Host
from stack.link import Link
from stack.wire.address import InterfaceAddress
from stack.wire.errors import Malformed
from stack.wire.protocols import TCP
from stack.wire.tcp import TcpHeader
from stack.wire.udp import UdpHeader

_REMEMBERED: Final = 8
"""Packets that a failure shows."""
_ANY_TIME: Final = 24 * 3600 * SECOND
"""How long a packet is awaited whose time is ``*``."""
_PREFIX_LENGTHS: Final = {4: 16, 16: 64}


class Interpreter:
    """One run of one script: a host, its only link, and the process on it."""

    def __init__(
        self,
        script: Script,
        settings: Settings,
        profile: Profile,
        *,
        lax: bool = False,
        capture: PcapngWriter | None = None,
    ) -> None:
        self._script = script
        self._settings = settings
        self.clock = SimulatedClock()
        self._link = PlayedLink(self.clock, settings.mtu)
        self._host = Host("host", self.clock, Random("packetdrill"), profile.host_config())
        self._attach(capture)
        self._process = Process(self._host, self.clock, settings, self._changed)
        self._caller = Caller(self._process, Symbols(settings.symbols), self.clock)
        self._inbound = Inbound(self._process)
        self._shell = Shell(self._process, self._pause)
        self._code = Code()
        self._matcher = Matcher(settings, lax=lax, joined=profile.joined)
        self.line = 0
        """Where it is being played."""
        self._history: deque[tuple[LivePacket, Flow | None]] = deque(maxlen=_REMEMBERED)

    def _attach(self, capture: PcapngWriter | None) -> None:
        link: Link = self._link
        if capture is not None:
            link = CapturedLink(link, self.clock, capture, "tun0")
        local = self._settings.local
        address = str(InterfaceAddress(local, _PREFIX_LENGTHS[len(local)]))
        self._host.add_interface("tun0", link, addresses=[address])
        self._host.add_route("0.0.0.0/0" if len(local) == 4 else "::/0", interface="tun0")

    def _changed(self) -> None:
        self._caller.wake()

    def _pause(self, duration: int) -> None:
        self.clock.run(until=self.clock.now() + duration)

    @property
    def history(self) -> tuple[str, ...]:
        """The last packets in either direction, in the script's notation."""
        lines = []
        for packet, flow in self._history:
            shown = flow or Flow(packet.destination, 0, packet.source, 0)
            lines.append(f"{packet.time / SECOND:9.6f} {shown.describe(packet)}")
        return tuple(lines)

    def run(self) -> None:
        """Play the whole script. Raises MismatchError, UnsupportedError, ScenarioError."""
        try:
            for event in (*self._script.before, *self._script.events):
                self.line = event.line
                self._play(event)
            self._caller.finish()
        finally:
            self._host.close()

    # --- events

    def _play(self, event: Event) -> None:
        began = self.clock.now()
        base = began if event.when.kind is TimeKind.RELATIVE else 0
        action = event.action
        if isinstance(action, Packet) and action.direction is Direction.OUTBOUND:
            self._expect(event, action, base, began)
            return
        when = base + event.when.earliest
        if event.when.kind is not TimeKind.ANY:
            self._advance(event, when)
        match action:
            case Packet():
                self._arrive(event, action)
            case Call():
                end = None if action.end is None else base + action.end
                self._caller.call(event, action, when, end)
            case ShellText(text):
                self._run_shell(text, event.line)
            case CodeText(text):
                self._run_code(text, event.line)

    def _advance(self, event: Event, when: int) -> None:
        late = self.clock.now() - when
        if late > self._settings.tolerance:
            raise MismatchError(
                event.line, f"is for {_seconds(when)}, and it is {_seconds(self.clock.now())} already"
            )
        self.clock.run(until=max(when, self.clock.now()))

    def _run_shell(self, text: str, line: int) -> None:
        try:
            self._shell.run(text, line)
        except WrongStateError as wrong:
            raise MismatchError(line, f"wrong state: {wrong}") from None

    def _run_code(self, text: str, line: int) -> None:
        flow = self._process.flow
        connection = None if flow is None else self._process.connection(flow)
        info: Mapping[str, Any] = {}
        if connection is not None:
            snapshot = connection.info()
            info = {name: getattr(snapshot, name) for name in snapshot.__slots__}
        elif "tcpi_" in text:
            raise MismatchError(line, "there is no connection to ask for TCP_INFO")
        try:
            self._code.run(text, line, info)
        except FailedAssertionError as failed:
            raise MismatchError(failed.line, failed.text) from None

    # --- packets that arrive

    def _arrive(self, event: Event, packet: Packet) -> None:
        raw = self._inbound.build(packet, event.line)
        self._history.append((dissect(raw, self.clock.now(), inbound=True), self._process.flow))
        self._link.deliver(raw)
        self._inbound.delivered()

    # --- packets that leave

    def _expect(self, event: Event, packet: Packet, base: int, began: int) -> None:
        """The packet leaves, whole or in segments that add up to it, each at its time."""
        window = self._window(event.when, base, began)
        wanted = packet.body.length if isinstance(packet.body, TcpSegment) else 0
        begun = 0
        while True:
            live, flow = self._next(event, packet, window[1], begun)
            if isinstance(packet.body, TcpSegment) and isinstance(live.header, TcpHeader):
                flow.meets(live, packet.body)
            found = self._matcher.compare(event, packet, live, flow, begun)
            if not window[0] <= live.time <= window[1]:
                found.insert(0, Difference("time", self._when(event.when, base), _seconds(live.time)))
            if not found:
                found = self._check_payload(live, flow)
            if found:
                raise MismatchError(
                    event.line,
                    "not the packet that should leave: " + ", ".join(item.field for item in found),
                    expected=f"{self._when(event.when, base)} {_after_time(event.text)}",
                    found=f"{_seconds(live.time)} {flow.describe(live)}",
                    differences=tuple(found),
                )
            begun += len(live.payload)
            if begun >= wanted or self._settings.strict_segments:
                return

    def _window(self, when: When, base: int, began: int) -> tuple[int, int]:
        """From when to when a packet may leave."""
        if when.kind is TimeKind.ANY:
            return 0, self.clock.now() + _ANY_TIME
        earliest = base + when.earliest
        latest = earliest if when.latest is None else base + when.latest
        tolerance = max(self._settings.tolerance, (earliest - began) // SHARE)
        return earliest - tolerance, latest + tolerance

    @staticmethod
    def _when(when: When, base: int) -> str:
        if when.kind is TimeKind.ANY:
            return "*"
        earliest = _seconds(base + when.earliest)
        return earliest if when.latest is None else f"{earliest}~{_seconds(base + when.latest)}"

    def _next(self, event: Event, packet: Packet, deadline: int, begun: int) -> tuple[LivePacket, Flow]:
        """The next packet of the connection under test; waits for it until ``deadline``."""
        while True:
            while self._link.sent:
                time, raw = self._link.sent.popleft()
                live = self._see(time, raw)
                flow = self._flow_of(live, packet)
                if live is not None and flow is not None:
                    return live, flow
            now = self.clock.now()
            if now >= deadline and not self._step_here():
                what = f" after {begun} octets" if begun else ""
                raise MismatchError(
                    event.line,
                    f"no packet left{what} until {_seconds(deadline)}",
                    expected=_after_time(event.text),
                )
            self._link.notify = self.clock.stop
            self.clock.run(until=deadline)
            self._link.notify = _nothing

    def _step_here(self) -> bool:
        """Run what is still due at this instant; whether it made a packet leave."""
        self.clock.run(until=self.clock.now())
        return bool(self._link.sent)

    def _see(self, time: int, raw: bytes) -> LivePacket | None:
        try:
            live = dissect(raw, time, inbound=False)
        except Malformed:
            return None
        self._history.append((live, self._process.flow))
        return live

    def _flow_of(self, live: LivePacket | None, packet: Packet) -> Flow | None:
        """The flow that a packet which has left belongs to, if that is the one to look at."""
        if live is None:
            return None
        if isinstance(packet.body, TcpSegment) and packet.body.ports is not None:
            flow = self._inbound.flow(packet.body.ports[::-1])
            return flow if flow.owns(live) else None
        flow_under_test = self._process.flow
        if live.protocol == TCP or live.ports is not None:
            if flow_under_test is not None and flow_under_test.owns(live):
                return flow_under_test
            return None
        settings = self._settings
        return flow_under_test or Flow(settings.local, 0, settings.remote, 0)

    def _check_payload(self, live: LivePacket, flow: Flow) -> list[Difference]:
        """The data of a segment are those that the process has written there."""
        header = live.header
        if isinstance(header, UdpHeader) and self._process.datagrams:
            return _data_difference(self._process.datagrams.popleft(), live.payload)
        stream = self._process.streams.get((flow.local_port, flow.remote_port))
        if not isinstance(header, TcpHeader) or not live.payload or stream is None or flow.offset is None:
            return []
        start = stream_offset(header, flow.relative(header.sequence))
        return _data_difference(bytes(stream[start : start + len(live.payload)]), live.payload)


def _data_difference(wanted: bytes, found: bytes) -> list[Difference]:
    """The first octets that are not as they were written."""
    if wanted == found:
        return []
    octets = zip(wanted, found, strict=False)
    at = next((index for index, (a, b) in enumerate(octets) if a != b), min(len(wanted), len(found)))
    return [Difference(f"data at {at}", wanted[at : at + 8].hex(" "), found[at : at + 8].hex(" "))]


def _nothing() -> None:
    """Nobody waits for a packet."""


def _seconds(time: int) -> str:
    return f"{time / SECOND:.6f}"


def _after_time(text: str) -> str:
    """An event without its time."""
    at = text.find(">")
    return text[at:] if at >= 0 else text
