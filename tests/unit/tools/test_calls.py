"""The way of one call: what is refused, what a person decides, what is on the record and in the journal."""

import asyncio
import hashlib
import json

import pytest
from tools_parts import ListRecord, config, parts, shell, until

from sympozium.api.runconfig import ToolLimits
from sympozium.api.shared import ToolPolicy
from sympozium.mcpsocket import result_text
from sympozium.tools.journal import INTERRUPTED, Decision
from sympozium.tools.judge import came

ASK = {"toolGating": {"defaultAction": "ask", "rules": []}}


@pytest.fixture
def ws(tmp_path):
    with shell(tmp_path) as workspace:
        yield workspace


async def test_a_call_is_on_the_record_before_and_after(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    result = await p.calls.call(call="c-1", tool="write_file", arguments={"path": "a", "content": "x"})
    assert (result.is_error, (ws / "a").read_text()) == (False, "x")
    (intent,), (outcome,) = p.record.of("tool.intent"), p.record.of("tool.outcome")
    assert [kind for kind, _ in p.record.events] == ["tool.intent", "tool.outcome"]
    assert intent["verdict"] == {
        "action": "allow", "rule": "p: toolGating.defaultAction (allow)",
        "reason": "policy p allows write_file: no rule names it",
    }  # fmt: skip
    assert (intent["tool"], intent["target"], intent["callId"]) == ("write_file", "shell", "c-1")
    assert intent["argsDigest"].startswith("sha256:")
    assert (outcome["ok"], outcome["isError"], outcome["truncated"]) == (True, False, False)
    assert outcome["summary"] == result_text(result)
    assert p.journal.entry("c-1").published is True


REFUSED = {
    "undeclared": ("launch_rocket", {"where": "moon"}, "there is no tool 'launch_rocket'", "undeclared tool"),
    "of a later version": ("send_channel_message", {"channel": "x", "text": "x"}, "this version does not have it", "undeclared tool"),
    "denied by policy": ("write_file", {"path": "a", "content": "b"}, "not today", "p: toolGating.rules[0]"),
    "wrong type": ("read_file", {"path": ["a"]}, "path: ['a'] is not of type 'string'", "input schema"),
    "unknown argument": ("read_file", {"path": "a", "colour": "red"}, "'colour' was unexpected", "input schema"),
    "missing argument": ("read_file", {}, "'path' is a required property", "input schema"),
    "unknown target": ("execute_command", {"command": "x", "target": "mars"}, "target: 'mars' is not one of", "input schema"),
    "too large": ("read_file", {"path": "x" * 5_000_000}, "too large", "limits.maxArgumentBytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_call_is_clear_and_on_the_record(ws, tmp_path, case: str) -> None:
    tool, arguments, says, rule = REFUSED[case]
    gating = {"rules": [{"tool": "write_file", "action": "deny", "reason": "not today"}]}
    p = parts(tmp_path, config(tmp_path, toolGating=gating))
    result = await p.calls.call(call="c", tool=tool, arguments=arguments)
    assert result.is_error is True
    assert result_text(result).startswith("denied: ")
    assert says in result_text(result)
    (intent,), (outcome,) = p.record.of("tool.intent"), p.record.of("tool.outcome")
    assert intent["verdict"]["action"] == "deny"
    assert intent["verdict"]["rule"].startswith(rule)
    assert outcome["denied"] is True
    assert says in outcome["summary"]
    assert len(json.dumps(p.record.events)) < 20_000
    assert list(ws.iterdir()) == []


async def test_arguments_that_the_agent_could_not_read_are_refused_on_the_record(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    result = await p.calls.call(
        call="c", tool="read_file", arguments={}, malformed="the arguments are not valid JSON"
    )
    assert "not valid JSON" in result_text(result)
    assert p.record.of("tool.intent")[0]["verdict"]["rule"] == "malformed arguments"


async def test_only_what_is_not_denied_is_offered(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, featureGates={"code-execution": False},
              tool_policies=[ToolPolicy(deny=["fetch_*"])]))  # fmt: skip
    assert [t.name for t in await p.calls.list_tools()] == [
        "read_file",
        "write_file",
        "edit_file",
        "list_directory",
        "spawn_agent",
        "schedule_task",
    ]


async def test_long_results_are_shortened_for_all_to_see(ws, tmp_path) -> None:
    (ws / "f").write_text("x" * 5000)
    p = parts(tmp_path, config(tmp_path, limits=ToolLimits(max_result_chars=300)))
    result = await p.calls.call(call="c", tool="read_file", arguments={"path": "f"})
    assert "[... 4700 of 5000 characters left out ...]" in result_text(result)
    assert p.record.of("tool.outcome")[0]["truncated"] is True
    assert p.record.of("tool.outcome")[0]["bytes"] == 5000
    whole = hashlib.sha256(b"x" * 5000).hexdigest()
    assert p.record.of("tool.outcome")[0]["resultDigest"] == f"sha256:{whole}"


async def test_secrets_are_masked_on_the_record_alone(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    key = "sk-abcdefghijklmnopqrstuvwx"
    result = await p.calls.call(call="c", tool="execute_command", arguments={"command": f"echo {key}"})
    assert key in result_text(result)
    assert key not in json.dumps(p.record.events)
    assert "[masked]" in p.record.of("tool.outcome")[0]["summary"]


async def decide(p, decision: str, **more) -> None:
    request = p.record.requests[-1]
    await p.approvals.decided(Decision(request["callId"], request["argsDigest"], decision, **more))


async def test_an_approved_call_goes_on(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(
        p.calls.call(call="c", tool="write_file", arguments={"path": "a", "content": "x"})
    )
    await until(lambda: p.record.requests)
    assert not (ws / "a").exists()
    request = p.record.requests[0]
    assert (request["callId"], request["tool"], request["expiresIn"]) == ("c", "write_file", 60)
    assert request["argsDigest"] == p.record.of("tool.intent")[0]["argsDigest"]
    await decide(p, "Approved", decided_by="olivia", comment="fine")
    assert (await task).is_error is False
    assert (ws / "a").exists()
    states = p.record.of("tool.approval")
    assert [s["state"] for s in states] == ["waiting", "Approved"]
    assert all(s["tool"] == "write_file" for s in states)
    assert (states[1]["decidedBy"], states[1]["comment"]) == ("olivia", "fine")


async def test_a_denied_call_is_not_made_and_the_model_hears_who_and_why(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(
        p.calls.call(call="c", tool="write_file", arguments={"path": "a", "content": "x"})
    )
    await until(lambda: p.record.requests)
    await decide(p, "Denied", decided_by="olivia", comment="not now")
    assert result_text(await task).startswith("denied by olivia: not now")
    assert not (ws / "a").exists()


async def test_nobody_decides(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, timeout=0.05, **ASK))
    result = await p.calls.call(call="c", tool="list_directory", arguments={"path": "."})
    assert "expired" in result_text(result)
    assert [s["state"] for s in p.record.of("tool.approval")] == ["waiting", "Expired"]
    # A decision that comes too late changes nothing.
    await decide(p, "Approved")
    again = await p.calls.call(call="c", tool="list_directory", arguments={"path": "."})
    assert "expired" in result_text(again)


async def test_while_a_call_waits_no_other_executes(ws, tmp_path) -> None:
    gating = {"rules": [{"tool": "write_file", "action": "ask"}]}
    p = parts(tmp_path, config(tmp_path, toolGating=gating))
    first = asyncio.create_task(
        p.calls.call(call="1", tool="write_file", arguments={"path": "a", "content": "x"})
    )
    await until(lambda: p.record.requests)
    second = asyncio.create_task(
        p.calls.call(call="2", tool="execute_command", arguments={"command": "touch b"})
    )
    for _ in range(50):
        await asyncio.sleep(0)
    assert not second.done()
    assert p.journal.entry("2") is None
    await decide(p, "Approved")
    await first
    await second
    assert [d["callId"] for d in p.record.of("tool.outcome")] == ["1", "2"]


async def test_a_decision_for_other_arguments_is_dropped(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, timeout=0.2, **ASK))
    task = asyncio.create_task(p.calls.call(call="c", tool="list_directory", arguments={"path": "."}))
    await until(lambda: p.record.requests)
    assert await p.approvals.decided(Decision("c", "sha256:other", "Approved")) is False
    assert await p.approvals.decided(Decision("x", p.record.requests[0]["argsDigest"], "Approved")) is True
    assert "expired" in result_text(await task)


async def test_a_decision_that_was_made_for_an_earlier_attempt_holds_for_the_same_call(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    arguments = {"path": "."}
    digest = p.judge.judge(came("c", "list_directory", arguments)).same
    await p.approvals.decided(Decision("c", digest, "Approved", decided_by="olivia"))
    assert (await p.calls.call(call="c", tool="list_directory", arguments=arguments)).is_error is False
    assert p.record.requests == []
    assert p.record.of("tool.approval") == [
        {"callId": "c", "tool": "list_directory", "state": "Approved", "decidedBy": "olivia", "argsDigest": digest}
    ]  # fmt: skip


@pytest.mark.parametrize(("scope", "asked"), [("run", 1), ("once", 2)])
async def test_scope(ws, tmp_path, scope: str, asked: int) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    for call in ("1", "2"):
        task = asyncio.create_task(p.calls.call(call=call, tool="list_directory", arguments={"path": "."}))
        await until(
            lambda task=task, call=call: task.done() or any(r["callId"] == call for r in p.record.requests)
        )
        if not task.done():
            await decide(p, "Approved", scope=scope)
        assert (await task).is_error is False
    assert len(p.record.requests) == asked
    # Other arguments are another call, whatever the scope was.
    task = asyncio.create_task(p.calls.call(call="3", tool="list_directory", arguments={"path": "x"}))
    await until(lambda: len(p.record.requests) == asked + 1)
    await decide(p, "Denied")
    assert (await task).is_error is True


async def test_a_repeated_id_gets_the_outcome_and_not_a_second_effect(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    call = {"call": "c", "tool": "execute_command", "arguments": {"command": "echo x >> log; wc -l < log"}}
    first, second = await p.calls.call(**call), await p.calls.call(**call)
    assert result_text(first) == result_text(second) == "1"
    assert len(p.record.of("tool.outcome")) == 1
    other = await p.calls.call(call="c", tool="execute_command", arguments={"command": "echo y >> log"})
    assert "used for another call" in result_text(other)
    assert (ws / "log").read_text() == "x\n"


async def test_after_a_crash_in_the_middle_a_call_is_interrupted_and_never_run_again(ws, tmp_path) -> None:
    before = parts(tmp_path, config(tmp_path))
    call = {"call": "c", "tool": "execute_command", "arguments": {"command": "echo x >> log"}}
    asked = before.judge.judge(came("c", call["tool"], call["arguments"]))
    before.journal.receive(call="c", what=asked.what, tool=call["tool"], same=asked.same, digest=asked.same)
    before.journal.start("c")
    before.journal.close()  # and here it is killed

    after = parts(tmp_path, config(tmp_path))
    await after.calls.recover()
    assert after.record.of("tool.outcome")[0]["summary"] == INTERRUPTED
    assert "may or may not have happened" in result_text(await after.calls.call(**call))
    assert not (ws / "log").exists()
    await after.calls.recover()
    assert len(after.record.of("tool.outcome")) == 1


async def test_after_a_crash_while_it_waited_a_call_waits_on(ws, tmp_path) -> None:
    before = parts(tmp_path, config(tmp_path, **ASK))
    call = {"call": "c", "tool": "write_file", "arguments": {"path": "a", "content": "x"}}
    task = asyncio.create_task(before.calls.call(**call))
    await until(lambda: before.record.requests)
    before.journal.close()  # killed: nothing of it runs on
    task.cancel()
    with pytest.raises(Exception, match="closed"):
        await task

    after = parts(tmp_path, config(tmp_path, **ASK))
    await after.calls.recover()
    assert after.record.events == []
    again = asyncio.create_task(after.calls.call(**call))
    await until(lambda: after.record.requests)
    assert after.record.of("tool.intent") == []  # it is in the stream already
    await decide(after, "Approved")
    assert (await again).is_error is False
    assert (ws / "a").exists()


async def test_a_bus_that_is_away_holds_the_effect_back(ws, tmp_path) -> None:
    record = ListRecord(down=asyncio.Event())
    p = parts(tmp_path, config(tmp_path), record=record)
    task = asyncio.create_task(
        p.calls.call(call="c", tool="write_file", arguments={"path": "a", "content": "x"})
    )
    await until(lambda: p.journal.entry("c") is not None)
    assert not (ws / "a").exists()
    record.down.set()
    assert (await task).is_error is False


async def test_a_cancelled_run_starts_nothing_and_what_ran_has_an_end(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    task = asyncio.create_task(
        p.calls.call(call="1", tool="execute_command", arguments={"command": "touch on; sleep 60"})
    )
    await until((ws / "on").exists)
    await p.calls.cancel("olivia said so")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "may have taken effect in part" in p.record.of("tool.outcome")[0]["summary"]
    result = await p.calls.call(call="2", tool="list_directory", arguments={"path": "."})
    assert "olivia said so" in result_text(result)


async def test_the_digest_is_of_run_tool_target_arguments_and_policy(ws, tmp_path) -> None:
    digests = set()
    for digest, arguments in (("1", {"path": "a"}), ("1", {"path": "b"}), ("2", {"path": "a"})):
        p = parts(tmp_path, config(tmp_path, digest=digest))
        digests.add(p.judge.judge(came("c", "read_file", arguments)).same)
        p.journal.close()
    assert len(digests) == 3


@pytest.mark.parametrize("action", ["deny", "ask"])
async def test_where_a_page_sends_us_is_judged_like_a_call(ws, tmp_path, action: str) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /secret\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    rules = [{"tool": "fetch_url", "action": action, "when": "args.url.endsWith('/secret')"}]
    p = parts(tmp_path, config(tmp_path, toolGating={"rules": rules}), allowed=lambda a: a.is_loopback)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    result = await p.calls.call(call="c", tool="fetch_url", arguments={"url": url})
    listener.close()
    assert "which was not followed" in result_text(result)
    assert len(seen) == 1


async def test_rules_see_arguments_and_run(ws, tmp_path) -> None:
    rules = [
        {"tool": "write_file", "action": "deny", "when": "args.path.startsWith('secret/') && run.name == 'r'"}
    ]
    settings = config(tmp_path, toolGating={"rules": rules}).model_copy(update={"context": {"name": "r"}})
    p = parts(tmp_path, settings)
    for number, path in enumerate(("secret/a", "./secret//a", "/workspace/secret/a", "x/../secret/a")):
        arguments = {"path": path, "content": "x"}
        assert (
            await p.calls.call(call=f"c{number}", tool="write_file", arguments=arguments)
        ).is_error is True
    assert list(ws.iterdir()) == []
    open_path = {"path": "open/a", "content": "x"}
    assert (await p.calls.call(call="d", tool="write_file", arguments=open_path)).is_error is False


NOT_A_TOOL = [
    "Read_file",
    "read_file ",
    "read_file\u200b",
    "re\u0430d_file",
    "read\u2024file",
    "shell_read_file",
    "read_file\n",
]


@pytest.mark.parametrize("name", NOT_A_TOOL)
async def test_what_looks_like_a_tool_is_none(ws, tmp_path, name: str) -> None:
    (ws / "a").write_text("here")
    p = parts(tmp_path, config(tmp_path))
    result = await p.calls.call(call="c", tool=name, arguments={"path": "a"})
    assert "there is no tool" in result_text(result)
    assert p.record.of("tool.intent")[0]["verdict"]["rule"] == "undeclared tool"


async def test_a_watching_policy_is_on_the_record(ws, tmp_path) -> None:
    p = parts(
        tmp_path, config(tmp_path, enforcement="Audit", toolGating={"defaultAction": "deny", "rules": []})
    )
    assert (await p.calls.call(call="c", tool="list_directory", arguments={"path": "."})).is_error is False
    verdict = p.record.of("tool.intent")[0]["verdict"]
    assert (verdict["action"], verdict["audited"]["action"]) == ("allow", "deny")
    assert verdict["audited"]["rule"] == "p: toolGating.defaultAction (deny)"
    denied = parts(
        tmp_path, config(tmp_path, toolGating={"defaultAction": "deny", "rules": []}), journal_dir=ws
    )
    result = await denied.calls.call(call="c", tool="list_directory", arguments={"path": "."})
    verdict = denied.record.of("tool.intent")[0]["verdict"]
    assert verdict.get("instead", "") in result_text(result)
