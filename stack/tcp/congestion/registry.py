"""Algorithms by name: those that come with the stack, and anybody's own."""

from __future__ import annotations

from importlib import import_module

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
_TO_DEFINE = (CongestionControl.avoid_congestion, CongestionControl.reduced_window)
"""Asked for here, because a compiled class does not tell which of its methods are abstract."""


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
    except Exception as error:  # a module may raise anything
        raise ConfigError(f"congestion: cannot load {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, CongestionControl)):
        raise ConfigError(f"congestion: {name!r} is not a subclass of {CongestionControl.__qualname__}")
    missing = [method.__name__ for method in _TO_DEFINE if getattr(found, method.__name__) is method]
    if missing:
        raise ConfigError(f"congestion: {name!r} does not define {', '.join(missing)}")
    if not isinstance(getattr(found, "name", None), str):
        raise ConfigError(f"congestion: {name!r} has no name for TCP_CONGESTION to tell")
    return found
