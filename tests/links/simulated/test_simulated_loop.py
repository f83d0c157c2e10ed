"""asyncio in virtual time."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from links.simulated.clock import SimulatedClock
from links.simulated.loop import SimulatedLoop
from stack.clock import MILLISECOND, SECOND
from tests.support import FakeClock


class Lab:
    """A loop on a clock of its own."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.loop = SimulatedLoop(self.clock)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = self.loop.create_task(coroutine)
        self.clock.run()
        return task.result()


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_sleep_takes_exact_nanoseconds(lab: Lab) -> None:
    async def main() -> list[int]:
        times = []
        for delay in (0.1, 0.2, 0.7, 1e-9, 86400.000000001):
            before = lab.clock.now()
            await asyncio.sleep(delay)
            times.append(lab.clock.now() - before)
        return times

    assert lab.run(main()) == [100_000_000, 200_000_000, 700_000_000, 1, 86_400_000_000_001]


def test_a_deadline_in_seconds_is_exact_after_weeks(lab: Lab) -> None:
    async def main() -> int:
        await asyncio.sleep(20 * 24 * 3600 + 0.123456789)
        before = lab.clock.now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.000000007):
                await asyncio.sleep(1)
        return lab.clock.now() - before

    assert lab.run(main()) == 7


def test_sleep_zero_gives_others_a_turn_and_takes_no_time(lab: Lab) -> None:
    log: list[str] = []

    async def worker(name: str) -> None:
        for _ in range(2):
            log.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(worker("a"), worker("b"))

    lab.run(main())
    assert log == ["a", "b", "a", "b"]
    assert lab.clock.now() == 0


def test_wait_for_gives_up_in_virtual_time(lab: Lab) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.25)

    lab.run(main())
    assert lab.clock.now() == 250 * MILLISECOND


def test_wait_for_what_comes_in_time(lab: Lab) -> None:
    async def main() -> str:
        return await asyncio.wait_for(asyncio.sleep(0.1, "done"), 3600)

    assert lab.run(main()) == "done"
    assert lab.clock.now() == 100 * MILLISECOND, "the timeout must not make time pass"


def test_queue_between_tasks(lab: Lab) -> None:
    async def main() -> list[tuple[int, int]]:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)

        async def produce() -> None:
            for item in range(3):
                await asyncio.sleep(0.01)
                await queue.put(item)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            return [(await queue.get(), lab.clock.now() // MILLISECOND) for _ in range(3)]

    assert lab.run(main()) == [(0, 10), (1, 20), (2, 30)]


def test_a_task_group_cancels_the_siblings_of_a_failure(lab: Lab) -> None:
    cancelled: list[int] = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(lab.clock.now())
            raise

    async def failure() -> None:
        await asyncio.sleep(1)
        raise ConnectionResetError

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper())
            group.create_task(failure())

    with pytest.raises(ExceptionGroup):
        lab.run(main())
    assert cancelled == [SECOND]


def test_a_lock_is_fair(lab: Lab) -> None:
    order: list[str] = []

    async def main() -> None:
        lock = asyncio.Lock()

        async def user(name: str) -> None:
            async with lock:
                await asyncio.sleep(0.001)
                order.append(name)

        await asyncio.gather(*(user(name) for name in "abc"))

    lab.run(main())
    assert order == ["a", "b", "c"]


def test_the_loop_is_the_running_one_only_during_its_callbacks(lab: Lab) -> None:
    seen: list[bool] = []
    lab.clock.call_later(0, lambda: seen.append(lab.loop.is_running()))

    async def main() -> asyncio.AbstractEventLoop:
        seen.append(lab.loop.is_running())
        return asyncio.get_running_loop()

    assert lab.run(main()) is lab.loop
    assert seen == [False, True]
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_machines_on_one_clock_have_loops_of_their_own() -> None:
    clock = SimulatedClock()
    loops = [SimulatedLoop(clock) for _ in range(2)]
    log: list[tuple[str, int]] = []

    async def main(name: str, delay: float) -> asyncio.AbstractEventLoop:
        for _ in range(2):
            await asyncio.sleep(delay)
            log.append((name, clock.now() // MILLISECOND))
        return asyncio.get_running_loop()

    tasks = [loops[0].create_task(main("a", 0.003)), loops[1].create_task(main("b", 0.002))]
    clock.run()
    assert [task.result() for task in tasks] == loops
    assert log == [("b", 2), ("a", 3), ("b", 4), ("a", 6)]


def test_inside_a_real_loop(lab: Lab) -> None:
    async def simulated() -> str:
        await asyncio.sleep(3600)
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    async def real() -> tuple[str, asyncio.Task[Any] | None, asyncio.AbstractEventLoop]:
        result = lab.run(simulated())
        await asyncio.sleep(0)
        return result, asyncio.current_task(), asyncio.get_running_loop()

    async def main() -> None:
        result, task, loop = await real()
        assert result == "task-1"
        assert task is asyncio.current_task()
        assert loop is asyncio.get_running_loop() is not lab.loop

    asyncio.run(main())


def test_on_a_clock_that_is_not_simpys() -> None:
    clock = FakeClock()
    loop = SimulatedLoop(clock)
    task = loop.create_task(asyncio.sleep(1.5, "woken"))
    clock.advance(SECOND)
    assert not task.done()
    clock.advance(SECOND)
    assert task.result() == "woken"


def test_a_handle_can_be_cancelled(lab: Lab) -> None:
    ran: list[str] = []
    soon = lab.loop.call_soon(ran.append, "soon")
    later = lab.loop.call_later(1, ran.append, "later")
    lab.loop.call_at(0.5, ran.append, "kept")
    lab.loop.call_soon_threadsafe(ran.append, "kept too")
    soon.cancel()
    later.cancel()
    lab.clock.run()
    assert ran == ["kept too", "kept"]
    assert later.when() == 1.0


def test_a_context_travels_with_a_callback(lab: Lab) -> None:
    machine = contextvars.ContextVar("machine", default="nobody's")
    context = contextvars.copy_context()
    context.run(machine.set, "client's")
    seen: list[str] = []
    lab.loop.call_soon(lambda: seen.append(machine.get()), context=context)
    lab.loop.call_later(1, lambda: seen.append(machine.get()), context=context)
    lab.loop.call_soon(lambda: seen.append(machine.get()))
    lab.clock.run()
    assert seen == ["client's", "nobody's", "client's"]


def test_forever_leaves_nothing_pending(lab: Lab) -> None:
    task = lab.loop.create_task(asyncio.sleep(math.inf))
    lab.clock.run()
    assert lab.clock.now() == 0
    assert not task.done()
    lab.loop.close()
    assert task.cancelled()


def test_an_unfinished_asynchronous_generator_runs_its_finally(lab: Lab) -> None:
    log: list[int] = []

    async def ticks() -> AsyncIterator[int]:
        try:
            while True:
                yield lab.clock.now()
                await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.5)
            log.append(lab.clock.now())

    async def main() -> None:
        async for tick in ticks():
            if tick == SECOND:
                break
        gc.collect()
        await asyncio.sleep(1)

    lab.run(main())
    assert log == [1500 * MILLISECOND]


def test_an_exception_in_a_callback_comes_out_of_the_clock(lab: Lab) -> None:
    ran: list[str] = []
    lab.loop.call_soon(lambda: 1 // 0)
    lab.loop.call_soon(ran.append, "the next one")
    with pytest.raises(ZeroDivisionError):
        lab.clock.run()
    lab.clock.run()
    assert ran == ["the next one"]


def test_a_task_that_nobody_awaits_reports_its_exception() -> None:
    clock = SimulatedClock()
    errors: list[BaseException] = []
    loop = SimulatedLoop(clock, errors.append)

    async def failure() -> None:
        raise LookupError("lost")

    async def main() -> None:
        task = asyncio.create_task(failure())
        del task
        await asyncio.sleep(1)
        gc.collect()

    loop.create_task(main())
    clock.run()
    gc.collect()
    assert [str(error) for error in errors] == ["lost"]


def test_an_exception_handler_of_ones_own(lab: Lab) -> None:
    contexts: list[dict[str, Any]] = []
    assert lab.loop.get_exception_handler() is None
    lab.loop.set_exception_handler(lambda loop, context: contexts.append(context))
    assert lab.loop.get_exception_handler() is not None
    lab.loop.call_soon(lambda: 1 // 0)
    lab.clock.run()
    assert isinstance(contexts[0]["exception"], ZeroDivisionError)


def test_close_cancels_the_tasks_and_lets_them_clean_up_at_once(lab: Lab) -> None:
    log: list[str] = []

    async def tidy(name: str) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            log.append(name)

    async def family() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(tidy("child"))
            await tidy("parent")

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                log.append("refused")

    lab.loop.create_task(tidy("first"))
    lab.loop.create_task(family())
    lab.loop.create_task(stubborn())
    lab.clock.run(until=SECOND // 2)
    lab.loop.close()
    assert log == ["first", "parent", "refused", "child"]
    assert lab.loop.is_closed()
    lab.clock.run(until=100 * SECOND)
    assert log == ["first", "parent", "refused", "child"]


def test_close_within_a_callback_of_the_loop_is_refused(lab: Lab) -> None:
    lab.loop.call_soon(lab.loop.close)
    with pytest.raises(RuntimeError, match="its own callback"):
        lab.clock.run()


def test_close_abandons_what_never_ends(lab: Lab) -> None:
    turns = 0

    async def endless() -> None:
        nonlocal turns
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            turns += 1

    lab.loop.create_task(endless())
    lab.clock.call_later(0, lab.clock.stop)
    lab.clock.run()
    lab.loop.close()
    lab.loop.close()
    before = turns
    assert before > 100
    assert lab.clock.pending == 0
    lab.clock.run()
    assert turns == before


def test_nothing_runs_on_a_closed_loop(lab: Lab) -> None:
    ran: list[str] = []
    lab.loop.call_later(1, ran.append, "asked for before")
    lab.loop.close()
    lab.loop.call_soon(ran.append, "asked for after")
    lab.loop.call_later(1, ran.append, "asked for after")
    lab.clock.run()
    assert ran == []


def test_tasks_are_listed_in_the_order_of_their_creation(lab: Lab) -> None:
    tasks = [lab.loop.create_task(asyncio.sleep(9 - number)) for number in range(8)]
    assert lab.loop.tasks == tuple(tasks)
    lab.clock.run()
    assert lab.loop.tasks == ()
