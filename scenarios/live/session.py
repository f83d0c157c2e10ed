"""One run of ``usernetstack live``: a host on a device, what it does there, and everything taken down again."""

from __future__ import annotations

import asyncio
import errno
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from random import Random

from links.live.clock import AsyncioClock
from links.live.errors import LinkError
from links.live.netlink import KernelEnd
from links.live.tap import TapLink
from scenarios.applications.transfer import together
from scenarios.live.attachment import attachment
from scenarios.live.errands import ErrandError, fetch_file, ping
from scenarios.live.options import LiveOptions, Plan, plan
from scenarios.problems import Problem, ScenarioError
from stack.host import Host
from stack.link import Link
from stack.tcp.connection import Connection
from stack.tcp.state import State
from stack.trace import Observer
from stack.wire.address import Prefix, format_address, format_mac

HELD = 0
"""Exit status: it did what was asked for, or was told to stop."""
FAILED = 1
"""Exit status: what was to be fetched or pinged did not answer as it should."""
BAD = 2
"""Exit status: bad input, or an environment that does not allow it."""

DEFAULT_ROUTES = {4: "0.0.0.0/0", 16: "::/0"}


def run_live(options: LiveOptions) -> int:
    """Do what the options ask for until it is done, or SIGINT, SIGTERM or SIGHUP comes; returns the exit status.

    Prints to standard output what an operator wants to know, errors to standard error, a line each. Nothing
    is left behind: no device, no address, no route, no truncated file. To be called in the main thread.
    """
    try:
        return asyncio.run(_live(plan(options)))
    except ScenarioError as error:
        problems = error.problems
    except OSError as error:
        problems = [Problem("live", str(error))]
    for problem in problems:
        print(problem, file=sys.stderr)
    return BAD


async def _live(plan: Plan) -> int:
    return await _Session(plan).run()


class _Session:
    """From up to down."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        seed = plan.options.seed
        self.seed = secrets.randbits(128) if seed is None else seed
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Reason to end that comes from outside: a signal, or the loss of the device."""

    def say(self, line: str) -> None:
        """Print a line, unless the operator wants quiet."""
        if not self.plan.options.quiet:
            print(line, flush=True)

    async def run(self) -> int:
        """Set up, work until the work is done or there is reason to end, take down; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        async with self.machine() as host:
            work: list[Awaitable[int]] = [self.end]
            if self.plan.services:
                work.append(self.serve(host))
            if self.plan.options.fetch is not None or self.plan.options.ping is not None:
                work.append(self.errands(host))
            try:
                return await _first(work)
            except OSError as error:
                failure = error  # to be raised when all is taken down in good order, with the capture kept
        raise failure

    def stop(self) -> None:
        """The operator wants an end."""
        if not self.end.done():
            self.end.set_result(HELD)

    def lost(self, error: LinkError) -> None:
        """The device has been taken away."""
        if not self.end.done():
            self.end.set_exception(error)

    @asynccontextmanager
    async def machine(self) -> AsyncIterator[Host]:
        """The host on its device, which the kernel can reach; on the way out nothing of it stays."""
        plan, options = self.plan, self.plan.options
        async with AsyncExitStack() as down:
            tap = TapLink(plan.device, medium=plan.medium, mtu=options.mtu, offload=options.offload)
            down.enter_context(closing(tap))
            tap.failed = self.lost
            if options.verbose and tap.offload.checksum < options.offload:
                self.say(f"{tap.name} has no offload: checksums and segmentation are done here")
            await self.set_up(await down.enter_async_context(KernelEnd(tap.name)))
            clock = AsyncioClock()
            link = down.enter_context(attachment(plan, tap, clock, self.stream("impairments")))
            observer = _Connections(self.say) if options.verbose else None
            host = Host(tap.name, clock, self.stream("host"), observer=observer)
            down.callback(host.close)
            self.attach(host, link)
            yield host
        self.say(f"{tap.name} is down: {tap.received} frames in, {tap.sent} out")

    async def set_up(self, kernel: KernelEnd) -> None:
        """Give the kernel's end what it needs to reach us."""
        plan = self.plan
        if plan.mac is not None and plan.mac == kernel.mac:
            raise LinkError(errno.EADDRINUSE, f"the MAC address {format_mac(plan.mac)} is the kernel's own")
        await kernel.set_mtu(plan.options.mtu)
        await kernel.bring_up()
        for peer in plan.peers:
            await kernel.add_address(peer)
        if plan.peers:
            for address in plan.strays:
                await kernel.add_route(Prefix(address, 8 * len(address)))

    def attach(self, host: Host, link: Link) -> None:
        """Put the host on the link."""
        plan = self.plan
        interface = host.add_interface(host.name, link, mac=plan.mac, addresses=plan.addresses)
        for gateway in plan.gateways:
            host.add_route(DEFAULT_ROUTES[len(gateway)], via=gateway, interface=interface.name)
        mac = f", MAC {format_mac(interface.mac)}" if interface.mac else ""
        addresses = ", ".join(map(str, plan.addresses))
        self.say(f"{interface.name} is up: {addresses}{mac}, MTU {interface.mtu}")
        if plan.impairments is not None:
            self.say(f"impaired in both directions: {plan.options.impair}")

    def stream(self, name: str) -> Random:
        """A stream of chance of its own for each who needs one."""
        return Random(f"{self.seed}/{name}")

    async def serve(self, host: Host) -> int:
        """Run the servers; only a failure ends them."""
        await together(*(service.run(host) for service in self.plan.services), self.announce(host))
        return HELD

    async def announce(self, host: Host) -> None:
        """Say what is served, once it is: whoever reads the line may connect at once."""
        ports = {service.port for service in self.plan.services}
        while not ports <= {socket.getsockname()[1] for socket in host.sockets}:
            await asyncio.sleep(0)
        for service in self.plan.services:
            self.say(f"serving {service}")

    async def errands(self, host: Host) -> int:
        """Do what there is to do as a client."""
        options = self.plan.options
        try:
            if options.ping is not None:
                self.say(await ping(host, options.ping))
            if options.fetch is not None and options.output is not None:
                self.say(await fetch_file(host, options.fetch, options.output))
        except ErrandError as error:
            print(Problem("live", str(error)), file=sys.stderr)
            return FAILED
        return HELD


class _Connections(Observer):
    """Tells of the TCP connections that come and go."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def state_changed(self, connection: Connection, old: str, new: str) -> None:
        """See :meth:`Observer.state_changed`."""
        if new == State.ESTABLISHED.name:
            self._say(f"{_ends(connection)}: connected")
        elif new == State.CLOSED.name:
            self._say(f"{_ends(connection)}: closed")


def _ends(connection: Connection) -> str:
    remote = format_address(connection.remote)
    return f"port {connection.local_port}, {remote} port {connection.remote_port}"


async def _first(work: list[Awaitable[int]]) -> int:
    """The result of whichever is done first, or what it raises; the others are cancelled."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
