"""The endpoint: raw ASGI, two routes. Every request is one line of JSON in the log.

    GET  /v1/models            (and /models, /healthz)
    POST /v1/chat/completions  (and /chat/completions)

Faults of a script (`fault`) are counted for each conversation, so that "429 twice, then the
answer" means the same for every client.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

from sympozium.rehearsal import wire
from sympozium.rehearsal.engine import Reply, reply
from sympozium.rehearsal.template import ScriptError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sympozium.rehearsal.script import Fault, Script

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY = 64 * 1024 * 1024
_REMEMBERED = 4096


class Endpoint:
    """The ASGI application. `api_key` None accepts any key, and none."""

    def __init__(self, script: Script, *, api_key: str | None = None, pace: float = 0.0) -> None:
        self._script = script
        self._api_key = api_key
        self._pace = pace
        self._number = 0
        self._faults: dict[str, int] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "uvicorn runs this application with lifespan and websockets off"
        self._number += 1
        path = scope["path"].removeprefix("/v1")
        route = (scope["method"], path)
        if route == ("GET", "/healthz"):
            await _json(send, 200, {"status": "ok"})
        elif not self._authorised(scope):
            self._log(scope, status=401)
            message = (
                "Incorrect API key provided; the key is the one given to the rehearsal model with --api-key."
            )
            await _json(send, 401, wire.error(message, kind="invalid_request_error", code="invalid_api_key"))
        elif route == ("GET", "/models"):
            models = [
                {"id": m, "object": "model", "created": 0, "owned_by": "rehearsal"}
                for m in self._script.models
            ]
            await _json(send, 200, {"object": "list", "data": models})
        elif route == ("POST", "/chat/completions"):
            await self._complete(scope, receive, send)
        else:
            self._log(scope, status=404)
            message = f"Unknown request {scope['method']} {scope['path']}; there are /v1/models and /v1/chat/completions."
            await _json(send, 404, wire.error(message, kind="invalid_request_error"))

    def _authorised(self, scope: dict[str, Any]) -> bool:
        if self._api_key is None:
            return True
        headers = dict(scope["headers"])
        return bool(headers.get(b"authorization") == f"Bearer {self._api_key}".encode())

    async def _complete(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            request = json.loads(await _body(receive))
            answer = reply(self._script, request)
        except (ValueError, AttributeError, TypeError, ScriptError) as error:
            self._log(scope, status=400, error=str(error))
            await _json(send, 400, wire.error(f"rehearsal model: {error}", kind="invalid_request_error"))
            return
        step = answer.step
        fault = self._fault(request, answer)
        if step is not None and step.delay:
            await asyncio.sleep(step.delay)
        if fault is not None and fault.status is not None:
            self._log(scope, status=fault.status, place=answer.place)
            extra = [] if fault.retry_after is None else [(b"retry-after", str(fault.retry_after).encode())]
            await _json(
                send, fault.status, wire.error(fault.message, kind="scripted", code=fault.code), extra
            )
            return
        self._log(scope, status=200, place=answer.place)
        if request.get("stream"):
            await self._stream(request, answer, fault, send)
        else:
            await _json(send, 200, wire.completion(request, answer, number=self._number))

    async def _stream(self, request: dict[str, Any], answer: Reply, fault: Fault | None, send: Send) -> None:
        head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for index, chunk in enumerate(wire.chunks(request, answer, number=self._number)):
            if fault is not None and fault.break_after is not None and index >= fault.break_after:
                # uvicorn ends the connection of an application that raises inside a response.
                raise ConnectionAbortedError(f"scripted: the stream breaks after {index} chunks")
            data = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
            await send({"type": "http.response.body", "body": data, "more_body": True})
            if self._pace:
                await asyncio.sleep(self._pace)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    def _fault(self, request: dict[str, Any], answer: Reply) -> Fault | None:
        """The step's fault while it has not been played often enough in this conversation."""
        fault = answer.step.fault if answer.step is not None else None
        if fault is None:
            return None
        conversation = hashlib.sha256(json.dumps(request.get("messages")).encode()).hexdigest()
        key = f"{answer.place} {conversation}"
        played = self._faults.get(key, 0)
        if played >= fault.times:
            return None
        self._faults[key] = played + 1
        while len(self._faults) > _REMEMBERED:
            del self._faults[next(iter(self._faults))]
        return fault

    def _log(self, scope: dict[str, Any], **fields: Any) -> None:
        line = {"msg": "request", "method": scope["method"], "path": scope["path"], **fields}
        sys.stderr.write(json.dumps(line) + "\n")


async def _body(receive: Receive) -> bytes:
    parts = bytearray()
    while True:
        message = await receive()
        parts += message.get("body", b"")
        if len(parts) > MAX_BODY:
            raise ValueError(f"the request is larger than {MAX_BODY} bytes")
        if not message.get("more_body"):
            return bytes(parts)


async def _json(
    send: Send, status: int, body: dict[str, Any], headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    data = json.dumps(body).encode()
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": data})
