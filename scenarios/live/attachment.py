"""What stands between the host and its device: impairments and a capture, if they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from links.capture import CapturedLink, capture_to
from links.impaired import ImpairedLink
from links.live.tap import TapLink
from links.pcapng import create_pcapng
from scenarios.live.options import Plan
from stack.clock import Clock
from stack.link import Link

SIDES = ("stack", "kernel")
"""Of the impairments; a capture shows both, and what was lost in between."""


@contextmanager
def attachment(plan: Plan, tap: TapLink, clock: Clock, random: Random) -> Iterator[Link]:
    """The link for the host; the capture is complete when the block ends.

    Raises OSError if the capture cannot be written.
    """
    pcap, both = plan.options.pcap, plan.impairments
    epoch = time.time_ns() - clock.now()
    if both is None:
        if pcap is None:
            yield tap
        else:
            with create_pcapng(pcap) as writer:
                yield CapturedLink(tap, clock, writer, tap.name, epoch=epoch)
        return
    link = ImpairedLink(tap, clock, both, both, random)
    if pcap is None:
        yield link
    else:
        with capture_to(pcap, clock, epoch=epoch) as capture:
            out, back = capture.observers(tap.name, SIDES, tap.medium)
            link.egress.observer, link.ingress.observer = out, back
            yield link
