"""The JSON of the chat completions API: the bodies and chunks that clients of it expect.

Source: the OpenAI API reference, "Chat" and "Streaming". Usage is an estimate of four
characters a token; a script can leave it out, as some endpoints do.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sympozium.rehearsal.engine import Reply

_PIECES = re.compile(r"\S*\s*(?:\S+\s*){0,3}")
_ARGUMENT_PIECE = 4096


def usage(request: dict[str, Any], reply: Reply) -> dict[str, int]:
    """Estimated tokens of a request and its answer."""
    prompt = len(json.dumps(request.get("messages", []))) // 4 + 1
    completion = (len(reply.text) + sum(len(call.arguments) for call in reply.calls)) // 4 + 1
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def completion(request: dict[str, Any], reply: Reply, *, number: int) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.calls
        ]
    body = _frame(request, "chat.completion", number)
    body["choices"] = [
        {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    ]
    if reply.step is None or reply.step.usage:
        body["usage"] = usage(request, reply)
    return body


def chunks(request: dict[str, Any], reply: Reply, *, number: int) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed answer, in order, without the closing [DONE]."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        body = _frame(request, "chat.completion.chunk", number)
        body["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
        return body

    yield chunk({"role": "assistant", "content": ""})
    for piece in _PIECES.findall(reply.text):
        if piece:
            yield chunk({"content": piece})
    for index, call in enumerate(reply.calls):
        head = {
            "index": index,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield chunk({"tool_calls": [head]})
        for start in range(0, len(call.arguments), _ARGUMENT_PIECE):
            piece = call.arguments[start : start + _ARGUMENT_PIECE]
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, reply.finish_reason)
    wanted = (request.get("stream_options") or {}).get("include_usage")
    if wanted and (reply.step is None or reply.step.usage):
        body = _frame(request, "chat.completion.chunk", number)
        body["choices"], body["usage"] = [], usage(request, reply)
        yield body


def error(message: str, *, kind: str, code: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _frame(request: dict[str, Any], kind: str, number: int) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-rehearsal-{number}",
        "object": kind,
        "created": int(time.time()),
        "model": request.get("model") or "rehearsal",
        "system_fingerprint": "rehearsal",
    }
