"""The kernel's end of a TAP or TUN device: up, MTU, addresses and routes, and all of it undone afterwards.

rtnetlink is spoken through pyroute2, which the extra ``live`` installs and nothing else needs.
"""

from __future__ import annotations

import errno
import importlib
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from links.live.errors import LinkError
from stack.wire.address import InterfaceAddress, Prefix, format_address, parse_mac

_IFF_UP = 0x01
_IFA_F_NODAD = 0x02

_Command = Callable[..., Awaitable[Any]]


class KernelEnd:
    """Sets up one device of the kernel, in the network namespace of the process.

    An asynchronous context manager::

        async with KernelEnd("tap0") as kernel:
            await kernel.bring_up()
            await kernel.add_address(InterfaceAddress.parse("10.0.0.1/24"))

    On the way out whatever was changed is changed back, the last first; what has vanished meanwhile, with its
    device or by another hand, is passed over. Every method raises LinkError; so does entering, also when
    pyroute2 is missing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.index = 0
        """Index of the device, once the context is entered."""
        self.mac = b""
        """MAC address of the kernel's end; empty for a TUN device, which has none."""
        self._mtu = 0
        self._up = False
        self._undo = AsyncExitStack()
        self._netlink: Any = None
        self._netlink_error: type[Exception] = Exception

    async def __aenter__(self) -> KernelEnd:
        pyroute2 = _pyroute2()
        self._netlink_error = pyroute2.NetlinkError
        async with AsyncExitStack() as entered:
            self._netlink = await entered.enter_async_context(pyroute2.AsyncIPRoute())
            [device] = await self._ask("find it", self._netlink.link, "get", ifname=self.name)
            self.index = device["index"]
            self._mtu = device.get("mtu")
            self._up = bool(device["flags"] & _IFF_UP)
            mac = device.get("address")
            self.mac = parse_mac(mac) if mac else b""
            self._undo = entered.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._undo.aclose()

    async def set_mtu(self, mtu: int) -> None:
        """Set the MTU (bytes)."""
        link = self._netlink.link
        await self._ask(f"set the MTU to {mtu}", link, "set", index=self.index, mtu=mtu)
        self._later(link, "set", index=self.index, mtu=self._mtu)

    async def bring_up(self) -> None:
        """Bring the device up."""
        link = self._netlink.link
        await self._ask("bring it up", link, "set", index=self.index, state="up")
        if not self._up:
            self._later(link, "set", index=self.index, state="down")

    async def add_address(self, address: InterfaceAddress) -> None:
        """Give the kernel an address, which can be used at once: no duplicate address detection."""
        request: dict[str, Any] = {
            "index": self.index,
            "address": format_address(address.address),
            "prefixlen": address.length,
        }
        if len(address.address) == 16:
            request["flags"] = _IFA_F_NODAD
        await self._add(f"add the address {address}", self._netlink.addr, request)

    async def add_route(self, prefix: Prefix, *, via: bytes | None = None) -> None:
        """Route ``prefix`` into the device, to the next hop ``via`` if there is one."""
        request: dict[str, Any] = {
            "family": socket.AF_INET if len(prefix.address) == 4 else socket.AF_INET6,
            "dst": str(prefix),
            "oif": self.index,
        }
        if via is not None:
            request["gateway"] = format_address(via)
        await self._add(f"add a route to {prefix}", self._netlink.route, request)

    async def _add(self, task: str, command: _Command, request: dict[str, Any]) -> None:
        await self._ask(task, command, "add", **request)
        self._later(command, "del", **request)

    async def _ask(self, task: str, command: _Command, verb: str, **request: Any) -> Any:
        try:
            return await command(verb, **request)
        except self._netlink_error as error:
            number, reason = error.args
            match number:
                case errno.EPERM:
                    reason = "it takes root (the capability CAP_NET_ADMIN)"
                case errno.EACCES:
                    reason = f"IPv6 is switched off (sysctl net.ipv6.conf.{self.name}.disable_ipv6)"
            raise LinkError(number, f"{self.name}: cannot {task}: {reason}") from error

    def _later(self, command: _Command, verb: str, **request: Any) -> None:
        """On the way out, do this."""

        async def undo() -> None:
            try:
                await command(verb, **request)
            except self._netlink_error:
                return

        self._undo.push_async_callback(undo)


def _pyroute2() -> Any:
    """The library, imported when it is first needed: it takes longer than all the rest of the stack."""
    try:
        return importlib.import_module("pyroute2")
    except ImportError as error:
        raise LinkError(
            errno.ENOPKG, "setting up a network device takes pyroute2: pip install 'usernetstack[live]'"
        ) from error
