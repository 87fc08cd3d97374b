"""Skills over real sockets: names, calls, and sidecars that are not there or go away."""

import asyncio

import mcp_types as types
import pytest
from tools_parts import config, parts, shell

from sympozium.mcpsocket import listen, result_text, text_result, tool_server
from sympozium.telemetry import tracecontext
from sympozium.tools.catalogue import Catalogue
from sympozium.tools.names import exposed
from sympozium.tools.skills import Skill, SkillLostError


@pytest.mark.parametrize(
    ("skill", "tool", "name"),
    [
        ("k8s-ops", "kubectl_get", "kubectl_get"),
        ("k8s-ops", "restart", "k8s_ops_restart"),
        ("github", "kubectl_get", "github_kubectl_get"),
        ("read", "file", "skill_read_file"),
        ("kubectl", "get", "skill_kubectl_get"),
        ("a.b/c", "d e", "a_b_c_d_e"),
        ("x", "y" * 100, "x_" + "y" * 62),
    ],
)
def test_names(skill: str, tool: str, name: str) -> None:
    assert exposed(skill, tool) == name


def test_a_skill_cannot_take_the_name_of_another_target(tmp_path) -> None:
    for name in ("shell", "tools"):
        with pytest.raises(ValueError, match="cannot be called"):
            Catalogue(skills=[Skill(name, str(tmp_path / "s"), start_wait=1)], has_shell=True)


def sidecar(*names: str, answer=None):
    async def list_tools():
        schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
        return [types.Tool(name=n, description="d", input_schema=schema) for n in names]

    async def call_tool(name, arguments, meta):
        return await answer(name, arguments) if answer else text_result(f"{name} {sorted(arguments.items())}")

    return tool_server("sidecar", list_tools=list_tools, call_tool=call_tool)


async def test_a_sidecar_is_told_of_its_span_and_logs_within_it(tmp_path, background) -> None:
    heard = []

    async def answer(name, arguments):
        heard.append(tracecontext.current())
        return text_result("x")

    skill, path = Skill("k", str(tmp_path / "k"), start_wait=10), str(tmp_path / "k")
    call = tracecontext.new()
    async with listen(sidecar("go", answer=answer), path):
        background(skill.run())
        with tracecontext.within(call):
            await skill.call("go", {})
        await skill.call("go", {})
    assert heard == [call.within(tracecontext.derived(call.span_id, "skill")), None]


@pytest.fixture
async def background():
    tasks: list[asyncio.Task] = []
    yield lambda coroutine: tasks.append(asyncio.create_task(coroutine))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_tools_of_a_skill_pass_the_same_way_and_commands_have_targets(tmp_path, background) -> None:
    skill = Skill("k8s-ops", str(tmp_path / "k"), start_wait=10)
    background(skill.run())
    gating = {"rules": [{"tool": "execute_command", "target": "k8s-ops", "action": "deny"}]}
    sidecar_server = sidecar("kubectl_get", "restart", "execute_command")
    with shell(tmp_path):
        async with listen(sidecar_server, str(tmp_path / "k")):
            p = parts(tmp_path, config(tmp_path), skills=[skill])
            tools = {t.name: t for t in await p.calls.list_tools()}
            assert {"kubectl_get", "k8s_ops_restart", "execute_command"} <= set(tools)
            assert tools["execute_command"].input_schema["properties"]["target"]["enum"] == [
                "shell",
                "k8s-ops",
            ]
            result = await p.calls.call(call="1", tool="k8s_ops_restart", arguments={"a": "b"})
            assert result_text(result) == "restart [('a', 'b')]"
            assert p.record.of("tool.intent")[0]["target"] == "k8s-ops"
            wrong = await p.calls.call(call="2", tool="kubectl_get", arguments={"b": "c"})
            assert "'b' was unexpected" in result_text(wrong)
            command = {"command": "x", "target": "k8s-ops"}
            result = await p.calls.call(call="3", tool="execute_command", arguments=command)
            assert result_text(result) == "execute_command [('command', 'x')]"
            p.journal.close()
            denied = parts(tmp_path, config(tmp_path, toolGating=gating), skills=[skill])
            result = await denied.calls.call(call="4", tool="execute_command", arguments=command)
            assert "execute_command on k8s-ops: deny" in result_text(result)


async def test_a_skill_that_does_not_come_up_costs_its_own_tools_alone(tmp_path, background) -> None:
    skill = Skill("dead", str(tmp_path / "nothing"), start_wait=0.1)
    background(skill.run())
    with shell(tmp_path):
        p = parts(tmp_path, config(tmp_path), skills=[skill])
        assert "read_file" in {t.name for t in await p.calls.list_tools()}
        result = await p.calls.call(call="1", tool="dead_do", arguments={})
        assert "the skill dead is not there: nothing listens" in result_text(result)
        assert (
            await p.calls.call(call="2", tool="list_directory", arguments={"path": "."})
        ).is_error is False


async def test_a_skill_that_goes_away_in_a_call_is_said_and_found_again(tmp_path, background) -> None:
    skill = Skill("s", str(tmp_path / "s"), start_wait=10)
    background(skill.run())
    called = asyncio.Event()

    async def hang(name, arguments):
        called.set()
        await asyncio.Event().wait()

    async with listen(sidecar("do", answer=hang), str(tmp_path / "s")):
        call = asyncio.create_task(skill.call("do", {}))
        async with asyncio.timeout(60):
            await called.wait()
    with pytest.raises(SkillLostError, match="whether it took effect is not known"):
        await call
    async with listen(sidecar("do"), str(tmp_path / "s")):
        assert await skill.call("do", {}) == ("do []", False)


async def test_a_tool_that_fails_is_an_error_and_not_a_lost_skill(tmp_path, background) -> None:
    skill = Skill("s", str(tmp_path / "s"), start_wait=10)
    background(skill.run())

    async def fail(name, arguments):
        raise RuntimeError("it broke")

    async with listen(sidecar("do", answer=fail), str(tmp_path / "s")):
        text, is_error = await skill.call("do", {})
        assert is_error is True
        assert text.startswith("s: ")
        assert (await skill.call("do", {}))[1] is True
