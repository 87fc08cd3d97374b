"""The way of one call, from its arrival to its answer. The order is the guarantee:

    judge                                     nothing has happened; a refusal is an answer
    journal: received -> event: tool.intent   on disk, then acknowledged by the stream
    ask: preview, request, a person           no other call of the run executes meanwhile
    frozen? rules changed?                    held; judged anew
    journal: started -> execute               from here on it may have happened
    journal: done -> event: tool.outcome      acknowledged before the model sees the result

A call belongs to this server and not to the connection it came by: a caller that comes back asks
again under the same id and gets the one outcome.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from sympozium.bus.audit.entry import digest as result_digest
from sympozium.mcpsocket import text_result
from sympozium.policy.tools import EXECUTE_COMMAND, SHELL
from sympozium.shortening import shorten
from sympozium.tools import shown
from sympozium.tools.consent import RulesChangedError
from sympozium.tools.judge import Judge, came
from sympozium.tools.names import COMMAND_TOOL
from sympozium.tools.requests import REQUESTED
from sympozium.tools.skills import SkillLostError

if TYPE_CHECKING:
    import mcp_types as types

    from sympozium.api.runconfig import ToolsConfigFile
    from sympozium.tools.asked import Asked, Came
    from sympozium.tools.builtin import Builtin
    from sympozium.tools.catalogue import Catalogue
    from sympozium.tools.consent import Consent
    from sympozium.tools.journal import Entry, Journal
    from sympozium.tools.live import Live
    from sympozium.tools.previews import Preview
    from sympozium.tools.record import Record
    from sympozium.tools.requests import Requests

_log = logging.getLogger(__name__)

_FAREWELL = 3.0
"""Seconds for the outcome of a cancelled call to reach the stream."""

CANCELLED = "cancelled: the run was stopped during this call; it may have taken effect in part"
NOT_BEGUN = "cancelled: the run was stopped before this call began; nothing was done"


class Calls:
    """The calls of one run, one at a time."""

    def __init__(
        self,
        *,
        config: ToolsConfigFile,
        live: Live,
        judge: Judge,
        catalogue: Catalogue,
        builtin: Builtin,
        journal: Journal,
        consent: Consent,
        record: Record,
        requests: Requests,
    ) -> None:
        self._limits = config.limits
        self._live = live
        self._judge = judge
        self._catalogue = catalogue
        self._builtin = builtin
        self._journal = journal
        self._consent = consent
        self._record = record
        self._requests = requests
        self._one_at_a_time = asyncio.Lock()
        self._cancelled: str | None = None
        self._begun: tuple[Asked, float] | None = None

    async def list_tools(self) -> list[types.Tool]:
        """What the model is told: every tool that some target is not denied, by the rules that hold now.

        The agent asks before each step, and is answered when the run is not frozen: so no step begins in a freeze.
        """
        await self._catalogue.ready()
        await self._live.until(lambda: not self._live.frozen or self._cancelled is not None)
        return [
            offered.schema for offered in self._catalogue.tools().values() if self._judge.visible(offered)
        ]

    def in_flight(self) -> list[dict[str, Any]]:
        """The call that has begun and has no end yet, if there is one, as in `run.frozen`."""
        if self._begun is None:
            return []
        asked, since = self._begun
        flying = int((time.monotonic() - since) * 1000)
        return [{"callId": asked.id, "tool": asked.tool, "target": asked.target, "durationMs": flying}]

    async def cancel(self, reason: str) -> None:
        """No call begins any more. The one that runs is the caller's to cancel."""
        self._cancelled = reason or "the run was cancelled"
        await self._live.look()

    async def recover(self) -> None:
        """Publish what a predecessor of this process left: interrupted calls, outcomes not acknowledged."""
        for entry in self._journal.interrupt(but=REQUESTED):
            _log.warning("call %s (%s) was found without an acknowledged outcome", entry.id, entry.tool)
            await self._publish_outcome(entry.id, entry.text or "", is_error=entry.is_error, seconds=0.0)

    async def call(
        self, *, call: str, tool: str, arguments: dict[str, Any], malformed: str | None = None
    ) -> types.CallToolResult:
        """The result of a call. Refusals and failures are results with `is_error`.

        `malformed` is what the agent says of arguments that it could not read; such a call is refused.
        """
        made = came(call, tool, arguments, malformed)
        async with self._one_at_a_time:
            await self._catalogue.ready()
            entry = self._journal.entry(made.id)
            if entry is not None and entry.what != made.what:
                return text_result(
                    f"the call id {made.id!r} was used for another call; use a new one", is_error=True
                )
            if entry is not None and entry.state == "done":
                return await self._again(entry)
            began = time.monotonic()
            try:
                if entry is not None and entry.state == "started":
                    # A predecessor had begun it: it was judged then, and its making is asked for again.
                    return await self._execute(made, self._judge.judge(made, stopped=None), None)
                return await self._perform(made)
            except asyncio.CancelledError:
                await self._cut_short(made, time.monotonic() - began)
                raise

    # -- before it begins

    async def _perform(self, made: Came) -> types.CallToolResult:
        while True:
            asked = self._judge.judge(made, stopped=self._cancelled)
            entry = self._journal.entry(made.id)
            digest, preview = await self._consent.prepare(asked, entry)
            await self._put_on_record(asked, digest, preview, entry)
            try:
                refusal = await self._refusal(asked, digest, preview)
            except RulesChangedError:
                continue
            if refusal is not None:
                return await self._finish(made, refusal, is_error=True, denied=True, seconds=0.0)
            await self._live.thaw()
            if (refusal := await self._consent.stale(asked, preview)) is not None:
                return await self._finish(made, refusal, is_error=True, denied=True, seconds=0.0)
            # Nothing waits between this look and the journal's `started`: what is judged is what begins.
            if asked.rules is self._live.rules and not self._live.frozen:
                return await self._execute(made, asked, preview)

    async def _put_on_record(
        self, asked: Asked, digest: str, preview: Preview | None, entry: Entry | None
    ) -> None:
        if entry is not None and entry.digest == digest:
            if entry.state == "waiting":
                return  # its intent is in the stream
        else:
            if entry is not None and entry.state == "waiting":
                await self._consent.void(asked, entry.digest)
            self._journal.receive(
                call=asked.id, what=asked.what, tool=asked.tool, same=asked.same, digest=digest,
                preview=preview.keep() if preview else None,
            )  # fmt: skip
        await self._record.publish("tool.intent", shown.intent(asked, digest))

    async def _refusal(self, asked: Asked, digest: str, preview: Preview | None) -> str | None:
        if asked.verdict.action == "deny":
            return shown.refusal(asked.verdict)
        if asked.verdict.action == "allow":
            return None
        self._journal.wait(asked.id)
        return await self._consent.refused(asked, digest, preview)

    # -- executing

    async def _execute(self, made: Came, asked: Asked, preview: Preview | None) -> types.CallToolResult:
        self._journal.start(asked.id)
        began = time.monotonic()
        self._begun = asked, began
        try:
            text, is_error = await self._run(asked, preview)
        except Exception as error:  # noqa: BLE001 - logged with its trace, and told to the model and the record
            # Every call has an end on the record, also one that our own mistake broke.
            _log.exception("call %s (%s) failed inside the tool server", asked.id, asked.tool)
            text, is_error = (
                f"internal error of the tool server: {error!r}; this is a bug, please report it",
                True,
            )
        finally:
            self._begun = None
        return await self._finish(made, text, is_error=is_error, seconds=time.monotonic() - began)

    async def _cut_short(self, made: Came, seconds: float) -> None:
        """The end of a cancelled call, as far as the bus takes it within a bound; the journal has it at once."""
        entry = self._journal.entry(made.id)
        if entry is None or entry.state == "done":
            return
        begun = entry.state == "started"
        try:
            # Not `asyncio.timeout`: before Python 3.11.3 it never says so in a task that has been cancelled already.
            text = CANCELLED if begun else NOT_BEGUN
            finish = self._finish(made, text, is_error=True, denied=not begun, seconds=seconds)
            await asyncio.wait_for(finish, _FAREWELL)
        except TimeoutError:
            _log.error(
                "the outcome of call %s is in the journal only: the bus did not take it in time", made.id
            )

    async def _run(self, asked: Asked, preview: Preview | None) -> tuple[str, bool]:
        offered = asked.offered
        assert offered is not None, "an unknown tool has been refused before"
        try:
            if offered.skill is not None:
                return await offered.skill.call(offered.inner, asked.arguments)
            if offered.name == EXECUTE_COMMAND and asked.target != SHELL:
                skill = self._catalogue.skill(asked.target)
                assert skill is not None, "the schema lists the targets"
                inner = {k: v for k, v in asked.arguments.items() if k != "target"}
                return await skill.call(COMMAND_TOOL, inner)
        except SkillLostError as error:
            return str(error), True
        if offered.name in REQUESTED:
            return await self._requests.call(asked.id, offered.name, asked.arguments)
        return await self._builtin.call(asked, expect=preview.basis if preview else None)

    async def _finish(
        self, made: Came, text: str, *, is_error: bool, seconds: float, denied: bool = False
    ) -> types.CallToolResult:
        short = shorten(text, self._limits.max_result_chars)
        self._journal.finish(made.id, short, is_error=is_error)
        await self._publish_outcome(
            made.id, text, is_error=is_error, seconds=seconds, denied=denied, truncated=short != text
        )
        return text_result(short, is_error=is_error)

    async def _again(self, entry: Entry) -> types.CallToolResult:
        text = entry.text or ""
        if not entry.published:
            await self._publish_outcome(entry.id, text, is_error=entry.is_error, seconds=0.0)
        return text_result(text, is_error=entry.is_error)

    async def _publish_outcome(
        self,
        call: str,
        text: str,
        *,
        is_error: bool,
        seconds: float,
        denied: bool = False,
        truncated: bool = False,
    ) -> None:
        data = {
            "callId": call,
            "ok": not is_error,
            "isError": is_error,
            "summary": shown.summary(text),
            "bytes": len(text.encode("utf-8", "surrogatepass")),
            "resultDigest": result_digest(text),
            "truncated": truncated,
            "durationMs": int(seconds * 1000),
        }
        await self._record.publish("tool.outcome", data | ({"denied": True} if denied else {}))
        self._journal.publish(call)
