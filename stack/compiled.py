"""What mypyc is told where it compiles the stack; to the interpreter it is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**attributes):
        """``allow_interpreted_subclasses=True`` is for the classes that users of the stack derive theirs from."""
        return lambda compiled: compiled
