"""Algorithms by name: those that come with the stack, and anybody's own."""

from __future__ import annotations

from importlib import import_module
from inspect import isabstract

from stack.config import ConfigError
from stack.tcp.congestion.base import CongestionControl
from stack.tcp.congestion.bbr import Bbr
from stack.tcp.congestion.cubic import Cubic
from stack.tcp.congestion.dctcp import Dctcp
from stack.tcp.congestion.reno import Reno
from stack.tcp.congestion.vegas import Vegas

ALGORITHMS: dict[str, type[CongestionControl]] = {
    algorithm.name: algorithm for algorithm in (Bbr, Cubic, Dctcp, Reno, Vegas)
}
"""By the names that TCP_CONGESTION knows."""


def find(name: str) -> type[CongestionControl]:
    """The algorithm of that name, or the class that ``package.module:Class`` names.

    Raises :class:`ConfigError` if there is none, or if it is not a complete :class:`CongestionControl`.
    """
    known = ALGORITHMS.get(name)
    if known is not None:
        return known
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ConfigError(f"congestion must be one of {', '.join(ALGORITHMS)} or module:Class, not {name!r}")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"congestion: cannot load {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, CongestionControl)):
        raise ConfigError(f"congestion: {name!r} is not a subclass of {CongestionControl.__qualname__}")
    if isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise ConfigError(f"congestion: {name!r} does not define {missing}")
    return found
