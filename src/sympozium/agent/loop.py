"""The loop. It ends in exactly one Outcome, which says truthfully how."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sympozium.agent.outcome import Outcome, RunError, Usage
from sympozium.masking import mask_text
from sympozium.shortening import fit, shorten
from sympozium.telemetry import tracecontext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sympozium.agent.model import Answer, ToolCall
    from sympozium.agent.record import Record
    from sympozium.agent.toolbox import ToolResult
    from sympozium.agent.transcript import Transcript
    from sympozium.api.conversation import Turn
    from sympozium.api.runconfig import AgentConfigFile

_log = logging.getLogger(__name__)

SHOWN_TEXT = 300_000
"""Bytes of the model's text in its event; a message of the bus has room for 900 KiB."""
SHOWN_ARGUMENTS = 8000
"""Bytes of each call's arguments in it."""
MAX_DEPTH = 64
"""Levels of lists and objects in the arguments of a call; what writes them down again gives up at 255."""


class Asks(Protocol):
    """The model, as the loop uses it."""

    async def answer(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        on_text: Callable[[str], Awaitable[None]],
    ) -> Answer: ...


class Makes(Protocol):
    """The tool server, as the loop uses it."""

    async def tools(self) -> list[dict[str, Any]]: ...

    def next_id(self, name: str, arguments: str) -> str: ...

    async def call(
        self, call_id: str, name: str, arguments: dict[str, Any], *, malformed: str | None = None
    ) -> ToolResult: ...


@dataclass(slots=True)
class Loop:
    """One run of one agent."""

    config: AgentConfigFile
    model: Asks
    toolbox: Makes
    record: Record
    transcript: Transcript
    usage: Usage = field(default_factory=Usage)
    steps: int = 0
    last_text: str = ""
    models: list[str] = field(default_factory=list)

    async def run(self) -> Outcome:
        """Until the model answers without calls, or a limit or an error ends it. CancelledError passes through."""
        try:
            # Not asyncio.timeout around the clean-up as well: the outcome is published after this.
            async with asyncio.timeout(self.config.limits.timeout_seconds):
                return await self._converse()
        except TimeoutError:
            limit = self.config.limits.timeout_seconds
            return self.ended("Timeout", f"the run took longer than its timeout of {limit:g} s")
        except RunError as error:
            return self.ended(error.reason, str(error))

    def ended(self, reason: Any, error: str) -> Outcome:
        """The outcome of a run that did not complete, with what it had so far."""
        return Outcome(
            reason,
            result=self.last_text,
            error=error,
            usage=self.usage,
            steps=self.steps,
            models=tuple(self.models),
        )

    async def _converse(self) -> Outcome:
        config = self.config
        tools = await self.toolbox.tools()
        names = [tool["function"]["name"] for tool in tools]
        started = {"model": config.model.model, "provider": config.model.provider, "tools": names}
        before = {"before": len(config.history)} if config.history else {}
        await self.record.publish("run.started", started | before | {"span": tracecontext.new_span_id()})
        self.transcript.line(f"-- run {config.run.namespace}/{config.run.name}, model {config.model.model}")
        messages = opening(config)
        while self.steps < config.limits.max_steps:
            if self.steps:
                tools = await self.toolbox.tools()
            answer = await self._step(messages, tools)
            if not answer.calls:
                return self._answered(answer)
            for call in answer.calls:  # in order, one after the other, whatever the model had in mind
                message = await self._call(call)
                messages.append(message)
        return self.ended(
            "StepLimit",
            f"the model still called tools after {config.limits.max_steps} steps (maxSteps of the instance); "
            "give it a smaller task, or more steps",
        )

    async def _step(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Answer:
        self.steps += 1
        step = self.steps
        self.transcript.step(step)
        span = tracecontext.new_span_id()
        await self.record.publish("step.started", {"step": step, "span": span})

        async def on_text(piece: str) -> None:
            self.transcript.text(piece)
            await self.record.publish_delta({"step": step, "text": piece})

        began = time.monotonic()
        context = tracecontext.current()
        with tracecontext.within(context and context.within(span)):
            answer = await self.model.answer(messages, tools, on_text)
        took = int((time.monotonic() - began) * 1000)
        self.usage += answer.usage
        if answer.model and answer.model not in self.models:
            self.models.append(answer.model)
        self.last_text = answer.text or self.last_text
        for call in answer.calls:
            call.call_id = self.toolbox.next_id(call.name, call.arguments)
            call.id = call.id or call.call_id
        await self.record.publish("model.message", _message_event(step, answer) | {"durationMs": took})
        messages.append(_remembered(answer, self.config.limits.max_argument_bytes))
        return answer

    def _answered(self, answer: Answer) -> Outcome:
        if answer.finish == "length":
            return self.ended(
                "TokenLimit", "the endpoint cut the model's answer off at its limit of output tokens"
            )
        if answer.finish == "content_filter":
            return self.ended("ModelError", "the endpoint withheld the model's answer (content_filter)")
        if not answer.text.strip():
            return self.ended(
                "ModelError", "the model ended without saying anything and without calling a tool"
            )
        return Outcome(
            "Completed", result=answer.text, usage=self.usage, steps=self.steps, models=tuple(self.models)
        )

    async def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments, malformed = parse_arguments(call)
        self.transcript.call(call.name, call.arguments)
        result = await self.toolbox.call(call.call_id, call.name, arguments, malformed=malformed)
        self.transcript.result(result.text, is_error=result.is_error)
        text = f"error: {result.text}" if result.is_error else result.text
        return {"role": "tool", "tool_call_id": call.id, "content": text}


def opening(config: AgentConfigFile) -> list[dict[str, Any]]:
    """The messages before the first step."""
    messages = [_said(turn) for turn in config.history]
    if config.task is not None:
        messages.append({"role": "user", "content": config.task})
    if config.system_prompt:
        messages.insert(0, {"role": "system", "content": config.system_prompt})
    return messages


def _said(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call_id, "content": turn.content}
    message: dict[str, Any] = {"role": turn.role, "content": turn.content or None}
    if turn.calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in turn.calls
        ]
    return message


def parse_arguments(call: ToolCall) -> tuple[dict[str, Any], str | None]:
    """The arguments of a call, or what is wrong with them in words for the model."""
    text = call.arguments.strip() or "{}"
    try:
        value = _strict_json(text)
    except ValueError as error:
        return {}, f"the arguments of {call.name} are not valid JSON: {error}; they began with {text[:80]!r}"
    if not isinstance(value, dict):
        kind = type(value).__name__
        return {}, f"the arguments of {call.name} must be a JSON object, not {kind}: {text[:80]!r}"
    return value, None


def _strict_json(text: str) -> Any:
    """The value of a JSON text that can be written down again. ValueError also for what Python alone would read.

    NaN is no JSON; half a surrogate pair has no UTF-8; and what is nested without end breaks whoever walks it.
    """

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is no JSON value")

    try:
        value = json.loads(text, parse_constant=constant, object_pairs_hook=_once_each)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _deeper(value, MAX_DEPTH):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{error.object[error.start]!r} is half a surrogate pair, no character") from None
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once each: of two, some readers take the first and some the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} stands there twice")
    return found


def _deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _deeper(item, levels - 1) for item in inner if isinstance(item, dict | list))


def _message_event(step: int, answer: Answer) -> dict[str, Any]:
    room = min(SHOWN_ARGUMENTS, SHOWN_TEXT // max(1, len(answer.calls)))
    return {
        "step": step,
        "text": fit(answer.text, SHOWN_TEXT),
        "toolCalls": [
            {
                "id": c.call_id,
                "name": shorten(c.name, 200),
                "arguments": mask_text(fit(c.arguments, room)),
            }
            for c in answer.calls
        ],
        "usage": answer.usage.to_json(),
        "finishReason": answer.finish,
        "attempts": answer.attempts,
        **({"model": answer.model} if answer.model else {}),
    }


def _remembered(answer: Answer, limit: int) -> dict[str, Any]:
    """The answer for the conversation. Arguments that no endpoint would take back are replaced, and named."""
    message = answer.message()
    for call in message.get("tool_calls", ()):
        function = call["function"]
        text = function["arguments"]
        if len(text) > limit:
            function["arguments"] = json.dumps(
                {"omitted": f"{len(text)} characters of arguments, refused as too large"}
            )
        else:
            try:
                _strict_json(text or "{}")
                function["arguments"] = text or "{}"
            except ValueError:
                function["arguments"] = json.dumps({"malformed": text[:200]})
    return message
