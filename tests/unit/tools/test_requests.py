"""Calls that the control plane does: asked for under one id, answered once, taken up again after a crash."""

import asyncio

import pytest
from tests.unit.tools.parts import Parts, config, parts

from sympozium.mcpsocket import result_text


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


def answer(call: str, text: str = "it is done", *, ok: bool = True) -> dict:
    return {"callId": call, "ok": ok, "text": text}


async def ask(p: Parts, tool: str = "spawn_agent", call: str = "c", **arguments):
    return await p.calls.call(call=call, tool=tool, arguments=arguments)


async def test_the_answer_of_the_control_plane_is_the_result(tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    asking = asyncio.create_task(ask(p, task="look", instance="other", wait=False))
    await until(lambda: p.record.requests)
    assert p.record.requests == [
        {"kind": "spawn", "callId": "c", "task": "look", "instance": "other", "wait": False}
    ]
    await p.requests.answered(answer("another call", "not for us"))
    await p.requests.answered(answer("c"))
    await p.requests.answered(answer("c", "too late"))
    result = await asking
    assert (result_text(result), result.is_error) == ("it is done", False)


async def test_a_refusal_is_an_error_of_the_call(tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    asking = asyncio.create_task(ask(p, task="look"))
    await until(lambda: p.record.requests)
    assert p.record.requests[0]["wait"] is True
    await p.requests.answered(answer("c", "too many", ok=False))
    result = await asking
    assert (result_text(result), result.is_error) == ("too many", True)
    assert p.record.of("tool.outcome")[0]["isError"] is True


@pytest.mark.parametrize("answered", [False, True])
async def test_a_crash_asks_again_under_the_same_id(tmp_path, answered: bool) -> None:
    p = parts(tmp_path, config(tmp_path))
    asking = asyncio.create_task(ask(p, task="look"))
    await until(lambda: p.record.requests)
    if answered:
        p.journal.answer("c", ok=True, text="it is done")
    # A kill leaves the journal as it is: no word about the end of the call.
    p.journal.finish = lambda *_, **__: None  # type: ignore[method-assign]
    asking.cancel()
    await asyncio.wait([asking])

    again = parts(tmp_path, config(tmp_path, toolGating={"defaultAction": "deny"}))
    await again.calls.recover()
    assert again.record.of("tool.outcome") == []
    asking = asyncio.create_task(ask(again, task="look"))
    if not answered:
        await until(lambda: again.record.requests)
        assert again.record.requests == p.record.requests
        await again.requests.answered(answer("c"))
    # It was judged before it began: a policy that came later does not deny that it did.
    assert result_text(await asking) == "it is done"
    assert len(again.record.requests) == (0 if answered else 1)


async def test_other_tools_are_still_interrupted_by_a_crash(tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    for tool in ("fetch_url", "spawn_agent", "schedule_task"):
        p.journal.receive(call=tool, what="w", tool=tool, same="s", digest="d")
        p.journal.start(tool)
    await p.calls.recover()
    assert [e["callId"] for e in p.record.of("tool.outcome")] == ["fetch_url"]


async def test_a_schedule_is_asked_for_with_what_was_given(tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    asking = asyncio.create_task(ask(p, "schedule_task", name="n", schedule="@hourly", task="t"))
    await until(lambda: p.record.requests)
    await p.requests.answered(answer("c"))
    await asking
    listing = asyncio.create_task(ask(p, "schedule_task", "d", action="list"))
    await until(lambda: len(p.record.requests) == 2)
    await p.requests.answered(answer("d"))
    await listing
    assert p.record.requests == [
        {"kind": "schedule", "callId": "c", "name": "n", "action": "create", "schedule": "@hourly", "task": "t"},
        {"kind": "schedule", "callId": "d", "name": "", "action": "list"},
    ]  # fmt: skip


async def test_a_note_is_a_request_and_its_answer_the_result(tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, memory=True))
    asking = asyncio.create_task(ask(p, "remember", text="the pod lies"))
    await until(lambda: p.record.requests)
    assert p.record.requests == [
        {"kind": "memory", "callId": "c", "action": "append", "text": "the pod lies"}
    ]
    await p.requests.answered(answer("c", "noted"))
    assert result_text(await asking) == "noted"


async def test_without_memory_there_is_no_such_tool_and_the_refusal_says_why(tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    assert "remember" not in [tool.name for tool in await p.calls.list_tools()]
    result = await ask(p, "remember", text="x")
    assert result.is_error
    assert "spec.memory of the instance is not enabled" in result_text(result)
    assert p.record.requests == []
