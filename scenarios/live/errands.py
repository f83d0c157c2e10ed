"""What the stack does as a client of the other side: it fetches a file, or pings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from links.units import format_duration, format_rate, format_size
from scenarios.applications.flow import Flow
from scenarios.applications.http.client import fetch
from scenarios.applications.ping import Ping
from stack.clock import SECOND
from stack.host import Host

DIGITS = 3
"""Of what is told to people."""


class ErrandError(Exception):
    """The other side did not answer as it should; the text says how."""


async def fetch_file(host: Host, url: str, output: Path) -> str:
    """Fetch ``url`` into ``output``, which is written only if all of it comes; returns a line about it.

    Raises ErrandError, also for an answer other than 200.
    """
    start = host.clock.now()
    try:
        with _all_or_nothing(output) as file:
            response = await fetch(host, url, file)
            if response.status != 200:
                raise ErrandError(f"{url}: {response.status} {response.reason}")
    except (OSError, EOFError) as error:
        raise ErrandError(f"{url}: {error}") from error
    elapsed = max(1, host.clock.now() - start)
    done = f"{url}: fetched in {format_duration(elapsed, DIGITS)}"
    if not output.is_file():
        return done
    length = output.stat().st_size
    return f"{done}, {format_size(length, DIGITS)} at {format_rate(length * 8 * SECOND // elapsed, DIGITS)}"


async def ping(host: Host, address: str) -> str:
    """Ping ``address``; returns a line about it. Raises ErrandError if not every request is answered."""
    pinging = Ping.model_validate({"count": 4, "interval": "250ms"})
    flow = Flow("ping", pinging.kind)
    await pinging.client(host, address, 0, flow)
    times = flow.latencies.summary()
    answered = f"{flow.transfers} of {pinging.count} echo requests to {address} answered"
    if times is None or not flow.complete:
        reasons = "".join(f", {name}" for name in flow.errors)
        raise ErrandError(f"{answered}{reasons}")
    low, mean, high = (format_duration(time, DIGITS) for time in (times.minimum, times.mean, times.maximum))
    return f"{answered}: round trip {low} at least, {mean} in the mean, {high} at most"


@contextmanager
def _all_or_nothing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place when it is whole, and is removed when it will not be."""
    path = path.resolve()
    if path.exists() and not path.is_file():  # /dev/null, a pipe: there is nothing to take the place of
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
