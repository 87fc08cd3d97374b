"""Lanes: order for a run whatever fails, and no run waits for another."""

import asyncio
import contextlib
import itertools
from collections import Counter

import pytest

from sympozium.bus.lanes import FIRST_RETRY, LAST_RETRY, Lanes

pytestmark = pytest.mark.looptime


async def test_a_failing_item_is_tried_again_before_those_behind_it() -> None:
    handled: list[str] = []
    tries: Counter[str] = Counter()

    async def handle(item: str) -> None:
        tries[item] += 1
        if item == "a1" and tries[item] < 3:
            raise RuntimeError("not yet")
        handled.append(item)

    async with asyncio.TaskGroup() as group:
        lanes = Lanes(group, handle)
        for item in ("a1", "b1", "a2", "b2"):
            lanes.put(item[0], item)
    assert handled == ["b1", "b2", "a1", "a2"]
    assert tries["a1"] == 3


async def test_a_lane_that_ran_empty_begins_again() -> None:
    handled: list[int] = []

    async def handle(item: int) -> None:
        handled.append(item)

    async with asyncio.TaskGroup() as group:
        lanes = Lanes(group, handle)
        lanes.put("a", 1)
        await asyncio.sleep(1)
        assert handled == [1]
        assert not lanes._lanes
        lanes.put("a", 2)
    assert handled == [1, 2]


async def test_what_is_put_while_an_item_is_handled_waits_for_it() -> None:
    running: list[int] = []
    most = 0

    async def handle(item: int) -> None:
        nonlocal most
        running.append(item)
        most = max(most, len(running))
        await asyncio.sleep(1)
        running.remove(item)

    async with asyncio.TaskGroup() as group:
        lanes = Lanes(group, handle)
        lanes.put("a", 1)
        await asyncio.sleep(0.5)
        lanes.put("a", 2)
    assert most == 1


async def test_tries_become_rarer_and_cancelling_ends_them() -> None:
    times: list[float] = []

    async def handle(item: int) -> None:
        times.append(asyncio.get_running_loop().time())
        raise RuntimeError("never")

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(300), asyncio.TaskGroup() as group:
            Lanes(group, handle).put("a", 1)
    waits = [round(later - earlier, 2) for earlier, later in itertools.pairwise(times)]
    assert waits[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert max(waits) == LAST_RETRY
