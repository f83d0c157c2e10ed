"""The models of loss: each decides frame by frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random

from links.impairments.chance import Draws, Trial, threshold
from links.impairments.ordinals import OrdinalSet
from links.impairments.spec import FourState, GilbertElliott, Loss


class LossModel(ABC):
    """Says of each frame whether it is lost."""

    __slots__ = ()

    @abstractmethod
    def loses(self) -> bool:
        """Whether the next frame is lost."""


class RandomLoss(LossModel):
    """Each frame by chance."""

    __slots__ = ("_trial",)

    def __init__(self, random: Random, probability: float, correlation: float) -> None:
        self._trial = Trial(random, probability, correlation)

    def loses(self) -> bool:
        """One draw."""
        return self._trial.happens()


class GilbertElliottLoss(LossModel):
    """Two states, and in each a probability of loss (Gilbert 1960, Elliott 1963; netem's ``loss_gilb_ell``).

    The state before the transition decides about the frame. In the long run p / (p + r) of the frames meet the
    bad state, for 1 / r frames in a row.
    """

    __slots__ = ("_bad", "_draws", "_loss_bad", "_loss_good", "_to_bad", "_to_good")

    def __init__(self, random: Random, spec: GilbertElliott) -> None:
        self._draws = Draws(random)
        self._bad = False
        self._to_bad = threshold(spec.p)
        self._to_good = threshold(spec.r)
        self._loss_bad = threshold(spec.loss_bad)
        self._loss_good = threshold(spec.loss_good)

    def loses(self) -> bool:
        """Two draws: the transition, then the loss."""
        transition = self._draws.next()
        loss = self._draws.next()
        if self._bad:
            self._bad = transition >= self._to_good
            return loss < self._loss_bad
        self._bad = transition < self._to_bad
        return loss < self._loss_good


class FourStateLoss(LossModel):
    """netem's ``loss_4state`` (Salsano, Ludovici, Ordine, Giannuzzi 2012).

    The state after the transition decides about the frame.
    """

    __slots__ = ("_draws", "_p13", "_p14", "_p23", "_p31", "_p32", "_state")

    def __init__(self, random: Random, spec: FourState) -> None:
        self._draws = Draws(random)
        self._state = 1
        self._p13 = threshold(spec.p13)
        self._p14 = threshold(spec.p14)
        self._p23 = threshold(spec.p23)
        self._p31 = threshold(spec.p31)
        self._p32 = threshold(spec.p32)

    def loses(self) -> bool:
        """One draw."""
        draw = self._draws.next()
        match self._state:
            case 1:
                if draw < self._p14:
                    self._state = 4
                elif draw < self._p14 + self._p13:
                    self._state = 3
            case 2:
                if draw < self._p23:
                    self._state = 3
            case 3:
                if draw < self._p32:
                    self._state = 2
                elif draw < self._p32 + self._p31:
                    self._state = 1
            case _:
                self._state = 1
        return self._state >= 3


class PeriodicLoss(LossModel):
    """Each n-th frame."""

    __slots__ = ("_every", "_seen")

    def __init__(self, every: int) -> None:
        self._every = every
        self._seen = 0

    def loses(self) -> bool:
        """No draw."""
        self._seen += 1
        return self._seen % self._every == 0


class OrdinalLoss(LossModel):
    """Listed frames."""

    __slots__ = ("_ordinals", "_seen")

    def __init__(self, ordinals: OrdinalSet) -> None:
        self._ordinals = ordinals
        self._seen = 0

    def loses(self) -> bool:
        """No draw."""
        self._seen += 1
        return self._seen in self._ordinals


class RecordedLoss(LossModel):
    """A recorded sequence, over and over."""

    __slots__ = ("_record", "_seen")

    def __init__(self, record: tuple[bool, ...]) -> None:
        self._record = record
        self._seen = 0

    def loses(self) -> bool:
        """No draw."""
        lost = self._record[self._seen]
        self._seen = (self._seen + 1) % len(self._record)
        return lost


def loss_model(spec: Loss | None, random: Random) -> LossModel | None:
    """The model that is asked for; None, which draws nothing, if it never loses anything."""
    if spec is None:
        return None
    if spec.gemodel is not None:
        return GilbertElliottLoss(random, spec.gemodel)
    if spec.state is not None:
        return FourStateLoss(random, spec.state)
    if spec.every is not None:
        return PeriodicLoss(spec.every)
    if spec.ordinals is not None:
        return OrdinalLoss(spec.ordinals)
    if spec.trace is not None:
        return RecordedLoss(spec.trace)
    return RandomLoss(random, spec.probability, spec.correlation) if spec.probability else None
