"""From a request to the next answer: pure, a function of the script and of the messages.

The conversation is walked from its last user message: for each assistant message in it, the
step that made it takes its captures from the tool results that follow, and its branches say
which step came next. The step reached at the end is the one to play.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sympozium.rehearsal.script import BANNER, Branch, Rule, Script, Step
from sympozium.rehearsal.template import ScriptError, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_SCRIPT = (
    "There is no script for this task: the built-in one plays the heartbeat of an SRE agent that has the "
    "kubectl tools. Give the instance a real model (OPENAI_BASE_URL and OPENAI_API_KEY in its authRefs "
    "Secret), or this endpoint a script of yours (docs/rehearsal.md)."
)


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. `step` is None when no rule fitted; `place` names rule and step for the log."""

    text: str
    calls: tuple[ToolCall, ...]
    step: Step | None
    place: str

    @property
    def finish_reason(self) -> str:
        if self.step is not None and self.step.finish:
            return self.step.finish
        return "tool_calls" if self.calls else "stop"


@dataclass(slots=True)
class _Turn:
    """An assistant message and the text of the tool results that follow it."""

    results: list[str] = field(default_factory=list)


def reply(script: Script, request: dict[str, Any]) -> Reply:
    """The next answer to a `POST /v1/chat/completions` body. ScriptError when the script has a hole."""
    messages: list[dict[str, Any]] = request.get("messages") or []
    task, turns = _conversation(messages)
    rule = next((rule for rule in script.rules if _fits(rule, request, messages, task)), None)
    if rule is None:
        text = f"{BANNER}\n{_NO_SCRIPT}" if script.banner else _NO_SCRIPT
        return Reply(text=text, calls=(), step=None, place="no rule fits")
    step, values = _walk(rule, task, turns)
    place = f"{rule.name}/{step.id}"
    try:
        text = fill(step.say, values)
        calls = tuple(
            ToolCall(
                id=f"call_{len(turns) + 1}_{index + 1}",
                name=call.tool,
                arguments=call.raw if call.raw is not None else json.dumps(fill(call.arguments, values)),
            )
            for index, call in enumerate(step.call)
        )
    except ScriptError as error:
        raise ScriptError(f"{place}: {error}") from error
    if script.banner and (not turns or not calls):
        text = f"{BANNER}\n{text}" if text else BANNER
    return Reply(text=text, calls=calls, step=step, place=place)


def _conversation(messages: list[dict[str, Any]]) -> tuple[str, list[_Turn]]:
    """The last user message, and the turns since."""
    last = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    turns: list[_Turn] = []
    for message in messages[last + 1 :]:
        if message.get("role") == "assistant":
            turns.append(_Turn())
        elif message.get("role") == "tool" and turns:
            turns[-1].results.append(text_of(message))
    return (text_of(messages[last]) if last >= 0 else ""), turns


def _before(messages: list[dict[str, Any]]) -> str:
    """What was said before the last user message, one line `role: text` each."""
    last = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=0)
    said = (m for m in messages[:last] if m.get("role") in ("user", "assistant", "tool"))
    return "\n".join(f"{m['role']}: {text_of(m)}" for m in said)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message, whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [] if isinstance(part, dict))


def _fits(rule: Rule, request: dict[str, Any], messages: list[dict[str, Any]], task: str) -> bool:
    match = rule.match
    if match.model and not match.model.search(str(request.get("model", ""))):
        return False
    system = "\n".join(text_of(m) for m in messages if m.get("role") in ("system", "developer"))
    if match.system and not match.system.search(system):
        return False
    if match.task and not match.task.search(task):
        return False
    if match.before and not match.before.search(_before(messages)):
        return False
    offered = {(tool.get("function") or {}).get("name") for tool in request.get("tools") or []}
    return set(match.tools) <= offered


def _walk(rule: Rule, task: str, turns: list[_Turn]) -> tuple[Step, dict[str, str]]:
    values: dict[str, str] = {"task": task}
    step = rule.steps[0]
    history: list[str] = []
    for turn in turns:
        result = "\n".join(turn.results)
        history.append(result)
        values["result"] = result
        values[f"result_of_{step.id.replace('-', '_')}"] = result
        values.update(_captured(step, {"result": result, "history": "\n".join(history), "task": task}))
        step = _following(rule, step, values, result)
    return step, values


def _captured(step: Step, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    for capture in step.capture:
        for alternative in capture.first:
            found = alternative.pattern.search(texts[capture.of])
            if found:
                yield from ((k, v) for k, v in found.groupdict().items() if v is not None)
                yield from alternative.set.items()
                break


def _following(rule: Rule, step: Step, values: dict[str, str], result: str) -> Step:
    for branch in step.next:
        if _holds(branch, values, result):
            return rule.step(branch.goto)
    index = rule.steps.index(step)
    # Behind the last step it is played again: a model always has an answer.
    return rule.steps[min(index + 1, len(rule.steps) - 1)]


def _holds(branch: Branch, values: dict[str, str], result: str) -> bool:
    if any(not values.get(name) for name in branch.set) or any(values.get(name) for name in branch.unset):
        return False
    return branch.matches is None or branch.matches.search(result) is not None
