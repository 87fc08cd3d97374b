"""MCP over unix sockets with the `mcp` SDK, and a start that pays for nothing else in it.

The SDK has transports for stdio and HTTP; between the containers of a pod we speak its
newline-delimited JSON-RPC over a unix socket that only two of them mount. This leaf is shared
by `agent` (client), `tools` (both) and the skill sidecars (server).

Weight: `import mcp` runs `mcp/__init__.py`, which imports every client, server and transport:
950 ms of CPU, three times in each pod, on a path where the whole budget is 4 s. The modules
that we use need 550 to 750 ms, so the `__init__` of the three packages is deferred: `import
mcp.client.session` costs that module alone, and `from mcp import Client` works as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from sympozium.deferral import defer, models_when_used

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


for _name in ("mcp", "mcp.client", "mcp.server"):
    defer(_name)

with models_when_used():
    import mcp_types as types
    import mcp_types.methods

import anyio  # noqa: E402 - everything below wants the deferred packages
from mcp.shared.exceptions import MCPError  # noqa: E402
from mcp.shared.message import SessionMessage  # noqa: E402

from sympozium.telemetry import tracecontext  # noqa: E402

if TYPE_CHECKING:
    from mcp.client.session import ClientSession
    from mcp.server.lowlevel.server import Server

__all__ = [
    "CALL_ID",
    "MALFORMED",
    "MAX_LINE",
    "MCPError",
    "McpConnectError",
    "connect",
    "listen",
    "result_text",
    "text_result",
    "tool_server",
    "types",
]
"""`types` and `MCPError` are the SDK's: who takes them from here does not import all of it first."""

_log = logging.getLogger(__name__)

CALL_ID = "sympozium.ai/call-id"
"""Key in a call's `_meta`: the id under which the agent repeats a call whose answer it did not get."""

MALFORMED = "sympozium.ai/malformed"
"""Key in a call's `_meta`: what was wrong with arguments that the agent could not read."""

MAX_LINE = 32 * 1024 * 1024
"""Bytes of one message. Above what any caller may send on purpose, so that a tool server can
answer too large arguments with a tool error; above this the connection ends."""


class McpConnectError(Exception):
    """The socket did not come up in time, or what listens there does not speak MCP."""


@contextlib.asynccontextmanager
async def listen(server: Server[Any], path: str) -> AsyncIterator[None]:
    """Serve `server` on the unix socket `path` until the context ends; open calls are cancelled then.

    A stale socket file is replaced. OSError when the directory cannot be written.
    """
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with _streams(reader, writer) as (read, write):
                await server.run(read, write, server.create_initialization_options())
        except Exception:  # noqa: BLE001 - logged with its trace
            # One broken connection must not end the others; the caller sees its own end.
            _log.exception("a connection on %s failed", path)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = group.create_task(serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - once, at start
    async with asyncio.TaskGroup() as group:
        listener = await asyncio.start_unix_server(connected, path, limit=MAX_LINE)
        try:
            yield
        finally:
            listener.close()
            for task in connections:
                task.cancel()


@contextlib.asynccontextmanager
async def connect(path: str, *, wait: float) -> AsyncIterator[ClientSession]:
    """An initialized client session with the server on unix socket `path`.

    `wait` is how many seconds the socket may take to appear and to answer `initialize`.
    McpConnectError when it does not. Calls in the session have the time limits their caller gives.
    """
    deadline = asyncio.get_running_loop().time() + wait
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                session = await stack.enter_async_context(_session(path, deadline, wait))
                break
            except _HungUpError:
                # A server that is going away still had its listener: the next one is on its way.
                await asyncio.sleep(0.05)
        yield session


class _HungUpError(Exception):
    """The server closed the connection before it had answered `initialize`."""


@contextlib.asynccontextmanager
async def _session(path: str, deadline: float, wait: float) -> AsyncIterator[ClientSession]:
    from mcp.client.session import ClientSession

    reader, writer = await _open(path, deadline, wait)
    client = types.Implementation(name="sympozium", version="1")
    try:
        async with (
            _streams(reader, writer) as (read, write),
            ClientSession(read, write, client_info=client) as session,
        ):
            try:
                async with asyncio.timeout_at(deadline):
                    await session.initialize()
            except TimeoutError:
                raise McpConnectError(
                    f"{path} accepts connections but did not answer within {wait:g} s"
                ) from None
            except MCPError as error:
                if error.code == types.CONNECTION_CLOSED:
                    raise _HungUpError from error
                raise McpConnectError(f"what listens on {path} refused the connection: {error}") from error
            yield session
    except BaseExceptionGroup as group:
        # The SDK's task groups wrap what our caller raised in the block; it is theirs to see as it was.
        raise _only(group) from None


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception in nested groups of one, else the group."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner


async def _open(path: str, deadline: float, wait: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    pause = 0.01
    while True:
        try:
            return await asyncio.open_unix_connection(path, limit=MAX_LINE)
        except OSError as error:
            if loop.time() + pause > deadline:
                raise McpConnectError(
                    f"nothing listens on {path} after {wait:g} s ({error.strerror or error}); "
                    "its container did not start, or ended: see the pod's status"
                ) from error
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)


@contextlib.asynccontextmanager
async def _streams(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[tuple[Any, Any]]:
    """The SDK's pair of message streams over a byte stream: one JSON-RPC message on each line."""
    incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)

    async def receive() -> None:
        async with incoming:
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError):
                while line := await _line(reader):
                    try:
                        item: SessionMessage | Exception = SessionMessage(
                            types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                        )
                    except ValueError as error:
                        item = error
                    await incoming.send(item)

    async def send() -> None:
        try:
            async with outgoing:
                async for item in outgoing:
                    text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    writer.write(text.encode() + b"\n")
                    await writer.drain()
        except ConnectionError:
            await incoming.aclose()  # the session sees the end instead of waiting for an answer

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            group.start_soon(send)
            yield read, write
            group.cancel_scope.cancel()
    finally:
        for stream in (incoming, read, write, outgoing):
            stream.close()
        writer.close()


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        return b""  # the peer hung up; a half message is none
    except asyncio.LimitOverrunError as error:
        raise ConnectionAbortedError(f"a message is longer than {MAX_LINE} bytes") from error


def text_result(
    text: str, *, is_error: bool = False, meta: dict[str, Any] | None = None
) -> types.CallToolResult:
    """A tool's answer of one text block."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=is_error, _meta=meta
    )


def result_text(result: types.CallToolResult) -> str:
    """The text of an answer; blocks that are no text are named, never dropped."""
    parts = []
    for block in result.content:
        if isinstance(block, types.TextContent):
            parts.append(block.text)
        else:
            parts.append(f"[{block.type} content, not shown to the model]")
    return "\n".join(parts)


def tool_server(
    name: str,
    *,
    list_tools: Callable[[], Awaitable[list[types.Tool]]],
    call_tool: Callable[[str, dict[str, Any], dict[str, Any]], Awaitable[types.CallToolResult]],
) -> Server[Any]:
    """An SDK server that offers tools and nothing else.

    `call_tool(name, arguments, meta)` gets any name, known or not; `meta` is the request's `_meta`.
    """
    from mcp.server.lowlevel.server import Server

    async def on_list(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=await list_tools())

    async def on_call(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        meta = dict(params.meta or {})
        caller = tracecontext.parse(str(meta.get(tracecontext.HEADER)))
        with tracecontext.within(caller or tracecontext.current()):
            return await call_tool(params.name, params.arguments or {}, meta)

    return Server(name, on_list_tools=on_list, on_call_tool=on_call)
