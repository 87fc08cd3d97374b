"""Built-in tools that the control plane does: `spawn_agent`, `schedule_task` and `remember`.

A call becomes a request on the bus, idempotent by its id, and its answer comes as a control message. What it makes
exists once however often the request is made, so a call that a crash interrupted is asked for again instead of
being reported as interrupted. An answer is in the journal before it counts: the bus does not say it twice.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sympozium.telemetry import tracecontext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sympozium.tools.journal import Journal
    from sympozium.tools.record import Record

_log = logging.getLogger(__name__)

SPAWN: str = "spawn_agent"
SCHEDULE: str = "schedule_task"
REMEMBER: str = "remember"
REQUESTED: frozenset[str] = frozenset({SPAWN, SCHEDULE, REMEMBER})
"""Tools whose calls go on after a crash of the tool server."""


class Requests:
    """The requests of one run."""

    def __init__(self, journal: Journal, record: Record) -> None:
        self._journal = journal
        self._record = record
        self._arrived = asyncio.Condition()

    async def answered(self, data: Mapping[str, Any]) -> None:
        """Take an answer from the control plane; the first one for a call stands."""
        async with self._arrived:
            self._journal.answer(str(data["callId"]), ok=bool(data["ok"]), text=str(data["text"]))
            self._arrived.notify_all()

    async def call(self, call: str, tool: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """(text, is_error) of a call whose arguments fit the tool's schema; waits for as long as it takes.

        The run's timeout bounds it, and a cancellation of the run ends it.
        """
        if self._journal.answer_to(call) is None:
            kind, data = _REQUEST[tool](arguments)
            await self._record.request(kind, {"callId": call, **data})
        async with self._arrived:
            while (answer := self._journal.answer_to(call)) is None:
                await self._arrived.wait()
        return answer.text, not answer.ok


def _spawn(arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    data = {key: arguments[key] for key in ("task", "instance") if key in arguments}
    span = tracecontext.current()
    return "spawn", {
        **data,
        "wait": arguments.get("wait", True),
        **({"span": span.span_id} if span else {}),
    }


def _schedule(arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    data = {key: arguments[key] for key in ("schedule", "task") if key in arguments}
    return "schedule", {
        "name": arguments.get("name", ""),
        "action": arguments.get("action", "create"),
        **data,
    }


def _memory(arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "memory", {"action": arguments.get("action", "append"), "text": arguments["text"]}


_REQUEST: dict[str, Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]] = {
    SPAWN: _spawn,
    SCHEDULE: _schedule,
    REMEMBER: _memory,
}
