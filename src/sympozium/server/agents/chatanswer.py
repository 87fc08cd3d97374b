"""A chat completion in OpenAI's shape: whole, in chunks, or an error. Pure.

https://platform.openai.com/docs/api-reference/chat/object
"""

from datetime import datetime
from typing import Any, Final

import orjson

from sympozium.server.agents.asked import Asked, Ended

LENGTH: Final = frozenset({"StepLimit", "TokenLimit"})
"""Reasons of runs that had more to say: `finish_reason` is `length`, as of a model that was cut off."""
DONE: Final = b"data: [DONE]\n\n"


def is_answer(ended: Ended) -> bool:
    """Whether an end is a completion, and no error."""
    return ended.phase == "Succeeded" or (ended.reason in LENGTH and bool(ended.result))


def finish(ended: Ended) -> str:
    return "stop" if ended.phase == "Succeeded" else "length"


def completion(asked: Asked, model: str, ended: Ended) -> bytes:
    message = {"role": "assistant", "content": ended.result, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(ended)}
    return orjson.dumps(_base(asked, model, "chat.completion") | {"choices": [choice], "usage": usage(ended)})


class Chunks:
    """The events of one streamed answer. Steps of an agent are told apart by an empty line."""

    def __init__(self, asked: Asked, model: str, *, include_usage: bool) -> None:
        self._base = _base(asked, model, "chat.completion.chunk")
        self._include_usage = include_usage
        self._step = 0
        self._text = ""

    def first(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def text(self, step: int, text: str) -> bytes:
        gap = ""
        if step != self._step:
            gap = "\n" * max(0, 2 - (len(self._text) - len(self._text.rstrip("\n")))) if self._step else ""
            self._step, self._text = step, ""
        self._text += text
        return self._chunk({"content": gap + text})

    def last(self, ended: Ended) -> bytes:
        """With `[DONE]`, and with the answer where it was not said yet: the bus was away, and the status had to do."""
        unsaid = ended.result if ended.result.strip() and ended.result not in self._text else ""
        end = (self.text(self._step + 1, unsaid) if unsaid else b"") + self._chunk({}, finish(ended))
        if self._include_usage:
            end += _event(self._base | {"choices": [], "usage": usage(ended)})
        return end + DONE

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        more = {"usage": None} if self._include_usage else {}
        return _event(self._base | {"choices": [choice]} | more)


def comment(words: str) -> bytes:
    """A line that clients pass over: the connection is alive."""
    return b": " + " ".join(words.split()).encode("ascii", "replace") + b"\n\n"


def error(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """https://platform.openai.com/docs/guides/error-codes"""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def failed(ended: Ended) -> dict[str, Any]:
    """The error for a run that ended without an answer."""
    words = f"the run ended as {ended.phase} ({ended.reason}): {ended.error or 'without a word'}"
    return error(words, kind="server_error", code=ended.reason or ended.phase)


def usage(ended: Ended) -> dict[str, int]:
    return {
        "prompt_tokens": ended.input_tokens,
        "completion_tokens": ended.output_tokens,
        "total_tokens": ended.input_tokens + ended.output_tokens,
    }


def event(data: dict[str, Any]) -> bytes:
    return _event(data)


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _base(asked: Asked, model: str, kind: str) -> dict[str, Any]:
    created = int(datetime.fromisoformat(asked.created).timestamp())
    return {"id": f"chatcmpl-{asked.ref.name}", "object": kind, "created": created, "model": model}
