"""The server around the calls: broken connections, control messages, and the end."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tools_parts import Said, changed, config, parts, shell, until

from sympozium.mcpsocket import CALL_ID, connect, result_text
from sympozium.tools.server import ToolServer

SLOW = {"command": "touch on; while [ ! -e go ]; do sleep 0.02; done; echo x >> log; cat log"}


@pytest.fixture
def ws(tmp_path):
    with shell(tmp_path) as workspace:
        yield workspace


@asynccontextmanager
async def serving(tmp_path, p):
    stop = asyncio.Event()
    server = ToolServer(
        path=str(tmp_path / "t"),
        calls=p.calls,
        skills=[],
        approvals=p.approvals,
        requests=p.requests,
        live=p.live,
        record=p.record,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(stop))
        yield stop
        stop.set()


async def test_a_caller_that_comes_back_gets_the_one_outcome(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    async with serving(tmp_path, p):
        async with connect(str(tmp_path / "t"), wait=10) as session:
            call = asyncio.create_task(session.call_tool("execute_command", SLOW, meta={CALL_ID: "c"}))
            await until((ws / "on").exists)
            call.cancel()  # and the connection goes with it
        (ws / "go").touch()
        async with connect(str(tmp_path / "t"), wait=10) as session:
            result = await session.call_tool("execute_command", SLOW, meta={CALL_ID: "c"})
    assert result_text(result) == "x"
    assert (ws / "log").read_text() == "x\n"
    assert len(p.record.of("tool.outcome")) == 1


async def test_calls_without_an_id_are_calls_of_their_own(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    async with serving(tmp_path, p), connect(str(tmp_path / "t"), wait=10) as session:
        for _ in range(2):
            await session.call_tool("execute_command", {"command": "echo x >> log"})
    assert (ws / "log").read_text() == "x\nx\n"


async def test_the_end_cuts_a_running_call_short_on_the_record(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    async with serving(tmp_path, p) as stop, connect(str(tmp_path / "t"), wait=10) as session:
        call = asyncio.create_task(session.call_tool("execute_command", SLOW, meta={CALL_ID: "c"}))
        await until((ws / "on").exists)
        stop.set()
        result = await call
    assert "cancelled" in result_text(result)
    assert "may have taken effect in part" in p.record.of("tool.outcome")[0]["summary"]
    assert p.journal.entry("c").published is True


async def test_control_messages(ws, tmp_path) -> None:
    ask = {"toolGating": {"defaultAction": "ask", "rules": []}}
    p = parts(tmp_path, config(tmp_path, **ask))
    async with serving(tmp_path, p), connect(str(tmp_path / "t"), wait=10) as session:
        call = asyncio.create_task(session.call_tool("list_directory", {"path": "."}, meta={CALL_ID: "c"}))
        await until(lambda: p.record.requests)
        digest = p.record.requests[0]["argsDigest"]
        decided = {
            "callId": "c",
            "argsDigest": digest,
            "decision": "Approved",
            "decidedBy": "o",
            "scope": "once",
            "comment": "",
        }
        p.record.incoming.put_nowait(Said("something.new", {}))
        p.record.incoming.put_nowait(Said("approval.decided", decided))
        assert (await call).is_error is False
        waiting = asyncio.create_task(session.call_tool("list_directory", {"path": "."}, meta={CALL_ID: "d"}))
        await until(lambda: len(p.record.requests) == 2)
        p.record.incoming.put_nowait(Said("run.cancel", {"reason": "enough"}))
        assert "cancelled" in result_text(await waiting)
        assert "enough" in result_text(await session.call_tool("list_directory", {"path": "."}))
    assert "nothing was done" in p.record.of("tool.outcome")[1]["summary"]


async def test_policy_and_freeze_are_answered(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    async with serving(tmp_path, p), connect(str(tmp_path / "t"), wait=10) as session:
        assert [a["digest"] for a in p.record.of("policy.applied")] == ["sha256:0"]
        # Else the SDK asks for them with the first result, and is held like a step.
        await session.list_tools()
        denied = changed(
            config(tmp_path, digest="sha256:2", toolGating={"defaultAction": "deny", "rules": []})
        )
        call = asyncio.create_task(session.call_tool("execute_command", SLOW, meta={CALL_ID: "c"}))
        await until((ws / "on").exists)
        p.record.incoming.put_nowait(Said("run.freeze", {"frozen": True, "reason": "stop"}, 2))
        p.record.incoming.put_nowait(Said("policy.changed", denied, 3))
        p.record.incoming.put_nowait(Said("policy.changed", changed(config(tmp_path)), 1))  # again, and older
        await until(lambda: len(p.record.of("policy.applied")) == 3)
        step = asyncio.create_task(session.list_tools())
        (ws / "go").touch()
        assert result_text(await call) == "x"
        assert not step.done()
        p.record.incoming.put_nowait(Said("run.freeze", {"frozen": False, "reason": "go"}, 4))
        assert (await step).tools == []
    assert [a["digest"] for a in p.record.of("policy.applied")] == ["sha256:0", "sha256:2", "sha256:2"]
    held, released = p.record.of("run.frozen")
    assert [c["callId"] for c in held["inFlight"]] == ["c"]
    assert (held["frozen"], released) == (True, {"frozen": False, "inFlight": []})
