"""The process: the MCP socket, the connections to the skills, the control messages, the end.

Calls run in tasks of this server's group. A connection that breaks leaves its call running; the
caller that comes back with the same id waits for the same task.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any

from sympozium.bus.messages import (
    APPROVAL_DECIDED,
    POLICY_APPLIED,
    POLICY_CHANGED,
    REQUEST_ANSWERED,
    RUN_CANCEL,
    RUN_FREEZE,
    RUN_FROZEN,
)
from sympozium.mcpsocket import CALL_ID, MALFORMED, listen, text_result, tool_server
from sympozium.telemetry import tracecontext
from sympozium.tools.journal import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable

    import mcp_types as types

    from sympozium.tools.approvals import Approvals
    from sympozium.tools.calls import Calls
    from sympozium.tools.live import Live
    from sympozium.tools.record import Record
    from sympozium.tools.requests import Requests
    from sympozium.tools.skills import Skill

_log = logging.getLogger(__name__)


class ToolServer:
    """Everything of the `tools` container that runs. `serve` returns after `stop` was set."""

    def __init__(
        self,
        *,
        path: str,
        calls: Calls,
        skills: Iterable[Skill],
        approvals: Approvals,
        requests: Requests,
        live: Live,
        record: Record,
    ) -> None:
        self._path = path
        self._calls = calls
        self._skills = list(skills)
        self._approvals = approvals
        self._requests = requests
        self._live = live
        self._record = record
        self._running: dict[str, asyncio.Task[types.CallToolResult]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then cancel what runs, with its outcome on the record."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            background = [
                group.create_task(skill.run(), name=f"skill {skill.name}") for skill in self._skills
            ]
            background.append(group.create_task(self._listen_to_control(), name="control"))
            await self._calls.recover()
            # The control plane learns that a tool server is here and what it judges by; where that is not what it
            # should be (a new attempt of the run has an empty journal), it says so again.
            await self._record.publish(POLICY_APPLIED, self._live.rules.applied())
            server = tool_server("sympozium-tools", list_tools=self._calls.list_tools, call_tool=self._call)
            async with listen(server, self._path):
                _log.info("tools listen on %s", self._path)
                await stop.wait()
                await self._calls.cancel("the pod is ending")
                await self._end_running()
            for task in background:
                task.cancel()

    async def _call(self, name: str, arguments: dict[str, Any], meta: dict[str, Any]) -> types.CallToolResult:
        call = str(meta.get(CALL_ID) or f"t-{secrets.token_hex(6)}")
        task = self._running.get(call)
        if task is None:
            assert self._group is not None
            malformed = str(meta[MALFORMED]) if MALFORMED in meta else None
            coroutine = self._calls.call(call=call, tool=name, arguments=arguments, malformed=malformed)
            context = tracecontext.current()
            with tracecontext.within(context and context.within(tracecontext.new_span_id())):
                task = self._group.create_task(coroutine, name=call)
            self._running[call] = task
            task.add_done_callback(lambda _: self._running.pop(call, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # the caller went away; the call goes on
            return text_result("cancelled: the run is being stopped", is_error=True)

    async def _end_running(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _listen_to_control(self) -> None:
        async for message in self._record.control():
            data = message.data
            if message.type == APPROVAL_DECIDED:
                await self._approvals.decided(
                    Decision(
                        call=str(data["callId"]),
                        digest=str(data["argsDigest"]),
                        decision=str(data["decision"]),
                        scope=str(data.get("scope") or "once"),
                        decided_by=str(data.get("decidedBy") or ""),
                        comment=str(data.get("comment") or ""),
                    )
                )
            elif message.type == REQUEST_ANSWERED:
                await self._requests.answered(data)
            elif message.type == POLICY_CHANGED:
                await self._live.change_policy(message.sequence, data)
                await self._record.publish(POLICY_APPLIED, self._live.rules.applied())
            elif message.type == RUN_FREEZE:
                await self._live.freeze(message.sequence, data)
                answer = {"frozen": self._live.frozen, "inFlight": self._calls.in_flight()}
                await self._record.publish(RUN_FROZEN, answer)
            elif message.type == RUN_CANCEL:
                _log.info("the run is cancelled: %s", data.get("reason"))
                await self._calls.cancel(str(data.get("reason") or ""))
                await self._end_running()
            else:
                _log.warning("unknown control message %s", message.type)
