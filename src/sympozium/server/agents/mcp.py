"""`/mcp` of an agent: a server of the Model Context Protocol (streamable HTTP) with one tool, `ask`.

Every request stands alone: there are no sessions, so any replica answers any request. A call is a run; what it says on its way
comes as progress, and its answer as the tool's result. The SDK is loaded with the first request, since few agents are asked
this way and it costs a third of the memory of this process.
https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

from sympozium import __version__
from sympozium.server.agents.asked import Ask, Asked, Asking, Ended, RefusedError, Text
from sympozium.server.agents.waiting import KEEPALIVE

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel.server import Server
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Receive, Scope, Send

    from sympozium.server.agents.directory import Agent

log = logging.getLogger(__name__)
TOOL: Final = "ask"
_AGENT: Final = "sympozium.agent"
"""In the scope of a request."""
_SHOWN: Final = 500
"""Characters of one progress message."""
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"task": {"type": "string", "description": "What to do, in plain words.", "minLength": 1}},
    "required": ["task"],
    "additionalProperties": False,
}


class Mcp:
    """One server for all agents: which one a request is for stands in its scope."""

    def __init__(self, asking: Asking, draining: asyncio.Event) -> None:
        self._asking = asking
        self._draining = draining
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()
        self._manager: StreamableHTTPSessionManager | None = None

    async def run(self) -> None:
        """From the first request until cancelled."""
        await self._wanted.wait()
        self._manager = await asyncio.to_thread(_manager, self)
        async with self._manager.run():
            self._ready.set()
            await asyncio.get_running_loop().create_future()

    def of(self, agent: Agent) -> ASGIApp:
        """The endpoint of an agent."""

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            self._wanted.set()
            await self._ready.wait()
            assert self._manager is not None, "it is ready"
            await self._manager.handle_request({**scope, _AGENT: agent}, receive, send)

        return endpoint

    async def list_tools(self, context: ServerRequestContext[Any, Any]) -> types.ListToolsResult:
        import mcp_types as types

        agent = _agent(context)
        words = f"Have the agent {agent.title} do something. It answers when it is done; what it says on its way comes as progress."
        tool = types.Tool(name=TOOL, title=f"Ask {agent.title}", description=words, input_schema=_SCHEMA)
        return types.ListToolsResult(tools=[tool])

    async def call(
        self, context: ServerRequestContext[Any, Any], name: str, arguments: Any
    ) -> types.CallToolResult:
        """What is wrong with a call is its result, for the model that made it."""
        task = (arguments or {}).get("task")
        if name != TOOL or not isinstance(task, str) or not task.strip() or set(arguments) != {"task"}:
            return _result(
                f"there is one tool, {TOOL}, with one argument: a task in plain words", is_error=True
            )
        try:
            asked = await self._asking.start(Ask(_agent(context), "mcp", task))
        except RefusedError as error:
            return _result(str(error), is_error=True)
        try:
            return await self._answer(context, asked)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self._asking.cancel(asked, "its client went away")
            raise

    async def _answer(self, context: ServerRequestContext[Any, Any], asked: Asked) -> types.CallToolResult:
        follow = asyncio.ensure_future(self._follow(context, asked))
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({follow, drain}, return_when=asyncio.FIRST_COMPLETED)
            if not follow.done():
                await self._asking.cancel(asked, "the API server stops")
                return _result("the API server stops: ask again", is_error=True)
            ended = follow.result()
        finally:
            follow.cancel()
            drain.cancel()
        if ended.phase == "Succeeded":
            return _result(ended.result, asked=asked)
        words = f"the run ended as {ended.phase} ({ended.reason}): {ended.error or 'without a word'}"
        more = f"\n\nIts last words:\n{ended.result}" if ended.result else ""
        return _result(words + more, asked=asked, is_error=True)

    async def _follow(self, context: ServerRequestContext[Any, Any], asked: Asked) -> Ended:
        count = 0
        async for happening in self._asking.follow(asked, idle=KEEPALIVE):
            if isinstance(happening, Ended):
                return happening
            count += 1
            said = happening.text if isinstance(happening, Text) else happening.why
            await context.session.report_progress(count, message=said[:_SHOWN])
        raise AssertionError("a run that is followed has an end")


def _agent(context: ServerRequestContext[Any, Any]) -> Agent:
    assert context.request is not None, "the transport is HTTP"
    found: Agent = context.request.scope[_AGENT]
    return found


def _result(text: str, *, asked: Asked | None = None, is_error: bool = False) -> types.CallToolResult:
    import mcp_types as types

    run = {"sympozium.ai/run": f"{asked.ref.namespace}/{asked.ref.name}"} if asked else None
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error, _meta=run)


def _manager(mcp: Mcp) -> StreamableHTTPSessionManager:
    from mcp.server.lowlevel.server import Server
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    async def on_list(context: ServerRequestContext[Any, Any], _params: Any) -> types.ListToolsResult:
        return await mcp.list_tools(context)

    async def on_call(
        context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        return await mcp.call(context, params.name, params.arguments)

    server: Server[Any] = Server(
        "sympozium", version=__version__, on_list_tools=on_list, on_call_tool=on_call,
        instructions="The tool `ask` has one agent work; it answers when it is done.",
    )  # fmt: skip
    return StreamableHTTPSessionManager(server, stateless=True)
