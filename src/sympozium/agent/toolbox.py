"""The agent's side of the tool server: its tools, its calls, and a connection that may break.

A call has an id. When the connection breaks the call is asked for again under that id on the next
connection; the tool server has it in its journal and does not make it twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from sympozium.agent.outcome import RunError
from sympozium.mcpsocket import CALL_ID, MALFORMED, McpConnectError, MCPError, connect, result_text, types

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from mcp.client.session import ClientSession

T = TypeVar("T")
_log = logging.getLogger(__name__)

START_WAIT = 60.0
"""Seconds for the tool server to listen; its container starts beside this one."""
AGAIN_WAIT = 60.0
ATTEMPTS = 4
"""Connections on which one call is tried."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    text: str
    is_error: bool


class Toolbox:
    """Open with `async with`; entered and left in the same task."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stack = contextlib.AsyncExitStack()
        self._session: ClientSession | None = None
        self._number = 0

    async def __aenter__(self) -> Self:
        await self._connect(START_WAIT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def tools(self) -> list[dict[str, Any]]:
        """The tools as the chat completions API wants them.

        Asked before each step: the tool server answers by the policy that holds now, and not while the run is frozen.
        """
        listed = (await self._asked("the list of tools", lambda session: session.list_tools())).tools
        return [
            {
                "type": "function",
                "function": {
                    "name": t.name,
                    "description": t.description or "",
                    "parameters": t.input_schema,
                },
            }
            for t in listed
        ]

    def next_id(self, name: str, arguments: str) -> str:
        """A call id, from what the call is: the how-many-th of the run, and a hash of what is called.

        When the run is tried again (spec.retries) the same call has the same id, so what a person has
        decided, or is just deciding, about it still holds; another call in its place has another id.
        Lower case letters, digits and dashes, since object names are made of it.
        """
        self._number += 1
        what = hashlib.sha256(f"{name}\0{arguments}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._number}-{what[:8]}"

    async def call(
        self, call_id: str, name: str, arguments: dict[str, Any], *, malformed: str | None = None
    ) -> ToolResult:
        """Make a call. RunError ToolServerLost when the server does not come back.

        `malformed` says what was wrong with arguments that could not be read; the tool server
        refuses such a call, on the record.
        """
        meta: Any = {CALL_ID: call_id} | ({MALFORMED: malformed} if malformed else {})
        try:
            result = await self._asked(name, lambda session: session.call_tool(name, arguments, meta=meta))
        except MCPError as error:
            return ToolResult(f"the tool server refused the call: {error}", is_error=True)
        return ToolResult(result_text(result), bool(result.is_error))

    async def _asked(self, what: str, ask: Callable[[ClientSession], Awaitable[T]]) -> T:
        """The answer, on however many connections that takes. MCPError for a refusal."""
        for _ in range(ATTEMPTS):
            assert self._session is not None
            try:
                return await ask(self._session)
            except MCPError as error:
                if error.code != types.CONNECTION_CLOSED:
                    raise
                _log.warning("the tool server went away during %s; connecting again", what)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError) as error:
                _log.warning("the tool server went away before %s (%r); connecting again", what, error)
            await self._stack.aclose()
            await self._connect(AGAIN_WAIT)
        raise RunError(
            "ToolServerLost", f"the tool server went away {ATTEMPTS} times during one call of {what}"
        )

    async def _connect(self, wait: float) -> None:
        self._stack = contextlib.AsyncExitStack()
        try:
            self._session = await self._stack.enter_async_context(connect(self._path, wait=wait))
        except McpConnectError as error:
            raise RunError("ToolServerLost", f"no tool server: {error}") from error
