"""What a person is shown of a call, where it comes from, and that what was shown is what runs."""

import asyncio
import json

import mcp_types as types
import pytest
from tools_parts import config, parts, shell, until

from sympozium.mcpsocket import result_text
from sympozium.tools.journal import Decision
from sympozium.tools.names import PREVIEW_TOOL

ASK = {"toolGating": {"defaultAction": "ask", "rules": []}}
WRITE = {"tool": "write_file", "arguments": {"path": "a", "content": "new\n"}}


@pytest.fixture
def ws(tmp_path):
    with shell(tmp_path) as workspace:
        yield workspace


class FakeSkill:
    """A skill whose sidecar is a function."""

    name = "ops"
    problem = None

    def __init__(self, answer=None, *tools: str) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict]] = []
        names = [*tools, "execute_command", *([PREVIEW_TOOL] if answer is not None else [])]
        self.tools = [types.Tool(name=n, input_schema={"type": "object"}) for n in names]

    @property
    def has_preview(self) -> bool:
        return self.answer is not None

    async def ready(self) -> None:
        pass

    async def call(self, tool: str, arguments: dict) -> tuple[str, bool]:
        self.calls.append((tool, arguments))
        if tool != PREVIEW_TOOL:
            return "done", False
        answer = self.answer() if callable(self.answer) else self.answer
        return (answer, False) if isinstance(answer, str) else (json.dumps(answer), False)


async def asked(p, **call):
    """The call in a task, when a person has been asked about it; and what was asked."""
    task = asyncio.create_task(p.calls.call(call="c", **call))
    await until(lambda: task.done() or p.record.requests)
    assert not task.done(), result_text(await task)
    return task, p.record.requests[-1]


async def decide(p, request, decision="Approved", **more) -> bool:
    return await p.approvals.decided(Decision("c", request["argsDigest"], decision, **more))


async def test_a_file_is_shown_as_a_diff_and_the_approval_is_of_that(ws, tmp_path) -> None:
    (ws / "a").write_text("old\n")
    p = parts(tmp_path, config(tmp_path, **ASK))
    task, request = await asked(p, **WRITE)
    assert request["preview"]["kind"] == "diff"
    assert "-old\n+new" in request["preview"]["text"]
    assert request["argsDigest"] == p.record.of("tool.intent")[0]["argsDigest"]
    await decide(p, request)
    assert (await task).is_error is False
    assert (ws / "a").read_text() == "new\n"


async def test_a_file_that_changed_since_is_not_written(ws, tmp_path) -> None:
    (ws / "a").write_text("old\n")
    p = parts(tmp_path, config(tmp_path, **ASK))
    task, request = await asked(p, **WRITE)
    (ws / "a").write_text("somebody was here\n")
    await decide(p, request)
    result = await task
    assert result.is_error is True
    assert "nothing was written" in result_text(result)
    assert (ws / "a").read_text() == "somebody was here\n"


async def test_after_a_crash_the_preview_is_the_one_that_was_shown(ws, tmp_path) -> None:
    (ws / "a").write_text("old\n")
    before = parts(tmp_path, config(tmp_path, **ASK))
    task, request = await asked(before, **WRITE)
    before.journal.close()
    task.cancel()
    with pytest.raises(Exception, match="closed"):
        await task
    (ws / "a").write_text("somebody was here\n")
    after = parts(tmp_path, config(tmp_path, **ASK))
    task, again = await asked(after, **WRITE)
    assert (again["argsDigest"], again["preview"]) == (request["argsDigest"], request["preview"])
    await decide(after, again)
    assert (await task).is_error is True
    assert (ws / "a").read_text() == "somebody was here\n"


async def test_a_later_attempt_on_another_workspace_is_asked_anew(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task, first = await asked(p, **WRITE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (ws / "a").write_text("not there before")
    (tmp_path / "second").mkdir()
    second = parts(tmp_path, config(tmp_path, **ASK), journal_dir=tmp_path / "second")
    await decide(second, first)  # the control plane sends what was decided for the first attempt
    task, request = await asked(second, **WRITE)
    assert request["argsDigest"] != first["argsDigest"]
    await decide(second, request, "Denied")
    assert (await task).is_error is True


async def test_an_approval_for_the_run_holds_for_the_same_call_on_another_state(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    task, request = await asked(p, **WRITE)
    await decide(p, request, scope="run")
    assert (await task).is_error is False
    (ws / "a").write_text("changed\n")
    again = await p.calls.call(call="d", **WRITE)
    assert again.is_error is False
    assert (ws / "a").read_text() == "new\n"
    assert len(p.record.requests) == 1


async def test_a_command_and_a_request_are_shown_as_they_would_run(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    command = {
        "command": "echo \u202e$(id) --token $(cat key) sk-abcdefghijklmnopqrstuvwx",
        "workdir": "./d//",
    }
    task, request = await asked(p, tool="execute_command", arguments=command)
    preview = request["preview"]
    assert preview["kind"] == "command"
    assert preview["text"] == "in shell, directory d:\necho \\u{202e}$(id) --token $(cat key) [masked]"
    assert preview["problem"] == (
        "what looks like a secret is masked; characters that cannot be seen are written as \\u{...}"
    )
    await decide(p, request, "Denied")
    await task


async def test_the_request_of_fetch_url(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    page = {
        "url": "https://example.com:8443/x?token=abcdefgh",
        "headers": {"Authorization": "Bearer abcdefghijkl"},
    }
    task, request = await asked(p, tool="fetch_url", arguments=page)
    assert request["preview"]["text"] == (
        "https://example.com:8443\nGET /x?token=[masked]\nHost: example.com:8443\nAuthorization: Bearer [masked]"
    )
    assert request["preview"]["kind"] == "request"
    await decide(p, request, "Denied")
    await task


DRY = {"kind": "dry-run", "text": "-replicas: 1\n+replicas: 3", "basis": "one"}
SCALE = {"tool": "execute_command", "arguments": {"command": "kubectl scale", "target": "ops"}}


async def test_a_skill_says_what_its_call_would_do_and_is_asked_again_before_it_does(ws, tmp_path) -> None:
    skill = FakeSkill(DRY)
    p = parts(tmp_path, config(tmp_path, **ASK), skills=[skill])
    task, request = await asked(p, **SCALE)
    assert request["preview"] == {"kind": "dry-run", "text": DRY["text"], "truncated": False}
    await decide(p, request)
    assert result_text(await task) == "done"
    inner = {"tool": "execute_command", "arguments": {"command": "kubectl scale"}}
    assert skill.calls == [
        (PREVIEW_TOOL, inner), (PREVIEW_TOOL, inner), ("execute_command", {"command": "kubectl scale"}),
    ]  # fmt: skip


async def test_what_would_be_something_else_by_now_is_refused(ws, tmp_path) -> None:
    answers = iter([DRY, DRY | {"basis": "two"}])
    skill = FakeSkill(lambda: next(answers))
    p = parts(tmp_path, config(tmp_path, **ASK), skills=[skill])
    task, request = await asked(p, **SCALE)
    await decide(p, request)
    result = await task
    assert "not what a person was shown" in result_text(result)
    assert p.record.of("tool.outcome")[0]["denied"] is True
    assert [tool for tool, _ in skill.calls] == [PREVIEW_TOOL, PREVIEW_TOOL]


BROKEN = {
    "no preview": (None, "does not say what its calls would do"),
    "no JSON": ("well", "cannot be read"),
    "no object": ("[]", "cannot be read"),
    "unknown kind": ({"kind": "magic", "text": "x"}, "unknown kind 'magic'"),
    "none": ({"kind": "none", "problem": "it only reads"}, "it only reads"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_without_a_preview_the_command_is_shown_and_why(ws, tmp_path, case: str) -> None:
    answer, says = BROKEN[case]
    p = parts(tmp_path, config(tmp_path, **ASK), skills=[FakeSkill(answer)])
    task, request = await asked(p, **SCALE)
    assert request["preview"]["kind"] == "command"
    assert request["preview"]["text"] == "in ops, directory .:\nkubectl scale"
    assert says in request["preview"]["problem"]
    await decide(p, request, "Denied")
    await task


async def test_a_preview_is_judged_too(ws, tmp_path) -> None:
    rules = [{"tool": "ops_sympozium_preview", "action": "deny"}, {"tool": "*", "action": "ask"}]
    skill = FakeSkill(DRY)
    p = parts(
        tmp_path, config(tmp_path, toolGating={"defaultAction": "deny", "rules": rules}), skills=[skill]
    )
    task, request = await asked(p, **SCALE)
    assert "there is no preview: policy p denies ops_sympozium_preview" in request["preview"]["problem"]
    assert skill.calls == []
    await decide(p, request, "Denied")
    await task


async def test_the_model_is_not_told_of_the_preview_tool_and_cannot_call_it(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path), skills=[FakeSkill(DRY, "look")])
    names = [tool.name for tool in await p.calls.list_tools()]
    assert "ops_look" in names
    assert not any("preview" in name for name in names)
    for name in (PREVIEW_TOOL, f"ops_{PREVIEW_TOOL}"):
        result = await p.calls.call(call=f"c-{name}", tool=name, arguments={"tool": "look", "arguments": {}})
        assert "there is no tool" in result_text(result)


async def test_a_call_that_would_fail_says_so(ws, tmp_path) -> None:
    p = parts(tmp_path, config(tmp_path, **ASK))
    edit = {"path": "a", "edits": [{"old": "x", "new": "y"}]}
    task, request = await asked(p, tool="edit_file", arguments=edit)
    assert request["preview"]["kind"] == "none"
    assert "there is no preview: a: No such file" in request["preview"]["problem"]
    await decide(p, request, "Denied")
    await task
