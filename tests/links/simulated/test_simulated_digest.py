"""The digest: equal for equal runs, different for every other."""

from __future__ import annotations

import hashlib
from random import Random

import pytest

from links.impairments.spec import Impairments
from links.simulated.clock import SimulatedClock
from links.simulated.digest import Digest
from links.simulated.wire import Wire
from stack.link import Checksum, Frame


def digest_of(
    *,
    impairments: str = "delay=1ms",
    frames: tuple[bytes, ...] = (b"first", b"second"),
    at: int = 0,
    end: int = 0,
    name: str = "uplink",
    node: str = "b",
    observed: int = 1,
) -> str:
    clock = SimulatedClock()
    digest = Digest(clock)
    wire = Wire(name, ("a", node), clock, Random, Impairments.parse_text(impairments))
    wire.observe(*(digest.observe(channel.name) for channel in wire.channels))
    for each in wire.ends:
        each.attach(lambda frame: None)
    for data in frames:
        clock.call_at(at, wire.ends[end].transmit, Frame(data.ljust(60, b".")))
    clock.run()
    return digest.hexdigest()


def test_the_same_again_is_the_same() -> None:
    assert digest_of() == digest_of()
    assert len(digest_of()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    "difference",
    [
        {"frames": (b"first", b"secomd")},
        {"frames": (b"second", b"first")},
        {"frames": (b"first",)},
        {"at": 1},
        {"end": 1},
        {"name": "downlink"},
        {"node": "c"},
        {"impairments": "delay=1000001ns"},
        {"impairments": "delay=1ms, loss=100%"},
        {"impairments": "delay=1ms, corrupt=100%"},
        {"impairments": "delay=1ms, duplicate=100%"},
    ],
    ids=str,
)
def test_any_difference_makes_another(difference: dict[str, object]) -> None:
    assert digest_of(**difference) != digest_of()


def test_where_head_and_payload_meet_does_not_matter() -> None:
    def digest(frame: Frame) -> str:
        found = Digest(SimulatedClock())
        tap = found.observe("x")
        tap.sent(frame)
        tap.delivered(frame)
        return found.hexdigest()

    whole = Frame(b"head and payload")
    assert digest(Frame(b"head ", memoryview(b"and payload"))) == digest(whole)
    assert digest(Frame(b"head and payloae")) != digest(whole)
    assert digest(Frame(b"head and payload", checksum=Checksum.VERIFIED)) == digest(whole)


def test_it_can_be_read_on_the_way() -> None:
    digest = Digest(SimulatedClock())
    tap = digest.observe("x")
    seen = {digest.hexdigest()}
    for number in range(200):
        tap.sent(Frame(bytes(1500)))
        if number % 50 == 0:
            assert digest.hexdigest() == digest.hexdigest()
            seen.add(digest.hexdigest())
    assert len(seen) == 5


def test_reading_on_the_way_does_not_change_the_end() -> None:
    ends = set()
    for read in (False, True):
        digest = Digest(SimulatedClock())
        tap = digest.observe("x")
        for number in range(100):
            tap.sent(Frame(number.to_bytes(2, "big") * 700))
            if read:
                digest.hexdigest()
        ends.add(digest.hexdigest())
    assert len(ends) == 1
