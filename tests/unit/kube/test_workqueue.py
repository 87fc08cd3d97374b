"""The promises of the work queue, on virtual time."""

import asyncio

import pytest

from sympozium.kube.workqueue import ShutDownError, WorkQueue

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_a_key_that_waits_is_there_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_in_work_is_handed_out_again_only_after_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_delayed_keys_come_at_their_time_and_the_earliest_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()
    started = loop.time()
    queue.add_after("late", 60)
    queue.add_after("late", 10)
    queue.add_after("late", 30)
    assert queue.delayed == 1
    assert await queue.get() == "late"
    assert loop.time() - started == pytest.approx(10, abs=0.01)
    queue.done("late")
    assert queue.delayed == 0


async def test_adding_a_delayed_key_now_drops_its_delay() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 60)
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    await asyncio.sleep(100)
    assert len(queue) == 0


async def test_failures_back_off_for_each_key_alone() -> None:
    queue: WorkQueue[str] = WorkQueue(base_delay=1, max_delay=6)
    assert [queue.add_rate_limited("bad") for _ in range(5)] == [1, 2, 4, 6, 6]
    assert queue.add_rate_limited("good") == 1
    queue.forget("bad")
    assert queue.add_rate_limited("bad") == 1


async def test_back_off_survives_thousands_of_failures() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3000):
        delay = queue.add_rate_limited("bad")
    assert delay == 60


async def test_a_delay_asked_for_in_work_is_kept() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add_after(key, 5)
    queue.done(key)
    assert len(queue) == 0
    assert await queue.get() == "a"


async def test_a_cancelled_getter_passes_its_wake_up_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first = asyncio.ensure_future(queue.get())
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
    assert first.cancelled()


async def test_shut_down_ends_getters_and_takes_nothing_more() -> None:
    queue: WorkQueue[str] = WorkQueue()
    getter = asyncio.ensure_future(queue.get())
    queue.add_after("later", 5)
    await asyncio.sleep(0)
    queue.shut_down()
    with pytest.raises(ShutDownError):
        await getter
    queue.add("a")
    assert len(queue) == 0
    assert queue.delayed == 0
