"""The agent's side of the socket, and a tool server that goes away and comes back."""

import asyncio

import mcp_types as types
import pytest

from sympozium.agent import toolbox as module
from sympozium.agent.outcome import RunError
from sympozium.agent.toolbox import Toolbox
from sympozium.mcpsocket import CALL_ID, MALFORMED, connect, listen, text_result, tool_server


def server(seen: list, hang: asyncio.Event | None = None):
    async def list_tools():
        return [types.Tool(name="ls", description="d", input_schema={"type": "object"})]

    async def call_tool(name, arguments, meta):
        seen.append((name, arguments, meta))
        if hang is not None and not hang.is_set():
            hang.set()
            await asyncio.Event().wait()
        return text_result("no" if name == "fail" else "yes", is_error=name == "fail")

    return tool_server("t", list_tools=list_tools, call_tool=call_tool)


async def test_tools_and_calls(tmp_path) -> None:
    seen: list = []
    async with listen(server(seen), str(tmp_path / "s")), Toolbox(str(tmp_path / "s")) as box:
        assert await box.tools() == [
            {
                "type": "function",
                "function": {"name": "ls", "description": "d", "parameters": {"type": "object"}},
            }
        ]
        assert (await box.call("c-1", "ls", {"a": 1})).text == "yes"
        assert (await box.call("c-2", "fail", {}, malformed="no JSON")).is_error is True
        # 5 MB of arguments are the tool server's to refuse: they get there.
        assert (await box.call("c-3", "ls", {"a": "x" * 5_000_000})).text == "yes"
    assert seen[0] == ("ls", {"a": 1}, {CALL_ID: "c-1"})
    assert seen[1][2] == {CALL_ID: "c-2", MALFORMED: "no JSON"}


async def test_a_call_is_repeated_under_its_id_when_the_server_comes_back(tmp_path) -> None:
    seen, hanging = [], asyncio.Event()
    path = str(tmp_path / "s")
    ready, gone = asyncio.Event(), asyncio.Event()

    async def use() -> str:
        async with Toolbox(path) as box:
            ready.set()
            return (await box.call("c-1", "ls", {})).text

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        using = group.create_task(use())
        async with listen(server(seen, hanging), path):
            await ready.wait()
            await hanging.wait()
        gone.set()
        async with listen(server(seen), path):
            assert await using == "yes"
    assert [meta for _, _, meta in seen] == [{CALL_ID: "c-1"}] * 2


async def test_a_server_that_hangs_up_at_once_is_tried_again(tmp_path) -> None:
    """A tool server that is being killed may still have its listener for a moment."""
    path, met = str(tmp_path / "s"), asyncio.Event()

    async def hang_up(reader, writer):
        writer.close()
        await writer.wait_closed()
        met.set()

    async def use() -> int:
        async with Toolbox(path) as box:
            return len(await box.tools())

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        async with await asyncio.start_unix_server(hang_up, path):
            using = group.create_task(use())
            await met.wait()
        async with listen(server([]), path):
            assert await using == 1


async def test_no_server(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "START_WAIT", 0.05)
    with pytest.raises(RunError, match="nothing listens") as caught:
        async with Toolbox(str(tmp_path / "s")):
            pass
    assert caught.value.reason == "ToolServerLost"


async def test_what_is_raised_in_a_session_comes_out_as_it_was(tmp_path) -> None:
    async with listen(server([]), str(tmp_path / "s")):
        with pytest.raises(KeyError, match="mine"):
            async with connect(str(tmp_path / "s"), wait=5):
                raise KeyError("mine")


def test_an_id_is_the_same_in_the_next_attempt_and_another_for_another_call() -> None:
    calls = [("ls", '{"a": 1}'), ("ls", '{"a": 1}'), ("ls", '{"a": 2}'), ("rm", '{"a": 2}'), ("ls", "\udc80")]
    attempts = []
    for _ in range(2):
        box = Toolbox("x")
        attempts.append([box.next_id(*call) for call in calls])
    assert attempts[0] == attempts[1]
    assert len(set(attempts[0])) == 5
    assert Toolbox("x").next_id("ls", '{"a": 2}') != attempts[0][0]
    assert all(
        (part.isalnum() and part.islower()) or part.isdigit()
        for call in attempts[0]
        for part in call.split("-")
    )


async def test_what_is_no_mcp_ends_in_words(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "START_WAIT", 0.2)

    closed = asyncio.Event()

    async def silent(reader, writer):
        await reader.read()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with await asyncio.start_unix_server(silent, tmp_path / "s"):
        with pytest.raises(RunError, match="did not answer within"):
            async with Toolbox(str(tmp_path / "s")):
                pass
        await closed.wait()
