"""The models that are against us: one endpoint, a script for each model name, and an ear.

Everything that a model is sent has reached the attacker: that is where a stolen secret shows. When a script is at
its end, `at_the_end` is called before the last answer, while the pod of the run is still there to be looked at;
`before` has more such calls, by the step that is about to be answered for the first time.
"""

import asyncio
import json
import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import uvicorn

from sympozium.rehearsal.app import Endpoint
from sympozium.rehearsal.engine import reply
from sympozium.rehearsal.script import Script, parse
from sympozium.testing.waiting import until

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Quiet(Endpoint):
    """Without a line of log for each request."""

    def _log(self, scope: dict[str, Any], **fields: Any) -> None:
        pass


class HostileModels:
    """Use as a context manager. `add` a script under a model's name; `heard` is what that model was sent."""

    def __init__(self) -> None:
        self._scripts: dict[str, tuple[Script, Endpoint, dict[str, Callable[[], None]]]] = {}
        self._forgotten: dict[str, int] = defaultdict(int)
        self.heard: dict[str, bytes] = defaultdict(bytes)
        self.played: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        config = uvicorn.Config(self, lifespan="off", ws="none", access_log=False, log_config=None)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )

    def add(
        self,
        model: str,
        steps: list[dict[str, Any]],
        at_the_end: Callable[[], None],
        before: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        rule = {"name": model, "match": {}, "steps": [*steps, {"id": "over", "say": "over"}]}
        script = parse({"banner": False, "models": [model], "rules": [rule]}, where=model)
        self._scripts[model] = (script, _Quiet(script), {**(before or {}), "over": at_the_end})

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        try:
            request = json.loads(body)
            script, endpoint, before = self._scripts[request["model"]]
        except (ValueError, KeyError):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"no such model"})
            return
        model = request["model"]
        self._hear(model, request, bytes(body))
        step = reply(script, request).step
        if step is not None and step.id in before:
            if step.id == "over":
                self.played.add(model)
            await asyncio.to_thread(before.pop(step.id))
            if step.id != "over":
                self.heard[model] = b""
                self._forgotten[model] = len(request["messages"])

        async def again() -> dict[str, Any]:
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await endpoint(scope, again, send)

    def _hear(self, model: str, request: dict[str, Any], body: bytes) -> None:
        """A conversation is sent whole each time: what was heard before a call of `before` is not news behind it."""
        known = self._forgotten[model]
        self.heard[model] += json.dumps(request["messages"][known:]).encode() if known else body

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self._server.started, "the endpoint of the hostile models")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(20)
