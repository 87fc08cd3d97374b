"""Progress is what the stream says, whoever asked and whatever came twice."""

import asyncio

import pytest

from sympozium.controllers.run.port import BusError, Ref
from sympozium.controllers.run.progress import ProgressStore
from unit.controllers.memorybus import MemoryBus

RUN = Ref("team", "r", "u1")


async def test_what_was_said_before_is_read_from_the_stream() -> None:
    bus = MemoryBus()
    bus.say(RUN, "run.started")
    bus.say(RUN, "step.started", step=1)
    assert (await ProgressStore(bus).get(RUN)).steps == 1


async def test_an_event_that_is_read_and_delivered_counts_once() -> None:
    bus = MemoryBus()
    store = ProgressStore(bus)
    first = bus.say(RUN, "tool.intent")
    await store.add(RUN, first)
    await store.add(RUN, first)
    second = bus.say(RUN, "tool.intent")
    await store.add(RUN, second)
    await store.add(RUN, first)
    assert (await store.get(RUN)).tool_calls == 2


async def test_a_reading_catches_up_and_the_late_delivery_changes_nothing() -> None:
    bus = MemoryBus()
    store = ProgressStore(bus)
    assert (await store.get(RUN)).version == 0
    late = bus.say(RUN, "tool.intent")
    assert (await store.get(RUN)).version == 0
    assert (await store.reload(RUN)).version == 1
    await store.add(RUN, late)
    assert (await store.get(RUN)).version == 1


async def test_two_who_ask_at_once_read_the_stream_once() -> None:
    bus = MemoryBus()
    bus.say(RUN, "tool.intent")
    read = 0
    original = bus.transcript

    async def transcript(ref: Ref) -> object:
        nonlocal read
        read += 1
        await asyncio.sleep(0)
        return await original(ref)

    bus.transcript = transcript  # type: ignore[method-assign,assignment]
    store = ProgressStore(bus)
    one, two = await asyncio.gather(store.get(RUN), store.get(RUN))
    assert (one, read) == (two, 1)


async def test_forgetting_makes_it_read_again_and_a_namesake_is_another_run() -> None:
    bus = MemoryBus()
    bus.say(RUN, "tool.intent")
    store = ProgressStore(bus)
    await store.get(RUN)
    assert (await store.get(Ref("team", "r", "u2"))).version == 0
    store.forget_name("team", "r")
    assert len(store) == 0
    bus.connected = False
    with pytest.raises(BusError):
        await store.get(RUN)
