"""Functions of one's own, named in a scenario as ``module:function``."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenarios.signals import Terminated


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
    if not (module_name and attribute):
        raise FunctionError(f"{name!r} is not of the form module:function")
    try:
        module = importlib.import_module(module_name)
    except Terminated:
        raise
    except (Exception, SystemExit) as error:  # a module may raise anything
        raise FunctionError(f"the module `{module_name}` cannot be imported: {error}") from None
    function: Callable[..., Any] | None = getattr(module, attribute, None)
    if not callable(function):
        raise FunctionError(f"the module `{module_name}` has no function `{attribute}`")
    return function


def find_coroutine(name: str) -> Callable[..., Coroutine[Any, Any, None]]:
    """The same for a coroutine function. Raises FunctionError."""
    function = find_function(name)
    if not inspect.iscoroutinefunction(function):
        raise FunctionError(f"`{name}` is no coroutine function (async def)")
    return function


def find_judge(name: str) -> Callable[[Any], object]:
    """The same for a function that is called with a result, and no coroutine function. Raises FunctionError."""
    function = find_function(name)
    if inspect.iscoroutinefunction(function):
        raise FunctionError(f"`{name}` is a coroutine function (async def), whose answer nobody awaits")
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise FunctionError(f"`{name}` cannot be called with a result: {error}") from None
    except ValueError:  # what is written in C may tell nothing of its parameters
        pass
    return function
