"""Signals that end a run, as exceptions: what was begun is cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """The program was told to end; its exit status is 128 and the number of the signal."""


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(128 + number)


@contextmanager
def ending_signals() -> Iterator[None]:
    """Meanwhile SIGTERM and SIGHUP raise Terminated, unless they are ignored (``nohup``)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: handler for number in _ENDING if (handler := signal.getsignal(number)) != signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
