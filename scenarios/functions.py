"""Functions of one's own, named in a scenario as ``module:function``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class FunctionError(ValueError):
    """There is no such function; the message says why."""


@contextmanager
def importable(directory: Path) -> Iterator[None]:
    """Let modules that lie beside a scenario be imported; afterwards they are forgotten, as another scenario may
    have others of the same name beside it.
    """
    before = {name.partition(".")[0] for name in sys.modules}
    entry = directory.resolve()
    sys.path.insert(0, str(entry))
    try:
        yield
    finally:
        sys.path.remove(str(entry))
        for name in list(sys.modules):
            top = name.partition(".")[0]
            if top not in before and _is_beside(entry, top):
                del sys.modules[name]
        importlib.invalidate_caches()


def _is_beside(directory: Path, name: str) -> bool:
    return (directory / f"{name}.py").exists() or (directory / name / "__init__.py").exists()


def find_function(name: str) -> Callable[..., Any]:
    """What ``module:function`` stands for. Raises FunctionError."""
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything
        raise FunctionError(f"the module `{module_name}` cannot be imported: {error}") from None
    function: Callable[..., Any] | None = getattr(module, attribute, None)
    if not callable(function):
        raise FunctionError(f"the module `{module_name}` has no function `{attribute}`")
    return function
