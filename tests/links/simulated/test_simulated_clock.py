"""Virtual time: order, cancellation, and where a run ends."""

from __future__ import annotations

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from links.simulated.clock import SimulatedClock
from stack.clock import SECOND, Alarm


def test_time_starts_at_zero_and_goes_to_where_it_is_run() -> None:
    clock = SimulatedClock()
    assert clock.now() == 0
    clock.run(until=5 * SECOND)
    assert clock.now() == 5 * SECOND


@given(st.lists(st.integers(0, 5), max_size=30))
def test_callbacks_run_by_time_and_then_in_the_order_of_the_calls(delays: list[int]) -> None:
    clock = SimulatedClock()
    ran: list[tuple[int, int]] = []
    for order, delay in enumerate(delays):
        ask = clock.call_at if order % 2 else clock.call_later
        ask(delay, lambda order=order: ran.append((clock.now(), order)))
    clock.run()
    assert ran == sorted((delay, order) for order, delay in enumerate(delays))


def test_nanoseconds_stay_exact_after_a_thousand_years() -> None:
    clock = SimulatedClock()
    millennium = 1000 * 365 * 24 * 3600 * SECOND
    clock.run(until=millennium)
    seen: list[int] = []
    clock.call_later(1, lambda: seen.append(clock.now()))
    clock.run()
    assert seen == [millennium + 1]


def test_a_time_that_is_past_means_now_but_not_before_returning() -> None:
    clock = SimulatedClock()
    clock.run(until=100)
    ran: list[str] = []
    clock.call_at(100, ran.append, "due")
    clock.call_at(7, ran.append, "overdue")
    clock.call_later(-7, ran.append, "negative")
    assert ran == []
    clock.run()
    assert ran == ["due", "overdue", "negative"]
    assert clock.now() == 100


def test_a_cancelled_callback_does_not_run_and_is_not_pending() -> None:
    clock = SimulatedClock()
    ran: list[str] = []
    timer = clock.call_later(10, ran.append, "cancelled")
    clock.call_later(5, ran.append, "kept")
    assert clock.pending == 2
    timer.cancel()
    timer.cancel()
    assert clock.pending == 1
    clock.run()
    assert ran == ["kept"]
    assert clock.pending == 0
    assert clock.now() == 5, "a cancelled callback must not make time pass"


def test_cancelling_what_has_run_does_nothing() -> None:
    clock = SimulatedClock()
    timer = clock.call_later(1, lambda: None)
    clock.run()
    timer.cancel()
    assert clock.pending == 0


def test_a_callback_may_cancel_another_of_the_same_instant() -> None:
    clock = SimulatedClock()
    ran: list[str] = []
    clock.call_at(1, lambda: victim.cancel())
    victim = clock.call_at(1, ran.append, "victim")
    clock.run()
    assert ran == []


def test_run_until_includes_all_that_is_due_at_that_instant() -> None:
    clock = SimulatedClock()
    ran: list[str] = []
    clock.call_at(10, lambda: clock.call_later(0, ran.append, "asked for at the end"))
    clock.call_at(11, ran.append, "later")
    clock.run(until=10)
    assert ran == ["asked for at the end"]
    assert clock.pending == 1


def test_stop_ends_a_run_early_and_it_can_go_on() -> None:
    clock = SimulatedClock()
    ran: list[int] = []
    clock.call_at(1, clock.stop)
    clock.call_at(1, ran.append, 1)
    clock.call_at(2, ran.append, 2)
    clock.run(until=10)
    assert (ran, clock.now(), clock.pending) == ([], 1, 2)
    clock.run(until=10)
    assert (ran, clock.now(), clock.pending) == ([1, 2], 10, 0)


def test_an_exception_comes_out_and_leaves_the_rest_pending() -> None:
    clock = SimulatedClock()
    ran: list[int] = []
    clock.call_at(1, lambda: 1 // 0)
    clock.call_at(2, ran.append, 2)
    with pytest.raises(ZeroDivisionError):
        clock.run(until=10)
    assert clock.pending == 1
    clock.run()
    assert (ran, clock.now()) == ([2], 2)


def test_a_callback_cannot_run_the_clock() -> None:
    clock = SimulatedClock()
    clock.call_later(0, clock.run)
    with pytest.raises(RuntimeError, match="running already"):
        clock.run()


def test_simpy_processes_share_the_environment() -> None:
    environment = simpy.Environment()
    clock = SimulatedClock(environment)
    log: list[tuple[str, int]] = []

    def process() -> simpy.events.ProcessGenerator:
        for _ in range(2):
            yield environment.timeout(10)
            log.append(("process", clock.now()))

    environment.process(process())
    clock.call_at(15, lambda: log.append(("callback", clock.now())))
    clock.run(until=30)
    assert log == [("process", 10), ("callback", 15), ("process", 20)]


def test_an_alarm_that_is_pushed_back_leaves_one_callback_at_the_clock() -> None:
    clock = SimulatedClock()
    rang: list[int] = []
    alarm = Alarm(clock, lambda: rang.append(clock.now()))
    for deadline in range(100, 200):
        alarm.set(deadline)
    assert clock.pending == 1
    clock.run()
    assert rang == [199]


def test_what_is_due_at_one_instant_runs_in_order_whoever_asked_for_it() -> None:
    environment = simpy.Environment()
    clock = SimulatedClock(environment)
    log: list[str] = []

    def process(name: str) -> simpy.events.ProcessGenerator:
        yield environment.timeout(10)
        log.append(name)

    environment.process(process("first"))
    clock.run(until=0)  # so that it has begun to wait
    clock.call_at(10, log.append, "second")
    environment.process(process("third"))
    clock.run(until=0)
    clock.call_later(10, log.append, "fourth")
    clock.run(until=20)
    assert log == ["first", "second", "third", "fourth"]


def test_simpy_itself_can_run_the_callbacks() -> None:
    environment = simpy.Environment()
    clock = SimulatedClock(environment)
    ran: list[int] = []
    clock.call_at(10, lambda: ran.append(clock.now()))
    clock.call_at(20, ran.append, 20).cancel()
    environment.run()
    assert (ran, clock.pending) == ([10], 0)


def test_cancelled_timers_are_swept_out_and_the_others_keep_their_order() -> None:
    clock = SimulatedClock()
    ran: list[int] = []
    kept = [clock.call_at(SECOND, ran.append, number) for number in range(10)]
    for _ in range(50_000):
        clock.call_at(SECOND - 1, ran.append, -1).cancel()
    assert len(clock.environment._queue) < 5_000
    assert clock.pending == len(kept)
    clock.run()
    assert ran == list(range(10))


def test_alarms_pushed_back_a_million_times_leave_one_callback_each_and_ring_in_order() -> None:
    clock = SimulatedClock()
    rang: list[int] = []
    alarms = [Alarm(clock, lambda number=number: rang.append(number)) for number in range(1_000)]
    for round_ in range(1, 1_001):
        for alarm in alarms:
            alarm.set(round_ * SECOND)
    assert len(clock.environment._queue) == clock.pending == len(alarms)
    clock.run()
    assert rang == list(range(1_000))
    assert clock.now() == 1_000 * SECOND
