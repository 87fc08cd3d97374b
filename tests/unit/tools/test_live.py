"""What the control plane changes while the run goes on: the policy, the freeze; in order, and over a restart."""

import asyncio

import pytest
from tools_parts import changed, config, parts, shell, until

from sympozium.api.shared import ToolPolicy
from sympozium.mcpsocket import result_text
from sympozium.tools.approvals import Decision
from sympozium.tools.consent import VOID

ASK = {"toolGating": {"defaultAction": "ask", "rules": []}}
DENY = {"toolGating": {"defaultAction": "deny", "rules": []}}
TOUCH = {"tool": "execute_command", "arguments": {"command": "echo x >> log"}}


@pytest.fixture
def ws(tmp_path):
    with shell(tmp_path) as workspace:
        yield workspace


def another(tmp_path, digest="sha256:1", **spec):
    return changed(config(tmp_path, digest=digest, generation=2, **spec))


async def test_a_changed_policy_judges_the_next_call_and_what_is_offered(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    assert (await p.calls.call(call="1", **TOUCH)).is_error is False
    assert await p.live.change_policy(7, another(tmp_path, **DENY)) is True
    assert p.live.rules.applied() == {"name": "p", "generation": 2, "digest": "sha256:1"}
    result = await p.calls.call(call="2", **TOUCH)
    assert "no rule names it" in result_text(result)
    assert await p.calls.list_tools() == []
    assert [i["policy"] for i in p.record.of("tool.intent")] == ["sha256:0", "sha256:1"]
    assert (ws / "log").read_text() == "x\n"


async def test_tool_policies_and_the_wait_for_a_person_change_with_it(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    await p.live.change_policy(
        1, another(tmp_path, tool_policies=[ToolPolicy(deny=["execute_*"])], timeout=7)
    )
    assert "toolPolicy" in result_text(await p.calls.call(call="1", **TOUCH))
    assert p.live.rules.approval_timeout == 7
    assert "execute_command" not in [t.name for t in await p.calls.list_tools()]


async def test_an_older_message_that_comes_again_changes_nothing(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    assert await p.live.change_policy(7, another(tmp_path, **DENY)) is True
    for sequence in (7, 6):
        assert await p.live.change_policy(sequence, another(tmp_path, "sha256:old")) is False
    assert p.live.rules.digest == "sha256:1"
    assert (await p.calls.call(call="1", **TOUCH)).is_error is True


async def test_a_policy_that_cannot_be_understood_is_refused_and_the_old_one_holds(
    ws, tmp_path, caplog
) -> None:
    p = parts(tmp_path, config(tmp_path))
    data = another(tmp_path)
    data["policy"]["layers"] = []
    assert await p.live.change_policy(7, data) is False
    assert p.live.rules.digest == "sha256:0"
    assert "cannot be applied" in caplog.text
    assert await p.live.change_policy(6, another(tmp_path)) is True  # nothing of it was kept


async def test_policy_and_freeze_survive_a_crash(ws, tmp_path) -> None:
    before = parts(tmp_path, config(tmp_path))
    await before.live.change_policy(3, another(tmp_path, **DENY))
    await before.live.freeze(4, {"frozen": True, "reason": "stop"})
    before.journal.close()
    after = parts(tmp_path, config(tmp_path))
    assert after.live.rules.digest == "sha256:1"
    assert after.live.frozen is True
    assert await after.live.freeze(4, {"frozen": False, "reason": "again"}) is False
    assert await after.live.freeze(5, {"frozen": False, "reason": "go"}) is True
    assert (await after.calls.call(call="1", **TOUCH)).is_error is True


async def test_a_call_that_waits_for_a_person_is_judged_by_the_new_policy(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    await p.live.change_policy(1, another(tmp_path, **DENY))
    assert "denied: policy p denies" in result_text(await task)
    assert [(a["state"], a.get("comment")) for a in p.record.of("tool.approval")] == [
        ("waiting", None), ("Expired", VOID),
    ]  # fmt: skip
    assert [i["verdict"]["action"] for i in p.record.of("tool.intent")] == ["ask", "deny"]
    assert not (ws / "log").exists()


async def test_a_new_policy_that_asks_as_well_asks_anew_and_the_old_decision_is_void(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    old = p.record.requests[0]["argsDigest"]
    await p.live.change_policy(1, another(tmp_path, **ASK))
    await until(lambda: len(p.record.requests) == 2)
    assert await p.approvals.decided(Decision("1", old, "Approved")) is False
    new = p.record.requests[1]["argsDigest"]
    assert new != old
    assert not task.done()
    assert await p.approvals.decided(Decision("1", new, "Approved")) is True
    assert (await task).is_error is False
    assert (ws / "log").read_text() == "x\n"


async def test_a_changed_wait_alone_asks_anew_too(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    await p.live.change_policy(1, another(tmp_path, "sha256:0", timeout=9, **ASK))
    await until(lambda: len(p.record.requests) == 2)
    assert p.record.requests[1]["expiresIn"] == 9
    await p.approvals.decided(Decision("1", p.record.requests[1]["argsDigest"], "Approved"))
    assert (await task).is_error is False


async def test_the_same_policy_again_disturbs_nobody(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    assert await p.live.change_policy(1, changed(config(tmp_path, **ASK))) is True
    await p.approvals.decided(Decision("1", p.record.requests[0]["argsDigest"], "Approved"))
    assert (await task).is_error is False
    assert len(p.record.requests) == 1


async def test_after_a_crash_what_waited_under_another_policy_is_void(ws, tmp_path) -> None:
    before = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(before.calls.call(call="1", **TOUCH))
    await until(lambda: before.record.requests)
    before.journal.keep("policy.changed", 9, another(tmp_path, **DENY))  # and here it is killed
    before.journal.close()
    task.cancel()
    with pytest.raises(Exception, match="closed"):
        await task
    after = parts(tmp_path, config(tmp_path, **ASK))
    assert "denied: policy p" in result_text(await after.calls.call(call="1", **TOUCH))
    assert [a["state"] for a in after.record.of("tool.approval")] == ["Expired"]


async def test_a_frozen_run_holds_calls_and_steps_and_lets_them_go(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    await p.live.freeze(1, {"frozen": True, "reason": "stop"})
    call = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    step = asyncio.create_task(p.calls.list_tools())
    await until(lambda: p.record.of("tool.intent"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not call.done()
    assert not step.done()
    assert p.calls.in_flight() == []
    assert p.journal.entry("1").state == "received"
    await p.live.freeze(2, {"frozen": False, "reason": "go"})
    assert (await call).is_error is False
    assert len(await step) == 8
    assert (ws / "log").read_text() == "x\n"


async def test_a_policy_that_changes_in_the_freeze_judges_what_is_held(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    await p.live.freeze(1, {"frozen": True, "reason": "stop"})
    call = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.of("tool.intent"))
    await p.live.change_policy(2, another(tmp_path, **DENY))
    await p.live.freeze(3, {"frozen": False, "reason": "go"})
    assert "denied" in result_text(await call)
    assert not (ws / "log").exists()


async def test_a_freeze_during_the_wait_for_a_person_holds_the_approved_call(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    call = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    await p.live.freeze(1, {"frozen": True, "reason": "stop"})
    await p.approvals.decided(Decision("1", p.record.requests[0]["argsDigest"], "Approved"))
    await until(lambda: len(p.record.of("tool.approval")) == 2)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not call.done()
    await p.live.freeze(2, {"frozen": False, "reason": "go"})
    assert (await call).is_error is False


async def test_what_had_begun_is_named_while_it_runs(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    wait = {"command": "touch on; while [ ! -e go ]; do sleep 0.02; done"}
    call = asyncio.create_task(p.calls.call(call="1", tool="execute_command", arguments=wait))
    await until((ws / "on").exists)
    (flying,) = p.calls.in_flight()
    assert flying.pop("durationMs") >= 0
    assert flying == {"callId": "1", "tool": "execute_command", "target": "shell"}
    (ws / "go").touch()
    await call
    assert p.calls.in_flight() == []


async def test_a_cancel_ends_the_hold(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path))
    await p.live.freeze(1, {"frozen": True, "reason": "stop"})
    step = asyncio.create_task(p.calls.list_tools())
    await p.calls.cancel("enough")
    assert [t.name for t in await step]


async def test_a_policy_that_changes_and_changes_back_asks_anew_and_denies_nothing(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    await p.live.change_policy(1, another(tmp_path, **ASK))
    await until(lambda: len(p.record.requests) == 2)
    await p.live.change_policy(2, changed(config(tmp_path, **ASK)))
    await until(lambda: len(p.record.requests) == 3)
    first, _, third = (r["argsDigest"] for r in p.record.requests)
    assert first != third
    # What the control plane says of the first question, which it has noted as void, is not about the third.
    assert await p.approvals.decided(Decision("1", first, "Expired", comment=VOID)) is False
    assert await p.approvals.decided(Decision("1", third, "Approved")) is True
    assert (await task).is_error is False
    assert (ws / "log").read_text() == "x\n"


async def test_what_was_void_in_an_attempt_before_is_asked_anew(ws, tmp_path) -> None:
    """Its journal is empty, and the control plane answers the same question with what it has: that it was void."""
    p = parts(tmp_path, config(tmp_path, **ASK))
    task = asyncio.create_task(p.calls.call(call="1", **TOUCH))
    await until(lambda: p.record.requests)
    await p.approvals.decided(Decision("1", p.record.requests[0]["argsDigest"], "Expired", comment=VOID))
    await until(lambda: len(p.record.requests) == 2)
    await p.approvals.decided(Decision("1", p.record.requests[1]["argsDigest"], "Approved"))
    assert (await task).is_error is False
