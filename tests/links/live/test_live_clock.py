"""The clock of the real world: delays are a few milliseconds; how late the machine is, is its own affair."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from links.live.clock import COMPACT_ABOVE, AsyncioClock
from stack.clock import MILLISECOND, SECOND, Alarm


def in_loop(test: Callable[[AsyncioClock], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await test(AsyncioClock())

    asyncio.run(main())


async def passed(clock: AsyncioClock, delay: int = 0) -> None:
    """Wait until the clock has run everything that was due ``delay`` ns from now."""
    done = asyncio.get_running_loop().create_future()
    clock.call_later(delay, done.set_result, None)
    await done


def test_time_is_whole_nanoseconds_of_the_monotonic_clock() -> None:
    async def test(clock: AsyncioClock) -> None:
        before = time.monotonic_ns()
        now = clock.now()
        assert type(now) is int
        assert before <= now <= time.monotonic_ns()

    in_loop(test)


def test_callbacks_run_by_deadline_and_never_early() -> None:
    async def test(clock: AsyncioClock) -> None:
        ran: list[tuple[str, int]] = []
        start = clock.now()

        def note(name: str) -> None:
            ran.append((name, clock.now() - start))

        clock.call_at(start + 3 * MILLISECOND, note, "third")
        clock.call_at(start + MILLISECOND, note, "first")
        clock.call_at(start + 2 * MILLISECOND, note, "second")
        await passed(clock, 4 * MILLISECOND)
        assert [name for name, _ in ran] == ["first", "second", "third"]
        assert all(at >= (index + 1) * MILLISECOND for index, (_, at) in enumerate(ran))

    in_loop(test)


def test_callbacks_for_one_instant_run_in_the_order_of_the_calls() -> None:
    async def test(clock: AsyncioClock) -> None:
        ran: list[int] = []
        instant = clock.now() + MILLISECOND
        for number in range(200):
            clock.call_at(instant, ran.append, number)
        await passed(clock, 2 * MILLISECOND)
        assert ran == list(range(200))

    in_loop(test)


def test_a_deadline_in_the_past_is_met_at_once_but_not_before_returning() -> None:
    async def test(clock: AsyncioClock) -> None:
        ran: list[str] = []
        clock.call_at(clock.now() - SECOND, ran.append, "past")
        clock.call_later(-1, ran.append, "negative")
        clock.call_at(clock.now(), ran.append, "now")
        assert ran == []
        await passed(clock)
        assert ran == ["past", "negative", "now"]

    in_loop(test)


def test_a_cancelled_callback_does_not_run_and_cancelling_again_is_harmless() -> None:
    async def test(clock: AsyncioClock) -> None:
        ran: list[str] = []
        timer = clock.call_later(MILLISECOND, ran.append, "cancelled")
        other = clock.call_later(MILLISECOND, ran.append, "kept")
        timer.cancel()
        timer.cancel()
        await passed(clock, 2 * MILLISECOND)
        other.cancel()
        assert ran == ["kept"]

    in_loop(test)


def test_a_chain_of_immediate_callbacks_lets_the_loop_have_its_turn() -> None:
    async def test(clock: AsyncioClock) -> None:
        stopped = False
        rounds = 0

        def again() -> None:
            nonlocal rounds
            rounds += 1
            if not stopped:
                clock.call_later(0, again)

        clock.call_later(0, again)
        for _ in range(20):
            await asyncio.sleep(0)
        stopped = True
        await passed(clock)
        assert rounds > 1

    in_loop(test)


def test_an_exception_goes_to_the_loop_and_the_others_still_run() -> None:
    async def test(clock: AsyncioClock) -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        ran: list[str] = []

        def fail() -> None:
            raise ArithmeticError

        clock.call_later(0, fail)
        clock.call_later(0, ran.append, "after")
        await passed(clock)
        assert ran == ["after"]
        assert [type(context["exception"]) for context in reported] == [ArithmeticError]

    in_loop(test)


def test_cancelled_timers_do_not_pile_up() -> None:
    """A connection that comes and goes a thousand times leaves no thousand keep-alive timers of two hours."""

    async def test(clock: AsyncioClock) -> None:
        for _ in range(1000):
            clock.call_later(7200 * SECOND, print).cancel()
        assert len(clock._heap) <= COMPACT_ABOVE + 1

    in_loop(test)


def test_an_alarm_can_be_pushed_back() -> None:
    async def test(clock: AsyncioClock) -> None:
        start = clock.now()
        rang: list[int] = []
        alarm = Alarm(clock, lambda: rang.append(clock.now() - start))
        alarm.set(start + MILLISECOND)
        alarm.set(start + 5 * MILLISECOND)
        await passed(clock, 7 * MILLISECOND)
        assert len(rang) == 1
        assert rang[0] >= 5 * MILLISECOND

    in_loop(test)
