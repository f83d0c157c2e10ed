"""Aimed faults at work: what is to happen to this frame."""

from __future__ import annotations

from collections.abc import Iterable

from links.impairments.aim import Aim, Fault
from links.impairments.dissect import Dissection
from links.impairments.match import compile_match
from stack.link import Frame, Medium


class Sights:
    """One aim: counts the frames that match, and tells which of them are meant."""

    __slots__ = ("_aim", "_hits", "_matches", "_seen")

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._matches = compile_match(aim.match)
        self._seen = 0
        self._hits = 0

    def meet(self, frame: Dissection) -> bool:
        """Whether this frame, the next in line, is meant."""
        if not self._matches(frame):
            return False
        self._seen += 1
        aim = self._aim
        if aim.nth is not None:
            return self._seen in aim.nth
        if aim.every is not None and self._seen % aim.every:
            return False
        if aim.times is not None and self._hits >= aim.times:
            return False
        self._hits += 1
        return True


class Verdict:
    """What all aimed faults together want with one frame."""

    __slots__ = ("copies", "delay", "dropped", "flips")

    def __init__(self) -> None:
        self.dropped = False
        self.flips = 0
        """Bits to flip."""
        self.copies = 0
        """Beside the frame itself."""
        self.delay = 0
        """ns."""


class AimedFaults:
    """All aimed faults of one direction. Each of them counts every frame, whatever the others do to it."""

    __slots__ = ("_faults", "_medium")

    def __init__(self, faults: Iterable[Fault], medium: Medium) -> None:
        self._faults = [(fault, Sights(fault.aim)) for fault in faults]
        self._medium = medium

    def __bool__(self) -> bool:
        return bool(self._faults)

    def judge(self, frame: Frame) -> Verdict:
        """The verdict on the next frame."""
        verdict = Verdict()
        dissection = Dissection(frame, self._medium)
        for fault, sights in self._faults:
            if not sights.meet(dissection):
                continue
            if fault.drop is not None:
                verdict.dropped = True
            elif fault.delay is not None:
                verdict.delay += fault.delay.time
            elif fault.duplicate is not None:
                verdict.copies += 1
            else:
                verdict.flips += 1
        return verdict
