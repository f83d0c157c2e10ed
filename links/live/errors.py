"""What can go wrong between a link and the machine that it runs on."""

from __future__ import annotations


class LinkError(OSError):
    """A link could not be had or set up: an ``OSError`` whose text is one line for an operator."""

    def __str__(self) -> str:
        return self.strerror or OSError.__str__(self)
