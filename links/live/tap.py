"""TAP and TUN: a network device of the Linux kernel whose other end is this process.

Documented in the kernel's Documentation/networking/tuntap.rst and linux/if_tun.h.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from links.live.errors import LinkError
from links.live.virtio import HEADER_LENGTH, header_of, parse
from stack.link import Frame, Link, Medium, Offload
from stack.wire.segmentation import segments

DEVICE = "/dev/net/tun"
MTU_MAX = 65521
"""The largest MTU that the kernel gives a TAP device (65535 less an Ethernet header)."""

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_TUNSETVNETHDRSZ = 0x400454D8
_TUNSETVNETLE = 0x400454DC
_IFF_TUN = 0x0001
_IFF_TAP = 0x0002
_IFF_MULTI_QUEUE = 0x0100
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
_CHECKSUM = 0x01
_TCP_SEGMENTATION = 0x02 | 0x04 | 0x08
_UDP_SEGMENTATION = 0x20 | 0x40
_OFFLOADS = (_CHECKSUM | _TCP_SEGMENTATION | _UDP_SEGMENTATION, _CHECKSUM | _TCP_SEGMENTATION, _CHECKSUM)
"""What we take from the kernel undone: all that we can, or what an older kernel (before 6.2) knows of it."""
_IFNAMSIZ = 16
_IFREQ = struct.Struct("16sH22x")
_INT = struct.Struct("i")

_ETHERNET_HEADER = 14
_ETHERNET_OVERHEAD = _ETHERNET_HEADER + 2 * 4  # a header and two 802.1Q tags
_LARGEST_PACKET = 65535
_BATCH = 64  # frames read per wake-up: then whoever else waits for the loop has a turn


class TapLink(Link):
    """One end of a TAP (``Medium.ETHERNET``) or TUN device (``Medium.IP``); the kernel has the other.

    The device is made if there is none of that name, and is gone after :meth:`close`; one that an
    administrator made persistent is used, and stays. Frames are read when the loop finds the device
    readable, so a loop must run, and everything happens in its thread. Setting up the kernel's end
    (up, MTU, addresses) is the business of :class:`links.live.netlink.KernelEnd`.

    With ``offload``, checksums and super-segments pass both ways as they are, by a virtio-net header in front of each
    frame: what the one end left undone, the other does not ask for, as their memory is the same. A device that has no
    such header is used without; :attr:`offload` tells.
    """

    def __init__(
        self,
        name: str = "",
        *,
        medium: Medium = Medium.ETHERNET,
        mtu: int = 1500,
        offload: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Open the device ``name``; the kernel chooses a name if it is empty, and fills in a ``%d`` in it.

        Raises LinkError: there is no /dev/net/tun, permission is missing, the name is in use or is
        none that the kernel takes, or ``mtu`` (bytes) is out of bounds.
        """
        self.medium = medium
        self.mtu = mtu
        self.received = 0
        """Frames that the kernel has sent us."""
        self.sent = 0
        """Frames that the kernel has taken."""
        self.drops: Counter[str] = Counter()
        """Frames that the kernel refused, by the name of the error: ENOBUFS, EIO when it is down, ..."""
        self.failed: Callable[[LinkError], None] | None = None
        """Called once if the device is taken away from us."""
        self._loop = asyncio.get_running_loop() if loop is None else loop
        self._receive: Callable[[Frame], None] | None = None
        self._receive_batch: Callable[[Iterable[Frame]], None] | None = None
        if not 68 <= mtu <= MTU_MAX:
            raise LinkError(errno.EINVAL, f"an MTU must be 68 to {MTU_MAX} bytes, not {mtu}")
        ethernet = medium is Medium.ETHERNET
        self._descriptor, self.name, offload = _open(name, _IFF_TAP if ethernet else _IFF_TUN, offload)
        self.offload = Offload(checksum=True, segmentation=_LARGEST_PACKET) if offload else Offload()
        self._parse: Callable[[bytes], Frame] = parse if offload else Frame
        self._start = _ETHERNET_HEADER if ethernet else 0
        self._read_size = _ETHERNET_OVERHEAD if ethernet else 0
        self._read_size += HEADER_LENGTH + _LARGEST_PACKET if offload else mtu

    def attach(self, receive: Callable[[Frame], None]) -> None:
        """Hand every frame that arrives to ``receive``, from now on."""
        self._receive = receive
        if self._descriptor >= 0:
            self._loop.add_reader(self._descriptor, self._readable)

    def transmit(self, frame: Frame) -> None:
        """Give one frame to the kernel; what it refuses is counted in :attr:`drops`."""
        try:
            if self.offload.checksum:
                os.writev(self._descriptor, (header_of(frame, self._start), frame.head, frame.payload))
            else:
                os.writev(self._descriptor, (frame.head, frame.payload))
        except OSError as error:
            if error.errno == errno.EINVAL and frame.segment_size:
                # A kind that this kernel does not know: of UDP, before Linux 6.2.
                for segment in segments(frame, self._start):
                    self.transmit(segment)
                return
            self.drops[errno.errorcode[error.errno or errno.EIO]] += 1
        else:
            self.sent += 1

    def close(self) -> None:
        """Give the device back; unless it is persistent, the kernel removes it."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def attach_batches(self, receive: Callable[[Iterable[Frame]], None]) -> None:
        """Hand the frames that are there when the loop looks to ``receive``, together."""
        self._receive_batch = receive

    def _readable(self) -> None:
        if self._receive_batch is not None:
            self._receive_batch(self._frames())
            return
        for frame in self._frames():
            if self._receive is not None:
                self._receive(frame)

    def _frames(self) -> Iterator[Frame]:
        descriptor, size, parse = self._descriptor, self._read_size, self._parse
        for _ in range(_BATCH):
            try:
                data = os.read(descriptor, size)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(error)
                return
            self.received += 1
            yield parse(data)
            if self._descriptor != descriptor:  # A frame has led to our being closed.
                return

    def _lost(self, error: OSError) -> None:
        self._loop.remove_reader(self._descriptor)
        if self.failed is not None:
            reason = "it was removed" if error.errno == errno.EBADFD else error.strerror
            self.failed(LinkError(error.errno, f"{self.name} can no longer be used: {reason}"))


def _open(name: str, kind: int, offload: bool) -> tuple[int, str, bool]:
    """A non-blocking descriptor of the device, the name that it has, and whether frames have a virtio-net header."""
    if len(os.fsencode(name)) >= _IFNAMSIZ:
        raise LinkError(errno.EINVAL, f"{name}: a device name has at most {_IFNAMSIZ - 1} bytes")
    word = "TAP" if kind == _IFF_TAP else "TUN"
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LinkError(error.errno, _opening_failed(error, word)) from error
    try:
        name, flags = _attach(descriptor, name, kind, offload)
    except OSError as error:
        os.close(descriptor)
        raise LinkError(error.errno, f"{name}: {_attaching_failed(error, word)}") from error
    offload = bool(flags & _IFF_VNET_HDR)
    _take_offloads(descriptor, offload)
    return descriptor, name, offload


def _attach(descriptor: int, name: str, kind: int, offload: bool) -> tuple[str, int]:
    """The name of the device, and the flags with which it took us.

    EINVAL may mean that it has no virtio-net header to offer, or was made for several queues, of which we use one.
    """
    attempts = (_IFF_VNET_HDR, _IFF_VNET_HDR | _IFF_MULTI_QUEUE, 0) if offload else (0,)
    for flags in attempts:
        try:
            return _set_interface(descriptor, name, kind | flags), flags
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    return _set_interface(descriptor, name, kind | _IFF_MULTI_QUEUE), 0


def _set_interface(descriptor: int, name: str, flags: int) -> str:
    answer = fcntl.ioctl(descriptor, _TUNSETIFF, _IFREQ.pack(os.fsencode(name), flags | _IFF_NO_PI))
    return os.fsdecode(_IFREQ.unpack(answer)[0].rstrip(b"\0"))


def _take_offloads(descriptor: int, offload: bool) -> None:
    """Tell the kernel what it need not do for us; what it does not know, it does itself.

    A persistent device may still be as its last user wanted it: our header has this length and the byte order of the
    machine. Kernels that cannot change that (before 2.6.36 and 4.0) have no other.
    """
    for request, value in ((_TUNSETVNETHDRSZ, HEADER_LENGTH), (_TUNSETVNETLE, sys.byteorder == "little")):
        with suppress(OSError):
            fcntl.ioctl(descriptor, request, _INT.pack(value))
    for offloads in _OFFLOADS if offload else (0,):
        with suppress(OSError):
            fcntl.ioctl(descriptor, _TUNSETOFFLOAD, offloads)
            return


def _opening_failed(error: OSError, kind: str) -> str:
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"a {kind} device needs permission to open {DEVICE}: run as root"
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"this machine has no {DEVICE}: load the module tun, or give it to the container"
        case _:
            return f"cannot open {DEVICE}: {error.strerror}"


def _attaching_failed(error: OSError, kind: str) -> str:
    match error.errno:
        case errno.EPERM:
            return f"making a {kind} device needs root (the capability CAP_NET_ADMIN)"
        case errno.EBUSY:
            return f"another process uses this {kind} device"
        case errno.EINVAL:
            return f"not a name for a {kind} device, or a device of another kind has it"
        case _:
            return f"the kernel refuses to make a {kind} device: {error.strerror}"
