"""`/a2a` of an agent: the Agent2Agent protocol, version 1.0, in its JSON-RPC binding. A task is a run.

A task outlives the request that made it: a client that goes away comes back with GetTask or SubscribeToTask, and ends it with
CancelTask. Its id is the run's name; a message that is sent again under its `messageId` is the same task. Messages of one
context (`contextId`, the run's session key) go on from what was said in it before.

The protocol's SDK is not used here (docs/decisions/0002-dependencies.md); the tests speak to this with the SDK's client.
https://a2a-protocol.org/latest/specification/
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Send

from sympozium import __version__
from sympozium.api.endpoint import protocol_of
from sympozium.kube.resources import Object
from sympozium.server.agents import a2atask
from sympozium.server.agents.a2atask import CODES, RpcError
from sympozium.server.agents.asked import (
    Ask,
    Asked,
    Asking,
    Ended,
    RefusedError,
    Text,
    Waiting,
)
from sympozium.server.agents.directory import Agent
from sympozium.server.agents.waiting import KEEPALIVE, Farewell, Waiting as Waited
from sympozium.server.copies import RUNS
from sympozium.server.parts import Parts

CARD: Final = "/.well-known/agent-card.json"
PATH: Final = "/a2a"
VERSION: Final = "1.0"
_PROTOCOL: Final = "a2a"
_JSON: Final = "application/json"


def card(agent: Agent) -> Response:
    """What the agent says of itself to others; asked for without a key, since its author enabled it."""
    said = agent.card or {}
    skills = [
        {"id": skill, "name": skill, "description": skill, "tags": [skill]}
        for skill in said.get("skills") or ()
    ]
    words = said.get("description") or f"The agent {agent.title}."
    url = agent.status.get("url") or ""
    body: Object = {
        "name": agent.title,
        "description": words,
        "version": __version__,
        "supportedInterfaces": [
            {"url": f"{url}{PATH}", "protocolBinding": "JSONRPC", "protocolVersion": VERSION}
        ],
        "capabilities": {"streaming": True, "pushNotifications": False},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": skills or [{"id": "ask", "name": "Ask", "description": words, "tags": ["ask"]}],
        "securitySchemes": {"key": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}},
        "securityRequirements": [{"schemes": {"key": {"list": []}}}],
    }
    return Response(orjson.dumps(body), media_type=_JSON)


async def answer(request: Request, agent: Agent, parts: Parts) -> ASGIApp:
    """The answer to `POST /a2a`."""
    number: Any = None
    try:
        call = a2atask.call(await request.body(), request.headers.get("a2a-version"))
        number = call.id
        return await _Agent(agent, parts).answer(call)
    except RpcError as error:
        return _plain(number, error=error.to_json())
    except RefusedError as error:
        return _plain(number, error=RpcError(CODES["InvalidParams"], str(error)).to_json())


class _Agent:
    """One agent's tasks."""

    def __init__(self, agent: Agent, parts: Parts) -> None:
        self._agent = agent
        self._parts = parts
        self._asking: Asking = parts.asking

    async def answer(self, call: a2atask.Call) -> ASGIApp:
        """Raises RpcError, RefusedError."""
        match call.method:
            case "SendMessage" | "SendStreamingMessage":
                message = a2atask.message(call.params)
                asked = await self._start(message)
                if call.method == "SendStreamingMessage":
                    return self._waited(asked, self._stream(call.id, asked, message.context))
                if message.immediate:
                    return _plain(call.id, result={"task": self._task(asked, message.context)})
                return self._waited(asked, self._whole(call.id, asked, message.context))
            case "GetTask":
                return _plain(call.id, result=a2atask.of_run(self._find(call.params)))
            case "SubscribeToTask":
                run = self._find(call.params)
                if a2atask.is_over(run):
                    raise RpcError(
                        CODES["UnsupportedOperation"], "the task has ended: GetTask has its result"
                    )
                return self._waited(_asked(run), self._stream(call.id, _asked(run), a2atask.context_of(run)))
            case "CancelTask":
                return _plain(call.id, result=await self._cancel(self._find(call.params)))
        raise RpcError(
            CODES["MethodNotFound"], f"there is no method {call.method!r} here (A2A {VERSION}, without push)"
        )

    async def _start(self, message: a2atask.Message) -> Asked:
        history = a2atask.history(self._of_context(message.context))
        return await self._asking.start(
            Ask(
                self._agent, _PROTOCOL, message.text, history, session=message.context, idempotency=message.id
            )
        )

    def _of_context(self, context: str) -> list[Object]:
        """The runs of a context that have answered, oldest first."""
        found = [
            r
            for r in self._parts.copies[RUNS].list()
            if self._is_mine(r) and r["spec"].get("sessionKey") == context
        ]
        answered = [r for r in found if (r.get("status") or {}).get("phase") == "Succeeded"]
        return sorted(answered, key=lambda r: (r["metadata"]["creationTimestamp"], r["metadata"]["name"]))

    def _is_mine(self, run: Object) -> bool:
        """Whether a run is a task of this agent: made by us, which its trigger says, and for this protocol."""
        meta, spec = run["metadata"], run["spec"]
        return (
            meta["namespace"] == self._agent.namespace
            and spec["instanceRef"] == self._agent.name
            and protocol_of(run) == _PROTOCOL
        )

    def _find(self, params: Object) -> Object:
        name = params.get("id")
        found = self._parts.copies[RUNS].get(self._agent.namespace, name) if isinstance(name, str) else None
        if found is None or not self._is_mine(found):
            raise RpcError(CODES["TaskNotFound"], f"there is no task {str(name)[:253]!r}")
        return found

    def _task(self, asked: Asked, context: str) -> Object:
        found = self._asking.found(asked.ref)
        return (
            a2atask.of_run(found) if found else a2atask.task(asked.ref.name, context, "TASK_STATE_SUBMITTED")
        )

    async def _cancel(self, run: Object) -> Object:
        if a2atask.is_over(run):
            raise RpcError(CODES["TaskNotCancelable"], f"the task has ended: {run['status']['phase']}")
        asked = _asked(run)
        await self._asking.cancel(asked, "CancelTask")
        await self._asking.settled(asked)
        return self._task(asked, a2atask.context_of(run))

    # -- answers that take their time

    def _waited(self, asked: Asked, body: Callable[[Send], Awaitable[None]]) -> ASGIApp:
        stopping = {
            "code": CODES["Internal"],
            "message": "the API server stops: the task goes on, ask for it with GetTask",
        }
        said = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": stopping})
        return Waited(
            self._asking, asked, self._parts.draining, body, Farewell(said, b"data: " + said + b"\n\n")
        )

    def _whole(self, number: Any, asked: Asked, context: str) -> Callable[[Send], Awaitable[None]]:
        async def body(send: Send) -> None:
            ended: Ended | None = None
            async for happening in self._asking.follow(asked, idle=KEEPALIVE):
                ended = happening if isinstance(happening, Ended) else None
            assert ended is not None, "a run that is followed has an end"
            await self._asking.settled(asked)
            said = orjson.dumps(_reply(number, {"task": a2atask.ended(asked.ref.name, context, ended)}))
            headers = [(b"content-type", _JSON.encode()), (b"content-length", str(len(said)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": said, "more_body": False})

        return body

    def _stream(self, number: Any, asked: Asked, context: str) -> Callable[[Send], Awaitable[None]]:
        async def body(send: Send) -> None:
            headers = [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for result in self._events(asked, context):
                event = b"data: " + orjson.dumps(_reply(number, result)) + b"\n\n"
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        return body

    async def _events(self, asked: Asked, context: str) -> AsyncIterator[Object]:
        """StreamResponses: the task, what it says, its answer, its end."""
        yield {"task": self._task(asked, context)}
        name = asked.ref.name
        async for happening in self._asking.follow(asked, idle=KEEPALIVE):
            match happening:
                case Ended():
                    await self._asking.settled(asked)
                    last = a2atask.ended(name, context, happening)
                    for artifact in last.get("artifacts") or ():
                        yield {
                            "artifactUpdate": {
                                "taskId": name,
                                "contextId": context,
                                "artifact": artifact,
                                "lastChunk": True,
                            }
                        }
                    yield {"statusUpdate": {"taskId": name, "contextId": context, "status": last["status"]}}
                case Text() | Waiting():
                    said = happening.text if isinstance(happening, Text) else happening.why
                    status = a2atask.status("TASK_STATE_WORKING", said, name, context)
                    yield {"statusUpdate": {"taskId": name, "contextId": context, "status": status}}


def _asked(run: Object) -> Asked:
    return Asking.of(run, keyed=True)


def _reply(number: Any, result: Object) -> Object:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _plain(number: Any, *, result: Object | None = None, error: Object | None = None) -> Response:
    said = {"jsonrpc": "2.0", "id": number} | ({"error": error} if error else {"result": result})
    return Response(orjson.dumps(said), media_type=_JSON)
