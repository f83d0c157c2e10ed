"""What an application can get back: ``OSError`` with the errno that a BSD socket would give."""

from __future__ import annotations

import os


def os_error(number: int) -> OSError:
    """The exception for an errno, of the subclass that Python has for it (``ConnectionRefusedError`` for 111)."""
    return OSError(number, os.strerror(number))
