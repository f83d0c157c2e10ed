"""What can be wrong with one direction of a link, as it is written down, in netem's vocabulary.

Every model reads what people write in YAML, in its short form where it has one, and dumps to what it reads. A
model holds no state and takes no decisions: :class:`links.impairments.channel.Channel` brings it to life.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from links.impairments.aim import AIM_KEYS, Aim, Fault
from links.impairments.limit import Capacity, Limit, QueueLimit
from links.impairments.model import Model, ShortModel, mistake
from links.impairments.netem import DEFAULT_LIMIT, NetemError, parse_netem
from links.impairments.ordinals import Ordinals
from links.impairments.text import parse_settings
from links.impairments.traces import DeliveryTrace, LossTrace
from links.units import Duration, Probability, Rate, Size

OPPORTUNITY = 1514
"""Bytes that leave at one opportunity of a delivery trace: an Ethernet frame with 1500 bytes of packet."""

_Count: TypeAlias = Annotated[int, Field(ge=1)]


def _nonzero(rate: int) -> int:
    if rate == 0:
        raise mistake("at rate 0 nothing ever arrives; a link that is down is 'up: false'")
    return rate


class Bandwidth(ShortModel):
    """How fast frames leave: at a constant rate, or whenever a recorded link had an opportunity."""

    short = "constant"

    constant: Annotated[Rate, AfterValidator(_nonzero)] | None = None
    """Bit/s, counting all bytes of the frame; headers and checksums of the physical layer are not added."""
    trace: DeliveryTrace | None = None
    """A packet-delivery trace in mahimahi's format: a file, or the times in ms."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.constant is None) == (self.trace is None):
            raise mistake("give the rate either as a constant or as a trace")
        return self

    @property
    def mean(self) -> int:
        """Bit/s in the long run."""
        if self.trace is not None:
            return len(self.trace) * OPPORTUNITY * 8 * 1000 // self.trace[-1]
        return self.constant or 0


class Delay(ShortModel):
    """Time on the way, as netem's delay."""

    short = "time"

    time: Duration
    """The mean."""
    jitter: Duration = 0
    """Half the width of the uniform distribution, the standard deviation of the others."""
    correlation: Probability = 0.0
    """How much the random number of a frame depends on the one before."""
    distribution: Literal["uniform", "normal", "pareto", "paretonormal"] = "uniform"
    """Of the delay around its mean."""
    keep_order: bool = False
    """Whether a frame waits for those before it; else jitter reorders, as with netem."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        useless = self.set_apart("correlation", "distribution")
        if useless and "jitter" not in self.model_fields_set:
            raise mistake(f"{useless} without jitter has no effect; add jitter")
        return self


class GilbertElliott(ShortModel):
    """Loss that depends on a hidden state, good or bad: netem's 'loss gemodel'."""

    model_config = ConfigDict(populate_by_name=True)

    short = "p"

    p: Probability
    """From good to bad."""
    r: Probability = Field(default_factory=lambda data: 1 - data["p"] if "p" in data else 0.0)
    """From bad to good; 1 - p if left out, which makes the losses independent."""
    loss_bad: Probability = Field(default=1.0, alias="1-h")
    """Of a frame's loss in the bad state."""
    loss_good: Probability = Field(default=0.0, alias="1-k")
    """Of a frame's loss in the good state."""


class FourState(ShortModel):
    """A Markov chain for each frame: netem's 'loss state'.

    State 1 receives, 2 receives within a burst of losses, 3 loses within a burst, 4 loses a single frame and
    goes back to 1. What remains of 100 % is the probability of staying.
    """

    short = "p13"

    p13: Probability
    """From good reception into a burst of losses."""
    p31: Probability = Field(default_factory=lambda data: 1 - data["p13"] if "p13" in data else 0.0)
    """From a burst of losses to good reception; 1 - p13 if left out."""
    p32: Probability = 0.0
    """From a burst of losses to reception within it."""
    p23: Probability = 1.0
    """From reception within a burst of losses back to losing."""
    p14: Probability = 0.0
    """From good reception to the loss of a single frame."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for one, other in (("p13", "p14"), ("p31", "p32")):
            if getattr(self, one) + getattr(self, other) > 1 + 1e-9:
                raise mistake(f"{one} and {other} leave the same state: together they are at most 100%")
        return self


class Loss(ShortModel):
    """Which frames are lost: exactly one of the models. A lost frame has used its share of the rate."""

    short = "probability"

    probability: Probability | None = None
    """Each frame by chance."""
    correlation: Probability = 0.0
    """With probability: how much the random number of a frame depends on the one before."""
    gemodel: GilbertElliott | None = None
    """The Gilbert-Elliott model of burst loss."""
    state: FourState | None = None
    """The four-state Markov model."""
    every: _Count | None = None
    """Each so-manieth frame."""
    ordinals: Ordinals | None = None
    """These frames, counted from 1: 3, '3-7' or [3, 7]."""
    trace: LossTrace | None = None
    """A recorded sequence of 0 (arrives) and 1 (is lost), repeated: a file, or a list."""
    ecn: bool = False
    """Mark frames that are ECN-capable instead of losing them, as netem's 'ecn'."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        models = ("probability", "gemodel", "state", "every", "ordinals", "trace")
        given = [name for name in models if getattr(self, name) is not None]
        if len(given) != 1:
            what = " and ".join(given) or "none"
            raise mistake(f"loss is exactly one of {', '.join(models)}, not {what}")
        if self.correlation and self.probability is None:
            raise mistake("a correlation belongs to a probability of loss")
        return self


class Chance(ShortModel):
    """Something that happens to some frames."""

    short = "probability"

    probability: Probability
    """Of its happening to a frame."""
    correlation: Probability = 0.0
    """How much the random number of a frame depends on the one before."""


class Reorder(Chance):
    """Some frames overtake: they skip the delay, as with netem."""

    gap: _Count = 1
    """At most each so-manieth frame overtakes."""


class Duplicate(Chance):
    """Some frames arrive twice."""


class Corrupt(Chance):
    """Some frames arrive with one bit flipped, anywhere in the frame."""


class Queue(ShortModel):
    """Where frames wait while others leave at the rate. The frame that is being sent does not count."""

    short = "limit"

    limit: Limit = QueueLimit(packets=1000)
    """Frames beyond it are dropped at the tail: '100 packets', '150kB', '20ms' (at the rate) or '1bdp'."""
    discipline: Literal["drop-tail", "codel"] = "drop-tail"
    """CoDel (RFC 8289) drops at the head when frames have waited too long."""
    target: Duration = 5_000_000
    """CoDel: the wait that is always acceptable."""
    interval: Duration = 100_000_000
    """CoDel: how long waits may be above target before it acts; about the longest round trip."""
    ecn: bool = False
    """CoDel: mark ECN-capable frames instead of dropping them."""
    ce_threshold: Limit | None = None
    """Mark ECN-capable frames that find at least so much before them, as for DCTCP (RFC 8257)."""
    rtt: Duration | None = None
    """The round trip of a BDP; twice the delay if left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.discipline != "codel":
            if useless := self.set_apart("target", "interval"):
                raise mistake(f"{useless} without 'discipline: codel' has no effect")
            if self.ecn:
                raise mistake("drop-tail cannot mark; add 'discipline: codel', or use ce_threshold")
        elif self.interval == 0:
            raise mistake("CoDel needs an interval, such as 100ms")
        return self


class Impairments(Model):
    """One direction of a link. A frame meets them in this order:

    up, mtu, aimed faults, queue, rate, loss, corrupt, duplicate, reorder, delay.
    """

    up: bool = True
    """Whether the link carries anything."""
    mtu: Annotated[Size, Field(ge=68, le=65535)] | None = None
    """Frames with a larger IP packet (bytes) vanish, as in a path-MTU black hole."""
    drop: tuple[Aim, ...] = ()
    """Aimed: lose these frames. One, or a list: {match: 'tcp and syn', nth: 1}."""
    faults: tuple[Fault, ...] = ()
    """Aimed faults of every kind: a list of {drop: ...}, {delay: ...}, {duplicate: ...}, {corrupt: ...}."""
    queue: Queue = Queue()
    """Where frames wait for the rate."""
    rate: Bandwidth | None = None
    """How fast frames leave; without it at once, and nothing ever queues."""
    loss: Loss | None = None
    """Frames that are lost on the way."""
    corrupt: Corrupt | None = None
    """Frames with a flipped bit."""
    duplicate: Duplicate | None = None
    """Frames that arrive twice."""
    reorder: Reorder | None = None
    """Frames that overtake those before them; needs a delay."""
    delay: Delay | None = None
    """Time on the way."""
    limit: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Frames in queue and delay together, beyond which new ones are dropped: netem's 'limit'."""
    netem: str | None = Field(default=None, exclude=True)
    """The same as a tc-netem command line, such as 'delay 20ms 5ms 25% loss gemodel 1% 10%'."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(super().__get_pydantic_json_schema__(schema, handler))
        keys = whole["properties"]
        fault = handler.resolve_ref_schema(keys["faults"]["items"])["properties"]
        for key in ("delay", "duplicate", "corrupt"):
            one = [keys[key]["anyOf"][0], fault[key]["anyOf"][0]]
            keys[key]["anyOf"] = [*one, {"type": "array", "items": {"anyOf": one}}, {"type": "null"}]
        for key in ("drop", "faults"):
            keys[key] = {"anyOf": [keys[key]["items"], keys[key]], "description": keys[key]["description"]}
        return whole

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, value: object) -> object:
        return _expand(value) if isinstance(value, Mapping) else value

    @field_validator("netem")
    @classmethod
    def _netem(cls, text: str) -> str:
        try:
            parse_netem(text)
        except NetemError as error:
            raise mistake(str(error)) from None
        return text

    @field_validator("drop", "faults", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return value if isinstance(value, (list, tuple)) else (value,)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.reorder is not None and (self.delay is None or self.delay.time == 0):
            raise mistake("reorder sends frames ahead of delayed ones: it needs a delay")
        if self.rate is None and self.queue != Queue():
            raise mistake("a queue only fills before a rate: add a rate, or use limit")
        limits = (self.queue.limit, self.queue.ce_threshold)
        if self.round_trip == 0 and any(limit is not None and limit.bdp is not None for limit in limits):
            raise mistake("a queue in BDPs needs a round trip: give the queue an rtt, or the link a delay")
        return self

    @property
    def aimed(self) -> tuple[Fault, ...]:
        """All aimed faults in one form."""
        return (*(Fault(drop=aim) for aim in self.drop), *self.faults)

    @property
    def round_trip(self) -> int:
        """What a BDP is reckoned with: the queue's ``rtt``, or twice the delay (ns)."""
        if self.queue.rtt is not None:
            return self.queue.rtt
        return 2 * self.delay.time if self.delay is not None else 0

    def capacity(self, limit: QueueLimit) -> Capacity:
        """A limit of this queue in packets or bytes."""
        return limit.capacity(self.rate.mean if self.rate is not None else 0, self.round_trip)

    def changed(self, changes: Mapping[str, Any], directory: str | None = None) -> Self:
        """These impairments with some keys set anew, or removed by None. Raises ValueError.

        ``directory`` is where the files of traces are looked for.
        """
        merged = {**self.model_dump(exclude_unset=True), **_expand(changes)}
        removed = {key for key, value in changes.items() if value is None}
        remaining = {key: value for key, value in merged.items() if key not in removed}
        return self.model_validate(remaining, context={"directory": directory or "."})

    @classmethod
    def parse_text(cls, text: str) -> Self:
        """From ``loss=1%, delay=20ms, queue.discipline=codel``, or from a tc-netem command line.

        Raises pydantic.ValidationError, or ValueError if the text is neither.
        """
        return cls.model_validate(parse_settings(text) if "=" in text else {"netem": text})


def _expand(value: Mapping[str, Any]) -> dict[str, Any]:
    """The long form: a netem string taken apart, aimed faults together, keys without a value left out."""
    given = {key: item for key, item in value.items() if item is not None}
    if isinstance(given.get("netem"), str):
        try:
            parsed = parse_netem(given["netem"])
        except NetemError:
            return given  # the field's own validator says what is wrong, in its place
        del given["netem"]
        if twice := sorted(parsed.keys() & given.keys()):
            raise mistake(f"{' and '.join(twice)}: set by netem, and again beside it")
        given |= {"limit": DEFAULT_LIMIT, **parsed, **given}
    faults = []
    for key in ("delay", "duplicate", "corrupt"):
        items = given.get(key)
        items = items if isinstance(items, list) else [items]
        aimed = [item for item in items if isinstance(item, Mapping) and AIM_KEYS & item.keys()]
        if not aimed:
            continue
        faults += [{key: item} for item in aimed]
        general = [item for item in items if item not in aimed]
        del given[key]
        if general:
            given[key] = general[0] if len(general) == 1 else general
    if faults:
        listed = given.get("faults", [])
        given["faults"] = [*(listed if isinstance(listed, (list, tuple)) else [listed]), *faults]
    return given


PERFECT = Impairments()
"""Everything arrives, at once."""
