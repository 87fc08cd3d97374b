"""One answer of a model, streamed from any endpoint that speaks the chat completions API.

Retries are ours and not the SDK's, since a stream that breaks in the middle has to be asked for
again as well, and since each wait is told. Retried: no connection, 408, 409, 429, 5xx and broken
streams, MAX_ATTEMPTS times with back-off (or as long as the endpoint's Retry-After says, at most
a minute). Not retried: everything that will be the same the next time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sympozium.agent.outcome import RunError, Usage
from sympozium.telemetry import tracecontext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sympozium.api.runconfig import AgentModel

_log = logging.getLogger(__name__)

MAX_ATTEMPTS = 6
MAX_WAIT = 60.0
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 300.0
"""Seconds without a single byte; local models think for minutes before the first."""
OPENAI = "https://api.openai.com/v1"
LONGEST_NAME = 200
"""Characters of a model's name that are kept."""
_FINAL_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


@dataclass(slots=True)
class ToolCall:
    """A call as the model wrote it: `arguments` is text that should be a JSON object.

    `id` is the model's, unique at best in its message; `call_id` is ours, unique in the run and
    on the record.
    """

    id: str
    name: str
    arguments: str
    call_id: str = ""


@dataclass(slots=True)
class Answer:
    """What the model said. `finish` is the endpoint's finish reason; it was asked for `attempts` times.

    `model` is who answered as the endpoint says, which behind a gateway need not be who was asked; empty when it does not say.
    """

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    finish: str = ""
    attempts: int = 1
    model: str = ""

    def message(self) -> dict[str, Any]:
        """The answer as a message of the conversation."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for c in self.calls
            ]
        return message


class Model:
    """The run's model. `pause` is asyncio.sleep, replaced in tests."""

    def __init__(
        self, settings: AgentModel, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        import httpx2

        from sympozium.agent.sdk import openai

        self._settings = settings
        self._pause = pause
        environment = os.environ.get("OPENAI_BASE_URL")
        self.base_url = settings.base_url or environment or settings.default_base_url or OPENAI
        key = os.environ.get("OPENAI_API_KEY")
        if not key and self.base_url.rstrip("/") == OPENAI:
            raise RunError(
                "ConfigError",
                f"no OPENAI_API_KEY for {OPENAI}: put it into a Secret that authRefs of the instance names, "
                "or give a baseURL of another endpoint",
            )
        self._client = openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=key or "none",
            max_retries=0,
            timeout=httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
        )

    async def close(self) -> None:
        await self._client.close()

    async def answer(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        on_text: Callable[[str], Awaitable[None]],
    ) -> Answer:
        """The next answer; `on_text` gets its text piece by piece. RunError when there is none.

        After a broken stream the answer is asked for again and `on_text` hears it from its start.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            failure = await self._attempt(messages, tools, on_text)
            if isinstance(failure, Answer):
                failure.attempts = attempt
                return failure
            if attempt == MAX_ATTEMPTS or not failure.again:
                raise RunError(
                    failure.reason, failure.text + (f" (after {attempt} attempts)" if attempt > 1 else "")
                )
            wait = failure.wait if failure.wait is not None else min(MAX_WAIT, 2.0 ** (attempt - 1))
            # Jitter, because many runs wait for the same endpoint; S311: not a secret.
            wait *= 1 + random.random() / 4  # noqa: S311
            _log.warning("attempt %d of %d: %s; again in %.1f s", attempt, MAX_ATTEMPTS, failure.text, wait)
            await self._pause(wait)
        raise AssertionError("the loop returns or raises")

    async def _attempt(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        on_text: Callable[[str], Awaitable[None]],
    ) -> Answer | _Failure:
        import httpx2

        from sympozium.agent.sdk import openai

        request: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = tools
        if (context := tracecontext.current()) is not None and context.sampled:
            request["extra_headers"] = {tracecontext.HEADER: str(context)}  # a gateway's spans join the trace
        if self._settings.thinking not in (None, "off"):
            request["reasoning_effort"] = self._settings.thinking
        try:
            async with await self._client.chat.completions.create(**request) as stream:
                return await _collect(stream, messages, on_text)
        except openai.APIStatusError as error:
            return self._refused(error)
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            cause = error.__cause__ or error
            return _Failure(
                "ModelUnreachable",
                f"the model endpoint {self.base_url} cannot be reached: {cause!r}; "
                "check baseURL (or OPENAI_BASE_URL of the authRefs Secret) and the policy's allowedEgress",
                again=True,
            )
        except openai.APIError as error:  # an error inside a stream that began well
            return _Failure(
                "ModelError", f"the model endpoint {self.base_url} broke off: {error.message}", again=True
            )
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            # The SDK does not validate: a chunk without `choices`, or with a number for a text, breaks where it is read.
            return _Failure("ModelError", f"{self.base_url} sent what is no answer: {error}", again=True)

    def _refused(self, error: Any) -> _Failure:
        status, code = error.status_code, error.code
        text = f"the model endpoint {self.base_url} answered {status}: {error.message}"
        if code == "context_length_exceeded" or (status == 400 and "context length" in error.message.lower()):
            return _Failure(
                "ModelError", f"{text}. The conversation no longer fits into the context of {self._settings.model}: "
                "use a model with a larger one, or a task that reads less"
            )  # fmt: skip
        cures = {
            401: "; check OPENAI_API_KEY in the authRefs Secret",
            403: "; check OPENAI_API_KEY in the authRefs Secret and what it may use",
            404: f"; check baseURL and whether the endpoint has a model {self._settings.model!r}",
        }
        again = (status in (408, 409, 429) or status >= 500) and code not in _FINAL_CODES
        return _Failure(
            "ModelError", text + cures.get(status, ""), again=again, wait=_retry_after(error.response)
        )


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: Any
    text: str
    again: bool = False
    wait: float | None = None


def _retry_after(response: Any) -> float | None:
    try:
        return min(MAX_WAIT, max(0.0, float(response.headers.get("retry-after", ""))))
    except ValueError:
        return None  # absent, or the date form, which no model endpoint sends: our own back-off


async def _collect(
    stream: Any, messages: list[dict[str, Any]], on_text: Callable[[str], Awaitable[None]]
) -> Answer | _Failure:
    answer, text, usage = Answer(), Pieces(), None
    calls: dict[int, ToolCall] = {}
    async for chunk in stream:
        if chunk.usage is not None:
            usage = Usage(max(0, chunk.usage.prompt_tokens or 0), max(0, chunk.usage.completion_tokens or 0))
        answer.model = characters(chunk.model)[:LONGEST_NAME] if chunk.model else answer.model
        for choice in chunk.choices or []:
            answer.finish = choice.finish_reason or answer.finish
            delta = choice.delta
            if delta is None:
                continue
            if piece := text.add(delta.content or ""):
                await on_text(piece)
            for part in delta.tool_calls or []:
                _merge(calls, part)
    if not answer.finish:
        return _Failure("ModelError", "the model's stream ended in the middle of its answer", again=True)
    answer.text = text.whole()
    answer.calls = [calls[index] for index in sorted(calls)]
    for call in answer.calls:
        call.id, call.name, call.arguments = map(characters, (call.id, call.name, call.arguments))
    answer.usage = usage or estimate(messages, answer)
    return answer


def characters(text: str) -> str:
    """`text` with surrogate pairs joined, and U+FFFD for halves: JSON can carry these, UTF-8 cannot."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Pieces:
    """A text that comes in pieces; a surrogate pair may be cut in two between them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._half = ""

    def add(self, piece: str) -> str:
        """What can be shown with this piece."""
        piece = self._half + piece
        self._half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        shown = characters(piece[: len(piece) - len(self._half)])
        self._pieces.append(shown)
        return shown

    def whole(self) -> str:
        """All of it, at the end."""
        return "".join(self._pieces) + characters(self._half)


def _merge(calls: dict[int, ToolCall], part: Any) -> None:
    # Some endpoints leave the index out and send each call whole.
    index = part.index if part.index is not None else len(calls)
    call = calls.setdefault(index, ToolCall("", "", ""))
    if part.id and not call.id:
        call.id = part.id
    if part.function is not None:
        if part.function.name and not call.name:
            call.name = part.function.name
        arguments = part.function.arguments or ""
        # Some endpoints send the object itself instead of its text.
        call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)


def estimate(messages: list[dict[str, Any]], answer: Answer) -> Usage:
    """Tokens by four characters each, for endpoints that do not count."""
    said = len(answer.text) + sum(len(call.arguments) + len(call.name) for call in answer.calls)
    return Usage(len(json.dumps(messages)) // 4, said // 4, estimated=True)
