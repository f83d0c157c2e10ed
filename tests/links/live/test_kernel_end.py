"""The kernel's end of a device is set up, and put back as it was."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from links.live.errors import LinkError
from links.live.netlink import KernelEnd
from stack.wire.address import InterfaceAddress, Prefix, format_mac, parse_address

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("namespace")]

V4 = InterfaceAddress.parse("10.0.0.1/24")
V6 = InterfaceAddress.parse("fd00::1/64")


def in_loop(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main()

    asyncio.run(bounded())


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def persistent(namespace: None) -> str:
    """A device that an administrator made, and that stays when we go."""
    ip("tuntap", "add", "dev", "tap0", "mode", "tap")
    ip("link", "set", "tap0", "up")  # the first time gives it a queueing discipline for good
    ip("link", "set", "tap0", "down")
    return "tap0"


def state() -> list[str]:
    """Everything that a set-up could change: the device with its addresses, and all routes."""
    return [ip("address", "show", "dev", "tap0"), ip("route", "show"), ip("-6", "route", "show")]


def test_set_up_shows_in_the_kernel_and_is_undone(persistent: str) -> None:
    async def main() -> None:
        before = state()
        async with KernelEnd(persistent) as kernel:
            await kernel.set_mtu(1400)
            await kernel.bring_up()
            await kernel.add_address(V4)
            await kernel.add_address(V6)
            await kernel.add_route(Prefix.parse("198.51.100.0/24"))
            await kernel.add_route(Prefix.parse("2001:db8:1::/48"), via=parse_address("fd00::2"))
            shown = ip("address", "show", "dev", persistent)
            assert "mtu 1400" in shown
            assert ",UP" in shown
            assert f"link/ether {format_mac(kernel.mac)}" in shown
            assert "inet 10.0.0.1/24" in shown
            assert "inet6 fd00::1/64 scope global nodad" in shown
            assert "198.51.100.0/24 dev tap0" in ip("route", "show")
            assert "2001:db8:1::/48 via fd00::2 dev tap0" in ip("-6", "route", "show")
        assert state() == before

    in_loop(main)


def test_what_was_there_before_stays(persistent: str) -> None:
    async def main() -> None:
        ip("address", "add", "10.9.0.1/24", "dev", persistent)
        ip("link", "set", persistent, "up")
        async with KernelEnd(persistent) as kernel:
            await kernel.bring_up()
            await kernel.add_address(V4)
            with pytest.raises(LinkError) as caught:
                await kernel.add_address(V4)
            assert caught.value.errno == errno.EEXIST
        shown = ip("address", "show", "dev", persistent)
        assert "inet 10.9.0.1/24" in shown
        assert "10.0.0.1" not in shown
        assert ",UP" in shown

    in_loop(main)


def test_a_failure_half_way_leaves_nothing(persistent: str) -> None:
    async def main() -> None:
        before = state()

        async def set_up() -> None:
            async with KernelEnd(persistent) as kernel:
                await kernel.bring_up()
                await kernel.add_address(V4)
                await kernel.add_route(Prefix.parse("198.51.100.0/24"), via=parse_address("203.0.113.1"))

        with pytest.raises(LinkError) as caught:
            await set_up()
        assert str(caught.value).startswith("tap0: cannot add a route to 198.51.100.0/24: ")
        assert state() == before

    in_loop(main)


def test_a_cancelled_task_undoes_too(persistent: str) -> None:
    async def main() -> None:
        before = state()
        ready = asyncio.Event()

        async def set_up() -> None:
            async with KernelEnd(persistent) as kernel:
                await kernel.bring_up()
                await kernel.add_address(V6)
                ready.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(set_up())
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert state() == before

    in_loop(main)


def test_a_device_that_vanishes_meanwhile_is_passed_over(persistent: str) -> None:
    async def main() -> None:
        async with KernelEnd(persistent) as kernel:
            await kernel.bring_up()
            await kernel.add_address(V4)
            ip("link", "delete", persistent)

    in_loop(main)


def test_a_device_that_does_not_exist_is_an_error_and_leaks_nothing(persistent: str) -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(LinkError) as caught:
            async with KernelEnd("tap9"):
                pass
        assert caught.value.errno == errno.ENODEV
        assert str(caught.value) == "tap9: cannot find it: No such device"
        assert len(os.listdir("/proc/self/fd")) == before

    in_loop(main)


def test_without_permission_the_error_says_so(persistent: str) -> None:
    async def main() -> None:
        os.seteuid(65534)
        try:
            async with KernelEnd(persistent) as kernel:
                with pytest.raises(LinkError) as caught:
                    await kernel.bring_up()
        finally:
            os.seteuid(0)
        assert caught.value.errno == errno.EPERM
        assert "takes root" in str(caught.value)

    in_loop(main)


def test_ipv6_that_is_switched_off_is_an_error_in_one_line(persistent: str) -> None:
    async def main() -> None:
        ip("link", "set", persistent, "up")
        with open(f"/proc/sys/net/ipv6/conf/{persistent}/disable_ipv6", "w") as knob:
            knob.write("1")
        async with KernelEnd(persistent) as kernel:
            with pytest.raises(LinkError) as caught:
                await kernel.add_address(V6)
        assert str(caught.value) == (
            "tap0: cannot add the address fd00::1/64: "
            "IPv6 is switched off (sysctl net.ipv6.conf.tap0.disable_ipv6)"
        )

    in_loop(main)


def test_without_pyroute2_the_error_names_the_extra(persistent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setitem(sys.modules, "pyroute2", None)
        with pytest.raises(LinkError, match=r"pip install 'usernetstack\[live\]'"):
            async with KernelEnd(persistent):
                pass

    in_loop(main)
