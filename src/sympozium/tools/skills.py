"""The skills of a run: a connection to each sidecar's MCP socket, kept and made again.

Sidecars start beside us, so each gets a bounded wait. One that does not come up costs its own
tools: calls of them say so, the others work, and it is an event of the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from sympozium.mcpsocket import McpConnectError, MCPError, connect, result_text
from sympozium.telemetry import tracecontext
from sympozium.tools.names import PREVIEW_TOOL

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.client.session import ClientSession

_log = logging.getLogger(__name__)

AGAIN_WAIT = 10.0
"""Seconds for one that was lost (it restarted) to come back, when it is called."""


class SkillLostError(Exception):
    """The skill's sidecar is not there; the text says which and why."""


class Skill:
    """One sidecar. `run` owns the connection and must be running while others call."""

    def __init__(self, name: str, path: str, *, start_wait: float) -> None:
        self.name = name
        self.tools: list[types.Tool] = []
        self.problem: str | None = None
        self._path = path
        self._start_wait = start_wait
        self._session: ClientSession | None = None
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._lost = asyncio.Event()

    async def run(self) -> None:
        """Connect, hold the connection until it is lost, connect again when it is wanted. Until cancelled."""
        wait = self._start_wait
        while True:
            try:
                async with connect(self._path, wait=wait) as session:
                    self.tools = (await session.list_tools()).tools
                    self._lost.clear()
                    self._wanted.clear()
                    self._session, self.problem = session, None
                    self._changed.set()
                    _log.info("skill %s offers %s", self.name, [tool.name for tool in self.tools])
                    await self._lost.wait()
            except (McpConnectError, MCPError, OSError) as error:
                self.problem = f"the skill {self.name} is not there: {error}"
                _log.warning("%s", self.problem)
                self._session = None
                self._wanted.clear()
                self._changed.set()
            await self._wanted.wait()
            wait = AGAIN_WAIT

    @property
    def has_preview(self) -> bool:
        """Whether it can say what its calls would do."""
        return any(tool.name == PREVIEW_TOOL for tool in self.tools)

    async def ready(self) -> None:
        """Wait until the first attempt has an end, good or bad."""
        await self._changed.wait()

    async def call(self, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """The tool's (text, is_error). SkillLostError when the sidecar is not there, or went away in the call."""
        session = await self._connected()
        try:
            result = await session.call_tool(tool, arguments, meta=_meta())
        except MCPError as error:
            if not await self._alive(session):
                self._session = None
                self._lost.set()
                raise SkillLostError(
                    f"the skill {self.name} went away during {tool}; whether it took effect is not known ({error})"
                ) from error
            return f"{self.name}: {error}", True
        except RuntimeError as error:  # the SDK's word for an answer that does not keep its own schema
            return f"{self.name} gave an answer that is not valid: {error}", True
        return result_text(result), bool(result.is_error)

    async def _connected(self) -> ClientSession:
        await self.ready()
        if self._session is None:
            self._changed.clear()
            self._wanted.set()
            await self._changed.wait()
        if self._session is None:
            raise SkillLostError(self.problem or f"the skill {self.name} is not there")
        return self._session

    async def _alive(self, session: ClientSession) -> bool:
        with contextlib.suppress(MCPError, TimeoutError):
            async with asyncio.timeout(2):
                await session.send_ping()
                return True
        return False


def _meta() -> Any:
    """The span of the call in the sidecar, as MCP carries it; the controllers derive the same id from the call's."""
    call = tracecontext.current()
    if call is None:
        return None
    return {tracecontext.HEADER: str(call.within(tracecontext.derived(call.span_id, "skill")))}
