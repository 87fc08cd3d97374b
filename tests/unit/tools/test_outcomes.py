"""Every call that was accepted has one outcome on the record, however it ended."""

import asyncio
import logging

import pytest
from tools_parts import ListRecord, config, parts, shell, until

from sympozium.mcpsocket import result_text
from sympozium.tools.judge import came

CALL = {"call": "c", "tool": "execute_command", "arguments": {"command": "echo x >> log; echo out"}}


@pytest.fixture
def ws(tmp_path):
    with shell(tmp_path) as workspace:
        yield workspace


def receive(p, call: str) -> None:
    asked = p.judge.judge(came(call, CALL["tool"], CALL["arguments"]))
    p.journal.receive(call=call, what=asked.what, tool=asked.tool, same=asked.same, digest=asked.same)
    p.journal.start(call)


async def test_our_own_mistake_is_an_outcome_too(ws, tmp_path, monkeypatch, caplog) -> None:
    p = parts(tmp_path, config(tmp_path))

    async def broken(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(p.calls._builtin, "call", broken)
    with caplog.at_level(logging.ERROR):
        result = await p.calls.call(**CALL)
    text = "internal error of the tool server: ZeroDivisionError('oh'); this is a bug, please report it"
    assert (result.is_error, result_text(result)) == (True, text)
    (outcome,) = p.record.of("tool.outcome")
    assert (outcome["ok"], outcome["summary"]) == (False, text)
    assert outcome["durationMs"] < 60_000
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert logged.getMessage() == "call c (execute_command) failed inside the tool server"
    assert p.calls.in_flight() == []


@pytest.mark.parametrize("is_error", [True, False])
async def test_an_outcome_that_the_bus_never_took_is_told_when_it_is_found(
    ws, tmp_path, caplog, is_error: bool
) -> None:
    before = parts(tmp_path, config(tmp_path))
    receive(before, "c")
    before.journal.finish("c", "said", is_error=is_error)
    before.journal.close()  # killed before it was published
    after = parts(tmp_path, config(tmp_path))
    await after.calls.recover()
    (outcome,) = after.record.of("tool.outcome")
    assert (outcome["callId"], outcome["isError"], outcome["ok"], outcome["summary"]) == ("c", is_error, not is_error, "said")  # fmt: skip
    assert outcome["durationMs"] == 0
    assert "call c (execute_command) was found without an acknowledged outcome" in caplog.messages
    result = await after.calls.call(**CALL)
    assert (result.is_error, result_text(result)) == (is_error, "said")
    assert len(after.record.of("tool.outcome")) == 1


@pytest.mark.parametrize("is_error", [True, False])
async def test_who_asks_again_makes_it_told(ws, tmp_path, is_error: bool) -> None:
    p = parts(tmp_path, config(tmp_path))
    receive(p, "c")
    p.journal.finish("c", "said", is_error=is_error)
    for _ in range(2):
        result = await p.calls.call(**CALL)
        assert (result.is_error, result_text(result)) == (is_error, "said")
    (outcome,) = p.record.of("tool.outcome")
    assert (outcome["callId"], outcome["isError"], outcome["summary"], outcome["durationMs"]) == ("c", is_error, "said", 0)  # fmt: skip
    assert not (ws / "log").exists()


async def test_a_call_that_is_given_up_before_it_began_is_denied_on_the_record(ws, tmp_path) -> None:
    ask = {"toolGating": {"defaultAction": "ask", "rules": []}}
    p = parts(tmp_path, config(tmp_path, **ask))
    task = asyncio.create_task(p.calls.call(**CALL))
    await until(lambda: p.record.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (outcome,) = p.record.of("tool.outcome")
    assert (outcome["denied"], outcome["ok"]) == (True, False)
    assert p.journal.entry("c").is_error is True


async def test_a_call_that_is_cut_short_is_no_denied_one(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    task = asyncio.create_task(
        p.calls.call(call="1", tool="execute_command", arguments={"command": "touch on; sleep 60"})
    )
    await until((ws / "on").exists)
    (flying,) = p.calls.in_flight()
    assert (flying["callId"], flying["tool"], flying["target"]) == ("1", "execute_command", "shell")
    assert 0 <= flying["durationMs"] < 60_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (outcome,) = p.record.of("tool.outcome")
    assert (outcome["ok"], "denied" in outcome) == (False, False)
    assert p.journal.entry("1").is_error is True


async def test_given_up_before_it_was_received_leaves_nothing(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    await p.calls._cut_short(came("c", CALL["tool"], CALL["arguments"]), 0.0)
    assert p.record.events == []


async def test_what_the_bus_does_not_take_in_time_is_in_the_journal_and_said(
    ws, tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr("sympozium.tools.calls._FAREWELL", 0.01)
    record = ListRecord()
    p = parts(tmp_path, config(tmp_path), record=record)
    task = asyncio.create_task(
        p.calls.call(call="1", tool="execute_command", arguments={"command": "touch on; sleep 60"})
    )
    await until((ws / "on").exists)
    record.down = asyncio.Event()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert p.journal.entry("1").state == "done"
    assert record.of("tool.outcome") == []
    said = "the outcome of call 1 is in the journal only: the bus did not take it in time"
    assert said in caplog.messages


async def test_a_cancel_without_a_reason_says_that_the_run_was_cancelled(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    await p.calls.cancel("")
    assert "the run was cancelled" in result_text(await p.calls.call(**CALL))
    assert not (ws / "log").exists()
