"""Which agent a request is for, by path or by host name, and whether its key opens it.

    /agents/<namespace>/<instance>/v1/...      and the same at `/` of the agent's host name

Under an agent's host name nothing but its endpoint is answered: the dashboard and its sessions are of other names.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sympozium.api.endpoint import PREFIX
from sympozium.server.agents import a2a, chat
from sympozium.server.agents.directory import Agent, Keys
from sympozium.server.copies import INSTANCES
from sympozium.server.parts import Parts
from sympozium.server.problems import Problem
from sympozium.telemetry import metrics

_REQUESTS: Final = metrics.counter(
    "sympozium_endpoint_requests_total", "Requests to endpoints of agents.", ["protocol", "outcome"]
)
_WRONG_KEY: Final = (
    "no agent is here, or the key is not its key: it is in the Secret that status.webEndpoint.authSecretName of the "
    "instance names, and goes into `Authorization: Bearer KEY`"
)
"""The same for all of them: nobody learns which agents there are without a key."""


class Endpoints:
    """Answers what is for an agent, and passes on the rest."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts
        self._directory = parts.directory
        self._keys = Keys(parts.digest_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        place = self._place(request)
        if place is None:
            await self._app(scope, receive, send)
            return
        answer = await self._answer(request, *place)
        await answer(scope, receive, send)

    def _place(self, request: Request) -> tuple[Agent | None, str] | None:
        """The agent and the path beneath it; None for what is for no agent."""
        path: str = request.scope["path"]
        if self._directory.is_host(host := host_of(request)):
            return self._directory.by_host(host), path
        if not path.startswith(f"{PREFIX}/"):
            return None
        namespace, _, rest = path.removeprefix(f"{PREFIX}/").partition("/")
        name, _, rest = rest.partition("/")
        return self._directory.find(namespace, name), f"/{rest}"

    async def _answer(self, request: Request, agent: Agent | None, path: str) -> ASGIApp:
        if agent and agent.card and path == a2a.CARD and request.method == "GET":
            return a2a.card(agent)
        if agent is None or not await self._keys.opens(agent, _key(request)):
            _REQUESTS.labels(_protocol(path), "refused").inc()
            return _refused(path, 401, _WRONG_KEY, **{"WWW-Authenticate": "Bearer"})
        if path.startswith("/v1/") and agent.is_open:
            return await self._chat(request, agent, path)
        if path == "/mcp" and agent.is_open:
            _REQUESTS.labels("mcp", "taken").inc()
            return self._parts.mcp.of(agent)
        if path == a2a.PATH and agent.card and request.method == "POST":
            _REQUESTS.labels("a2a", "taken").inc()
            return await a2a.answer(request, agent, self._parts)
        words = f"{request.method} {path} is not there: an agent has what its webEndpoint and a2a enable"
        return _refused(path, 404, words)

    async def _chat(self, request: Request, agent: Agent, path: str) -> ASGIApp:
        match (request.method, path):
            case ("GET", "/v1/models"):
                obj = self._parts.copies[INSTANCES].get(agent.namespace, agent.name)
                return chat.models(agent, obj) if obj else _refused(path, 404, "the agent is gone")
            case ("POST", "/v1/chat/completions"):
                _REQUESTS.labels("chat", "taken").inc()
                return await chat.complete(request, agent, self._parts)
            case (method, _):
                words = (
                    f"{method} {path} is not there: an agent has GET /v1/models and POST /v1/chat/completions"
                )
                return _refused(path, 404, words)


def host_of(request: Request) -> str:
    """The name of `Host` in lower case, without a port."""
    host: str = request.headers.get("host", "")
    return host.partition(":")[0].lower().removesuffix(".")


def _key(request: Request) -> str:
    """The key of a request; one that no agent has, where there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _protocol(path: str) -> str:
    return "chat" if path.startswith("/v1/") else {"/mcp": "mcp", a2a.PATH: "a2a"}.get(path, "other")


def _refused(path: str, status: int, words: str, **headers: str) -> Response:
    """In the shape of the protocol."""
    if path.startswith("/v1/"):
        code = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "not_found"}.get(status)
        return chat.refusal(status, words, code=code, headers=headers)
    return Problem(status, words, headers=headers).response()
