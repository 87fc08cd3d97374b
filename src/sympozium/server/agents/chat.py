"""`/v1` of an agent: OpenAI's models and chat completions, as runs.

https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Send

from sympozium.kube.resources import Object
from sympozium.server.agents import chatanswer
from sympozium.server.agents.asked import Ask, Asked, Asking, Ended, RefusedError, Text
from sympozium.server.agents.chatrequest import ChatError, ChatRequest, parse
from sympozium.server.agents.directory import Agent
from sympozium.server.agents.waiting import KEEPALIVE, Farewell, Waiting, end_of
from sympozium.server.parts import Parts

RUN_HEADER: Final = "X-Sympozium-Run"
IGNORED_HEADER: Final = "X-Sympozium-Ignored"
_JSON: Final = "application/json"
_KEY_LIMIT: Final = 256
_STOPPING: Final = chatanswer.error("the API server stops: ask again", kind="server_error", code="stopping")
_FAREWELL: Final = Farewell(orjson.dumps(_STOPPING), chatanswer.event(_STOPPING))


def refusal(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in OpenAI's shape. The SDK is told not to repeat what would be refused again."""
    kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
        status, "invalid_request_error" if status < 500 else "server_error"
    )
    body = orjson.dumps(chatanswer.error(message, kind=kind, code=code, param=param))
    again = {} if status in (429, 503) else {"X-Should-Retry": "false"}
    return Response(body, status, headers={**again, **(headers or {})}, media_type=_JSON)


def models(agent: Agent, obj: Object) -> Response:
    created = int(datetime.fromisoformat(obj["metadata"]["creationTimestamp"]).timestamp())
    model = {
        "id": agent.name,
        "object": "model",
        "created": created,
        "owned_by": f"sympozium/{agent.namespace}",
    }
    return Response(orjson.dumps({"object": "list", "data": [model]}), media_type=_JSON)


async def complete(request: Request, agent: Agent, parts: Parts) -> ASGIApp:
    """The answer to `POST /v1/chat/completions`."""
    asking = parts.asking
    try:
        asked_for = parse(await request.body(), agent.name)
        asked = await asking.start(
            Ask(agent, "chat", asked_for.task, asked_for.history, idempotency=_idempotency(request))
        )
    except ChatError as error:
        return refusal(error.status, str(error), code=error.code, param=error.param)
    except RefusedError as error:
        headers = {"Retry-After": str(error.wait)} if error.wait else {}
        return refusal(error.status, str(error), code=error.code, headers=headers)
    answer = _Answer(agent, asking, asked, asked_for)
    body = answer.stream if asked_for.stream else answer.whole
    return Waiting(asking, asked, parts.draining, body, _FAREWELL)


def _idempotency(request: Request) -> str | None:
    """Raises ChatError."""
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _KEY_LIMIT:
        raise ChatError(f"Idempotency-Key has {len(key)} characters, it may have 1 to {_KEY_LIMIT}")
    return key


class _Answer:
    """One answer on its way."""

    def __init__(self, agent: Agent, asking: Asking, asked: Asked, request: ChatRequest) -> None:
        self._agent = agent
        self._asking = asking
        self._asked = asked
        self._request = request

    async def whole(self, send: Send) -> None:
        ended = await end_of(self._asking.follow(self._asked, idle=KEEPALIVE))
        if chatanswer.is_answer(ended):
            await self._send_whole(send, 200, chatanswer.completion(self._asked, self._agent.name, ended))
        else:
            status = 504 if ended.reason == "Timeout" else 502
            await self._send_whole(send, status, orjson.dumps(chatanswer.failed(ended)))

    async def _send_whole(self, send: Send, status: int, body: bytes) -> None:
        # The run has ended: asked for again, it would be another run, with all that it does.
        again = {} if status == 200 else {"x-should-retry": "false"}
        await self._begin(send, status, _JSON, **{"content-length": str(len(body)), **again})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def stream(self, send: Send) -> None:
        chunks = chatanswer.Chunks(self._asked, self._agent.name, include_usage=self._request.include_usage)
        await self._begin(send, 200, "text/event-stream; charset=utf-8", **{"x-accel-buffering": "no"})
        await _part(send, chunks.first())
        async for happening in self._asking.follow(self._asked, idle=KEEPALIVE):
            if isinstance(happening, Text):
                await _part(send, chunks.text(happening.step, happening.text))
            elif isinstance(happening, Ended):
                last = chunks.last(happening) if chatanswer.is_answer(happening) else self._failed(happening)
                await send({"type": "http.response.body", "body": last, "more_body": False})
            else:
                await _part(send, chatanswer.comment(happening.why))

    def _failed(self, ended: Ended) -> bytes:
        return chatanswer.event(chatanswer.failed(ended))

    async def _begin(self, send: Send, status: int, media_type: str, **more: str) -> None:
        ref = self._asked.ref
        headers: dict[str, Any] = {
            "content-type": media_type,
            "cache-control": "no-store",
            RUN_HEADER.lower(): f"{ref.namespace}/{ref.name}",
            **more,
        }
        if self._request.ignored:
            headers[IGNORED_HEADER.lower()] = ", ".join(self._request.ignored)
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})


async def _part(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})
