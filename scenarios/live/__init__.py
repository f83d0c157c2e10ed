"""``usernetstack live``: the stack on a TAP or TUN device, in real time, with the Linux kernel at the other end."""

from scenarios.live.options import LiveOptions
from scenarios.live.session import run_live

__all__ = ["LiveOptions", "run_live"]
