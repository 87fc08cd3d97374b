"""The way of one call, from its arrival to its answer. The order is the guarantee:

    size -> known? -> schema -> gate          nothing has happened; a refusal is an answer
    journal: waiting -> event: tool.intent    on disk, then acknowledged by the stream
    ask: request, tool.approval, a person     no other call of the run executes meanwhile
    journal: started -> execute               from here on it may have happened
    journal: done -> event: tool.outcome      acknowledged before the model sees the result

A call belongs to this server and not to the connection it came by: a caller that comes back asks
again under the same id and gets the one outcome.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympozium.masking import mask, mask_text
from sympozium.mcpsocket import text_result
from sympozium.policy.gate import Call, gate
from sympozium.policy.tools import EXECUTE_COMMAND, SHELL
from sympozium.policy.verdict import Verdict
from sympozium.shortening import shorten, shorten_value
from sympozium.tools.arguments import SchemaBrokenError, Schemas, too_large
from sympozium.tools.digest import args_digest
from sympozium.tools.names import COMMAND_TOOL
from sympozium.tools.skills import SkillLostError

if TYPE_CHECKING:
    import mcp_types as types

    from sympozium.api.runconfig import ToolsConfigFile
    from sympozium.policy.effective import Effective
    from sympozium.tools.approvals import Approvals
    from sympozium.tools.builtin import Builtin
    from sympozium.tools.catalogue import Catalogue, Offered
    from sympozium.tools.journal import Entry, Journal
    from sympozium.tools.record import Record

_log = logging.getLogger(__name__)

SHOWN_ARGUMENT = 2000
"""Characters of each string argument in events and approvals."""
SHOWN_ARGUMENTS = 64 * 1024
"""Bytes of all arguments of a call in events and approvals."""
SHOWN_RESULT = 2000
"""Characters of a result in its event."""
APPROVAL_GRACE = 60.0
"""Seconds beyond the policy's timeout. That it is over is the controller's to say, in the
ApprovalRequest: if we gave up first, a person could still approve there what is refused here."""
_FAREWELL = 3.0
"""Seconds for the outcome of a cancelled call to reach the stream."""

CANCELLED = "cancelled: the run was stopped during this call; it may have taken effect in part"
NOT_BEGUN = "cancelled: the run was stopped before this call began; nothing was done"


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as it came, with what was decided about it."""

    id: str
    tool: str
    target: str
    arguments: dict[str, Any]
    digest: str
    verdict: Verdict
    offered: Offered | None


class Calls:
    """The calls of one run, one at a time."""

    def __init__(
        self,
        *,
        config: ToolsConfigFile,
        policy: Effective,
        catalogue: Catalogue,
        builtin: Builtin,
        journal: Journal,
        approvals: Approvals,
        record: Record,
        approval_grace: float = APPROVAL_GRACE,
    ) -> None:
        self._config = config
        self._patience = config.approval_timeout_seconds + approval_grace
        self._policy = policy
        self._catalogue = catalogue
        self._builtin = builtin
        self._journal = journal
        self._approvals = approvals
        self._record = record
        self._schemas = Schemas()
        self._one_at_a_time = asyncio.Lock()
        self._cancelled: str | None = None

    async def list_tools(self) -> list[types.Tool]:
        """What the model is told: every tool that some target is not denied."""
        await self._catalogue.ready()
        return [offered.schema for offered in self._catalogue.tools().values() if self.visible(offered)]

    def visible(self, offered: Offered) -> bool:
        targets = self._catalogue.targets(offered)
        return any(self._gate(offered.name, target).action != "deny" for target in targets)

    def cancel(self, reason: str) -> None:
        """No call begins any more. The one that runs is the caller's to cancel."""
        self._cancelled = reason or "the run was cancelled"

    async def recover(self) -> None:
        """Publish what a predecessor of this process left: interrupted calls, outcomes not acknowledged."""
        for entry in self._journal.interrupt():
            _log.warning("call %s (%s) was found without an acknowledged outcome", entry.id, entry.tool)
            await self._publish_outcome(entry.id, entry.text or "", is_error=entry.is_error, seconds=0.0)

    async def call(
        self, *, call: str, tool: str, arguments: dict[str, Any], malformed: str | None = None
    ) -> types.CallToolResult:
        """The result of a call. Refusals and failures are results with `is_error`.

        `malformed` is what the agent says of arguments that it could not read; such a call is refused.
        """
        async with self._one_at_a_time:
            asked = await self._decide(call, tool, arguments, malformed)
            entry = self._journal.entry(call)
            if entry is not None and (entry.tool, entry.digest) != (tool, asked.digest):
                return text_result(
                    f"the call id {call!r} was used for another call; use a new one", is_error=True
                )
            if entry is not None and entry.state == "done":
                return await self._again(entry)
            if entry is None:
                self._journal.receive(call=call, tool=tool, target=asked.target, digest=asked.digest)
                await self._record.publish("tool.intent", self._intent(asked))
            began = time.monotonic()
            try:
                return await self._perform(asked)
            except asyncio.CancelledError:
                await self._cut_short(asked, time.monotonic() - began)
                raise

    # -- deciding

    async def _decide(self, call: str, tool: str, arguments: dict[str, Any], malformed: str | None) -> Asked:
        await self._catalogue.ready()
        offered = self._catalogue.tools().get(tool)
        target = self._catalogue.target(offered, arguments) if offered else ""
        verdict = (
            Verdict("deny", "malformed arguments", malformed)
            if malformed
            else self._verdict(tool, target, arguments, offered)
        )
        digest = args_digest(
            uid=self._config.run.uid,
            tool=tool,
            target=target,
            args=arguments,
            generation=self._config.policy.generation,
        )
        return Asked(call, tool, target, arguments, digest, verdict, offered)

    def _verdict(self, tool: str, target: str, arguments: dict[str, Any], offered: Offered | None) -> Verdict:
        if self._cancelled is not None:
            return Verdict("deny", "run.cancel", f"no tool runs any more: {self._cancelled}")
        if reason := too_large(tool, arguments, self._config.limits.max_argument_bytes):
            return Verdict("deny", "limits.maxArgumentBytes", reason)
        if offered is None:
            return Verdict("deny", "undeclared tool", self._catalogue.unknown(tool, self.visible))
        try:
            reason = self._schemas.wrong(tool, offered.schema.input_schema, arguments)
        except SchemaBrokenError as error:
            reason = str(error)
        if reason:
            return Verdict("deny", "input schema", reason)
        return self._gate(tool, target)

    def _gate(self, tool: str, target: str) -> Verdict:
        return gate(Call(tool, target), self._policy, self._config.tool_policies)

    async def _refused(self, asked: Asked) -> str | None:
        """Words for a call that must not be made; waits for a person where the verdict is `ask`."""
        verdict = asked.verdict
        if verdict.action == "deny":
            return f"denied: {verdict.reason} [{verdict.rule}]"
        if verdict.action == "allow":
            return None
        decision = self._journal.decision(asked.id, asked.digest)
        if decision is None:
            await self._publish_approval(asked, "waiting")
            await self._record.request_approval(self._approval(asked))
            decision = await self._approvals.wait(call=asked.id, digest=asked.digest, seconds=self._patience)
        await self._publish_approval(
            asked, decision.decision, decidedBy=decision.decided_by, comment=decision.comment
        )
        if decision.decision == "Approved":
            return None
        by = f" by {decision.decided_by}" if decision.decided_by else ""
        comment = f": {decision.comment}" if decision.comment else ""
        if decision.decision == "Expired":
            return f"denied: the approval expired, nobody decided in time{comment} [{verdict.rule}]"
        return f"denied{by}{comment} [{verdict.rule}]"

    # -- executing

    async def _perform(self, asked: Asked) -> types.CallToolResult:
        refusal = await self._refused(asked)
        if refusal is not None:
            return await self._finish(asked, refusal, is_error=True, denied=True, seconds=0.0)
        self._journal.start(asked.id)
        began = time.monotonic()
        try:
            text, is_error = await self._run(asked)
        except Exception as error:  # noqa: BLE001 - logged with its trace, and told to the model and the record
            # Every call has an end on the record, also one that our own mistake broke.
            _log.exception("call %s (%s) failed inside the tool server", asked.id, asked.tool)
            text, is_error = (
                f"internal error of the tool server: {error!r}; this is a bug, please report it",
                True,
            )
        return await self._finish(asked, text, is_error=is_error, seconds=time.monotonic() - began)

    async def _cut_short(self, asked: Asked, seconds: float) -> None:
        """The end of a cancelled call, as far as the bus takes it within a bound; the journal has it at once."""
        entry = self._journal.entry(asked.id)
        if entry is None or entry.state == "done":
            return
        text = CANCELLED if entry.state == "started" else NOT_BEGUN
        try:
            async with asyncio.timeout(_FAREWELL):
                await self._finish(
                    asked, text, is_error=True, denied=entry.state == "waiting", seconds=seconds
                )
        except TimeoutError:
            _log.error(
                "the outcome of call %s is in the journal only: the bus did not take it in time", asked.id
            )

    async def _run(self, asked: Asked) -> tuple[str, bool]:
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
        return await self._builtin.call(offered.name, asked.arguments)

    async def _finish(
        self, asked: Asked, text: str, *, is_error: bool, seconds: float, denied: bool = False
    ) -> types.CallToolResult:
        shown = shorten(text, self._config.limits.max_result_chars)
        self._journal.finish(asked.id, shown, is_error=is_error)
        await self._publish_outcome(
            asked.id, text, is_error=is_error, seconds=seconds, denied=denied, truncated=shown != text
        )
        return text_result(shown, is_error=is_error)

    async def _again(self, entry: Entry) -> types.CallToolResult:
        text = entry.text or ""
        if not entry.published:
            await self._publish_outcome(entry.id, text, is_error=entry.is_error, seconds=0.0)
        return text_result(text, is_error=entry.is_error)

    # -- the record

    def _shown(self, asked: Asked) -> Any:
        # Shortened before masking too, so that 5 MB of arguments do not cost seconds of pattern matching.
        shown = shorten_value(mask(shorten_value(asked.arguments, 4 * SHOWN_ARGUMENT)), SHOWN_ARGUMENT)
        text = json.dumps(shown)
        return shown if len(text) <= SHOWN_ARGUMENTS else {"shortened": shorten(text, SHOWN_ARGUMENTS // 2)}

    def _intent(self, asked: Asked) -> dict[str, Any]:
        verdict = asked.verdict
        return {
            "callId": asked.id,
            "tool": shorten(asked.tool, 200),
            "target": asked.target,
            "args": self._shown(asked),
            "argsDigest": asked.digest,
            "verdict": {"action": verdict.action, "rule": verdict.rule, "reason": mask_text(verdict.reason)},
        }

    def _approval(self, asked: Asked) -> dict[str, Any]:
        return {
            "callId": asked.id,
            "tool": asked.tool,
            "target": asked.target,
            "args": self._shown(asked),
            "argsDigest": asked.digest,
            "reason": asked.verdict.reason,
            "expiresIn": self._config.approval_timeout_seconds,
        }

    async def _publish_approval(self, asked: Asked, state: str, **more: str) -> None:
        data = {"callId": asked.id, "tool": asked.tool, "state": state}
        await self._record.publish("tool.approval", data | {k: v for k, v in more.items() if v})

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
            "summary": shorten(mask_text(shorten(text, 8 * SHOWN_RESULT)), SHOWN_RESULT),
            "bytes": len(text.encode("utf-8", "surrogatepass")),
            "truncated": truncated,
            "durationMs": int(seconds * 1000),
        }
        await self._record.publish("tool.outcome", data | ({"denied": True} if denied else {}))
        self._journal.publish(call)
