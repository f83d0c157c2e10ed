"""Stack settings of a scenario, derived from the knobs of :mod:`stack.config`: no list of its own.

Every knob of :class:`~stack.config.HostConfig` can be set under its section and name, with units::

    stack:
      profile: freebsd
      tcp: {congestion: reno, delayed_ack: 0ms, receive_buffer: 64KiB}
      ip: {hop_limit: 32}

A profile (:mod:`scenarios.profiles`) is many of them at once; those that stand beside it go before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, create_model

from links.units import Duration, Size, format_duration, format_size
from scenarios.profiles import PROFILES, apply_profile
from scenarios.schema.base import Model, mistake
from stack.config import HostConfig, Section, knobs

_UNITS: dict[str, tuple[Any, Callable[[int], str]]] = {
    "ns": (Duration, format_duration),
    "bytes": (Size, format_size),
}


class SectionSettings(Model):
    """The knobs of one section that a scenario sets; the others keep their values."""

    def given(self) -> dict[str, Any]:
        """The knobs that are set, in the stack's units."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


def _within(low: int | None, high: int | None, write: Callable[[int], str]) -> AfterValidator:
    def check(value: int) -> int:
        if low is not None and value < low:
            raise mistake(f"{write(value)} is too little, at least {write(low)}")
        if high is not None and value > high:
            raise mistake(f"{write(value)} is too much, at most {write(high)}")
        return value

    return AfterValidator(check)


def _knob_field(knob: dataclasses.Field[Any]) -> tuple[Any, Any]:
    """The pydantic field for a knob. The default is for the JSON schema: only what a file sets is applied."""
    facts = knob.metadata
    annotation: Any
    if facts["choices"] is not None:
        annotation = Literal[facts["choices"]]
    elif isinstance(knob.default, (bool, str)):
        annotation = type(knob.default)
    else:
        annotation, write = _UNITS.get(facts["unit"], (int, str))
        annotation = Annotated[annotation, _within(facts["low"], facts["high"], write)]
    return annotation, Field(default=knob.default, description=facts["doc"])


def _section_model(section: type[Section]) -> type[SectionSettings]:
    fields: dict[str, Any] = {knob.name: _knob_field(knob) for knob in knobs(section)}
    return create_model(
        section.__name__.replace("Config", "Settings"),
        __base__=SectionSettings,
        __module__=__name__,
        __doc__=section.__doc__,
        **fields,
    )


class _StackSettings(Model):
    """Settings of a host's stack: a profile, and by section."""

    profile: str | None = None

    def apply(self, config: HostConfig) -> HostConfig:
        """``config`` with these settings in place of its own. Raises ConfigError if they do not agree."""
        given = [name for name in type(self).model_fields if name in self.model_fields_set]
        if self.profile is not None:
            config = apply_profile(self.profile, config)
        sections: dict[str, SectionSettings] = {
            name: getattr(self, name) for name in given if name != "profile"
        }
        changed = {
            name: dataclasses.replace(getattr(config, name), **settings.given())
            for name, settings in sections.items()
        }
        return dataclasses.replace(config, **changed)


def _sections(config: HostConfig) -> Iterator[tuple[str, Section]]:
    return ((item.name, getattr(config, item.name)) for item in dataclasses.fields(config))


def _stack_model() -> type[_StackSettings]:
    models = {name: _section_model(type(section)) for name, section in _sections(HostConfig())}
    fields: dict[str, Any] = {
        name: (model, Field(default_factory=model, description=model.__doc__))
        for name, model in models.items()
    }
    profile = Field(default=None, description="To be as another system is: the knobs of this profile.")
    fields["profile"] = (Literal[tuple(PROFILES)] | None, profile)
    return create_model(
        "StackSettings",
        __base__=_StackSettings,
        __module__=__name__,
        __doc__=_StackSettings.__doc__,
        **fields,
    )


if TYPE_CHECKING:
    StackSettings: TypeAlias = _StackSettings
else:
    StackSettings = _stack_model()
