"""The loop with the model's words given: what it asks, what it records, and every way to end."""

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import looptime  # noqa: F401 - the plugin for virtual time
import pytest

from sympozium.agent.loop import Loop, parse_arguments
from sympozium.agent.model import Answer, ToolCall
from sympozium.agent.outcome import RunError, Usage
from sympozium.agent.toolbox import ToolResult
from sympozium.agent.transcript import Transcript
from sympozium.api.conversation import Call, Turn
from sympozium.api.runconfig import AgentConfigFile, AgentLimits, AgentModel, RunRef


@dataclass
class Record:
    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def publish(self, kind: str, data: Mapping[str, Any]) -> int:
        json.dumps(data)
        self.events.append((kind, data))
        return len(self.events)

    async def publish_delta(self, data: Mapping[str, Any]) -> None:
        self.events.append(("model.delta", data))

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [data for name, data in self.events if name == kind]


@dataclass
class Words:
    """Answers in order; the last one again and again. An exception is raised instead."""

    answers: list[Any]
    heard: list[list[dict]] = field(default_factory=list)

    async def answer(self, messages, tools, on_text):
        self.heard.append(json.loads(json.dumps(messages)))
        said = self.answers[min(len(self.heard), len(self.answers)) - 1]
        if isinstance(said, BaseException):
            raise said
        if said is None:
            await asyncio.Event().wait()
        if said.text:
            await on_text(said.text)
        return Answer(
            said.text, [ToolCall(c.id, c.name, c.arguments) for c in said.calls], said.usage, said.finish
        )


@dataclass
class Tools:
    made: list[tuple] = field(default_factory=list)
    number: int = 0

    async def tools(self):
        return [{"type": "function", "function": {"name": "ls", "description": "", "parameters": {}}}]

    def next_id(self, name, arguments):
        self.number += 1
        return f"c-{self.number}"

    async def call(self, call_id, name, arguments, *, malformed=None):
        self.made.append((call_id, name, arguments, malformed))
        return ToolResult(
            "no such file" if name == "fail" else f"result of {call_id}", is_error=name == "fail"
        )


def say(text: str = "", *calls: tuple[str, str], finish: str = "stop", ids: bool = True) -> Answer:
    made = [ToolCall(f"m{n}" if ids else "", name, arguments) for n, (name, arguments) in enumerate(calls)]
    return Answer(text, made, Usage(10, 5), "tool_calls" if made else finish)


def loop(
    *answers, steps: int = 10, seconds: float = 100, argument_bytes: int = 1000, system: str = "You are x."
):
    config = AgentConfigFile(
        run=RunRef(namespace="n", name="r", uid="u", instance="i", agent_id="i", session_key="s"),
        task="Do it.", system_prompt=system, model=AgentModel(provider="p", model="m"),
        limits=AgentLimits(max_steps=steps, timeout_seconds=seconds, max_argument_bytes=argument_bytes),
    )  # fmt: skip
    return Loop(config, Words(list(answers)), Tools(), Record(), Transcript(io.StringIO()))


async def test_an_answer_without_calls_is_the_result() -> None:
    one = loop(say("All well."))
    outcome = await one.run()
    assert (outcome.phase, outcome.reason, outcome.result, outcome.steps) == (
        "Succeeded",
        "Completed",
        "All well.",
        1,
    )
    assert outcome.exit_code == 0
    assert [kind for kind, _ in one.record.events] == [
        "run.started",
        "step.started",
        "model.delta",
        "model.message",
    ]
    [started] = one.record.of("run.started")
    assert started | {"span": ""} == {"model": "m", "provider": "p", "tools": ["ls"], "span": ""}
    assert one.model.heard[0] == [
        {"role": "system", "content": "You are x."}, {"role": "user", "content": "Do it."},
    ]  # fmt: skip


async def test_calls_are_made_in_order_and_their_results_go_back() -> None:
    one = loop(say("Look.", ("ls", '{"a": 1}'), ("fail", "")), say("Done."))
    outcome = await one.run()
    assert one.toolbox.made == [("c-1", "ls", {"a": 1}, None), ("c-2", "fail", {}, None)]
    _, _, said, first, second = one.model.heard[1]
    assert [c["id"] for c in said["tool_calls"]] == ["m0", "m1"]
    assert first == {"role": "tool", "tool_call_id": "m0", "content": "result of c-1"}
    assert second["content"] == "error: no such file"
    assert outcome.usage == Usage(20, 10)
    # The record has the ids under which the tool server knows the calls.
    assert [c["id"] for c in one.record.of("model.message")[0]["toolCalls"]] == ["c-1", "c-2"]


async def test_calls_without_ids_get_some() -> None:
    one = loop(say("", ("ls", "{}"), ids=False), say("Done."))
    await one.run()
    assert one.model.heard[1][3]["tool_call_id"] == one.model.heard[1][2]["tool_calls"][0]["id"] != ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": ', "not valid JSON"),
        ("[1]", "must be a JSON object, not list"),
        ("3", "not int"),
        (r'{"a": "echo \ud800"}', "half a surrogate pair"),
        ('{"a": NaN}', "NaN is no JSON value"),
        ('{"path": "a", "path": "/etc"}', "the key 'path' stands there twice"),
        ('{"a": [{"b": 1, "\\u0062": 2}]}', "the key 'b' stands there twice"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nested deeper than 64"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
    ],
)
async def test_malformed_arguments_reach_the_tool_server_as_such(text: str, says: str) -> None:
    one = loop(say("", ("ls", text)), say("Sorry."))
    assert (await one.run()).phase == "Succeeded"
    assert says in one.toolbox.made[0][3]
    remembered = one.model.heard[1][2]["tool_calls"][0]["function"]["arguments"]
    json.loads(remembered)  # an endpoint would refuse the conversation otherwise


async def test_huge_arguments_do_not_stay_in_the_conversation_or_on_the_record() -> None:
    one = loop(say("", ("ls", json.dumps({"a": "x" * 2_000_000}))), say("Done."))
    await one.run()
    assert len(one.toolbox.made[0][2]["a"]) == 2_000_000  # the tool server refuses it, on the record
    assert "characters of arguments" in one.model.heard[1][2]["tool_calls"][0]["function"]["arguments"]
    assert len(json.dumps(one.model.heard[1])) < 2000
    assert len(json.dumps(one.record.events)) < 50_000


async def test_many_calls_fit_into_one_event() -> None:
    one = loop(say("y" * 1_000_000, *[("ls", json.dumps({"a": "ä" * 20_000}))] * 100), say("Done."))
    await one.run()
    assert len(json.dumps(one.record.of("model.message")[0])) < 900_000


async def test_secrets_in_arguments_are_masked_on_the_record() -> None:
    one = loop(say("", ("ls", '{"a": "sk-abcdefghijklmnopqrst"}')), say("Done."))
    await one.run()
    assert "sk-abc" not in json.dumps(one.record.events)
    assert one.toolbox.made[0][2] == {"a": "sk-abcdefghijklmnopqrst"}


async def test_the_step_limit() -> None:
    one = loop(say("Again.", ("ls", "{}")), steps=3)
    outcome = await one.run()
    assert (outcome.reason, outcome.steps, outcome.result) == ("StepLimit", 3, "Again.")
    assert "after 3 steps" in outcome.error
    assert outcome.usage == Usage(30, 15)
    assert outcome.exit_code == 1


@pytest.mark.looptime
async def test_the_timeout() -> None:
    outcome = await loop(say("", ("ls", "{}")), None, seconds=60).run()
    assert (outcome.reason, outcome.steps) == ("Timeout", 2)
    assert "timeout of 60 s" in outcome.error


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (say("Half an ans", finish="length"), "TokenLimit"),
        (say("", finish="content_filter"), "ModelError"),
        (say("  "), "ModelError"),
        (RunError("ModelUnreachable", "nobody there"), "ModelUnreachable"),
        (RunError("ToolServerLost", "gone"), "ToolServerLost"),
    ],
)
async def test_ends_that_are_none(answer, reason: str) -> None:
    outcome = await loop(answer).run()
    assert (outcome.phase, outcome.reason) == ("Failed", reason)
    assert outcome.error


async def test_without_a_system_prompt_there_is_no_system_message() -> None:
    one = loop(say("x"), system="")
    await one.run()
    assert [m["role"] for m in one.model.heard[0]] == ["user"]


def test_no_arguments_are_an_empty_object() -> None:
    assert parse_arguments(ToolCall("", "ls", "")) == ({}, None)


async def test_the_list_of_tools_is_asked_for_before_each_step_but_the_first_twice() -> None:
    one = loop(say("", ("ls", "{}")), say("", ("ls", "{}")), say("Done."))
    asked = 0
    tools = one.toolbox.tools

    async def counted():
        nonlocal asked
        asked += 1
        return await tools()

    one.toolbox.tools = counted
    assert (await one.run()).phase == "Succeeded"
    assert (asked, one.steps) == (3, 3)


async def test_what_was_said_before_is_told_to_the_model() -> None:
    one = loop(say("Done."))
    one.config.history = [
        Turn(role="user", content="Look."),
        Turn(role="assistant", content="", calls=[Call(id="was-1", name="ls", arguments="{}")]),
        Turn(role="tool", content="etc", call_id="was-1"),
    ]
    await one.run()
    call = {"id": "was-1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
    assert one.model.heard[0][1:] == [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "was-1", "content": "etc"},
        {"role": "user", "content": "Do it."},
    ]
    assert one.record.of("run.started")[0]["before"] == 3


async def test_a_run_without_a_task_of_its_own_goes_on_from_what_was_said() -> None:
    one = loop(say("Done."))
    one.config.history, one.config.task = [Turn(role="user", content="Look.")], None
    await one.run()
    assert [message["content"] for message in one.model.heard[0]] == ["You are x.", "Look."]
