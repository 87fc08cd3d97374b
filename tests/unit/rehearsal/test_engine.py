"""From a conversation to the next answer: pure, on values."""

import json
import re
from pathlib import Path

import pytest
import yaml

from sympozium.rehearsal.engine import reply
from sympozium.rehearsal.script import BANNER, parse
from sympozium.rehearsal.template import ScriptError, fill


def script(*steps, match=None, banner=False):
    return parse({"banner": banner, "rules": [{"name": "r", "match": match or {}, "steps": list(steps)}]})


def conversation(*turns, task="Do it.", **more):
    """Each turn is the text of the tool results that followed an assistant message."""
    messages = [{"role": "system", "content": "You are x."}, {"role": "user", "content": task}]
    for results in turns:
        messages.append({"role": "assistant", "content": "..."})
        messages += [{"role": "tool", "tool_call_id": "1", "content": text} for text in results]
    return {"model": "m", "messages": messages, **more}


LOOK = {
    "id": "look",
    "call": [{"tool": "ls", "arguments": {"path": "{{task}}"}}],
    "capture": [{"first": [r"^(?P<name>\w+)\s+bad", {"pattern": "(?P<name>worse)", "set": {"how": "very"}}]}],
    "next": [{"set": "name", "goto": "found"}, {"goto": "none"}],
}
FOUND = {"id": "found", "say": "found {{name}} {{how|default(somewhat)}}"}
NONE = {"id": "none", "say": "nothing in {{result|head(1)}}"}


def test_a_call_is_made_with_filled_arguments() -> None:
    answer = reply(script(LOOK, FOUND, NONE), conversation())
    assert [(c.name, json.loads(c.arguments)) for c in answer.calls] == [("ls", {"path": "Do it."})]
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("results", "says"),
    [
        (["a ok\npod1   bad\n"], "found pod1 somewhat"),
        (["worse"], "found worse very"),
        (["all ok", "really"], "nothing in all ok"),
        (["x ok", "pod2 bad"], "found pod2 somewhat"),
    ],
)
def test_what_the_tools_printed_decides(results: list[str], says: str) -> None:
    answer = reply(script(LOOK, FOUND, NONE), conversation(results))
    assert (answer.text, answer.calls, answer.finish_reason) == (says, (), "stop")


def test_captures_last_over_steps_and_history_can_be_searched() -> None:
    middle = {"id": "found", "call": [{"tool": "cat", "arguments": {"name": "{{name}}"}}]}
    last = {
        "id": "last", "call": [{"tool": "x"}],
        "capture": [{"of": "history", "first": ["(?P<early>first words)"]}],
    }  # fmt: skip
    end = {"id": "end", "say": "{{name}}: {{early}}; {{result_of_look|head(1)}}"}
    s = script(LOOK, NONE, middle, last, end)
    turns = [["p1 bad first words"], ["log"], ["y"]]
    assert reply(s, conversation(*turns)).text == "p1: first words; p1 bad first words"


def test_only_the_last_task_counts() -> None:
    request = conversation(["p1 bad"])
    request["messages"] += [{"role": "assistant", "content": "done"}, {"role": "user", "content": "again"}]
    assert reply(script(LOOK, FOUND, NONE), request).calls[0].arguments == '{"path": "again"}'


def test_a_step_may_go_to_itself_for_ever() -> None:
    again = {"id": "again", "call": [{"tool": "x"}], "next": [{"goto": "again"}]}
    for turns in range(4):
        assert reply(script(again), conversation(*[["r"]] * turns)).calls[0].name == "x"


def test_rules_match_model_task_system_and_tools() -> None:
    request = conversation(tools=[{"type": "function", "function": {"name": "ls"}}])
    for match, fits in (
        ({"tools": ["ls"]}, True),
        ({"tools": ["ls", "rm"]}, False),
        ({"model": "^m$", "task": "Do", "system": "You"}, True),
        ({"model": "^n$"}, False),
        ({"task": "other"}, False),
        ({"system": "other"}, False),
    ):
        answer = reply(script({"say": "fits"}, match=match), request)
        assert (answer.text == "fits") is fits, match


def test_it_says_what_it_is() -> None:
    assert reply(script({"say": "hello"}, banner=True), conversation()).text == f"{BANNER}\nhello"
    assert reply(script({"say": "x"}, match={"task": "never"}, banner=True), conversation()).text.startswith(
        BANNER
    )


def test_a_hole_in_a_script_is_an_error_with_its_place() -> None:
    with pytest.raises(ScriptError, match=r"r/step-1: .*'nobody' has no value"):
        reply(script({"say": "{{nobody}}"}), conversation())


def test_filters() -> None:
    values = {"x": "1\n2\n3\n", "e": ""}
    assert (
        fill("{{x|head(1)}} {{x|tail(1)}} {{e|default(none)}} {{ no | default(-) }}", values) == "1 3 none -"
    )
    assert fill("{{x|head(2)|indent(2)}}", values) == "  1\n  2"
    assert fill("{{x|strip|prefix(>)}}{{no|prefix(>)|default()}}", values) == ">1\n2\n3"
    assert fill({"a": [{"repeat": "xy", "times": 3}], "b": 1}, {}) == {"a": ["xyxyxy"], "b": 1}
    with pytest.raises(ScriptError, match="no filter 'upper'"):
        fill("{{x|upper}}", values)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "must be a mapping"),
        ({"rulez": []}, "unknown key 'rulez'"),
        ({"rules": [{"steps": []}]}, r"rules\[0\].steps is empty"),
        ({"rules": [{"steps": [{"next": [{"goto": "x"}]}]}]}, "goes to 'x'"),
        ({"rules": [{"steps": [{"capture": [{"first": ["("]}]}]}]}, "no regular expression"),
        ({"rules": [{"steps": [{"capture": [{"of": "moon", "first": []}]}]}]}, "result, history or task"),
        ({"rules": [{"steps": [{"call": [{}]}]}]}, r"call\[0\].tool is missing"),
        ({"rules": [{"steps": [{"id": "a"}, {"id": "a"}]}]}, "same id"),
    ],
)
def test_mistakes_are_found_when_it_is_read(document, says: str) -> None:
    with pytest.raises(ScriptError, match=says):
        parse(document)


def test_the_scripts_of_the_documentation_are_scripts() -> None:
    page = (Path(__file__).parents[3] / "docs/rehearsal.md").read_text()
    blocks = [yaml.safe_load(b) for b in re.findall(r"```yaml\n(rules.*?|models.*?)```", page, re.DOTALL)]
    assert len(blocks) == 2
    first = parse(blocks[0])
    assert parse(blocks[1]).rules[0].steps[4].next[0].goto == "e"
    tools = [{"type": "function", "function": {"name": "list_directory"}}]
    request = conversation(["a.log\n"], task="check it", tools=tools) | {"model": "reh"}
    request["messages"][0]["content"] = "You are an engineer."
    assert reply(first, request).text == f"{BANNER}\nThere is a, a log."


def test_a_rule_may_look_at_what_was_said_before_the_task() -> None:
    asked = conversation(["all lost"])
    asked["messages"].append({"role": "user", "content": "And now?"})
    knows = {"id": "knows", "say": "I remember."}
    assert reply(script(knows, match={"before": "^tool: .*lost$"}), asked).text == "I remember."
    assert reply(script(knows, match={"before": "And now"}), asked).step is None
