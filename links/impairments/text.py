"""Impairments on a command line: ``loss=1%, delay.time=20ms, delay.jitter=5ms``."""

from __future__ import annotations

from typing import Any


def parse_settings(text: str) -> dict[str, Any]:
    """Nested mappings from ``key=value`` settings, split at commas, with dots in the keys for the levels.

    Raises ValueError.
    """
    settings: dict[str, Any] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        path, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not path or not value:
            raise ValueError(f"{item!r} is not a setting; write key=value, such as loss=1% or delay=20ms")
        *parents, key = path.split(".")
        level = settings
        for index, parent in enumerate(parents):
            level = level.setdefault(parent, {})
            if not isinstance(level, dict):
                name = ".".join(parents[: index + 1])
                raise ValueError(
                    f"{path}={value}: {name} is {level} already; name its part too, such as {name}.time"
                )
        if key in level:
            raise ValueError(f"{path} is set twice")
        level[key] = value
    return settings
